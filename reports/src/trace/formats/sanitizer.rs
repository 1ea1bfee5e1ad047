// SPDX-License-Identifier: GPL-2.0-or-later
//! What sanitizers and leak detectors report.

use super::{BAD_ACCESS, Blame, Ends, FREE, Format, Frames, Line, Stack, Trace, Variant, variant};
use crate::trace::Kind;

const INVALID_FREE: &[&str] = &["invalid-free in {func}"];
const DOUBLE_FREE: &[&str] = &["invalid-free in {func}", "KASAN: double-free in {func}"];

// The header names the function that the access was compiled into: first of all suspects.
// KFENCE and KMSAN print their stack without a heading.
const KASAN: Blame = Blame::First(&[&[Line(r"BUG: KASAN: .*? in {FUNC}"), Trace, Frames]]);
const KFENCE: Blame = Blame::First(&[&[Line(r"BUG: KFENCE: .*? in {FUNC}"), Frames]]);
const KMSAN: Blame = Blame::First(&[&[Line(r"BUG: KMSAN: .*? in {FUNC}"), Frames]]);

/// What KASAN's header and the line below it say of an access: where, of what kind, in which
/// direction.
macro_rules! accessed {
    ($place:literal, $what:literal, $access:literal) => {
        concat!(
            "BUG: KASAN: (?P<what>",
            $what,
            ") ",
            $place,
            r"(?s:.*?\n)(?P<access>",
            $access,
            ") (?:at addr|of size) [0-9a-f]"
        )
    };
}

/// An access that KASAN forbids.
const fn access(when: &'static str, kind: Kind) -> Variant {
    variant(
        when,
        "KASAN: {what} {access} in {func}",
        BAD_ACCESS,
        kind,
        KASAN,
    )
}

