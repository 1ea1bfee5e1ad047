// SPDX-License-Identifier: GPL-2.0-or-later
//! What makes no progress.

use super::{Blame, Ends, Format, variant};
use crate::trace::Kind;

const STALL: &[&str] = &["stall in {func}"];

const HANG: &[&str] = &["hang in {func}"];

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
        header: r"INFO: task (?P<task>.{1,32}?):(?P<pid>\d+) blocked (?:in I/O wait )?for more than \d+ seconds",
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
];
