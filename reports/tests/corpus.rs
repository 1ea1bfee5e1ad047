// SPDX-License-Identifier: GPL-2.0-or-later
//! Measures the trace parser against a folder of consoles with known titles.
//!
//! `SWAPMIG_CRASH_CORPUS` names the folder. A case file is `KEY: value` lines, an empty line,
//! the raw console, and perhaps `REPORT:` with what follows. A file whose `TITLE` is empty or absent
//! holds no crash.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up must stop")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use swapmig_reports::trace::{Kind, Report, parse};

/// Percentages reached so far; they may only rise.
const FLOOR: Floor = Floor {
    title: 72,
    kind: 96,
    corrupted: 88,
    silent: 100,
};

struct Floor {
    title: usize,
    kind: usize,
    corrupted: usize,
    silent: usize,
}

struct Case {
    name: String,
    keys: BTreeMap<String, String>,
    console: Vec<u8>,
}

impl Case {
    fn read(path: PathBuf) -> Self {
        let bytes = std::fs::read(&path).unwrap();
        let mut keys = BTreeMap::new();
        let mut rest = bytes.as_slice();
        while let Some(end) = rest.iter().position(|&b| b == b'\n') {
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            if line.is_empty() {
                break;
            }
            if let Some((key, value)) = line.split_once(':').filter(|_| !line.starts_with('#')) {
                keys.insert(key.to_owned(), value.trim().to_owned());
            }
        }
        let marker = b"\n\nREPORT:\n";
        let end = rest
            .windows(marker.len())
            .position(|w| w == marker)
            .unwrap_or(rest.len());
        Self {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            keys,
            console: rest[..end].to_vec(),
        }
    }

    fn key(&self, key: &str) -> &str {
        self.keys.get(key).map_or("", String::as_str)
    }
}

#[derive(Default)]
struct Score {
    hit: usize,
    of: usize,
}

impl Score {
    fn count(&mut self, hit: bool) -> bool {
        self.hit += usize::from(hit);
        self.of += 1;
        hit
    }

    fn percent(&self) -> usize {
        self.hit * 100 / self.of.max(1)
    }
}

#[test]
fn corpus() {
    let Some(folder) = std::env::var_os("SWAPMIG_CRASH_CORPUS") else {
        println!(
            "skipped: set SWAPMIG_CRASH_CORPUS to a folder of crash cases to measure the parser"
        );
        return;
    };
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    let [mut title, mut kind, mut corrupted, mut panicked, mut silent] =
        std::array::from_fn(|_| Score::default());
    for case in paths.into_iter().map(Case::read) {
        let reports = parse(&case.console);
        let first = reports.first();
        if case.key("TITLE").is_empty() {
            if !silent.count(reports.is_empty()) {
                println!(
                    "{:>5} crash   want none  got {:?}",
                    case.name,
                    first.map(|r| &r.title)
                );
            }
            continue;
        }
        let want = case.key("TITLE");
        let got = first.map_or("", |r| r.title.as_str());
        if !title.count(got == want) {
            println!("{:>5} title   want {want:?}  got {got:?}", case.name);
        }
        let want = if case.key("TYPE").is_empty() {
            Kind::Unknown.name()
        } else {
            case.key("TYPE")
        };
        let got = first.map_or("", |r| r.kind.name());
        if !kind.count(got == want) {
            println!("{:>5} type    want {want:?}  got {got:?}", case.name);
        }
        let is = |yes: &dyn Fn(&Report) -> bool| first.is_some_and(yes);
        let got = is(&|r| r.corrupted.is_some());
        if !corrupted.count(got == (case.key("CORRUPTED") == "Y")) {
            println!(
                "{:>5} corrupt got {:?}",
                case.name,
                first.and_then(|r| r.corrupted.as_ref())
            );
        }
        panicked.count(is(&|r| r.panicked) == (case.key("PANICKED") == "Y"));
    }
    for (name, score) in [
        ("title", &title),
        ("type", &kind),
        ("corrupted", &corrupted),
        ("panicked", &panicked),
        ("no crash, nothing found", &silent),
    ] {
        println!(
            "{name:<24} {:>4} of {:>4}  {:>3} %",
            score.hit,
            score.of,
            score.percent()
        );
    }
    assert!(
        title.percent() >= FLOOR.title,
        "fewer titles match than once did"
    );
    assert!(
        kind.percent() >= FLOOR.kind,
        "fewer types match than once did"
    );
    assert!(
        corrupted.percent() >= FLOOR.corrupted,
        "corruption is judged worse than it once was"
    );
    assert!(
        silent.percent() >= FLOOR.silent,
        "more false findings than there once were"
    );
}
