// SPDX-License-Identifier: GPL-2.0-or-later
//! A loop of page faults, as a result tells it.

use std::collections::BTreeMap;

use swapmig_reports::record::{Finding, FindingKind};
use swapmig_reports::symbolize::{Symbolizer, stack_record};
use swapmig_reports::trace::Frame;

use super::backtrace::backtrace;
use super::evidence::{FaultLoop, Named, fault_loop};
use super::text::sample_text;
use crate::guest::diagnosis::Sample;

/// Where the memory management's source is; its functions name a loop.
const MM: &str = "mm/";
/// Samples that the finding's text shows.
const SHOWN: usize = 4;

/// The frames of each sample.
pub fn frames(samples: &[Sample], symbolizer: Option<&Symbolizer>) -> Vec<Vec<Frame>> {
    let named = |sample| symbolizer.map(|symbolizer| backtrace(sample, symbolizer));
    samples
        .iter()
        .map(|sample| named(sample).unwrap_or_default())
        .collect()
}

/// The loop of page faults that the samples prove, if they prove one. Needs the kernel's vmlinux:
/// without names nobody can tell a fault from another way into the kernel.
pub fn finding(samples: &[Sample], symbolizer: Option<&Symbolizer>) -> Option<Finding> {
    let symbolizer = symbolizer?;
    let frames = frames(samples, Some(symbolizer));
    let named: Vec<Named<'_>> = samples
        .iter()
        .zip(&frames)
        .map(|(sample, frames)| Named {
            sample,
            functions: reliable(frames),
        })
        .collect();
    let found = fault_loop(&named)?;
    let in_mm: Vec<Vec<String>> = found
        .samples
        .iter()
        .map(|&at| mm_functions(&frames[at], symbolizer))
        .collect();
    let innermost = innermost_common(&in_mm);
    // The sample whose stack is told: one that was met in that function.
    let shown = innermost.as_deref().and_then(|function| {
        let met = |functions: &Vec<String>| functions.iter().any(|f| f == function);
        Some(found.samples[in_mm.iter().position(met)?])
    });
    let stacks = shown.map(|at| {
        let guilty = frames[at]
            .iter()
            .position(|frame| Some(&frame.symbol) == innermost.as_ref());
        stack_record("fault", &frames[at], guilty, symbolizer)
    });
    // Which function most samples share differs a little from run to run: its callers name the
    // same loop.
    let callers = shown.map(|at| mm_functions(&frames[at], symbolizer));
    let callers = callers.unwrap_or_default().into_iter();
    let callers = callers
        .skip_while(|function| Some(function) != innermost.as_ref())
        .skip(1);
    Some(Finding {
        kind: FindingKind::Livelock,
        alt_titles: callers.map(|function| title(&function)).collect(),
        title: title(innermost.as_deref().unwrap_or("the kernel")),
        at_ms: None,
        corrupted: None,
        text: text(&found, samples, &frames),
        task: Some(format!("{}/{}", found.comm, found.pid)),
        stacks: stacks.into_iter().collect(),
    })
}

fn title(function: &str) -> String {
    format!("hang: page fault loop in {function}")
}

fn reliable(frames: &[Frame]) -> Vec<String> {
    frames
        .iter()
        .filter(|frame| frame.reliable)
        .map(|frame| frame.symbol.clone())
        .collect()
}

/// Functions of the memory management on a stack, innermost first.
fn mm_functions(frames: &[Frame], symbolizer: &Symbolizer) -> Vec<String> {
    frames
        .iter()
        .zip(symbolizer.resolve(frames))
        .filter(|(frame, _)| frame.reliable)
        .filter(|(_, resolved)| {
            // The function itself comes last, after what was inlined into it.
            let source = resolved.as_ref().ok().and_then(|sources| sources.last());
            source
                .and_then(|source| source.file.as_deref())
                .is_some_and(|file| file.starts_with(MM))
        })
        .map(|(frame, _)| frame.symbol.clone())
        .collect()
}

/// The innermost function that is on at least half of the stacks that have any: of callers and
/// callees that share stacks, the one that shares the fewest.
fn innermost_common(stacks: &[Vec<String>]) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for function in stacks.iter().flatten() {
        *counts.entry(function).or_default() += 1;
    }
    let any = stacks.iter().filter(|stack| !stack.is_empty()).count();
    counts.retain(|_, count| *count * 2 >= any);
    let fewest = counts.values().min().copied()?;
    stacks
        .iter()
        .flatten()
        .find(|function| counts.get(function.as_str()) == Some(&fewest))
        .cloned()
}

fn text(found: &FaultLoop, samples: &[Sample], frames: &[Vec<Frame>]) -> String {
    let mut text = format!(
        "Task {} ({}) was found {} times at the instruction {:#x} or in the page fault that it takes at \
         {:#x}.\nOver {:.1} s it had {} page faults there and got no further. No detector of the kernel \
         spoke: each fault ends.\n",
        found.pid,
        found.comm,
        found.samples.len(),
        found.user_rip,
        found.address,
        found.over.as_secs_f64(),
        found.faults,
    );
    let deep = found.samples.iter().filter(|&&at| frames[at].len() > 1);
    for &at in deep.take(SHOWN) {
        text.push('\n');
        text.push_str(&sample_text(&samples[at], &frames[at]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stacks(stacks: &[&[&str]]) -> Vec<Vec<String>> {
        let owned = |stack: &&[&str]| stack.iter().map(|&f| f.to_owned()).collect();
        stacks.iter().map(owned).collect()
    }

    #[test]
    fn a_loop_is_named_by_the_innermost_function_that_most_stacks_share() {
        let seen = stacks(&[
            &["do_swap_page", "__handle_mm_fault", "handle_mm_fault"],
            &[],
            &[
                "migration_entry_wait",
                "do_swap_page",
                "__handle_mm_fault",
                "handle_mm_fault",
            ],
            &["__handle_mm_fault", "handle_mm_fault"],
            &["handle_mm_fault"],
        ]);
        assert_eq!(innermost_common(&seen).as_deref(), Some("do_swap_page"));
        assert_eq!(
            innermost_common(&seen[3..]).as_deref(),
            Some("__handle_mm_fault")
        );
    }

    #[test]
    fn without_such_a_function_there_is_no_name() {
        assert_eq!(innermost_common(&stacks(&[&[], &[]])), None);
        assert_eq!(innermost_common(&[]), None);
    }
}
