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
mod tool;

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
    /// A line of `=` ends it, or `---[ end trace`.
    Ruler,
    /// Nothing marks it: the next report, a pause, or another message does.
    Open,
    /// They are printed as a list: the next one's beginning ends it.
    Next,
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
    /// Patterns of functions that report this crash and are never to blame for it, beside
    /// those that no report is about.
    pub(in crate::trace) skip: &'static [&'static str],
    /// Whether such a report has a stack.
    pub(in crate::trace) stack: Stack,
    /// Whether it tells of nothing but that something took too long.
    pub(in crate::trace) measures_time: bool,
    /// Why a report of this look cannot be whole; empty when it can.
    pub(in crate::trace) corrupt: &'static str,
}

/// Whether a report has a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::trace) enum Stack {
    /// Without one it is not whole.
    Needed,
    /// It may.
    Optional,
}

/// Where the guilty function is looked for.
#[derive(Clone, Copy)]
pub(in crate::trace) enum Blame {
    /// The title names none.
    Nobody,
    /// The header, or what `when` matched, names it.
    Named,
    /// In the first stack.
    Trace,
    /// At the program counter, then in the stack below it.
    Interrupted,
    /// The first function that a path meets.
    First(&'static [Path]),
    /// What a dispatcher called, on the first path that meets one: something that takes too
    /// long is met anywhere within its loop, and the handler is the same every time.
    Handler(&'static [Path]),
    /// Who waits, not how.
    Waiter(&'static [Path]),
}

/// A way through the lines of a report; the functions that it meets are suspects, in order.
pub(in crate::trace) type Path = &'static [Step];

/// A step of a path.
#[derive(Clone, Copy)]
pub(in crate::trace) enum Step {
    /// To the next program counter, and its function.
    Register,
    /// To where the next stack begins.
    Trace,
    /// To the next line that holds this, and its `{FUNC}` if it has one.
    Line(&'static str),
    /// Along the frames, up to where another stack begins.
    Frames,
}
use Step::{Frames, Line, Register, Trace};

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
        stack: match blame {
            Blame::Nobody => Stack::Optional,
            _ => Stack::Needed,
        },
        measures_time: false,
        corrupt: "",
    }
}

impl Blame {
    /// The paths to try, in order.
    pub(in crate::trace) fn paths(self) -> &'static [Path] {
        match self {
            Self::Nobody | Self::Named => &[],
            Self::Trace => &[&[Trace, Frames]],
            Self::Interrupted => &[&[Register, Trace, Frames]],
            Self::First(paths) | Self::Handler(paths) | Self::Waiter(paths) => paths,
        }
    }
}

/// Gives memory back, whatever was in it.
const FREE: &str =
    "^_*(?:k|kv|v)free(?:_|$)|^_*free_(?:frozen|large|pages?|percpu|slab|unref|vm)|^_*vunmap";
/// The lock of a socket, which stands for two locks.
const SOCKET_LOCK: &[&str] = &["^_*lock_sock|^_*release_sock"];
/// The scheduler, and the way into it from an interrupt.
const SCHEDULER: &[&str] = &["^_*(?:preempt_)?schedule|^retint_kernel$"];

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
        tool::FORMATS,
        assertion::OTHERS,
        assertion::IN_WORDS,
    ]
    .into_iter()
    .flatten()
    .collect()
});

/// Whether a format takes whatever words come: some of them are [`INNOCENT`].
pub(in crate::trace) fn in_words(format: &Format) -> bool {
    assertion::IN_WORDS
        .iter()
        .any(|words| std::ptr::eq(words, format))
}

