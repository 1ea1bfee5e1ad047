// SPDX-License-Identifier: GPL-2.0-or-later
//! Keeps a run's directory complete at every moment.
//!
//! Of a guest that sends events for ever, the first are kept, and what tells how it ended. Its
//! counts are not among them: the last ones are in the cell's result.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;
use swapmig_reports::record::{CellId, RunRecord};
use swapmig_workloads::protocol;

use crate::event::{CellEvent, Event, KernelEvent, Sink, SinkError};
use crate::run_dir::{CELL, RunDir, RunDirError, write_json};

/// Events of one cell's guest beyond this many bytes are not kept.
const EVENTS_MAX: usize = 8 << 20;
/// How many bytes more there are for those that tell how it ended.
const LAST_MAX: usize = 1 << 20;

/// The line that says that something is missing from here on.
const CUT: &[u8] = b"{\"cut\":\"of what follows only the last events were kept\"}\n";

/// Writes `run.json`, `cell.json` and `events.jsonl`.
pub struct Store {
    run: RunDir,
    record: Option<RunRecord>,
    events: BTreeMap<CellId, EventFile>,
}

struct EventFile {
    file: File,
    room: usize,
    /// There was more than there is room for.
    cut: bool,
}

impl EventFile {
    fn keep(&mut self, line: &[u8], last: bool) -> std::io::Result<()> {
        if !self.cut && line.len() > self.room {
            self.cut = true;
            self.room = LAST_MAX;
            self.file.write_all(CUT)?;
        }
        if line.len() > self.room || self.cut && !last {
            return Ok(());
        }
        self.room -= line.len();
        self.file.write_all(line)
    }
}

/// Whether an event tells how a workload ended.
fn is_last(event: &protocol::Event) -> bool {
    use protocol::Event::{Done, Incapable, Snapshot};
    matches!(event, Snapshot { .. } | Incapable { .. } | Done { .. })
}

#[derive(Serialize)]
struct Line<'a> {
    host_ms: u64,
    #[serde(flatten)]
    event: &'a protocol::Event,
}

impl Store {
    /// A store into a run's directory.
    pub fn new(run: RunDir) -> Self {
        Self {
            run,
            record: None,
            events: BTreeMap::new(),
        }
    }

    fn update(&mut self, change: impl FnOnce(&mut RunRecord)) -> Result<(), SinkError> {
        if let Some(record) = &mut self.record {
            change(record);
            self.run.write_record(record).map_err(sink_error)?;
        }
        Ok(())
    }

    fn guest_event(
        &mut self,
        cell: &CellId,
        at_ms: u64,
        event: &protocol::Event,
    ) -> Result<(), SinkError> {
        let path = self.run.cell(cell).join("events.jsonl");
        let error = |source| SinkError {
            path: path.clone(),
            source,
        };
        let kept = match self.events.entry(cell.clone()) {
            std::collections::btree_map::Entry::Occupied(kept) => kept.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                let file = OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&path)
                    .map_err(error)?;
                new.insert(EventFile {
                    file,
                    room: EVENTS_MAX,
                    cut: false,
                })
            }
        };
        let mut line = serde_json::to_vec(&Line {
            host_ms: at_ms,
            event,
        })
        .map_err(|e| error(e.into()))?;
        line.push(b'\n');
        kept.keep(&line, is_last(event)).map_err(error)
    }
}

fn sink_error(error: RunDirError) -> SinkError {
    match error {
        RunDirError::Busy { path } => SinkError {
            path,
            source: std::io::ErrorKind::ResourceBusy.into(),
        },
        RunDirError::Create { path, source }
        | RunDirError::Write { path, source }
        | RunDirError::Read { path, source } => SinkError { path, source },
    }
}

impl Sink for Store {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match event {
            Event::RunStarted { record, .. } => {
                self.record = Some((**record).clone());
                self.update(|_| {})
            }
            Event::Kernel {
                name,
                what: KernelEvent::Settled(kernel),
            } => self.update(|record| drop(record.kernels.insert(name.clone(), kernel.clone()))),
            Event::Cell {
                cell,
                what: CellEvent::Guest { at_ms, event },
            } => self.guest_event(cell, *at_ms, event),
            Event::Cell {
                cell,
                what: CellEvent::Finished(result) | CellEvent::TriedInVain(result),
            } => {
                self.events.remove(cell);
                write_json(&self.run.cell(cell).join(CELL), result).map_err(sink_error)
            }
            Event::RunFinished { stopped: false } => {
                self.update(|record| record.finished = Some(Timestamp::now()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8Path;
    use swapmig_workloads::protocol::Event as Said;

    #[test]
    fn of_events_for_ever_the_first_and_the_last_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::create(Utf8Path::from_path(dir.path()).unwrap().join("run")).unwrap();
        let cell = CellId {
            line: "6.12".into(),
            variant: "fixed".into(),
            workload: "tmpfs".into(),
            seed: 1,
        };
        let path = run.fresh_cell(&cell).unwrap().join("events.jsonl");
        let mut store = Store::new(run);
        let mut say = |event| store.guest_event(&cell, 1, &event).unwrap();
        for pages in 0..200_000 {
            say(Said::Verified { pages });
        }
        let reason = "x".repeat(protocol::LINE_MAX - 100);
        for _ in 0..100 {
            say(Said::Incapable {
                reason: reason.clone(),
            });
        }
        say(Said::Done { elapsed_ms: 7 });
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.len() <= EVENTS_MAX + CUT.len() + LAST_MAX);
        assert_eq!(text.matches("\"cut\"").count(), 1);
        assert!(text.starts_with("{\"host_ms\":1,\"event\":\"verified\",\"pages\":0}\n"));
        assert!(text.ends_with("\"elapsed_ms\":7}\n"));
        assert_eq!(text.matches("incapable").count(), 4);
    }
}
