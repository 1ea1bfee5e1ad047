// SPDX-License-Identifier: GPL-2.0-or-later
//! The one event stream of a run. The terminal, the log and the result store
//! are sinks of it; nothing else prints or writes results.

use camino::Utf8PathBuf;
use swapmig_reports::record::{CellId, CellRecord, KernelRecord, RunRecord};
use swapmig_workloads::protocol;

/// Something that happened in a run.
#[derive(Debug, Clone)]
pub enum Event {
    /// The run has its directory and its plan.
    RunStarted {
        /// Where its results go.
        dir: Utf8PathBuf,
        /// How many cells have a result from before.
        done: usize,
        /// What is known so far.
        record: Box<RunRecord>,
    },
    /// A sentence for whoever watches.
    Note(String),
    /// Something about a kernel, by `LINE/VARIANT`.
    Kernel {
        /// Which kernel.
        name: String,
        /// What about it.
        what: KernelEvent,
    },
    /// Something about a cell.
    Cell {
        /// Which cell.
        cell: CellId,
        /// What about it.
        what: CellEvent,
    },
    /// How long the rest of the run is expected to take.
    TimeLeft(std::time::Duration),
    /// Every cell has its result, or the run was stopped.
    RunFinished {
        /// Whether it was stopped before its end.
        stopped: bool,
    },
}

/// What happens to a kernel.
#[derive(Debug, Clone)]
pub enum KernelEvent {
    /// Its preparation goes on.
    Progress {
        /// What is being done, such as `unpacking` or the file that is compiled.
        what: String,
        /// Steps done.
        done: u64,
        /// Steps in all, where known.
        total: Option<u64>,
    },
    /// It is there, or it is known that it won't be.
    Settled(KernelRecord),
}

/// What happens to a cell.
#[derive(Debug, Clone)]
pub enum CellEvent {
    /// Its guest is being started.
    Started,
    /// It is in another phase.
    Phase(Phase),
    /// Its guest said something.
    Guest {
        /// Milliseconds since its guest boots, or was restored.
        at_ms: u64,
        /// What it said.
        event: protocol::Event,
    },
    /// The host does not give its guest the time that it needs: from now on a detector that
    /// measures time is not believed.
    HostLate {
        /// A clause.
        reason: String,
    },
    /// A trace showed on its console, or a page was wrong.
    Finding {
        /// Its title.
        title: String,
    },
    /// It ended in an ERROR, and is tried again.
    TriedInVain(Box<CellRecord>),
    /// It has its verdict.
    Finished(Box<CellRecord>),
}

/// Where a cell is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The guest boots.
    Booting,
    /// The workload runs.
    Running,
    /// The workload has ended or a finding was made; the console is still read.
    Draining,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Booting => "boots",
            Self::Running => "runs",
            Self::Draining => "drains",
        })
    }
}

/// Receives every event of a run, in order.
pub trait Sink: Send {
    /// Takes note of an event; an error ends the run.
    fn event(&mut self, event: &Event) -> Result<(), SinkError>;
}

/// Why a sink could not take note of an event.
#[derive(Debug, thiserror::Error)]
#[error(
    "The result {path} cannot be written: {source}. What was written before is intact; make room or \
     mend the folder, then go on with `swapmig run PLAN --resume RUN`."
)]
pub struct SinkError {
    /// The file.
    pub path: Utf8PathBuf,
    /// The system's error.
    pub source: std::io::Error,
}
