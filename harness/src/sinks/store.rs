// SPDX-License-Identifier: GPL-2.0-or-later
//! Keeps a run's directory complete at every moment.

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

/// The line that says so.
const CUT: &[u8] = b"{\"cut\":\"further events were not kept\"}\n";

/// Writes `run.json`, `cell.json` and `events.jsonl`.
pub struct Store {
    run: RunDir,
    record: Option<RunRecord>,
    events: BTreeMap<CellId, EventFile>,
}

struct EventFile {
    file: File,
    room: usize,
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
                })
            }
        };
        let mut line = serde_json::to_vec(&Line {
            host_ms: at_ms,
            event,
        })
        .map_err(|e| error(e.into()))?;
        line.push(b'\n');
        if line.len() > kept.room {
            if kept.room > 0 {
                kept.room = 0;
                line = CUT.to_vec();
            } else {
                return Ok(());
            }
        }
        kept.room = kept.room.saturating_sub(line.len());
        kept.file.write_all(&line).map_err(error)
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
