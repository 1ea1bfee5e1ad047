// SPDX-License-Identifier: GPL-2.0-or-later
//! All that was seen of one guest, before anybody judges it.

use std::collections::BTreeMap;

use swapmig_reports::record::{Ended, Timing};
use swapmig_workloads::protocol::{Event, Mismatch, When};

use crate::guest::diagnosis::Sample;

use super::console::Printed;

/// How many mismatches are kept; all are counted.
const MISMATCHES_KEPT: usize = 100;
/// Taints that a trace leaves: bad page (also KASAN's), died, warned, soft lockup.
const CRASH_TAINTS: u64 = 1 << 5 | 1 << 7 | 1 << 9 | 1 << 14;
/// How many samples are kept: an hour of one a second.
const SAMPLES_KEPT: usize = 3600;
/// How many counters are kept in all samples: as many as make a result of 20 MiB.
const COUNTERS_KEPT: usize = 200_000;
/// Longer than any name of a counter, in bytes.
const NAME_MAX: usize = 64;

/// Counters of the guest at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawSample {
    /// Milliseconds since the workload's start, by the guest's clock.
    pub at_ms: u64,
    /// Hits by probe.
    pub probes: BTreeMap<String, u64>,
    /// Selected counters of `/proc/vmstat`.
    pub vmstat: BTreeMap<String, u64>,
}

/// The guest's machine before or after the workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// `/proc/vmstat`.
    pub vmstat: BTreeMap<String, u64>,
    /// `/proc/buddyinfo`.
    pub buddyinfo: String,
    /// `/proc/swaps`.
    pub swaps: String,
    /// `/proc/sys/kernel/tainted`.
    pub tainted: u64,
}

/// Counters over time, as many as a result may hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Samples {
    kept: Vec<RawSample>,
    /// How many counters they hold.
    counters: usize,
}

impl Samples {
    /// Takes note of counters. Of too many samples the last one is replaced,
    /// so that the final counts are never lost.
    pub fn add(&mut self, mut sample: RawSample) {
        sample.vmstat.retain(|name, _| name.len() <= NAME_MAX);
        let counters = sample.counters();
        let full = self.kept.len() >= SAMPLES_KEPT || self.counters + counters > COUNTERS_KEPT;
        if full && let Some(last) = self.kept.pop() {
            self.counters -= last.counters();
        }
        self.counters += counters;
        self.kept.push(sample);
    }

    /// Oldest first.
    pub fn iter(&self) -> std::slice::Iter<'_, RawSample> {
        self.kept.iter()
    }
}

impl RawSample {
    fn counters(&self) -> usize {
        self.probes.len() + self.vmstat.len()
    }
}

/// What was seen of a guest.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// How it ended.
    pub ended: Ended,
    /// What its console told.
    pub console: Printed,
    /// Whether the workload said that it began.
    pub started: bool,
    /// Whether the workload got on while a guest that hung was asked why.
    pub progressed: bool,
    /// The virtual CPUs of a guest that hung, as samples show them, oldest first.
    pub vcpus: Vec<Sample>,
    /// What the host could not do for the guest, if so.
    pub host_failed: Option<String>,
    /// Why the guest did not get the time that it should have had, if so.
    pub host_late: Option<String>,
    /// Samples, oldest first; the last one holds the final counts.
    pub samples: Samples,
    /// Probes that the guest's kernel refused, and what it said.
    pub refused_probes: BTreeMap<String, String>,
    /// Pages verified.
    pub verified: u64,
    /// Pages that were wrong: the first ones.
    pub mismatches: Vec<Mismatch>,
    /// How many pages were wrong.
    pub mismatch_count: u64,
    /// Before the workload.
    pub before: Snapshot,
    /// After it.
    pub after: Snapshot,
    /// How long things took.
    pub timing: Timing,
}

impl Default for Observation {
    fn default() -> Self {
        Self {
            ended: Ended::HarnessFailed {
                reason: "The cell was not run to its end.".into(),
            },
            console: Printed::default(),
            started: false,
            progressed: false,
            vcpus: Vec::new(),
            host_failed: None,
            host_late: None,
            samples: Samples::default(),
            refused_probes: BTreeMap::new(),
            verified: 0,
            mismatches: Vec::new(),
            mismatch_count: 0,
            before: Snapshot::default(),
            after: Snapshot::default(),
            timing: Timing::default(),
        }
    }
}

impl Observation {
    /// Takes note of a page that was wrong.
    pub fn add_mismatch(&mut self, mismatch: Mismatch) {
        self.mismatch_count = self
            .mismatch_count
            .saturating_add(1)
            .saturating_add(mismatch.more);
        if self.mismatches.len() < MISMATCHES_KEPT {
            self.mismatches.push(mismatch);
        }
    }

    /// Takes note of a workload that gets on after all while its guest is asked why it hangs.
    pub fn note_progress(&mut self, event: &Event) {
        self.progressed |= matches!(
            event,
            Event::Round { .. } | Event::Verified { .. } | Event::Done { .. }
        );
    }

    /// Takes note of a snapshot.
    pub fn add_snapshot(&mut self, when: When, snapshot: Snapshot) {
        match when {
            When::Before => self.before = snapshot,
            When::After => self.after = snapshot,
        }
    }

    /// Whether the kernel noted a crash of its own while the workload ran, whatever its console shows.
    pub fn tainted_meanwhile(&self) -> bool {
        (self.after.tainted & !self.before.tainted) & CRASH_TAINTS != 0
    }

    /// Hits by probe, at the end.
    pub fn final_probes(&self) -> BTreeMap<String, u64> {
        self.samples
            .iter()
            .last()
            .map(|sample| sample.probes.clone())
            .unwrap_or_default()
    }
}