/// Headers that only carry on when a report of the same caller is open.
pub(in crate::trace) static CONTINUATIONS: &[&str] = &[
    // the trap that a report ends in, as each architecture numbers it
    r"^Internal error: ",
    r"^Kernel BUG \[#",
    r"^Oops - ",
    r"^Oops: [A-Z][A-Za-z ]+, sig: ",
    r"^(?:Oops: )?(?:Oops|double fault|illegal operation|invalid opcode|monitor event|stack guard page): ?[0-9a-f]{4} (?:ilc:\d+ )?\[#",
    r"PANIC: double fault",
    r"^kernel BUG at rust/",
    // SLUB tells of the object; so it did for KASAN before that one told itself
    r"^INFO: (?:Allocated|Freed) in ",
    r"^BUG [^:]+: kasan: bad access detected",
    r"^unregister_netdevice: waiting for",
];

/// Headers that only tell what right above them is announced.
pub(in crate::trace) static ANNOUNCED: &[&str] = &["unreferenced object "];

/// Lines that a stack follows although nothing crashed: within a report without callers,
/// what comes next may be either's.
pub(in crate::trace) static NOISE: &[&str] = &[
    r"FAULT_INJECTION: forcing a failure",
    r"vmalloc: allocation failure:",
    r"FAULT_FLAG_ALLOW_RETRY missing",
];

/// The same, of lines whose stack comes a good deal later, or not at all.
pub(in crate::trace) static ASIDE: &[&str] = &[
    r"^sysrq: ",
    r"page allocation failure|page allocation stall|invoked oom-killer",
];

/// Warnings in words of their own that tell of no crash. Only such words are held against
/// them: a function or a task may be named as it likes.
pub(in crate::trace) static INNOCENT: &[&str] = &[
    // advice, and what is to end
    r"^WARNING: .*\b(?:are|been|being|is) (?:being )?(?:deprecat|obsolete)",
    r"^WARNING: .*\bwill (?:be removed|stop working)\b",
    r"^WARNING: .*\bSee https?://",
    // wireless extensions are warned of by the name of who uses them
    r"^WARNING: `\S{1,32}' (?i:uses wireless extensions)",
    // a choice that leaves the kernel open
    r"^WARNING: Unprivileged eBPF is enabled|^WARNING: Spectre v2 mitigation leaves",
    // what a driver or a board should do better
    r"^WARNING: fbcon: Driver '",
    r"^WARNING: workqueue cpumask: online intersect",
    // a program that misses a file
    r"^WARNING: /\S+ does not exist",
];

/// Words of which every line that begins, ends or marks a report while none is open holds one.
static SIGNS: &[&str] = &[
    "BUG",
    "Kernel BUG",
    "WARNING:",
    "VFS: Close",
    "SYZFA",
    "trusty: panic",
    "rust_kernel: panicked",
    "Alignment trap: ",
    "unregister_netdevice: ",
    "stack segment: ",
    "invalid opcode: ",
    "INFO:",
    "UBSAN: ",
    "unreferenced object ",
    "LOCKUP",
    "Kernel panic",
    "PANIC: ",
    "general protection fault",
    "divide error",
    "divide_error",
    "Unable to handle",
    "Unhandled fault: ",
    "Internal error: ",
    " [#",
    "Kernel stack overflow.",
    "Insufficient stack space",
    " exception: 00",
    " operation: 00",
    "space switch event: ",
    "inconsistent lock state",
    "Busy inodes",
    "FAULT_INJECTION",
    "sysrq: ",
    "allocation failure",
    "allocation stall",
    "FAULT_FLAG_ALLOW_RETRY",
    "oom-killer",
    "[ cut here ]",
    " mapcount:",
    "Linux version ",
    "Restarting system",
    "machine restart",
    "Power down",
    "System halted",
    "Starting new kernel",
    "SysRq",
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
        let bare = bare.trim_start_matches('^').trim_end_matches('$');
        let any = string_regex(bare).unwrap();
        let mut runner = TestRunner::deterministic();
        (0..64)
            .map(|_| any.new_tree(&mut runner).unwrap().current())
            .collect()
    }

    #[test]
    fn every_pattern_compiles() {
        for format in FORMATS.iter() {
            for variant in format.variants {
                compile(variant.when);
                variant.skip.iter().for_each(|skip| drop(compile(skip)));
            }
        }
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
