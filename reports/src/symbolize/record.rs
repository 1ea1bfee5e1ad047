// SPDX-License-Identifier: GPL-2.0-or-later
//! Stacks of a report as the result record holds them.

use super::{Resolved, SourceFrame, Symbolizer, Unresolved, expand};
use crate::record::{FrameRecord, StackRecord};
use crate::trace::{Frame, Report, Role, Stack, normalize};

/// The stacks of a report, symbolized where a vmlinux is at hand and is the report's kernel.
///
/// Frames that the unwinder did not vouch for are left out of a stack that has better ones.
pub fn to_record(report: &Report, symbolizer: Option<&Symbolizer>) -> Vec<StackRecord> {
    let expanded = symbolizer.and_then(|symbolizer| expand(report, symbolizer).ok());
    let resolved = expanded.map(|expanded| expanded.stacks).unwrap_or_default();
    let mut resolved = resolved.into_iter();
    report
        .stacks
        .iter()
        .map(|stack| stack_record(report, stack, resolved.next().unwrap_or_default()))
        .collect()
}

fn stack_record(report: &Report, stack: &Stack, resolved: Vec<Resolved>) -> StackRecord {
    let role = match stack.role {
        Role::Crash if report.details.access.is_some() => "access",
        role => role.name(),
    };
    let guilty = |frame: &Frame| {
        stack.role == Role::Crash
            && report
                .guilty
                .as_ref()
                .is_some_and(|guilty| guilty.function == normalize(&frame.symbol))
    };
    let any = stack.frames.iter().any(|frame| frame.reliable);
    let mut resolved = resolved.into_iter();
    let mut frames = Vec::new();
    let mut blamed = false;
    for frame in &stack.frames {
        let found = resolved.next().unwrap_or(Err(Unresolved::NoDebugInfo));
        if any && !frame.reliable {
            continue;
        }
        frames.extend(frame_records(frame, found));
        if !blamed && guilty(frame) {
            blamed = true;
            if let Some(last) = frames.last_mut() {
                last.guilty = true;
            }
        }
    }
    StackRecord {
        role: role.to_owned(),
        frames,
    }
}

fn frame_records(frame: &Frame, found: Resolved) -> Vec<FrameRecord> {
    // A log that was symbolized before may have left the offset out.
    let printed = (frame.size > 0).then(|| frame.to_string());
    let Ok(found) = found else {
        // The log itself may say where.
        let location = frame.location.as_ref();
        let inlined = location.is_some_and(|location| location.inlined);
        return vec![FrameRecord {
            function: frame.symbol.clone(),
            printed: printed.filter(|_| !inlined),
            file: location.map(|location| location.file.clone()),
            line: location.map(|location| location.line),
            inlined,
            guilty: false,
        }];
    };
    found
        .into_iter()
        .map(
            |SourceFrame {
                 function,
                 file,
                 line,
                 inlined,
             }| FrameRecord {
                function,
                printed: printed.clone().filter(|_| !inlined),
                file,
                line,
                inlined,
                guilty: false,
            },
        )
        .collect()
}
