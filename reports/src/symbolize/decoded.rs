// SPDX-License-Identifier: GPL-2.0-or-later
//! Frames in the words of the kernel's own script.

use super::{Resolved, SourceFrame};
use crate::trace::Frame;

/// A frame as the kernel's `scripts/decode_stacktrace.sh` prints it:
/// `symbol (file:line file:line) module`, innermost first; as the log has it when unresolved.
pub fn decoded(frame: &Frame, resolved: &Resolved) -> String {
    let Ok(found) = resolved else {
        return frame.to_string();
    };
    let places: Vec<_> = found.iter().map(place).collect();
    let module = frame.module.as_deref().unwrap_or_default();
    let line = format!("{} ({}) {module}", frame.symbol, places.join(" "));
    line.trim_end().to_owned()
}

fn place(frame: &SourceFrame) -> String {
    let file = frame.file.as_deref().unwrap_or("??");
    match frame.line {
        Some(line) => format!("{file}:{line}"),
        None => format!("{file}:?"),
    }
}
