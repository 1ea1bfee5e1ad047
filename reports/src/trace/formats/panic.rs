// SPDX-License-Identifier: GPL-2.0-or-later
//! Panics.

use super::{Blame, Ends, Format, OVERFLOW, Variant, variant};
use crate::trace::Kind;

pub(super) static FORMATS: &[Format] = &[
    // A panic on its own; one that follows a report only marks that report.
    Format {
        header: r"Kernel panic - not syncing: (?P<what>.*)",
        ends: Ends::Open,
        variants: &[
            variant(
                "corrupted stack end detected",
                "kernel panic: corrupted stack end in {func}",
                OVERFLOW,
                Kind::Dos,
                Blame::Stalled,
            ),
            variant(
                "stack-protector: Kernel stack is corrupted in",
                "kernel panic: stack is corrupted in {func}",
                &[],
                Kind::Dos,
                Blame::Trace,
            ),
            variant(
                "not syncing: (?:System is deadlocked on memory|Out of memory)",
                "kernel panic: {what}",
                &[],
                Kind::Dos,
                Blame::Nobody,
            ),
            Variant {
                corrupt: "the report that led to the panic is not in the log",
                ..variant(
                    "not syncing: (?P<what>Fatal exception|panic_on_warn|kasan|hung_task|softlockup|hardlockup)",
                    "kernel panic: {what}",
                    &[],
                    Kind::Dos,
                    Blame::Nobody,
                )
            },
            variant("", "kernel panic: {what}", &[], Kind::Dos, Blame::Nobody),
        ],
    },
];
