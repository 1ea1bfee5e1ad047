// SPDX-License-Identifier: GPL-2.0-or-later
//! arm64 and arm.

use swapmig_reports::trace::{Direction, Kind, Pc, Role};

use crate::sample::{Want, access, check, register, symbols};

const TASK: Option<(&str, u32)> = Some(("shelve", 310));

/// What arm64 prints after the words of a fault.
fn arm64(head: &str) -> String {
    format!(
        "\
{head}
Modules linked in: shelf
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Hardware name: linux,dummy-virt (DT)
pstate: 60400005 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)
pc : shelf_slot+0x50/0x90 [shelf]
lr : shelf_reclaim+0x84/0x260 [shelf]
sp : ffff8000812b7d50
x29: ffff8000812b7d50 x28: ffff0000c6a3c000 x27: 0000000000000000
x2 : 0000000000000001 x1 : 0000000000000000 x0 : ffff0000c6a3f080
Call trace:
 shelf_slot+0x50/0x90 [shelf] (P)
 shelf_reclaim+0x88/0x260 [shelf]
 __arm64_sys_shelve+0x34/0x60
 invoke_syscall+0x48/0x110
 el0_svc_common.constprop.0+0x40/0xe0
 do_el0_svc+0x1c/0x28
 el0_svc+0x30/0xd0
 el0t_64_sync_handler+0x100/0x130
 el0t_64_sync+0x190/0x198
Code: f9400001 b9401000 d65f03c0 d503201f (f9400821)
---[ end trace 0000000000000000 ]---
"
    )
}

