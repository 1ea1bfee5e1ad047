// SPDX-License-Identifier: GPL-2.0-or-later
//! What trials came to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::figures::Figures;

/// What came of a trial. What is found before and after the run goes on counts once.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The faults that struck, by kind.
    pub(super) struck: Vec<&'static str>,
    /// Tries of cells that ended in an ERROR, and so were repeated.
    pub(super) errors: usize,
    /// Verdicts that say the opposite of what is true.
    pub(super) wrong: BTreeSet<String>,
    /// Finished cells that are gone or changed.
    pub(super) lost: BTreeSet<String>,
    /// What was left behind.
    pub(super) left: BTreeSet<String>,
    /// Swapmigs that did not end.
    pub(super) hung: BTreeSet<String>,
    /// Anything else that was not as it should be.
    pub(super) unexpected: BTreeSet<String>,
}

/// What came of all trials.
#[derive(Default)]
pub(super) struct Tally {
    faults: BTreeMap<&'static str, usize>,
    errors: usize,
    wrong: usize,
    lost: usize,
    left: usize,
    hung: usize,
    unexpected: usize,
}

impl Tally {
    /// Counts a trial; whether its folder is worth keeping.
    pub(super) fn add(&mut self, kinds: &[&str], dir: &Path, outcome: &Outcome) -> bool {
        for &kind in &outcome.struck {
            *self.faults.entry(kind).or_default() += 1;
        }
        self.errors += outcome.errors;
        let mut clean = true;
        for (what, count, words) in [
            ("a wrong verdict", &mut self.wrong, &outcome.wrong),
            ("a finished cell got lost", &mut self.lost, &outcome.lost),
            ("left behind", &mut self.left, &outcome.left),
            ("hung", &mut self.hung, &outcome.hung),
            ("not as expected", &mut self.unexpected, &outcome.unexpected),
        ] {
            *count += words.len();
            for words in words {
                clean = false;
                eprintln!(
                    "{}: {what}, after {}: {words}",
                    dir.display(),
                    kinds.join(", ")
                );
            }
        }
        !clean
    }

    pub(super) fn print(&self, figures: &mut Figures, known: impl Iterator<Item = &'static str>) {
        for kind in known {
            println!("# {kind}: {}", self.faults.get(kind).copied().unwrap_or(0));
        }
        println!(
            "# tries of cells that ended in an ERROR and were repeated: {}",
            self.errors
        );
        let faults: usize = self.faults.values().sum();
        figures.at_least("faults", faults as f64, "faults", 200.0);
        // More are asked for than fifteen: a kind that no longer strikes shall not go unnoticed.
        figures.at_least("kinds_of_faults", self.faults.len() as f64, "kinds", 40.0);
        figures.at_most("wrong_verdicts", self.wrong as f64, "verdicts", 0.0);
        figures.at_most("lost_finished_cells", self.lost as f64, "cells", 0.0);
        figures.at_most("left_behind", self.left as f64, "things", 0.0);
        figures.at_most("hung", self.hung as f64, "runs", 0.0);
        figures.at_most(
            "not_as_expected_in_the_end",
            self.unexpected as f64,
            "runs",
            0.0,
        );
    }
}
