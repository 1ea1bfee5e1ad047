// SPDX-License-Identifier: GPL-2.0-or-later
//! What makes no progress.

use swapmig_reports::trace::{Kind, Role};

use crate::sample::{Want, check, symbols};

const TASK: Option<(&str, u32)> = Some(("shelve", 310));

#[test]
fn hung_task() {
    let console = "\
INFO: task shelve:310 blocked for more than 143 seconds.
      Tainted: G        W           6.12.0 #1
\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.
task:shelve          state:D stack:13112 pid:310   tgid:310   ppid:1      flags:0x00004002
Call Trace:
 <TASK>
 __schedule+0x4f0/0x1400
 schedule+0x2c/0xc0
 schedule_preempt_disabled+0x15/0x30
 rwsem_down_write_slowpath+0x2f0/0x8a0
 down_write+0xd0/0xe0
 shelf_reclaim+0x88/0x260
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>

Showing all locks held in the system:
1 lock held by khungtaskd/40:
 #0: ffffffff8b33f4e0 (rcu_read_lock){....}-{1:2}, at: debug_show_all_locks+0x7f/0x320
1 lock held by shelve/310:
 #0: ffff888006a3f0c0 (&shelf->lock){+.+.}-{3:3}, at: shelf_reclaim+0x70/0x260

=============================================

";
    let report = check(
        console,
        &Want {
            title: "INFO: task hung in shelf_reclaim",
            kind: Kind::Hang,
            task: TASK,
            cpu: None,
        },
    );
    assert_eq!(report.details.taint.as_deref(), Some("G        W"));
    assert_eq!(report.details.release.as_deref(), Some("6.12.0"));
    assert_eq!(report.details.locks.len(), 2);
    assert!(report.details.locks[1].contains("&shelf->lock"));
}

/// The registers and the stack of a processor that is stuck in a driver's ioctl.
const STUCK: &str = "\
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
RIP: 0010:shelf_spin+0x10/0x30
Code: 48 89 ef e8 1c 00 00 00 <f3> 90 eb f8 0f 1f 44 00 00
RSP: 0018:ffffc900012b7d58 EFLAGS: 00000246
Call Trace:
 <TASK>
 shelf_scan+0x60/0x100
 shelf_ioctl+0x44/0x90
 vfs_ioctl+0x20/0x40
 __x64_sys_ioctl+0x92/0xc0
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
";

#[test]
fn soft_lockup() {
    let console =
        format!("watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [shelve:310]\n{STUCK}");
    check(
        &console,
        &Want {
            title: "BUG: soft lockup in shelf_ioctl",
            kind: Kind::Hang,
            task: TASK,
            cpu: Some(1),
        },
    );
}

#[test]
fn rcu_stall() {
    let console = "\
rcu: INFO: rcu_preempt self-detected stall on CPU
rcu: \t1-....: (10499 ticks this GP) idle=3a4c/1/0x4000000000000002 softirq=1018/1019 fqs=5249
rcu: \t(t=10502 jiffies g=1201 q=34 ncpus=2)
NMI backtrace for cpu 1
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Call Trace:
 <IRQ>
 dump_stack_lvl+0x70/0x90
 nmi_cpu_backtrace+0x101/0x130
 rcu_dump_cpu_stacks+0x120/0x160
 rcu_sched_clock_irq+0x5c0/0x1010
 update_process_times+0x9c/0xe0
 __hrtimer_run_queues+0x13e/0x360
 hrtimer_interrupt+0x10c/0x240
 __sysvec_apic_timer_interrupt+0x60/0x150
 sysvec_apic_timer_interrupt+0x71/0x90
 </IRQ>
 <TASK>
 asm_sysvec_apic_timer_interrupt+0x1a/0x20
RIP: 0010:shelf_spin+0x10/0x30
Code: 48 89 ef e8 1c 00 00 00 <f3> 90 eb f8 0f 1f 44 00 00
RSP: 0018:ffffc900012b7d58 EFLAGS: 00000246
 shelf_scan+0x60/0x100
 shelf_ioctl+0x44/0x90
 vfs_ioctl+0x20/0x40
 __x64_sys_ioctl+0x92/0xc0
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
";
    let report = check(
        console,
        &Want {
            title: "INFO: rcu detected stall in shelf_ioctl",
            kind: Kind::Hang,
            task: TASK,
            cpu: Some(1),
        },
    );
    let symbols = symbols(&report, Role::Other);
    let spin = symbols.iter().position(|symbol| *symbol == "shelf_spin");
    assert_eq!(symbols[spin.unwrap() + 1], "shelf_scan");
}

