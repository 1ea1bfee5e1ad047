// SPDX-License-Identifier: GPL-2.0-or-later
//! Stacks of a report as the result record holds them.

use super::{Resolved, SourceFrame, Symbolizer, Unresolved, expand};
use crate::record::{FrameRecord, StackRecord};
use crate::trace::{Frame, Report};

/// The stacks of a report, symbolized where a vmlinux is at hand and is the report's kernel.
///
/// Frames that the unwinder did not vouch for are left out of a stack that has better ones.
pub fn to_record(report: &Report, symbolizer: Option<&Symbolizer>) -> Vec<StackRecord> {
    let expanded = symbolizer.and_then(|symbolizer| expand(report, symbolizer).ok());
    let resolved = expanded.map(|expanded| expanded.stacks).unwrap_or_default();
    let mut resolved = resolved.into_iter();
    let guilty = report.guilty_frame();
    report
        .stacks
        .iter()
        .enumerate()
        .map(|(at, stack)| StackRecord {
            role: report.stack_name(stack).to_owned(),
            frames: frames(
                &stack.frames,
                resolved.next().unwrap_or_default(),
                guilty.filter(|&(of, _)| of == at).map(|(_, nth)| nth),
            ),
        })
        .collect()
}

/// The same of one stack that was read from outside, `guilty` telling the frame to blame.
pub fn stack_record(
    role: &str,
    stack: &[Frame],
    guilty: Option<usize>,
    symbolizer: &Symbolizer,
) -> StackRecord {
    StackRecord {
        role: role.into(),
        frames: frames(stack, symbolizer.resolve(stack), guilty),
    }
}

fn frames(stack: &[Frame], resolved: Vec<Resolved>, guilty: Option<usize>) -> Vec<FrameRecord> {
    let any = stack.iter().any(|frame| frame.reliable);
    let mut resolved = resolved.into_iter();
    let mut frames = Vec::new();
    for (nth, frame) in stack.iter().enumerate() {
        let found = resolved.next().unwrap_or(Err(Unresolved::NoDebugInfo));
        if any && !frame.reliable {
            continue;
        }
        let mut records = frame_records(frame, found);
        // What was inlined into it comes before it.
        if let Some(last) = records.last_mut() {
            last.guilty = guilty == Some(nth);
        }
        frames.extend(records);
    }
    frames
}

fn frame_records(frame: &Frame, found: Resolved) -> Vec<FrameRecord> {
    let printed = frame.printed();
    let Ok(found) = found else {
        // The log itself may say where.
        let location = frame.location.as_ref();
        return vec![FrameRecord {
            function: frame.symbol.clone(),
            printed,
            file: location.map(|location| location.file.clone()),
            line: location.map(|location| location.line),
            inlined: location.is_some_and(|location| location.inlined),
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
