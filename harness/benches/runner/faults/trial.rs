// SPDX-License-Identifier: GPL-2.0-or-later
//! One run in which faults strike, and the same run gone on with when they are gone.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use fastrand::Rng;
use swapmig_reports::record::{CellId, Status};
use tempfile::TempDir;

use super::leftovers::{self, Before};
use super::record;
use super::tally::Outcome;
use crate::figures::Result;
use crate::fixed_kernel::cache;
use crate::process::Mark;
use crate::{relay, short};

/// A swapmig that is still at work after this hangs: it waits for a silent guest two minutes,
/// and no run has more than two rounds of them.
const DEADLINE: Duration = Duration::from_secs(900);
/// How often a running swapmig is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Variant and workload of the cells that runs consist of.
const CELLS: [(&str, &str); 6] = [
    ("fixed", "orphan"),
    ("no-guard-anon", "orphan"),
    ("fixed", "reread"),
    ("rmap-walk-check", "reread"),
    ("fixed", "tmpfs"),
    ("refuse-unmapped", "orphan"),
];

/// What all trials have in common.
pub(super) struct Setting {
    /// Where trials have their folders.
    pub(super) scratch: PathBuf,
    /// A cache in which every kernel of the plan is saved.
    pub(super) home: PathBuf,
    /// A cache for faults that cost the saved guest.
    pub(super) home_to_damage: PathBuf,
    /// The folder in which the relay has QEMU's name.
    pub(super) relay: PathBuf,
    /// How long a cell takes without a fault, and a run of two.
    pub(super) cell_takes: Duration,
    pub(super) run_takes: Duration,
}

/// A trial.
pub(super) struct Trial<'s> {
    pub(super) setting: &'s Setting,
    pub(super) rng: Rng,
    pub(super) dir: PathBuf,
    /// The cache that the run with the faults uses; the one that goes on uses it, too.
    pub(super) home: PathBuf,
    pub(super) cells: Vec<CellId>,
    pub(super) retries: u32,
    /// The plan's limit of a boot, where it is not the usual one.
    pub(super) boot_within: Option<f64>,
    pub(super) jobs: usize,
    pub(super) outcome: Outcome,
    mark: Mark,
    before: Before,
    /// A cache of this trial's own.
    _own_home: Option<TempDir>,
}

impl<'s> Trial<'s> {
    pub(super) fn new(
        setting: &'s Setting,
        name: &str,
        mut rng: Rng,
        cells: usize,
    ) -> Result<Self> {
        let dir = setting.scratch.join(format!("trial-{name}"));
        fs::create_dir_all(dir.join("tmp"))?;
        let first = rng.usize(..CELLS.len());
        let kinds = CELLS.iter().cycle().skip(first).take(cells);
        let cells = kinds.map(|&(variant, workload)| CellId {
            line: "6.12".into(),
            variant: variant.into(),
            workload: workload.into(),
            seed: rng.u64(1..1_000_000),
        });
        let cells = cells.collect();
        Ok(Self {
            setting,
            mark: Mark::new(&dir.display().to_string()),
            home: setting.home.clone(),
            dir,
            cells,
            retries: 0,
            boot_within: None,
            jobs: 2,
            outcome: Outcome::default(),
            before: Before::now(),
            _own_home: None,
            rng,
        })
    }

    /// A cache in which no guest is saved yet, for the whole trial.
    pub(super) fn in_empty_home(&mut self) {
        let home = cache();
        self.home = home.path().into();
        self._own_home = Some(home);
    }

    /// Only cells of the fixed kernel, in the cache whose saved guest may get lost.
    pub(super) fn of_fixed_to_damage(&mut self) {
        self.home = self.setting.home_to_damage.clone();
        for (cell, workload) in self
            .cells
            .iter_mut()
            .zip(["orphan", "tmpfs", "reread"].iter().cycle())
        {
            cell.variant = "fixed".into();
            cell.workload = (*workload).into();
        }
    }

