// SPDX-License-Identifier: GPL-2.0-or-later
//! The findings of a run, by title.

use crate::record::{CellId, Finding};
use crate::run::{Cell, Run};

/// Every cell whose first finding has one title.
#[derive(Debug, Clone)]
pub struct FindingGroup<'a> {
    /// The finding that stands for all: the first one that is whole, if any is.
    pub sample: &'a Finding,
    /// The cell that the sample is from.
    pub sample_cell: &'a CellId,
    /// Where it occurred, in the run's order.
    pub occurrences: Vec<Occurrence<'a>>,
    /// What followed in the same boots, by title, with how many times; its consequences, most likely.
    pub later: Vec<(&'a Finding, usize)>,
}

/// A finding in a cell.
#[derive(Debug, Clone, Copy)]
pub struct Occurrence<'a> {
    /// The cell.
    pub cell: &'a CellId,
    /// The finding.
    pub finding: &'a Finding,
    /// The cell's first reason for its verdict, if it gave one.
    pub reason: Option<&'a str>,
    /// Whether the cell's verdict is the expected one.
    pub as_expected: bool,
}

impl FindingGroup<'_> {
    /// What was observed, for a finding that has no text of its own.
    pub fn reason(&self) -> Option<&str> {
        let here = self
            .occurrences
            .iter()
            .find(|o| o.cell == self.sample_cell)?;
        here.reason.filter(|_| self.sample.text.is_empty())
    }
}

/// Groups the first findings of a run's cells by title, those of unexpected verdicts first,
/// then those of most cells.
///
/// A group's sample is always a finding of that very title.
pub fn group(run: &Run) -> Vec<FindingGroup<'_>> {
    let mut groups: Vec<FindingGroup<'_>> = Vec::new();
    for record in run.cells.iter().filter_map(Cell::result) {
        let Some((first, later)) = record.findings.split_first() else {
            continue;
        };
        let occurrence = Occurrence {
            cell: &record.cell,
            finding: first,
            reason: record.reasons.first().map(String::as_str),
            as_expected: record.as_expected,
        };
        let known = groups.iter().position(|g| g.sample.title == first.title);
        let at = known.unwrap_or_else(|| {
            groups.push(FindingGroup {
                sample: first,
                sample_cell: &record.cell,
                occurrences: Vec::new(),
                later: Vec::new(),
            });
            groups.len() - 1
        });
        let group = &mut groups[at];
        if group.sample.corrupted.is_some() && first.corrupted.is_none() {
            (group.sample, group.sample_cell) = (first, &record.cell);
        }
        group.occurrences.push(occurrence);
        for finding in later {
            match group
                .later
                .iter_mut()
                .find(|(known, _)| known.title == finding.title)
            {
                Some((_, times)) => *times += 1,
                None => group.later.push((finding, 1)),
            }
        }
    }
    let expected = |g: &FindingGroup<'_>| g.occurrences.iter().all(|o| o.as_expected);
    groups.sort_by_key(|g| (expected(g), std::cmp::Reverse(g.occurrences.len())));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Build;

    #[test]
    fn the_surprising_first_and_a_whole_sample_preferred() {
        let run = Build::new()
            .cell("a", "orphan", 1, |c| {
                c.expects("X").fail("X").corrupted("cut short")
            })
            .cell("a", "orphan", 2, |c| {
                c.expects("X").fail("X").later("wreck").later("wreck")
            })
            .cell("fixed", "orphan", 1, |c| c.fail_unexpectedly("Y"))
            .run();
        let groups = group(&run);
        assert_eq!(
            groups
                .iter()
                .map(|g| g.sample.title.as_str())
                .collect::<Vec<_>>(),
            ["Y", "X"]
        );
        assert_eq!(groups[1].sample_cell.seed, 2);
        assert_eq!(groups[1].occurrences.len(), 2);
        assert!(matches!(groups[1].later.as_slice(), [(wreck, 2)] if wreck.title == "wreck"));
    }
}