const fn kfence(when: &'static str, alt: &'static [&'static str], kind: Kind) -> Variant {
    Variant {
        stack: Stack::Optional,
        ..variant(when, "KFENCE: {what} in {func}", alt, kind, KFENCE)
    }
}

const fn undefined(when: &'static str, title: &'static str, kind: Kind) -> Variant {
    variant(when, title, &[], kind, Blame::Trace)
}

pub(super) static FORMATS: &[Format] = &[
    Format {
        header: r"BUG: KASAN: (?P<rest>.*)",
        ends: Ends::Ruler,
        variants: &[
            access(
                accessed!("in {FUNC}", "[a-z-]*use-after-free", "Read"),
                Kind::KasanUseAfterFreeRead,
            ),
            access(
                accessed!("in {FUNC}", "[a-z-]*use-after-free", "Write"),
                Kind::KasanUseAfterFreeWrite,
            ),
            access(
                accessed!("in {FUNC}", "null-ptr-deref", "Read"),
                Kind::KasanNullRead,
            ),
            access(
                accessed!("in {FUNC}", "null-ptr-deref", "Write"),
                Kind::KasanNullWrite,
            ),
            access(accessed!("in {FUNC}", "[a-z-]+", "Read"), Kind::KasanRead),
            access(accessed!("in {FUNC}", "[a-z-]+", "Write"), Kind::KasanWrite),
            Variant {
                skip: &[FREE],
                ..variant(
                    r"BUG: KASAN: double-free in {FUNC}",
                    "KASAN: invalid-free in {func}",
                    DOUBLE_FREE,
                    Kind::KasanInvalidFree,
                    KASAN,
                )
            },
            Variant {
                skip: &[FREE],
                ..variant(
                    r"BUG: KASAN: (?:double-free or )?invalid-free in {FUNC}",
                    "KASAN: invalid-free in {func}",
                    INVALID_FREE,
                    Kind::KasanInvalidFree,
                    KASAN,
                )
            },
            Variant {
                stack: Stack::Needed,
                ..variant(
                    accessed!("on address", "null-ptr-deref", "Read"),
                    "KASAN: {what} {access}",
                    &[],
                    Kind::KasanNullRead,
                    Blame::Nobody,
                )
            },
            Variant {
                stack: Stack::Needed,
                ..variant(
                    accessed!("on address", "[a-z-]+", "Read"),
                    "KASAN: {what} {access}",
                    &[],
                    Kind::KasanRead,
                    Blame::Nobody,
                )
            },
            Variant {
                stack: Stack::Needed,
                ..variant(
                    accessed!("on address", "[a-z-]+", "Write"),
                    "KASAN: {what} {access}",
                    &[],
                    Kind::KasanWrite,
                    Blame::Nobody,
                )
            },
            Variant {
                corrupt: "the report does not say what was accessed",
                ..variant("", "KASAN: {rest}", &[], Kind::KasanRead, Blame::Nobody)
            },
        ],
    },
    // What is left of the reports of KASAN's first years, and of SLUB's, when their header is lost.
    Format {
        header: r"^INFO: (?P<rest>(?:Freed|Allocated) in .*)",
        ends: Ends::Open,
        variants: &[Variant {
            corrupt: "the header of the report is missing",
            ..variant("", "INFO: {rest}", &[], Kind::Unknown, Blame::Nobody)
        }],
    },
    Format {
        header: r"BUG: KFENCE: (?P<what>[a-z -]+?) in\b",
        ends: Ends::Ruler,
        variants: &[
            kfence(
                "KFENCE: use-after-free read in",
                BAD_ACCESS,
                Kind::KfenceUseAfterFreeRead,
            ),
            kfence(
                "KFENCE: use-after-free write in",
                BAD_ACCESS,
                Kind::KfenceUseAfterFreeWrite,
            ),
            kfence("KFENCE: [a-z -]+ read in", BAD_ACCESS, Kind::KfenceRead),
            kfence("KFENCE: [a-z -]+ write in", BAD_ACCESS, Kind::KfenceWrite),
            kfence(
                "KFENCE: invalid free in",
                INVALID_FREE,
                Kind::KfenceInvalidFree,
            ),
            kfence("", &[], Kind::KfenceMemoryCorruption),
        ],
    },
    Format {
        header: r"BUG: KMSAN: (?P<what>[a-z-]+) in\b",
        ends: Ends::Ruler,
        variants: &[
            Variant {
                skip: &["alloc_skb"],
                stack: Stack::Optional,
                ..variant(
                    "KMSAN: kernel-usb-infoleak in",
                    "KMSAN: {what} in {func}",
                    &[],
                    Kind::KmsanInfoLeak,
                    KMSAN,
                )
            },
            Variant {
                skip: &["alloc_skb"],
                stack: Stack::Optional,
                ..variant(
                    "KMSAN: [a-z-]*infoleak",
                    "KMSAN: {what} in {func}",
                    BAD_ACCESS,
                    Kind::KmsanInfoLeak,
                    KMSAN,
                )
            },
            Variant {
                skip: &["alloc_skb"],
                stack: Stack::Optional,
                ..variant(
                    "",
                    "KMSAN: {what} in {func}",
                    BAD_ACCESS,
                    Kind::KmsanUninitValue,
                    KMSAN,
                )
            },
        ],
    },
    Format {
        header: r"BUG: KCSAN: (?P<rest>.*)",
        ends: Ends::Ruler,
        variants: &[
            variant(
                "KCSAN: assert",
                "KCSAN: {rest}",
                &[],
                Kind::KcsanAssert,
                Blame::Nobody,
            ),
            variant("", "KCSAN: {rest}", &[], Kind::KcsanDataRace, Blame::Nobody),
        ],
    },
    Format {
        // Who looks for leaks announces each object of the detector's list; the list alone does not.
        header: r"BUG: memory leak|unreferenced object .*\(size \d+\)",
        ends: Ends::Next,
        variants: &[Variant {
            // Who allocates for others says so, as a rule; the leak is the caller's.
            skip: &[
                "alloc",
                // nodes of trees, and chunks of what each CPU has
                "^idr_|^pcpu_|^radix_tree_|^xa_|^xas_",
                // the detector's own
                "create_object|kmemleak",
            ],
            ..variant(
                "",
                "memory leak in {func}",
                &[],
                Kind::Leak,
                Blame::First(&[&[Line("backtrace"), Frames]]),
            )
        }],
    },
    Format {
        header: r"UBSAN: (?P<what>.*?) in ",
        ends: Ends::Ruler,
        variants: &[
            Variant {
                alt: BAD_ACCESS,
                ..undefined(
                    "UBSAN: array-index-out-of-bounds",
                    "UBSAN: {what} in {func}",
                    Kind::MemorySafetyUbsan,
                )
            },
            undefined(
                "UBSAN: Undefined behaviour",
                "UBSAN: undefined-behaviour in {func}",
                Kind::Ubsan,
            ),
            undefined("", "UBSAN: {what} in {func}", Kind::Ubsan),
        ],
    },
];
