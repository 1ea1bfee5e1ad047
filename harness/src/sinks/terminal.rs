// SPDX-License-Identifier: GPL-2.0-or-later
//! The live view on a terminal: a bar for the kernel in work, one for each
//! running cell, one for the whole; results scroll above them.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use swapmig_reports::record::{CellId, KernelRecord};
use swapmig_workloads::protocol;

use super::lines;
use crate::event::{CellEvent, Event, KernelEvent, Phase, Sink, SinkError};

const TICK: Duration = Duration::from_millis(120);

/// Draws on standard error.
pub struct Terminal {
    all: MultiProgress,
    whole: ProgressBar,
    kernels: BTreeMap<String, ProgressBar>,
    cells: BTreeMap<CellId, ProgressBar>,
}

impl Default for Terminal {
    fn default() -> Self {
        let all = MultiProgress::new();
        let whole = all.add(ProgressBar::no_length());
        whole.set_style(style("{prefix} {wide_bar} {pos}/{len} cells, {elapsed}"));
        Self {
            all,
            whole,
            kernels: BTreeMap::new(),
            cells: BTreeMap::new(),
        }
    }
}

impl Terminal {
    fn say(&self, text: &str) {
        // Progress that nobody can see any more is no reason to end a run.
        let _ = self.all.println(text);
    }

    fn kernel(&mut self, name: &str, what: &str, done: u64, total: Option<u64>) {
        let bar = self.kernels.entry(name.to_owned()).or_insert_with(|| {
            let bar = self
                .all
                .insert_before(&self.whole, ProgressBar::no_length());
            bar.set_prefix(format!("kernel {name}"));
            bar.enable_steady_tick(TICK);
            bar
        });
        match total {
            Some(total) if bar.length() != Some(total) => {
                bar.set_length(total);
                bar.set_style(style("{prefix} {bar:30} {pos}/{len} {elapsed} {wide_msg}"));
            }
            Some(_) => {}
            None => bar.set_style(style("{prefix} {spinner} {elapsed} {wide_msg}")),
        }
        bar.set_position(done);
        bar.set_message(what.to_owned());
    }

    fn cell(&mut self, cell: &CellId, what: &CellEvent) {
        match what {
            CellEvent::Started => {
                let bar = self
                    .all
                    .insert_before(&self.whole, ProgressBar::no_length());
                bar.set_style(style("{prefix} {spinner} {elapsed} {wide_msg}"));
                bar.set_prefix(cell.name());
                bar.enable_steady_tick(TICK);
                self.cells.insert(cell.clone(), bar);
            }
            CellEvent::Phase(phase) => self.message(cell, &phase.to_string()),
            CellEvent::Guest { event, .. } => self.guest(cell, event),
            CellEvent::Finding { title } => {
                let title = lines::harmless(title);
                self.say(&format!("{:<12} {cell}: {title}", "finding"));
                self.message(cell, &format!("{}: {title}", Phase::Draining));
            }
            CellEvent::HostLate { reason } => self.say(&lines::late(cell, reason)),
            CellEvent::TriedInVain(record) => {
                self.clear(cell);
                self.say(&lines::again(record));
            }
            CellEvent::Finished(record) => {
                self.clear(cell);
                self.say(&lines::result(record));
                self.whole.inc(1);
            }
        }
    }

    fn clear(&mut self, cell: &CellId) {
        if let Some(bar) = self.cells.remove(cell) {
            bar.finish_and_clear();
        }
    }

    fn guest(&self, cell: &CellId, event: &protocol::Event) {
        match event {
            protocol::Event::Round { round, rounds } => self.round(cell, *round, *rounds),
            protocol::Event::Sample { probes, .. } => {
                let moved: Vec<_> = probes
                    .iter()
                    .filter(|(name, hits)| name.starts_with("moved") && **hits > 0)
                    .map(|(name, hits)| format!("{} {hits}", lines::harmless(name)))
                    .collect();
                if !moved.is_empty() {
                    self.message(cell, &format!("{}: {}", Phase::Running, moved.join(", ")));
                }
            }
            _ => {}
        }
    }

    fn round(&self, cell: &CellId, round: u64, rounds: u64) {
        if let Some(bar) = self.cells.get(cell) {
            bar.set_style(style("{prefix} {bar:20} {elapsed} {wide_msg}"));
            bar.set_length(rounds);
            bar.set_position(round.saturating_sub(1));
        }
    }

    fn message(&self, cell: &CellId, text: &str) {
        if let Some(bar) = self.cells.get(cell) {
            bar.set_message(text.to_owned());
        }
    }
}

impl Sink for Terminal {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match event {
            Event::RunStarted { dir, done, record } => {
                self.say(&format!(
                    "run {} of {} cells goes to {dir}",
                    record.plan,
                    record.cells.len()
                ));
                self.whole.set_prefix(record.plan.clone());
                self.whole.set_length(record.cells.len() as u64);
                self.whole.set_position(*done as u64);
                self.whole.enable_steady_tick(TICK);
            }
            Event::Note(text) => self.say(text),
            Event::Kernel {
                name,
                what: KernelEvent::Progress { what, done, total },
            } => {
                self.kernel(name, what, *done, *total);
            }
            Event::Kernel {
                name,
                what: KernelEvent::Settled(record),
            } => {
                if let Some(bar) = self.kernels.remove(name) {
                    bar.finish_and_clear();
                }
                // A kernel that is there as ever is no news on a screen.
                if !matches!(record, KernelRecord::Ready { build_seconds, .. } if *build_seconds == 0.0)
                {
                    self.say(&lines::kernel(name, record));
                }
            }
            Event::Cell { cell, what } => self.cell(cell, what),
            Event::RunFinished { .. } => {
                // Bars of cells that were stopped have had no end of their own.
                let open = self.cells.values().chain(self.kernels.values());
                open.chain([&self.whole])
                    .for_each(ProgressBar::finish_and_clear);
            }
        }
        Ok(())
    }
}

/// A bar's looks; the templates are this module's own and known to be well formed.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}
