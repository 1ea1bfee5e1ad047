// SPDX-License-Identifier: GPL-2.0-or-later
//! Panics.

use super::{
    Blame, Ends, Format, Frames, OVERFLOW, Path, SCHEDULER, Stack, Trace, Variant, variant,
};
use crate::trace::Kind;

const DEEP: &[Path] = &[&[Trace, Frames]];

const fn panic(when: &'static str, title: &'static str) -> Variant {
    Variant {
        stack: Stack::Needed,
        ..variant(when, title, &[], Kind::Dos, Blame::Nobody)
    }
}

/// A panic that a report leads to: alone, it tells that the report was lost.
const fn consequence(when: &'static str, title: &'static str) -> Variant {
    Variant {
        corrupt: "the report that led to the panic is not in the log",
        ..panic(when, title)
    }
}

pub(super) static FORMATS: &[Format] = &[
    // A panic on its own; one that follows a report only marks that report.
    Format {
        header: r"Kernel panic - not syncing: (?P<what>.*)",
        ends: Ends::Open,
        variants: &[
            Variant {
                stack: Stack::Optional,
                ..variant(
                    r"stack-protector: Kernel stack is corrupted in: (?:[0-9a-f]{8,} *)?{FUNC}\+0x",
                    "kernel panic: stack is corrupted in {func}",
                    &[],
                    Kind::Dos,
                    Blame::Named,
                )
            },
            Variant {
                skip: &["^__stack_chk_fail$"],
                ..variant(
                    "stack-protector: Kernel stack is corrupted in",
                    "kernel panic: stack is corrupted in {func}",
                    &[],
                    Kind::Dos,
                    Blame::Trace,
                )
            },
            Variant {
                skip: SCHEDULER,
                ..variant(
                    "corrupted stack end detected",
                    "kernel panic: corrupted stack end in {func}",
                    OVERFLOW,
                    Kind::Dos,
                    Blame::Handler(DEEP),
                )
            },
            Variant {
                skip: &["^_*(?:handle_)?bad_stack$"],
                ..variant(
                    "not syncing: kernel stack overflow",
                    "kernel stack overflow in {func}",
                    OVERFLOW,
                    Kind::Dos,
                    Blame::Handler(DEEP),
                )
            },
            panic(
                "not syncing: Attempted to kill init!",
                "kernel panic: Attempted to kill init!",
            ),
            panic(
                "not syncing: Couldn't open N_TTY ldisc for",
                "kernel panic: Couldn't open N_TTY ldisc",
            ),
            consequence(
                "not syncing: Fatal exception",
                "kernel panic: Fatal exception",
            ),
            consequence(
                r"not syncing: (?:[A-Za-z]+: )?panic_on_warn set",
                "kernel panic: panic_on_warn set",
            ),
            consequence(
                "not syncing: hung_task: blocked tasks",
                "kernel panic: hung_task: blocked tasks",
            ),
            consequence(
                "not syncing: (?P<what>kasan|kmsan|kfence|softlockup|hardlockup|Hard LOCKUP|RCU Stall).*",
                "kernel panic: {what}",
            ),
            panic("", "kernel panic: {what}"),
        ],
    },
];
