// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of crash formats.
//!
//! A line that matches a [`Format`]'s `header` begins a report. The first of its
//! [`Variant`]s whose `when` matches somewhere in the report gives title and kind.
//! Templates take named captures of both patterns, and `{func}` for the guilty function.
//! A new crash is a row here; the engine knows none of them.

use super::Kind;

/// How a sort of crash report looks.
pub(super) struct Format {
    /// Pattern of the line that begins it.
    pub(super) header: &'static str,
    /// What it is, by its details.
    pub(super) variants: &'static [Variant],
    /// How its end is known.
    pub(super) ends: Ends,
}

/// How the end of a report is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// `---[ end trace` ends it.
    EndTrace,
    /// A line of `=` ends it, and without that line it was cut short.
    Ruler,
    /// Nothing marks it: the next report, a pause, or another message does.
    Open,
}

/// Title and kind of a crash.
pub(super) struct Variant {
    /// Pattern searched in the report; empty always matches.
    pub(super) when: &'static str,
    pub(super) title: &'static str,
    /// Further titles.
    pub(super) alt: &'static [&'static str],
    pub(super) kind: Kind,
    pub(super) blame: Blame,
    /// Patterns of functions that report this crash and are never to blame for it.
    pub(super) skip: &'static [&'static str],
    /// Why a report of this look cannot be whole; empty when it can.
    pub(super) corrupt: &'static str,
}

/// Where the guilty function is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// The title names none.
    Nobody,
    /// The header names it, and a stack must follow.
    Header,
    /// The first frame of the crash stack that does not merely report.
    Trace,
    /// The first place that a line of the report says a lock is taken at, or as `Trace`.
    Locks,
    /// As `Trace`, past the handling of the exception that interrupted the culprit.
    Interrupted,
    /// The handler that ran for too long: the first frame that a generic dispatcher called.
    Stalled,
}

const fn variant(
    when: &'static str,
    title: &'static str,
    alt: &'static [&'static str],
    kind: Kind,
    blame: Blame,
) -> Variant {
    Variant {
        when,
        title,
        alt,
        kind,
        blame,
        skip: &[],
        corrupt: "",
    }
}

const BAD_ACCESS: &[&str] = &["bad-access in {func}"];
const INVALID_FREE: &[&str] = &["invalid-free in {func}"];
const STALL: &[&str] = &["stall in {func}"];
const HANG: &[&str] = &["hang in {func}"];
const OVERFLOW: &[&str] = &["stack-overflow in {func}"];

const LOCKING: &[&str] = &[
    "__might_.*",
    "lock.*",
    ".*_lock.*",
    "mutex_.*",
    "down_.*",
    "__down.*",
];

