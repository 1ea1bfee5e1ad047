// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of crash formats.
//!
//! A line that matches a [`Format`]'s `header` begins a report. The first of its
//! [`Variant`]s whose `when` matches somewhere in the report gives title and kind.
//! Templates take named captures of both patterns, and `{func}` for the guilty function.
//! A new crash is a row here; the engine knows none of them.

mod arch;
mod assertion;
mod fault;
mod hang;
mod lock;
mod memory;
mod panic;
mod sanitizer;

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::Kind;

/// How a sort of crash report looks.
pub(in crate::trace) struct Format {
    /// Pattern of the line that begins it.
    pub(in crate::trace) header: &'static str,
    /// What it is, by its details.
    pub(in crate::trace) variants: &'static [Variant],
    /// How its end is known.
    pub(in crate::trace) ends: Ends,
}

/// How the end of a report is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::trace) enum Ends {
    /// `---[ end trace` ends it.
    EndTrace,
    /// A line of `=` ends it, and without that line it was cut short.
    Ruler,
    /// Nothing marks it: the next report, a pause, or another message does.
    Open,
}

/// Title and kind of a crash.
pub(in crate::trace) struct Variant {
    /// Pattern searched in the report; empty always matches.
    pub(in crate::trace) when: &'static str,
    pub(in crate::trace) title: &'static str,
    /// Further titles.
    pub(in crate::trace) alt: &'static [&'static str],
    pub(in crate::trace) kind: Kind,
    pub(in crate::trace) blame: Blame,
    /// Patterns of functions that report this crash and are never to blame for it.
    pub(in crate::trace) skip: &'static [&'static str],
    /// Why a report of this look cannot be whole; empty when it can.
    pub(in crate::trace) corrupt: &'static str,
}

/// Where the guilty function is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::trace) enum Blame {
    /// The title names none.
    Nobody,
    /// The header names it, and a stack must follow.
    Header,
    /// The first frame of the crash stack that does not merely report.
    Trace,
    /// The first place that a line of the report says a lock is taken at, or as `Trace`.
    Locks,
    /// As `Trace`, past the handling of the exception that interrupted the culprit.
    Interrupted,
    /// The handler that ran for too long: the first frame that a generic dispatcher called.
    Stalled,
}

const fn variant(
    when: &'static str,
    title: &'static str,
    alt: &'static [&'static str],
    kind: Kind,
    blame: Blame,
) -> Variant {
    Variant {
        when,
        title,
        alt,
        kind,
        blame,
        skip: &[],
        corrupt: "",
    }
}

const BAD_ACCESS: &[&str] = &["bad-access in {func}"];
const OVERFLOW: &[&str] = &["stack-overflow in {func}"];

/// Every format, most telling first: the first row that matches a line takes it.
pub(in crate::trace) static FORMATS: LazyLock<Vec<&'static Format>> = LazyLock::new(|| {
    [
        sanitizer::FORMATS,
        fault::FORMATS,
        arch::FORMATS,
        assertion::FORMATS,
        lock::FORMATS,
        hang::FORMATS,
        memory::FORMATS,
        panic::FORMATS,
    ]
    .into_iter()
    .flatten()
    .collect()
});

/// Headers that only carry on when a report of the same caller is open.
pub(in crate::trace) static CONTINUATIONS: &[&str] = &[
    r"^Internal error: ",
    r"^Oops: [A-Z][A-Za-z ]+, sig: ",
    r"^Oops - ",
];

/// Lines that print a stack although nothing crashed.
pub(in crate::trace) static NOISE: &[&str] = &[
    r"^FAULT_INJECTION: forcing a failure",
    r"^sysrq: ",
    r"(?:page allocation failure|invoked oom-killer)",
    r"^CPU: \d+ (?:UID: \d+ )?PID: \d+ Comm: .*(?:FAULT_INJECTION)",
];

/// Words of which every line that begins, ends or marks a report while none is open holds one.
static SIGNS: &[&str] = &[
    "BUG",
    "WARNING: ",
    "INFO: ",
    "UBSAN: ",
    "LOCKUP",
    "Kernel panic",
    "PANIC: ",
    "general protection fault",
    "divide error",
    "divide_error",
    "Unable to handle",
    "Unhandled fault: ",
    "Internal error: ",
    "Oops: ",
    "Oops - ",
    "Insufficient stack space",
    " exception: 00",
    " operation: 00",
    "space switch event: ",
    "inconsistent lock state",
    "Busy inodes",
    "FAULT_INJECTION",
    "sysrq: ",
    "allocation failure",
    "oom-killer",
    "[ cut here ]",
    "Linux version ",
];

/// What a line must match to concern a parser that has no report open: a cheap test of raw
/// bytes, wider than the table itself.
pub(in crate::trace) fn candidates() -> &'static Regex {
    static CANDIDATES: LazyLock<Regex> = LazyLock::new(|| {
        let words: Vec<_> = SIGNS.iter().map(|sign| regex::escape(sign)).collect();
        #[expect(clippy::expect_used, reason = "escaped words always compile")]
        Regex::new(&words.join("|")).expect("escaped words compile")
    });
    &CANDIDATES
}

#[cfg(test)]
mod tests {
    use proptest::strategy::{Strategy, ValueTree};
    use proptest::string::string_regex;
    use proptest::test_runner::TestRunner;

    use super::*;
    use crate::trace::pattern::compile;

    /// Lines that a pattern matches, anchors apart.
    fn samples(pattern: &str) -> Vec<String> {
        let pattern = compile(pattern).as_str().to_owned();
        let bare = pattern
            .replace(r"\b", "")
            .replace("|^", "|")
            .replace("(?:^", "(?:")
            .replace("|$", "|");
        let bare = bare.trim_start_matches('^').replace("(?m)", "");
        let any = string_regex(&bare).unwrap();
        let mut runner = TestRunner::deterministic();
        (0..64)
            .map(|_| any.new_tree(&mut runner).unwrap().current())
            .collect()
    }

    #[test]
    fn every_header_is_a_candidate() {
        for pattern in FORMATS
            .iter()
            .map(|f| f.header)
            .chain(NOISE.iter().copied())
        {
            for line in samples(pattern) {
                assert!(
                    candidates().is_match(line.as_bytes()),
                    "{pattern}: {line:?}"
                );
            }
        }
    }
}
