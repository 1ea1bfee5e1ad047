// SPDX-License-Identifier: GPL-2.0-or-later
//! Measures the trace parser against a folder of consoles with known titles.
//!
//! `SWAPMIG_CRASH_CORPUS` names the folder. A case file is `KEY: value` lines, an empty line,
//! the raw console, and perhaps `REPORT:` with what follows. A file whose `TITLE` is empty or absent
//! holds no crash.

#[path = "corpus/score.rs"]
mod score;

use std::path::Path;

use score::{FOLDER, Scores};

/// Percentages reached so far; they may only rise.
const FLOOR: Floor = Floor {
    title: 97,
    kind: 97,
    corrupted: 95,
    silent: 100,
};

struct Floor {
    title: u32,
    kind: u32,
    corrupted: u32,
    silent: u32,
}

#[test]
fn corpus() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        println!("skipped: set {FOLDER} to a folder of crash cases to measure the parser");
        return;
    };
    let scores = Scores::of(Path::new(&folder)).unwrap();
    for miss in &scores.misses {
        println!("{miss}");
    }
    for (kind, score) in &scores.by_type {
        println!("{kind:<40} {:>4} of {:>4}", score.hit, score.of);
    }
    for (name, score) in [
        ("title", &scores.title),
        ("type", &scores.kind),
        ("corrupted", &scores.corrupted),
        ("panicked", &scores.panicked),
        ("further titles", &scores.alt),
        ("no crash, nothing found", &scores.silent),
    ] {
        println!(
            "{name:<24} {:>4} of {:>4}  {:>5.1} %",
            score.hit,
            score.of,
            score.percent()
        );
    }
    assert!(
        scores.title.percent() >= f64::from(FLOOR.title),
        "fewer titles match than once did"
    );
    assert!(
        scores.kind.percent() >= f64::from(FLOOR.kind),
        "fewer types match than once did"
    );
    assert!(
        scores.corrupted.percent() >= f64::from(FLOOR.corrupted),
        "corruption is judged worse than it once was"
    );
    assert!(
        scores.silent.percent() >= f64::from(FLOOR.silent),
        "more false findings than there once were"
    );
}
