// SPDX-License-Identifier: GPL-2.0-or-later
//! How many short cells a minute, and what swapmig itself takes beside its guests.

use std::time::Instant;

use crate::figures::{Figures, Result};
use crate::fixed_kernel::cache;
use crate::process::cpu_until_end;
use crate::short;
use crate::subjects::Size;

/// Of each of the plan's six cells: a hundred cells and two.
const SEEDS: usize = 17;

pub(crate) fn measure(figures: &mut Figures, size: Size) -> Result<()> {
    let (home, scratch) = (cache(), tempfile::tempdir()?);
    let out = scratch.path().join("run");
    let mut child = short::start(home.path(), scratch.path(), size.of(SEEDS), &out)?;
    let began = Instant::now();
    let cpu = cpu_until_end(&child)?;
    let took = began.elapsed().as_secs_f64();
    child.wait()?;
    let (good, cells) = short::as_expected(&out)?;
    println!("# {cells} cells in {took:.0} s, two guests at a time");
    figures.at_least(
        "short_cells_as_expected",
        good as f64,
        "cells",
        cells as f64,
    );
    figures.at_least("short_cells", cells as f64 / took * 60.0, "a_minute", 10.0);
    let share = cpu.own as f64 / cpu.children as f64 * 100.0;
    figures.at_most("own_cpu_beside_the_guests", share, "%", 5.0);
    Ok(())
}
