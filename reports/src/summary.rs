// SPDX-License-Identifier: GPL-2.0-or-later
//! What a run says as a whole: its outcome, and each variant's detection rate.

mod rate;
mod tally;

use std::collections::BTreeMap;

use crate::record::{CellId, CellRecord, Expected, KernelRecord, Status};
use crate::run::{Cell, CellState, Run};

pub use rate::Rate;
use tally::Tally;

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
        let mut tally = Tally::default();
        for cell in &run.cells {
            tally.cell(run, cell);
        }
        for (kernel, record) in &run.record.kernels {
            tally.kernel(kernel, record);
        }
        let outcome = tally.outcome(run);
        let sentence = tally.sentence(outcome, run, &groups);
        let because = tally.because();
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
        rate: Rate::of(cells),
    })
}
#[cfg(test)]
mod tests;
