// SPDX-License-Identifier: GPL-2.0-or-later
//! What makes no progress.

use swapmig_reports::trace::{Kind, Role};

use crate::sample::{Want, check, only, symbols};

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
    let console = format!(
        "\
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
rcu: \t1-...!: (1 GPs behind) idle=3a4c/1/0x4000000000000000 softirq=1018/1019 fqs=2
rcu: \t(detected by 0, t=10502 jiffies, g=1201, q=34 ncpus=2)
Sending NMI from CPU 0 to CPUs 1:
NMI backtrace for cpu 1
{STUCK}"
    );
    let report = only(&console);
    assert_eq!(report.title, "INFO: rcu detected stall in shelf_ioctl");
    assert_eq!(report.kind, Kind::Hang);
    assert_eq!(report.details.cpu, Some(1));
    assert_eq!(
        symbols(&report, Role::Other)[..2],
        ["shelf_spin", "shelf_scan"]
    );
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
    check(
        console,
        &Want {
            title: "BUG: workqueue lockup",
            kind: Kind::Unknown,
            task: None,
            cpu: None,
        },
    );
}
