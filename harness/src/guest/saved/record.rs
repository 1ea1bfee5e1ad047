// SPDX-License-Identifier: GPL-2.0-or-later
//! A saved guest, and what is written down of it.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use swapmig_workloads::protocol::Event;

use super::Key;
use crate::guest::ssh::SshKeys;

/// What a guest that is being saved has told.
#[derive(Debug)]
pub struct Told {
    /// How long it booted.
    pub boot: Duration,
    /// Its readiness.
    pub ready: Event,
    /// What it has printed.
    pub console: Vec<u8>,
    /// The keys of its ssh server.
    pub keys: Arc<SshKeys>,
}

/// A saved guest, verified when it was opened. Its files stay open: it can be restored even
/// after it was removed from the store.
#[derive(Debug)]
pub struct Saved {
    pub(super) told: Told,
    memory: File,
    /// Of the memory, when it was hashed.
    stamp: Stamp,
    state: File,
}

impl Saved {
    pub(super) fn new(told: Told, memory: File, stamp: Stamp, state: File) -> Self {
        Self {
            told,
            memory,
            stamp,
            state,
        }
    }

    /// How long it booted.
    pub fn boot(&self) -> Duration {
        self.told.boot
    }

    /// What it said when it was ready.
    pub fn ready(&self) -> Event {
        self.told.ready.clone()
    }

    /// The keys of its ssh server.
    pub fn keys(&self) -> Arc<SshKeys> {
        self.told.keys.clone()
    }

    /// What it had printed.
    pub fn console(&self) -> &[u8] {
        &self.told.console
    }

    /// Its memory, to be mapped privately. QEMU opens it to write although it need not, so a
    /// guest that broke out of another one could have changed it.
    ///
    /// # Errors
    /// When it was changed, or removed from the store, since it was verified.
    pub fn memory(&self) -> io::Result<&File> {
        if Stamp::of(&self.memory)? == self.stamp {
            Ok(&self.memory)
        } else {
            Err(io::Error::other(
                "its memory was changed or removed since it was verified",
            ))
        }
    }

    /// Its state, to be read from the beginning.
    pub fn state(&self) -> io::Result<File> {
        again(&self.state)
    }
}

/// When a file was last changed, its name and its times included: who writes to it cannot set
/// this back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let about = file.metadata()?;
        Ok(Self {
            seconds: about.ctime(),
            nanoseconds: about.ctime_nsec(),
        })
    }
}

/// The same file, opened anew: a duplicate would share its position with other readers.
pub(super) fn again(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// `saved.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) about: About,
    /// Of `about`, written as JSON.
    seal: blake3::Hash,
}

/// What is written down of a saved guest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct About {
    pub(super) key: Key,
    pub(super) boot_ms: u64,
    pub(super) ready: Event,
    pub(super) client_key: String,
    pub(super) host_key: Vec<u8>,
    pub(super) memory: blake3::Hash,
    pub(super) state: blake3::Hash,
    pub(super) console: blake3::Hash,
}

impl Manifest {
    pub(super) fn of(about: About) -> serde_json::Result<Self> {
        let seal = seal(&about)?;
        Ok(Self { about, seal })
    }

    /// Whether it is what was once written.
    pub(super) fn is_whole(&self) -> bool {
        seal(&self.about).is_ok_and(|seal| seal == self.seal)
    }
}

fn seal(about: &About) -> serde_json::Result<blake3::Hash> {
    Ok(blake3::hash(&serde_json::to_vec(about)?))
}
