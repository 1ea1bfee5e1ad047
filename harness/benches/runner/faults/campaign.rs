// SPDX-License-Identifier: GPL-2.0-or-later
//! The campaign: its trials in random order, from a seed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::cells::{self, CellFault, Planned, Signals};
use super::kinds::{How, KINDS, Kind};
use super::record;
use super::tally::{Outcome, Tally};
use super::trial::{Setting, Trial};
use crate::figures::{Figures, Result};
use crate::fixed_kernel::cache;
use crate::subjects::Size;
use crate::{relay, short};

/// The seed of the campaign; without it there is a new one each time.
const SEED: &str = "SWAPMIG_BENCH_SEED";
/// The kinds of faults that strike, where not all shall: names with commas between.
const ONLY: &str = "SWAPMIG_BENCH_FAULT_KINDS";
/// Cells, each with a fault, of one run.
const TOGETHER: usize = 4;
/// The same, of faults that swapmig waits for.
const WAITING: usize = 12;
/// Cells of a run that has one fault.
const ALONE: usize = 2;

/// Faults of one trial.
enum Planning {
    Cells {
        kinds: Vec<&'static Kind>,
        at_once: usize,
    },
    Run(&'static Kind),
}

pub(crate) fn measure(figures: &mut Figures, size: Size) -> Result<()> {
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse()?,
        Err(_) => fastrand::u64(..),
    };
    println!("# {SEED}={seed}");
    let mut rng = Rng::with_seed(seed);
    let scratch = tempfile::tempdir()?;
    let (home, home_to_damage) = (cache(), cache());
    let relay = scratch.path().join("relay");
    fs::create_dir(&relay)?;
    symlink(std::env::current_exe()?, relay.join(relay::NAME))?;
    short::save_guests(home.path(), scratch.path())?;
    let mut setting = Setting {
        scratch: scratch.path().into(),
        home: home.path().into(),
        home_to_damage: home_to_damage.path().into(),
        relay,
        cell_takes: Duration::MAX,
        run_takes: Duration::MAX,
    };
    // The shorter of two: moments beyond a run's end strike nothing.
    for nth in 0..2 {
        without_faults(&mut setting, nth, rng.fork())?;
    }
    println!(
        "# without a fault a cell takes {:.1?} and a run of {ALONE} {:.1?}",
        setting.cell_takes, setting.run_takes
    );

    let mut tally = Tally::default();
    let mut keep: Vec<PathBuf> = Vec::new();
    for (number, planning) in plannings(&mut rng, size).into_iter().enumerate() {
        let (rng, began) = (rng.fork(), Instant::now());
        let (kinds, dir, outcome) = match planning {
            Planning::Run(kind) => {
                let trial = Trial::new(&setting, &(number + 1).to_string(), rng, ALONE)?;
                (vec![kind.name], trial.dir.clone(), one_run(trial, kind)?)
            }
            Planning::Cells { kinds, at_once } => {
                let mut trial = Trial::new(&setting, &(number + 1).to_string(), rng, kinds.len())?;
                trial.jobs = at_once;
                let names = kinds.iter().map(|kind| kind.name).collect();
                (names, trial.dir.clone(), one_a_cell(trial, &kinds)?)
            }
        };
        eprintln!(
            "trial {}: {}; {} struck, {:.0} s",
            number + 1,
            kinds.join(", "),
            outcome.struck.len(),
            began.elapsed().as_secs_f64()
        );
        match tally.add(&kinds, &dir, &outcome) {
            true => keep.push(dir),
            false => fs::remove_dir_all(dir)?,
        }
    }
    tally.print(figures, KINDS.iter().map(|kind| kind.name));
    if !keep.is_empty() {
        println!("# kept for inspection: {}", scratch.keep().display());
    }
    Ok(())
}

