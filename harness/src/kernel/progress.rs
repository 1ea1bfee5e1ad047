// SPDX-License-Identifier: GPL-2.0-or-later
//! What a build tells while it goes on, and how long it is likely to be.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::catalogue::Steps;

/// What a build tells while it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildProgress {
    /// Another build of the line is running; this one waits for it.
    Waiting {
        /// The line.
        line: String,
    },
    /// The source is being unpacked.
    Unpacking {
        /// Package and version.
        source: String,
    },
    /// The source tree is being brought to the variant.
    Patching,
    /// The config is being made and checked.
    Configuring,
    /// make is running.
    Making {
        /// Steps done.
        done: u64,
        /// Steps expected; grows when the guess was too low.
        total: u64,
        /// The step that make printed last, such as `CC mm/migrate.o`.
        step: String,
    },
    /// The kernel is being put into the store.
    Storing,
}

/// A line of make's output that stands for a step, such as `  CC      mm/migrate.o`.
pub(super) fn step(line: &str) -> Option<String> {
    let rest = line.strip_prefix("  ")?;
    let (verb, object) = rest.split_once(' ')?;
    let is_verb = !verb.is_empty()
        && verb
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    let object = object.trim();
    (is_verb && !object.is_empty()).then(|| format!("{verb} {object}"))
}

/// What earlier builds of a line took.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Memory {
    whole: Option<u64>,
    variant: Option<u64>,
    /// The object tree that the rest is about.
    tree: String,
    /// Steps done in it so far by builds that did not end well.
    carried: u64,
    /// Whether a build in it ended well.
    complete: bool,
}

/// Counts make's steps against a guess that gets better from build to build.
pub(super) struct StepCount {
    path: Utf8PathBuf,
    memory: Memory,
    total: u64,
    done: u64,
}

impl StepCount {
    /// Begin a build in the object tree `tree`; `memory` is the file that remembers.
    pub(super) fn begin(memory: &Utf8Path, tree: &Utf8Path, hint: Steps) -> Self {
        let path = memory.to_owned();
        // A lost memory costs the progress bar its precision, nothing else.
        let mut memory: Memory = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let name = tree.as_str();
        if memory.tree != name || !tree.join(".config").exists() {
            memory = Memory {
                whole: memory.whole,
                variant: memory.variant,
                tree: name.to_owned(),
                ..Memory::default()
            };
        }
        let total = match memory.complete {
            true => memory.variant.unwrap_or(hint.variant),
            false => memory
                .whole
                .unwrap_or(hint.whole)
                .saturating_sub(memory.carried)
                .max(1),
        };
        Self {
            path,
            memory,
            total,
            done: 0,
        }
    }

    /// Take a line of output; a step gives the progress after it.
    pub(super) fn line(&mut self, line: &str) -> Option<BuildProgress> {
        // Some steps name their object by its whole path, which tells a reader nothing.
        let step = step(line)?.replace(&format!("{}/", self.memory.tree), "");
        self.done += 1;
        self.total = self.total.max(self.done);
        Some(BuildProgress::Making {
            done: self.done,
            total: self.total,
            step,
        })
    }

    /// Remember how the build ended.
    pub(super) fn end(mut self, success: bool) {
        let memory = &mut self.memory;
        match (success, memory.complete) {
            (true, true) => memory.variant = Some(self.done),
            (true, false) => memory.whole = Some(memory.carried + self.done),
            (false, true) => {}
            (false, false) => memory.carried += self.done,
        }
        memory.complete |= success;
        let written = serde_json::to_vec(memory)
            .map_err(std::io::Error::other)
            .and_then(|b| fs::write(&self.path, b));
        if let Err(error) = written {
            tracing::debug!(path = %self.path, %error, "cannot remember the number of steps");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_from_other_output() {
        assert_eq!(
            step("  CC      mm/migrate.o").as_deref(),
            Some("CC mm/migrate.o")
        );
        assert_eq!(
            step("  BUILD   arch/x86/boot/bzImage").as_deref(),
            Some("BUILD arch/x86/boot/bzImage")
        );
        for other in [
            "make[1]: Entering directory",
            "  note: it",
            "  CC",
            "mm/rmap.c:3: error: x",
            "",
            "   CC x",
        ] {
            assert_eq!(step(other), None, "{other}");
        }
    }

    #[test]
    fn a_broken_off_build_goes_on_counting() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Utf8Path::from_path(dir.path()).unwrap().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join(".config"), "").unwrap();
        let memory = tree.with_file_name("steps.json");
        let hint = Steps {
            whole: 10,
            variant: 3,
        };
        let making = |count: &mut StepCount| match count.line("  CC a.o") {
            Some(BuildProgress::Making { done, total, .. }) => (done, total),
            other => panic!("{other:?}"),
        };

        let mut first = StepCount::begin(&memory, &tree, hint);
        assert_eq!(making(&mut first), (1, 10));
        making(&mut first);
        first.end(false);

        let mut second = StepCount::begin(&memory, &tree, hint);
        assert_eq!(making(&mut second), (1, 8));
        second.end(true);

        let mut variant = StepCount::begin(&memory, &tree, hint);
        assert_eq!(making(&mut variant), (1, 3));
        variant.end(true);
        assert_eq!(making(&mut StepCount::begin(&memory, &tree, hint)), (1, 1));

        let elsewhere = tree.with_file_name("other");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join(".config"), "").unwrap();
        assert_eq!(
            making(&mut StepCount::begin(&memory, &elsewhere, hint)),
            (1, 3),
            "whole is remembered across trees"
        );
    }
}
