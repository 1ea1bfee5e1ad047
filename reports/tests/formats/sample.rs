// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads a sample and holds it against what it must tell.

use swapmig_reports::trace::{Access, Direction, Kind, Report, Role, parse};

/// What a sample must tell.
pub(crate) struct Want {
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
    /// Name and id of the task, where printed.
    pub(crate) task: Option<(&'static str, u32)>,
    pub(crate) cpu: Option<u32>,
}

/// The one report of a console, which is whole; with and without the kernel's clock.
pub(crate) fn check(console: &str, want: &Want) -> Report {
    let bare = only(console);
    told(&bare, want);
    let stamped: String = console
        .lines()
        .enumerate()
        .map(|(at, line)| format!("[   21.{at:06}][  T310] {line}\r\n"))
        .collect();
    let report = only(&stamped);
    told(&report, want);
    assert_eq!(bare.stacks, report.stacks);
    assert_eq!(bare.details, report.details);
    report
}

/// The one report of a console.
pub(crate) fn only(console: &str) -> Report {
    let mut reports = parse(console.as_bytes());
    let titles: Vec<_> = reports.iter().map(|report| &report.title).collect();
    assert_eq!(titles.len(), 1, "{titles:?}\n{console}");
    reports.remove(0)
}

fn told(report: &Report, want: &Want) {
    assert_eq!(report.title, want.title, "{:#?}", report.stacks);
    assert_eq!(report.kind, want.kind, "{}", want.title);
    assert_eq!(report.corrupted, None, "{}\n{}", want.title, report.text);
    let details = &report.details;
    let task = details.task.as_deref().zip(details.pid);
    assert_eq!(task, want.task, "{}", want.title);
    assert_eq!(details.cpu, want.cpu, "{}", want.title);
    // A title that names a function names the guilty one.
    if let Some((_, function)) = want.title.rsplit_once(" in ") {
        let guilty = report.guilty.as_ref().map(|guilty| &*guilty.function);
        assert_eq!(guilty, Some(function), "{}", want.title);
    }
}

/// The trustworthy symbols of the first stack of a role.
pub(crate) fn symbols(report: &Report, role: Role) -> Vec<&str> {
    let stack = report.stacks.iter().find(|stack| stack.role == role);
    let frames = stack.into_iter().flat_map(|stack| &stack.frames);
    frames
        .filter(|frame| frame.reliable)
        .map(|frame| frame.symbol.as_str())
        .collect()
}

/// The value of a register.
pub(crate) fn register(report: &Report, name: &str) -> Option<u64> {
    let mut registers = report.details.registers.iter();
    registers
        .find(|register| register.name == name)
        .map(|r| r.value)
}

pub(crate) fn access(direction: Direction, size: Option<u64>, address: u64) -> Option<Access> {
    Some(Access {
        direction,
        size,
        address: Some(address),
    })
}
