// SPDX-License-Identifier: GPL-2.0-or-later
//! Virtio-serial ports, found by name.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const CLASS: &str = "/sys/class/virtio-ports";
/// A port's name arrives from the host a moment after its driver is bound.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// Why a port could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortError {
    #[error(
        "the machine has no virtio-serial port named {name}: add a virtserialport with that name"
    )]
    Absent { name: &'static str },
    #[error("cannot open {path}: {source}")]
    Open { path: PathBuf, source: io::Error },
}

/// Opens the port of that name for reading and writing, blocking or not.
pub(crate) fn open(name: &'static str, blocking: bool) -> Result<File, PortError> {
    let deadline = Instant::now() + PATIENCE;
    let path = loop {
        match find(name) {
            Some(path) => break path,
            None if Instant::now() > deadline => return Err(PortError::Absent { name }),
            None => std::thread::sleep(PAUSE),
        }
    };
    let flags = if blocking { 0 } else { libc::O_NONBLOCK };
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(&path)
        .map_err(|source| PortError::Open { path, source })
}

fn find(name: &str) -> Option<PathBuf> {
    fs::read_dir(CLASS).ok()?.flatten().find_map(|entry| {
        let found = fs::read_to_string(entry.path().join("name")).ok()?;
        (found.trim_end() == name).then(|| PathBuf::from("/dev").join(entry.file_name()))
    })
}
