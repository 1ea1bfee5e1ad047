// SPDX-License-Identifier: GPL-2.0-or-later
//! How much memory a log of 10 GB takes.

use std::io::Write;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::figures::{Figures, Result};

/// Length of the log in bytes.
const LENGTH: usize = 10_000_000_000;
/// Length of the part that repeats: a boot, a trace, and what a guest at peace prints.
const PART: usize = 1 << 20;
const TRACE: &[u8] = include_bytes!("../../../reports/tests/consoles/no-guard-anon-orphan.log");
const QUIET: &[u8] =
    b"[   99.123456][   T42] systemd[1]: Started a service of some name or other.\n";

/// Sends the log through `swapmig triage -`, a trace every MiB, and asks what it took.
pub(crate) fn measured(figures: &mut Figures) -> Result<()> {
    let mut part = b"[    0.000000] Linux version 6.12.117\n".to_vec();
    part.extend(TRACE);
    while part.len() < PART {
        part.extend(QUIET);
    }
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_swapmig"))
        .args(["triage", "--json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or("its input is a pipe")?;
    for _ in 0..LENGTH.div_ceil(part.len()) {
        stdin.write_all(&part)?;
    }
    let before = peak(&child);
    drop(stdin);
    let (status, after) = ended(&mut child)?;
    let seconds = started.elapsed().as_secs_f64();
    if status.code() != Some(1) {
        return Err(format!("swapmig triage ended with {status}").into());
    }
    let kib = before.max(after).ok_or("its status names no VmHWM")?;
    figures.at_most("triage_10_GB_peak", kib as f64 / 1024.0, "MiB", 64.0);
    println!("# 10 GB with a trace every MiB in {seconds:.1} s");
    Ok(())
}

/// Waits for the end, and asks until then.
fn ended(child: &mut Child) -> Result<(ExitStatus, Option<u64>)> {
    let mut highest = None;
    loop {
        highest = highest.max(peak(child));
        if let Some(status) = child.try_wait()? {
            return Ok((status, highest));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The most memory that it has had so far, in KiB.
fn peak(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
