// SPDX-License-Identifier: GPL-2.0-or-later
//! What sanitizers and leak detectors report.

use super::{BAD_ACCESS, Blame, Ends, Format, Variant, variant};
use crate::trace::Kind;

const INVALID_FREE: &[&str] = &["invalid-free in {func}"];
const DOUBLE_FREE: &[&str] = &["invalid-free in {func}", "KASAN: double-free in {func}"];

pub(super) static FORMATS: &[Format] = &[
    Format {
        header: r"BUG: KASAN: (?P<what>[a-z-]+)(?: or [a-z-]+)? (?:in {FUNC}|in\b|on\b)",
        ends: Ends::Ruler,
        variants: &[
            variant(
                r"BUG: KASAN: (?:double-free or )?invalid-free ",
                "KASAN: invalid-free in {func}",
                INVALID_FREE,
                Kind::KasanInvalidFree,
                Blame::Trace,
            ),
            variant(
                r"(?m)^BUG: KASAN: double-free |^Free of addr ",
                "KASAN: invalid-free in {func}",
                DOUBLE_FREE,
                Kind::KasanInvalidFree,
                Blame::Trace,
            ),
            variant(
                r"use-after-free [^\n]*(?:\n[^\n]*){1,8}?(?P<access>Read) of size",
                "KASAN: {what} {access} in {func}",
                BAD_ACCESS,
                Kind::KasanUseAfterFreeRead,
                Blame::Trace,
            ),
            variant(
                r"use-after-free [^\n]*(?:\n[^\n]*){1,8}?(?P<access>Write) of size",
                "KASAN: {what} {access} in {func}",
                BAD_ACCESS,
                Kind::KasanUseAfterFreeWrite,
                Blame::Trace,
            ),
            variant(
                r"null-ptr-deref [^\n]*(?:\n[^\n]*){1,8}?(?P<access>Read) of size",
                "KASAN: {what} {access} in {func}",
                BAD_ACCESS,
                Kind::KasanNullRead,
                Blame::Trace,
            ),
            variant(
                r"null-ptr-deref [^\n]*(?:\n[^\n]*){1,8}?(?P<access>Write) of size",
                "KASAN: {what} {access} in {func}",
                BAD_ACCESS,
                Kind::KasanNullWrite,
                Blame::Trace,
            ),
            variant(
                r"(?P<access>Read) (?:of size|at addr)",
                "KASAN: {what} {access} in {func}",
                BAD_ACCESS,
                Kind::KasanRead,
                Blame::Trace,
            ),
            variant(
                r"(?P<access>Write) (?:of size|at addr)",
                "KASAN: {what} {access} in {func}",
                BAD_ACCESS,
                Kind::KasanWrite,
                Blame::Trace,
            ),
            Variant {
                corrupt: "the report does not say what was accessed",
                ..variant(
                    r"BUG: KASAN: \S+ (?:in|on) {FUNC} at addr",
                    "KASAN: {what} in {func} at addr ADDR",
                    &[],
                    Kind::KasanRead,
                    Blame::Trace,
                )
            },
            Variant {
                corrupt: "the report does not say what was accessed",
                ..variant(
                    r"BUG: KASAN: \S+ (?:in|on) {FUNC}",
                    "KASAN: {what} in {func}",
                    &[],
                    Kind::KasanRead,
                    Blame::Trace,
                )
            },
        ],
    },
    Format {
        header: r"BUG: KFENCE: (?P<what>[a-z -]+?)(?: (?P<access>read|write))?(?: in\b|$)",
        ends: Ends::Ruler,
        variants: &[
            variant(
                "KFENCE: use-after-free read",
                "KFENCE: {what} {access} in {func}",
                BAD_ACCESS,
                Kind::KfenceUseAfterFreeRead,
                Blame::Trace,
            ),
            variant(
                "KFENCE: use-after-free write",
                "KFENCE: {what} {access} in {func}",
                BAD_ACCESS,
                Kind::KfenceUseAfterFreeWrite,
                Blame::Trace,
            ),
            variant(
                "KFENCE: [a-z -]+ read in",
                "KFENCE: {what} {access} in {func}",
                BAD_ACCESS,
                Kind::KfenceRead,
                Blame::Trace,
            ),
            variant(
                "KFENCE: [a-z -]+ write in",
                "KFENCE: {what} {access} in {func}",
                BAD_ACCESS,
                Kind::KfenceWrite,
                Blame::Trace,
            ),
            variant(
                "KFENCE: invalid free",
                "KFENCE: {what} in {func}",
                INVALID_FREE,
                Kind::KfenceInvalidFree,
                Blame::Trace,
            ),
            variant(
                "",
                "KFENCE: {what} in {func}",
                &[],
                Kind::KfenceMemoryCorruption,
                Blame::Trace,
            ),
        ],
    },
    Format {
        header: r"BUG: KMSAN: (?P<what>[a-z-]+) in\b",
        ends: Ends::Ruler,
        variants: &[
            variant(
                "KMSAN: (?:[a-z-]*infoleak)",
                "KMSAN: {what} in {func}",
                BAD_ACCESS,
                Kind::KmsanInfoLeak,
                Blame::Trace,
            ),
            variant(
                "",
                "KMSAN: {what} in {func}",
                BAD_ACCESS,
                Kind::KmsanUninitValue,
                Blame::Trace,
            ),
        ],
    },
    Format {
        header: r"BUG: KCSAN: (?P<what>[a-z-]+(?:: [a-z-]+)?) in {FUNC}",
        ends: Ends::Ruler,
        variants: &[
            variant(
                "KCSAN: assert",
                "KCSAN: {what} in {func}",
                &[],
                Kind::KcsanAssert,
                Blame::Header,
            ),
            variant(
                "",
                "KCSAN: {what} in {func}",
                &[],
                Kind::KcsanDataRace,
                Blame::Header,
            ),
        ],
    },
    Format {
        header: r"BUG: memory leak",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "memory leak in {func}",
            &[],
            Kind::Leak,
            Blame::Trace,
        )],
    },
    Format {
        header: r"UBSAN: (?P<what>[A-Za-z-]+(?: [a-z]+)*) in ",
        ends: Ends::Ruler,
        variants: &[
            variant(
                "(?i)UBSAN: array-index-out-of-bounds",
                "UBSAN: {what} in {func}",
                BAD_ACCESS,
                Kind::MemorySafetyUbsan,
                Blame::Trace,
            ),
            variant(
                "UBSAN: Undefined behaviour",
                "UBSAN: undefined-behaviour in {func}",
                &[],
                Kind::Ubsan,
                Blame::Trace,
            ),
            variant(
                "",
                "UBSAN: {what} in {func}",
                &[],
                Kind::Ubsan,
                Blame::Trace,
            ),
        ],
    },
];
