// SPDX-License-Identifier: GPL-2.0-or-later
//! What makes no progress: found by a clock, each of them.

use super::{Blame, Ends, Format, Frames, Line, Path, Register, Trace, Variant};
use crate::trace::Kind;

const STALL: &[&str] = &["stall in {func}"];
const HANG: &[&str] = &["hang in {func}"];

const LOCKED_UP: &[Path] = &[&[Register, Trace, Frames]];
/// The interrupt that has found the stall, by architecture.
const TIMER: &str = r"apic_timer_interrupt|^Exception stack|\bel1h?_(?:64_)?irq|\bdecrementer_common|\bext_int_handler\+|\b(?:handle_exception|ret_from_exception)\+";
/// A stalled CPU, in the list of those.
const CPU: &str = r"^(?:rcu: )?\s*\d+-\S*: \(.*idle=";
const ASKED: &str = r"NMI backtrace for cpu \d+";
/// A stalled task, and none of RCU's own, which are shown where they starve.
const TASK: &str = r"^task:(?:[^r]|r[^c]|rc[^u])|^Task dump for CPU";

// A stall is told by the timer's interrupt: what it interrupted has not come to an end.
const INTERRUPTED: Path = &[Line("apic_timer_interrupt"), Register, Frames];
const BELOW_TIMER: Path = &[Line(TIMER), Frames];
// A CPU that another one tells of: where it was when it was asked.
const LISTED: Path = &[Line(CPU), Line(ASKED), Register, Trace, Frames];
const EXPEDITED: Path = &[
    Line("expedited stalls"),
    Line(ASKED),
    Register,
    Trace,
    Frames,
];
// A task that was preempted, or that never passes where RCU waits for it.
const TASKS: Path = &[
    Line("expedited stalls|stalls on tasks:|Tasks blocked on level-"),
    Line(TASK),
    Trace,
    Frames,
];
// A CPU that tells of itself, as newer kernels do: where it was, without the interrupt.
const ITSELF: Path = &[Line("self-detected"), Register, Trace, Frames];

const STALLED: &[Path] = &[INTERRUPTED, BELOW_TIMER, LISTED, EXPEDITED, TASKS, ITSELF];
// RCU's own thread had no CPU: a task that it found before need not be the cause.
const STARVED: &[Path] = &[INTERRUPTED, BELOW_TIMER, LISTED, EXPEDITED, ITSELF];

const fn variant(
    when: &'static str,
    title: &'static str,
    alt: &'static [&'static str],
    kind: Kind,
    blame: Blame,
) -> Variant {
    Variant {
        measures_time: true,
        ..super::variant(when, title, alt, kind, blame)
    }
}

const fn stall(when: &'static str, paths: &'static [Path]) -> Variant {
    Variant {
        skip: &["apic_timer_interrupt", "rcu"],
        ..variant(
            when,
            "INFO: rcu detected stall in {func}",
            STALL,
            Kind::Hang,
            Blame::Handler(paths),
        )
    }
}

pub(super) static FORMATS: &[Format] = &[
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
        header: r"INFO: task (?P<task>.{1,32}?):(?P<pid>\d+) (?:<[^>]*> )?(?:is )?blocked (?:in I/O wait )?(?:on an? \S+ .*)?for more than \d+ seconds",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "INFO: task hung in {func}",
            HANG,
            Kind::Hang,
            Blame::Waiter(&[&[Trace, Frames]]),
        )],
    },
    Format {
        header: r"INFO: task (?P<task>.{1,32}?):(?P<pid>\d+) can't die for more than \d+ seconds",
        ends: Ends::Open,
        variants: &[Variant {
            skip: &["schedule"],
            ..variant(
                "",
                "INFO: task can't die in {func}",
                HANG,
                Kind::Hang,
                Blame::Trace,
            )
        }],
    },
    Format {
        header: r"BUG: soft lockup - CPU#(?P<cpu>\d+) stuck for \d+s!(?: \[(?P<task>.{1,32}?):(?P<pid>\d+)\])?",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "BUG: soft lockup in {func}",
            STALL,
            Kind::Hang,
            Blame::Handler(LOCKED_UP),
        )],
    },
    Format {
        header: r"[Ww]atchdog detected hard LOCKUP on cpu (?P<cpu>\d+)",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "BUG: hard lockup in {func}",
            STALL,
            Kind::Hang,
            Blame::Handler(LOCKED_UP),
        )],
    },
    // powerpc's own watchdog: each CPU tells of itself.
    Format {
        header: r"watchdog: CPU (?P<cpu>\d+) (?:self-detected hard|Hard) LOCKUP",
        ends: Ends::EndTrace,
        variants: &[variant(
            "",
            "BUG: hard lockup in {func}",
            STALL,
            Kind::Hang,
            Blame::Handler(LOCKED_UP),
        )],
    },
    Format {
        header: r"INFO: (?:rcu_[a-z_]+ )+(?:self-)?detected (?:expedited )?stalls?",
        ends: Ends::Open,
        variants: &[stall("kthread starved for", STARVED), stall("", STALLED)],
    },
    Format {
        header: r"unregister_netdevice: waiting for .* to become free",
        ends: Ends::Open,
        variants: &[variant(
            "",
            "unregister_netdevice: waiting for DEV to become free",
            &[],
            Kind::Unknown,
            Blame::Nobody,
        )],
    },
];
