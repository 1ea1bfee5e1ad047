// SPDX-License-Identifier: GPL-2.0-or-later
//! Locking, RCU and context rules, as the kernel checks them.

use super::{Blame, Ends, Format, Variant, variant};
use crate::trace::Kind;

const LOCKING: &[&str] = &[
    "__might_.*",
    "lock.*",
    ".*_lock.*",
    "mutex_.*",
    "down_.*",
    "__down.*",
];

pub(super) static FORMATS: &[Format] = &[
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
        header: r"(?P<level>WARNING|BUG): (?:\S+/\d+ )?(?P<what>bad unlock balance|held lock freed|still has locks held|lock held when returning to user space|locking bug|Nested lock was not taken)(?: detected)?!?",
        ends: Ends::Open,
        variants: &[
            variant(
                "lock held when returning",
                "{level}: {what} in {func}",
                &[],
                Kind::Unknown,
                Blame::Locks,
            ),
            variant(
                "still has locks held",
                "{level}: {what} in {func}",
                &[],
                Kind::Lockdep,
                Blame::Locks,
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
        header: r"BUG: Invalid wait context",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "WARNING: locking bug in {func}",
            &[],
            Kind::Lockdep,
            Blame::Trace,
        )],
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
];
