// SPDX-License-Identifier: GPL-2.0-or-later
//! Boots a kernel once and saves the guest, ready for a job.

use std::time::Duration;

use swapmig_reports::trace;
use swapmig_workloads::protocol::{self, Event};
use tokio::time::Instant;

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

/// Boots a guest and takes it into the store.
pub async fn save(
    store: &SavedGuests,
    key: &Key,
    spec: &GuestSpec,
    launcher: &Launcher,
    boot_within: Duration,
) -> Result<Saved, SavingError> {
    let cradle = store.cradle(spec.machine.memory_mib)?;
    let began = Instant::now();
    let mut guest = QemuGuest::boot_to_save(spec, launcher, cradle.memory()).await?;
    let mut console = Vec::new();
    let ready = tokio::time::timeout(boot_within, ready(&mut guest, spec, &mut console)).await;
    let boot = began.elapsed();
    let ready = match ready {
        Ok(Ok(ready)) => guest.save(cradle.state()).await.map(|()| ready)?,
        Ok(Err(reason)) => return Err(SavingError::Boot(reason)),
        Err(_) => {
            return Err(SavingError::Boot(format!(
                "it was not ready after {:.0} s",
                boot_within.as_secs_f64()
            )));
        }
    };
    guest.end().await;
    // What it had printed when it was stopped.
    while let Signal::Console(bytes) = guest.next().await {
        console.extend_from_slice(&bytes);
    }
    if let Some(report) = trace::parse(&console).first() {
        return Err(SavingError::Boot(format!(
            "its boot printed a trace: {}",
            report.title
        )));
    }
    let told = Told {
        boot,
        ready,
        console,
    };
    let (store, key, keys, initramfs) = (
        store.clone(),
        key.clone(),
        spec.keys.clone(),
        spec.initramfs.clone(),
    );
    // Hashing takes a while; other guests are being listened to meanwhile.
    let kept =
        tokio::task::spawn_blocking(move || store.keep(&key, &cradle, told, &keys, &initramfs));
    Ok(kept
        .await
        .map_err(|defect| SavingError::Boot(defect.to_string()))??)
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
