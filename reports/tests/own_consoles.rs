// SPDX-License-Identifier: GPL-2.0-or-later
//! The trace parser on consoles that this project's own guests printed: every report of each,
//! as `consoles/expected.toml` has it, and the keys by which the same crash is known again.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up must stop")]

#[path = "own_consoles/expected.rs"]
mod expected;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use expected::{Console, Expected, Table};
use swapmig_reports::trace::{Report, parse};

/// Bytes that a fixture may have.
const MAX_BYTES: u64 = 40 * 1024;

/// The crash that it is.
fn identity(expected: &Expected) -> &str {
    expected.crash.as_deref().unwrap_or(&expected.title)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/consoles")
}

fn table() -> Vec<Console> {
    let text = fs::read_to_string(folder().join("expected.toml")).unwrap();
    toml::from_str::<Table>(&text).unwrap().console
}

fn found(console: &Console) -> Vec<Report> {
    parse(&fs::read(folder().join(&console.file)).unwrap())
}

#[test]
fn every_report_is_as_expected() {
    let table = table();
    let mut missed = Vec::new();
    for console in &table {
        let got = console.got(&found(console));
        if got != console.reports {
            missed.push(format!(
                "{}\n  expected {:#?}\n  got {got:#?}",
                console.file.display(),
                console.reports
            ));
        }
    }
    assert!(
        missed.is_empty(),
        "{} of {} consoles are misread:\n{}",
        missed.len(),
        table.len(),
        missed.join("\n")
    );
}

#[test]
fn every_console_has_an_expectation_and_a_bounded_size() {
    let mut files = BTreeSet::new();
    for kind in ["detectors", "quiet", "rebuilt", "variants"] {
        for entry in fs::read_dir(folder().join(kind)).unwrap() {
            let entry = entry.unwrap();
            let file = Path::new(kind).join(entry.file_name());
            let bytes = entry.metadata().unwrap().len();
            assert!(
                bytes <= MAX_BYTES,
                "{}: {bytes} bytes; trim the boot",
                file.display()
            );
            files.insert(file);
        }
    }
    let expected: BTreeSet<_> = table().into_iter().map(|console| console.file).collect();
    assert_eq!(files, expected);
}

#[test]
fn one_crash_has_one_key_and_no_other_crash_has_it() {
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut crashes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for console in table() {
        for (report, expected) in found(&console).iter().zip(&console.reports) {
            // What is cut or mixed may lack the very lines that tell crashes apart.
            if report.corrupted.is_some() {
                continue;
            }
            let (key, crash) = (report.key().to_string(), identity(expected).to_owned());
            keys.entry(crash.clone()).or_default().insert(key.clone());
            crashes.entry(key).or_default().insert(crash);
        }
    }
    let split: Vec<_> = keys.iter().filter(|(_, keys)| keys.len() > 1).collect();
    let merged: Vec<_> = crashes.iter().filter(|(_, of)| of.len() > 1).collect();
    assert!(split.is_empty(), "one crash, several keys: {split:#?}");
    assert!(merged.is_empty(), "one key, several crashes: {merged:#?}");
}

#[test]
fn a_rebuilt_kernel_crashes_with_the_same_keys() {
    for variant in ["no-guard-anon", "rmap-walk-check"] {
        let mut keys = BTreeSet::new();
        let mut stacks = BTreeMap::<_, BTreeSet<Vec<String>>>::new();
        for console in table() {
            let folder = console.file.parent().unwrap().to_owned();
            let name = console.file.file_name().unwrap().to_string_lossy();
            if !name.contains(variant) {
                continue;
            }
            // A starved host makes a guest's watchdogs speak up first.
            let reports = found(&console);
            let crash = reports.iter().find(|r| r.guilty.is_some()).unwrap();
            keys.insert(crash.key());
            let reliable = crash.stacks[0].frames.iter().filter(|f| f.reliable);
            let frames = reliable.map(ToString::to_string).collect();
            stacks.entry(folder).or_default().insert(frames);
        }
        assert_eq!(keys.len(), 1, "{variant}: {keys:#?}");
        let [original, rebuilt] = ["variants", "rebuilt"].map(|of| &stacks[Path::new(of)]);
        assert!(
            original.is_disjoint(rebuilt),
            "{variant}: these are not rebuilt kernels"
        );
    }
}
