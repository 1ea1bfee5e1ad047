// SPDX-License-Identifier: GPL-2.0-or-later
//! Which function each frame of a stack is, where several have its name.

use super::binary::Binary;
use super::{Resolved, Unresolved};
use crate::trace::{Frame, Pc};

/// Functions of one name and size that are compared at most.
const NAMESAKES_MAX: usize = 32;

/// A frame and where its function can begin.
struct Place<'s> {
    frame: &'s Frame,
    binary: &'s Binary,
    starts: Vec<u64>,
}

/// Resolves a stack's frames, innermost first, `file` telling which file a frame is in.
pub(super) fn resolve<'s>(
    stack: &'s [Frame],
    file: impl Fn(&'s Frame) -> Result<&'s Binary, Unresolved>,
) -> Vec<Resolved> {
    let mut places: Vec<_> = stack
        .iter()
        .map(|frame| {
            // The size of a function that was inlined is not printed.
            if frame.size == 0 {
                return Err(Unresolved::NoOffset);
            }
            let binary = file(frame)?;
            Ok(Place {
                frame,
                binary,
                starts: binary.find(frame)?,
            })
        })
        .collect();
    settle(&mut places);
    places.into_iter().map(|place| place?.source()).collect()
}

/// Leaves of each frame's namesakes those that the frames around it call or are called by.
fn settle(places: &mut [Result<Place<'_>, Unresolved>]) {
    // What the unwinder did not vouch for stands between caller and callee without being either.
    let mut sure: Vec<_> = places
        .iter_mut()
        .flatten()
        .filter(|place| place.frame.reliable)
        .collect();
    // Down the stack and back: what one pair settles tells the next one.
    let pairs = 1..sure.len();
    for outer in pairs.clone().chain(pairs.rev()) {
        let (inner, outer) = sure.split_at_mut(outer);
        if let (Some(inner), Some(outer)) = (inner.last_mut(), outer.first_mut()) {
            settle_pair(inner, outer);
        }
    }
}

fn settle_pair(inner: &mut Place<'_>, outer: &mut Place<'_>) {
    let settled = inner.starts.len() == 1 && outer.starts.len() == 1;
    let same_file = std::ptr::eq(inner.binary, outer.binary);
    if settled || !same_file || outer.frame.pc != Pc::Return {
        return;
    }
    // A call through a pointer, or to a function that jumped to the inner one, tells nothing.
    let calls: Vec<_> = outer
        .starts
        .iter()
        .filter_map(|&start| {
            let after = start.checked_add(outer.frame.offset)?;
            let called = outer.binary.called(after)?;
            inner.starts.contains(&called).then_some((start, called))
        })
        .collect();
    if !calls.is_empty() {
        outer
            .starts
            .retain(|at| calls.iter().any(|(start, _)| start == at));
        inner
            .starts
            .retain(|at| calls.iter().any(|(_, called)| called == at));
    }
}

impl Place<'_> {
    /// The source, if all functions that it can be have the same, as copies of a header's have.
    fn source(&self) -> Resolved {
        let ambiguous = Unresolved::Ambiguous {
            candidates: self.starts.len(),
        };
        if self.starts.len() > NAMESAKES_MAX {
            return Err(ambiguous);
        }
        let mut found = self
            .starts
            .iter()
            .map(|&start| self.binary.source(self.frame, start));
        let first = found.next().unwrap_or(Err(Unresolved::NoSymbol));
        match found.all(|other| other == first) {
            true => first,
            false => Err(ambiguous),
        }
    }
}
