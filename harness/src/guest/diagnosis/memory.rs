// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's memory in a file, compressed, for the `crash` program: needs QEMU alone.

use std::time::Duration;

use camino::Utf8Path;
use qapi::qmp::{self, DumpGuestMemoryFormat, DumpStatus};
use tokio::sync::Mutex;

use super::kdump::{self, Wanted};
use crate::files;
use crate::guest::monitor::Monitor;
use crate::host::DISK_RESERVE_MIB;
use crate::plan::Machine;

/// The file, beside the console's.
const FILE: &str = "memory.kdump";
/// How often QEMU is asked how far it is.
const POLL: Duration = Duration::from_millis(200);
/// Bytes of headers, bitmaps and page descriptors beside the pages.
const BESIDE_MAX: u64 = 64 << 20;

/// One dump at a time: each looks for room that the others would take.
static ONE: Mutex<()> = Mutex::const_new(());

/// Writes the file, whole or not at all; only its owner may read it.
pub(super) async fn dump(
    monitor: &Monitor,
    machine: &Machine,
    dir: &Utf8Path,
) -> Result<String, String> {
    let _one = ONE.lock().await;
    let largest = (u64::from(machine.memory_mib) << 20) + BESIDE_MAX;
    // Once as QEMU streams it, once in order.
    require_free(dir, 2 * largest + (DISK_RESERVE_MIB << 20))?;
    // Without a name: gone with the last process that holds it.
    let streamed = tempfile::tempfile_in(dir).map_err(|error| error.to_string())?;
    let protocol = monitor
        .pass(&streamed, "dump")
        .await
        .map_err(|error| error.to_string())?;
    monitor
        .execute(qmp::dump_guest_memory {
            begin: None,
            detach: Some(true),
            format: Some(DumpGuestMemoryFormat::kdump_zlib),
            length: None,
            paging: false,
            protocol,
        })
        .await
        .map_err(|error| error.to_string())?;
    loop {
        tokio::time::sleep(POLL).await;
        let done = monitor.execute(qmp::query_dump {}).await;
        match done.map_err(|error| error.to_string())?.status {
            DumpStatus::active => {}
            DumpStatus::completed => break,
            DumpStatus::failed | DumpStatus::none => {
                return Err("QEMU could not write the dump; look for a full disk".into());
            }
        }
    }
    let wanted = Wanted {
        cpus: machine.cpus,
        largest,
    };
    let folder = dir.to_owned();
    let ordered = tokio::task::spawn_blocking(move || {
        let ordered = tempfile::NamedTempFile::new_in(&folder).map_err(|e| e.to_string())?;
        kdump::order(&streamed, ordered.as_file(), &wanted).map_err(|e| e.to_string())?;
        ordered.as_file().sync_all().map_err(|e| e.to_string())?;
        Ok::<_, String>(ordered)
    });
    // Named here: a dump that comes after the step's limit is dropped, and removed with it.
    let ordered = ordered.await.map_err(|defect| defect.to_string())??;
    let file = ordered
        .persist(dir.join(FILE))
        .map_err(|error| error.to_string())?;
    let mib = file.metadata().map_or(0, |metadata| metadata.len() >> 20);
    Ok(format!(
        "{FILE} has {mib} MiB; open it with `crash` and the kernel's vmlinux"
    ))
}

fn require_free(dir: &Utf8Path, needed: u64) -> Result<(), String> {
    let free = files::free_bytes(dir).map_err(|error| error.to_string())?;
    match free < needed {
        true => Err(format!(
            "a dump needs {} MiB, and {} MiB are free; make room, or put the run elsewhere with --out",
            needed >> 20,
            free >> 20
        )),
        false => Ok(()),
    }
}
