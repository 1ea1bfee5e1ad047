// SPDX-License-Identifier: GPL-2.0-or-later
//! Faults that strike a whole run. Each function begins the trial's run, lets the fault strike,
//! and returns when swapmig has ended and the fault is gone.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Signal, kill_process};

use super::trial::Trial;
use crate::figures::Result;
use crate::fixed_kernel::cache;
use crate::process::pid;

/// Begins the run as it should be.
fn begin(trial: &Trial<'_>) -> Result<Child> {
    trial.spawn(&mut trial.begin(&[], &trial.run())?)
}

/// Swapmig is sent a signal at some moment.
pub(super) fn signal(trial: &mut Trial<'_>, signal: Signal) -> Result<bool> {
    let moment = trial.moment();
    let mut child = begin(trial)?;
    let struck = Trial::runs_for(&mut child, moment)?;
    if struck {
        kill_process(pid(&child)?, signal)?;
    }
    trial.wait(&mut child)?;
    Ok(struck)
}

/// Swapmig is killed while its first guests boot and are saved.
pub(super) fn killed_while_saving(trial: &mut Trial<'_>) -> Result<bool> {
    trial.in_empty_home();
    let moment = trial.moment() * 2;
    let mut child = begin(trial)?;
    let struck = Trial::runs_for(&mut child, moment)?;
    if struck {
        child.kill()?;
    }
    trial.wait(&mut child)?;
    Ok(struck)
}

/// Swapmig stands still for a while; its guests do not.
pub(super) fn stopped_a_while(trial: &mut Trial<'_>) -> Result<bool> {
    let (moment, pause) = (
        trial.moment(),
        Duration::from_millis(trial.rng.u64(500..6000)),
    );
    let mut child = begin(trial)?;
    let struck = Trial::runs_for(&mut child, moment)?;
    if struck {
        kill_process(pid(&child)?, Signal::STOP)?;
        std::thread::sleep(pause);
        kill_process(pid(&child)?, Signal::CONT)?;
    }
    trial.wait(&mut child)?;
    Ok(struck)
}

/// Begins the run by way of another program; struck are runs that do not hold what they should.
fn by_way_of(trial: &mut Trial<'_>, wrapper: &[String], out: &Path) -> Result<bool> {
    let mut child = trial.spawn(&mut trial.begin(wrapper, out)?)?;
    Ok(!trial.wait(&mut child)?.success())
}

/// Swapmig and all that it starts may open few files.
pub(super) fn without_descriptors(trial: &mut Trial<'_>) -> Result<bool> {
    let most = trial.rng.u32(8..32);
    let run = trial.run();
    by_way_of(
        trial,
        &["prlimit".into(), format!("--nofile={most}:{most}")],
        &run,
    )
}

/// Swapmig and all that it starts may write short files only.
pub(super) fn limited_files(trial: &mut Trial<'_>) -> Result<bool> {
    let bytes = 1_u64 << trial.rng.u32(10..25);
    let run = trial.run();
    by_way_of(
        trial,
        &["prlimit".into(), format!("--fsize={bytes}:{bytes}")],
        &run,
    )
}

/// The run's folder is on a disk that gets full.
pub(super) fn full_disk(trial: &mut Trial<'_>) -> Result<bool> {
    // A namespace of its own makes mounting nobody else's business, and needs no root.
    const SCRIPT: &str = r#"
        mount -t tmpfs -o size="$1"k tmpfs "$2" || exit 90
        small=$2 run=$3
        shift 3
        "$@"
        code=$?
        [ ! -e "$small/run" ] || cp -a "$small/run" "$run"
        exit $code
    "#;
    let kib = trial.rng.u32(16..24 << 10);
    let small = trial.dir.join("small");
    fs::create_dir(&small)?;
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|&word| word.to_owned())
            .collect::<Vec<_>>()
    };
    let mut wrapper = words(&[
        "unshare",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        SCRIPT,
        "sh",
    ]);
    wrapper.push(kib.to_string());
    for path in [&small, &trial.run()] {
        wrapper.push(
            path.to_str()
                .ok_or("the trial's folder has a name in UTF-8")?
                .to_owned(),
        );
    }
    let mut command = trial.begin(&wrapper, &small.join("run"))?;
    // Else it would be noticed that there is no room before anything is written.
    command.args(["--host-disk", "100000"]);
    let mut child = trial.spawn(&mut command)?;
    let status = trial.wait(&mut child)?;
    match status.code() {
        Some(90) => Err("no disk can be mounted in a namespace of one's own".into()),
        _ => Ok(!status.success()),
    }
}

