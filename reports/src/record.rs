// SPDX-License-Identifier: GPL-2.0-or-later
//! The schema of a run directory: `run.json` and one `cell.json` a cell.
//!
//! A run directory is complete at every moment. `run.json` lists every cell of
//! the run; a cell whose `cell.json` is absent has not ended yet.
//!
//! ```text
//! RUN/run.json
//! RUN/plan.toml
//! RUN/cells/CELL/job.json       what the guest was asked
//! RUN/cells/CELL/console.log    its serial console, raw bytes; of a long one head and tail
//! RUN/cells/CELL/events.jsonl   its events, one a line, with the host's clock; of many the first and the last
//! RUN/cells/CELL/qemu.log       QEMU's own words
//! RUN/cells/CELL/diagnosis-*.txt what a guest that hung was asked
//! RUN/cells/CELL/memory.kdump   its memory, where `--dump-memory` asked for it
//! RUN/cells/CELL/cell.json      the result
//! RUN/attempts/CELL.N/          the same of its Nth try, which ended in an ERROR
//! RUN/report.html
//! ```

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Version of this schema; readers refuse another one.
pub const FORMAT: u32 = 1;

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// The run directory's name.
    pub id: String,
    /// Name of the plan.
    pub plan: String,
    /// Seeds 1 to this replace those of the plan, where given.
    pub seeds: Option<u64>,
    /// When the run began.
    pub started: Timestamp,
    /// When it ended; absent while it runs and after it was killed.
    pub finished: Option<Timestamp>,
    /// The machine it ran on.
    pub host: HostRecord,
    /// The kernels it needs, by `LINE/VARIANT`, as they become known.
    pub kernels: BTreeMap<String, KernelRecord>,
    /// Every cell of the plan, in order.
    pub cells: Vec<CellId>,
}

/// The machine that a run ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// CPUs usable by the run.
    pub cpus: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// `qemu-system-x86_64 --version`, first line.
    pub qemu: String,
    /// `kvm` or `tcg`.
    pub accelerator: String,
    /// Why that one.
    pub accelerator_reason: String,
}

/// How a variant's kernel came to be, or why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum KernelRecord {
    /// It is in the store.
    Ready {
        /// Its key in the store.
        key: String,
        /// Source package and version.
        source: String,
        /// `make kernelrelease`.
        release: String,
        /// Absolute path of its vmlinux, for symbolization.
        vmlinux: String,
        /// Seconds the build took in this run; 0 when it was in the store already.
        build_seconds: f64,
    },
    /// It could not be had; its cells are not run.
    Unavailable {
        /// Why, a sentence.
        reason: String,
        /// True when the variant's patch does not apply to this source.
        does_not_apply: bool,
    },
}

/// Which kernel, workload and seed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellId {
    /// Kernel line, such as `6.12`.
    pub line: String,
    /// Variant, such as `no-guard-anon`.
    pub variant: String,
    /// Workload, such as `orphan`.
    pub workload: String,
    /// Seed of the workload.
    pub seed: u64,
}

impl CellId {
    /// The cell's name: its folder within the run, and how commands take it.
    pub fn name(&self) -> String {
        format!(
            "{}.{}.{}.{}",
            self.line, self.variant, self.workload, self.seed
        )
    }
}

impl std::fmt::Display for CellId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.name())
    }
}

