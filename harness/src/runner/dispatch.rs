// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs a plan: gets its kernels, then hands its cells to guests, several at
//! once, and puts all that happens into one order for the sinks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;
use swapmig_reports::record::{CellId, Ended, FORMAT, HostRecord, KernelRecord, RunRecord};
use swapmig_reports::symbolize::Symbolizer;
use swapmig_workloads::protocol::{self, Job};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::cell;
use super::executor::{self, Outcome, Task};
use super::observation::Observation;
use crate::accel::Choice;
use crate::catalogue::{CatalogueError, Images, Line, Variant};
use crate::event::{CellEvent, Event, KernelEvent, Sink, SinkError};
use crate::guest::Guest;
use crate::guest::launcher::Launcher;
use crate::guest::qemu::{GuestSpec, QemuGuest};
use crate::guest::ssh::SshKeys;
use crate::home::Cancel;
use crate::image::{Image, ImageSpec};
use crate::kernel::{BuildProgress, Kernel, KernelError, KernelStore};
use crate::plan::{Plan, PlannedCell};
use crate::probes::{Armed, Table, Vmlinux};
use crate::run_dir::{RunDir, RunDirError};

/// Milliseconds between two samples of a guest's counters.
const SAMPLE_MS: u64 = 1000;
/// How long QEMU and a guest's ssh server may take to answer, before scaling.
const ANSWER_SECONDS: f64 = 3.0;

/// What a run needs beside its plan.
pub struct Context {
    /// Kernel lines, variants, probes.
    pub images: Images,
    /// Kernels.
    pub store: KernelStore,
    /// Accelerator and why.
    pub choice: Choice,
    /// Starts QEMU.
    pub launcher: Launcher,
    /// What the image is made of.
    pub image: ImageSpec,
    /// How many guests run at once.
    pub jobs: usize,
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

/// A kernel with its probes, ready for guests.
struct ReadyKernel {
    kernel: Kernel,
    armed: Armed,
}

#[derive(Clone)]
struct Events(mpsc::UnboundedSender<Event>);

impl Events {
    fn send(&self, event: Event) {
        // An error means that the sinks are gone, and the run with them.
        let _ = self.0.send(event);
    }

    fn cell(&self, cell: &CellId, what: CellEvent) {
        self.send(Event::Cell {
            cell: cell.clone(),
            what,
        });
    }

