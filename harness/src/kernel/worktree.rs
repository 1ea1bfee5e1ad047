// SPDX-License-Identifier: GPL-2.0-or-later
//! A source tree that is patched in place, and comes back from any interruption.
//!
//! Before a patch touches the tree, the originals of its files are in the journal, on the disk.
//! Bringing them back gives them fresh times, so that make compiles them again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::error::KernelError;
use super::patch::PatchFile;
use super::source::remove;
use crate::files;

/// A source tree with its journal beside it. Whoever uses it holds the source's lock.
#[derive(Debug, Clone)]
pub struct Worktree {
    tree: Utf8PathBuf,
    journal: Utf8PathBuf,
}

/// `journal.json`: what a patch is about to touch.
#[derive(Serialize, Deserialize)]
struct Journal {
    /// Hash of the patch.
    patch: String,
    /// File → the name of its original in the journal; none if the patch makes it.
    originals: BTreeMap<Utf8PathBuf, Option<String>>,
}

/// `applied.json`: file → hash once the patch was applied; none if the patch removed it.
type Applied = BTreeMap<Utf8PathBuf, Option<String>>;

impl Worktree {
    /// The tree in `tree`; its journal is kept beside it.
    pub fn at(tree: &Utf8Path) -> Self {
        Self {
            tree: tree.to_owned(),
            journal: Utf8PathBuf::from(format!("{tree}.journal")),
        }
    }

    /// The tree itself.
    pub fn tree(&self) -> &Utf8Path {
        &self.tree
    }

    /// Bring the tree to `patch`, or to its pristine state without one. A tree that is there
    /// already stays untouched, times included.
    pub fn prepare(&self, patch: Option<&PatchFile>, source_id: &str) -> Result<(), KernelError> {
        if let Some(patch) = patch
            && self.holds(patch)?
        {
            return Ok(());
        }
        self.reset()?;
        if let Some(patch) = patch {
            patch.check(&self.tree, source_id)?;
            self.begin(patch)?;
            patch.apply(&self.tree)?;
            self.finish(patch)?;
        }
        Ok(())
    }

    /// Whether the tree holds `patch`, whole and nothing else.
    fn holds(&self, patch: &PatchFile) -> Result<bool, KernelError> {
        let Some(journal) = self.journal()? else {
            return Ok(false);
        };
        let Ok(bytes) = fs::read(self.journal.join("applied.json")) else {
            return Ok(false);
        };
        let Ok(applied) = serde_json::from_slice::<Applied>(&bytes) else {
            return Ok(false);
        };
        Ok(journal.patch == hash(patch.bytes()) && self.hashes(patch)? == applied)
    }

    /// Bring the pristine files back. Interrupted, it is begun again by the next call.
    pub fn reset(&self) -> Result<(), KernelError> {
        let Some(journal) = self.journal()? else {
            return Ok(());
        };
        for (file, original) in &journal.originals {
            let path = self.tree.join(file);
            let Some(original) = original else {
                remove_file(&path)?;
                continue;
            };
            copy_synced(&self.journal.join(original), &path)?;
        }
        remove_file(&self.journal.join("journal.json"))?;
        remove(&self.journal)
    }

    /// Write the journal, so that [`reset`](Self::reset) works from here on.
    fn begin(&self, patch: &PatchFile) -> Result<(), KernelError> {
        let staging = Utf8PathBuf::from(format!("{}.new", self.journal));
        remove(&staging)?;
        fs::create_dir_all(&staging).map_err(KernelError::io("create", &staging))?;
        let mut originals = BTreeMap::new();
        for (number, file) in patch.targets().enumerate() {
            let source = self.tree.join(file);
            let original = match source.exists() {
                true => {
                    let name = format!("{number:04}");
                    copy_synced(&source, &staging.join(&name))?;
                    Some(name)
                }
                false => None,
            };
            originals.insert(file.to_owned(), original);
        }
        let journal = Journal {
            patch: hash(patch.bytes()),
            originals,
        };
        write_json(&staging.join("journal.json"), &journal)?;
        sync_dir(&staging)?;
        remove(&self.journal)?;
        fs::rename(&staging, &self.journal).map_err(KernelError::io("rename", &staging))?;
        sync_dir(self.journal.parent().unwrap_or(&self.tree))
    }

    fn finish(&self, patch: &PatchFile) -> Result<(), KernelError> {
        write_json(&self.journal.join("applied.json"), &self.hashes(patch)?)
    }

    fn hashes(&self, patch: &PatchFile) -> Result<Applied, KernelError> {
        patch
            .targets()
            .map(|file| match fs::read(self.tree.join(file)) {
                Ok(bytes) => Ok((file.to_owned(), Some(hash(&bytes)))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    Ok((file.to_owned(), None))
                }
                Err(error) => Err(KernelError::io("read", &self.tree.join(file))(error)),
            })
            .collect()
    }

    fn journal(&self) -> Result<Option<Journal>, KernelError> {
        let path = self.journal.join("journal.json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(KernelError::io("read", &path)(error)),
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| KernelError::DamagedJournal {
                path: self.journal.clone(),
                tree: self.tree.clone(),
                reason: error.to_string(),
            })
    }
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Copy content and permissions; the copy's time is now.
fn copy_synced(from: &Utf8Path, to: &Utf8Path) -> Result<(), KernelError> {
    let bytes = fs::read(from).map_err(KernelError::io("read", from))?;
    let metadata = fs::metadata(from).map_err(KernelError::io("read", from))?;
    write_synced(to, &bytes, Some(metadata.permissions()))
}

fn remove_file(path: &Utf8Path) -> Result<(), KernelError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(KernelError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn write_json(path: &Utf8Path, value: &impl Serialize) -> Result<(), KernelError> {
    let bytes =
        serde_json::to_vec_pretty(value).map_err(|e| KernelError::io("write", path)(e.into()))?;
    write_synced(path, &bytes, None)
}

/// Replace a file as a whole.
pub(super) fn write_synced(
    path: &Utf8Path,
    bytes: &[u8],
    permissions: Option<fs::Permissions>,
) -> Result<(), KernelError> {
    let dir = path.parent().unwrap_or(Utf8Path::new("."));
    let mode = permissions.map_or(0o644, |permissions| permissions.mode());
    fs::create_dir_all(dir)
        .and_then(|()| files::write_whole(path, bytes, mode))
        .map_err(KernelError::io("write", path))
}

/// Make a directory's entries last.
pub(super) fn sync_dir(dir: &Utf8Path) -> Result<(), KernelError> {
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(KernelError::io("sync", dir))
}
