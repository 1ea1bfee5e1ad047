// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest that hangs is asked why, before it is ended.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::time::timeout;

use crate::guest::Guest;
use crate::guest::diagnosis::{Diagnosis, Request, TaskLayout};
use crate::probes::{Vmlinux, task_layout};

/// How guests that hang are asked why.
#[derive(Debug, Clone, Default)]
pub struct Asking {
    /// The kernel's vmlinux, which tells where it keeps its tasks.
    pub vmlinux: Option<Utf8PathBuf>,
    /// Whether their memory is to be dumped.
    pub dump_memory: bool,
}

/// Asks. Every step has its own limit; `within` is for a guest that ignores them all.
pub(super) async fn diagnose<G: Guest>(
    guest: &mut G,
    asking: &Asking,
    within: Duration,
) -> Diagnosis {
    let layout = match &asking.vmlinux {
        Some(vmlinux) => layout(vmlinux.clone()).await,
        None => Err("no vmlinux is at hand".into()),
    };
    let request = Request {
        layout: layout.as_ref().ok().copied(),
        dump_memory: asking.dump_memory,
    };
    let mut found = match timeout(within, guest.diagnose(&request)).await {
        Ok(found) => found,
        Err(_) => {
            let mut nothing = Diagnosis::default();
            let told = format!("all: no end within {:.0} s.\n", within.as_secs_f64());
            nothing.append("steps", told.as_bytes());
            // Nobody knows what it was made to print.
            nothing.unasked = Some(0);
            nothing
        }
    };
    if let Err(why) = layout {
        let told = format!("Samples name no task, for {why}.\n");
        found.append("steps", told.as_bytes());
    }
    found
}

async fn layout(vmlinux: Utf8PathBuf) -> Result<TaskLayout, String> {
    let read = |vmlinux: &Utf8Path| task_layout(&Vmlinux::new(vmlinux));
    // Reading DWARF takes a while; other guests are being listened to meanwhile.
    match tokio::task::spawn_blocking(move || read(&vmlinux)).await {
        Ok(Ok(Some(layout))) => Ok(layout),
        Ok(Ok(None)) => Err("the kernel keeps its tasks in a way that is not known".into()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(defect) => Err(defect.to_string()),
    }
}
