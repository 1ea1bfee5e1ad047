// SPDX-License-Identifier: GPL-2.0-or-later
//! How fast logs are read, as the criterion bench of the parser measures it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::figures::{Figures, Result};

/// Targets in MB/s on one core, by how the benchmark's name begins.
const TARGETS: [(&str, f64); 2] = [("clean", 500.0), ("a trace every 100 lines", 50.0)];

/// `benchmark.json` of criterion.
#[derive(Deserialize)]
struct Benchmark {
    function_id: String,
    throughput: Throughput,
}

#[derive(Deserialize)]
struct Throughput {
    #[serde(rename = "Bytes")]
    bytes: f64,
}

/// `estimates.json` of criterion; times are in nanoseconds.
#[derive(Deserialize)]
struct Estimates {
    mean: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

/// Runs the criterion bench and prints a figure for each of its logs.
pub(crate) fn measured(figures: &mut Figures) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "bench",
            "--locked",
            "--package",
            "swapmig-reports",
            "--bench",
            "trace",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .env("CRITERION_HOME", scratch.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("cargo bench --package swapmig-reports failed: {status}").into());
    }
    let mut measured = Vec::new();
    for group in std::fs::read_dir(scratch.path())? {
        for function in std::fs::read_dir(group?.path())? {
            let newest = function?.path().join("new");
            if newest.is_dir() {
                let benchmark: Benchmark = read(&newest.join("benchmark.json"))?;
                let estimates: Estimates = read(&newest.join("estimates.json"))?;
                let rate = benchmark.throughput.bytes * 1000.0 / estimates.mean.point_estimate;
                measured.push((benchmark.function_id, rate));
            }
        }
    }
    measured.sort_by(|a, b| a.0.cmp(&b.0));
    for (begins, target) in TARGETS {
        let of_target = measured.iter().filter(|(name, _)| name.starts_with(begins));
        let mut any = false;
        for (name, rate) in of_target {
            figures.at_least(&name.replace(' ', "_"), *rate, "MB/s", target);
            any = true;
        }
        if !any {
            return Err(format!("no benchmark's name begins with `{begins}`").into());
        }
    }
    Ok(())
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<T> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}
