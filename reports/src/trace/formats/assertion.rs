// SPDX-License-Identifier: GPL-2.0-or-later
//! Assertions of the kernel: BUG, WARN and their special cases.

use super::{BAD_ACCESS, Blame, Ends, Format, variant};
use crate::trace::Kind;

pub(super) static FORMATS: &[Format] = &[
    Format {
        header: r"^kernel BUG at (?P<file>[^ :]+):\d+",
        ends: Ends::EndTrace,
        variants: &[
            variant(
                r"kernel BUG at lib/list_debug\.c",
                "BUG: corrupted list in {func}",
                BAD_ACCESS,
                Kind::MemorySafetyBug,
                Blame::Interrupted,
            ),
            variant(
                r"kernel BUG at mm/usercopy\.c",
                "BUG: bad usercopy in {func}",
                &[],
                Kind::Bug,
                Blame::Interrupted,
            ),
            variant(
                "",
                "kernel BUG in {func}",
                &[],
                Kind::Bug,
                Blame::Interrupted,
            ),
        ],
    },
    Format {
        header: r"WARNING: (?:CPU: \d+ )?(?:PID: \d+ )?at (?P<file>[^ :]+):\d+(?: (?:at )?{FUNC})?|^WARNING: [^ :]+\.[ch]:\d+ at [^ ,]+, CPU#\d+: ",
        ends: Ends::EndTrace,
        variants: &[
            variant(
                r"WARNING: (?:.* at )?lib/refcount\.c:",
                "WARNING: refcount bug in {func}",
                &[],
                Kind::RefcountWarning,
                Blame::Interrupted,
            ),
            variant(
                r"WARNING: (?:.* at )?lib/debugobjects\.c:",
                "WARNING: ODEBUG bug in {func}",
                &[],
                Kind::Warning,
                Blame::Interrupted,
            ),
            variant(
                r"WARNING: (?:.* at )?lib/kobject\.c:",
                "WARNING: kobject bug in {func}",
                &[],
                Kind::Warning,
                Blame::Interrupted,
            ),
            variant(
                r"WARNING: (?:.* at )?kernel/locking/lockdep\.c:",
                "WARNING: locking bug in {func}",
                &[],
                Kind::Lockdep,
                Blame::Interrupted,
            ),
            variant(
                r"WARNING: (?:.* at )?lib/list_debug\.c:",
                "BUG: corrupted list in {func}",
                BAD_ACCESS,
                Kind::MemorySafetyBug,
                Blame::Interrupted,
            ),
            variant(
                r"at mm/(?:slab_common|slub|slab|page_alloc|util)\.c:\d+ (?:k.?malloc|kvmalloc|__kmalloc|___kmalloc)",
                "WARNING: kmalloc bug in {func}",
                &[],
                Kind::Warning,
                Blame::Interrupted,
            ),
            variant(
                r"at mm/vmalloc\.c:\d+ __vmalloc_node_range",
                "WARNING: zero-size vmalloc in {func}",
                &[],
                Kind::Warning,
                Blame::Interrupted,
            ),
            // The lock's owner is to blame, not the lock's own check.
            variant(
                r"at kernel/locking/(?:rwsem|mutex)\.c:\d+ {FUNC}",
                "WARNING in {func}",
                &["WARNING in {named}"],
                Kind::Warning,
                Blame::Interrupted,
            ),
            variant("", "WARNING in {func}", &[], Kind::Warning, Blame::Header),
        ],
    },
    Format {
        header: r"^WARNING: kernel stack (?P<what>regs|frame pointer) (?:at \S+ )?in \S+ has bad (?P<register>'bp' )?value",
        ends: Ends::Open,
        variants: &[
            variant(
                "has bad 'bp' value",
                "WARNING: kernel stack {what} has bad 'bp' value",
                &[],
                Kind::Unknown,
                Blame::Nobody,
            ),
            variant(
                "",
                "WARNING: kernel stack {what} has bad value",
                &[],
                Kind::Unknown,
                Blame::Nobody,
            ),
        ],
    },
];
