// SPDX-License-Identifier: GPL-2.0-or-later
//! Mounts, settings and names that the service and a shell rely on.

use std::fs;
use std::io;
use std::process::Command;

use rustix::mount::{MountFlags, mount};

use crate::console;

/// Why the guest could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetupError {
    #[error("cannot mount {fstype} on {target}: {source}")]
    Mount {
        fstype: &'static str,
        target: &'static str,
        source: rustix::io::Errno,
    },
    #[error("cannot start the service: {source}")]
    Service { source: io::Error },
}

/// File system, target, options, and whether the guest is of no use without it.
const MOUNTS: [(&str, &str, &str, bool); 8] = [
    ("devtmpfs", "/dev", "mode=0755", true),
    ("proc", "/proc", "", true),
    ("sysfs", "/sys", "", true),
    ("devpts", "/dev/pts", "mode=0620,ptmxmode=0666", false),
    ("tmpfs", "/run", "mode=0755", true),
    ("tmpfs", "/tmp", "mode=1777", true),
    ("debugfs", "/sys/kernel/debug", "", false),
    ("tracefs", "/sys/kernel/tracing", "", false),
];

const SETTINGS: [(&str, &str); 8] = [
    // Off by default in a guest this small; the terrain takes memory by huge pages.
    ("/sys/kernel/mm/transparent_hugepage/enabled", "madvise"),
    ("/sys/kernel/mm/transparent_hugepage/defrag", "never"),
    // That raised it to more than a tenth of a small guest. Free memory below this is
    // reclaimed, which would undo the placement that the workloads depend on.
    ("/proc/sys/vm/min_free_kbytes", "2048"),
    // The shortest per-CPU free lists there are: compaction takes no free page out of them,
    // and they hand pages out in no order of place.
    ("/proc/sys/vm/percpu_pagelist_high_fraction", "1000000"),
    // Swap-in read-ahead makes pages of class U1, which no probe could tell from
    // U2 (neither has a mapping): without it each class is counted by itself.
    ("/proc/sys/vm/page-cluster", "0"),
    // Every kernel message reaches the console: a finding may be of any level.
    ("/proc/sys/kernel/printk", "8"),
    // The guest's own marks are never dropped by a rate limit.
    ("/proc/sys/kernel/printk_devkmsg", "on\n"),
    // Compaction runs when a workload asks for it, so that runs are alike.
    ("/proc/sys/vm/compaction_proactiveness", "0"),
];

const PATH: &str = "/bin:/sbin:/usr/bin:/usr/sbin";
const BUSYBOX: &str = "/bin/busybox";

/// Sets the guest up. What a workload can do without is only said, not fatal.
pub(super) fn all() -> Result<(), SetupError> {
    for (fstype, target, options, needed) in MOUNTS {
        let _ = fs::create_dir_all(target);
        let options = std::ffi::CString::new(options).unwrap_or_default();
        match mount(
            fstype,
            target,
            fstype,
            MountFlags::empty(),
            options.as_c_str(),
        ) {
            Ok(()) => {}
            Err(source) if needed => {
                return Err(SetupError::Mount {
                    fstype,
                    target,
                    source,
                });
            }
            Err(error) => console::say(&format!("no {fstype} on {target}: {error}")),
        }
    }
    for (file, value) in SETTINGS {
        if let Err(error) = fs::write(file, value) {
            console::say(&format!("cannot set {file} to {value}: {error}"));
        }
    }
    let _ = rustix::system::sethostname(b"swapmig");
    // SAFETY: no other thread exists yet that could read the environment.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var("PATH", PATH);
        std::env::set_var("HOME", "/root");
    }
    shell_commands();
    Ok(())
}

/// Starts `busybox --install -s /bin`; nobody waits for it, init reaps it.
fn shell_commands() {
    let install = Command::new(BUSYBOX)
        .args(["--install", "-s", "/bin"])
        .spawn();
    if let Err(error) = install {
        console::say(&format!(
            "no shell commands, {BUSYBOX} does not run: {error}"
        ));
    }
}
