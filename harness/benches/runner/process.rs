// SPDX-License-Identifier: GPL-2.0-or-later
//! What the host's kernel tells of processes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::figures::Result;

/// A variable that the descendants of a command inherit, by which they are known for ever.
pub(crate) struct Mark(String);

const MARK: &str = "SWAPMIG_BENCH_MARK";

impl Mark {
    /// `name` is not used twice in this bench.
    pub(crate) fn new(name: &str) -> Self {
        Self(format!("{}-{name}", std::process::id()))
    }

    pub(crate) fn put_on(&self, command: &mut Command) {
        command.env(MARK, &self.0);
    }

    /// The marked processes that live, each with its command line.
    pub(crate) fn living(&self) -> Result<Vec<String>> {
        let entry = format!("{MARK}={}", self.0);
        let mut living = Vec::new();
        for process in fs::read_dir("/proc")? {
            let process = process?.path();
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            if environment
                .split(|&byte| byte == 0)
                .any(|one| one == entry.as_bytes())
            {
                living.push(format!("{} {}", process.display(), command_line(&process)));
            }
        }
        Ok(living)
    }
}

fn command_line(process: &Path) -> String {
    let line = fs::read(process.join("cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line)
        .replace('\0', " ")
        .chars()
        .take(200)
        .collect()
}

/// The id of a child, for signals.
pub(crate) fn pid(child: &Child) -> Result<Pid> {
    let raw = i32::try_from(child.id())?;
    Ok(Pid::from_raw(raw).ok_or("a child has an id")?)
}

/// CPU time of a process and of the children that it has waited for, in clock ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuTicks {
    pub(crate) own: u64,
    pub(crate) children: u64,
}

/// Waits for the end of a child and leaves it to be waited for once more: until then the kernel
/// tells what it and its own children took.
pub(crate) fn cpu_until_end(child: &Child) -> Result<CpuTicks> {
    let pid = pid(child)?;
    waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )?;
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
    // The name before it may hold blanks and parentheses.
    let (_, fields) = stat.rsplit_once(')').ok_or("a process's stat has a name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |nth: usize| -> Result<u64> {
        Ok(fields
            .get(nth)
            .ok_or("a process's stat is short")?
            .parse()?)
    };
    Ok(CpuTicks {
        own: ticks(11)? + ticks(12)?,
        children: ticks(13)? + ticks(14)?,
    })
}

/// What a living process holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holds {
    /// Memory of its own: pages of mapped files come and go as the host likes.
    pub(crate) own_kib: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
}

impl Holds {
    /// None when the process has ended.
    pub(crate) fn of(child: &Child) -> Option<Self> {
        let process = format!("/proc/{}", child.id());
        let status = fs::read_to_string(format!("{process}/status")).ok()?;
        let number = |name: &str| -> Option<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            own_kib: number("RssAnon:")?,
            threads: number("Threads:")?,
            descriptors: fs::read_dir(format!("{process}/fd")).ok()?.count() as u64,
        })
    }
}