#[test]
fn arm64_faults() {
    let head = "\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
Mem abort info:
  ESR = 0x0000000096000046
  EC = 0x25: DABT (current EL), IL = 32 bits
  SET = 0, FnV = 0
  EA = 0, S1PTW = 0
  FSC = 0x06: level 2 translation fault
Data abort info:
  ISV = 0, ISS = 0x00000046, ISS2 = 0x00000000
  CM = 0, WnR = 1, TnD = 0, TagAccess = 0
user pgtable: 4k pages, 48-bit VAs, pgdp=0000000106a3f000
[0000000000000010] pgd=0800000106b00003, p4d=0800000106b00003, pud=0800000106b01003, pmd=0000000000000000
Internal error: Oops: 0000000096000046 [#1] PREEMPT SMP";
    let report = check(
        &arm64(head),
        &Want {
            title: "BUG: unable to handle kernel NULL pointer dereference in shelf_slot",
            kind: Kind::NullPointerDereference,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert_eq!(report.details.access, access(Direction::Write, None, 0x10));
    assert_eq!(register(&report, "x0"), Some(0xffff_0000_c6a3_f080));
    assert_eq!(register(&report, "pstate"), Some(0x6040_0005));
    let frames = &report.stacks[0].frames;
    assert_eq!((frames[0].pc, frames[1].pc), (Pc::Exact, Pc::Return));
    assert_eq!(
        symbols(&report, Role::Crash)[..3],
        ["shelf_slot", "shelf_reclaim", "__arm64_sys_shelve"]
    );

    let head = "\
Unable to handle kernel paging request at virtual address ffff800081300000
Mem abort info:
  ESR = 0x0000000096000007
Internal error: Oops: 0000000096000007 [#1] PREEMPT SMP";
    let report = check(
        &arm64(head),
        &Want {
            title: "BUG: unable to handle kernel paging request in shelf_slot",
            kind: Kind::MemorySafetyBug,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert_eq!(
        report.details.access,
        access(Direction::Read, None, 0xffff_8000_8130_0000)
    );
}

#[test]
fn arm64_bug_and_aborts() {
    let bug = "\
------------[ cut here ]------------
kernel BUG at mm/shelf.c:77!
Internal error: Oops - BUG: 00000000f2000800 [#1] PREEMPT SMP";
    check(
        &arm64(bug),
        &Want {
            title: "kernel BUG in shelf_slot",
            kind: Kind::Bug,
            task: TASK,
            cpu: Some(1),
        },
    );
    check(
        &arm64("Internal error: synchronous external abort: 0000000096000010 [#1] PREEMPT SMP"),
        &Want {
            title: "Internal error in shelf_slot",
            kind: Kind::Dos,
            task: TASK,
            cpu: Some(1),
        },
    );
}

#[test]
fn arm64_warning() {
    let head = "\
------------[ cut here ]------------
WARNING: CPU: 1 PID: 310 at mm/shelf.c:77 shelf_slot+0x50/0x90 [shelf]";
    check(
        &arm64(head),
        &Want {
            title: "WARNING in shelf_slot",
            kind: Kind::Warning,
            task: TASK,
            cpu: Some(1),
        },
    );
}

/// What arm prints; `trace` is its stack.
fn arm(trace: &str) -> String {
    format!(
        "\
8<--- cut here ---
Unable to handle kernel NULL pointer dereference at virtual address 00000010 when write
[00000010] *pgd=00000000
Internal error: Oops: 805 [#1] PREEMPT SMP ARM
Modules linked in:
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Hardware name: Generic DT based system
PC is at shelf_slot+0x50/0x90
LR is at shelf_reclaim+0x84/0x260
pc : [<c0321040>]    lr : [<c0321fb4>]    psr: 60000013
sp : f0a1de58  ip : 00000000  fp : f0a1de74
r10: 00000000  r9 : c5a3c000  r8 : 00000000
r7 : 00000004  r6 : c6a3f080  r5 : 00000000  r4 : c6a3f0c0
Flags: nZCv  IRQs on  FIQs on  Mode SVC_32  ISA ARM  Segment none
Control: 10c5387d  Table: 6000406a  DAC: 00000051
Process shelve (pid: 310, stack limit = 0x(ptrval))
Stack: (0xf0a1de58 to 0xf0a1e000)
de40:                                                       c0321fb4 00000000
{trace}Exception stack(0xf0a1dfa8 to 0xf0a1dff0)
dfa0:                   00000000 00000000 00000004 00000000 00000000 00000000
Code: e5903000 e3530000 (e5832010)
---[ end trace 0000000000000000 ]---
"
    )
}

#[test]
fn arm_traces_of_every_age() {
    let want = Want {
        title: "BUG: unable to handle kernel NULL pointer dereference in shelf_slot",
        kind: Kind::NullPointerDereference,
        task: TASK,
        cpu: Some(1),
    };
    for trace in [
        "Call trace: \n shelf_slot from shelf_reclaim+0x88/0x260\n r7:00000004 r6:c6a3f080 r5:00000000 r4:c6a3f0c0\n shelf_reclaim from sys_shelve+0x34/0x60\n sys_shelve from ret_fast_syscall+0x0/0x54\n",
        "Backtrace: \n[<c0321040>] (shelf_slot) from [<c0321fb4>] (shelf_reclaim+0x88/0x260)\n r7:00000004 r6:c6a3f080\n[<c0321f2c>] (shelf_reclaim) from [<c0322000>] (sys_shelve+0x34/0x60)\n[<c0321fcc>] (sys_shelve) from [<c0100060>] (ret_fast_syscall+0x0/0x54)\n",
        // Without a heading.
        "[<c0321040>] (shelf_slot) from [<c0321fb4>] (shelf_reclaim+0x88/0x260)\n[<c0321f2c>] (shelf_reclaim) from [<c0322000>] (sys_shelve+0x34/0x60)\n[<c0321fcc>] (sys_shelve) from [<c0100060>] (ret_fast_syscall+0x0/0x54)\n",
        " shelf_slot from shelf_reclaim+0x88/0x260\n shelf_reclaim from sys_shelve+0x34/0x60\n sys_shelve from ret_fast_syscall+0x0/0x54\n",
    ] {
        let report = check(&arm(trace), &want);
        assert_eq!(report.details.access, access(Direction::Write, None, 0x10));
        assert_eq!(register(&report, "r6"), Some(0xc6a3_f080));
        assert_eq!(register(&report, "pc"), Some(0xc032_1040));
        assert_eq!(
            symbols(&report, Role::Crash),
            [
                "shelf_slot",
                "shelf_reclaim",
                "sys_shelve",
                "ret_fast_syscall"
            ]
        );
    }
}

/// A task's stack and a warning's, in the words of kernels that gave a stack no heading.
#[test]
fn arm_stacks_without_a_heading() {
    let frames = "\
[<c0a10040>] (unwind_backtrace) from [<c0a0c1b4>] (show_stack+0x18/0x1c)
[<c0a0c1b4>] (show_stack) from [<c0a30fb4>] (dump_stack+0x88/0xa0)
[<c0a30fb4>] (dump_stack) from [<c0320fb4>] (__warn+0xe4/0x10c)
[<c0320fb4>] (__warn) from [<c0320ff4>] (warn_slowpath_null+0x30/0x38)
[<c0320ff4>] (warn_slowpath_null) from [<c0321fb4>] (shelf_slot+0x50/0x90)
[<c0321040>] (shelf_slot) from [<c0321fb4>] (shelf_reclaim+0x88/0x260)
[<c0321fcc>] (shelf_reclaim) from [<c0100060>] (ret_fast_syscall+0x0/0x54)
";
    let warning = format!(
        "------------[ cut here ]------------\nWARNING: CPU: 1 PID: 310 at mm/shelf.c:77 shelf_slot+0x50/0x90\nCPU: 1 PID: 310 Comm: shelve Not tainted 4.14.0 #1\nHardware name: Generic\n{frames}---[ end trace 0123456789abcdef ]---\n"
    );
    check(
        &warning,
        &Want {
            title: "WARNING in shelf_slot",
            kind: Kind::Warning,
            task: TASK,
            cpu: Some(1),
        },
    );
    let hung = "\
INFO: task shelve:310 blocked for more than 120 seconds.
      Not tainted 4.14.0 #1
\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.
shelve          D    0   310      1 0x00000000
[<c0a1c040>] (__schedule) from [<c0a1c5b4>] (schedule+0x4c/0xac)
[<c0a1c5b4>] (schedule) from [<c0a1f5b4>] (schedule_timeout+0x1c8/0x260)
[<c0a1f5b4>] (schedule_timeout) from [<c0321fb4>] (shelf_reclaim+0x88/0x260)
[<c0321fcc>] (shelf_reclaim) from [<c0100060>] (ret_fast_syscall+0x0/0x54)
";
    check(
        hung,
        &Want {
            title: "INFO: task hung in shelf_reclaim",
            kind: Kind::Hang,
            task: TASK,
            cpu: None,
        },
    );
}
