// SPDX-License-Identifier: GPL-2.0-or-later
//! Hosts that withhold a guest's time, for real: what they do is no verdict.
//!
//! A machine that cannot build a kernel or start a guest fails these tests.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use swapmig_reports::record::{CellRecord, Ended, Status};
use swapmig_reports::run::Run;
use tempfile::TempDir;

/// A cell that takes some seconds, under limits that notice a QEMU that is stopped soon.
const PLAN: &str = r#"
name = "late"
lines = ["6.12"]
[limits]
boot = 60.0
workload = 60.0
silence = 1.0
slowness = 4.0
[workload.tmpfs]
at_least = { U2 = 500 }
[[cells]]
variants = ["fixed"]
workloads = ["tmpfs"]
"#;

struct Running {
    swapmig: Child,
    dir: TempDir,
}

impl Running {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let plan = dir.path().join("plan.toml");
        std::fs::write(&plan, PLAN).unwrap();
        let swapmig = Command::new(env!("CARGO_BIN_EXE_swapmig"))
            .arg("run")
            .arg(&plan)
            .arg("--out")
            .arg(dir.path().join("run"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { swapmig, dir }
    }

    fn out(&self) -> std::path::PathBuf {
        self.dir.path().join("run")
    }

    /// Waits until the cell's workload runs; its QEMU.
    fn qemu(&mut self) -> Pid {
        let events = self.out().join("cells/6.12.fixed.tmpfs.1/events.jsonl");
        loop {
            let text = std::fs::read_to_string(&events).unwrap_or_default();
            if text.contains("\"started\"")
                && let Some(pid) = qemu_of(self.swapmig.id(), &self.out())
            {
                return pid;
            }
            let ended = self.swapmig.try_wait().unwrap();
            assert!(ended.is_none(), "it ended before its workload began");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn result(mut self) -> CellRecord {
        self.swapmig.wait().unwrap();
        let run = Run::read(&self.out()).unwrap();
        run.cells[0].result().cloned().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.swapmig.kill();
    }
}

/// The QEMU that a swapmig runs with its console in this run's cells.
fn qemu_of(swapmig: u32, run: &Path) -> Option<Pid> {
    let console = format!("path={}/cells", run.display());
    let tasks = std::fs::read_dir(format!("/proc/{swapmig}/task")).ok()?;
    let children = tasks.flatten().flat_map(|task| {
        let listed = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let pids: Vec<i32> = listed
            .split(' ')
            .filter_map(|pid| pid.parse().ok())
            .collect();
        pids
    });
    let is_guest = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"qemu-system") && String::from_utf8_lossy(&line).contains(&console)
    };
    children.into_iter().find(is_guest).and_then(Pid::from_raw)
}

#[test]
fn a_qemu_that_was_stopped_for_a_while_goes_on_and_it_is_told() {
    let mut running = Running::start();
    let qemu = running.qemu();
    kill_process(qemu, Signal::STOP).unwrap();
    std::thread::sleep(Duration::from_millis(2500));
    kill_process(qemu, Signal::CONT).unwrap();
    let cell = running.result();
    assert_eq!(cell.status, Status::Pass, "{:?}", cell.reasons);
    assert_eq!(cell.attempts, []);
    let late = cell.host_late.unwrap();
    assert!(late.contains("QEMU was stopped"), "{late}");
}

#[test]
fn a_qemu_that_stays_stopped_is_dead_and_its_cell_is_tried_again() {
    let mut running = Running::start();
    let qemu = running.qemu();
    kill_process(qemu, Signal::STOP).unwrap();
    let cell = running.result();
    assert_eq!(cell.status, Status::Pass, "{:?}", cell.reasons);
    assert!(cell.is_flaky());
    let first = &cell.attempts[0];
    assert_eq!(first.status, Status::Error);
    assert!(
        first.reason.contains("stopped by a signal"),
        "{}",
        first.reason
    );
}

#[test]
fn a_swapmig_that_was_stopped_for_a_while_blames_no_kernel() {
    let mut running = Running::start();
    running.qemu();
    let swapmig = Pid::from_child(&running.swapmig);
    kill_process(swapmig, Signal::STOP).unwrap();
    std::thread::sleep(Duration::from_secs(8));
    kill_process(swapmig, Signal::CONT).unwrap();
    let cell = running.result();
    assert_eq!(cell.status, Status::Pass, "{:?}", cell.reasons);
    assert_eq!(cell.ended, Ended::Done);
    let late = cell.host_late.unwrap();
    assert!(late.contains("stood still"), "{late}");
}
