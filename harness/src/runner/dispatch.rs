// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs a plan: gets its kernels, then hands its cells to guests, several at
//! once, and puts all that happens into one order for the sinks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use swapmig_reports::record::{
    CellId, CellRecord, Ended, FORMAT, HostRecord, KernelRecord, RunRecord, Status,
};
use swapmig_reports::symbolize::Symbolizer;
use swapmig_workloads::protocol::{self, Job};
use tokio::sync::{OnceCell, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::cell;
use super::executor::{self, Outcome, Restored, Task};
use super::observation::Observation;
use super::saving;
use crate::accel::{Choice, host_cpu};
use crate::catalogue::{CatalogueError, Images, Line, Variant};
use crate::event::{CellEvent, Event, KernelEvent, Sink, SinkError};
use crate::guest::launcher::Launcher;
use crate::guest::qemu::{GuestSpec, QemuGuest};
use crate::guest::saved::{Ingredients, Key, Saved, SavedGuests};
use crate::guest::ssh::SshKeys;
use crate::guest::{Guest, GuestError};
use crate::home::Cancel;
use crate::image::{Image, ImageSpec};
use crate::kernel::{BuildProgress, Kernel, KernelError, KernelStore};
use crate::plan::{Plan, PlannedCell};
use crate::probes::{Armed, Table, Vmlinux};
use crate::run_dir::{self, RunDir, RunDirError};

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
    /// First line of QEMU's `--version`.
    pub qemu: String,
    /// Starts QEMU.
    pub launcher: Launcher,
    /// What the image is made of.
    pub image: ImageSpec,
    /// How many guests run at once.
    pub jobs: usize,
    /// Saved guests; none when every cell has to boot.
    pub saved: Option<SavedGuests>,
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
    /// A guest that has booted it, once somebody needed one; none when it has to be booted each time.
    saved: OnceCell<Option<Arc<Saved>>>,
}

/// What guests are booted from.
struct Boot {
    initramfs: Utf8PathBuf,
    digest: String,
    keys: Arc<SshKeys>,
}

/// What goes to the sinks.
enum Message {
    Event(Event),
    /// Tells whoever waits that all events before it were taken note of.
    Heard(oneshot::Sender<()>),
}

#[derive(Clone)]
struct Events(mpsc::UnboundedSender<Message>);

impl Events {
    fn send(&self, event: Event) {
        // An error means that the sinks are gone, and the run with them.
        let _ = self.0.send(Message::Event(event));
    }

