// SPDX-License-Identifier: GPL-2.0-or-later
//! Tells the kernel's detectors of hangs how patient to be: they measure time, and a slow
//! guest needs more of it.

use std::fs;

/// Longest that the soft lockup detector takes; it reports after twice its threshold.
const WATCHDOG_MOST: u64 = 60;
/// Longest that the detector of RCU stalls takes.
const RCU_MOST: u64 = 300;

/// Sets how many seconds the detectors wait. One that this kernel does not have, or that does not
/// take the number, stays as it booted: its word is no worse for being early.
pub(crate) fn wait(seconds: u64) {
    let limits = [
        ("/proc/sys/kernel/hung_task_timeout_secs", seconds),
        (
            "/proc/sys/kernel/watchdog_thresh",
            (seconds / 2).min(WATCHDOG_MOST),
        ),
        (
            "/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout",
            seconds.min(RCU_MOST),
        ),
        ("/sys/module/workqueue/parameters/watchdog_thresh", seconds),
    ];
    for (file, limit) in limits {
        let _ = fs::write(file, limit.to_string());
    }
}
