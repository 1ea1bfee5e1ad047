// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs a plan: gets its kernels, then hands its cells to guests, several at
//! once, and puts all that happens into one order for the sinks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use swapmig_reports::record::{CellId, FORMAT, HostRecord, KernelRecord, RunRecord};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::events::{Events, Message};
use super::kernels::{Kernels, kernel_name, kernels};
use super::schedule::{Schedule, Step};
use super::tries::{Boot, CellRunner};
use crate::accel::Choice;
use crate::catalogue::{CatalogueError, Images};
use crate::event::{Event, Sink, SinkError};
use crate::guest::confinement::Strength;
use crate::guest::launcher::Launcher;
use crate::guest::saved::{Saved, SavedGuests};
use crate::guest::ssh::SshKeys;
use crate::host::Shares;
use crate::image::{Image, ImageSpec};
use crate::kernel::KernelStore;
use crate::plan::{Plan, PlannedCell};
use crate::run_dir::{RunDir, RunDirError};

/// What a run needs beside its plan.
pub struct Context {
    /// Kernel lines, variants, probes.
    pub images: Images,
    /// Kernels.
    pub store: KernelStore,
    /// Accelerator and why.
    pub choice: Choice,
    /// First line of QEMU's `--version`.
    pub qemu: String,
    /// Starts QEMU.
    pub launcher: Launcher,
    /// What the image is made of.
    pub image: ImageSpec,
    /// How many guests run at once.
    pub jobs: usize,
    /// What the user says that guests may take of the host.
    pub shares: Shares,
    /// Saved guests; none when every cell has to boot.
    pub saved: Option<SavedGuests>,
    /// Whether the memory of guests that hang is dumped.
    pub dump_memory: bool,
}

/// Why a run could not be carried out. What was written before is intact.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Results cannot be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The run's directory cannot be used.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// The catalogue of kernels is broken.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The image cannot be made.
    #[error(transparent)]
    Image(#[from] crate::image::Error),
    /// The table of probes is broken.
    #[error(transparent)]
    Probes(#[from] crate::probes::Error),
    /// A kernel is no longer the one that the finished cells ran on.
    #[error(
        "The kernel {name} is not the one that this run began with: it was made of {then}, and is now of \
         {now} or built another way. Start a new run."
    )]
    OtherKernel {
        /// `LINE/VARIANT`.
        name: String,
        /// Its source then.
        then: String,
        /// Its source now.
        now: String,
    },
    /// A part of the harness failed.
    #[error(
        "A part of swapmig failed: {0}. This is a defect of swapmig; please report it with the run's folder."
    )]
    Defect(#[from] tokio::task::JoinError),
}

/// What is left of a run.
struct Todo {
    /// Cells without a result that stands.
    missing: Vec<PlannedCell>,
    /// Kernels that finished cells ran on: the rest of their cells must run on the same.
    bound: BTreeMap<String, KernelRecord>,
    /// How long finished cells took.
    took: Vec<(CellId, Duration)>,
}

impl Todo {
    /// What is left of a plan, and how many cells of it are finished.
    fn of(plan: &Plan, dir: &RunDir, record: &RunRecord) -> (Self, usize) {
        let (finished, missing): (Vec<PlannedCell>, Vec<PlannedCell>) = plan
            .cells
            .iter()
            .cloned()
            .partition(|cell| dir.is_finished(&cell.id));
        let mut bound = record.kernels.clone();
        bound.retain(|name, _| finished.iter().any(|cell| kernel_name(&cell.id) == *name));
        let took = finished.iter().filter_map(|cell| {
            let took = dir.result(&cell.id)?.timing.total_ms;
            Some((cell.id.clone(), Duration::from_millis(took)))
        });
        let took = took.collect();
        let todo = Self {
            missing,
            bound,
            took,
        };
        (todo, finished.len())
    }
}

/// Runs the cells of a plan that have no result yet. `stop` ends every guest
/// and build; the cells that then have no result are left for another time.
pub async fn run(
    context: Arc<Context>,
    plan: Plan,
    dir: RunDir,
    record: RunRecord,
    mut sinks: Vec<Box<dyn Sink>>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let events = Events(sender);
    let (todo, done) = Todo::of(&plan, &dir, &record);
    events.send(Event::RunStarted {
        dir: dir.path().into(),
        done,
        record: Box::new(record),
    });
    let work = tokio::spawn(work(context, plan, dir, todo, events, stop.clone()));
    let mut broken: Result<(), SinkError> = Ok(());
    while let Some(message) = receiver.recv().await {
        let event = match message {
            Message::Event(event) => event,
            Message::Heard(heard) => {
                // An error means that nobody waits any more.
                let _ = heard.send(());
                continue;
            }
        };
        for sink in &mut sinks {
            if let Err(error) = sink.event(&event) {
                stop.cancel();
                broken = broken.and(Err(error));
            }
        }
    }
    let worked = work.await?;
    broken?;
    worked
}

