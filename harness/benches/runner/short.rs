// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs of short cells.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use swapmig_reports::record::CellId;
use swapmig_reports::run::Run;
use toml::{Table, Value};

use crate::figures::Result;

/// The plan of short cells.
pub(crate) const PLAN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ci/plans/short.toml");

/// The program that is measured, to be started by way of others that become it one after the
/// other. It is asked to end when this one does.
pub(crate) fn swapmig(wrapper: &[String]) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM"])
        .args(wrapper)
        .arg(env!("CARGO_BIN_EXE_swapmig"));
    command
}

/// `swapmig run`, with a cache of its own, two guests at a time and nothing on standard output.
pub(crate) fn run(home: &Path, plan: &Path) -> Command {
    let mut command = swapmig(&[]);
    command.arg("run").arg(plan).args(["--jobs", "2"]);
    command.env("SWAPMIG_HOME", home).stdout(Stdio::null());
    command
}

/// Starts every cell of the short plan with so many seeds, its guests saved before.
pub(crate) fn start(home: &Path, scratch: &Path, seeds: usize, out: &Path) -> Result<Child> {
    save_guests(home, scratch)?;
    Ok(run(home, Path::new(PLAN))
        .args(["--seeds", &seeds.to_string()])
        .arg("--out")
        .arg(out)
        .stderr(Stdio::null())
        .spawn()?)
}

/// The short plan with cells of its own; `boot` replaces its limit of a boot, in seconds.
pub(crate) fn plan_of(cells: &[CellId], retries: u32, boot: Option<f64>) -> Result<String> {
    let mut plan: Table = std::fs::read_to_string(PLAN)?.parse()?;
    let groups = cells.iter().map(|cell| {
        let seed = i64::try_from(cell.seed)?;
        Ok(Value::Table(Table::from_iter([
            ("variants".into(), Value::from(vec![cell.variant.clone()])),
            ("workloads".into(), Value::from(vec![cell.workload.clone()])),
            ("seeds".into(), Value::from(vec![seed])),
        ])))
    });
    let groups: Result<Vec<Value>> = groups.collect();
    plan.insert("cells".into(), Value::Array(groups?));
    plan.insert("retries".into(), Value::from(i64::from(retries)));
    if let Some(boot) = boot {
        let limits = Table::from_iter([("boot".into(), Value::from(boot))]);
        plan.insert("limits".into(), Value::Table(limits));
    }
    Ok(toml::to_string(&plan)?)
}

/// Runs every cell of the short plan once, so that its kernels are saved from then on.
pub(crate) fn save_guests(home: &Path, scratch: &Path) -> Result<()> {
    let out = scratch.join("warm-up");
    let status = run(home, Path::new(PLAN))
        .arg("--out")
        .arg(&out)
        .stderr(Stdio::null())
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!(
            "the short plan does not hold on this machine ({status}); look at `swapmig run {PLAN}`"
        )
        .into()),
    }
}

/// Cells of a run that ended as expected, and all of its cells; those that did not are printed.
pub(crate) fn as_expected(out: &Path) -> Result<(usize, usize)> {
    let run = Run::read(out)?;
    let mut good = 0;
    for cell in &run.cells {
        match cell.result() {
            Some(result) if result.as_expected => good += 1,
            Some(result) => println!("# {}: {} {:?}", cell.id, result.status, result.reasons),
            None => println!("# {}: {:?}", cell.id, cell.state),
        }
    }
    Ok((good, run.cells.len()))
}
