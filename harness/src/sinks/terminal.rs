// SPDX-License-Identifier: GPL-2.0-or-later
//! The live view on a terminal: a bar for the kernel in work, one for each
//! running cell, one for the whole; results scroll above them.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use swapmig_reports::record::{CellId, KernelRecord};

use super::lines;
use super::running::RunningCell;
use super::whole::Whole;
use crate::event::{CellEvent, Event, KernelEvent, Sink, SinkError};

const TICK: Duration = Duration::from_millis(120);

/// Draws on standard error.
pub struct Terminal {
    all: MultiProgress,
    whole: Whole,
    kernels: BTreeMap<String, ProgressBar>,
    cells: BTreeMap<CellId, RunningCell>,
}

impl Default for Terminal {
    fn default() -> Self {
        Self::on(ProgressDrawTarget::stderr())
    }
}

impl Terminal {
    /// Draws on a terminal.
    pub fn on(target: ProgressDrawTarget) -> Self {
        let all = MultiProgress::with_draw_target(target);
        Self {
            whole: Whole::new(all.add(ProgressBar::no_length())),
            all,
            kernels: BTreeMap::new(),
            cells: BTreeMap::new(),
        }
    }

    fn say(&self, text: &str) {
        // Progress that nobody can see any more is no reason to end a run.
        let _ = self.all.println(text);
    }

    /// A bar above the one of the whole.
    fn bar(&self, prefix: String) -> ProgressBar {
        // Its looks come first: it is drawn as soon as it is there.
        let plain = ProgressBar::no_length().with_style(style("{prefix}"));
        let bar = self
            .all
            .insert_before(self.whole.bar(), plain.with_prefix(prefix));
        bar.enable_steady_tick(TICK);
        bar
    }

    fn kernel(&mut self, name: &str, what: &str, done: u64, total: Option<u64>) {
        if !self.kernels.contains_key(name) {
            let bar = self.bar(format!("kernel {name}"));
            self.kernels.insert(name.to_owned(), bar);
        }
        let Some(bar) = self.kernels.get(name) else {
            return;
        };
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
                let running = RunningCell::new(self.bar(cell.name()));
                self.cells.insert(cell.clone(), running);
            }
            CellEvent::Finding { title } => {
                let title = lines::harmless(title);
                self.say(&format!("{:<12} {cell}: {title}", "finding"));
                self.whole.finding();
            }
            CellEvent::HostLate { reason } => self.say(&lines::late(cell, reason)),
            CellEvent::TriedInVain(record) => {
                self.clear(cell);
                self.say(&lines::again(record));
            }
            CellEvent::Finished(record) => {
                self.clear(cell);
                self.say(&lines::result(record));
                self.whole.finished(record.status);
            }
            CellEvent::Phase(_) | CellEvent::Guest { .. } => {}
        }
        if let Some(running) = self.cells.get_mut(cell) {
            running.event(what);
        }
    }

    fn clear(&mut self, cell: &CellId) {
        if let Some(running) = self.cells.remove(cell) {
            running.bar().finish_and_clear();
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
                self.whole
                    .start(&record.plan, record.cells.len() as u64, *done as u64);
                self.whole.bar().enable_steady_tick(TICK);
            }
            Event::Note(text) => self.say(&lines::note(text)),
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
            Event::TimeLeft(left) => self.whole.time_left(*left),
            Event::RunFinished { .. } => {
                // Bars of cells that were stopped have had no end of their own.
                let cells = self.cells.values().map(RunningCell::bar);
                let open = cells.chain(self.kernels.values());
                open.chain([self.whole.bar()])
                    .for_each(ProgressBar::finish_and_clear);
            }
        }
        Ok(())
    }
}

/// A bar's looks; the templates are the sinks' own and known to be well formed.
pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Phase;
    use indicatif::InMemoryTerm;
    use swapmig_workloads::protocol;

    fn cell(seed: u64) -> CellId {
        CellId {
            line: "6.12".into(),
            variant: "fixed".into(),
            workload: "orphan".into(),
            seed,
        }
    }

    /// What is on the screen after these events of a cell.
    fn screen(events: Vec<CellEvent>, others: &[Event]) -> String {
        let memory = InMemoryTerm::new(20, 150);
        let target = ProgressDrawTarget::term_like(Box::new(memory.clone()));
        let mut terminal = Terminal::on(target);
        terminal.whole.start("nightly", 12, 3);
        let cells = events.into_iter().map(|what| Event::Cell {
            cell: cell(1),
            what,
        });
        for event in cells.chain(others.iter().cloned()) {
            terminal.event(&event).unwrap();
        }
        let bars = terminal.cells.values().map(RunningCell::bar);
        bars.chain([terminal.whole.bar()])
            .for_each(ProgressBar::tick);
        // Drawing is limited to so many frames a second.
        std::thread::sleep(Duration::from_millis(150));
        let bars = terminal.cells.values().map(RunningCell::bar);
        bars.chain([terminal.whole.bar()])
            .for_each(ProgressBar::tick);
        memory.contents()
    }

    fn guest(event: protocol::Event) -> CellEvent {
        CellEvent::Guest { at_ms: 0, event }
    }

    #[test]
    fn a_running_cell_shows_its_phase_round_and_counters() {
        let sample = protocol::Event::Sample {
            at_ms: 1,
            probes: BTreeMap::from([("moved_u4".into(), 1234), ("tried_u4".into(), 9)]),
            vmstat: BTreeMap::new(),
        };
        let events = vec![
            CellEvent::Started,
            CellEvent::Phase(Phase::Running),
            guest(protocol::Event::Round {
                round: 2,
                rounds: 3,
            }),
            guest(sample),
        ];
        let screen = screen(events, &[]);
        let line = screen
            .lines()
            .find(|line| line.contains("6.12.fixed.orphan.1"));
        let line = line.unwrap_or_else(|| panic!("{screen}"));
        for shown in ["runs", "round 2 of 3", "moved_u4 1234"] {
            assert!(line.contains(shown), "{shown}: {line}");
        }
        assert!(!line.contains("tried_u4"), "{line}");
    }

    #[test]
    fn a_running_cell_takes_a_few_lines_whatever_its_guest_counts() {
        let probes = (0..10_000u64).map(|at| (format!("moved_\x1b[2J_{at}"), u64::MAX));
        let sample = protocol::Event::Sample {
            at_ms: 1,
            probes: probes.collect(),
            vmstat: BTreeMap::new(),
        };
        let events = vec![
            CellEvent::Started,
            CellEvent::Phase(Phase::Running),
            guest(sample),
        ];
        let screen = screen(events, &[]);
        assert!(screen.lines().count() <= 5, "{screen}");
        assert!(screen.contains("more characters"), "{screen}");
        assert!(!screen.contains('\x1b'));
    }

    #[test]
    fn the_whole_shows_findings_so_far_and_the_time_left() {
        let events = vec![
            CellEvent::Started,
            CellEvent::Finding {
                title: "KASAN: \x1b[2J in x".into(),
            },
        ];
        let screen = screen(events, &[Event::TimeLeft(Duration::from_secs(601))]);
        assert!(
            screen.contains("finding      6.12.fixed.orphan.1: KASAN:"),
            "{screen}"
        );
        let whole = screen.lines().last().unwrap_or_default();
        for shown in ["nightly", "3/12 cells", "1 finding", "about 10 min left"] {
            assert!(whole.contains(shown), "{shown}: {screen}");
        }
        assert!(!screen.contains('\x1b'));
    }
}
