// SPDX-License-Identifier: GPL-2.0-or-later
//! The figures of the runner: how much sooner a saved guest is ready than one that boots.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "../figures/mod.rs"]
mod figures;
#[path = "../../tests/support/fixed_kernel.rs"]
mod fixed_kernel;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use figures::{Figures, Result};
use fixed_kernel::{FixedKernel, job};
use swapmig::guest::{Guest, Signal};
use swapmig_workloads::protocol::Event;

const BOOTS: usize = 3;
const RESTORES: usize = 20;

fn main() -> ExitCode {
    figures::main(|figures| {
        let runtime = tokio::runtime::Runtime::new()?;
        runtime.block_on(bench(figures))
    })
}

async fn bench(figures: &mut Figures) -> Result<()> {
    let kernel = FixedKernel::new(env!("CARGO_BIN_EXE_swapmig"));
    let (mut boots, mut restores, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    let mut saved = kernel.save().await;
    boots.push(saved.boot());
    while boots.len() < BOOTS {
        saved = kernel.save().await;
        boots.push(saved.boot());
    }
    for _ in 0..RESTORES {
        let began = Instant::now();
        let mut guest = kernel.restore(&saved).await;
        restores.push(began.elapsed());
        // A guest that never takes its job was not ready.
        guest.send_job(&job()).await?;
        while !matches!(guest.next().await, Signal::Event(Event::Snapshot { .. })) {}
        starts.push(began.elapsed());
        guest.end().await;
    }
    let (boot, restore, start) = (median(boots), median(restores), median(starts));
    println!("# boot {boot:.2} s, median of {BOOTS}");
    println!("# swap made and the first event there after {start:.2} s, median of {RESTORES}");
    figures.at_most("restored_and_ready", restore, "s", 0.5);
    figures.at_least("sooner_than_a_boot", boot / restore, "times", 20.0);
    Ok(())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}
