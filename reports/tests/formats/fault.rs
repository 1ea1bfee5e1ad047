// SPDX-License-Identifier: GPL-2.0-or-later
//! Faults of x86, in 64 and in 32 bits, of new and of old kernels.

use swapmig_reports::trace::{Direction, Kind, Role};

use crate::sample::{Want, access, check, only, register, symbols};

const TASK: Option<(&str, u32)> = Some(("shelve", 310));

/// An oops of a 6.x kernel.
fn oops(head: &str) -> String {
    format!(
        "\
{head}
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
RIP: 0010:shelf_slot+0x50/0x90
Code: 48 89 ef e8 1c 00 00 00 <48> 8b 47 10 0f 1f 44 00 00
RSP: 0018:ffffc900012b7d58 EFLAGS: 00010246
RAX: 0000000000000000 RBX: ffff888006a3f080 RCX: 0000000000000000
CR2: 0000000000000010 CR3: 00000000062b2000 CR4: 0000000000750ef0
Call Trace:
 <TASK>
 ? __die_body.cold+0x19/0x27
 ? asm_exc_page_fault+0x26/0x30
 ? shelf_slot+0x50/0x90
 shelf_reclaim+0x88/0x260
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
Modules linked in:
---[ end trace 0000000000000000 ]---
"
    )
}

#[test]
fn oopses_of_every_kind() {
    let what = |head, title, kind| {
        let report = check(
            &oops(head),
            &Want {
                title,
                kind,
                task: TASK,
                cpu: Some(1),
            },
        );
        assert_eq!(register(&report, "RBX"), Some(0xffff_8880_06a3_f080));
        assert_eq!(
            symbols(&report, Role::Crash)[..2],
            ["shelf_slot", "shelf_reclaim"]
        );
        report.details.access
    };
    let null = "BUG: unable to handle kernel NULL pointer dereference in shelf_slot";
    let paging = "BUG: unable to handle kernel paging request in shelf_slot";
    assert_eq!(
        what(
            "BUG: kernel NULL pointer dereference, address: 0000000000000010\n#PF: supervisor read access in kernel mode\n#PF: error_code(0x0000) - not-present page\nPGD 0 P4D 0\nOops: Oops: 0000 [#1] SMP PTI",
            null,
            Kind::NullPointerDereference
        ),
        access(Direction::Read, None, 0x10)
    );
    assert_eq!(
        what(
            "BUG: unable to handle page fault for address: ffffc90001240000\n#PF: supervisor write access in kernel mode\n#PF: error_code(0x0002) - not-present page\nPGD 100000067 P4D 100000067 PUD 0\nOops: Oops: 0002 [#1] SMP PTI",
            paging,
            Kind::MemorySafetyBug
        ),
        access(Direction::Write, None, 0xffff_c900_0124_0000)
    );
    assert_eq!(
        what(
            "Oops: general protection fault, probably for non-canonical address 0xdffffc0000000002: 0000 [#1] SMP KASAN\nKASAN: null-ptr-deref in range [0x0000000000000010-0x0000000000000017]",
            "general protection fault in shelf_slot",
            Kind::Dos
        ),
        access(Direction::Unknown, None, 0x10)
    );
    assert_eq!(
        what(
            "divide error: 0000 [#1] SMP",
            "divide error in shelf_slot",
            Kind::Dos
        ),
        None
    );
    what(
        "Oops: stack segment: 0000 [#1] SMP",
        "stack segment fault in shelf_slot",
        Kind::Dos,
    );
}

#[test]
fn traps_without_a_row_of_their_own_are_called_by_their_name() {
    for (head, title) in [
        ("Oops: int3: 0000 [#1] SMP", "int3 in shelf_slot"),
        ("int3: 0000 [#1] PREEMPT SMP", "int3 in shelf_slot"),
        ("bounds: 0000 [#1] SMP", "bounds in shelf_slot"),
        (
            "alignment check: 0000 [#1] SMP",
            "alignment check in shelf_slot",
        ),
        (
            "simd exception: 0000 [#1] SMP",
            "simd exception in shelf_slot",
        ),
        (
            "Oops: control protection fault: 0003 [#1] SMP",
            "control protection fault in shelf_slot",
        ),
        (
            "Oops: invalid TSS: 0000 [#1] SMP",
            "invalid TSS in shelf_slot",
        ),
    ] {
        check(
            &oops(head),
            &Want {
                title,
                kind: Kind::Dos,
                task: TASK,
                cpu: Some(1),
            },
        );
    }
    // The line before said what it was.
    for head in ["Oops: 0000 [#1] SMP", "Oops: Oops: 0002 [#1] SMP PTI"] {
        let report = only(&oops(head));
        assert_eq!(report.title, "Oops in shelf_slot");
        assert!(report.corrupted.is_some());
    }
}