    /// The run's folder.
    pub(super) fn run(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// What swapmig has said so far.
    pub(super) fn told(&self) -> String {
        let words = fs::read(self.dir.join("told.log")).unwrap_or_default();
        String::from_utf8_lossy(&words).into_owned()
    }

    /// A moment within a run.
    pub(super) fn moment(&mut self) -> Duration {
        self.setting.run_takes.mul_f64(self.rng.f64())
    }

    /// Swapmig beginning the run, by way of `wrapper`, a program with arguments that becomes it.
    pub(super) fn begin(&self, wrapper: &[String], out: &Path) -> Result<Command> {
        let plan = self.dir.join("plan.toml");
        fs::write(
            &plan,
            short::plan_of(&self.cells, self.retries, self.boot_within)?,
        )?;
        let mut command = self.command(wrapper);
        command.arg("run").arg(plan).arg("--out").arg(out);
        command.args(["--jobs", &self.jobs.to_string()]);
        Ok(command)
    }

    /// Swapmig going on with the run.
    pub(super) fn go_on(&self) -> Command {
        let mut command = self.command(&[]);
        let run = self.run();
        command
            .arg("run")
            .arg(run.join("plan.toml"))
            .arg("--resume")
            .arg(run);
        command.args(["--jobs", "2"]);
        command
    }

    fn command(&self, wrapper: &[String]) -> Command {
        let mut command = short::swapmig(wrapper);
        command.env("SWAPMIG_HOME", &self.home);
        command.env("TMPDIR", self.dir.join("tmp"));
        self.mark.put_on(&mut command);
        command
    }

    /// Puts the relay in QEMU's place.
    pub(super) fn by_way_of_relay(
        &self,
        command: &mut Command,
        orders: &relay::Orders,
    ) -> Result<()> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.setting.relay.clone()).chain(env::split_paths(&path));
        command.env("PATH", env::join_paths(folders)?);
        command.env(relay::ORDERS, serde_json::to_string(orders)?);
        Ok(())
    }

    pub(super) fn spawn(&self, command: &mut Command) -> Result<Child> {
        let told = File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("told.log"))?;
        Ok(command.stdout(told.try_clone()?).stderr(told).spawn()?)
    }

    /// Waits for the end of a swapmig and looks at it again and again until then.
    pub(super) fn watch(
        &mut self,
        child: &mut Child,
        mut look: impl FnMut(&mut Self, &Child),
    ) -> Result<ExitStatus> {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > until {
                self.outcome
                    .hung
                    .insert(format!("swapmig was still at work after {DEADLINE:?}"));
                child.kill()?;
            }
            look(self, child);
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits for the end of a swapmig.
    pub(super) fn wait(&mut self, child: &mut Child) -> Result<ExitStatus> {
        self.watch(child, |_, _| {})
    }

    /// Lets a swapmig run for so long; whether it still runs then.
    pub(super) fn runs_for(child: &mut Child, time: Duration) -> Result<bool> {
        let until = Instant::now() + time;
        while Instant::now() < until && child.try_wait()?.is_none() {
            std::thread::sleep(LOOK_EVERY.min(until.saturating_duration_since(Instant::now())));
        }
        Ok(child.try_wait()?.is_none())
    }

    /// The faults are gone: holds the run against what must not happen, goes on with it, and
    /// holds it against that and what must have come about.
    pub(super) fn end(mut self) -> Result<Outcome> {
        self.look_at_verdicts();
        self.look_for_leftovers()?;
        self.outcome.errors = self.errors();
        let run = self.run();
        let finished = record::finished(&run, &self.cells)?;
        let mut command = match run.join("run.json").exists() {
            true => self.go_on(),
            // It was stopped before it had begun.
            false => {
                if run.exists() {
                    fs::remove_dir_all(&run)?;
                }
                self.begin(&[], &run)?
            }
        };
        let mut child = self.spawn(&mut command)?;
        let status = self.wait(&mut child)?;
        self.look_at_verdicts();
        self.look_for_leftovers()?;
        self.outcome
            .left
            .extend(leftovers::within(&run, &self.home));
        let now = record::finished(&run, &self.cells)?;
        for (cell, hash) in finished {
            if now.get(&cell) != Some(&hash) {
                self.outcome
                    .lost
                    .insert(format!("{cell} was finished and is no longer what it was"));
            }
        }
        if !status.success() {
            self.outcome
                .unexpected
                .insert(format!("the run that went on ended with {status}"));
        }
        Ok(self.outcome)
    }

    /// Tries that ended in an ERROR, those that swapmig has repeated by itself among them.
    fn errors(&self) -> usize {
        let results = self
            .cells
            .iter()
            .filter_map(|cell| record::result(&self.run(), cell));
        results
            .map(|result| result.attempts.len() + usize::from(result.status == Status::Error))
            .sum()
    }

    fn look_at_verdicts(&mut self) {
        for cell in &self.cells {
            let Some(result) = record::result(&self.run(), cell) else {
                continue;
            };
            let reason = result.reasons.first().cloned().unwrap_or_default();
            if result.status == Status::Inconclusive {
                self.outcome
                    .unexpected
                    .insert(format!("{cell} is inconclusive: {reason}"));
            }
            if record::is_wrong(&result) {
                self.outcome.wrong.insert(format!("{cell}: {reason}"));
            }
        }
    }

    fn look_for_leftovers(&mut self) -> Result<()> {
        let left = self.before.left(&self.mark, &self.dir.join("tmp"))?;
        self.outcome.left.extend(left);
        Ok(())
    }
}