/// What the scheduler shows of a task.
const SHOWN: &str = "\
task:shelve          state:R  running task     stack:13112 pid:310   tgid:310   ppid:1      flags:0x00004002
Call Trace:
 <TASK>
 __schedule+0x4f0/0x1400
 preempt_schedule_irq+0x30/0x60
 irqentry_exit+0x40/0x60
 asm_sysvec_reschedule_ipi+0x1a/0x20
 shelf_scan+0x60/0x100
 shelf_ioctl+0x44/0x90
 __x64_sys_ioctl+0x92/0xc0
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
";

#[test]
fn rcu_stalls_that_others_tell_of() {
    let asked = format!("Sending NMI from CPU 0 to CPUs 1:\nNMI backtrace for cpu 1\n{STUCK}");
    for (told, cpu) in [
        (
            format!(
                "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: {{ 1-.... }} 21003 jiffies s: 1233 root: 0x2/.\nrcu: blocking rcu_node structures (internal RCU debug):\n{asked}"
            ),
            Some(1),
        ),
        (
            format!(
                "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: {{ P310 }} 21003 jiffies s: 1233 root: 0x0/T\nrcu: blocking rcu_node structures (internal RCU debug):\n{SHOWN}"
            ),
            None,
        ),
        (
            format!(
                "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\nrcu: \tTasks blocked on level-0 rcu_node (CPUs 0-1): P310\nrcu: \t(detected by 0, t=21002 jiffies, g=1201, q=34 ncpus=2)\n{SHOWN}"
            ),
            None,
        ),
        (
            format!(
                "INFO: rcu_tasks detected stalls on tasks:\n00000000a6a3f080: .. nvcsw: 2/2 holdout: 1 idle_cpu: -1/1\n{SHOWN}"
            ),
            None,
        ),
        (
            format!(
                "INFO: rcu_tasks_trace detected stalls on tasks:\nP310: ... nesting: 0N cpu: 1\n{SHOWN}"
            ),
            None,
        ),
    ] {
        check(
            &told,
            &Want {
                title: "INFO: rcu detected stall in shelf_ioctl",
                kind: Kind::Hang,
                // Who is shown is told by name only where a CPU was asked.
                task: TASK.filter(|_| cpu.is_some()),
                cpu,
            },
        );
    }
}

#[test]
fn powerpc_hard_lockups() {
    for head in [
        "watchdog: CPU 1 self-detected hard LOCKUP @ shelf_spin+0x10/0x30\nwatchdog: CPU 1 TB:12345678901, last heartbeat TB:12300000000 (10000ms ago)",
        "watchdog: CPU 1 Hard LOCKUP\nwatchdog: CPU 1 TB:12345678901, last heartbeat TB:12300000000 (10000ms ago)",
    ] {
        let console = format!(
            "\
{head}
Modules linked in:
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
NIP:  c0000000004d2a58 LR: c0000000004d2f84 CTR: c0000000004d2a40
REGS: c000000007a3fb10 TRAP: 0100   Not tainted  (6.12.0)
NIP [c0000000004d2a58] shelf_spin+0x10/0x30
LR [c0000000004d2f84] shelf_scan+0x60/0x100
Call Trace:
[c000000007a3fb10] [c0000000004d2f84] shelf_scan+0x60/0x100 (unreliable)
[c000000007a3fb50] [c0000000004d3f84] shelf_ioctl+0x44/0x90
[c000000007a3fb90] [c0000000004d4f84] sys_ioctl+0x92/0xc0
[c000000007a3fbd0] [c00000000002f7a0] system_call_exception+0x120/0x240
[c000000007a3fe50] [c00000000000d05c] system_call_vectored_common+0x15c/0x2ec
"
        );
        check(
            &console,
            &Want {
                title: "BUG: hard lockup in shelf_ioctl",
                kind: Kind::Hang,
                task: TASK,
                cpu: Some(1),
            },
        );
    }
}

#[test]
fn workqueue_lockup() {
    let console = "\
BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 51s!
Showing busy workqueues and worker pools:
workqueue events: flags=0x0
  pwq 6: cpus=1 node=0 flags=0x0 nice=0 active=1 refcnt=2
    pending: shelf_work
";
    let report = check(
        console,
        &Want {
            title: "BUG: workqueue lockup",
            kind: Kind::Unknown,
            task: None,
            cpu: None,
        },
    );
    assert!(report.measures_time);
}
