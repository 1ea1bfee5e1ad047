// SPDX-License-Identifier: GPL-2.0-or-later
//! The lines of one report, as far as they have come.

use std::ops::Range;

use super::console::{Caller, Line};
use super::formats::Format;
use super::stack::Reader;

/// Lines kept of one report.
const MAX_LINES: usize = 1500;
/// Bytes kept of one report.
const MAX_BYTES: usize = 128 * 1024;
/// Callers whose backtraces one report may take in.
const MAX_ADOPTED: usize = 8;

/// A report whose lines are still being collected.
pub(super) struct Collected {
    pub(super) what: What,
    pub(super) lines: Vec<String>,
    /// Index of the header in `lines`.
    pub(super) header: usize,
    pub(super) span: Range<u64>,
    pub(super) stacks: Reader,
    pub(super) mixed: bool,
    pub(super) panicked: bool,
    /// Its end was marked.
    pub(super) closed: bool,
    /// The console ended with it.
    pub(super) last: bool,
    caller: Option<Caller>,
    adopted: Vec<Caller>,
    /// When its last line was printed.
    pub(super) time: Option<u64>,
    bytes: usize,
}

/// What is being collected.
#[derive(Clone, Copy)]
pub(super) enum What {
    Report(&'static Format),
    /// `cut here` was seen; what happened comes next.
    Preamble,
    /// A stack without a crash.
    Noise,
    /// A second boot that nothing announced.
    Reboot,
}

impl Collected {
    pub(super) fn new(what: What, line: &Line<'_>) -> Self {
        let mut collected = Self {
            what,
            lines: Vec::new(),
            header: 0,
            span: line.span.clone(),
            stacks: Reader::default(),
            mixed: false,
            panicked: false,
            closed: false,
            last: false,
            caller: line.caller,
            adopted: Vec::new(),
            time: line.time,
            bytes: 0,
        };
        collected.push(line);
        collected
    }

    /// Takes its next line; what is beyond the bounds is dropped.
    pub(super) fn push(&mut self, line: &Line<'_>) {
        self.time = line.time.or(self.time);
        self.bytes += line.text.len();
        if self.lines.len() < MAX_LINES && self.bytes <= MAX_BYTES {
            self.stacks.line(line.text);
            self.lines.push(line.text.to_owned());
            self.span.end = line.span.end;
        }
    }

    /// The preamble's report has begun with this line.
    pub(super) fn announce(&mut self, what: What, line: &Line<'_>) {
        self.what = what;
        self.header = self.lines.len();
        self.push(line);
    }

    pub(super) fn is_report(&self) -> bool {
        matches!(self.what, What::Report(_))
    }

    /// A line of this caller belongs to it.
    pub(super) fn is_of(&self, caller: Option<Caller>) -> bool {
        self.caller == caller || caller.is_some_and(|caller| self.adopted.contains(&caller))
    }

    /// Takes in what another caller prints on its behalf.
    pub(super) fn adopt(&mut self, caller: Caller) {
        if self.adopted.len() < MAX_ADOPTED {
            self.adopted.push(caller);
        }
    }
}
