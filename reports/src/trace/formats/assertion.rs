// SPDX-License-Identifier: GPL-2.0-or-later
//! Assertions of the kernel: BUG, WARN and their special cases.

use super::{
    BAD_ACCESS, Blame, Ends, FREE, Format, Frames, Path, Register, SOCKET_LOCK, Stack, Trace,
    Variant, variant,
};
use crate::trace::Kind;

// A warning that traps prints the program counter above its stack, or within it; one that does
// not has a stack only.
const WARNED: &[Path] = &[&[Register, Frames], &[Trace, Frames]];

// What debug objects track, and who ends the life of the memory that it lies in.
const TRACKED: &[&str] = &[
    "^_*debug_",
    "call_rcu|kfree_rcu|rcu_head",
    "percpu_counter_",
    "timer_",
    "^_*init_work|work_",
    FREE,
];

const fn warning(
    when: &'static str,
    title: &'static str,
    skip: &'static [&'static str],
) -> Variant {
    Variant {
        skip,
        ..variant(when, title, &[], Kind::Warning, Blame::First(WARNED))
    }
}

pub(super) static FORMATS: &[Format] = &[
    Format {
        header: r"kernel BUG at (?P<file>[^ :]+):\d+",
        ends: Ends::EndTrace,
        variants: &[
            variant(
                r"kernel BUG at \S*lib/list_debug\.c",
                "BUG: corrupted list in {func}",
                BAD_ACCESS,
                Kind::MemorySafetyBug,
                Blame::Trace,
            ),
            variant(
                r"kernel BUG at \S*mm/usercopy\.c",
                "BUG: bad usercopy in {func}",
                &[],
                Kind::Bug,
                Blame::Trace,
            ),
            Variant {
                // What grows and shrinks a socket buffer asserts what its caller must know.
                skip: &["^skb_(?:(?:over|under)_)?panic$|^skb_(?:pull|push|put|trim)"],
                ..variant(
                    "",
                    "kernel BUG in {func}",
                    &[],
                    Kind::Bug,
                    Blame::Interrupted,
                )
            },
        ],
    },
    Format {
        // The place comes first, or who met it; since 6.18 the condition may come before the place.
        header: r"WARNING: (?:(?:CPU: \d+ )?(?:PID: \d+ )?at )?(?:\[.*\] )?(?P<file>[^ :]+\.(?:[chS]|rs)):\d+(?: (?:at )?{FUNC})?",
        ends: Ends::EndTrace,
        variants: &[
            // Debug objects: whoever frees or starts an object that is in use, past all the
            // life that timers, work and reference counts bring with them.
            warning(
                r"WARNING: (?:.* )?\S*lib/debugobjects\.c:",
                "WARNING: ODEBUG bug in {func}",
                TRACKED,
            ),
            warning(
                r"WARNING: (?:.* )?\S*mm/usercopy\.c:",
                "WARNING: bad usercopy in {func}",
                &[],
            ),
            warning(
                r"WARNING: (?:.* )?\S*lib/kobject\.c:",
                "WARNING: kobject bug in {func}",
                &[],
            ),
            warning(
                r"WARNING: (?:.* )?\S*fs/proc/generic\.c:.* proc_register",
                "WARNING: proc registration bug in {func}",
                &["^_*proc_(?:create|mkdir|register|symlink)"],
            ),
            Variant {
                kind: Kind::RefcountWarning,
                ..warning(
                    r"WARNING: (?:.* )?\S*lib/refcount\.c:",
                    "WARNING: refcount bug in {func}",
                    &[],
                )
            },
            Variant {
                kind: Kind::Lockdep,
                ..warning(
                    r"WARNING: (?:.* )?\S*kernel/locking/lockdep\.c:",
                    "WARNING: locking bug in {func}",
                    SOCKET_LOCK,
                )
            },
            Variant {
                alt: BAD_ACCESS,
                kind: Kind::MemorySafetyBug,
                ..warning(
                    r"WARNING: (?:.* )?\S*lib/list_debug\.c:",
                    "BUG: corrupted list in {func}",
                    &[],
                )
            },
            warning(
                r"WARNING: .*\bmm/[a-z_/]+\.c.* (?:k?.?malloc|krealloc)",
                "WARNING: kmalloc bug in {func}",
                &[],
            ),
            warning(
                r"WARNING: .*\bmm/vmalloc\.c.*__vmalloc_node",
                "WARNING: zero-size vmalloc in {func}",
                &[],
            ),
            warning(
                r"WARNING: .* usb_submit_urb",
                "WARNING in {func}/usb_submit_urb",
                &[],
            ),
            // The lock's owner is to blame, not the lock's own check.
            Variant {
                alt: &["WARNING in {named}"],
                ..warning(
                    r"WARNING: .*\bkernel/locking/(?:rwsem|mutex)\.c:\d+",
                    "WARNING in {func}",
                    &[],
                )
            },
            warning("", "WARNING in {func}", &[]),
        ],
    },
    // Rust's panic comes before the trap that it ends in.
    Format {
        header: r"rust_kernel: panicked at (?:'(?P<what>.*)', )?(?P<file>[^ :]+):\d+:\d+",
        ends: Ends::EndTrace,
        variants: &[
            variant(
                r"panicked at '",
                "{what} in {func}",
                &[],
                Kind::Unknown,
                Blame::Interrupted,
            ),
            variant(
                r"panicked at .*\n(?P<what>.+)",
                "{what} in {func}",
                &[],
                Kind::Unknown,
                Blame::Interrupted,
            ),
        ],
    },
    Format {
        header: r"WARNING: kernel stack (?P<what>regs|frame pointer) (?:at +\S+ )?in +\S+ has bad (?P<register>'[a-z0-9]+' )?value",
        ends: Ends::Open,
        variants: &[
            variant(
                "regs at +[0-9a-f]+ in .*has bad '(?P<register>[a-z0-9]+)' value",
                "WARNING: kernel stack regs has bad '{register}' value",
                &[],
                Kind::Unknown,
                Blame::Nobody,
            ),
            variant(
                "frame pointer at +[0-9a-f]+ in",
                "WARNING: kernel stack frame pointer has bad value",
                &[],
                Kind::Unknown,
                Blame::Nobody,
            ),
            variant(
                "",
                "WARNING: kernel stack regs has bad value",
                &[],
                Kind::Unknown,
                Blame::Nobody,
            ),
        ],
    },
];