/// Other programs want the CPUs, too.
pub(super) fn overloaded_host(trial: &mut Trial<'_>) -> Result<bool> {
    const BUSY: usize = 6;
    let busy = || {
        let words = ["--pdeathsig", "KILL", "sh", "-c", "while :; do :; done"];
        Command::new("setpriv").args(words).spawn()
    };
    let mut others = (0..BUSY)
        .map(|_| busy())
        .collect::<std::io::Result<Vec<_>>>()?;
    let mut child = begin(trial)?;
    let ended = trial.wait(&mut child);
    for other in &mut others {
        other.kill()?;
        other.wait()?;
    }
    ended?;
    Ok(true)
}

/// A file of the saved guest; the guest is saved first where it is not.
fn file_of_saved_guest(trial: &mut Trial<'_>) -> Result<PathBuf> {
    trial.of_fixed_to_damage();
    let guests = trial.home.join("guests");
    let guest = |guests: &Path| fs::read_dir(guests).ok()?.next()?.ok();
    if guest(&guests).is_none() {
        let out = trial.dir.join("saving");
        let mut child = trial.spawn(&mut trial.begin(&[], &out)?)?;
        trial.wait(&mut child)?;
    }
    let guest = guest(&guests).ok_or("no guest was saved")?.path();
    let name = trial
        .rng
        .choice(["memory", "state", "saved.json", "console.log"]);
    Ok(guest.join(name.ok_or("there is a choice")?))
}

/// Runs over a saved guest that is damaged.
fn over_damage(trial: &mut Trial<'_>) -> Result<bool> {
    let mut child = begin(trial)?;
    trial.wait(&mut child)?;
    Ok(true)
}

pub(super) fn saved_bit_flipped(trial: &mut Trial<'_>) -> Result<bool> {
    let path = file_of_saved_guest(trial)?;
    flip_bit(&path, trial)?;
    over_damage(trial)
}

pub(super) fn saved_truncated(trial: &mut Trial<'_>) -> Result<bool> {
    let path = file_of_saved_guest(trial)?;
    truncate(&path, trial)?;
    over_damage(trial)
}

pub(super) fn saved_file_missing(trial: &mut Trial<'_>) -> Result<bool> {
    let path = file_of_saved_guest(trial)?;
    fs::remove_file(path)?;
    over_damage(trial)
}

fn flip_bit(path: &Path, trial: &mut Trial<'_>) -> Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let at = trial.rng.u64(..file.metadata()?.len());
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    byte[0] ^= 1 << trial.rng.u8(..8);
    Ok(file.write_all_at(&byte, at)?)
}

fn truncate(path: &Path, trial: &mut Trial<'_>) -> Result<()> {
    let file = File::options().write(true).open(path)?;
    let length = file.metadata()?.len();
    Ok(file.set_len(trial.rng.u64(..length))?)
}

