// SPDX-License-Identifier: GPL-2.0-or-later
//! What is no kernel's: the last words of firmware and of fuzzers that share the console.

use super::{Blame, Ends, Format, Variant, variant};
use crate::trace::Kind;

pub(super) static FORMATS: &[Format] = &[
    Format {
        header: r"trusty: panic \(.*?\):",
        ends: Ends::Open,
        variants: &[
            variant(
                r"trusty: panic \(.*?\):(?: DEBUG)? ASSERT FAILED at \(.*?\): (?P<what>.+)",
                "trusty: ASSERT FAILED: {what}",
                &[],
                Kind::Dos,
                Blame::Nobody,
            ),
            Variant {
                corrupt: "the line that says what was asserted is cut",
                ..variant(
                    r"trusty: panic.* ASSERT FAILED.*: *(?P<what>.*)",
                    "trusty: ASSERT FAILED: {what}",
                    &[],
                    Kind::Dos,
                    Blame::Nobody,
                )
            },
            variant(
                r"trusty: panic \(.*?\): (?P<what>.+)",
                "trusty: panic: {what}",
                &[],
                Kind::Dos,
                Blame::Nobody,
            ),
        ],
    },
    Format {
        header: r"\bSYZ(?P<what>FAIL|FATAL): (?P<why>.*)",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "SYZ{what}: {why}",
            &["SYZ{what}"],
            Kind::FuzzerFailure,
            Blame::Nobody,
        )],
    },
];