    /// Waits until the sinks have taken note of all that was sent before.
    async fn heard(&self) {
        let (heard, wait) = oneshot::channel();
        // An error means that the sinks are gone, and nobody will hear anything.
        let _ = self.0.send(Message::Heard(heard));
        let _ = wait.await;
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
    let Todo { missing, bound } = todo;
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
            boot: boot.clone(),
            cell,
        };
        let slots = slots.clone();
        running.spawn(async move {
            // Before a slot is taken: whoever waits for another's boot keeps no guest from running.
            let saved = runner.saved(&slots).await;
            // The semaphore is never closed.
            let _slot = slots.acquire_owned().await;
            if runner.stop.is_cancelled() {
                Ok(())
            } else {
                runner.run(saved).await
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
                let saved = OnceCell::new();
                ready.insert(
                    name,
                    (
                        Arc::new(ReadyKernel {
                            kernel,
                            armed,
                            saved,
                        }),
                        variant,
                    ),
                );
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
    boot: Arc<Boot>,
    cell: PlannedCell,
}

impl CellRunner {
    /// Runs the cell until it has a verdict, or an ERROR more often than the plan allows.
    async fn run(self, saved: Option<Arc<Saved>>) -> Result<(), RunError> {
        let cell = Arc::new(self);
        let id = &cell.cell.id;
        for left in (0..=cell.plan.retries).rev() {
            // What an earlier run of this plan, or the try before this one, has left.
            cell.dir.set_aside(id)?;
            let Some(mut record) = cell.clone().attempt(saved.as_deref()).await? else {
                return Ok(());
            };
            record.attempts = cell.dir.attempts(id);
            if record.status != Status::Error || left == 0 {
                cell.events.cell(id, CellEvent::Finished(Box::new(record)));
                break;
            }
            cell.events
                .cell(id, CellEvent::TriedInVain(Box::new(record)));
            // Its files are moved when all of them are written.
            cell.events.heard().await;
        }
        Ok(())
    }

    /// Runs the cell once; none when the run was stopped meanwhile.
    async fn attempt(
        self: Arc<Self>,
        saved: Option<&Saved>,
    ) -> Result<Option<CellRecord>, RunError> {
        let dir = self.dir.fresh_cell(&self.cell.id)?;
        let job = self.job();
        run_dir::write_json(&dir.join("job.json"), &job)?;
        self.events.cell(&self.cell.id, CellEvent::Started);
        let Some(outcome) = self.drive(&dir, &job, saved).await else {
            return Ok(None);
        };
        for (name, content) in &outcome.diagnosis {
            run_dir::write_whole(&dir.join(format!("diagnosis-{name}.txt")), content)?;
        }
        // Parsing and symbolizing take a while; other guests are being listened to meanwhile.
        let record = tokio::task::spawn_blocking(move || {
            let symbolizer = outcome
                .observation
                .started
                .then(|| self.symbolizer())
                .flatten();
            cell::result(
                &self.cell,
                self.expected.clone(),
                outcome.observation,
                &self.ready.armed,
                symbolizer.as_ref(),
            )
        })
        .await?;
        Ok(Some(record))
    }

    fn job(&self) -> Job {
        Job {
            version: protocol::VERSION,
            workload: self.cell.workload,
            seed: self.cell.id.seed,
            params: self.cell.params.clone(),
            probes: self.ready.armed.probes().to_vec(),
            sample_ms: SAMPLE_MS,
            wake: None,
        }
    }

    /// The vmlinux that goes with the guest's kernel; without one, frames keep their names only.
    fn symbolizer(&self) -> Option<Symbolizer> {
        let vmlinux = &self.ready.kernel.vmlinux;
        Symbolizer::open(vmlinux.as_std_path())
            .inspect_err(|error| self.events.send(Event::Note(format!("{vmlinux}: {error}"))))
            .ok()
    }

    /// What a guest is started from, its logs in `dir`.
    fn spec(&self, dir: &Utf8Path) -> GuestSpec {
        let slowness = self.plan.limits.slowness.unwrap_or(self.assumed_slowness());
        GuestSpec {
            accelerator: self.context.choice.accelerator,
            machine: self.plan.machine.clone(),
            kernel: self.ready.kernel.bzimage.clone(),
            initramfs: self.boot.initramfs.clone(),
            keys: self.boot.keys.clone(),
            dir: dir.into(),
            answer_within: Duration::from_secs_f64(ANSWER_SECONDS * slowness),
        }
    }

    fn assumed_slowness(&self) -> f64 {
        self.context.choice.accelerator.assumed_slowness()
    }

    fn note(&self, text: String) {
        self.events.send(Event::Note(text));
    }

    fn key(&self) -> Key {
        Key::of(&Ingredients {
            qemu: &self.context.qemu,
            accelerator: self.context.choice.accelerator,
            cpu: &host_cpu(),
            machine: &self.plan.machine,
            kernel: self.ready.kernel.key.as_str(),
            image: &self.boot.digest,
        })
    }

    /// The saved guest of the cell's kernel; the first cell that asks boots and saves it.
    async fn saved(&self, slots: &Semaphore) -> Option<Arc<Saved>> {
        let store = self.context.saved.as_ref()?;
        let made = || async {
            let _slot = slots.acquire().await;
            tokio::select! {
                saved = self.find_or_save(store) => saved,
                () = self.stop.cancelled() => None,
            }
        };
        self.ready.saved.get_or_init(made).await.clone()
    }

    async fn find_or_save(&self, store: &SavedGuests) -> Option<Arc<Saved>> {
        let name = kernel_name(&self.cell.id);
        let key = self.key();
        let (store_there, key_there) = (store.clone(), key.clone());
        let found = tokio::task::spawn_blocking(move || store_there.open(&key_there)).await;
        match found {
            Ok(Ok(Some(saved))) => return Some(Arc::new(saved)),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => self.note(format!("kernel {name}, saved guest: {error}")),
            Err(defect) => self.note(format!("kernel {name}, saved guest: {defect}")),
        }
        let saved = match self.dir.scratch_for(key.as_str()) {
            Ok(dir) => {
                let limits = Budget::assumed(&self.plan.limits, self.assumed_slowness());
                let spec = self.spec(&dir);
                saving::save(store, &key, &spec, &self.context.launcher, limits.boot)
                    .await
                    .map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match saved {
            Ok(saved) => {
                self.note(format!(
                    "kernel {name} has booted in {:.1} s and is saved",
                    saved.boot().as_secs_f64()
                ));
                Some(Arc::new(saved))
            }
            Err(reason) => {
                self.note(format!(
                    "kernel {name} is booted for each cell, for a guest of it could not be saved: {reason}"
                ));
                None
            }
        }
    }

    /// Starts the cell's guest; with it, what a restored one has behind it.
    async fn start(
        &self,
        dir: &Utf8Path,
        saved: Option<&Saved>,
    ) -> Result<(QemuGuest, Option<Restored>), GuestError> {
        let spec = self.spec(dir);
        let launcher = &self.context.launcher;
        let Some(saved) = saved else {
            return Ok((QemuGuest::boot(&spec, launcher).await?, None));
        };
        let restored = GuestSpec {
            initramfs: saved.initramfs(),
            keys: saved.keys(),
            ..spec.clone()
        };
        let began = tokio::time::Instant::now();
        match QemuGuest::restore(&restored, launcher, saved).await {
            Ok(guest) => {
                let restored = Restored {
                    boot: saved.boot(),
                    took: began.elapsed(),
                };
                Ok((guest, Some(restored)))
            }
            Err(error) => {
                self.note(format!(
                    "{} boots, for its saved guest could not be restored: {error}",
                    self.cell.id
                ));
                Ok((QemuGuest::boot(&spec, launcher).await?, None))
            }
        }
    }

    /// Runs the guest; [`None`] when the run was stopped meanwhile.
    async fn drive(&self, dir: &Utf8Path, job: &Job, saved: Option<&Saved>) -> Option<Outcome> {
        let (mut guest, restored) = tokio::select! {
            started = self.start(dir, saved) => match started {
                Ok(started) => started,
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
            assumed_slowness: self.assumed_slowness(),
            restored,
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
