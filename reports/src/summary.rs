// SPDX-License-Identifier: GPL-2.0-or-later
//! What a run says as a whole: its outcome, and each variant's detection rate.

use std::collections::BTreeMap;

use crate::record::{CellId, CellRecord, Expected, KernelRecord, Status};
use crate::run::{Cell, CellState, Run};
use crate::text::{self, plural};

/// The variant that stands for the tree under test.
pub const FIXED: &str = "fixed";

/// The outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every cell ended as expected.
    AsExpected,
    /// A PASS or FAIL stands against what was expected.
    Contradiction,
    /// Something that the plan asked for was not answered.
    Inconclusive,
    /// The harness, the host or a boot broke, or the run has not ended.
    HarnessError,
}

impl Outcome {
    /// The exit code of a command that reports this outcome.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::AsExpected => 0,
            Self::Contradiction => 1,
            Self::Inconclusive => 3,
            Self::HarnessError => 4,
        }
    }

    /// The words of reports.
    pub fn words(self) -> &'static str {
        match self {
            Self::AsExpected => "As expected",
            Self::Contradiction => "Contradiction",
            Self::Inconclusive => "Inconclusive",
            Self::HarnessError => "Harness or host error",
        }
    }
}

/// What became of one cell, results and their absence alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// It ended with this verdict.
    Ended(Status),
    /// Its result cannot be read.
    Unreadable,
    /// It has no result yet.
    NotEnded,
    /// It was not run, since there is no kernel for it.
    NotRun,
}

impl Mark {
    /// The word of reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ended(status) => status.word(),
            Self::Unreadable => "UNREADABLE",
            Self::NotEnded => "NOT ENDED",
            Self::NotRun => "NOT RUN",
        }
    }
}

/// What one cell adds to the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its verdict is the expected one.
    AsExpected,
    /// Its verdict stands against what was expected.
    Contradicts,
    /// Clean, but not enough happened for a verdict.
    Inconclusive,
    /// No verdict.
    Broken,
    /// Not run: its variant speaks for it.
    NotRun,
}

impl Standing {
    fn of_result(record: &CellRecord) -> Self {
        match (record.status, record.as_expected) {
            (Status::Error, _) => Self::Broken,
            (_, true) => Self::AsExpected,
            (Status::Inconclusive, false) => Self::Inconclusive,
            (Status::Pass | Status::Fail, false) => Self::Contradicts,
        }
    }
}

/// The seeds of one variant under one workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Kernel line.
    pub line: String,
    /// Variant.
    pub variant: String,
    /// Workload.
    pub workload: String,
    /// How many seeds ended how.
    pub marks: BTreeMap<Mark, usize>,
    /// What each seed adds to the outcome, in the run's order.
    pub standings: Vec<Standing>,
    /// What the seeds together say of the chance to detect a defect.
    pub rate: Rate,
}

impl Group {
    /// Whether a cell is one of its seeds.
    pub fn holds(&self, id: &CellId) -> bool {
        self.line == id.line && self.variant == id.variant && self.workload == id.workload
    }

    /// How many seeds it has.
    pub fn seeds(&self) -> usize {
        self.standings.len()
    }

    /// How many of its seeds stand so.
    pub fn standing(&self, standing: Standing) -> usize {
        self.standings.iter().filter(|s| **s == standing).count()
    }
}

/// What the seeds of a group say of the chance to detect a defect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// The variant was expected to fail.
    Detection {
        /// Seeds that failed in the expected way.
        detected: usize,
        /// Seeds that ended without a harness error.
        total: usize,
        /// Wilson's 95 % interval of the detection rate, as shares.
        interval: (f64, f64),
    },
    /// The variant was expected to pass.
    Clean {
        /// Seeds that passed.
        passed: usize,
        /// Seeds that ended without a harness error.
        total: usize,
        /// The largest share of seeds in which a defect may show that these passes would still
        /// have missed with a chance of 5 %; absent when a seed did not pass.
        missed_at_most: Option<f64>,
    },
    /// No seed ended with a verdict.
    Unknown,
}

/// What a run says as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Its outcome.
    pub outcome: Outcome,
    /// The outcome in one sentence, to follow [`Outcome::words`] and a colon; made of the run's
    /// own names, not of guests' words.
    pub sentence: String,
    /// One line for each cell or variant that stands in the way of "as expected", worst first.
    /// Holds text that guests sent: escape it before it is shown.
    pub because: Vec<String>,
    /// Variants by workloads, in the run's order.
    pub groups: Vec<Group>,
}

impl Summary {
    /// Judges a run.
    pub fn of(run: &Run) -> Self {
        let groups = groups(run);
        let mut worst = Tally::default();
        for cell in &run.cells {
            worst.cell(run, cell);
        }
        for (kernel, record) in &run.record.kernels {
            worst.kernel(kernel, record);
        }
        let outcome = worst.outcome(run);
        let sentence = worst.sentence(outcome, run, &groups);
        let because = [worst.contradictions, worst.broken, worst.inconclusive].concat();
        Self {
            outcome,
            sentence,
            because,
            groups,
        }
    }

    /// The kernel lines, in the run's order.
    pub fn lines(&self) -> Vec<&str> {
        distinct(self.groups.iter().map(|g| g.line.as_str()))
    }

