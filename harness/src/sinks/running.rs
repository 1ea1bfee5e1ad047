// SPDX-License-Identifier: GPL-2.0-or-later
//! The line of a cell that runs: its phase, how far it is, what it counted, what was found.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use swapmig_workloads::protocol;

use super::lines;
use super::terminal::style;
use crate::event::{CellEvent, Phase};

/// A guest that was not heard of for so long is worth a word; a healthy one counts each second.
const QUIET: Duration = Duration::from_secs(5);

/// A line on the terminal.
pub(super) struct RunningCell {
    bar: ProgressBar,
    phase: Phase,
    round: Option<(u64, u64)>,
    counters: String,
    finding: Option<String>,
    heard: Arc<Mutex<Instant>>,
}

impl RunningCell {
    pub(super) fn new(bar: ProgressBar) -> Self {
        let heard = Arc::new(Mutex::new(Instant::now()));
        let last = heard.clone();
        let quiet = move |_: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            let quiet = last
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .elapsed();
            if quiet >= QUIET {
                // A line that cannot be drawn is drawn the next time.
                let _ = write!(out, ", silent for {} s", quiet.as_secs());
            }
        };
        bar.set_style(style("{prefix} {spinner} {elapsed} {msg}{quiet}").with_key("quiet", quiet));
        Self {
            bar,
            phase: Phase::Booting,
            round: None,
            counters: String::new(),
            finding: None,
            heard,
        }
    }

    pub(super) fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    /// Shows what happened to the cell.
    pub(super) fn event(&mut self, what: &CellEvent) {
        match what {
            CellEvent::Phase(phase) => self.phase = *phase,
            CellEvent::Guest { event, .. } => self.guest(event),
            CellEvent::Finding { title } => {
                self.finding.get_or_insert_with(|| title.clone());
            }
            _ => {}
        }
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.bar.set_message(self.message());
    }

    fn guest(&mut self, event: &protocol::Event) {
        match event {
            protocol::Event::Round { round, rounds } => self.round = Some((*round, *rounds)),
            protocol::Event::Sample { probes, .. } => {
                let moved: Vec<_> = probes
                    .iter()
                    .filter(|(name, hits)| name.starts_with("moved") && **hits > 0)
                    .map(|(name, hits)| format!("{name} {hits}"))
                    .collect();
                self.counters = moved.join(", ");
            }
            _ => {}
        }
    }

    fn message(&self) -> String {
        let mut message = self.phase.to_string();
        if let Some((round, rounds)) = self.round {
            message.push_str(&format!(", round {round} of {rounds}"));
        }
        for part in [Some(&self.counters), self.finding.as_ref()]
            .into_iter()
            .flatten()
        {
            if !part.is_empty() {
                message.push_str(": ");
                message.push_str(part);
            }
        }
        // A guest may have had a hand in all of it.
        lines::harmless(&message)
    }
}
