// SPDX-License-Identifier: GPL-2.0-or-later
//! Samples as people read them.

use std::fmt::Write;

use swapmig_reports::trace::Frame;

use crate::guest::diagnosis::{Entry, Sample};

/// The samples' backtraces; `frames` has those of each, none where no vmlinux is at hand.
pub fn backtraces(samples: &[Sample], frames: &[Vec<Frame>]) -> String {
    let mut text = String::from(
        "Return addresses found on the stacks, innermost first. A `?` marks one that the call before it \
         does not\nvouch for.\n",
    );
    for (nth, sample) in samples.iter().enumerate() {
        let frames = frames.get(nth).map(Vec::as_slice).unwrap_or_default();
        text.push('\n');
        text.push_str(&sample_text(sample, frames));
    }
    text
}

/// One sample's backtrace, with where it was taken before it.
pub fn sample_text(sample: &Sample, frames: &[Frame]) -> String {
    let mut text = String::new();
    let registers = &sample.registers;
    let task = match &sample.task {
        Some(task) => format!(
            "task {} ({}), {} page faults so far",
            task.pid, task.comm, task.faults
        ),
        None => "task unknown".into(),
    };
    let interrupts = match registers.rflags & 1 << 9 {
        0 => "off",
        _ => "on",
    };
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "== {:.3} s: CPU {}, {task}\n   RIP {:#x} RSP {:#x} CPL {} CR2 {:#x} CR3 {:#x}, interrupts {interrupts}",
        sample.at.as_secs_f64(),
        sample.cpu,
        registers.rip,
        registers.rsp,
        registers.cpl,
        registers.cr2,
        registers.cr3,
    );
    for frame in frames {
        let mark = if frame.reliable { "  " } else { "? " };
        let _ = writeln!(text, "   {mark}{}", frame.printed().unwrap_or_default());
    }
    if let Some(left) = sample.left_user {
        let by = match left.entry {
            Entry::SystemCall => "a system call",
            Entry::Exception => "an exception or an interrupt",
        };
        let _ = writeln!(text, "     user mode at {:#x}, left by {by}", left.rip);
    }
    text
}
