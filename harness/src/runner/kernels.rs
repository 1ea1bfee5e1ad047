// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernels of a run: built or found, one after the other, each with its probes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use swapmig_reports::record::{CellId, KernelRecord};
use tokio_util::sync::CancellationToken;

use super::dispatch::{Context, RunError};
use super::events::Events;
use crate::catalogue::{Line, Variant};
use crate::event::{Event, KernelEvent};
use crate::home::Cancel;
use crate::kernel::{BuildProgress, Kernel, KernelError};
use crate::plan::PlannedCell;
use crate::probes::{Armed, Table, Vmlinux};

/// A kernel with its probes, ready for guests.
pub(super) struct ReadyKernel {
    pub(super) kernel: Kernel,
    pub(super) armed: Armed,
    /// How often QEMU did not take its saved guest.
    pub(super) refusals: AtomicU32,
}

pub(super) fn kernel_name(cell: &CellId) -> String {
    format!("{}/{}", cell.line, cell.variant)
}

pub(super) type Kernels = BTreeMap<String, (Arc<ReadyKernel>, Variant)>;

/// Every kernel that the cells need, one build after the other. A kernel that
/// cannot be had is told to the sinks and left out.
pub(super) async fn kernels(
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
                let refusals = AtomicU32::new(0);
                let kernel = ReadyKernel {
                    kernel,
                    armed,
                    refusals,
                };
                ready.insert(name, (Arc::new(kernel), variant));
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
