// SPDX-License-Identifier: GPL-2.0-or-later
//! One cell: its row of counts and its details.

use serde::Serialize;

use super::chart::Chart;
use super::{anchor, css, short, words};
use crate::record::{CellRecord, Class, Ended, Status};
use crate::run::{Cell, CellState, Run};
use crate::summary::{Standing, describe, mark, standing};
use crate::terminal::outcomes;
use crate::text::{self, BLOCK_MAX, count, duration};

/// Most changed counters that a page shows for a cell.
const COUNTERS: usize = 400;

/// Most reasons that a page shows for a cell.
const REASONS: usize = 20;

#[derive(Serialize)]
pub(super) struct CellView {
    anchor: String,
    name: String,
    css: &'static str,
    mark: &'static str,
    expectation: &'static str,
    /// Why there is no result; empty when there is one.
    problem: String,
    result: Option<ResultView>,
}

#[derive(Serialize)]
struct ResultView {
    reasons: Vec<String>,
    expected: String,
    ended: String,
    /// Empty when the guest got its time.
    late: String,
    /// Empty when the first try was the last.
    tries: String,
    restored: bool,
    classes: Vec<ClassRow>,
    pages_verified: String,
    boot: String,
    workload: String,
    finding: String,
    total: String,
    chart: Option<Chart>,
    vmstat: Vec<Counter>,
    vmstat_more: usize,
    buddyinfo: BeforeAfter,
    swaps: BeforeAfter,
}

#[derive(Serialize)]
struct ClassRow {
    name: &'static str,
    counted: bool,
    attempted: String,
    moved: String,
    /// Empty when the plan does not name the class.
    wanted: String,
    reached: bool,
}

#[derive(Serialize)]
struct Counter {
    name: String,
    before: String,
    after: String,
    change: String,
}

#[derive(Serialize)]
struct BeforeAfter {
    before: String,
    after: String,
}

impl CellView {
    pub(super) fn of(run: &Run, cell: &Cell) -> Self {
        let standing = standing(run, cell);
        Self {
            anchor: anchor(&cell.id),
            name: short(&cell.id.name()),
            css: css(standing),
            mark: mark(run, cell).word(),
            expectation: words(standing),
            problem: match &cell.state {
                CellState::Ended(_) => String::new(),
                CellState::Unfinished if standing == Standing::NotRun => {
                    "There is no kernel for it.".to_owned()
                }
                CellState::Unfinished => "It has no result yet.".to_owned(),
                CellState::Unreadable(why) => short(why),
            },
            result: cell.result().map(ResultView::of),
        }
    }
}

impl ResultView {
    fn of(record: &CellRecord) -> Self {
        let time = |ms: Option<u64>| ms.map_or_else(|| "–".to_owned(), duration);
        Self {
            reasons: record
                .reasons
                .iter()
                .take(REASONS)
                .map(|r| short(r))
                .collect(),
            expected: short(&describe(&record.expected)),
            ended: short(&ended(&record.ended)),
            late: short(record.host_late.as_deref().unwrap_or_default()),
            tries: match record.attempts.is_empty() {
                true => String::new(),
                false => short(&outcomes(record)),
            },
            restored: record.timing.restored,
            classes: Class::ALL
                .into_iter()
                .filter_map(|class| ClassRow::of(record, class))
                .collect(),
            pages_verified: count(record.pages_verified),
            boot: time(record.timing.boot_ms),
            workload: time(record.timing.workload_ms),
            finding: time(record.timing.finding_ms),
            total: duration(record.timing.total_ms),
            chart: Chart::of(record),
            vmstat: record
                .vmstat
                .iter()
                .take(COUNTERS)
                .map(|(name, n)| Counter::of(name, *n))
                .collect(),
            vmstat_more: record.vmstat.len().saturating_sub(COUNTERS),
            buddyinfo: BeforeAfter::of(&record.buddyinfo),
            swaps: BeforeAfter::of(&record.swaps),
        }
    }
}

impl ClassRow {
    fn of(record: &CellRecord, class: Class) -> Option<Self> {
        let counts = record.classes.get(&class);
        let wanted = record.at_least.get(&class);
        if counts.is_none() && wanted.is_none() {
            return None;
        }
        let shown = counts.copied().unwrap_or_default();
        Some(Self {
            name: class.name(),
            counted: counts.is_some(),
            attempted: count(shown.attempted),
            moved: count(shown.moved),
            wanted: wanted.map(|n| count(*n)).unwrap_or_default(),
            // A finding may end a cell early, so that falling short says nothing then.
            reached: record.status == Status::Fail
                || counts.is_none()
                || wanted.is_none_or(|n| shown.moved >= *n),
        })
    }
}

impl Counter {
    fn of(name: &str, (before, after): (u64, u64)) -> Self {
        let sign = if after >= before { '+' } else { '−' };
        Self {
            name: text::line(name, 80),
            before: count(before),
            after: count(after),
            change: format!("{sign}{}", count(after.abs_diff(before))),
        }
    }
}

impl BeforeAfter {
    fn of((before, after): &(String, String)) -> Self {
        Self {
            before: text::block(before, BLOCK_MAX / 4),
            after: text::block(after, BLOCK_MAX / 4),
        }
    }
}

fn ended(ended: &Ended) -> String {
    match ended {
        Ended::Done => "The workload ran to its end.".to_owned(),
        Ended::StoppedAfterFinding => "It was stopped after a finding.".to_owned(),
        Ended::Incapable { reason } => format!("The workload could not do its job: {reason}"),
        Ended::Silent { seconds } => format!("The guest said nothing for {seconds} s."),
        Ended::Slow { seconds } => {
            format!("The workload was still busy at its limit of {seconds} s.")
        }
        Ended::Panicked => "The guest's kernel panicked.".to_owned(),
        Ended::Rebooted => "The guest rebooted or powered off by itself.".to_owned(),
        Ended::BootFailed { reason } => format!("The guest never became ready: {reason}"),
        Ended::WrongMachine { reason } => format!("The guest is another machine: {reason}"),
        Ended::Dead { reason } => format!("The guest is dead: {reason}"),
        Ended::Garbage { reason } => format!("The guest broke the protocol: {reason}"),
        Ended::HarnessFailed { reason } => format!("The harness failed: {reason}"),
    }
}
