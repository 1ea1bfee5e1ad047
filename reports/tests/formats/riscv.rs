// SPDX-License-Identifier: GPL-2.0-or-later
//! riscv.

use swapmig_reports::trace::{Direction, Kind, Role};

use crate::sample::{Want, access, check, register, symbols};

fn oops(head: &str) -> String {
    format!(
        "\
{head}
Modules linked in:
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Hardware name: riscv-virtio,qemu (DT)
epc : shelf_slot+0x50/0x90
 ra : shelf_reclaim+0x84/0x260
epc : ffffffff801a2c30 ra : ffffffff801a3f44 sp : ff200000012b7d50
 gp : ffffffff81a05f80 tp : ff60000006a3c000 t0 : 0000000000000000
 s2 : 0000000000000001 a0 : ff60000006a3f080 a1 : 0000000000000000
status: 0000000200000120 badaddr: 0000000000000010 cause: 000000000000000f
[<ffffffff801a2c30>] shelf_slot+0x50/0x90
[<ffffffff801a3f48>] shelf_reclaim+0x88/0x260
[<ffffffff801a4034>] __riscv_sys_shelve+0x34/0x60
[<ffffffff8098a2c0>] do_trap_ecall_u+0x1bc/0x240
[<ffffffff80996bd2>] ret_from_exception+0x0/0x64
Code: b423 00f5 0613 0000 85a2 (e914) 0793
---[ end trace 0000000000000000 ]---
"
    )
}

#[test]
fn faults() {
    for (head, title, kind) in [
        (
            "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010\nOops [#1]",
            "BUG: unable to handle kernel NULL pointer dereference in shelf_slot",
            Kind::NullPointerDereference,
        ),
        (
            "Unable to handle kernel paging request at virtual address 0000000000000010\nOops [#1]",
            "BUG: unable to handle kernel paging request in shelf_slot",
            Kind::MemorySafetyBug,
        ),
    ] {
        let report = check(
            &oops(head),
            &Want {
                title,
                kind,
                task: Some(("shelve", 310)),
                cpu: Some(1),
            },
        );
        assert_eq!(report.details.access, access(Direction::Write, None, 0x10));
        assert_eq!(register(&report, "a0"), Some(0xff60_0000_06a3_f080));
        assert_eq!(register(&report, "epc"), Some(0xffff_ffff_801a_2c30));
        assert_eq!(
            symbols(&report, Role::Crash)[..2],
            ["shelf_slot", "shelf_reclaim"]
        );
    }
}

#[test]
fn bug() {
    check(
        &oops(
            "------------[ cut here ]------------\nkernel BUG at mm/shelf.c:77!\nKernel BUG [#1]",
        ),
        &Want {
            title: "kernel BUG in shelf_slot",
            kind: Kind::Bug,
            task: Some(("shelve", 310)),
            cpu: Some(1),
        },
    );
}