    /// The variants of a line, in the run's order.
    pub fn variants(&self, line: &str) -> Vec<&str> {
        distinct(self.of_line(line).map(|g| g.variant.as_str()))
    }

    /// The workloads of a line, in the run's order.
    pub fn workloads(&self, line: &str) -> Vec<&str> {
        distinct(self.of_line(line).map(|g| g.workload.as_str()))
    }

    fn of_line(&self, line: &str) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(move |g| g.line == line)
    }

    /// The group of a variant under a workload.
    pub fn group(&self, line: &str, variant: &str, workload: &str) -> Option<&Group> {
        self.groups
            .iter()
            .find(|g| g.line == line && g.variant == variant && g.workload == workload)
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

/// The reasons against "as expected", by weight.
#[derive(Default)]
struct Tally {
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
    fn cell(&mut self, run: &Run, cell: &Cell) {
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

    fn kernel(&mut self, name: &str, record: &KernelRecord) {
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

    fn outcome(&self, run: &Run) -> Outcome {
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

    fn sentence(&self, outcome: Outcome, run: &Run, groups: &[Group]) -> String {
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

/// What was expected, in words; titles are the expectations' own regular expressions.
pub fn describe(expected: &Expected) -> String {
    match expected {
        Expected::Clean => "to pass".to_owned(),
        Expected::Titles { titles } => format!("to fail with {}", titles.join(" or ")),
        Expected::Refused { classes } => {
            let names: Vec<_> = classes.iter().map(|c| c.name()).collect();
            format!("to fail by refusing to migrate {}", names.join(", "))
        }
    }
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
        let names = if matches!(group.rate, Rate::Clean { .. }) {
            &mut clean
        } else {
            &mut caught
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

fn kernel<'a>(run: &'a Run, id: &CellId) -> Option<&'a KernelRecord> {
    run.record
        .kernels
        .get(&format!("{}/{}", id.line, id.variant))
}

/// What a cell adds to the outcome of its run.
pub fn standing(run: &Run, cell: &Cell) -> Standing {
    match &cell.state {
        CellState::Ended(record) => Standing::of_result(record),
        CellState::Unreadable(_) => Standing::Broken,
        CellState::Unfinished => match kernel(run, &cell.id) {
            Some(KernelRecord::Unavailable { .. }) => Standing::NotRun,
            Some(KernelRecord::Ready { .. }) | None => Standing::Broken,
        },
    }
}

/// What became of a cell.
pub fn mark(run: &Run, cell: &Cell) -> Mark {
    match &cell.state {
        CellState::Ended(record) => Mark::Ended(record.status),
        CellState::Unreadable(_) => Mark::Unreadable,
        CellState::Unfinished if standing(run, cell) == Standing::NotRun => Mark::NotRun,
        CellState::Unfinished => Mark::NotEnded,
    }
}

fn groups(run: &Run) -> Vec<Group> {
    let mut order: Vec<Vec<&Cell>> = Vec::new();
    let mut index = BTreeMap::new();
    for cell in &run.cells {
        let key = (&cell.id.line, &cell.id.variant, &cell.id.workload);
        let at = *index.entry(key).or_insert(order.len());
        if at == order.len() {
            order.push(Vec::new());
        }
        order[at].push(cell);
    }
    order.iter().filter_map(|cells| group(run, cells)).collect()
}

fn group(run: &Run, cells: &[&Cell]) -> Option<Group> {
    let first = &cells.first()?.id;
    let mut marks = BTreeMap::new();
    for cell in cells {
        *marks.entry(mark(run, cell)).or_default() += 1;
    }
    Some(Group {
        line: first.line.clone(),
        variant: first.variant.clone(),
        workload: first.workload.clone(),
        marks,
        standings: cells.iter().map(|cell| standing(run, cell)).collect(),
        rate: rate(cells),
    })
}

fn rate(cells: &[&Cell]) -> Rate {
    let judged: Vec<_> = cells
        .iter()
        .filter_map(|c| c.result())
        .filter(|r| r.status != Status::Error)
        .collect();
    let total = judged.len();
    if total == 0 {
        Rate::Unknown
    } else if judged.iter().all(|r| r.expected == Expected::Clean) {
        let passed = judged.iter().filter(|r| r.status == Status::Pass).count();
        Rate::Clean {
            passed,
            total,
            missed_at_most: (passed == total).then(|| missed_at_most(passed)),
        }
    } else {
        let detected = judged
            .iter()
            .filter(|r| r.status == Status::Fail && r.as_expected)
            .count();
        Rate::Detection {
            detected,
            total,
            interval: wilson(detected, total),
        }
    }
}

/// The largest share of seeds in which a defect shows that `n` clean seeds miss with a chance of 5 %.
fn missed_at_most(n: usize) -> f64 {
    1.0 - 0.05_f64.powf(1.0 / n as f64)
}

/// Wilson's score interval at 95 % of `hits` in `n` trials, as shares; `n` is not 0.
fn wilson(hits: usize, n: usize) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let n = n as f64;
    let p = hits as f64 / n;
    let scale = 1.0 + Z * Z / n;
    let middle = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    // Rounding must not carry the ends of 0/n and n/n off the ends of the scale.
    let low = if hits == 0 {
        0.0
    } else {
        (middle - spread) / scale
    };
    let high = if p >= 1.0 {
        1.0
    } else {
        (middle + spread) / scale
    };
    (low, high)
}

#[cfg(test)]
mod tests;
