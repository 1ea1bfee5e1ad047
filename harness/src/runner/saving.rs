// SPDX-License-Identifier: GPL-2.0-or-later
//! Boots a kernel once and saves the guest, ready for a job.

use std::time::Duration;

use swapmig_reports::trace;
use swapmig_workloads::protocol::{self, Event};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::console::lost_messages;
use super::machine;
use crate::guest::launcher::Launcher;
use crate::guest::qemu::{GuestSpec, QemuGuest};
use crate::guest::saved::{Key, Saved, SavedError, SavedGuests, Told};
use crate::guest::{Guest, GuestError, Signal};

/// Console bytes of a boot beyond which something is wrong with it.
const CONSOLE_MAX: usize = 4 << 20;

/// Why a guest could not be saved. Its cells then boot, and tell what is wrong with the boot.
#[derive(Debug, thiserror::Error)]
pub enum SavingError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] SavedError),
    /// QEMU failed.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// The guest did not become ready, or not as it should.
    #[error("{0}")]
    Boot(String),
}

/// Boots a guest and takes it into the store. Whatever happens, its QEMU is gone afterwards.
pub async fn save(
    store: &SavedGuests,
    key: &Key,
    spec: &GuestSpec,
    launcher: &Launcher,
    boot_within: Duration,
    stop: &CancellationToken,
) -> Result<Saved, SavingError> {
    let cradle = store.cradle(spec.machine.memory_mib)?;
    let began = Instant::now();
    let mut guest = QemuGuest::boot_to_save(spec, launcher, cradle.memory()).await?;
    let mut console = Vec::new();
    let booted = tokio::select! {
        ready = tokio::time::timeout(boot_within, ready(&mut guest, spec, &mut console)) => {
            ready.unwrap_or_else(|_| {
                Err(format!("it was not ready after {:.0} s", boot_within.as_secs_f64()))
            })
        }
        () = stop.cancelled() => Err("the run was stopped".into()),
    };
    let boot = began.elapsed();
    let saved = match &booted {
        Ok(_) => guest.save(cradle.state()).await,
        Err(_) => Ok(()),
    };
    guest.end().await;
    let ready = booted.map_err(SavingError::Boot)?;
    saved?;
    rest(&mut guest, &mut console)
        .await
        .map_err(SavingError::Boot)?;
    sound(&console).map_err(SavingError::Boot)?;
    let told = Told {
        boot,
        ready,
        console,
        keys: spec.keys.clone(),
    };
    let (store, key) = (store.clone(), key.clone());
    // Hashing takes a while; other guests are being listened to meanwhile.
    let kept = tokio::task::spawn_blocking(move || store.keep(&key, cradle, told));
    Ok(kept
        .await
        .map_err(|defect| SavingError::Boot(defect.to_string()))??)
}

/// What the guest had still to say when it was stopped.
async fn rest(guest: &mut QemuGuest, console: &mut Vec<u8>) -> Result<(), String> {
    loop {
        match guest.next().await {
            Signal::Exited { .. } => return Ok(()),
            Signal::Console(bytes) if console.len() < CONSOLE_MAX => {
                console.extend_from_slice(&bytes);
            }
            Signal::Console(_) => {}
            other => {
                // Exited comes last, and must not be waited for twice.
                while !matches!(guest.next().await, Signal::Exited { .. }) {}
                return Err(format!("it said more than that it is ready: {other:?}"));
            }
        }
    }
}

/// Whether a boot said nothing that its cells would have to answer for.
fn sound(console: &[u8]) -> Result<(), String> {
    if let Some(report) = trace::parse(console).first() {
        return Err(format!("its boot printed a trace: {}", report.title));
    }
    if lost_messages(console) {
        return Err("its boot printed so much that messages were dropped".into());
    }
    Ok(())
}

/// Waits until the guest is ready, and the machine that it has to be.
async fn ready(
    guest: &mut QemuGuest,
    spec: &GuestSpec,
    console: &mut Vec<u8>,
) -> Result<Event, String> {
    loop {
        match guest.next().await {
            Signal::Console(bytes) => console.extend_from_slice(&bytes),
            Signal::Event(event) => return check(event, spec),
            Signal::Exited { reason } | Signal::HostFailed { reason } => return Err(reason),
            Signal::Garbage(line) => {
                return Err(format!("it sent a line that is no event: {line}"));
            }
            Signal::Reset => {}
        }
        if console.len() > CONSOLE_MAX {
            return Err(format!(
                "its boot printed more than {} MiB",
                CONSOLE_MAX >> 20
            ));
        }
    }
}

fn check(event: Event, spec: &GuestSpec) -> Result<Event, String> {
    let Event::Ready {
        version,
        cpus,
        memory_kib,
        ..
    } = event
    else {
        return Err("it sent an event before it was ready".into());
    };
    if version != protocol::VERSION {
        return Err(format!("its init speaks protocol {version}"));
    }
    match machine::difference(&spec.machine, cpus, memory_kib) {
        Some(difference) => Err(difference),
        None => Ok(event),
    }
}
