// SPDX-License-Identifier: GPL-2.0-or-later
//! Findings, by title.

use serde::Serialize;

use super::{anchor, short};
use crate::findings::{FindingGroup, Occurrence};
use crate::record::{Finding, FindingKind, FrameRecord, StackRecord};
use crate::text::{self, BLOCK_MAX, LINE_MAX, duration, plural};

/// Longest stack, and most stacks of a finding, that a page shows.
const FRAMES: usize = 80;
const STACKS: usize = 12;

/// Most titles of later findings that a page shows for one finding.
const LATER: usize = 20;

#[derive(Serialize)]
pub(super) struct FindingView {
    anchor: String,
    kind: &'static str,
    title: String,
    alt_titles: Vec<String>,
    css: &'static str,
    /// Whether as expected, in how many cells.
    expectation: String,
    places: Vec<Place>,
    sample_cell: String,
    task: String,
    corrupted: String,
    /// What was observed, where there is no text.
    reason: String,
    stacks: Vec<StackView>,
    text: String,
    later: Vec<Later>,
    later_more: usize,
}

#[derive(Serialize)]
struct Place {
    href: String,
    cell: String,
    when: String,
    expected: bool,
}

#[derive(Serialize)]
struct StackView {
    role: String,
    frames: Vec<FrameView>,
    more: usize,
}

#[derive(Serialize)]
struct FrameView {
    function: String,
    place: String,
    inlined: bool,
    guilty: bool,
}

#[derive(Serialize)]
struct Later {
    title: String,
    times: String,
    text: String,
}

pub(super) fn all(groups: &[FindingGroup<'_>]) -> Vec<FindingView> {
    groups
        .iter()
        .enumerate()
        .map(|(i, group)| FindingView::of(i + 1, group))
        .collect()
}

impl FindingView {
    fn of(number: usize, group: &FindingGroup<'_>) -> Self {
        let cells = group.occurrences.len();
        let unexpected = group.occurrences.iter().filter(|o| !o.as_expected).count();
        let in_cells = plural(cells, "cell", "cells");
        let sample = group.sample;
        Self {
            anchor: format!("finding-{number}"),
            kind: kind(sample.kind),
            title: short(&sample.title),
            alt_titles: sample.alt_titles.iter().take(8).map(|t| short(t)).collect(),
            css: if unexpected == 0 { "good" } else { "bad" },
            expectation: match unexpected {
                0 => format!("As expected, in {in_cells}"),
                n if n == cells => format!("Not expected, in {in_cells}"),
                n => format!("Not expected in {n} of {in_cells}"),
            },
            places: group.occurrences.iter().map(Place::of).collect(),
            sample_cell: short(&group.sample_cell.name()),
            task: sample.task.as_deref().map(short).unwrap_or_default(),
            corrupted: sample.corrupted.as_deref().map(short).unwrap_or_default(),
            reason: group.reason().map(short).unwrap_or_default(),
            stacks: sample
                .stacks
                .iter()
                .take(STACKS)
                .map(StackView::of)
                .collect(),
            text: text::block(&sample.text, BLOCK_MAX),
            later: group
                .later
                .iter()
                .take(LATER)
                .map(|(f, n)| Later::of(f, *n))
                .collect(),
            later_more: group.later.len().saturating_sub(LATER),
        }
    }
}

impl Place {
    fn of(occurrence: &Occurrence<'_>) -> Self {
        Self {
            href: format!("#{}", anchor(occurrence.cell)),
            cell: short(&occurrence.cell.name()),
            when: match occurrence.finding.at_ms {
                Some(ms) => format!("after {}", duration(ms)),
                None => String::new(),
            },
            expected: occurrence.as_expected,
        }
    }
}

impl StackView {
    fn of(stack: &StackRecord) -> Self {
        Self {
            role: text::line(&stack.role, 80),
            frames: stack
                .frames
                .iter()
                .take(FRAMES)
                .map(FrameView::of)
                .collect(),
            more: stack.frames.len().saturating_sub(FRAMES),
        }
    }
}

impl FrameView {
    fn of(frame: &FrameRecord) -> Self {
        let place = match (&frame.file, frame.line, &frame.printed) {
            (Some(file), Some(line), _) => format!("{}:{line}", short(file)),
            (Some(file), None, _) => short(file),
            // Without a source line the offset is what a reader can still look up.
            (None, _, Some(printed)) => text::line(
                printed.strip_prefix(&frame.function).unwrap_or(printed),
                LINE_MAX,
            ),
            (None, _, None) => String::new(),
        };
        Self {
            function: text::line(&frame.function, 200),
            place,
            inlined: frame.inlined,
            guilty: frame.guilty,
        }
    }
}

impl Later {
    fn of(finding: &Finding, times: usize) -> Self {
        Self {
            title: short(&finding.title),
            times: plural(times, "time", "times"),
            text: text::block(&finding.text, BLOCK_MAX / 4),
        }
    }
}

fn kind(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Trace => "trace on the console",
        FindingKind::Corruption => "lost page content",
        FindingKind::Livelock => "a task in circles, seen from outside",
        FindingKind::Hang => "no progress, told by the kernel's own detectors",
        FindingKind::Refused => "refused migration",
    }
}
