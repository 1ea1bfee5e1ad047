// SPDX-License-Identifier: GPL-2.0-or-later
//! s390.

use swapmig_reports::trace::{Direction, Kind, Role};

use crate::sample::{Want, access, check, register, symbols};

fn oops(head: &str) -> String {
    format!(
        "\
{head}
Modules linked in:
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Hardware name: IBM 8561 T01 701 (KVM/Linux)
Krnl PSW : 0704c00180000000 000003ffe01a2c30 (shelf_slot+0x50/0x90)
           R:0 T:1 IO:1 EX:1 Key:0 M:1 W:0 P:0 AS:3 CC:0 PM:0 RI:0 EA:3
Krnl GPRS: 0000000000000001 0000000000000000 0000000000000010 000003ffe01a2be0
           0000000006a3f080 0000000000000005 0000000000000006 0000000000000007
           0000000000000008 0000000000000009 000000000000000a 000000000000000b
           000000000000000c 000000000000000d 000003ffe01a3f84 00000380012b7d50
Krnl Code: 000003ffe01a2c20: e310f0a00004\tlg\t%r1,160(%r15)
          #000003ffe01a2c30: e31010100004\tlg\t%r1,16(%r1)
Call Trace:
 [<000003ffe01a2c30>] shelf_slot+0x50/0x90
([<000003ffe01a2bf0>] shelf_slot+0x10/0x90)
 [<000003ffe01a3f88>] shelf_reclaim+0x88/0x260
 [<000003ffe0b8a2c0>] __do_syscall+0x1bc/0x240
 [<000003ffe0b96bd2>] system_call+0x72/0x90
Last Breaking-Event-Address:
 [<000003ffe01a3f82>] shelf_jump+0x82/0x260
---[ end trace 0000000000000000 ]---
"
    )
}

/// The trap that an assertion ends in is a part of it, in new kernels and in old ones.
#[test]
fn assertions() {
    for trap in [
        "monitor event: 0040 ilc:2 [#1] SMP",
        "illegal operation: 0001 ilc:1 [#1] SMP",
    ] {
        let head =
            format!("------------[ cut here ]------------\nkernel BUG at mm/shelf.c:77!\n{trap}");
        check(
            &oops(&head),
            &Want {
                title: "kernel BUG in shelf_slot",
                kind: Kind::Bug,
                task: Some(("shelve", 310)),
                cpu: Some(1),
            },
        );
    }
    let lost = crate::sample::only(&oops("monitor event: 0040 ilc:2 [#1] SMP"));
    assert_eq!(lost.title, "monitor event in shelf_slot");
}

#[test]
fn stack_overflow() {
    let mut console = oops("Kernel stack overflow.");
    let end = console.find("---[ end trace").unwrap();
    console.truncate(end);
    console += "Kernel panic - not syncing: Corrupt kernel stack, can't continue.\n";
    console += "CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1\n";
    let report = check(
        &console,
        &Want {
            title: "kernel stack overflow in shelf_slot",
            kind: Kind::Dos,
            task: Some(("shelve", 310)),
            cpu: Some(1),
        },
    );
    assert!(report.panicked);
}

#[test]
fn faults() {
    let head = "\
Unable to handle kernel pointer dereference in virtual kernel address space
Failing address: 0000000000001000 TEID: 0000000000001803
Fault in home space mode while using kernel ASCE.
AS:00000000a1b2c007 R3:0000000000000024
Oops: 0038 ilc:3 [#1] SMP";
    let report = check(
        &oops(head),
        &Want {
            title: "BUG: unable to handle kernel paging request in shelf_slot",
            kind: Kind::MemorySafetyBug,
            task: Some(("shelve", 310)),
            cpu: Some(1),
        },
    );
    assert_eq!(report.details.access, access(Direction::Read, None, 0x1000));
    assert_eq!(register(&report, "R4"), Some(0x06a3_f080));
    assert_eq!(register(&report, "R15"), Some(0x0380_012b_7d50));
    assert_eq!(
        symbols(&report, Role::Crash),
        ["shelf_slot", "shelf_reclaim", "__do_syscall", "system_call"]
    );
}

#[test]
fn traps() {
    for (head, title, kind) in [
        (
            "------------[ cut here ]------------\nkernel BUG at mm/shelf.c:77!\nmonitor event: 0040 ilc:2 [#1] SMP",
            "kernel BUG in shelf_slot",
            Kind::Bug,
        ),
        (
            "illegal operation: 0001 ilc:1 [#1] SMP",
            "illegal operation in shelf_slot",
            Kind::Dos,
        ),
        (
            "specification exception: 0006 ilc:3 [#1] SMP",
            "specification exception in shelf_slot",
            Kind::Dos,
        ),
        (
            "addressing exception: 0005 ilc:3 [#1] SMP",
            "addressing exception in shelf_slot",
            Kind::Dos,
        ),
    ] {
        check(
            &oops(head),
            &Want {
                title,
                kind,
                task: Some(("shelve", 310)),
                cpu: Some(1),
            },
        );
    }
}

/// A fault on a program's behalf: the stack ends where the machine took it.
#[test]
fn a_stack_ends_where_the_machine_entered_the_kernel() {
    for entry in ["pgm_check_handler", "ext_int_handler", "io_int_handler"] {
        let first = oops("illegal operation: 0001 ilc:1 [#1] SMP")
            .replace(" [<000003ffe0b8a2c0>] __do_syscall+0x1bc/0x240\n", "")
            .replace("system_call+0x72/0x90", &format!("{entry}+0x72/0x90"))
            .replace("---[ end trace 0000000000000000 ]---\n", "");
        let log = first + &oops("addressing exception: 0005 ilc:3 [#2] SMP");
        let reports = swapmig_reports::trace::parse(log.as_bytes());
        assert_eq!(reports.len(), 2, "{entry}");
        for report in reports {
            assert_eq!(report.corrupted, None, "{entry}: {}", report.text);
        }
    }
}
