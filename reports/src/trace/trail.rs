// SPDX-License-Identifier: GPL-2.0-or-later
//! A report's lines as the way to the function to blame.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::formats::{FORMATS, Step};
use super::frame::{self, Counter};
use super::pattern::{compile, lazy};
use super::report::Frame;

/// Lines below a stack's heading within which its first frame stands.
const HEADING_TO_FRAME: usize = 15;

// The heading of a stack of the crash; of any stack.
// riscv's oops has no words for it: its stack follows the registers' last line.
lazy!(TRACE = r"Call [Tt]race:|Backtrace:|^status: [0-9a-f]+ badaddr: ");
lazy!(
    HEADING = r"Call [Tt]race|Backtrace:|^status: [0-9a-f]+ badaddr|(?:^|[^k]) backtrace(?: \(crc [0-9a-f]+\))?:|^backtrace:|(?:Allocated|Freed)(?: by task \d+[^:]*)?:|Uninit was stored to memory at"
);
// The fault injector asks `should_fail…` and tells by `fail_dump`: their stack belongs to no crash.
lazy!(INJECTED = r"^(?:_*should_fail(?:_|slab)?|fail_dump)");

// What the unwinder could not vouch for.
lazy!(DOUBTFUL = r"^\s*(?:\[<[0-9a-f]+>\] )?\? ");

/// The patterns of the table's steps, compiled once.
static LINES: LazyLock<HashMap<&'static str, Regex>> = LazyLock::new(|| {
    FORMATS
        .iter()
        .flat_map(|format| format.variants)
        .flat_map(|variant| variant.blame.paths())
        .flat_map(|path| path.iter())
        .filter_map(|step| match step {
            Step::Line(pattern) => Some((*pattern, compile(pattern))),
            _ => None,
        })
        .collect()
});

/// The functions that a path meets.
pub(super) struct Met {
    /// In the order of the path.
    pub(super) functions: Vec<Suspect>,
    /// The fault injector's stack lay in the way.
    pub(super) injected: bool,
}

/// A function that a path meets.
pub(super) struct Suspect {
    /// As printed.
    pub(super) name: String,
    /// A stack's frame: another writer's, if two stacks were mixed. A header's and a register's
    /// function are surely the report's own.
    pub(super) framed: bool,
}

/// Walks a path over the report's lines.
pub(super) fn walk(path: &[Step], lines: &[String]) -> Met {
    let mut met = Met {
        functions: Vec::new(),
        injected: false,
    };
    let mut lines = lines.iter().map(String::as_str);
    for (at, step) in path.iter().enumerate() {
        let next = path.get(at + 1);
        match step {
            Step::Frames => frames(&mut lines, &mut met),
            _ => {
                if !seek(step, &mut lines, &mut met) && !matches!(next, None | Some(Step::Frames)) {
                    break;
                }
            }
        }
    }
    met
}

/// Goes on behind the next line that the step looks for.
fn seek<'a>(step: &Step, lines: &mut impl Iterator<Item = &'a str>, met: &mut Met) -> bool {
    for line in lines {
        if named(line).any(|name| INJECTED.is_match(&name)) {
            met.injected = true;
            return true;
        }
        if matches!(step, Step::Trace) && from_caller(line) {
            let frames = named(line).map(|name| Suspect { name, framed: true });
            met.functions.extend(frames);
            return true;
        }
        if let Some(function) = reached(step, line) {
            met.functions.extend(function.map(|name| Suspect {
                name,
                framed: false,
            }));
            return true;
        }
    }
    false
}

/// The function that a line names, if the step looks for such a line.
fn reached(step: &Step, line: &str) -> Option<Option<String>> {
    match step {
        Step::Register => match frame::program_counter(line.trim_start())? {
            // Whoever it was inlined into comes next, by the name that is in every log.
            Counter::Function(frame) => (!inlined(&frame)).then_some(Some(frame.symbol)),
            Counter::Nowhere => Some(None),
        },
        Step::Trace => TRACE.is_match(line).then_some(None),
        Step::Line(pattern) => {
            let captures = LINES.get(pattern)?.captures(line)?;
            Some(captures.name("func").map(|name| name.as_str().to_owned()))
        }
        Step::Frames => Some(None),
    }
}

/// Takes frames up to the heading of another stack.
fn frames<'a>(lines: &mut impl Iterator<Item = &'a str>, met: &mut Met) {
    for line in lines {
        if HEADING.is_match(line) {
            return;
        }
        for name in named(line) {
            if INJECTED.is_match(&name) {
                met.injected = true;
                return;
            }
            met.functions.push(Suspect { name, framed: true });
        }
    }
}

/// A function that no kernel prints: the log was symbolized, and a title must not depend on it.
fn inlined(frame: &Frame) -> bool {
    frame.location.as_ref().is_some_and(|place| place.inlined)
}

/// The functions that a frame's line names, innermost first; none if it is no frame's.
fn named(line: &str) -> impl Iterator<Item = String> {
    let parsed = frame::parse(line).filter(|p| p.frame.reliable && !inlined(&p.frame));
    parsed.into_iter().flat_map(|parsed| {
        let callee = parsed.callee.into_iter();
        callee.chain([parsed.frame.symbol])
    })
}

/// arm's frame, `callee from caller`: old kernels print such a stack without a heading.
fn from_caller(line: &str) -> bool {
    frame::parse(line).is_some_and(|parsed| parsed.callee.is_some())
}

/// A line that a stack begins with.
pub(super) fn begins(line: &str) -> bool {
    TRACE.is_match(line)
}

/// What a report's headings of stacks promise.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stacks {
    /// No heading of a stack.
    None,
    /// A heading without frames below it.
    Empty,
    /// Frames below every heading.
    Whole,
}

/// Looks whether the first heading of each sort is followed by frames.
pub(super) fn stacks(lines: &[String]) -> Stacks {
    let mut seen: Vec<&str> = Vec::new();
    let mut found = Stacks::None;
    for (at, line) in lines.iter().enumerate() {
        let Some(heading) = HEADING.find(line) else {
            continue;
        };
        let sort: &str = heading
            .as_str()
            .trim_start_matches(|c: char| !c.is_alphabetic());
        let sort = sort.get(..6).unwrap_or(sort);
        if seen.contains(&sort) {
            continue;
        }
        seen.push(sort);
        let below = &lines[at + 1..];
        let framed = below
            .iter()
            .filter(|line| !DOUBTFUL.is_match(line))
            .take(HEADING_TO_FRAME)
            .take_while(|line| !HEADING.is_match(line))
            .any(|line| line.contains("(stack is not available)") || named(line).next().is_some());
        if !framed {
            return Stacks::Empty;
        }
        found = Stacks::Whole;
    }
    if found == Stacks::None && lines.iter().any(|line| from_caller(line)) {
        found = Stacks::Whole;
    }
    found
}
