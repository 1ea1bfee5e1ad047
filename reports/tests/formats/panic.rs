// SPDX-License-Identifier: GPL-2.0-or-later
//! Panics, and machines that start again.

use swapmig_reports::trace::{Kind, parse};

use crate::sample::{Want, check, only};

const TASK: Option<(&str, u32)> = Some(("shelve", 310));

const TRACE: &str = "\
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90
 panic+0x339/0x3b0
 shelf_reclaim+0x88/0x260
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
Kernel Offset: disabled
---[ end Kernel panic - not syncing: shelf ]---
";

#[test]
fn panics_of_every_kind() {
    for (what, title) in [
        (
            "Out of memory and no killable processes...",
            "kernel panic: Out of memory and no killable processes...",
        ),
        (
            "System is deadlocked on memory",
            "kernel panic: System is deadlocked on memory",
        ),
        ("Shelf lost", "kernel panic: Shelf lost"),
    ] {
        let report = check(
            &format!("Kernel panic - not syncing: {what}\n{TRACE}"),
            &Want {
                title,
                kind: Kind::Dos,
                task: TASK,
                cpu: Some(1),
            },
        );
        assert!(report.panicked);
    }
}

#[test]
fn a_stack_that_was_overrun() {
    let report = only(&format!(
        "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: shelf_slot+0x8c/0x90\n{TRACE}"
    ));
    assert_eq!(
        report.title,
        "kernel panic: stack is corrupted in shelf_slot"
    );
}

#[test]
fn out_of_memory_ends_in_a_panic() {
    let trace = TRACE.split_inclusive("</TASK>\n").next().unwrap();
    let console = format!(
        "\
shelve invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=-1000
{trace}Mem-Info:
active_anon:100 inactive_anon:200 isolated_anon:0
Kernel panic - not syncing: System is deadlocked on memory
{TRACE}"
    );
    let report = only(&console);
    assert_eq!(report.title, "kernel panic: System is deadlocked on memory");
    assert!(report.panicked);
}

#[test]
fn a_machine_that_starts_again() {
    // After a triple fault there is nothing but the next boot.
    let boot = "[    0.000000] Linux version 6.12.0 (me@here) (gcc 14.2.0) #1 SMP\n[    0.000000] Command line: console=ttyS0\n[    3.000000] Run /init as init process\n";
    let reports = parse(format!("{boot}{boot}").as_bytes());
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].title, "unexpected kernel reboot");
    assert_eq!(reports[0].kind, Kind::UnexpectedReboot);
}
