// SPDX-License-Identifier: GPL-2.0-or-later
//! `swapmig check` and `swapmig run`.

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use swapmig_reports::record::RunRecord;
use swapmig_reports::run::Run;

use super::args::RunOptions;
use super::failure::Failure;
use super::report;
use super::setting::{KnownNames, Setting, stop_on_signals, view};
use crate::catalogue::Images;
use crate::event::Sink;
use crate::guest::saved::SavedGuests;
use crate::host::{Claim, HostBudget, HostError, Resources, Shares};
use crate::plan::{Machine, Plan};
use crate::run_dir::RunDir;
use crate::runner::dispatch;
use crate::sinks;

/// A run's copy of its plan.
const PLAN: &str = "plan.toml";

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
    match resume {
        None => {
            let plan = Plan::load(path, &names()?, options.seeds).map_err(Failure::usage)?;
            start(&Setting::find()?, plan, options).await
        }
        Some(run) => go_on(path, run, options).await,
    }
}

/// What a plan may name: looked up first, so that a wrong plan is told before anything is started.
fn names() -> Result<KnownNames, Failure> {
    let images = Images::locate().map_err(Failure::host)?;
    KnownNames::of(&images).map_err(Failure::usage)
}

async fn start(setting: &Setting, plan: Plan, options: RunOptions) -> Result<ExitCode, Failure> {
    let how = How::of(&options);
    let id = run_id(&plan.name);
    let path = options.out.unwrap_or_else(|| setting.home.runs().join(&id));
    let record = dispatch::record(id, &plan, options.seeds, setting.host()?);
    let dir = RunDir::create(path).map_err(Failure::usage)?;
    dir.write(PLAN, plan.text.as_bytes())
        .map_err(Failure::host)?;
    dir.write_record(&record).map_err(Failure::host)?;
    carry_out(setting, plan, dir, record, &how).await
}

/// The rest of a run belongs to the same plan and the same kind of guest, or it would be another run.
async fn go_on(
    path: &Utf8Path,
    run: Utf8PathBuf,
    options: RunOptions,
) -> Result<ExitCode, Failure> {
    let how = How::of(&options);
    // First: until then another swapmig may change the record.
    let dir = RunDir::open(run).map_err(Failure::usage)?;
    let record = Run::read(dir.path().as_std_path())
        .map_err(Failure::usage)?
        .record;
    let plan = Plan::load(path, &names()?, record.seeds).map_err(Failure::usage)?;
    let own = dir.path().join(PLAN);
    let begun_with = std::fs::read_to_string(&own).map_err(Failure::usage)?;
    if begun_with != plan.text {
        return Err(Failure::Usage(miette::miette!(
            "The run {} was begun with another plan than {path}. Go on with its own: swapmig run {own} --resume {}",
            dir.path(),
            dir.path()
        )));
    }
    let setting = Setting::find()?;
    if record.host.accelerator != setting.choice.accelerator.name() {
        return Err(Failure::Usage(miette::miette!(
            "The run {} was begun under {}, and guests now run under {}. Start a new run.",
            dir.path(),
            record.host.accelerator,
            setting.choice.accelerator
        )));
    }
    let record = RunRecord {
        finished: None,
        ..record
    };
    carry_out(&setting, plan, dir, record, &how).await
}

/// How guests are run, whatever the plan.
pub(super) struct How {
    jobs: Option<u16>,
    pub(super) shares: Shares,
    saved: bool,
    pub(super) dump_memory: bool,
}

impl How {
    fn of(options: &RunOptions) -> Self {
        Self {
            jobs: options.jobs,
            shares: Shares {
                cpus: options.host_cpus.map(usize::from),
                memory_mib: options.host_memory,
                disk_mib: options.host_disk,
            },
            saved: !options.no_saved,
            dump_memory: options.dump_memory,
        }
    }

    /// How many guests run at once: as asked, and no more than fit into shares that were given.
    fn guests(&self, machine: &Machine, dir: &RunDir) -> Result<usize, HostError> {
        let asked = self.jobs.map_or(usize::MAX, usize::from);
        if self.jobs.is_some() && self.shares == Shares::default() {
            return Ok(asked);
        }
        let there = Resources::measure(dir.path())?;
        let fit = HostBudget::new(self.shares, &there).guests(&Claim::of(machine))?;
        Ok(fit.min(asked))
    }
}

async fn carry_out(
    setting: &Setting,
    plan: Plan,
    dir: RunDir,
    record: RunRecord,
    how: &How,
) -> Result<ExitCode, Failure> {
    let jobs = how.guests(&plan.machine, &dir).map_err(Failure::host)?;
    let mut view = view();
    let choice = &setting.choice;
    let note = format!(
        "{jobs} guest(s) at a time under {}: {}",
        choice.accelerator, choice.reason
    );
    // The words before the stream begins; they go the stream's way.
    let mut say = |note| {
        view.event(&crate::event::Event::Note(note))
            .map_err(Failure::host)
    };
    say(note)?;
    let saved = match how.saved.then(|| SavedGuests::of(setting.home.clone())) {
        Some(Ok(saved)) => Some(saved),
        Some(Err(error)) => {
            say(format!("every guest boots, for none can be saved: {error}"))?;
            None
        }
        None => None,
    };
    let sinks: Vec<Box<dyn Sink>> = vec![
        Box::new(sinks::Store::new(dir.clone())),
        view,
        Box::new(sinks::Log),
    ];
    let stop = stop_on_signals()?;
    let ran = dispatch::run(
        setting.context(jobs, saved, how)?,
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
            dir.path().join(PLAN),
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