/// The kernel in the store is not what was built: it is built again, never booted. The store is a
/// copy, the tree that it is built in is the user's.
pub(super) fn kernel_bit_flipped(trial: &mut Trial<'_>) -> Result<bool> {
    trial.of_fixed_to_damage();
    let whole = trial.home.clone();
    let home = cache();
    let kernels = home.path().join("kernels");
    let own = fs::canonicalize(&kernels)?;
    fs::remove_file(&kernels)?;
    fs::create_dir(&kernels)?;
    let mut damaged = None;
    for kernel in fs::read_dir(own)? {
        let kernel = kernel?;
        let about = fs::read_to_string(kernel.path().join("kernel.json")).unwrap_or_default();
        let copy = kernels.join(kernel.file_name());
        if !about.contains("\"variant\": \"fixed\"") {
            symlink(kernel.path(), copy)?;
            continue;
        }
        fs::create_dir(&copy)?;
        for file in fs::read_dir(kernel.path())? {
            let file = file?;
            let to = copy.join(file.file_name());
            if file.file_name() == "bzImage" {
                fs::copy(file.path(), &to)?;
                flip_bit(&to, trial)?;
                damaged = Some((fs::read(&to)?, to));
            } else {
                symlink(file.path(), to)?;
            }
        }
    }
    trial.home = home.path().into();
    let mut child = begin(trial)?;
    trial.wait(&mut child)?;
    trial.home = whole;
    let (content, bzimage) = damaged.ok_or("the store has no fixed kernel")?;
    match fs::read(&bzimage)? == content {
        true => Err("the damaged kernel was not built again".into()),
        false => Ok(true),
    }
}

/// A result is cut after the run.
pub(super) fn result_truncated(trial: &mut Trial<'_>) -> Result<bool> {
    let mut child = begin(trial)?;
    trial.wait(&mut child)?;
    let cell = trial.rng.usize(..trial.cells.len());
    let result = trial
        .run()
        .join("cells")
        .join(trial.cells[cell].name())
        .join("cell.json");
    truncate(&result, trial)?;
    Ok(true)
}

/// The run's record is cut when swapmig is killed: nobody can go on until it is restored.
pub(super) fn record_truncated(trial: &mut Trial<'_>) -> Result<bool> {
    if !signal(trial, Signal::KILL)? {
        return Ok(false);
    }
    let record = trial.run().join("run.json");
    let Ok(whole) = fs::read(&record) else {
        return Ok(false);
    };
    truncate(&record, trial)?;
    let mut child = trial.spawn(&mut trial.go_on())?;
    let status = trial.wait(&mut child)?;
    if status.code() != Some(2) {
        trial
            .outcome
            .unexpected
            .insert(format!("a run with half a record went on: {status}"));
    }
    fs::write(&record, whole)?;
    Ok(true)
}

/// What guests boot from is removed while they run.
pub(super) fn scratch_vanished(trial: &mut Trial<'_>) -> Result<bool> {
    trial.of_fixed_to_damage();
    let moment = trial.moment();
    let mut child = begin(trial)?;
    let struck = Trial::runs_for(&mut child, moment)?
        && fs::remove_dir_all(trial.run().join("scratch")).is_ok();
    trial.wait(&mut child)?;
    Ok(struck)
}

/// A second swapmig goes on with a run that is at work.
pub(super) fn two_at_one_run(trial: &mut Trial<'_>) -> Result<bool> {
    let moment = trial.moment();
    let mut first = begin(trial)?;
    let struck = Trial::runs_for(&mut first, moment)? && trial.run().join("run.json").exists();
    if struck {
        let mut second = trial.spawn(&mut trial.go_on())?;
        let refused = second.wait()?.code() == Some(2);
        if !refused && first.try_wait()?.is_none() {
            trial
                .outcome
                .unexpected
                .insert("two swapmigs were at work in one run".into());
        }
    }
    let status = trial.wait(&mut first)?;
    if !status.success() {
        trial
            .outcome
            .unexpected
            .insert(format!("the first swapmig ended with {status}"));
    }
    Ok(struck)
}

/// Two runs share a cache in which no guest is saved yet.
pub(super) fn two_runs_at_once(trial: &mut Trial<'_>) -> Result<bool> {
    let home = cache();
    let shared = std::mem::replace(&mut trial.home, home.path().into());
    let mut first = begin(trial)?;
    let mut second = trial.spawn(&mut trial.begin(&[], &trial.dir.join("second"))?)?;
    for child in [&mut first, &mut second] {
        let status = trial.wait(child)?;
        if !status.success() {
            trial
                .outcome
                .unexpected
                .insert(format!("one of two runs ended with {status}"));
        }
    }
    trial.home = shared;
    Ok(true)
}