/// What the kernel warns of in words of its own.
pub(super) static OTHERS: &[Format] = &[
    Format {
        header: r"^Kernel BUG (?P<what>.*)",
        ends: Ends::EndTrace,
        variants: &[Variant {
            stack: Stack::Needed,
            ..variant("", "kernel BUG {what}", &[], Kind::Bug, Blame::Nobody)
        }],
    },
    Format {
        header: r"VFS: Close: file count is (?:0|zero)",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "VFS: Close: file count is zero (use-after-free)",
            &[],
            Kind::Dos,
            Blame::Nobody,
        )],
    },
    // Another writer has cut the line off behind its first word.
    Format {
        header: r"^(?P<word>BUG|WARNING|INFO):\s*$",
        ends: Ends::EndTrace,
        variants: &[Variant {
            corrupt: "the line that says what happened is cut",
            ..variant("", "{word}: corrupted", &[], Kind::Unknown, Blame::Nobody)
        }],
    },
];

/// The same, in words that no other row knows.
pub(super) static IN_WORDS: &[Format] = &[
    Format {
        header: r"^WARNING: (?P<what>\S.*)",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "WARNING: {what}",
            &[],
            Kind::Warning,
            Blame::Nobody,
        )],
    },
    Format {
        header: r"^BUG: (?P<what>\S.*)",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "BUG: {what}",
            &[],
            Kind::Unknown,
            Blame::Nobody,
        )],
    },
];
