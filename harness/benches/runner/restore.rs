// SPDX-License-Identifier: GPL-2.0-or-later
//! How much sooner a saved guest is ready than one that boots.

use std::time::{Duration, Instant};

use swapmig::guest::{Guest, Signal};
use swapmig_workloads::protocol::Event;

use crate::figures::{Figures, Result};
use crate::fixed_kernel::{FixedKernel, job};
use crate::subjects::Size;

const BOOTS: usize = 3;
const RESTORES: usize = 20;

pub(crate) fn measure(figures: &mut Figures, size: Size) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(bench(figures, size))
}

/// A guest that has not taken its job by then never will.
const AT_WORK_WITHIN: Duration = Duration::from_secs(60);

async fn bench(figures: &mut Figures, size: Size) -> Result<()> {
    let kernel = FixedKernel::new(env!("CARGO_BIN_EXE_swapmig"));
    let (mut boots, mut restores, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    let mut saved = kernel.save().await;
    boots.push(saved.boot());
    while boots.len() < size.of(BOOTS) {
        saved = kernel.save().await;
        boots.push(saved.boot());
    }
    for _ in 0..size.of(RESTORES) {
        let began = Instant::now();
        let mut guest = kernel.restore(&saved).await;
        restores.push(began.elapsed());
        // A guest that never takes its job was not ready.
        guest.send_job(&job()).await?;
        let at_work =
            async { while !matches!(guest.next().await, Signal::Event(Event::Snapshot { .. })) {} };
        tokio::time::timeout(AT_WORK_WITHIN, at_work).await?;
        starts.push(began.elapsed());
        guest.end().await;
    }
    println!(
        "# medians of {} boots and {} restores",
        boots.len(),
        restores.len()
    );
    let (boot, restore, start) = (median(boots), median(restores), median(starts));
    println!("# boot {boot:.2} s until it is ready; what is restored was so when it was saved");
    figures.at_most("restored_and_running", restore, "s", 0.5);
    // It has taken its job, made its swap and told of it.
    figures.at_most("restored_and_at_work", start, "s", 0.5);
    figures.at_least("sooner_than_a_boot", boot / restore, "times", 20.0);
    Ok(())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}
