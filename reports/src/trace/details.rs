// SPDX-License-Identifier: GPL-2.0-or-later
//! What a report's lines tell beside stacks: task, CPU, taint, release, access, registers, locks.

use super::pattern::lazy;
use super::report::{Access, Details, Direction};

lazy!(
    CPU_LINE = r"CPU: (?P<cpu>\d+) (?:UID: \d+ )?PID: (?P<pid>\d+) Comm: (?P<task>.{1,32}?) (?:Not tainted|Tainted)"
);
lazy!(BY_TASK = r"by task (?P<task>.{1,32}?)/(?P<pid>\d+)\b");
lazy!(
    ACCESS = r"(?m)^(?P<direction>Read|Write) of size (?P<size>\d+)(?: at addr (?P<address>[0-9a-f]{1,16}))?"
);

/// Reads the lines of a report, prefixes stripped.
pub(super) fn read(text: &str) -> Details {
    let mut details = Details {
        access: access(text),
        ..Details::default()
    };
    for re in [&*BY_TASK, &*CPU_LINE] {
        let Some(captures) = re.captures(text) else {
            continue;
        };
        let number = |name: &str| captures.name(name)?.as_str().parse().ok();
        details.task = details.task.or_else(|| Some(captures["task"].to_owned()));
        details.pid = details.pid.or_else(|| number("pid"));
        details.cpu = details.cpu.or_else(|| number("cpu"));
    }
    details
}

fn access(text: &str) -> Option<Access> {
    let captures = ACCESS.captures(text)?;
    Some(Access {
        direction: if &captures["direction"] == "Read" {
            Direction::Read
        } else {
            Direction::Write
        },
        size: captures["size"].parse().ok(),
        address: captures
            .name("address")
            .and_then(|m| u64::from_str_radix(m.as_str(), 16).ok()),
    })
}
