// SPDX-License-Identifier: GPL-2.0-or-later
//! Stacks of a report as the result record holds them.

use super::{SourceFrame, Symbolizer};
use crate::record::{FrameRecord, StackRecord};
use crate::trace::{Frame, Report, Role, Stack, normalize};

/// The stacks of a report, symbolized where a vmlinux is at hand.
///
/// Frames that the unwinder did not vouch for are left out of a stack that has better ones.
pub fn to_record(report: &Report, symbolizer: Option<&Symbolizer>) -> Vec<StackRecord> {
    report
        .stacks
        .iter()
        .map(|stack| stack_record(report, stack, symbolizer))
        .collect()
}

fn stack_record(report: &Report, stack: &Stack, symbolizer: Option<&Symbolizer>) -> StackRecord {
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
    let mut frames = Vec::new();
    let mut blamed = false;
    for frame in stack.frames.iter().filter(|frame| frame.reliable || !any) {
        frames.extend(frame_records(frame, symbolizer));
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

fn frame_records(frame: &Frame, symbolizer: Option<&Symbolizer>) -> Vec<FrameRecord> {
    // A module's symbol may have a namesake in vmlinux.
    let symbolizer = symbolizer.filter(|_| frame.module.is_none());
    let found = symbolizer
        .map(|s| s.resolve(&frame.symbol, frame.offset, frame.size, frame.pc))
        .unwrap_or_default();
    let printed = Some(frame.to_string());
    if found.is_empty() {
        let function = frame.symbol.clone();
        return vec![FrameRecord {
            function,
            printed,
            file: None,
            line: None,
            inlined: false,
            guilty: false,
        }];
    }
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
