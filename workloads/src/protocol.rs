// SPDX-License-Identifier: GPL-2.0-or-later
//! The job channel: one JSON object a line, the job in, events out.
//!
//! The guest is not trusted: the harness bounds the length of a line before
//! it parses one, and treats every string in an [`Event`] as hostile.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of this protocol; a guest refuses a job of another version.
pub const VERSION: u32 = 3;

/// Name of the virtio-serial port that carries the job and its events.
pub const JOB_PORT: &str = "org.swapmig.job";

/// Name of the virtio-serial port whose bytes the guest relays to its ssh server.
pub const SSH_PORT: &str = "org.swapmig.ssh";

/// Longest line, in bytes, that either side accepts.
pub const LINE_MAX: usize = 256 * 1024;

/// What a guest is asked to do, once, after it said [`Event::Ready`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// [`VERSION`] of the sender.
    pub version: u32,
    /// Which workload to run.
    pub workload: Workload,
    /// Seeds every choice the workload makes and every page stamp.
    pub seed: u64,
    /// The workload's parameters by name; each workload documents its own and
    /// their defaults, and refuses a name that it does not know.
    #[serde(default)]
    pub params: BTreeMap<String, u64>,
    /// Kprobe events to count while the workload runs.
    #[serde(default)]
    pub probes: Vec<Probe>,
    /// Milliseconds between two [`Event::Sample`]s.
    pub sample_ms: u64,
    /// What a guest that slept in a file has missed; filled in when the job is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<Wake>,
    /// After how many seconds the kernel's detectors take something for hung; filled in when it is
    /// known how slow the guest is. Absent: as the guest booted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect_after_seconds: Option<u64>,
}

/// What a guest that was saved and restored lacks: the time of day, and randomness of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wake {
    /// Milliseconds since the epoch, by the host's clock.
    pub unix_ms: u64,
    /// Random bytes, different for every guest.
    pub entropy: [u8; 32],
}

/// The workloads a guest knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Class U4: page out to a slow disk, exit, compact.
    Orphan,
    /// Class M: swap out, read back, compact, touch again.
    Reread,
    /// Class U2: write tmpfs, page out, compact, read back, swapoff.
    Tmpfs,
}

impl Workload {
    /// Every workload, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Orphan, Self::Reread, Self::Tmpfs];

    /// The name used in jobs, plans, file names and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orphan => "orphan",
            Self::Reread => "reread",
            Self::Tmpfs => "tmpfs",
        }
    }
}

impl std::fmt::Display for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One kprobe event with a filter, counted by a histogram trigger in the guest's kernel.
///
/// The guest writes `p:swapmig/NAME DEFINITION` to `kprobe_events` and the
/// trigger `hist:keys=common_cpu if FILTER` to the event; the `Hits` of that
/// histogram are the count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Event name, `[a-z0-9_]+`, unique within a job.
    pub name: String,
    /// What follows `p:swapmig/NAME ` in `kprobe_events`.
    pub definition: String,
    /// The trigger's filter; empty counts every hit.
    pub filter: String,
}

/// What the guest tells, in the order in which it happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The guest has booted and waits for its job.
    Ready {
        /// [`VERSION`] of the guest.
        version: u32,
        /// `uname -r`.
        release: String,
        /// Online CPUs.
        cpus: u32,
        /// MemTotal, in KiB.
        memory_kib: u64,
    },
    /// Probes are armed and the workload begins.
    Started {
        /// The job's workload.
        workload: Workload,
        /// The parameters in force, defaults included.
        params: BTreeMap<String, u64>,
    },
    /// Probes that the kernel refused: their counts are missing, not zero.
    ProbesRefused {
        /// Probe name → what the kernel said.
        refused: BTreeMap<String, String>,
    },
    /// The state of the machine before or after the workload.
    Snapshot {
        /// On which side of the workload.
        when: When,
        /// `/proc/vmstat`, whole.
        vmstat: BTreeMap<String, u64>,
        /// `/proc/buddyinfo`, whole.
        buddyinfo: String,
        /// `/proc/swaps`, whole.
        swaps: String,
        /// `/proc/sys/kernel/tainted`: tells of a trace that the console may have lost.
        tainted: u64,
    },
    /// A round of the workload begins.
    Round {
        /// From 1.
        round: u64,
        /// How many there will be.
        rounds: u64,
    },
    /// Counters so far.
    Sample {
        /// Milliseconds since [`Event::Started`].
        at_ms: u64,
        /// Hits by probe name.
        probes: BTreeMap<String, u64>,
        /// The counters of `/proc/vmstat` that tell of swap, compaction and migration.
        vmstat: BTreeMap<String, u64>,
    },
    /// Pages whose stamp was checked since the last such event.
    Verified {
        /// How many pages held what was written to them.
        pages: u64,
    },
    /// A page did not hold what was written to it.
    Mismatch(Mismatch),
    /// The workload could not do its job: no swap, no memory, a missing file.
    /// Never a success, never the kernel's fault.
    Incapable {
        /// A sentence that says what was missing.
        reason: String,
    },
    /// The workload ran to its end; the last event.
    Done {
        /// Milliseconds since [`Event::Started`].
        elapsed_ms: u64,
    },
}

/// On which side of the workload a snapshot was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Before the workload touched anything.
    Before,
    /// After it ended.
    After,
}

/// A page that lost its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// Where: `anon`, `tmpfs` or `terrain`.
    pub area: String,
    /// Index of the page within its area. Each worker has an area, and the terrain
    /// one for each time that it was opened.
    pub page: u64,
    /// Offset in bytes, within the page, of the first word that has a wrong byte.
    pub offset: u64,
    /// The word of eight bytes expected there, little-endian.
    pub expected: u64,
    /// The word found there.
    pub found: u64,
    /// In which step it showed, such as `after compaction` or `after swapoff`.
    pub step: String,
    /// Further wrong pages of the same area and step that are not told one by one.
    #[serde(default)]
    pub more: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_without_a_number_of_further_ones_is_the_only_one() {
        let line = r#"{"event":"mismatch","area":"anon","page":1,"offset":8,"expected":2,"found":3,"step":"s"}"#;
        let event: Event = serde_json::from_str(line).expect("an event");
        assert!(matches!(event, Event::Mismatch(Mismatch { more: 0, .. })));
    }
}