    fn kernel(&self, name: &str, what: KernelEvent) {
        self.send(Event::Kernel {
            name: name.into(),
            what,
        });
    }
}

/// What is left of a run.
struct Todo {
    /// Cells without a result that stands.
    missing: Vec<PlannedCell>,
    /// Kernels that finished cells ran on: the rest of their cells must run on the same.
    bound: BTreeMap<String, KernelRecord>,
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
        (Self { missing, bound }, finished.len())
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
    while let Some(event) = receiver.recv().await {
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
    let Todo { missing, bound } = todo;
    let kernels = kernels(context, &missing, &bound, events, stop).await?;
    if stop.is_cancelled() {
        return Ok(());
    }

    // Within the run's directory, which nobody else can read: it holds the guests' host key.
    let image = Image::build(&context.image, &dir.fresh_scratch()?)?;
    let keys = Arc::new(SshKeys::of(&image));

    let plan = Arc::new(plan);
    let slots = Arc::new(Semaphore::new(context.jobs));
    let mut running = JoinSet::new();
    for cell in missing {
        let name = kernel_name(&cell.id);
        let Some((ready, variant)) = kernels.get(&name) else {
            continue;
        };
        let runner = CellRunner {
            context: context.clone(),
            plan: plan.clone(),
            dir: dir.clone(),
            events: events.clone(),
            stop: stop.clone(),
            ready: ready.clone(),
            expected: variant.expectation(cell.workload).to_record(),
            initramfs: image.initramfs.clone(),
            keys: keys.clone(),
            cell,
        };
        let slots = slots.clone();
        running.spawn(async move {
            // The semaphore is never closed.
            let _slot = slots.acquire_owned().await;
            if runner.stop.is_cancelled() {
                Ok(())
            } else {
                runner.run().await
            }
        });
    }
    let mut result = Ok(());
    while let Some(ended) = running.join_next().await {
        let ended = ended.map_err(RunError::from).and_then(|inner| inner);
        if ended.is_err() {
            stop.cancel();
            result = result.and(ended);
        }
    }
    result
}

fn kernel_name(cell: &CellId) -> String {
    format!("{}/{}", cell.line, cell.variant)
}

type Kernels = BTreeMap<String, (Arc<ReadyKernel>, Variant)>;

/// Every kernel that the cells need, one build after the other. A kernel that
/// cannot be had is told to the sinks and left out.
async fn kernels(
    context: &Arc<Context>,
    cells: &[PlannedCell],
    bound: &BTreeMap<String, KernelRecord>,
    events: &Events,
    stop: &CancellationToken,
) -> Result<Kernels, RunError> {
    let table = Table::load(&context.images.root().join("probes.toml"))?;
    let mut ready = Kernels::new();
    let mut tried = std::collections::BTreeSet::new();
    for cell in cells {
        let name = kernel_name(&cell.id);
        if stop.is_cancelled() {
            break;
        }
        if !tried.insert(name.clone()) {
            continue;
        }
        let line = context.images.line(&cell.id.line)?;
        let variant = context.images.variant(&line, &cell.id.variant)?;
        let got = kernel(
            context,
            line,
            variant.clone(),
            table.clone(),
            &name,
            events,
            stop,
        )
        .await?;
        match got {
            Ok((kernel, armed)) => {
                same_as_before(&name, bound.get(&name), &kernel)?;
                for uncounted in armed.uncounted() {
                    events.send(Event::Note(format!(
                        "kernel {name}: probe {} cannot count: {}",
                        uncounted.probe, uncounted.reason
                    )));
                }
                events.kernel(&name, KernelEvent::Settled(settled(&kernel)));
                ready.insert(name, (Arc::new(ReadyKernel { kernel, armed }), variant));
            }
            Err(_) if stop.is_cancelled() => break,
            Err(record) => events.kernel(&name, KernelEvent::Settled(record)),
        }
    }
    Ok(ready)
}

/// Refuses a kernel that is not the one of the run's finished cells.
fn same_as_before(name: &str, before: Option<&KernelRecord>, now: &Kernel) -> Result<(), RunError> {
    match before {
        Some(KernelRecord::Ready { key, source, .. }) if *key != now.key.to_string() => {
            Err(RunError::OtherKernel {
                name: name.into(),
                then: source.clone(),
                now: now.source.to_string(),
            })
        }
        _ => Ok(()),
    }
}

/// The record of a kernel that is in the store.
pub fn settled(kernel: &Kernel) -> KernelRecord {
    KernelRecord::Ready {
        key: kernel.key.to_string(),
        source: kernel.source.to_string(),
        release: kernel.release.clone(),
        vmlinux: kernel.vmlinux.to_string(),
        build_seconds: kernel.build_seconds.unwrap_or(0.0),
    }
}

/// Builds one kernel on a thread of its own, where a build may block.
async fn kernel(
    context: &Arc<Context>,
    line: Line,
    variant: Variant,
    table: Table,
    name: &str,
    events: &Events,
    stop: &CancellationToken,
) -> Result<Result<(Kernel, Armed), KernelRecord>, RunError> {
    let cancel = Cancel::default();
    let (context, events, name) = (context.clone(), events.clone(), name.to_owned());
    let build_cancel = cancel.clone();
    let mut build = tokio::task::spawn_blocking(move || {
        let progress = |progress| events.kernel(&name, progress_event(progress));
        let kernel = context
            .store
            .ensure(&line, &variant, &build_cancel, &progress)
            .map_err(|e| unavailable(&e))?;
        let armed = Armed::new(table, &Vmlinux::new(&kernel.vmlinux)).map_err(|e| {
            KernelRecord::Unavailable {
                reason: e.to_string(),
                does_not_apply: false,
            }
        })?;
        Ok((kernel, armed))
    });
    tokio::select! {
        built = &mut build => Ok(built?),
        () = stop.cancelled() => {
            cancel.cancel();
            Ok(build.await?)
        }
    }
}

/// The record of a kernel that is not to be had.
pub fn unavailable(error: &KernelError) -> KernelRecord {
    KernelRecord::Unavailable {
        reason: error.to_string(),
        does_not_apply: error.is_does_not_apply(),
    }
}

/// What a build tells, as an event of a run.
pub fn progress_event(progress: BuildProgress) -> KernelEvent {
    let (what, done, total) = match progress {
        BuildProgress::Waiting { line } => {
            (format!("waiting for another build of {line}"), 0, None)
        }
        BuildProgress::Unpacking { source } => (format!("unpacking {source}"), 0, None),
        BuildProgress::Patching => ("patching".into(), 0, None),
        BuildProgress::Configuring => ("configuring".into(), 0, None),
        BuildProgress::Making { done, total, step } => (step, done, Some(total)),
        BuildProgress::Storing => ("storing".into(), 0, None),
    };
    KernelEvent::Progress { what, done, total }
}

/// Everything that one cell needs.
struct CellRunner {
    context: Arc<Context>,
    plan: Arc<Plan>,
    dir: RunDir,
    events: Events,
    stop: CancellationToken,
    ready: Arc<ReadyKernel>,
    expected: swapmig_reports::record::Expected,
    initramfs: camino::Utf8PathBuf,
    keys: Arc<SshKeys>,
    cell: PlannedCell,
}

impl CellRunner {
    async fn run(self) -> Result<(), RunError> {
        let id = self.cell.id.clone();
        let dir = self.dir.fresh_cell(&id)?;
        let job = self.job();
        crate::run_dir::write_json(&dir.join("job.json"), &job)?;
        self.events.cell(&id, CellEvent::Started);
        let Some(outcome) = self.drive(&dir, &job).await else {
            return Ok(());
        };
        for (name, content) in &outcome.diagnosis {
            crate::run_dir::write_whole(&dir.join(format!("diagnosis-{name}.txt")), content)?;
        }
        let events = self.events.clone();
        // Parsing and symbolizing take a while; other guests are being listened to meanwhile.
        let record = tokio::task::spawn_blocking(move || {
            let symbolizer = outcome
                .observation
                .started
                .then(|| self.symbolizer())
                .flatten();
            cell::result(
                &self.cell,
                self.expected,
                outcome.observation,
                &self.ready.armed,
                symbolizer.as_ref(),
            )
        })
        .await?;
        events.cell(&id, CellEvent::Finished(Box::new(record)));
        Ok(())
    }

