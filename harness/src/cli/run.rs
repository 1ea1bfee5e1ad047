// SPDX-License-Identifier: GPL-2.0-or-later
//! `swapmig check` and `swapmig run`.

use std::io::IsTerminal;
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use swapmig_reports::record::RunRecord;

use super::args::RunOptions;
use super::failure::Failure;
use super::report;
use super::setting::{KnownNames, Setting, jobs, stop_on_signals};
use crate::catalogue::Images;
use crate::event::Sink;
use crate::plan::Plan;
use crate::run_dir::RunDir;
use crate::runner::dispatch;
use crate::sinks;

/// Judges the fixed kernel and the broken variants beside it.
pub(super) async fn check(options: RunOptions) -> Result<ExitCode, Failure> {
    let plan = Plan::check(&names()?, options.seeds).map_err(Failure::usage)?;
    start(&Setting::find()?, plan, options).await
}

/// Runs a plan, or the rest of one.
pub(super) async fn run(
    path: &Utf8Path,
    resume: Option<Utf8PathBuf>,
    options: RunOptions,
) -> Result<ExitCode, Failure> {
    let plan = Plan::load(path, &names()?, options.seeds).map_err(Failure::usage)?;
    let setting = Setting::find()?;
    match resume {
        None => start(&setting, plan, options).await,
        Some(run) => go_on(&setting, plan, run, options).await,
    }
}

/// What a plan may name: looked up first, so that a wrong plan is told before anything is started.
fn names() -> Result<KnownNames, Failure> {
    let images = Images::locate().map_err(Failure::host)?;
    KnownNames::of(&images).map_err(Failure::usage)
}

async fn start(setting: &Setting, plan: Plan, options: RunOptions) -> Result<ExitCode, Failure> {
    let id = run_id(&plan.name);
    let path = options.out.unwrap_or_else(|| setting.home.runs().join(&id));
    let record = dispatch::record(id, &plan, setting.host()?);
    let dir = RunDir::create(path).map_err(Failure::usage)?;
    dir.write("plan.toml", plan.text.as_bytes())
        .map_err(Failure::host)?;
    carry_out(setting, plan, dir, record, options.jobs).await
}

async fn go_on(
    setting: &Setting,
    plan: Plan,
    run: Utf8PathBuf,
    options: RunOptions,
) -> Result<ExitCode, Failure> {
    let before = swapmig_reports::run::Run::read(run.as_std_path()).map_err(Failure::usage)?;
    let dir = RunDir::open(run).map_err(Failure::usage)?;
    let planned: Vec<_> = plan.cells.iter().map(|cell| cell.id.clone()).collect();
    if before.record.cells != planned {
        return Err(Failure::Usage(miette::miette!(
            "The run {} is of another plan: its cells are not those of this one. Resume it with {}.",
            dir.path(),
            dir.path().join("plan.toml")
        )));
    }
    let record = RunRecord {
        finished: None,
        ..before.record
    };
    carry_out(setting, plan, dir, record, options.jobs).await
}

async fn carry_out(
    setting: &Setting,
    plan: Plan,
    dir: RunDir,
    record: RunRecord,
    asked_jobs: Option<u16>,
) -> Result<ExitCode, Failure> {
    let jobs = jobs(asked_jobs, &plan.machine)?;
    let mut view: Box<dyn Sink> = match std::io::stderr().is_terminal() {
        true => Box::new(sinks::Terminal::default()),
        false => Box::new(sinks::Plain::new(std::io::stderr())),
    };
    let choice = &setting.choice;
    let note = format!(
        "{jobs} guest(s) at a time under {}: {}",
        choice.accelerator, choice.reason
    );
    // The one word before the stream begins; it goes the stream's way.
    view.event(&crate::event::Event::Note(note))
        .map_err(Failure::host)?;
    let sinks: Vec<Box<dyn Sink>> = vec![
        Box::new(sinks::Store::new(dir.clone())),
        view,
        Box::new(sinks::Log),
    ];
    let stop = stop_on_signals()?;
    let ran = dispatch::run(
        setting.context(jobs),
        plan,
        dir.clone(),
        record,
        sinks,
        stop.clone(),
    )
    .await;
    if let Err(error) = ran {
        return Err(Failure::host(error));
    }
    if stop.is_cancelled() {
        return Err(Failure::Host(miette::miette!(
            "The run was stopped; every guest has ended. Go on with: swapmig run {} --resume {}",
            dir.path().join("plan.toml"),
            dir.path()
        )));
    }
    report::report(dir.path(), None)
}

/// A name that sorts by time and does not collide: two runs may start in one second.
fn run_id(plan: &str) -> String {
    let plain: String = plan
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    let nonce =
        &blake3::hash(format!("{:?}{}", std::time::Instant::now(), std::process::id()).as_bytes())
            .to_hex()[..6];
    format!(
        "{}-{plain}-{nonce}",
        Timestamp::now().strftime("%Y%m%d-%H%M%S")
    )
}
