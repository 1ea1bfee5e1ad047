// SPDX-License-Identifier: GPL-2.0-or-later
//! From an observation to findings: traces, corruption, refused migrations.

use std::collections::BTreeMap;

use swapmig_reports::record::{Class, ClassCounts, Ended, Finding, FindingKind};
use swapmig_reports::symbolize::{self, Symbolizer};
use swapmig_reports::trace::Report;
use swapmig_workloads::protocol::Mismatch;

use super::observation::Observation;

/// How often the kernel tries a folio, at most, before it gives it up.
const TRIES_A_FOLIO: u64 = 10;
/// How many corrupt pages a result describes one by one.
const MISMATCHES_SHOWN: usize = 5;

/// What a guest's console says, split at the moment when the workload began.
#[derive(Debug, Default)]
pub struct Traces {
    /// Titles of what was printed before.
    pub boot: Vec<String>,
    /// What the workload is followed by, in order.
    pub workload: Vec<Finding>,
}

/// The traces of a console, those of the workload in source lines.
pub fn traces(seen: &Observation, symbolizer: Option<&Symbolizer>) -> Traces {
    let title = |trace: &Report| trace.title.clone();
    let findings = seen
        .console
        .workload
        .iter()
        .enumerate()
        .map(|(at, report)| {
            let at_ms = seen.timing.finding_ms.filter(|_| at == 0);
            trace_finding(report, at_ms, symbolizer)
        })
        .collect();
    Traces {
        boot: seen.console.boot.iter().map(title).collect(),
        workload: findings,
    }
}

fn trace_finding(report: &Report, at_ms: Option<u64>, symbolizer: Option<&Symbolizer>) -> Finding {
    Finding {
        kind: match report.measures_time {
            true => FindingKind::Hang,
            false => FindingKind::Trace,
        },
        title: report.title.clone(),
        alt_titles: report.alt_titles.clone(),
        at_ms,
        corrupted: report.corrupted.map(|why| why.to_string()),
        text: report.text.clone(),
        task: report.details.task.clone(),
        stacks: symbolize::to_record(report, symbolizer),
    }
}

/// A corrupt page's title: the same for every page that was lost in the same way.
pub fn mismatch_title(mismatch: &Mismatch) -> String {
    let clean = |text: &str| -> String {
        text.chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == ' ')
            .take(40)
            .collect()
    };
    format!(
        "corruption: {} page lost its content {}",
        clean(&mismatch.area),
        clean(&mismatch.step)
    )
}

/// The corrupt pages as one finding.
pub fn corruption(seen: &Observation) -> Option<Finding> {
    let first = seen.mismatches.first()?;
    let mut text = format!(
        "{} page(s) did not hold what was written to them.\n",
        seen.mismatch_count
    );
    for wrong in seen.mismatches.iter().take(MISMATCHES_SHOWN) {
        text.push_str(&format!(
            "page {} byte {}: expected {:#018x}, found {:#018x}\n",
            wrong.page, wrong.offset, wrong.expected, wrong.found
        ));
    }
    Some(Finding {
        kind: FindingKind::Corruption,
        title: mismatch_title(first),
        alt_titles: Vec::new(),
        at_ms: seen.timing.finding_ms,
        corrupted: None,
        text,
        task: None,
        stacks: Vec::new(),
    })
}

/// Classes of which a kernel was asked to migrate at least as many folios as
/// the plan wants, and never migrated one: it refuses them.
///
/// Only a workload that ran to its end tells: one that was stopped had its
/// migrations still before it.
pub fn refusals(
    ended: &Ended,
    classes: &BTreeMap<Class, ClassCounts>,
    at_least: &BTreeMap<Class, u64>,
) -> Vec<Finding> {
    if *ended != Ended::Done {
        return Vec::new();
    }
    at_least
        .iter()
        .filter_map(|(class, &wanted)| Some((class, classes.get(class)?, wanted.max(1))))
        .filter(|(_, counts, wanted)| {
            counts.moved == 0 && counts.attempted / TRIES_A_FOLIO >= *wanted
        })
        .map(|(class, counts, _)| Finding {
            kind: FindingKind::Refused,
            title: refusal_title(*class),
            alt_titles: Vec::new(),
            at_ms: None,
            corrupted: None,
            text: format!(
                "Migration was tried {} times on class {class} and never succeeded.\n",
                counts.attempted
            ),
            task: None,
            stacks: Vec::new(),
        })
        .collect()
}

/// The title of a refusal to migrate a class.
pub fn refusal_title(class: Class) -> String {
    format!("migration refused: {class} ({})", class.describe())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(attempted: u64, moved: u64) -> BTreeMap<Class, ClassCounts> {
        BTreeMap::from([(Class::U4, ClassCounts { attempted, moved })])
    }

    fn wanted(n: u64) -> BTreeMap<Class, u64> {
        BTreeMap::from([(Class::U4, n)])
    }

    #[test]
    fn what_only_measures_time_is_a_hang_whatever_its_class() {
        let kind = |console: &str| {
            let reports = swapmig_reports::trace::parse(console.as_bytes());
            trace_finding(&reports[0], None, None).kind
        };
        let lockup = "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 51s!\n";
        assert_eq!(kind(lockup), FindingKind::Hang);
        let warning = "WARNING: CPU: 0 PID: 1 at mm/rmap.c:1 rmap_walk+0x1/0x2\n";
        assert_eq!(kind(warning), FindingKind::Trace);
    }

    #[test]
    fn a_class_that_was_tried_often_and_never_moved_is_refused() {
        let found = refusals(&Ended::Done, &counts(50_000, 0), &wanted(1000));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, FindingKind::Refused);
    }

    #[test]
    fn too_few_attempts_say_nothing() {
        // Tries, not folios: one folio may be tried ten times.
        assert!(refusals(&Ended::Done, &counts(9_999, 0), &wanted(1000)).is_empty());
        assert!(refusals(&Ended::Done, &counts(0, 0), &wanted(0)).is_empty());
    }

    #[test]
    fn one_migration_is_no_refusal() {
        assert!(refusals(&Ended::Done, &counts(5000, 1), &wanted(1000)).is_empty());
    }

    #[test]
    fn a_workload_that_did_not_end_refuses_nothing() {
        assert!(refusals(&Ended::Slow { seconds: 1 }, &counts(5000, 0), &wanted(1)).is_empty());
    }

    #[test]
    fn a_class_that_was_not_counted_refuses_nothing() {
        assert!(refusals(&Ended::Done, &BTreeMap::new(), &wanted(1)).is_empty());
    }

    #[test]
    fn a_mismatch_title_takes_only_harmless_words_from_the_guest() {
        let mismatch = Mismatch {
            area: "anon\x1b[31m<b>".into(),
            page: 1,
            offset: 0,
            expected: 1,
            found: 2,
            step: "after compaction".into(),
            more: 0,
        };
        assert_eq!(
            mismatch_title(&mismatch),
            "corruption: anon31mb page lost its content after compaction"
        );
    }
}