/// Every format, most telling first: the first row that matches a line takes it.
pub(super) static FORMATS: &[Format] = &[
    Format {
        header: r"BUG: KASAN: (?P<what>[a-z-]+)(?: or [a-z-]+)? (?:in|on)\b",
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
                "KASAN: {what} in {func}",
                INVALID_FREE,
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
                    r"BUG: KASAN: \S+ (?:in|on) {FUNC}",
                    "KASAN: {what} in {func}",
                    &[],
                    Kind::KasanRead,
                    Blame::Header,
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
        header: r"^BUG: memory leak",
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
        header: r"^(?:Oops: )?general protection fault(?:,|:)",
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
        header: r"^(?:Oops: )?divide error: ",
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
                r"at mm/(?:slab_common|slub|slab|page_alloc|util)\.c:\d+ (?:k.?malloc|__alloc_pages|kvmalloc|__kmalloc|___kmalloc)",
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
        header: r"^(?:WARNING|INFO): possible (?:circular locking dependency|recursive locking|irq lock inversion)|^WARNING: (?:HARDIRQ|SOFTIRQ)\S* -> (?:HARDIRQ|SOFTIRQ)\S* |\[ INFO: possible (?:circular|recursive|irq)",
        ends: Ends::Open,
        variants: &[Variant {
            skip: LOCKING,
            ..variant(
                "",
                "possible deadlock in {func}",
                &[],
                Kind::Lockdep,
                Blame::Locks,
            )
        }],
    },
    Format {
        header: r"^(?:WARNING|\[ INFO): inconsistent lock state|^inconsistent lock state",
        ends: Ends::Open,
        variants: &[Variant {
            skip: LOCKING,
            ..variant(
                "",
                "inconsistent lock state in {func}",
                &[],
                Kind::Lockdep,
                Blame::Trace,
            )
        }],
    },
    Format {
        header: r"^(?P<level>WARNING|INFO|\[ INFO): suspicious RCU usage",
        ends: Ends::Open,
        variants: &[
            Variant {
                skip: &["lockdep_.*"],
                ..variant(
                    r"\[ INFO: suspicious",
                    "INFO: suspicious RCU usage in {func}",
                    &[],
                    Kind::Unknown,
                    Blame::Trace,
                )
            },
            Variant {
                skip: &["lockdep_.*"],
                ..variant(
                    r"suspicious RCU usage(?:\n[^\n]*){0,6}?\n[^\n]*(?:suspicious|RCU used illegally|rcu_|Illegal)",
                    "WARNING: suspicious RCU usage in {func}",
                    &[],
                    Kind::Lockdep,
                    Blame::Trace,
                )
            },
            Variant {
                corrupt: "the report does not say what was used",
                ..variant(
                    "",
                    "WARNING: suspicious RCU usage",
                    &[],
                    Kind::Warning,
                    Blame::Nobody,
                )
            },
        ],
    },
    Format {
        header: r"(?P<level>WARNING|BUG): (?P<what>bad unlock balance|held lock freed|still has locks held|lock held when returning to user space|locking bug|Nested lock was not taken)(?: detected)?!?",
        ends: Ends::Open,
        variants: &[
            variant(
                "lock held when returning",
                "{level}: {what} in {func}",
                &[],
                Kind::Unknown,
                Blame::Trace,
            ),
            variant(
                "",
                "{level}: {what} in {func}",
                &[],
                Kind::Lockdep,
                Blame::Trace,
            ),
        ],
    },
    Format {
        header: r"INFO: trying to register non-static key",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "INFO: trying to register non-static key in {func}",
            &[],
            Kind::Unknown,
            Blame::Trace,
        )],
    },
    Format {
        header: r"BUG: spinlock (?P<what>bad magic|recursion|lockup suspected|already unlocked|wrong CPU|wrong owner)",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "BUG: spinlock {what} in {func}",
            &[],
            Kind::Lockdep,
            Blame::Trace,
        )],
    },
    Format {
        header: r"BUG: sleeping function called from invalid context",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "BUG: sleeping function called from invalid context in {func}",
            &[],
            Kind::AtomicSleep,
            Blame::Trace,
        )],
    },
    Format {
        header: r"BUG: scheduling while atomic",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "BUG: scheduling while atomic in {func}",
            &[],
            Kind::AtomicSleep,
            Blame::Trace,
        )],
    },
    Format {
        header: r"BUG: using (?P<what>[a-z_]+\(\)) in preemptible",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "BUG: using {what} in preemptible code in {func}",
            &[],
            Kind::Lockdep,
            Blame::Trace,
        )],
    },
    Format {
        header: r"BUG: workqueue leaked lock or atomic",
        ends: Ends::Open,
        variants: &[Variant {
            skip: &[
                "process_one_work",
                "worker_thread",
                "kthread",
                "ret_from_fork.*",
            ],
            ..variant(
                r"last function: {FUNC}",
                "BUG: workqueue leaked lock or atomic in {func}",
                &[],
                Kind::Unknown,
                Blame::Header,
            )
        }],
    },
    Format {
        header: r"BUG: workqueue lockup",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "BUG: workqueue lockup",
            &[],
            Kind::Unknown,
            Blame::Nobody,
        )],
    },
    Format {
        header: r"INFO: task (?P<task>.{1,32}?):(?P<pid>\d+) blocked for more than \d+ seconds",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "INFO: task hung in {func}",
            HANG,
            Kind::Hang,
            Blame::Trace,
        )],
    },
    Format {
        header: r"INFO: task (?P<task>.{1,32}?):(?P<pid>\d+) can't die for more than \d+ seconds",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "INFO: task can't die in {func}",
            HANG,
            Kind::Hang,
            Blame::Trace,
        )],
    },
    Format {
        header: r"BUG: soft lockup - CPU#(?P<cpu>\d+) stuck for \d+s!(?: \[(?P<task>.{1,32}?):(?P<pid>\d+)\])?",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "BUG: soft lockup in {func}",
            STALL,
            Kind::Hang,
            Blame::Stalled,
        )],
    },
    Format {
        header: r"[Ww]atchdog detected hard LOCKUP on cpu (?P<cpu>\d+)|Watchdog detected hard LOCKUP on cpu",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "BUG: hard lockup in {func}",
            STALL,
            Kind::Hang,
            Blame::Stalled,
        )],
    },
    Format {
        header: r"INFO: rcu_[a-z]+ (?:self-)?detected (?:expedited )?stalls? on|INFO: rcu_[a-z]+ detected expedited stalls",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "INFO: rcu detected stall in {func}",
            STALL,
            Kind::Hang,
            Blame::Stalled,
        )],
    },
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
        header: r"BUG: MAX_STACK_TRACE_ENTRIES too low!",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "BUG: MAX_STACK_TRACE_ENTRIES too low!",
            &[],
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
    Format {
        header: r"^WARNING: kernel stack (?P<what>regs|frame pointer) (?:at \S+ )?in \S+ has bad (?P<register>'bp' )?value",
        ends: Ends::Open,
        variants: &[
            variant(
                "has bad 'bp' value",
                "WARNING: kernel stack {what} has bad 'bp' value",
                &[],
                Kind::Warning,
                Blame::Nobody,
            ),
            variant(
                "",
                "WARNING: kernel stack {what} has bad value",
                &[],
                Kind::Warning,
                Blame::Nobody,
            ),
        ],
    },
    // A panic on its own; one that follows a report only marks that report.
    Format {
        header: r"Kernel panic - not syncing: (?P<what>.*)",
        ends: Ends::Open,
        variants: &[
            variant(
                "corrupted stack end detected",
                "kernel panic: corrupted stack end in {func}",
                OVERFLOW,
                Kind::Dos,
                Blame::Stalled,
            ),
            variant(
                r"stack-protector: Kernel stack is corrupted in: {FUNC}",
                "kernel panic: stack is corrupted in {func}",
                &[],
                Kind::Dos,
                Blame::Header,
            ),
            variant(
                "not syncing: (?:System is deadlocked on memory|Out of memory)",
                "kernel panic: {what}",
                &[],
                Kind::Dos,
                Blame::Nobody,
            ),
            Variant {
                corrupt: "the report that led to the panic is not in the log",
                ..variant(
                    "not syncing: (?:Fatal exception|panic_on_warn|kasan|hung_task|softlockup|hardlockup)",
                    "kernel panic: {what}",
                    &[],
                    Kind::Dos,
                    Blame::Nobody,
                )
            },
            variant("", "kernel panic: {what}", &[], Kind::Dos, Blame::Nobody),
        ],
    },
];

/// Lines that print a stack although nothing crashed.
pub(super) static NOISE: &[&str] = &[
    r"^FAULT_INJECTION: forcing a failure",
    r"^sysrq: ",
    r"(?:page allocation failure|invoked oom-killer)",
    r"^CPU: \d+ (?:UID: \d+ )?PID: \d+ Comm: .*(?:FAULT_INJECTION)",
];