/// `cell.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellRecord {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Which cell.
    pub cell: CellId,
    /// The verdict.
    pub status: Status,
    /// One sentence a reason for the verdict, most important first.
    pub reasons: Vec<String>,
    /// What the plan and the variant expected.
    pub expected: Expected,
    /// Whether the verdict, and for a broken variant its finding, is the expected one.
    pub as_expected: bool,
    /// Findings, the first one first: it counts, later ones may be its wrecks.
    pub findings: Vec<Finding>,
    /// How often each class migrated; a class that could not be counted is absent.
    pub classes: BTreeMap<Class, ClassCounts>,
    /// How often the plan wanted each class to migrate.
    pub at_least: BTreeMap<Class, u64>,
    /// Pages whose content was verified.
    pub pages_verified: u64,
    /// How the guest ended.
    pub ended: Ended,
    /// Why the guest did not get the time that it should have had, a clause; absent if it did.
    #[serde(default)]
    pub host_late: Option<String>,
    /// How long things took.
    pub timing: Timing,
    /// Tries that ended in an ERROR before this one, oldest first; the folder of each is kept.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// Counters over the run of the workload.
    pub samples: Vec<Sample>,
    /// `/proc/vmstat` before and after, where it changed.
    pub vmstat: BTreeMap<String, (u64, u64)>,
    /// `/proc/buddyinfo` before and after.
    pub buddyinfo: (String, String),
    /// `/proc/swaps` before and after.
    pub swaps: (String, String),
}

/// A try of a cell that was not its last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What it ended with.
    pub status: Status,
    /// The first reason for it.
    pub reason: String,
}

impl CellRecord {
    /// This try, as a later one remembers it.
    pub fn as_attempt(&self) -> Attempt {
        Attempt {
            status: self.status,
            reason: self.reasons.first().cloned().unwrap_or_default(),
        }
    }

    /// Whether tries of the cell ended differently.
    pub fn is_flaky(&self) -> bool {
        self.attempts
            .iter()
            .any(|attempt| attempt.status != self.status)
    }
}

/// A cell's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// No finding, every page verified, every named class migrated often enough.
    Pass,
    /// A trace, corruption, a hang or a refused migration that the guest's kernel is to blame for.
    Fail,
    /// Clean, but a named class did not migrate often enough.
    Inconclusive,
    /// The harness, the host or the boot broke.
    Error,
}

impl Status {
    /// The word of reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Inconclusive => "INCONCLUSIVE",
            Self::Error => "ERROR",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// What a variant is expected to do under a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Expected {
    /// To pass.
    Clean,
    /// To fail, its first finding's title or an alternative title matching one of these.
    Titles {
        /// Regular expressions over whole titles.
        titles: Vec<String>,
    },
    /// To fail by refusing to migrate these classes.
    Refused {
        /// The classes.
        classes: Vec<Class>,
    },
}

/// A class of swap-cache page that migration meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Read-ahead: no mapping yet.
    U1,
    /// tmpfs: a shmem page in swap.
    U2,
    /// Anonymous, unmapped, anon_vma alive.
    U3,
    /// Anonymous, unmapped, anon_vma freed.
    U4,
    /// KSM page swapped out.
    U5,
    /// Mapped and in the swap cache.
    M,
}

impl Class {
    /// Every class, in the order of reports.
    pub const ALL: [Self; 6] = [Self::U1, Self::U2, Self::U3, Self::U4, Self::U5, Self::M];

    /// The short name of reports and plans.
    pub fn name(self) -> &'static str {
        match self {
            Self::U1 => "U1",
            Self::U2 => "U2",
            Self::U3 => "U3",
            Self::U4 => "U4",
            Self::U5 => "U5",
            Self::M => "M",
        }
    }

    /// What the class is, for a reader who does not know the short names.
    pub fn describe(self) -> &'static str {
        match self {
            Self::U1 => "read-ahead, no mapping yet",
            Self::U2 => "tmpfs page in swap",
            Self::U3 => "anonymous, unmapped, anon_vma alive",
            Self::U4 => "anonymous, unmapped, anon_vma freed",
            Self::U5 => "KSM page swapped out",
            Self::M => "mapped and in the swap cache",
        }
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// How often folios of a class met migration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCounts {
    /// Migration began on a folio of the class; one folio may be tried several times.
    pub attempted: u64,
    /// A folio of the class was replaced by a new one.
    pub moved: u64,
}

