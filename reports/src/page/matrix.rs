// SPDX-License-Identifier: GPL-2.0-or-later
//! Variants × workloads.

use serde::Serialize;

use super::{css, short, words};
use crate::findings::FindingGroup;
use crate::record::{CellRecord, Class, KernelRecord};
use crate::run::{Cell, Run};
use crate::summary::{FIXED, Group, Mark, Rate, Standing, Summary};
use crate::text::{duration, percent, plural, range};

/// The matrix of one kernel line.
#[derive(Serialize)]
pub(super) struct Matrix {
    line: String,
    workloads: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    variant: String,
    /// Why it has no kernel; empty when it has one.
    missing: String,
    /// One a workload.
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    workload: String,
    /// Whether the plan has such cells at all.
    planned: bool,
    css: &'static str,
    /// Such as `FAIL 3/3`, one a mark.
    marks: Vec<String>,
    /// Whether as expected.
    expectation: String,
    findings: Vec<Link>,
    /// The first finding's time, over the seeds.
    when: String,
    counts: Vec<String>,
    rate: String,
}

#[derive(Serialize)]
struct Link {
    href: String,
    text: String,
}

pub(super) fn all(run: &Run, summary: &Summary, findings: &[FindingGroup<'_>]) -> Vec<Matrix> {
    let of_line = |line: &&str| {
        let workloads = summary.workloads(line);
        let row = |variant: &&str| Row {
            variant: short(variant),
            missing: match run.record.kernels.get(&format!("{line}/{variant}")) {
                Some(KernelRecord::Unavailable {
                    does_not_apply: true,
                    ..
                }) => "patch does not apply".to_owned(),
                Some(KernelRecord::Unavailable { .. }) => "no kernel".to_owned(),
                Some(KernelRecord::Ready { .. }) | None => String::new(),
            },
            entries: workloads
                .iter()
                .map(|workload| match summary.group(line, variant, workload) {
                    Some(group) => Entry::of(run, group, findings),
                    None => Entry::unplanned(workload),
                })
                .collect(),
        };
        Matrix {
            line: short(line),
            workloads: workloads.iter().map(|w| short(w)).collect(),
            rows: summary.variants(line).iter().map(row).collect(),
        }
    };
    summary.lines().iter().map(of_line).collect()
}

impl Entry {
    fn unplanned(workload: &str) -> Self {
        Self {
            workload: short(workload),
            planned: false,
            css: "none",
            marks: Vec::new(),
            expectation: String::new(),
            findings: Vec::new(),
            when: String::new(),
            counts: Vec::new(),
            rate: String::new(),
        }
    }

    fn of(run: &Run, group: &Group, findings: &[FindingGroup<'_>]) -> Self {
        let seeds = group.seeds();
        let mark = |(mark, n): (&Mark, &usize)| format!("{} {n}/{seeds}", mark.word());
        let results: Vec<_> = run
            .cells
            .iter()
            .filter(|c| group.holds(&c.id))
            .filter_map(Cell::result)
            .collect();
        let worst = worst(group);
        let here = |g: &FindingGroup<'_>| g.occurrences.iter().any(|o| group.holds(o.cell));
        let times = results.iter().filter_map(|r| r.timing.finding_ms);
        Self {
            workload: short(&group.workload),
            planned: true,
            css: css(worst),
            marks: group.marks.iter().map(mark).collect(),
            expectation: match group.standing(worst) {
                n if n == seeds => words(worst).to_owned(),
                n => format!("{} in {n} of {seeds}", words(worst)),
            },
            findings: findings
                .iter()
                .enumerate()
                .filter(|(_, g)| here(g))
                .map(|(i, g)| Link {
                    href: format!("#finding-{}", i + 1),
                    text: short(&g.sample.title),
                })
                .collect(),
            when: times
                .min()
                .map(|ms| format!("first after {}", duration(ms)))
                .unwrap_or_default(),
            counts: counts(&results),
            rate: rate(group),
        }
    }
}

fn worst(group: &Group) -> Standing {
    [
        Standing::Contradicts,
        Standing::Broken,
        Standing::Inconclusive,
        Standing::NotRun,
    ]
    .into_iter()
    .find(|s| group.standing(*s) > 0)
    .unwrap_or(Standing::AsExpected)
}

/// The classes that the plan names, with their least and most moves over the seeds.
fn counts(results: &[&CellRecord]) -> Vec<String> {
    let named = |class: &Class| results.iter().any(|r| r.at_least.contains_key(class));
    let entry = |class| {
        let moved = range(
            results
                .iter()
                .filter_map(|r| r.classes.get(&class))
                .map(|c| c.moved),
        );
        match moved {
            Some(moved) => format!("{class} moved {moved}"),
            None => format!("{class} not counted"),
        }
    };
    Class::ALL.into_iter().filter(named).map(entry).collect()
}

fn rate(group: &Group) -> String {
    match group.rate {
        Rate::Detection {
            detected,
            total,
            interval: (low, high),
        } => {
            format!(
                "caught {detected} of {total}; rate {} to {} at 95\u{a0}%",
                percent(low),
                percent(high)
            )
        }
        Rate::Clean {
            passed,
            missed_at_most: Some(missed),
            ..
        } if group.variant == FIXED => format!(
            "{}: could miss a defect that shows in up to {} of seeds",
            plural(passed, "clean seed", "clean seeds"),
            percent(missed)
        ),
        Rate::Clean { .. } | Rate::Unknown => String::new(),
    }
}
