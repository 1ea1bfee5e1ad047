// SPDX-License-Identifier: GPL-2.0-or-later
//! Plain lines, for a log or a pipe: few, and each worth keeping.

use std::collections::BTreeMap;
use std::io::Write;

use super::lines;
use crate::event::{CellEvent, Event, KernelEvent, Sink, SinkError};

/// Writes a line for what somebody who reads the log later wants to know.
pub struct Plain<W> {
    out: W,
    /// By kernel: tenths of its build that were told.
    tenths: BTreeMap<String, u64>,
}

impl<W: Write> Plain<W> {
    /// Lines go to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            tenths: BTreeMap::new(),
        }
    }

    fn line(&mut self, text: &str) {
        // Progress that nobody can read any more is no reason to end a run.
        let _ = writeln!(self.out, "{text}");
    }

    fn build_progress(&mut self, name: &str, what: &str, done: u64, total: Option<u64>) {
        let tenth = total
            .filter(|&total| total > 0)
            .map_or(0, |total| done * 10 / total);
        match self.tenths.insert(name.to_owned(), tenth) {
            None => self.line(&format!("kernel {name}: {what}")),
            Some(told) if tenth > told => self.line(&format!("kernel {name}: {}0 % built", tenth)),
            Some(told) => drop(self.tenths.insert(name.to_owned(), told)),
        }
    }
}

impl<W: Write + Send> Sink for Plain<W> {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match event {
            Event::RunStarted { dir, record, .. } => {
                self.line(&format!(
                    "run {} of {} cells goes to {dir}",
                    record.plan,
                    record.cells.len()
                ));
            }
            Event::Note(text) => self.line(&lines::note(text)),
            Event::Kernel {
                name,
                what: KernelEvent::Progress { what, done, total },
            } => {
                self.build_progress(name, what, *done, *total);
            }
            Event::Kernel {
                name,
                what: KernelEvent::Settled(record),
            } => {
                self.line(&lines::kernel(name, record));
            }
            Event::Cell {
                cell,
                what: CellEvent::Finding { title },
            } => {
                self.line(&format!(
                    "{:<12} {cell}: {}",
                    "finding",
                    lines::harmless(title)
                ));
            }
            Event::Cell {
                what: CellEvent::Finished(record),
                ..
            } => self.line(&lines::result(record)),
            Event::Cell {
                what: CellEvent::TriedInVain(record),
                ..
            } => self.line(&lines::again(record)),
            Event::Cell {
                cell,
                what: CellEvent::HostLate { reason },
            } => self.line(&lines::late(cell, reason)),
            Event::Cell { .. } | Event::TimeLeft(_) | Event::RunFinished { .. } => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_told_in_tenths() {
        let mut out = Vec::new();
        let mut plain = Plain::new(&mut out);
        for done in 0..=1000 {
            plain
                .event(&Event::Kernel {
                    name: "6.12/fixed".into(),
                    what: KernelEvent::Progress {
                        what: "compiling".into(),
                        done,
                        total: Some(1000),
                    },
                })
                .unwrap();
        }
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 11, "{text}");
        assert!(text.ends_with("kernel 6.12/fixed: 100 % built\n"), "{text}");
    }
}