    fn job(&self) -> Job {
        Job {
            version: protocol::VERSION,
            workload: self.cell.workload,
            seed: self.cell.id.seed,
            params: self.cell.params.clone(),
            probes: self.ready.armed.probes().to_vec(),
            sample_ms: SAMPLE_MS,
        }
    }

    /// The vmlinux that goes with the guest's kernel; without one, frames keep their names only.
    fn symbolizer(&self) -> Option<Symbolizer> {
        let vmlinux = &self.ready.kernel.vmlinux;
        Symbolizer::open(vmlinux.as_std_path())
            .inspect_err(|error| self.events.send(Event::Note(format!("{vmlinux}: {error}"))))
            .ok()
    }

    /// Runs the guest; [`None`] when the run was stopped meanwhile.
    async fn drive(&self, dir: &Utf8Path, job: &Job) -> Option<Outcome> {
        let assumed = self.context.choice.accelerator.assumed_slowness();
        let slowness = self.plan.limits.slowness.unwrap_or(assumed);
        let spec = GuestSpec {
            accelerator: self.context.choice.accelerator,
            machine: self.plan.machine.clone(),
            kernel: self.ready.kernel.bzimage.clone(),
            initramfs: self.initramfs.clone(),
            keys: self.keys.clone(),
            dir: dir.into(),
            answer_within: Duration::from_secs_f64(ANSWER_SECONDS * slowness),
        };
        let mut guest = tokio::select! {
            guest = QemuGuest::start(&spec, &self.context.launcher) => match guest {
                Ok(guest) => guest,
                Err(error) => return Some(failed(error.to_string())),
            },
            () = self.stop.cancelled() => return None,
        };
        let id = &self.cell.id;
        let mut emit = |event| self.events.cell(id, event);
        let task = Task {
            job,
            machine: &self.plan.machine,
            limits: &self.plan.limits,
            assumed_slowness: assumed,
        };
        let outcome = tokio::select! {
            outcome = executor::execute(&mut guest, &task, &mut emit) => Some(outcome),
            () = self.stop.cancelled() => None,
        };
        guest.end().await;
        outcome
    }
}

fn failed(reason: String) -> Outcome {
    Outcome {
        observation: Observation {
            ended: Ended::HarnessFailed { reason },
            ..Observation::default()
        },
        diagnosis: Vec::new(),
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