/// All faults of a campaign as trials, shuffled.
fn plannings(rng: &mut Rng, size: Size) -> Vec<Planning> {
    let only = std::env::var(ONLY).ok();
    let wanted = |kind: &&Kind| {
        only.as_ref()
            .is_none_or(|only| only.split(',').any(|name| name == kind.name))
    };
    let (mut quick, mut waiting, mut plannings) = (Vec::new(), Vec::new(), Vec::new());
    for kind in KINDS.iter().filter(wanted) {
        for _ in 0..size.of(kind.times) {
            match kind.how {
                How::Cell(_) => quick.push(kind),
                How::Waits(_) => waiting.push(kind),
                How::Run(_) => plannings.push(Planning::Run(kind)),
            }
        }
    }
    rng.shuffle(&mut quick);
    rng.shuffle(&mut waiting);
    for (kinds, together, at_once) in [(quick, TOGETHER, 2), (waiting, WAITING, WAITING)] {
        plannings.extend(kinds.chunks(together).map(|kinds| Planning::Cells {
            kinds: kinds.to_vec(),
            at_once,
        }));
    }
    rng.shuffle(&mut plannings);
    plannings
}

/// How long a run takes when nothing goes wrong; the same things are looked at as after a fault.
fn without_faults(setting: &mut Setting, nth: usize, rng: Rng) -> Result<()> {
    let mut trial = Trial::new(setting, &format!("without-faults-{nth}"), rng, ALONE)?;
    let run = trial.run();
    let began = Instant::now();
    let mut child = trial.spawn(&mut trial.begin(&[], &run)?)?;
    trial.wait(&mut child)?;
    let run_takes = began.elapsed();
    let results = trial
        .cells
        .iter()
        .filter_map(|cell| record::result(&run, cell));
    let total_ms = results.map(|result| result.timing.total_ms).max();
    let cell_takes = Duration::from_millis(total_ms.ok_or("a run without a fault has no result")?);
    let outcome = trial.end()?;
    if Tally::default().add(&["no fault at all"], &run, &outcome) {
        return Err("a run without a fault is not as it should be".into());
    }
    setting.cell_takes = setting.cell_takes.min(cell_takes);
    setting.run_takes = setting.run_takes.min(run_takes);
    Ok(())
}

fn one_run(mut trial: Trial<'_>, kind: &'static Kind) -> Result<Outcome> {
    if let How::Run(strike) = kind.how
        && strike(&mut trial)?
    {
        trial.outcome.struck.push(kind.name);
    }
    trial.end()
}

fn one_a_cell(mut trial: Trial<'_>, kinds: &[&'static Kind]) -> Result<Outcome> {
    // Now and then swapmig repeats a cell by itself; otherwise the run that goes on does.
    trial.retries = u32::from(trial.jobs < WAITING && trial.rng.u8(0..3) == 0);
    let mut planned = Vec::new();
    for (kind, cell) in kinds.iter().zip(&trial.cells) {
        let (draw, share) = match kind.how {
            How::Cell(draw) => (draw, 1.0),
            // It has to strike while the workload is at work.
            How::Waits(draw) => (draw, 0.3),
            How::Run(_) => continue,
        };
        planned.push(Planned {
            kind: kind.name,
            cell: cell.name(),
            fault: draw(&mut trial.rng),
            after: trial.setting.cell_takes.mul_f64(share * trial.rng.f64()),
            struck: false,
        });
    }
    fs::write(trial.dir.join("faults.txt"), format!("{planned:#?}\n"))?;
    let run = trial.run();
    let mut command = trial.begin(&[], &run)?;
    trial.by_way_of_relay(&mut command, &cells::orders(&planned))?;
    let mut child = trial.spawn(&mut command)?;
    let mut signals = Signals::default();
    trial.watch(&mut child, |_, child| signals.send(child, &mut planned))?;
    let told = trial.told();
    for one in planned {
        let relayed = matches!(one.fault, CellFault::Relay(_));
        if one.struck || (relayed && cells::relay_struck(&run, &one.cell, &told)) {
            trial.outcome.struck.push(one.kind);
        }
    }
    trial.end()
}
