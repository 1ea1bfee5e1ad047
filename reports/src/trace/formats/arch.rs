// SPDX-License-Identifier: GPL-2.0-or-later
//! Traps that only one architecture has words for; what the rows do not name is named as on x86.

use super::{Blame, Ends, Format, OVERFLOW, Variant, variant};
use crate::trace::Kind;

const fn trap(when: &'static str, title: &'static str) -> Variant {
    variant(when, title, &[], Kind::Dos, Blame::Interrupted)
}

pub(super) static FORMATS: &[Format] = &[
    // s390: `illegal operation: 0001 ilc:1 [#1] SMP`.
    Format {
        header: r"^(?P<what>(?:addressing|data|execute|fixpoint divide|operand|specification|translation-specification|transactional execution constraint) exception|illegal operation|privileged operation|space switch event): 00[0-9a-f]{2} ilc:\d",
        ends: Ends::EndTrace,
        variants: &[
            trap("^fixpoint divide exception", "divide error in {func}"),
            trap("", "{what} in {func}"),
        ],
    },
    // riscv: `Oops - illegal instruction [#1]`.
    Format {
        header: r"^Oops - (?P<what>[a-z][a-z ()/-]+?) \[#\d+\]",
        ends: Ends::EndTrace,
        variants: &[
            trap("^Oops - illegal instruction", "invalid opcode in {func}"),
            trap("", "{what} in {func}"),
        ],
    },
    // powerpc, where no line before it says more: `Oops: Machine check, sig: 7 [#1]`.
    Format {
        header: r"^Oops: (?P<what>[A-Z][A-Za-z ]+), sig: \d+ \[#\d+\]",
        ends: Ends::EndTrace,
        variants: &[trap("", "Oops: {what} in {func}")],
    },
    // arm, arm64 and riscv; s390, which goes on to a panic.
    Format {
        header: r"^(?:Insufficient stack space to handle exception!|Kernel stack overflow\.)",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "kernel stack overflow in {func}",
            OVERFLOW,
            Kind::Dos,
            Blame::Interrupted,
        )],
    },
];