/// Something the guest's kernel is to blame for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What sort of thing.
    pub kind: FindingKind,
    /// Its normalised title: the key for dedup and expectations.
    pub title: String,
    /// Further titles that the same crash may be known by.
    pub alt_titles: Vec<String>,
    /// Milliseconds from the workload's start; absent when nobody noted when it showed.
    pub at_ms: Option<u64>,
    /// True when the report is cut short or mixed with another one.
    pub corrupted: Option<String>,
    /// The report's text as printed, bounded; empty for a finding without a trace.
    pub text: String,
    /// Task that it struck, if printed.
    pub task: Option<String>,
    /// Stacks by role, frames symbolized where a vmlinux was at hand.
    pub stacks: Vec<StackRecord>,
}

/// What sort of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A trace on the console.
    Trace,
    /// A page that lost its content.
    Corruption,
    /// Something made no progress for too long, by the kernel's own detectors: they measure time.
    Hang,
    /// A task goes round in circles, by what it was seen to do: no time is measured.
    Livelock,
    /// Migration of a class was tried again and again and never succeeded.
    Refused,
}

/// A stack of a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackRecord {
    /// What it is: `access`, `allocated`, `freed`, `last related work`, …
    pub role: String,
    /// Innermost first.
    pub frames: Vec<FrameRecord>,
}

/// A frame of a stack: one function, inlined ones included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameRecord {
    /// Function name.
    pub function: String,
    /// As printed, such as `rmap_walk_anon+0x1a3/0x420`; absent for an inlined frame.
    pub printed: Option<String>,
    /// Source file, relative to the kernel tree.
    pub file: Option<String>,
    /// Line in the file.
    pub line: Option<u32>,
    /// True when it was inlined into the next frame.
    pub inlined: bool,
    /// True for the function to blame: what is above it only noticed.
    pub guilty: bool,
}

/// How the guest of a cell ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub enum Ended {
    /// The workload said that it was done.
    Done,
    /// It was stopped after a finding.
    StoppedAfterFinding,
    /// The workload said that it could not do its job.
    Incapable {
        /// Its reason, as the guest gave it.
        reason: String,
    },
    /// Nothing was heard of the guest for too long, and its QEMU still answered.
    Silent {
        /// For how many seconds.
        seconds: u64,
    },
    /// The workload was still busy, and told so, at the cell's time limit.
    Slow {
        /// The limit in seconds.
        seconds: u64,
    },
    /// The kernel panicked.
    Panicked,
    /// The guest rebooted or powered off by itself.
    Rebooted,
    /// It never became ready.
    BootFailed {
        /// What is known of it.
        reason: String,
    },
    /// It booted as another machine than the plan asks for.
    WrongMachine {
        /// In which way.
        reason: String,
    },
    /// QEMU died, stood still or could not be driven.
    Dead {
        /// Its exit status and last words.
        reason: String,
    },
    /// The guest broke the protocol.
    Garbage {
        /// What it sent, escaped and bounded.
        reason: String,
    },
    /// The harness itself failed.
    HarnessFailed {
        /// The error.
        reason: String,
    },
}

/// How long things took, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// From QEMU's start to the guest's readiness, be it booted or restored.
    pub boot_ms: Option<u64>,
    /// Whether the guest was restored instead of booted.
    #[serde(default)]
    pub restored: bool,
    /// From the workload's start to its end.
    pub workload_ms: Option<u64>,
    /// From the workload's start to the first finding.
    pub finding_ms: Option<u64>,
    /// The whole cell, from a guest that boots or was restored on.
    pub total_ms: u64,
}

/// Counters at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Milliseconds since the workload's start.
    pub at_ms: u64,
    /// Class counts so far.
    pub classes: BTreeMap<Class, ClassCounts>,
    /// Counters of `/proc/vmstat` that tell of swap, compaction and migration.
    pub vmstat: BTreeMap<String, u64>,
}
