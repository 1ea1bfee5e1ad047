// SPDX-License-Identifier: GPL-2.0-or-later
//! What sanitizers and leak detectors report.

use super::{BAD_ACCESS, Blame, Ends, Format, Frames, Line, Stack, Trace, Variant, variant};
use crate::trace::Kind;

const INVALID_FREE: &[&str] = &["invalid-free in {func}"];
const DOUBLE_FREE: &[&str] = &["invalid-free in {func}", "KASAN: double-free in {func}"];

// The header names the function that the access was compiled into: first of all suspects.
const KASAN: Blame = Blame::First(&[&[Line(r"BUG: KASAN: .*? in {FUNC}"), Trace, Frames]]);
const KFENCE: Blame = Blame::First(&[&[Line(r"BUG: KFENCE: .*? in {FUNC}"), Frames]]);
// KMSAN prints its stack without a heading.
const KMSAN: Blame = Blame::First(&[&[Frames]]);

// Hardware tags are checked by the processor: the report comes from its exception.
const TAGGED: &[&str] = &["kernel_fault", "tag_check", "mem_abort", "^el1_", "^el1h_"];

/// An access that KASAN forbids: `title` is filled with what it was and its direction.
const fn access(when: &'static str, kind: Kind) -> Variant {
    Variant {
        skip: TAGGED,
        ..variant(
            when,
            "KASAN: {what} {access} in {func}",
            BAD_ACCESS,
            kind,
            KASAN,
        )
    }
}

const fn kfence(when: &'static str, alt: &'static [&'static str], kind: Kind) -> Variant {
    Variant {
        stack: Stack::Optional,
        ..variant(when, "KFENCE: {what} in {func}", alt, kind, KFENCE)
    }
}

const fn undefined(when: &'static str, title: &'static str, kind: Kind) -> Variant {
    Variant {
        skip: &["ubsan", "overflow"],
        ..variant(when, title, &[], kind, Blame::Trace)
    }
}

pub(super) static FORMATS: &[Format] = &[
    Format {
        header: r"BUG: KASAN: (?P<rest>.*)",
        ends: Ends::Ruler,
        variants: &[
            access(
                r"BUG: KASAN: (?P<what>[a-z-]*use-after-free) in {FUNC}(?:.*\n)+?.*(?P<access>Read) (?:of size|at addr) [0-9a-f]",
                Kind::KasanUseAfterFreeRead,
            ),
            access(
                r"BUG: KASAN: (?P<what>[a-z-]*use-after-free) in {FUNC}(?:.*\n)+?.*(?P<access>Write) (?:of size|at addr) [0-9a-f]",
                Kind::KasanUseAfterFreeWrite,
            ),
            access(
                r"BUG: KASAN: (?P<what>null-ptr-deref) in {FUNC}(?:.*\n)+?.*(?P<access>Read) (?:of size|at addr) [0-9a-f]",
                Kind::KasanNullRead,
            ),
            access(
                r"BUG: KASAN: (?P<what>null-ptr-deref) in {FUNC}(?:.*\n)+?.*(?P<access>Write) (?:of size|at addr) [0-9a-f]",
                Kind::KasanNullWrite,
            ),
            access(
                r"BUG: KASAN: (?P<what>[a-z-]+) in {FUNC}(?:.*\n)+?.*(?P<access>Read) (?:of size|at addr) [0-9a-f]",
                Kind::KasanRead,
            ),
            access(
                r"BUG: KASAN: (?P<what>[a-z-]+) in {FUNC}(?:.*\n)+?.*(?P<access>Write) (?:of size|at addr) [0-9a-f]",
                Kind::KasanWrite,
            ),
            Variant {
                skip: &["slab_", "kfree", "vunmap", "vfree"],
                ..variant(
                    r"BUG: KASAN: double-free in {FUNC}",
                    "KASAN: invalid-free in {func}",
                    DOUBLE_FREE,
                    Kind::KasanInvalidFree,
                    KASAN,
                )
            },
            Variant {
                skip: &["slab_", "kfree", "vunmap", "vfree"],
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
                    r"BUG: KASAN: (?P<what>null-ptr-deref) on address(?:.*\n)+?.*(?P<access>Read) of size [0-9]+",
                    "KASAN: {what} {access}",
                    &[],
                    Kind::KasanNullRead,
                    Blame::Nobody,
                )
            },
            Variant {
                stack: Stack::Needed,
                ..variant(
                    r"BUG: KASAN: (?P<what>[a-z-]+) on address(?:.*\n)+?.*(?P<access>Read) of size [0-9]+",
                    "KASAN: {what} {access}",
                    &[],
                    Kind::KasanRead,
                    Blame::Nobody,
                )
            },
            Variant {
                stack: Stack::Needed,
                ..variant(
                    r"BUG: KASAN: (?P<what>[a-z-]+) on address(?:.*\n)+?.*(?P<access>Write) of size [0-9]+",
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
                skip: &[
                    "alloc_skb",
                    "usb_(?:submit_urb|start_wait_urb|bulk_msg|interrupt_msg|control_msg)",
                ],
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
                skip: &["alloc_skb", "netlink_ack", "netlink_rcv_skb"],
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
                skip: &["alloc_skb", "netlink_ack", "netlink_rcv_skb"],
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
        header: r"BUG: memory leak",
        ends: Ends::Next,
        variants: &[Variant {
            // What allocates for others has many names; the leak is the caller's.
            skip: &[
                "kmemleak",
                "mmap",
                "kmem",
                "slab",
                "alloc",
                "create_object",
                "idr_get",
                "list_lru_init",
                "kv?asprintf",
                "pcpu_create",
                "strn?dup",
                "memdup",
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
