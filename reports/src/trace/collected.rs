// SPDX-License-Identifier: GPL-2.0-or-later
//! The lines of one report, as far as they have come.

use std::ops::Range;

use super::console::{Caller, Line};
use super::formats::{Ends, Format, Stack};
use super::stack::Reader;
use super::trail;

/// Lines kept of one report.
const MAX_LINES: usize = 1500;
/// Bytes kept of one report.
const MAX_BYTES: usize = 128 * 1024;
/// Bytes of the log after its last line from which on a report has ended.
const AWAY: u64 = 1 << 20;
/// A report is printed in one go: after such a pause of its caller, in microseconds, it has ended.
const PAUSE: u64 = 20_000_000;
/// Lines between a header and its stack, registers and modules included.
const HEADER_TO_STACK: usize = 64;
/// Callers whose backtraces one report may take in.
const MAX_ADOPTED: usize = 8;

/// A report whose lines are still being collected.
#[derive(Clone)]
pub(super) struct Collected {
    pub(super) what: What,
    pub(super) lines: Vec<String>,
    /// Index of the header in `lines`.
    pub(super) header: usize,
    pub(super) span: Range<u64>,
    pub(super) stacks: Reader,
    /// What another writer said meanwhile.
    pub(super) mixed: Mixed,
    /// Another stack may come in its midst.
    pub(super) aside: bool,
    pub(super) panicked: bool,
    /// Its end was marked.
    pub(super) closed: bool,
    /// The console ended with it.
    pub(super) last: bool,
    caller: Option<Caller>,
    adopted: Vec<Caller>,
    /// When its last line was printed.
    time: Option<u64>,
    /// Where in the log that line ended.
    seen: u64,
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
    /// A message that a stack without a crash may follow.
    Aside,
    /// A second boot that nothing announced.
    Reboot,
}

/// Whose lines a report holds beside its own, because no caller tells them apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mixed {
    /// Nobody's, as far as is known.
    No,
    /// It began within another stack, which may go on in it.
    Born,
    /// It began while another report's stack was still to come: either's may follow.
    Overtaken,
    /// From this line on, those of a stack without a crash.
    Noise(usize),
    /// From this line on, another report's.
    Report(usize),
}

impl Collected {
    pub(super) fn new(what: What, line: &Line<'_>) -> Self {
        let mut collected = Self {
            what,
            lines: Vec::new(),
            header: 0,
            span: line.span.clone(),
            stacks: Reader::default(),
            mixed: Mixed::No,
            aside: false,
            panicked: false,
            closed: false,
            last: false,
            caller: line.caller,
            adopted: Vec::new(),
            time: line.time,
            seen: line.span.end,
            bytes: 0,
        };
        collected.push(line);
        collected
    }

    /// Takes its next line; what is beyond the bounds is dropped.
    pub(super) fn push(&mut self, line: &Line<'_>) {
        // The leak detector's name may stand before each of its lines.
        let text = line.text.strip_prefix("kmemleak: ").unwrap_or(line.text);
        self.time = line.time.or(self.time);
        self.seen = line.span.end;
        self.bytes += line.text.len();
        if self.lines.len() < MAX_LINES && self.bytes <= MAX_BYTES {
            if self.aside && self.stacks.in_crash_stack() && trail::begins(text) {
                self.mix(Mixed::Report);
            }
            self.stacks.line(text);
            self.lines.push(text.to_owned());
            self.span.end = line.span.end;
        }
    }

    /// The preamble's report has begun with this line.
    pub(super) fn announce(&mut self, what: What, line: &Line<'_>) {
        self.what = what;
        self.header = self.lines.len();
        self.push(line);
    }

    /// Another writer's words come next: what follows may be either's.
    pub(super) fn mix(&mut self, with: fn(usize) -> Mixed) {
        if self.mixed == Mixed::No {
            self.mixed = with(self.lines.len());
        }
    }

    /// The lines from the header on that are surely its own.
    pub(super) fn own(&self) -> &[String] {
        let end = match self.mixed {
            Mixed::Noise(end) | Mixed::Report(end) => end.max(self.header + 1),
            Mixed::No | Mixed::Born | Mixed::Overtaken => self.lines.len(),
        };
        &self.lines[self.header..end]
    }

    /// A line of introduction is this one's: its header or its stack is yet to come, or it is
    /// one of those that print a page after their stack.
    pub(super) fn introduces(&self, line: &Line<'_>) -> bool {
        match self.what {
            What::Preamble => true,
            What::Report(format) => {
                !self.has_stack() || format.ends == Ends::Ruler && line.text.starts_with("page")
            }
            What::Noise | What::Aside | What::Reboot => false,
        }
    }

    /// Its header is all that has come.
    pub(super) fn just_begun(&self) -> bool {
        self.lines.len() == self.header + 1
    }

    pub(super) fn is_report(&self) -> bool {
        matches!(self.what, What::Report(_))
    }

    /// A line of this caller belongs to it.
    pub(super) fn is_of(&self, caller: Option<Caller>) -> bool {
        self.caller == caller || caller.is_some_and(|caller| self.adopted.contains(&caller))
    }

    /// It can have no more lines: there is no room for them, its caller has been silent for
    /// long, or the log has gone far on without it.
    pub(super) fn over(&self, next: &Line<'_>) -> bool {
        let paused = match (self.time, next.time) {
            (Some(then), Some(now)) => now > then.saturating_add(PAUSE),
            _ => false,
        };
        self.lines.len() >= MAX_LINES
            || self.bytes > MAX_BYTES
            || paused && self.is_of(next.caller)
            || next.span.start > self.seen.saturating_add(AWAY)
    }

    /// Something of it has been told: a frame at least.
    pub(super) fn has_stack(&self) -> bool {
        self.stacks.in_crash_stack() || self.stacks.complete()
    }

    /// Its stack is still to come, and soon.
    pub(super) fn awaits_stack(&self) -> bool {
        let What::Report(format) = self.what else {
            return false;
        };
        let needed = format.variants.iter().all(|v| v.stack == Stack::Needed);
        needed && !self.has_stack() && self.lines.len() - self.header < HEADER_TO_STACK
    }

    /// Takes in what another caller prints on its behalf.
    pub(super) fn adopt(&mut self, caller: Caller) {
        if self.adopted.len() < MAX_ADOPTED {
            self.adopted.push(caller);
        }
    }
}
