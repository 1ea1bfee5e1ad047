// SPDX-License-Identifier: GPL-2.0-or-later
//! CPUs, memory and disk that this process may use, as they are now.

use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::files;

const MEMINFO: &str = "/proc/meminfo";
const CGROUPS: &str = "/sys/fs/cgroup";

/// Why the host cannot be measured or has no room.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file of the system does not tell what it should.
    #[error("{path} does not tell {what}: {source}. Mount /proc.")]
    Unknown {
        /// The file.
        path: Utf8PathBuf,
        /// What was looked for.
        what: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// Not even one guest fits.
    #[error(
        "One guest takes {needed} MiB of {what}, and it may use {there} MiB. Make room, allow more with \
         {option}, or give the plan's machine less."
    )]
    NoRoom {
        /// Memory or disk.
        what: &'static str,
        /// What a guest takes.
        needed: u64,
        /// What there is.
        there: u64,
        /// The option that sets it.
        option: &'static str,
    },
}

/// What is there for guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// CPUs that this process may run on.
    pub cpus: usize,
    /// The host's memory in MiB, whoever uses it.
    pub memory_total_mib: u64,
    /// Memory in MiB that can be taken without driving others out.
    pub memory_mib: u64,
    /// Free disk in MiB where the run's folder lies.
    pub disk_mib: u64,
}

impl Resources {
    /// Looks now; `dir` is the run's folder, or where it will lie.
    pub fn measure(dir: &Utf8Path) -> Result<Self, HostError> {
        let unknown = |what| {
            move |source| HostError::Unknown {
                path: MEMINFO.into(),
                what,
                source,
            }
        };
        let meminfo = fs::read_to_string(MEMINFO).map_err(unknown("the memory"))?;
        let mib = |name| meminfo_mib(&meminfo, name).map_err(unknown(name));
        Ok(Self {
            cpus: cpus(),
            memory_total_mib: mib("MemTotal:")?,
            memory_mib: mib("MemAvailable:")?.min(cgroup_room_mib()),
            disk_mib: disk_mib(dir)?,
        })
    }
}

/// CPUs that this process may run on: its affinity and its control group's quota count.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn meminfo_mib(meminfo: &str, name: &str) -> io::Result<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name));
    let kib: Option<u64> = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    kib.map(|kib| kib >> 10)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// What the control groups above this process leave it; no end where none limits it.
fn cgroup_room_mib() -> u64 {
    let of_self = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    // Version 2 has one line, `0::/path`.
    let Some(own) = of_self.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return u64::MAX;
    };
    Utf8Path::new(CGROUPS)
        .join(own)
        .ancestors()
        .take_while(|group| group.starts_with(CGROUPS))
        .filter_map(|group| {
            let number = |file| {
                let text = fs::read_to_string(group.join(file)).ok()?;
                text.trim().parse::<u64>().ok()
            };
            let used = number("memory.current")?.saturating_sub(cached(&group.join("memory.stat")));
            Some(number("memory.max")?.saturating_sub(used) >> 20)
        })
        .min()
        .unwrap_or(u64::MAX)
}

/// What a control group's files hold in memory: it goes when somebody needs the room.
fn cached(stat: &Utf8Path) -> u64 {
    let text = fs::read_to_string(stat).unwrap_or_default();
    let of = |line: &str| {
        let (name, bytes) = line.split_once(' ')?;
        matches!(name, "inactive_file" | "active_file").then(|| bytes.parse::<u64>().ok())?
    };
    text.lines().filter_map(of).sum()
}

/// Free space of the file system that a folder lies on or will lie on.
fn disk_mib(dir: &Utf8Path) -> Result<u64, HostError> {
    // A relative path may have no folder that is there already but the current one.
    let there = dir
        .ancestors()
        .find(|dir| dir.exists())
        .unwrap_or(Utf8Path::new("."));
    let free = files::free_bytes(there).map_err(|source| HostError::Unknown {
        path: there.into(),
        what: "its free space",
        source,
    })?;
    Ok(free >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_something_of_everything() {
        for dir in ["/", "/no/such/folder", "no/such/folder"] {
            let there = Resources::measure(dir.into()).unwrap();
            assert!(there.cpus > 0 && there.memory_mib > 0, "{there:?}");
            assert!(there.memory_total_mib >= there.memory_mib, "{there:?}");
            assert!(there.disk_mib > 0, "{there:?}");
        }
    }

    #[test]
    fn memory_that_files_hold_is_not_used_up() {
        let dir = tempfile::tempdir().unwrap();
        let stat = Utf8Path::from_path(dir.path()).unwrap().join("memory.stat");
        fs::write(&stat, "anon 7\ninactive_file 40\nactive_file 2\nslab 5\n").unwrap();
        assert_eq!(cached(&stat), 42);
        assert_eq!(cached("/no/such/file".into()), 0);
    }

    #[test]
    fn memory_that_is_not_told_is_an_error() {
        let text = "MemTotal:  2048 kB\nMemAvailable:  many kB\n";
        assert_eq!(meminfo_mib(text, "MemTotal:").unwrap(), 2);
        assert!(meminfo_mib(text, "MemAvailable:").is_err());
        assert!(meminfo_mib(text, "SwapFree:").is_err());
    }
}
