// SPDX-License-Identifier: GPL-2.0-or-later
//! The line of the whole run: how far it is, what came out so far, how long it still takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use swapmig_reports::record::Status;

use super::terminal::style;

/// The lowest line on the terminal.
pub(super) struct Whole {
    bar: ProgressBar,
    verdicts: BTreeMap<Status, u64>,
    findings: u64,
    end: Arc<Mutex<Option<Instant>>>,
}

impl Whole {
    pub(super) fn new(bar: ProgressBar) -> Self {
        let end = Arc::new(Mutex::new(None::<Instant>));
        let expected = end.clone();
        let left = move |_: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            let end = *expected.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(end) = end {
                let left = end.saturating_duration_since(Instant::now());
                // A line that cannot be drawn is drawn the next time.
                let _ = write!(out, ", {}", in_words(left));
            }
        };
        let looks = "{prefix} {wide_bar} {pos}/{len} cells{msg}, {elapsed}{left}";
        bar.set_style(style(looks).with_key("left", left));
        Self {
            bar,
            verdicts: BTreeMap::new(),
            findings: 0,
            end,
        }
    }

    pub(super) fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    pub(super) fn start(&self, plan: &str, cells: u64, done: u64) {
        self.bar.set_prefix(plan.to_owned());
        self.bar.set_length(cells);
        self.bar.set_position(done);
    }

    pub(super) fn finding(&mut self) {
        self.findings += 1;
        self.show();
    }

    pub(super) fn finished(&mut self, status: Status) {
        *self.verdicts.entry(status).or_default() += 1;
        self.bar.inc(1);
        self.show();
    }

    pub(super) fn time_left(&self, left: Duration) {
        let end = Instant::now().checked_add(left);
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    fn show(&self) {
        let mut text: String = self
            .verdicts
            .iter()
            .map(|(status, cells)| format!(", {cells} {status}"))
            .collect();
        match self.findings {
            0 => {}
            1 => text.push_str(", 1 finding"),
            n => text.push_str(&format!(", {n} findings")),
        }
        self.bar.set_message(text);
    }
}

fn in_words(left: Duration) -> String {
    match left.as_secs() {
        0..60 => "less than a minute left".into(),
        seconds @ 60..5400 => format!("about {} min left", (seconds + 30) / 60),
        seconds => format!("about {:.1} h left", seconds as f64 / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_as_people_tell_it() {
        let told = |seconds| in_words(Duration::from_secs(seconds));
        assert_eq!(told(59), "less than a minute left");
        assert_eq!(told(89), "about 1 min left");
        assert_eq!(told(601), "about 10 min left");
        assert_eq!(told(9000), "about 2.5 h left");
    }
}
