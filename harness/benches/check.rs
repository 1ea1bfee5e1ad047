// SPDX-License-Identifier: GPL-2.0-or-later
//! The figures of `swapmig check`: how long it takes, what it catches, what it leaves behind.
//!
//! Everything is measured in one run, by the release build, with real guests.

#![allow(clippy::print_stdout, missing_docs)]

mod figures;

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use swapmig_reports::record::{CellRecord, Class, KernelRecord, Status};
use swapmig_reports::run::Run;

use figures::{Figures, Result};

/// How many seeds of each cell the rates are taken from.
const SEEDS: usize = 10;

fn main() -> ExitCode {
    figures::main(bench)
}

fn bench(figures: &mut Figures) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    println!(
        "# {} CPUs; times are of the whole command, release build",
        std::thread::available_parallelism()?
    );
    // A cold start takes as long as a kernel build; leaving it out is for quick looks.
    if std::env::args().any(|argument| argument == "--warm") {
        println!("# --warm: the time from a bare machine is left out");
    } else {
        cold(figures, scratch.path())?;
    }
    warm(figures, scratch.path())?;
    rates(figures, scratch.path())?;
    leftovers(figures, scratch.path())
}

fn swapmig() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_swapmig"))
}

fn check(out: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(swapmig());
    command
        .arg("check")
        .arg("--out")
        .arg(out)
        .args(arguments)
        .stdout(Stdio::null());
    command
}

/// From nothing but installed packages to the verdict, programs and kernels built on the
/// way; and what of it is no kernel build.
fn cold(figures: &mut Figures, scratch: &Path) -> Result<()> {
    let home = scratch.join("home");
    let out = scratch.join("cold");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../ci/check");
    let started = Instant::now();
    let status = Command::new(script)
        .arg("--out")
        .arg(&out)
        .env("SWAPMIG_HOME", &home)
        .env("CARGO_TARGET_DIR", scratch.join("target"))
        .stdout(Stdio::null())
        .status()?;
    let total = started.elapsed().as_secs_f64();
    let run = Run::read(&out)?;
    let building: f64 = run
        .record
        .kernels
        .values()
        .map(|kernel| match kernel {
            KernelRecord::Ready { build_seconds, .. } => *build_seconds,
            KernelRecord::Unavailable { .. } => 0.0,
        })
        .sum();
    figures.at_most("cold_check_exit_code", code(status), "code", 0.0);
    figures.at_most("cold_check", total, "s", 1200.0);
    figures.at_most(
        "cold_check_beside_kernel_builds",
        total - building,
        "s",
        180.0,
    );
    std::fs::remove_dir_all(home)?;
    Ok(())
}

fn warm(figures: &mut Figures, scratch: &Path) -> Result<()> {
    // The first one fills the store where the user's is empty.
    check(&scratch.join("fill"), &[]).status()?;
    let started = Instant::now();
    let status = check(&scratch.join("warm"), &[]).status()?;
    figures.at_most("warm_check_exit_code", code(status), "code", 0.0);
    figures.at_most("warm_check", started.elapsed().as_secs_f64(), "s", 90.0);
    Ok(())
}

fn rates(figures: &mut Figures, scratch: &Path) -> Result<()> {
    let out = scratch.join("rates");
    check(&out, &["--seeds", &SEEDS.to_string()]).status()?;
    let run = Run::read(&out)?;
    println!(
        "# accelerator {}: {}",
        run.record.host.accelerator, run.record.host.accelerator_reason
    );
    let mut by_cell: BTreeMap<(String, String), Vec<&CellRecord>> = BTreeMap::new();
    for cell in &run.cells {
        let key = (cell.id.variant.clone(), cell.id.workload.clone());
        // A cell without a result counts as one that fell short.
        by_cell.entry(key).or_default().extend(cell.result());
    }
    for ((variant, workload), results) in &by_cell {
        let name = format!("{variant}_{workload}");
        let expected = results.iter().filter(|result| result.as_expected).count();
        figures.at_least(
            &format!("{name}_as_expected"),
            expected as f64,
            "seeds",
            SEEDS as f64,
        );
        if variant == "fixed" {
            let clean = results
                .iter()
                .filter(|result| result.status == Status::Pass)
                .count();
            figures.at_least(
                &format!("{name}_clean"),
                clean as f64,
                "seeds",
                SEEDS as f64,
            );
            if workload == "orphan" {
                let fewest = results
                    .iter()
                    .map(|result| moved(result, Class::U4))
                    .min()
                    .unwrap_or(0);
                figures.at_least(
                    &format!("{name}_fewest_U4_migrations"),
                    fewest as f64,
                    "folios",
                    1000.0,
                );
            }
        } else {
            // A refusal is known when the workload has ended; a trace when it is printed.
            let slowest = results
                .iter()
                .map(|result| {
                    result
                        .timing
                        .finding_ms
                        .or(result.timing.workload_ms)
                        .unwrap_or(u64::MAX)
                })
                .max()
                .unwrap_or(u64::MAX);
            figures.at_most(
                &format!("{name}_slowest_detection"),
                slowest as f64 / 1000.0,
                "s",
                10.0,
            );
        }
    }
    Ok(())
}

