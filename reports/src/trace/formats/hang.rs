// SPDX-License-Identifier: GPL-2.0-or-later
//! What makes no progress.

use super::{Blame, Ends, Format, Frames, Line, Path, Register, Trace, Variant, variant};
use crate::trace::Kind;

const STALL: &[&str] = &["stall in {func}"];
const HANG: &[&str] = &["hang in {func}"];

const LOCKED_UP: &[Path] = &[&[Register, Trace, Frames]];
// A stall is told by the timer's interrupt: what it interrupted has not come to an end.
const STALLED: &[Path] = &[
    &[Line("apic_timer_interrupt"), Register, Frames],
    &[
        Line(
            r"apic_timer_interrupt|Exception stack|el1h_64_irq|el1_irq|\bhandle_exception\+|ret_from_exception\+|\bdecrementer_common|\bext_int_handler\+",
        ),
        Frames,
    ],
    // A CPU that another one tells of: where it was when it was asked.
    &[
        Line(r"^(?:rcu: )?\s*\d+-\S*: \(.*idle="),
        Line(r"NMI backtrace for cpu \d+"),
        Register,
        Trace,
        Frames,
    ],
    // A CPU that tells of itself, as newer kernels do: where it was, without the interrupt.
    &[Line("self-detected"), Register, Trace, Frames],
];

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
        header: r"(?:[Ww]atchdog detected|watchdog: CPU\d+: Watchdog detected) hard LOCKUP on cpu (?P<cpu>\d+)",
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
        variants: &[Variant {
            skip: &["apic_timer_interrupt", "rcu"],
            ..variant(
                "",
                "INFO: rcu detected stall in {func}",
                STALL,
                Kind::Hang,
                Blame::Handler(STALLED),
            )
        }],
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
