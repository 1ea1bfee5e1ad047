// SPDX-License-Identifier: GPL-2.0-or-later
//! Consistency checks of pages, slabs and inodes.

use super::{Blame, Ends, Format, Variant, variant};
use crate::trace::Kind;

// Who hands pages out and takes them back is told that one is bad, and is not who made it so.
const PAGE_KEEPERS: &[&str] = &[
    "^bad_page$|.*page_is_bad.*|.*page_bad.*|^check_(?:new|free)_page.*",
    "^_*free_(?:.*pages?.*|.*folios?.*|pcppages.*|swap_cache.*|tail.*)|.*_pages_ok|^release_pages$|.*release_folio.*",
    "^_*put_.*page.*|^_*folios?_(?:put|batch).*|^__folio_.*|^_*pagevec_.*|^_*page_frag_.*|^lru_.*",
    "^get_page_from_freelist$|^_*rmqueue.*|^prep_new_page$|^_*alloc_(?:.*pages?.*|.*folio.*)|^_*folio_alloc.*|^vma_alloc.*",
    // socket buffers pass pages on
    ".*skb.*",
];

// SLUB's own checks, and what runs them.
const SLAB_KEEPERS: &[&str] = &[
    "^_*slab_.*|^__+slab_.*|^check_.*|^object_err$|^print_trailer$|^init_object$|^on_freelist$|^validate_slab.*",
    "^(?:alloc|free)_(?:debug|consistency|single|to_partial|from_pcs).*|^_*(?:get|put|unfreeze)_partial.*",
];

const fn check(when: &'static str, title: &'static str, blame: Blame) -> Variant {
    variant(when, title, &[], Kind::Unknown, blame)
}

pub(super) static FORMATS: &[Format] = &[
    Format {
        header: r"BUG: Bad page (?P<what>state|cache) in process",
        ends: Ends::Open,
        variants: &[Variant {
            skip: PAGE_KEEPERS,
            ..check("", "BUG: Bad page {what} in {func}", Blame::Trace)
        }],
    },
    // Whoever unmaps meets it, and the title does not tell who that was.
    Format {
        header: r"BUG: Bad page map in process",
        ends: Ends::Open,
        variants: &[Variant {
            skip: &["^print_bad_.*", "^_*vm_normal_.*"],
            ..check("", "BUG: Bad page map", Blame::Trace)
        }],
    },
    Format {
        header: r"BUG: Bad rss-counter state",
        ends: Ends::Open,
        variants: &[check("", "BUG: Bad rss-counter state", Blame::Nobody)],
    },
    Format {
        header: r"^BUG: non-zero (?P<what>pgtables_bytes|nr_ptes|nr_pmds) on freeing mm",
        ends: Ends::Open,
        variants: &[check(
            "",
            "BUG: non-zero {what} on freeing mm",
            Blame::Nobody,
        )],
    },
    // SLUB's consistency checks: `BUG cache (taint): what`.
    Format {
        header: r"^BUG (?P<cache>[^ (]+(?:\([^)]*\))?) ?\((?:Not tainted|Tainted: [^)]*)\): (?P<what>[A-Z][A-Za-z -]+)",
        ends: Ends::Open,
        variants: &[
            Variant {
                skip: SLAB_KEEPERS,
                kind: Kind::Dos,
                ..check(
                    "Object already free",
                    "BUG: Object already free",
                    Blame::Trace,
                )
            },
            Variant {
                skip: SLAB_KEEPERS,
                ..check(
                    "Objects remaining in ",
                    "BUG: Objects remaining in {cache} on shutdown",
                    Blame::Trace,
                )
            },
            Variant {
                skip: SLAB_KEEPERS,
                kind: Kind::MemorySafetyBug,
                ..check("", "BUG: slab corruption: {what} in {func}", Blame::Trace)
            },
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
