// SPDX-License-Identifier: GPL-2.0-or-later
//! The sentences that the terminal and the plain output share.

use swapmig_reports::record::{CellId, CellRecord, KernelRecord};

/// A cell's result in one line.
pub(super) fn result(record: &CellRecord) -> String {
    let mark = if record.as_expected {
        "as expected"
    } else {
        "NOT as expected"
    };
    let reason = record
        .reasons
        .first()
        .map_or("no reason was recorded", String::as_str);
    format!(
        "{:<12} {}  {mark}{}, {:.1} s: {}",
        record.status.word(),
        record.cell,
        match record.attempts.len() {
            0 => String::new(),
            tries => format!(" after {tries} tries in vain"),
        },
        record.timing.total_ms as f64 / 1000.0,
        harmless(reason)
    )
}

/// A try that ended in an ERROR and is not the last, in one line.
pub(super) fn again(record: &CellRecord) -> String {
    let reason = record.reasons.first().map_or("", String::as_str);
    format!(
        "{:<12} {}  is tried again: {}",
        record.status.word(),
        record.cell,
        harmless(reason)
    )
}

/// A host that withholds a guest's time, in one line.
pub(super) fn late(cell: &CellId, reason: &str) -> String {
    format!("{:<12} {cell}  is not given its time: {reason}", "host")
}

/// A kernel's state in one line.
pub(super) fn kernel(name: &str, record: &KernelRecord) -> String {
    match record {
        KernelRecord::Ready {
            source,
            build_seconds,
            ..
        } if *build_seconds > 0.0 => {
            format!("kernel {name} ({source}) was built in {build_seconds:.0} s")
        }
        KernelRecord::Ready { source, .. } => format!("kernel {name} ({source}) is in the store"),
        KernelRecord::Unavailable { reason, .. } => {
            format!("kernel {name} is not to be had: {reason}")
        }
    }
}

/// A remark, which may tell what a guest did.
pub(super) fn note(text: &str) -> String {
    swapmig_reports::text::line(text, 1000)
}

/// Text that a guest may have had a hand in, made harmless for a terminal.
pub(super) fn harmless(text: &str) -> String {
    swapmig_reports::text::line(text, 300)
}