async fn work(
    context: Arc<Context>,
    plan: Plan,
    dir: RunDir,
    todo: Todo,
    events: Events,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let result = cells(&context, plan, &dir, todo, &events, &stop).await;
    dir.remove_scratch();
    events.send(Event::RunFinished {
        stopped: stop.is_cancelled() || result.is_err(),
    });
    result
}

async fn cells(
    context: &Arc<Context>,
    plan: Plan,
    dir: &RunDir,
    todo: Todo,
    events: &Events,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    if let Some(lack) = Strength::of_host().lack() {
        events.send(Event::Note(format!("{lack}: {}", Strength::REMEDY)));
    }
    let Todo {
        missing,
        bound,
        took,
    } = todo;
    let kernels = kernels(context, &missing, &bound, events, stop).await?;
    if stop.is_cancelled() {
        return Ok(());
    }

    // Within the run's directory, which nobody else can read: it holds the guests' host key.
    let image = Image::build(&context.image, &dir.fresh_scratch()?)?;
    let boot = Arc::new(Boot {
        keys: Arc::new(SshKeys::of(&image)),
        initramfs: image.initramfs,
        digest: image.digest,
    });

    let cells = Cells {
        context: context.clone(),
        plan: Arc::new(plan),
        dir: dir.clone(),
        events: events.clone(),
        stop: stop.clone(),
        boot,
        kernels,
        saved: BTreeMap::new(),
    };
    let mut schedule = Schedule::new(cells.of_kernels(missing), context.saved.is_some());
    for (cell, took) in took {
        schedule.learn(&cell, took);
    }
    cells.work_off(schedule).await
}

/// Hands the cells of a run to guests.
struct Cells {
    context: Arc<Context>,
    plan: Arc<Plan>,
    dir: RunDir,
    events: Events,
    stop: CancellationToken,
    boot: Arc<Boot>,
    kernels: Kernels,
    /// By kernel; none where every cell has to boot.
    saved: BTreeMap<String, Option<Arc<Saved>>>,
}

/// What came of a step.
enum Done {
    Saved(String, Option<Arc<Saved>>),
    Ran(CellId, Result<(), RunError>),
}

impl Cells {
    /// Those whose kernel is there.
    fn of_kernels(&self, mut cells: Vec<PlannedCell>) -> Vec<PlannedCell> {
        cells.retain(|cell| self.kernels.contains_key(&kernel_name(&cell.id)));
        cells
    }

    async fn work_off(mut self, mut schedule: Schedule) -> Result<(), RunError> {
        let guests = self.context.jobs;
        let mut busy = JoinSet::new();
        let mut result = Ok(());
        loop {
            while busy.len() < guests && !self.stop.is_cancelled() {
                match schedule
                    .next(Instant::now())
                    .and_then(|step| self.take(step))
                {
                    Some(step) => drop(busy.spawn(step)),
                    None => break,
                }
            }
            let Some(ended) = busy.join_next().await else {
                return result;
            };
            let ended = match ended {
                Ok(Done::Saved(kernel, saved)) => {
                    schedule.saved(&kernel);
                    self.saved.insert(kernel, saved);
                    Ok(())
                }
                Ok(Done::Ran(cell, ran)) => {
                    let now = Instant::now();
                    schedule.ended(&cell, now);
                    if let Some(left) = schedule.time_left(guests, now) {
                        self.events.send(Event::TimeLeft(left));
                    }
                    ran
                }
                Err(defect) => Err(defect.into()),
            };
            if ended.is_err() {
                self.stop.cancel();
                result = result.and(ended);
            }
        }
    }

    /// A step as work to be spawned; none for a kernel that is not there.
    fn take(&self, step: Step) -> Option<impl Future<Output = Done> + Send + use<>> {
        let (cell, run) = match step {
            Step::Save(cell) => (cell, false),
            Step::Run(cell) => (cell, true),
        };
        let kernel = kernel_name(&cell.id);
        let (ready, variant) = self.kernels.get(&kernel)?;
        let saved = self.saved.get(&kernel).cloned().flatten();
        let runner = CellRunner {
            context: self.context.clone(),
            plan: self.plan.clone(),
            dir: self.dir.clone(),
            events: self.events.clone(),
            stop: self.stop.clone(),
            ready: ready.clone(),
            expected: variant.expectation(cell.workload).to_record(),
            boot: self.boot.clone(),
            cell,
        };
        Some(async move {
            if run {
                let cell = runner.cell.id.clone();
                Done::Ran(cell, runner.run(saved).await)
            } else {
                Done::Saved(kernel, runner.saved().await)
            }
        })
    }
}

/// A run's first record.
pub fn record(id: String, plan: &Plan, seeds: Option<u64>, host: HostRecord) -> RunRecord {
    RunRecord {
        format: FORMAT,
        id,
        plan: plan.name.clone(),
        seeds,
        started: jiff::Timestamp::now(),
        finished: None,
        host,
        kernels: BTreeMap::new(),
        cells: plan.cells.iter().map(|cell| cell.id.clone()).collect(),
    }
}
