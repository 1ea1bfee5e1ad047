// SPDX-License-Identifier: GPL-2.0-or-later
//! Events as log lines, for `SWAPMIG_LOG`.

use crate::event::{CellEvent, Event, KernelEvent, Sink, SinkError};

/// Hands every event to `tracing`; who listens and where is the subscriber's matter.
pub struct Log;

impl Sink for Log {
    fn event(&mut self, event: &Event) -> Result<(), SinkError> {
        match event {
            Event::RunStarted { dir, record, .. } => {
                tracing::info!(%dir, plan = record.plan, "run started")
            }
            Event::Note(text) => tracing::info!("{text}"),
            Event::Kernel {
                name,
                what: KernelEvent::Progress { what, done, total },
            } => {
                tracing::trace!(name, what, done, total, "kernel");
            }
            Event::Kernel {
                name,
                what: KernelEvent::Settled(record),
            } => {
                tracing::info!(name, ?record, "kernel settled");
            }
            Event::Cell { cell, what } => match what {
                CellEvent::Started => tracing::info!(%cell, "started"),
                CellEvent::Phase(phase) => tracing::debug!(%cell, %phase, "phase"),
                // Escaped by its Debug form: a guest's words go to a log, too.
                CellEvent::Guest { at_ms, event } => tracing::trace!(%cell, at_ms, ?event, "guest"),
                CellEvent::HostLate { reason } => tracing::warn!(%cell, reason, "host late"),
                CellEvent::Finding { title } => tracing::info!(%cell, ?title, "finding"),
                CellEvent::TriedInVain(result) => {
                    tracing::warn!(%cell, reasons = ?result.reasons, "tried in vain");
                }
                CellEvent::Finished(result) => {
                    tracing::info!(%cell, status = %result.status, as_expected = result.as_expected, reasons = ?result.reasons, "finished");
                }
            },
            Event::TimeLeft(left) => tracing::debug!(?left, "time left"),
            Event::RunFinished { stopped } => tracing::info!(stopped, "run finished"),
        }
        Ok(())
    }
}
