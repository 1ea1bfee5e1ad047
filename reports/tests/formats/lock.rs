// SPDX-License-Identifier: GPL-2.0-or-later
//! Locks, RCU and the contexts in which sleeping is forbidden.

use swapmig_reports::trace::{Kind, Role};

use crate::sample::{Want, check, symbols};

const TASK: Option<(&str, u32)> = Some(("shelve", 310));

const TRACE: &str = "\
stack backtrace:
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90
 shelf_reclaim+0x88/0x260
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
";

fn deadlock(head: &str, chain: &str) -> String {
    format!(
        "\
======================================================
{head}
6.12.0 #1 Not tainted
------------------------------------------------------
shelve/310 is trying to acquire lock:
ffff888006a3f0c0 (&shelf->lock){{+.+.}}-{{3:3}}, at: shelf_slot+0x50/0x90

but task is already holding lock:
ffff888006a3f0a0 (&mm->mmap_lock){{++++}}-{{3:3}}, at: shelf_reclaim+0x20/0x260

{chain}other info that might help us debug this:

1 lock held by shelve/310:
 #0: ffff888006a3f0a0 (&mm->mmap_lock){{++++}}-{{3:3}}, at: shelf_reclaim+0x20/0x260

{TRACE}"
    )
}

#[test]
fn circular() {
    let chain = "\
which lock already depends on the new lock.


the existing dependency chain (in reverse order) is:

-> #1 (&mm->mmap_lock){++++}-{3:3}:
       down_read+0x9b/0x330
       shelf_fault+0x44/0x100

-> #0 (&shelf->lock){+.+.}-{3:3}:
       __lock_acquire+0x1300/0x1f00
       shelf_slot+0x50/0x90

";
    let report = check(
        &deadlock(
            "WARNING: possible circular locking dependency detected",
            chain,
        ),
        &Want {
            title: "possible deadlock in shelf_slot",
            kind: Kind::Lockdep,
            task: TASK,
            cpu: Some(1),
        },
    );
    let chain: Vec<_> = report
        .stacks
        .iter()
        .filter(|stack| stack.role == Role::LockChain)
        .map(|stack| stack.frames.last().unwrap().symbol.as_str())
        .collect();
    assert_eq!(chain, ["shelf_fault", "shelf_slot"]);
    assert!(symbols(&report, Role::Crash).contains(&"shelf_reclaim"));
    assert_eq!(
        report.details.locks,
        ["#0: ffff888006a3f0a0 (&mm->mmap_lock){++++}-{3:3}, at: shelf_reclaim+0x20/0x260"]
    );
    assert_eq!(report.details.release.as_deref(), Some("6.12.0"));
}

#[test]
fn recursive() {
    check(
        &deadlock("WARNING: possible recursive locking detected", ""),
        &Want {
            title: "possible deadlock in shelf_slot",
            kind: Kind::Lockdep,
            task: TASK,
            cpu: Some(1),
        },
    );
}

#[test]
fn inconsistent() {
    let console = format!(
        "\
================================
WARNING: inconsistent lock state
6.12.0 #1 Not tainted
--------------------------------
inconsistent {{SOFTIRQ-ON-W}} -> {{IN-SOFTIRQ-W}} usage.
shelve/310 [HC0[0]:SC1[1]:HE1:SE0] takes:
ffff888006a3f0c0 (&shelf->lock){{+.?.}}-{{2:2}}, at: shelf_reclaim+0x88/0x260
{{SOFTIRQ-ON-W}} state was registered at:
  lock_acquire+0xd0/0x2e0
  shelf_new+0x2c/0x90
irq event stamp: 4242
hardirqs last  enabled at (4242): [<ffffffff81a2c300>] shelf_slot+0x50/0x90

other info that might help us debug this:
no locks held by shelve/310.

{TRACE}"
    );
    let report = check(
        &console,
        &Want {
            title: "inconsistent lock state in shelf_reclaim",
            kind: Kind::Lockdep,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert!(symbols(&report, Role::LockChain).contains(&"shelf_new"));
    assert!(!symbols(&report, Role::Crash).contains(&"shelf_new"));
}

#[test]
fn unbalanced() {
    let console = format!(
        "\
=====================================
WARNING: bad unlock balance detected!
6.12.0 #1 Not tainted
-------------------------------------
shelve/310 is trying to release lock (&shelf->lock) at:
[<ffffffff81a2c300>] shelf_slot+0x50/0x90
but there are no more locks to release!

other info that might help us debug this:
no locks held by shelve/310.

{TRACE}"
    );
    check(
        &console,
        &Want {
            title: "WARNING: bad unlock balance in shelf_slot",
            kind: Kind::Lockdep,
            task: TASK,
            cpu: Some(1),
        },
    );
}

#[test]
fn suspicious_rcu() {
    let console = format!(
        "\
=============================
WARNING: suspicious RCU usage
6.12.0 #1 Not tainted
-----------------------------
mm/shelf.c:77 suspicious rcu_dereference_check() usage!

other info that might help us debug this:

rcu_scheduler_active = 2, debug_locks = 1
1 lock held by shelve/310:
 #0: ffff888006a3f0a0 (&mm->mmap_lock){{++++}}-{{3:3}}, at: shelf_reclaim+0x20/0x260

{TRACE}"
    );
    check(
        &console,
        &Want {
            title: "WARNING: suspicious RCU usage in shelf_reclaim",
            kind: Kind::Lockdep,
            task: TASK,
            cpu: Some(1),
        },
    );
}

#[test]
fn sleeping_in_atomic() {
    let console = "\
BUG: sleeping function called from invalid context at mm/shelf.c:77
in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 310, name: shelve
preempt_count: 1, expected: 0
Preemption disabled at:
[<ffffffff81a2c300>] shelf_disable+0x10/0x20
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90
 __might_resched+0x1a0/0x2c0
 shelf_reclaim+0x88/0x260
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
";
    let report = check(
        console,
        &Want {
            title: "BUG: sleeping function called from invalid context in shelf_reclaim",
            kind: Kind::AtomicSleep,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert!(!symbols(&report, Role::Crash).contains(&"shelf_disable"));
}

#[test]
fn scheduling_in_atomic() {
    let console = "\
BUG: scheduling while atomic: kworker/1:2/310/0x00000002
Modules linked in:
CPU: 1 UID: 0 PID: 310 Comm: kworker/1:2 Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90
 __schedule_bug+0x8a/0xb0
 __schedule+0x12a0/0x1400
 schedule+0x2c/0xc0
 shelf_reclaim+0x88/0x260
 kthread+0xfc/0x130
 ret_from_fork+0x34/0x50
 ret_from_fork_asm+0x1a/0x30
 </TASK>
";
    check(
        console,
        &Want {
            title: "BUG: scheduling while atomic in shelf_reclaim",
            kind: Kind::AtomicSleep,
            task: Some(("kworker/1:2", 310)),
            cpu: Some(1),
        },
    );
}

#[test]
fn spinlock_of_nobody() {
    let console = "\
BUG: spinlock bad magic on CPU#1, swapper/1/0
 lock: 0xffff888006a3f0c0, .magic: 00000000, .owner: <none>/-1, .owner_cpu: 0
CPU: 1 UID: 0 PID: 0 Comm: swapper/1 Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90
 do_raw_spin_lock+0x6d/0xb0
 shelf_age+0x20/0x60
 start_secondary+0x10e/0x130
 </TASK>
";
    check(
        console,
        &Want {
            title: "BUG: spinlock bad magic in shelf_age",
            kind: Kind::Lockdep,
            task: Some(("swapper/1", 0)),
            cpu: Some(1),
        },
    );
}
