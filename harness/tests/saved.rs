// SPDX-License-Identifier: GPL-2.0-or-later
//! Saved guests, for real: what a restored guest knows, and that verdicts do not depend on it.
//!
//! A machine that cannot build a kernel or start a guest fails these tests.

#![allow(clippy::unwrap_used)]

#[path = "support/fixed_kernel.rs"]
mod fixed_kernel;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fixed_kernel::{FixedKernel, cache};
use swapmig::guest::{Guest, Signal, ssh};
use swapmig_reports::record::{CellRecord, Status};
use swapmig_reports::run::Run;
use swapmig_workloads::protocol::Event;
use tempfile::TempDir;
use tokio::sync::Mutex;

/// Guests of two tests at once would slow each other down.
static MACHINE: Mutex<()> = Mutex::const_new(());

fn run(cache: &TempDir, arguments: &[&str]) -> (TempDir, Output) {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_swapmig"))
        .env("SWAPMIG_HOME", cache.path())
        .args(arguments)
        .arg("--out")
        .arg(dir.path().join("run"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (dir, output)
}

fn cells((dir, output): &(TempDir, Output)) -> Vec<CellRecord> {
    let run = Run::read(&dir.path().join("run"))
        .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&output.stderr)));
    let result = |cell: &swapmig_reports::run::Cell| {
        cell.result()
            .cloned()
            .unwrap_or_else(|| panic!("{}: {:?}", cell.id, cell.state))
    };
    run.cells.iter().map(result).collect()
}

/// What a developer would call the same result.
fn verdicts(cells: &[CellRecord]) -> Vec<(String, Status, bool, Option<String>)> {
    let first = |cell: &CellRecord| cell.findings.first().map(|finding| finding.title.clone());
    cells
        .iter()
        .map(|cell| (cell.cell.name(), cell.status, cell.as_expected, first(cell)))
        .collect()
}

#[test]
fn verdicts_are_the_same_whether_guests_are_saved_or_booted() {
    let _machine = MACHINE.blocking_lock();
    let cache = cache();
    let saved = run(&cache, &["check"]);
    let booted = run(&cache, &["check", "--no-saved"]);
    let (saved, booted) = (cells(&saved), cells(&booted));
    assert!(saved.iter().all(|cell| cell.timing.restored));
    assert!(booted.iter().all(|cell| !cell.timing.restored));
    assert_eq!(verdicts(&saved), verdicts(&booted));
}

#[test]
fn a_damaged_saved_guest_is_saved_anew() {
    let _machine = MACHINE.blocking_lock();
    let cache = cache();
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.toml");
    std::fs::write(
        &plan,
        "name = \"one\"\nlines = [\"6.12\"]\n[workload.tmpfs]\nat_least = { U2 = 500 }\n\
         [[cells]]\nvariants = [\"fixed\"]\nworkloads = [\"tmpfs\"]\n",
    )
    .unwrap();
    let go = || run(&cache, &["run", plan.to_str().unwrap()]);
    let said = |ran: &(TempDir, Output)| String::from_utf8_lossy(&ran.1.stderr).into_owned();
    let first = go();
    assert!(said(&first).contains("is saved"), "{}", said(&first));
    let again = go();
    assert!(!said(&again).contains("is saved"), "{}", said(&again));
    for file in ["memory", "state"] {
        let path = only_saved(&cache).join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        std::fs::write(&path, bytes).unwrap();
        let ran = go();
        assert!(said(&ran).contains("is damaged"), "{}", said(&ran));
        let cells = cells(&ran);
        assert_eq!(cells[0].status, Status::Pass, "{}", said(&ran));
        assert!(cells[0].timing.restored, "from the one that was saved anew");
    }
}

/// The folder of the only saved guest.
fn only_saved(cache: &TempDir) -> PathBuf {
    let mut entries = std::fs::read_dir(cache.path().join("guests")).unwrap();
    let only = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none(), "one guest was saved");
    only
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_guest_has_the_time_and_randomness_of_its_own() {
    let _machine = MACHINE.lock().await;
    let kernel = FixedKernel::new(env!("CARGO_BIN_EXE_swapmig"));
    let saved = kernel.save().await;
    // Long enough for a clock that stood still to be told from one that was set.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let mut drawn = Vec::new();
    for _ in 0..2 {
        let mut guest = kernel.restore(&saved).await;
        guest.send_job(&fixed_kernel::job()).await.unwrap();
        while !matches!(guest.next().await, Signal::Event(Event::Started { .. })) {}
        let (stream, keys) = guest.ssh().unwrap();
        let before = SystemTime::now();
        let said = tokio::task::spawn_blocking(move || {
            let session = ssh::connect(stream, &keys, Duration::from_secs(60)).unwrap();
            let command = "date +%s; cat /proc/sys/kernel/random/uuid";
            let output = ssh::run(&session, command, 1000).unwrap();
            String::from_utf8(output.stdout).unwrap()
        })
        .await
        .unwrap();
        guest.end().await;
        let (seconds, random) = said.trim().split_once('\n').unwrap();
        let seconds: u64 = seconds.parse().unwrap();
        let epoch = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let plausible = epoch(before) - 5..=epoch(SystemTime::now()) + 5;
        assert!(
            plausible.contains(&seconds),
            "{seconds} is not in {plausible:?}"
        );
        drawn.push(random.to_owned());
    }
    assert_ne!(drawn[0], drawn[1], "two guests drew the same random number");
}
