// SPDX-License-Identifier: GPL-2.0-or-later
//! What swapmig holds in the course of one long run.
//!
//! Guests come and go, so a single look says little. The median of all looks between two
//! numbers of finished cells is that of a run with two guests at work, early or late; the
//! first cells are left out, for with them come caches that stay.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::figures::{Figures, Result};
use crate::fixed_kernel::cache;
use crate::process::Holds;
use crate::short;
use crate::subjects::Size;

/// Of each of the plan's six cells: five hundred cells and four.
const SEEDS: usize = 84;
const LOOK_EVERY: Duration = Duration::from_secs(1);

struct Look {
    finished: usize,
    holds: Holds,
}

pub(crate) fn measure(figures: &mut Figures, size: Size) -> Result<()> {
    let (home, scratch) = (cache(), tempfile::tempdir()?);
    let out = scratch.path().join("run");
    let mut child = short::start(home.path(), scratch.path(), size.of(SEEDS), &out)?;
    let mut looks = Vec::new();
    while child.try_wait()?.is_none() {
        if let Some(holds) = Holds::of(&child) {
            looks.push(Look {
                finished: finished(&out),
                holds,
            });
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let (good, cells) = short::as_expected(&out)?;
    figures.at_least("soak_cells_as_expected", good as f64, "cells", cells as f64);

    // A fifth of the run each: 100 cells after the first 100, and the last 100.
    let fifth = cells / 5;
    let early = |look: &&Look| (fifth..2 * fifth).contains(&look.finished);
    let late = |look: &&Look| (cells - fifth..cells).contains(&look.finished);
    let (early, late): (Vec<_>, Vec<_>) = (
        looks.iter().filter(early).collect(),
        looks.iter().filter(late).collect(),
    );
    let change = |what: fn(&Holds) -> u64| -> Result<(f64, f64)> {
        Ok((median(&early, what)?, median(&late, what)?))
    };
    let (memory, memory_late) = change(|holds| holds.own_kib)?;
    let (descriptors, descriptors_late) = change(|holds| holds.descriptors)?;
    let (threads, threads_late) = change(|holds| holds.threads)?;
    println!(
        "# medians of {} looks early and {} late: {:.1} and {:.1} MiB, {descriptors} and {descriptors_late} \
         descriptors, {threads} and {threads_late} threads",
        early.len(),
        late.len(),
        memory / 1024.0,
        memory_late / 1024.0,
    );
    figures.at_most("memory_growth", (memory_late - memory) / 1024.0, "MiB", 4.0);
    figures.at_most(
        "memory_growth_of_all",
        (memory_late / memory - 1.0) * 100.0,
        "%",
        10.0,
    );
    figures.at_most(
        "descriptors_growth",
        descriptors_late - descriptors,
        "descriptors",
        0.0,
    );
    figures.at_most("threads_growth", threads_late - threads, "threads", 0.0);
    Ok(())
}

/// How many cells of a run have a result.
fn finished(out: &Path) -> usize {
    let cells = fs::read_dir(out.join("cells"))
        .into_iter()
        .flatten()
        .flatten();
    cells
        .filter(|cell| cell.path().join("cell.json").exists())
        .count()
}

fn median(looks: &[&Look], what: fn(&Holds) -> u64) -> Result<f64> {
    let mut values: Vec<u64> = looks.iter().map(|look| what(&look.holds)).collect();
    values.sort_unstable();
    let middle = values
        .get(values.len() / 2)
        .ok_or("the run was too short to look at")?;
    Ok(*middle as f64)
}
