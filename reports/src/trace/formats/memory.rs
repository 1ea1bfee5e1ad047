// SPDX-License-Identifier: GPL-2.0-or-later
//! Consistency checks of pages, slabs and inodes.

use super::{Blame, Ends, Format, Variant, variant};
use crate::trace::Kind;

pub(super) static FORMATS: &[Format] = &[
    Format {
        header: r"BUG: Bad page state in process",
        ends: Ends::Open,
        variants: &[Variant {
            skip: &[
                "bad_page",
                "free_.*",
                "__free_.*",
                "release_pages",
                ".*_pages_ok",
                "put_page.*",
                "__put_.*",
                "__folio_put.*",
                "folios_put.*",
                ".*page_bad.*",
                "check_new_page.*",
                "get_page_from_freelist",
                "rmqueue.*",
                "prep_new_page",
                "__alloc_pages.*",
                "alloc_pages.*",
                "folio_alloc.*",
                "vma_alloc.*",
                "page_to_skb",
                "page_frag_.*",
                "skb_.*",
            ],
            ..variant(
                "",
                "BUG: Bad page state in {func}",
                &[],
                Kind::Unknown,
                Blame::Trace,
            )
        }],
    },
    Format {
        header: r"BUG: Bad page map in process",
        ends: Ends::Open,
        variants: &[Variant {
            skip: &["print_bad_pte", "vm_normal_.*"],
            ..variant(
                "",
                "BUG: Bad page map in {func}",
                &[],
                Kind::Unknown,
                Blame::Trace,
            )
        }],
    },
    Format {
        header: r"BUG: Bad rss-counter state",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "BUG: Bad rss-counter state",
            &[],
            Kind::Unknown,
            Blame::Nobody,
        )],
    },
    Format {
        header: r"^BUG: non-zero pgtables_bytes on freeing mm",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "BUG: non-zero pgtables_bytes on freeing mm",
            &[],
            Kind::Unknown,
            Blame::Nobody,
        )],
    },
    // SLUB's consistency checks: `BUG cache (taint): what`.
    Format {
        header: r"^BUG (?P<cache>[A-Za-z0-9_-]+) ?(?:\([^)]*\))?: (?P<what>[A-Z][A-Za-z -]+)",
        ends: Ends::Open,
        variants: &[
            Variant {
                corrupt: "the report has no stack",
                ..variant(
                    "Object already free",
                    "BUG: Object already free",
                    &[],
                    Kind::Dos,
                    Blame::Nobody,
                )
            },
            variant(
                "",
                "BUG: slab corruption: {what} in {func}",
                &[],
                Kind::MemorySafetyBug,
                Blame::Trace,
            ),
        ],
    },
    Format {
        header: r"BUG: Dentry .* still in use",
        ends: Ends::EndTrace,
        variants: &[variant(
            r"still in use[^\[\n]*(?P<what>\[unmount of [a-z0-9 ]+\])",
            "BUG: Dentry still in use in unmount",
            &["BUG: Dentry still in use {what}"],
            Kind::Unknown,
            Blame::Nobody,
        )],
    },
    Format {
        header: r"VFS: Busy inodes after unmount",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "VFS: Busy inodes after unmount (use-after-free)",
            &[],
            Kind::Dos,
            Blame::Nobody,
        )],
    },
];
