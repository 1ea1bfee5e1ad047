// SPDX-License-Identifier: GPL-2.0-or-later
//! What `/proc` tells of memory, swap and migration.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// Why a file of the kernel could not be read, written or understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MachineError {
    #[error("cannot read {file}: {source}")]
    Read {
        file: &'static str,
        source: io::Error,
    },
    #[error("cannot write {file}: {source}; is it configured in this kernel?")]
    Write {
        file: &'static str,
        source: io::Error,
    },
    #[error("{file} has no counter {name}")]
    Missing {
        file: &'static str,
        name: &'static str,
    },
    #[error(
        "pages were still under writeback after {seconds} s: the swap disk is too slow for this many pages"
    )]
    Writeback { seconds: u64 },
}

const VMSTAT: &str = "/proc/vmstat";
const MEMINFO: &str = "/proc/meminfo";
const TAINTED: &str = "/proc/sys/kernel/tainted";
const COMPACT: &str = "/proc/sys/vm/compact_memory";
const WRITEBACK_LIMIT: Duration = Duration::from_secs(60);
const WRITEBACK_PAUSE: Duration = Duration::from_millis(10);

/// `/proc/vmstat`, whole.
pub(crate) fn vmstat() -> Result<BTreeMap<String, u64>, MachineError> {
    Ok(counters(&read(VMSTAT)?))
}

/// One counter of `/proc/vmstat`.
pub(crate) fn counter(name: &'static str) -> Result<u64, MachineError> {
    vmstat()?
        .get(name)
        .copied()
        .ok_or(MachineError::Missing { file: VMSTAT, name })
}

/// Whether a vmstat counter tells of swap, compaction or migration.
pub(crate) fn is_told(name: &str) -> bool {
    const PREFIXES: [&str; 6] = [
        "pgmigrate_",
        "compact_",
        "pswp",
        "pgsteal_",
        "swap_ra",
        "thp_migration_",
    ];
    const NAMES: [&str; 5] = [
        "nr_free_pages",
        "nr_swapcached",
        "nr_writeback",
        "nr_anon_pages",
        "nr_shmem",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

/// Free memory in KiB.
pub(crate) fn free_kib() -> Result<u64, MachineError> {
    meminfo("MemFree:")
}

/// All memory in KiB.
pub(crate) fn total_kib() -> Result<u64, MachineError> {
    meminfo("MemTotal:")
}

/// What the kernel is tainted by, a set of bits.
pub(crate) fn tainted() -> Result<u64, MachineError> {
    read(TAINTED)?
        .trim()
        .parse()
        .map_err(|_| MachineError::Missing {
            file: TAINTED,
            name: "of taints",
        })
}

/// A text file of `/proc`, for a snapshot.
pub(crate) fn read(file: &'static str) -> Result<String, MachineError> {
    fs::read_to_string(file).map_err(|source| MachineError::Read { file, source })
}

/// Compacts all of memory, waiting for pages under writeback (MIGRATE_SYNC).
pub(crate) fn compact() -> Result<(), MachineError> {
    fs::write(COMPACT, "1").map_err(|source| MachineError::Write {
        file: COMPACT,
        source,
    })
}

/// Waits until no page is under writeback.
pub(crate) fn wait_written() -> Result<(), MachineError> {
    let began = Instant::now();
    while began.elapsed() < WRITEBACK_LIMIT {
        if counter("nr_writeback")? == 0 {
            return Ok(());
        }
        std::thread::sleep(WRITEBACK_PAUSE);
    }
    Err(MachineError::Writeback {
        seconds: WRITEBACK_LIMIT.as_secs(),
    })
}

fn meminfo(name: &'static str) -> Result<u64, MachineError> {
    counters(&read(MEMINFO)?)
        .get(name)
        .copied()
        .ok_or(MachineError::Missing {
            file: MEMINFO,
            name,
        })
}

/// Lines of a name, a number and perhaps a unit.
fn counters(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_with_and_without_units() {
        let read = counters("MemTotal:  501844 kB\npgmigrate_success 12\nbroken\nhalf x\n");
        assert_eq!(read.len(), 2);
        assert_eq!(read["MemTotal:"], 501_844);
        assert_eq!(read["pgmigrate_success"], 12);
    }

    #[test]
    fn told_counters_are_those_of_the_subject() {
        assert!(is_told("pgmigrate_fail"));
        assert!(is_told("nr_swapcached"));
        assert!(!is_told("numa_hit"));
    }
}
