// SPDX-License-Identifier: GPL-2.0-or-later
//! Stacks as they are published: every frame with its place in the source, the guilty one marked.

use schemars::JsonSchema;
use serde::Serialize;

use crate::symbolize::{Expanded, Resolved};
use crate::trace::{Frame, Report};

/// A stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TriageStack {
    /// What it shows: `access`, `crash`, `allocated`, `freed`, `last related work`,
    /// `lock chain`, `other`.
    pub role: String,
    /// Innermost first.
    pub frames: Vec<TriageFrame>,
}

/// A frame of a stack: one function, inlined ones included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TriageFrame {
    /// Function name.
    pub function: String,
    /// As printed, such as `rmap_walk_anon+0x1a3/0x420`; null for an inlined frame, and where the
    /// log prints no offset.
    pub printed: Option<String>,
    /// Source file relative to the kernel tree, where the log or a vmlinux tells it.
    pub file: Option<String>,
    /// Line in the file, from 1.
    pub line: Option<u32>,
    /// Module that holds it; null within the kernel itself.
    pub module: Option<String>,
    /// True when it was inlined into the next frame.
    pub inlined: bool,
    /// False for a `?` frame, which the unwinder could not vouch for.
    pub reliable: bool,
    /// True for the function to blame: what is above it only noticed.
    pub guilty: bool,
}

/// The stacks of a report, with source lines where the log or `expanded` tells them.
pub(super) fn stacks(report: &Report, expanded: Option<Expanded>) -> Vec<TriageStack> {
    let resolved = expanded.map(|expanded| expanded.stacks).unwrap_or_default();
    let mut resolved = resolved.into_iter();
    let guilty = report.guilty_frame();
    report
        .stacks
        .iter()
        .enumerate()
        .map(|(at, stack)| {
            let mut resolved = resolved.next().unwrap_or_default().into_iter();
            let frames = stack.frames.iter().enumerate();
            TriageStack {
                role: report.stack_name(stack).to_owned(),
                frames: frames
                    .flat_map(|(nth, frame)| {
                        let mut frames = published(frame, resolved.next());
                        // What was inlined into it comes before it.
                        if let Some(last) = frames.last_mut() {
                            last.guilty = guilty == Some((at, nth));
                        }
                        frames
                    })
                    .collect(),
            }
        })
        .collect()
}

/// The file of the frame that is marked.
pub(super) fn guilty_file(stacks: &[TriageStack]) -> Option<String> {
    let mut frames = stacks.iter().flat_map(|stack| &stack.frames);
    frames.find(|frame| frame.guilty)?.file.clone()
}

fn published(frame: &Frame, resolved: Option<Resolved>) -> Vec<TriageFrame> {
    // A log that was symbolized already prints inlined frames as well: they would come twice.
    let resolved = resolved.filter(|_| frame.location.is_none());
    let Some(Ok(found)) = resolved else {
        return vec![as_printed(frame)];
    };
    found
        .into_iter()
        .map(|source| TriageFrame {
            function: source.function,
            printed: frame.printed().filter(|_| !source.inlined),
            file: source.file,
            line: source.line,
            module: frame.module.clone(),
            inlined: source.inlined,
            reliable: frame.reliable,
            guilty: false,
        })
        .collect()
}

fn as_printed(frame: &Frame) -> TriageFrame {
    let place = frame.location.as_ref();
    TriageFrame {
        function: frame.symbol.clone(),
        printed: frame.printed(),
        file: place.map(|place| place.file.clone()),
        line: place.map(|place| place.line),
        module: frame.module.clone(),
        inlined: place.is_some_and(|place| place.inlined),
        reliable: frame.reliable,
        guilty: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbolize::{Proof, SourceFrame, Unresolved};
    use crate::trace::parse;

    const LOG: &[u8] = b"\
BUG: KASAN: slab-use-after-free in walk+0x10/0x40
Read of size 8 at addr ffff888018474150 by task init/1
Call Trace:
 kasan_report+0xba/0xdc
 ? walk+0x1/0x40
 walk+0x10/0x40
 caller+0x20/0x90
==================================================================
";

    fn report() -> Report {
        parse(LOG).remove(0)
    }

    fn marked(stacks: &[TriageStack]) -> Vec<(&str, bool)> {
        let frames = stacks.iter().flat_map(|stack| &stack.frames);
        let guilty = frames.filter(|frame| frame.guilty);
        guilty
            .map(|frame| (frame.function.as_str(), frame.reliable))
            .collect()
    }

    #[test]
    fn the_reliable_frame_is_marked_by_any_name_that_it_has() {
        let mut report = report();
        assert_eq!(marked(&stacks(&report, None)), [("walk", true)]);
        let (stack, frame) = report.guilty_frame().unwrap();
        report.stacks[stack].frames[frame].symbol = "__x64_sys_read.isra.0".to_owned();
        report.guilty.as_mut().unwrap().function = "sys_read".to_owned();
        assert_eq!(
            marked(&stacks(&report, None)),
            [("__x64_sys_read.isra.0", true)]
        );
        report.guilty = None;
        assert_eq!(marked(&stacks(&report, None)), []);
    }

    #[test]
    fn what_was_inlined_comes_before_the_frame_to_blame() {
        let report = report();
        let (stack, guilty) = report.guilty_frame().unwrap();
        let source = |function: &str, line, inlined| SourceFrame {
            function: function.to_owned(),
            file: Some("mm/a.c".to_owned()),
            line: Some(line),
            inlined,
        };
        let mut expanded = Expanded {
            proof: Proof::Nothing,
            stacks: report
                .stacks
                .iter()
                .map(|stack| vec![Err(Unresolved::NoSymbol); stack.frames.len()])
                .collect(),
            agreement: Default::default(),
        };
        expanded.stacks[stack][guilty] =
            Ok(vec![source("inner", 7, true), source("walk", 9, false)]);
        let stacks = stacks(&report, Some(expanded));
        assert_eq!(marked(&stacks), [("walk", true)]);
        let frames = &stacks[stack].frames;
        let inner = &frames[guilty];
        assert_eq!((inner.function.as_str(), inner.inlined), ("inner", true));
        assert_eq!(inner.printed, None);
        let walk = &frames[guilty + 1];
        assert_eq!(walk.printed.as_deref(), Some("walk+0x10/0x40"));
        assert_eq!((walk.file.as_deref(), walk.line), (Some("mm/a.c"), Some(9)));
        assert_eq!(guilty_file(&stacks).as_deref(), Some("mm/a.c"));
    }
}
