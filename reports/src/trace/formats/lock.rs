// SPDX-License-Identifier: GPL-2.0-or-later
//! Locking, RCU and context rules, as the kernel checks them.

use super::{
    Blame, Ends, Format, Frames, Line, SCHEDULER, SOCKET_LOCK, Stack, Trace, Variant, variant,
};
use crate::trace::Kind;

const AT: &str = r"\bat: {FUNC}";

const fn rule(header: &'static str, variants: &'static [Variant]) -> Format {
    Format {
        header,
        ends: Ends::Open,
        variants,
    }
}

const fn deadlock(when: &'static str, blame: Blame) -> Variant {
    variant(
        when,
        "possible deadlock in {func}",
        &[],
        Kind::Lockdep,
        blame,
    )
}

pub(super) static FORMATS: &[Format] = &[
    // Who takes the lock that closes the circle; if that is a helper, who holds the other.
    rule(
        r"WARNING: possible circular locking dependency detected",
        &[Variant {
            // The work itself stands for a lock there.
            skip: &["process_one_work"],
            ..deadlock(
                r"is trying to acquire lock",
                Blame::First(&[&[Line(AT), Line(AT), Frames]]),
            )
        }],
    ),
    rule(
        r"INFO: possible circular locking dependency detected",
        &[deadlock(
            r"(?s)is trying to acquire lock.*?\bat: {FUNC}",
            Blame::Named,
        )],
    ),
    rule(
        r"(?:WARNING|INFO): possible recursive locking detected",
        &[deadlock(
            r"(?s)is trying to acquire lock.*?\bat: {FUNC}",
            Blame::Named,
        )],
    ),
    rule(
        r"(?:WARNING|INFO): possible irq lock inversion dependency detected",
        &[deadlock(
            r"(?s)just changed the state of lock.*?\bat: {FUNC}",
            Blame::Named,
        )],
    ),
    rule(
        r"WARNING: [A-Za-z-]+-safe -> [A-Za-z-]+-unsafe lock order detected",
        &[deadlock(
            "",
            Blame::First(&[&[Line(r"which became .* at:"), Frames]]),
        )],
    ),
    rule(
        r"INFO: [A-Za-z-]+-safe -> [A-Za-z-]+-unsafe lock order detected",
        &[deadlock(
            r"(?s)is trying to acquire.*?\bat: {FUNC}",
            Blame::Named,
        )],
    ),
    rule(
        r"INFO: inconsistent lock state",
        &[variant(
            r"(?s) takes.*?\bat: {FUNC}",
            "inconsistent lock state in {func}",
            &[],
            Kind::Lockdep,
            Blame::Named,
        )],
    ),
    rule(
        r"WARNING: inconsistent lock state",
        &[variant(
            r"(?s) takes.*?\bat: {FUNC}",
            "inconsistent lock state in {func}",
            &[],
            Kind::Lockdep,
            Blame::Trace,
        )],
    ),
    rule(
        r"(?P<level>WARNING|INFO): suspicious RCU usage",
        &[
            Variant {
                skip: &["^_*s?rcu_"],
                ..variant(
                    r"INFO: suspicious RCU usage(?:.*\n)+?.*[a-z0-9_/-]+\.[chS]:\d+",
                    "INFO: suspicious RCU usage in {func}",
                    &[],
                    Kind::Unknown,
                    Blame::Trace,
                )
            },
            Variant {
                skip: &["^_*s?rcu_"],
                ..variant(
                    r"WARNING: suspicious RCU usage(?:.*\n)+?.*[a-z0-9_/-]+\.[chS]:\d+",
                    "WARNING: suspicious RCU usage in {func}",
                    &[],
                    Kind::Lockdep,
                    Blame::Trace,
                )
            },
        ],
    ),
    rule(
        r"(?P<level>WARNING|BUG): (?:\S+/\d+ )?still has locks held!",
        &[variant(
            r"still has locks held!(?:.*\n)+?.*(?:\bat: |\[<[0-9a-f]+>\] +){FUNC}",
            "{level}: still has locks held in {func}",
            &[],
            Kind::Lockdep,
            Blame::Named,
        )],
    ),
    rule(
        r"WARNING: Nested lock was not taken",
        &[variant(
            "",
            "WARNING: nested lock was not taken in {func}",
            &[],
            Kind::Lockdep,
            Blame::Trace,
        )],
    ),
    rule(
        r"(?P<level>WARNING|BUG): lock held when returning to user space",
        &[
            Variant {
                stack: Stack::Optional,
                ..variant(
                    r"(?s)BUG: lock held when.*leaving the kernel with locks still held.*?\bat: {FUNC}",
                    "BUG: lock held when returning to user space in {func}",
                    &[],
                    Kind::Unknown,
                    Blame::Named,
                )
            },
            Variant {
                stack: Stack::Optional,
                ..variant(
                    r"(?s)leaving the kernel with locks still held.*?\bat: {FUNC}",
                    "WARNING: lock held when returning to user space in {func}",
                    &[],
                    Kind::Lockdep,
                    Blame::Named,
                )
            },
        ],
    ),
    rule(
        r"(?P<level>WARNING|BUG): bad unlock balance detected!",
        &[variant(
            "",
            "{level}: bad unlock balance in {func}",
            &[],
            Kind::Lockdep,
            Blame::First(&[
                &[Line(r"\[<[0-9a-f]+>\] +{FUNC}"), Trace, Frames],
                &[Trace, Frames],
            ]),
        )],
    ),
    rule(
        r"(?P<level>WARNING|BUG): held lock freed!",
        &[variant(
            r"held lock freed!(?:.*\n)+?.*(?:\bat: |\[<[0-9a-f]+>\] +){FUNC}",
            "{level}: held lock freed in {func}",
            &[],
            Kind::Lockdep,
            Blame::Named,
        )],
    ),
    rule(
        r"BUG: Invalid wait context",
        &[Variant {
            skip: SOCKET_LOCK,
            ..variant(
                "",
                "WARNING: locking bug in {func}",
                &[],
                Kind::Lockdep,
                Blame::Trace,
            )
        }],
    ),
    rule(
        r"INFO: trying to register non-static key",
        &[Variant {
            skip: SOCKET_LOCK,
            ..variant(
                "",
                "INFO: trying to register non-static key in {func}",
                &[],
                Kind::Unknown,
                Blame::Trace,
            )
        }],
    ),
    rule(
        r"BUG: (?P<lock>spinlock|rwlock) (?P<what>bad magic|cpu recursion|recursion|lockup suspected|already unlocked|wrong CPU|wrong owner|trylock failure on UP)",
        &[Variant {
            skip: &["^(?:rwlock|spin)_(?:bug|dump)$"],
            ..variant(
                "",
                "BUG: {lock} {what} in {func}",
                &[],
                Kind::Lockdep,
                Blame::Trace,
            )
        }],
    ),
    rule(
        r"BUG: sleeping function called from invalid context",
        &[variant(
            "",
            "BUG: sleeping function called from invalid context in {func}",
            &[],
            Kind::AtomicSleep,
            Blame::Trace,
        )],
    ),
    rule(
        r"BUG: scheduling while atomic",
        &[Variant {
            skip: SCHEDULER,
            ..variant(
                "",
                "BUG: scheduling while atomic in {func}",
                &[],
                Kind::AtomicSleep,
                Blame::Trace,
            )
        }],
    ),
    rule(
        r"BUG: using (?P<what>[a-z_]+\(\)) in preemptible",
        &[Variant {
            skip: &[
                "^check_preemption_disabled$|^debug_smp_processor_id$|^__this_cpu_preempt_check$",
            ],
            ..variant(
                "",
                "BUG: using {what} in preemptible code in {func}",
                &[],
                Kind::Lockdep,
                Blame::Trace,
            )
        }],
    ),
    rule(
        r"BUG: workqueue leaked (?:lock or atomic|atomic, lock or RCU)",
        &[Variant {
            stack: Stack::Optional,
            ..variant(
                r"last function: {FUNC}",
                "BUG: workqueue leaked lock or atomic in {func}",
                &[],
                Kind::Unknown,
                Blame::Named,
            )
        }],
    ),
];
