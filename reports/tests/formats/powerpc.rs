// SPDX-License-Identifier: GPL-2.0-or-later
//! powerpc.

use swapmig_reports::trace::{Direction, Kind, Role};

use crate::sample::{Want, access, check, register, symbols};

fn oops(head: &str) -> String {
    format!(
        "\
{head}
LE PAGE_SIZE=64K MMU=Radix SMP NR_CPUS=2048 NUMA pSeries
Modules linked in:
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Hardware name: IBM pSeries (emulated by qemu) POWER9 (architected) 0x4e1202 pSeries
NIP:  c0000000004d2a50 LR: c0000000004d3f84 CTR: c0000000004d2a00
REGS: c00000000721b8f0 TRAP: 0300   Not tainted  (6.12.0)
MSR:  8000000000009033 <SF,EE,ME,IR,DR,RI,LE>  CR: 28002822  XER: 20040000
CFAR: c0000000004d2a4c DAR: 0000000000000010 DSISR: 42000000 IRQMASK: 0
GPR00: c0000000004d3f84 c00000000721bb90 c0000000015a1900 0000000000000000
GPR04: c000000006a3f080 0000000000000001 0000000000000000 0000000000000000
NIP [c0000000004d2a50] shelf_slot+0x50/0x90
LR [c0000000004d3f84] shelf_reclaim+0x84/0x260
Call Trace:
[c00000000721bb90] [c0000000004d3f00] shelf_reclaim+0x0/0x260 (unreliable)
[c00000000721bbe0] [c0000000004d3f88] shelf_reclaim+0x88/0x260
[c00000000721bc50] [c00000000002f5d4] system_call_exception+0x124/0x330
[c00000000721be50] [c00000000000cfdc] system_call_vectored_common+0x15c/0x2ec
--- interrupt: 3000 at 0x7fff8f2c9a90
NIP:  00007fff8f2c9a90 LR: 00007fff8f2c9a90 CTR: 0000000000000000
Code: 60000000 3d22fff6 e9290010 f8830010 4e800020
---[ end trace 0000000000000000 ]---
"
    )
}

#[test]
fn faults() {
    for (head, title, kind, access_is) in [
        (
            "BUG: Kernel NULL pointer dereference on write at 0x00000010\nFaulting instruction address: 0xc0000000004d2a50\nOops: Kernel access of bad area, sig: 11 [#1]",
            "BUG: unable to handle kernel NULL pointer dereference in shelf_slot",
            Kind::NullPointerDereference,
            access(Direction::Write, None, 0x10),
        ),
        (
            "BUG: Unable to handle kernel data access on read at 0xc00800000abc0000\nFaulting instruction address: 0xc0000000004d2a50\nOops: Kernel access of bad area, sig: 11 [#1]",
            "BUG: unable to handle kernel paging request in shelf_slot",
            Kind::MemorySafetyBug,
            access(Direction::Read, None, 0xc008_0000_0abc_0000),
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
        assert_eq!(report.details.access, access_is);
        assert_eq!(report.details.release.as_deref(), Some("6.12.0"));
        assert_eq!(register(&report, "GPR04"), Some(0xc000_0000_06a3_f080));
        assert_eq!(register(&report, "NIP"), Some(0xc000_0000_004d_2a50));
        assert_eq!(
            symbols(&report, Role::Crash)[..3],
            ["shelf_slot", "shelf_reclaim", "system_call_exception"]
        );
        assert!(!report.stacks[0].frames[1].reliable);
    }
}

#[test]
fn bug() {
    let head = "\
------------[ cut here ]------------
kernel BUG at mm/shelf.c:77!
Oops: Exception in kernel mode, sig: 5 [#1]";
    check(
        &oops(head),
        &Want {
            title: "kernel BUG in shelf_slot",
            kind: Kind::Bug,
            task: Some(("shelve", 310)),
            cpu: Some(1),
        },
    );
}
