// SPDX-License-Identifier: GPL-2.0-or-later
//! A report's stacks, each frame with its source.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, Printed, Proof, Resolved, Symbolizer, Unresolved};
use crate::trace::{Frame, Report};

/// A report's stacks, each frame with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expanded {
    /// As [`Report::stacks`] and their frames, one for one.
    pub stacks: Vec<Vec<Resolved>>,
    /// By what the vmlinux was told to be the report's kernel.
    pub proof: Proof,
    /// How well the functions of the trace agree with the vmlinux.
    pub agreement: Agreement,
}

/// How well the functions of a trace agree with an ELF file, each function counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Agreement {
    /// Functions that have the printed size.
    pub agree: usize,
    /// Functions that are missing or have another size.
    pub contradict: usize,
}

impl Agreement {
    /// The file is of another build: the functions that agree may do so by chance.
    pub fn is_refused(&self) -> bool {
        self.contradict > self.agree
    }

    /// Some functions differ, so that lines of the others may be off.
    pub fn is_doubtful(&self) -> bool {
        self.contradict > 0
    }

    fn count(&mut self, resolved: &Resolved) {
        match resolved {
            Err(Unresolved::NoSymbol | Unresolved::OtherSize { .. }) => self.contradict += 1,
            _ => self.agree += 1,
        }
    }
}

impl std::fmt::Display for Agreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (differ, all) = (self.contradict, self.agree + self.contradict);
        match (self.is_refused(), self.is_doubtful()) {
            (true, _) => write!(
                f,
                "{differ} of the trace's {all} functions differ from the vmlinux: it is of \
                 another build; give that of the log's kernel"
            ),
            (_, true) => write!(
                f,
                "{differ} of the trace's {all} functions differ from the vmlinux: lines may be \
                 off; give that of the log's kernel if it is another build"
            ),
            _ => write!(f, "the trace's {all} functions agree with the vmlinux"),
        }
    }
}

/// Resolves each frame of a report.
///
/// Fails when the vmlinux is not the kernel that the report names. Where it is said to be, but
/// most functions differ, frames stay [`Unresolved::OtherBuild`].
pub fn expand(report: &Report, symbolizer: &Symbolizer) -> Result<Expanded, Error> {
    let proof = symbolizer.check(&Printed::of(report))?;
    let mut stacks: Vec<_> = report
        .stacks
        .iter()
        .map(|stack| symbolizer.resolve(&stack.frames))
        .collect();
    let frames = || report.stacks.iter().map(|stack| &stack.frames);
    let agreements = agreements(frames().flatten().zip(stacks.iter().flatten()));
    for (frame, resolved) in frames().flatten().zip(stacks.iter_mut().flatten()) {
        let agreement = agreements.get(&frame.module.as_deref());
        if resolved.is_ok() && agreement.is_some_and(Agreement::is_refused) {
            *resolved = Err(Unresolved::OtherBuild);
        }
    }
    Ok(Expanded {
        stacks,
        proof,
        agreement: agreements.get(&None).copied().unwrap_or_default(),
    })
}

/// The agreement of each module, and of the vmlinux under no name.
fn agreements<'r, 's>(
    frames: impl Iterator<Item = (&'r Frame, &'s Resolved)>,
) -> BTreeMap<Option<&'r str>, Agreement> {
    let mut seen = BTreeSet::new();
    let mut agreements: BTreeMap<_, Agreement> = BTreeMap::new();
    for (frame, resolved) in frames {
        let absent = matches!(
            resolved,
            Err(Unresolved::NoOffset
                | Unresolved::NoModule
                | Unresolved::OtherModule
                | Unresolved::BadModule)
        );
        let module = frame.module.as_deref();
        if !absent && seen.insert((module, &frame.symbol, frame.size)) {
            agreements.entry(module).or_default().count(resolved);
        }
    }
    agreements
}
