// SPDX-License-Identifier: GPL-2.0-or-later
//! Stacks as they are published: every frame with its place in the source, the guilty one marked.

use schemars::JsonSchema;
use serde::Serialize;

use crate::symbolize::{Expanded, Resolved};
use crate::trace::{Frame, Report, Role, Stack, normalize};

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
    /// As printed, such as `rmap_walk_anon+0x1a3/0x420`; null for an inlined frame.
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
    let mut stacks: Vec<_> = report
        .stacks
        .iter()
        .map(|stack| {
            let mut resolved = resolved.next().unwrap_or_default().into_iter();
            let frames = stack.frames.iter();
            TriageStack {
                role: role(report, stack).to_owned(),
                frames: frames
                    .flat_map(|frame| published(frame, resolved.next()))
                    .collect(),
            }
        })
        .collect();
    if let Some(guilty) = &report.guilty
        && let Some((stack, frame)) = to_blame(report, &stacks, &guilty.function)
    {
        stacks[stack].frames[frame].guilty = true;
    }
    stacks
}

/// The file of the frame that is marked.
pub(super) fn guilty_file(stacks: &[TriageStack]) -> Option<String> {
    let mut frames = stacks.iter().flat_map(|stack| &stack.frames);
    frames.find(|frame| frame.guilty)?.file.clone()
}

fn role(report: &Report, stack: &Stack) -> &'static str {
    match stack.role {
        Role::Crash if report.details.access.is_some() => "access",
        role => role.name(),
    }
}

/// Where a function stands first: in the crash's own stack, else in another one.
fn to_blame(report: &Report, stacks: &[TriageStack], function: &str) -> Option<(usize, usize)> {
    let (own, others): (Vec<_>, Vec<_>) =
        (0..stacks.len()).partition(|&at| report.stacks[at].role == Role::Crash);
    own.into_iter().chain(others).find_map(|at| {
        let named = |frame: &TriageFrame, reliable| {
            frame.reliable == reliable && normalize(&frame.function) == function
        };
        let frames = &stacks[at].frames;
        // A `?` frame is left over from an earlier call more often than not.
        let frame = [true, false]
            .iter()
            .find_map(|&reliable| frames.iter().position(|frame| named(frame, reliable)))?;
        Some((at, frame))
    })
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
            printed: (!source.inlined).then(|| frame.to_string()),
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
    let inlined = frame.location.as_ref().is_some_and(|place| place.inlined);
    TriageFrame {
        function: frame.symbol.clone(),
        printed: (!inlined).then(|| frame.to_string()),
        file: frame.location.as_ref().map(|place| place.file.clone()),
        line: frame.location.as_ref().map(|place| place.line),
        module: frame.module.clone(),
        inlined,
        reliable: frame.reliable,
        guilty: false,
    }
}