fn moved(result: &CellRecord, class: Class) -> u64 {
    result.classes.get(&class).map_or(0, |counts| counts.moved)
}

/// Processes that are still there after each way to end.
fn leftovers(figures: &mut Figures, scratch: &Path) -> Result<()> {
    let mut finished = check(&scratch.join("left-success"), &[]);
    figures.at_most(
        "left_after_success",
        left_after(&mut finished, |child| Ok(child.wait()?))?,
        "processes",
        0.0,
    );

    let plan = scratch.join("impossible.toml");
    std::fs::write(
        &plan,
        "name = \"x\"\nlines = [\"6.12\"]\n[limits]\nboot = 0.01\n[[cells]]\nvariants = [\"fixed\"]\nworkloads = [\"orphan\"]\n",
    )?;
    let mut fails = Command::new(swapmig());
    fails
        .arg("run")
        .arg(&plan)
        .arg("--out")
        .arg(scratch.join("left-failure"))
        .stdout(Stdio::null());
    figures.at_most(
        "left_after_failure",
        left_after(&mut fails, |child| Ok(child.wait()?))?,
        "processes",
        0.0,
    );

    for (name, signal) in [("ctrl_c", "INT"), ("sigterm", "TERM"), ("sigkill", "KILL")] {
        let mut command = check(&scratch.join(format!("left-{name}")), &[]);
        let left = left_after(&mut command, |child| {
            wait_for_a_guest(child)?;
            Command::new("kill")
                .args(["-s", signal, &child.id().to_string()])
                .status()?;
            Ok(child.wait()?)
        })?;
        figures.at_most(&format!("left_after_{name}"), left, "processes", 0.0);
    }
    Ok(())
}

/// Runs a command, marked by a variable that its descendants inherit, to its
/// end, and counts the marked processes that outlive it by a second.
fn left_after(
    command: &mut Command,
    end: impl FnOnce(&mut Child) -> Result<ExitStatus>,
) -> Result<f64> {
    let mark = format!(
        "SWAPMIG_BENCH_MARK={:?}-{}",
        Instant::now(),
        std::process::id()
    );
    let (name, value) = mark.split_once('=').ok_or("the mark has two parts")?;
    let mut child = command.env(name, value).stderr(Stdio::null()).spawn()?;
    end(&mut child)?;
    std::thread::sleep(Duration::from_secs(1));
    let mut left = 0;
    for process in std::fs::read_dir("/proc")? {
        let environment = std::fs::read(process?.path().join("environ")).unwrap_or_default();
        left += u32::from(
            environment
                .split(|&b| b == 0)
                .any(|entry| entry == mark.as_bytes()),
        );
    }
    Ok(f64::from(left))
}

/// Waits until a guest is up: a signal before that would meet nothing.
fn wait_for_a_guest(child: &mut Child) -> Result<()> {
    let children = format!("/proc/{0}/task", child.id());
    loop {
        if let Some(status) = child.try_wait()? {
            return Err(
                format!("the check ended by itself before a guest was up ({status})").into(),
            );
        }
        for task in std::fs::read_dir(&children)? {
            let listed = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
            let is_guest = |pid: &str| {
                std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| {
                    line.starts_with(b"qemu-system") && line.windows(7).any(|w| w == b"-initrd")
                })
            };
            if listed.split_whitespace().any(is_guest) {
                return Ok(());
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn code(status: ExitStatus) -> f64 {
    f64::from(
        status
            .code()
            .or(status.signal().map(|signal| 128 + signal))
            .unwrap_or(-1),
    )
}
