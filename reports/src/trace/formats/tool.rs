// SPDX-License-Identifier: GPL-2.0-or-later
//! What is no kernel's: the last words of a secure world's firmware, which the kernel prints on
//! its behalf, and of a fuzzer that gave up on the console.

use super::{Blame, Ends, Format, Variant, variant};
use crate::trace::Kind;

const fn trusty(when: &'static str, title: &'static str) -> Variant {
    variant(when, title, &[], Kind::Dos, Blame::Nobody)
}

pub(super) static FORMATS: &[Format] = &[
    Format {
        header: r"^trusty: panic \(",
        ends: Ends::Open,
        variants: &[
            // `panic (caller ADDRESS): DEBUG ASSERT FAILED at (FILE:LINE): CONDITION`
            trusty(
                r"^.* ASSERT FAILED at \([^)]*\): (?P<what>\S.*)",
                "trusty: ASSERT FAILED: {what}",
            ),
            Variant {
                corrupt: "the line that says what was asserted is cut",
                ..trusty(" ASSERT FAILED ", "trusty: ASSERT FAILED:")
            },
            trusty(
                r"^trusty: panic \([^)]*\): (?P<what>.+)",
                "trusty: panic: {what}",
            ),
        ],
    },
    Format {
        header: r"\bSYZ(?P<how>FAIL|FATAL): (?P<why>.*)",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "SYZ{how}: {why}",
            &["SYZ{how}"],
            Kind::FuzzerFailure,
            Blame::Nobody,
        )],
    },
];
