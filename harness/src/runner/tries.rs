// SPDX-License-Identifier: GPL-2.0-or-later
//! One cell: its guest is restored or booted, driven, judged, and tried again after an ERROR.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use swapmig_reports::record::{CellRecord, Ended, Status};
use swapmig_reports::symbolize::Symbolizer;
use swapmig_workloads::protocol::{self, Job};
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::cell;
use super::dispatch::{Context, RunError};
use super::events::Events;
use super::executor::{self, Outcome, Restored, Task};
use super::hang::Asking;
use super::kernels::{ReadyKernel, kernel_name};
use super::livelock;
use super::observation::Observation;
use super::room::room;
use super::saving;
use crate::accel::host;
use crate::event::{CellEvent, Event};
use crate::guest::bounded::Bound;
use crate::guest::qemu::{GuestSpec, QemuGuest};
use crate::guest::saved::{Ingredients, Key, Saved, SavedGuests};
use crate::guest::ssh::SshKeys;
use crate::guest::{Guest, GuestError};
use crate::host::{Claim, HostError};
use crate::plan::{Plan, PlannedCell};
use crate::run_dir::{self, RunDir};

/// Milliseconds between two samples of a guest's counters.
const SAMPLE_MS: u64 = 1000;
/// So often QEMU may not take a saved guest before it is given up: once may be a host that was late.
const REFUSALS_MOST: u32 = 2;
/// How long QEMU and a guest's ssh server may take to answer, before scaling.
const ANSWER_SECONDS: f64 = 3.0;

/// What guests are booted from.
pub(super) struct Boot {
    pub(super) initramfs: Utf8PathBuf,
    pub(super) digest: String,
    pub(super) keys: Arc<SshKeys>,
}

/// Everything that one cell needs.
pub(super) struct CellRunner {
    pub(super) context: Arc<Context>,
    pub(super) plan: Arc<Plan>,
    pub(super) dir: RunDir,
    pub(super) events: Events,
    pub(super) stop: CancellationToken,
    pub(super) ready: Arc<ReadyKernel>,
    pub(super) expected: swapmig_reports::record::Expected,
    pub(super) boot: Arc<Boot>,
    pub(super) cell: PlannedCell,
}

impl CellRunner {
    /// Runs the cell until it has a verdict, or an ERROR more often than the plan allows.
    pub(super) async fn run(self, saved: Option<Arc<Saved>>) -> Result<(), RunError> {
        let cell = Arc::new(self);
        let id = &cell.cell.id;
        let mut saved = saved.as_deref();
        for left in (0..=cell.plan.retries).rev() {
            // What an earlier run of this plan, or the try before this one, has left.
            cell.dir.set_aside(id)?;
            // Only the first try goes on from the saved guest: it may be what went wrong.
            let Some(mut record) = cell.clone().attempt(saved.take()).await? else {
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
            // A disk that has no room for them stops the run: they must not make room for a try.
            if cell.stop.is_cancelled() {
                break;
            }
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
        let driven = match self.room(&dir).await {
            Some(Ok(())) => self.drive(&dir, &job, saved).await,
            Some(Err(lack)) => Some(failed(lack.to_string())),
            None => None,
        };
        let Some(outcome) = driven else {
            return Ok(None);
        };
        for (name, content) in &outcome.diagnosis {
            run_dir::write_whole(&dir.join(format!("diagnosis-{name}.txt")), content)?;
        }
        let backtraces = dir.join("diagnosis-backtraces.txt");
        let stop = self.stop.clone();
        // Parsing and symbolizing take a while; other guests are being listened to meanwhile.
        let record = tokio::task::spawn_blocking(move || {
            let symbolizer = outcome
                .observation
                .started
                .then(|| self.symbolizer())
                .flatten();
            let samples = &outcome.observation.vcpus;
            if !samples.is_empty() {
                let frames = livelock::finding::frames(samples, symbolizer.as_ref());
                let text = livelock::text::backtraces(samples, &frames);
                run_dir::write_whole(&backtraces, text.as_bytes())?;
            }
            Ok(Some(cell::result(
                &self.cell,
                self.expected.clone(),
                outcome.observation,
                &self.ready.armed,
                symbolizer.as_ref(),
            )))
        });
        tokio::select! {
            record = record => record?,
            () = stop.cancelled() => Ok(None),
        }
    }

    /// Waits for room on the host; none when the run was stopped meanwhile.
    async fn room(&self, dir: &Utf8Path) -> Option<Result<(), HostError>> {
        let patience = Budget::assumed(&self.plan.limits, self.assumed_slowness()).boot;
        let claim = Claim::of(&self.plan.machine).beside(&self.context.shares);
        let id = &self.cell.id;
        let tell = |lack: &HostError| self.note(format!("{id} waits for room: {lack}"));
        tokio::select! {
            room = room(&claim, dir, patience, tell) => Some(room),
            () = self.stop.cancelled() => None,
        }
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
            detect_after_seconds: None,
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
            console: Bound::CONSOLE,
            // A plan may give little time to guests, but a host takes its time all the same.
            answer_within: Duration::from_secs_f64(ANSWER_SECONDS * slowness.max(1.0)),
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
            host: &host(self.context.choice.accelerator),
            machine: &self.plan.machine,
            kernel: self.ready.kernel.key.as_str(),
            image: &self.boot.digest,
        })
    }

    /// The saved guest of the cell's kernel: from the store, or booted and saved now. None when
    /// its cells have to boot.
    pub(super) async fn saved(&self) -> Option<Arc<Saved>> {
        self.find_or_save(self.context.saved.as_ref()?).await
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
        // By name, not by key: two variants may come to the same kernel.
        let saved = match self.dir.scratch_for(&name.replace('/', ".")) {
            Ok(dir) => {
                // Without room its cells wait for some, and tell.
                self.room(&dir).await?.ok()?;
                let limits = Budget::assumed(&self.plan.limits, self.assumed_slowness());
                let spec = self.spec(&dir);
                let launcher = &self.context.launcher;
                saving::save(store, &key, &spec, launcher, limits.boot, &self.stop)
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
        let refusals = &self.ready.refusals;
        let taken = |_: &&Saved| refusals.load(Ordering::Relaxed) < REFUSALS_MOST;
        let Some(saved) = saved.filter(taken) else {
            return Ok((QemuGuest::boot(&spec, launcher).await?, None));
        };
        let restored = GuestSpec {
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
                if refusals.fetch_add(1, Ordering::Relaxed) + 1 == REFUSALS_MOST {
                    self.discard_saved();
                }
                Ok((QemuGuest::boot(&spec, launcher).await?, None))
            }
        }
    }

    fn discard_saved(&self) {
        let name = kernel_name(&self.cell.id);
        let removed = match &self.context.saved {
            Some(store) => store.discard(&self.key()),
            None => Ok(()),
        };
        self.note(match removed {
            Ok(()) => format!(
                "the saved guest of kernel {name} is removed, and the rest of its cells boot"
            ),
            Err(error) => format!("the saved guest of kernel {name} is not removed: {error}"),
        });
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
            asking: Asking {
                vmlinux: Some(self.ready.kernel.vmlinux.clone()),
                dump_memory: self.context.dump_memory,
            },
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
