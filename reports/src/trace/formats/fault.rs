// SPDX-License-Identifier: GPL-2.0-or-later
//! Faults of the processor that the kernel could not handle.

use super::{BAD_ACCESS, Blame, Ends, Format, OVERFLOW, variant};
use crate::trace::Kind;

pub(super) static FORMATS: &[Format] = &[
    // Page faults and NULL pointers, in the words of x86 before and after 5.1, and of arm.
    Format {
        header: r"BUG: (?:unable to handle (?:kernel )?|kernel )NULL pointer dereference|^Unable to handle kernel NULL pointer dereference",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "BUG: unable to handle kernel NULL pointer dereference in {func}",
            BAD_ACCESS,
            Kind::NullPointerDereference,
            Blame::Interrupted,
        )],
    },
    Format {
        header: r"BUG: unable to handle (?:kernel paging request|page fault)|^Unable to handle kernel (?:paging request|access to user memory|read|write)",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "BUG: unable to handle kernel paging request in {func}",
            BAD_ACCESS,
            Kind::MemorySafetyBug,
            Blame::Interrupted,
        )],
    },
    Format {
        header: r"BUG: (?:[A-Z]+ )?stack guard page was hit",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "BUG: stack guard page was hit in {func}",
            OVERFLOW,
            Kind::Unknown,
            Blame::Stalled,
        )],
    },
    Format {
        header: r"^(?:traps: )?PANIC: double fault",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "PANIC: double fault in {func}",
            &[],
            Kind::Dos,
            Blame::Interrupted,
        )],
    },
    Format {
        header: r"general protection fault(?:,|:)",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "general protection fault in {func}",
            BAD_ACCESS,
            Kind::Dos,
            Blame::Interrupted,
        )],
    },
    Format {
        header: r"divide[ _]error: ",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "divide error in {func}",
            &[],
            Kind::Dos,
            Blame::Interrupted,
        )],
    },
    Format {
        header: r"^Internal error: ",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "Internal error in {func}",
            BAD_ACCESS,
            Kind::Dos,
            Blame::Interrupted,
        )],
    },
    Format {
        header: r"^Unhandled fault: ",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "Unhandled fault in {func}",
            BAD_ACCESS,
            Kind::Dos,
            Blame::Interrupted,
        )],
    },
];
