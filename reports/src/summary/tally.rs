// SPDX-License-Identifier: GPL-2.0-or-later
//! The reasons against "as expected", and the sentence that they make.

use super::{Group, Mark, Outcome, Rate, Standing, describe, standing};
use crate::record::{CellRecord, KernelRecord, Status};
use crate::run::{Cell, CellState, Run};
use crate::text::{self, plural};

/// The reasons against "as expected", by weight.
#[derive(Default)]
pub(super) struct Tally {
    contradictions: Vec<String>,
    broken: Vec<String>,
    inconclusive: Vec<String>,
    errors: usize,
    unreadable: usize,
    not_ended: usize,
    too_little: usize,
    no_kernel: Vec<String>,
    does_not_apply: Vec<String>,
}

impl Tally {
    pub(super) fn cell(&mut self, run: &Run, cell: &Cell) {
        match (&cell.state, standing(run, cell)) {
            (CellState::Ended(record), Standing::Contradicts) => {
                self.contradictions.push(because(record));
            }
            (CellState::Ended(record), Standing::Broken) => {
                self.errors += 1;
                self.broken.push(because(record));
            }
            (CellState::Ended(record), Standing::Inconclusive) => {
                self.too_little += 1;
                self.inconclusive.push(because(record));
            }
            (CellState::Unreadable(why), _) => {
                self.unreadable += 1;
                self.broken.push(format!("{}: {why}", cell.id));
            }
            (CellState::Unfinished, Standing::Broken) => {
                self.not_ended += 1;
                self.broken
                    .push(format!("{}: has not ended; resume the run", cell.id));
            }
            (CellState::Unfinished | CellState::Ended(_), _) => {}
        }
    }

    pub(super) fn kernel(&mut self, name: &str, record: &KernelRecord) {
        if let KernelRecord::Unavailable {
            reason,
            does_not_apply,
        } = record
        {
            let (names, lines) = if *does_not_apply {
                (&mut self.does_not_apply, &mut self.inconclusive)
            } else {
                (&mut self.no_kernel, &mut self.broken)
            };
            names.push(name.to_owned());
            lines.push(format!("{name}: no kernel: {reason}"));
        }
    }

    /// One line a reason, worst first.
    pub(super) fn because(self) -> Vec<String> {
        [self.contradictions, self.broken, self.inconclusive].concat()
    }

    pub(super) fn outcome(&self, run: &Run) -> Outcome {
        if !self.contradictions.is_empty() {
            Outcome::Contradiction
        } else if !self.broken.is_empty() {
            Outcome::HarnessError
        } else if !self.inconclusive.is_empty() || run.cells.is_empty() {
            Outcome::Inconclusive
        } else {
            Outcome::AsExpected
        }
    }

    pub(super) fn sentence(&self, outcome: Outcome, run: &Run, groups: &[Group]) -> String {
        let parts = match outcome {
            Outcome::AsExpected => return all_well(groups),
            Outcome::Contradiction => contradicted(groups),
            Outcome::HarnessError => {
                let mut parts = Vec::new();
                push_count(
                    &mut parts,
                    self.errors,
                    "cell ended in ERROR",
                    "cells ended in ERROR",
                );
                push_count(
                    &mut parts,
                    self.not_ended,
                    "cell has not ended",
                    "cells have not ended",
                );
                push_count(
                    &mut parts,
                    self.unreadable,
                    "result cannot be read",
                    "results cannot be read",
                );
                push_names(&mut parts, &self.no_kernel, "there is no kernel for");
                parts
            }
            Outcome::Inconclusive if run.cells.is_empty() => {
                return "the run has no cells, so it says nothing.".to_owned();
            }
            Outcome::Inconclusive => {
                let mut parts = Vec::new();
                push_count(
                    &mut parts,
                    self.too_little,
                    "cell was clean, but too little migrated in it",
                    "cells were clean, but too little migrated in them",
                );
                push_names(
                    &mut parts,
                    &self.does_not_apply,
                    "the patch does not apply for",
                );
                parts
            }
        };
        format!("{}.", parts.join("; "))
    }
}

fn push_count(parts: &mut Vec<String>, n: usize, one: &str, many: &str) {
    if n > 0 {
        parts.push(plural(n, one, many));
    }
}

fn push_names(parts: &mut Vec<String>, names: &[String], what: &str) {
    if !names.is_empty() {
        parts.push(format!("{what} {}", list(names)));
    }
}

fn list(names: &[String]) -> String {
    text::line(&names.join(", "), text::LINE_MAX)
}

fn because(record: &CellRecord) -> String {
    let expected = match record.status {
        // An error says nothing about what was expected.
        Status::Error => String::new(),
        Status::Pass | Status::Fail | Status::Inconclusive => {
            format!(", expected {}", describe(&record.expected))
        }
    };
    let reason = record.reasons.first().map_or("", String::as_str);
    format!("{}: {}{expected}. {reason}", record.cell, record.status)
        .trim_end()
        .to_owned()
}
fn contradicted(groups: &[Group]) -> Vec<String> {
    groups
        .iter()
        .filter(|group| group.standing(Standing::Contradicts) > 0)
        .map(|group| {
            let wrong = group.standing(Standing::Contradicts);
            let name = text::line(
                &format!("{} under {}", group.variant, group.workload),
                text::LINE_MAX,
            );
            let of = plural(group.seeds(), "seed", "seeds");
            match group.rate {
                Rate::Clean { .. } => {
                    format!("{name} was expected to pass and failed in {wrong} of {of}")
                }
                _ if group.marks.contains_key(&Mark::Ended(Status::Fail))
                    && !group.marks.contains_key(&Mark::Ended(Status::Pass)) =>
                {
                    format!("{name} failed in an unexpected way in {wrong} of {of}")
                }
                _ => format!("{name} was not caught in the expected way in {wrong} of {of}"),
            }
        })
        .collect()
}

fn all_well(groups: &[Group]) -> String {
    let mut caught = Vec::new();
    let mut clean: Vec<String> = Vec::new();
    for group in groups {
        let names = match group.rate {
            Rate::Clean { .. } => &mut clean,
            Rate::Detection { detected: 1.., .. } => &mut caught,
            Rate::Detection { .. } | Rate::Unknown => continue,
        };
        if !names.contains(&group.variant) {
            names.push(group.variant.clone());
        }
    }
    // A broken variant is clean where its defect cannot show; that is no news.
    clean.retain(|name| !caught.contains(name));
    let clean = (!clean.is_empty()).then(|| format!("{} passed", list(&clean)));
    let caught = (!caught.is_empty()).then(|| match caught.len() {
        1 => format!(
            "the broken variant {} was caught in its expected way",
            list(&caught)
        ),
        n => format!(
            "all {n} broken variants were caught, each in its expected way: {}",
            list(&caught)
        ),
    });
    match (clean, caught) {
        (Some(clean), Some(caught)) => format!("{clean}, and {caught}."),
        (Some(only), None) => format!(
            "{only}; no broken variant was run, so nothing shows that a defect would be caught."
        ),
        (None, Some(only)) => format!(
            "{only}; no variant was expected to pass, so nothing shows that clean runs pass."
        ),
        (None, None) => "every cell ended as expected.".to_owned(),
    }
}
