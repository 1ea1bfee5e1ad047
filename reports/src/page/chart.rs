// SPDX-License-Identifier: GPL-2.0-or-later
//! A cell's migrations over time, as the points of SVG lines.

use serde::Serialize;

use crate::record::{CellRecord, Class};
use crate::text::{count, duration};

const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 72.0;

/// Most points of a line: more cannot be told apart at this width.
const POINTS: usize = 160;

#[derive(Serialize)]
pub(super) struct Chart {
    width: f64,
    height: f64,
    /// What the chart says, for who does not see it.
    label: String,
    /// Top of the scale, a count.
    top: String,
    /// End of the scale, a time.
    end: String,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    class: &'static str,
    points: String,
    last: String,
    /// Height of the count that the plan wants, if it wants one.
    wanted: Option<String>,
}

impl Chart {
    /// Absent when there are fewer than two samples or nothing moved.
    pub(super) fn of(record: &CellRecord) -> Option<Self> {
        let samples = &record.samples;
        let end = samples
            .iter()
            .map(|s| s.at_ms)
            .max()
            .filter(|_| samples.len() > 1)?;
        let moved = |class: Class| {
            samples
                .iter()
                .filter_map(move |s| Some((s.at_ms, s.classes.get(&class)?.moved)))
        };
        let top = Class::ALL
            .into_iter()
            .flat_map(moved)
            .map(|(_, n)| n)
            .max()
            .filter(|n| *n > 0)?;
        let x = |ms: u64| ms as f64 / end.max(1) as f64 * WIDTH;
        let y = |n: u64| HEIGHT - n as f64 / top as f64 * HEIGHT;
        let step = samples.len().div_ceil(POINTS);
        let line = |class: Class| {
            let all: Vec<_> = moved(class).collect();
            let (_, last) = *all.last().filter(|(_, n)| *n > 0)?;
            let kept = all
                .iter()
                .enumerate()
                .filter(|(i, _)| i % step == 0 || i + 1 == all.len());
            let points: Vec<_> = kept
                .map(|(_, (ms, n))| format!("{:.1},{:.1}", x(*ms), y(*n)))
                .collect();
            let wanted = record
                .at_least
                .get(&class)
                .filter(|n| **n <= top)
                .map(|n| format!("{:.1}", y(*n)));
            Some(Line {
                class: class.name(),
                points: points.join(" "),
                last: count(last),
                wanted,
            })
        };
        let lines: Vec<_> = Class::ALL.into_iter().filter_map(line).collect();
        let said: Vec<_> = lines
            .iter()
            .map(|l| format!("{} reached {}", l.class, l.last))
            .collect();
        let label = format!("Folios moved over {}: {}", duration(end), said.join(", "));
        Some(Self {
            width: WIDTH,
            height: HEIGHT,
            label,
            top: count(top),
            end: duration(end),
            lines,
        })
    }
}