#[test]
fn words_of_old_kernels() {
    let console = "\
BUG: unable to handle kernel paging request at ffffc90001240000
IP: [<ffffffff811a2c30>] shelf_slot+0x50/0x90
PGD 3f80a067 PUD 3f80b067 PMD 3c1d0067 PTE 0
Oops: 0002 [#1] SMP
Modules linked in: shelf(O)
CPU: 1 PID: 310 Comm: shelve Tainted: G           O    4.4.52+ #7
task: ffff88003c1d8000 ti: ffff88003c1e0000 task.ti: ffff88003c1e0000
RIP: 0010:[<ffffffff811a2c30>]  [<ffffffff811a2c30>] shelf_slot+0x50/0x90
RSP: 0018:ffff88003c1e3d58  EFLAGS: 00010246
RAX: 0000000000000000 RBX: ffff880006a3f080 RCX: 0000000000000000
Stack:
 ffff88003c1e3d78 ffffffff811a2d00 ffff880006a3f080 0000000000000000
Call Trace:
 <IRQ>  [<ffffffff811a2d00>] ? shelf_tick+0x20/0x60
 <EOI>  [<ffffffff811a3f48>] shelf_reclaim+0x88/0x260 [shelf]
 [<ffffffff8185a2f6>] entry_SYSCALL_64_fastpath+0x16/0x75
Code: 48 89 ef e8 1c 00 00 00 <48> 8b 47 10 0f 1f 44 00 00
RIP  [<ffffffff811a2c30>] shelf_slot+0x50/0x90
 RSP <ffff88003c1e3d58>
CR2: ffffc90001240000
---[ end trace 31d0c5e0a5c3a1b2 ]---
";
    let report = check(
        console,
        &Want {
            title: "BUG: unable to handle kernel paging request in shelf_slot",
            kind: Kind::MemorySafetyBug,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert_eq!(report.details.release.as_deref(), Some("4.4.52+"));
    assert_eq!(report.details.taint.as_deref(), Some("G           O"));
    assert_eq!(
        report.details.access,
        access(Direction::Write, None, 0xffff_c900_0124_0000)
    );
    assert_eq!(
        symbols(&report, Role::Crash),
        ["shelf_slot", "shelf_reclaim", "entry_SYSCALL_64_fastpath"]
    );
}

#[test]
fn x86_in_32_bits() {
    let console = "\
BUG: kernel NULL pointer dereference, address: 00000010
#PF: supervisor read access in kernel mode
#PF: error_code(0x0000) - not-present page
*pde = 00000000
Oops: Oops: 0000 [#1] SMP
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
EIP: shelf_slot+0x50/0x90
Code: 89 e5 8b 40 10 5d c3
EAX: 00000000 EBX: c6a3f080 ECX: 00000000 EDX: 00000001
ESI: c6a3f0c0 EDI: 00000000 EBP: c12b7d58 ESP: c12b7d50
DS: 007b ES: 007b FS: 00d8 GS: 0033 SS: 0068 EFLAGS: 00010246
CR0: 80050033 CR2: 00000010 CR3: 062b2000 CR4: 00000690
Call Trace:
 shelf_reclaim+0x88/0x260
 do_int80_syscall_32+0x6c/0x90
 entry_INT80_32+0xf0/0xf0
Modules linked in:
---[ end trace 0000000000000000 ]---
";
    let report = check(
        console,
        &Want {
            title: "BUG: unable to handle kernel NULL pointer dereference in shelf_slot",
            kind: Kind::NullPointerDereference,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert_eq!(register(&report, "EBX"), Some(0xc6a3_f080));
    assert_eq!(register(&report, "CR2"), Some(0x10));
    assert_eq!(
        symbols(&report, Role::Crash)[..2],
        ["shelf_slot", "shelf_reclaim"]
    );
}

/// A log that went through the kernel's own script: no offsets are left.
#[test]
fn places_instead_of_offsets() {
    let console = oops("Oops: general protection fault, probably for non-canonical address 0xdffffc0000000002: 0000 [#1] SMP")
        .replace("shelf_slot+0x50/0x90", "shelf_slot (mm/shelf.c:41)")
        .replace("shelf_reclaim+0x88/0x260", "shelf_reclaim (mm/shelf.c:90)");
    let report = check(
        &console,
        &Want {
            title: "general protection fault in shelf_slot",
            kind: Kind::Dos,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert_eq!(report.stacks[0].frames[0].symbol, "shelf_slot");
}
