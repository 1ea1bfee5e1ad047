// SPDX-License-Identifier: GPL-2.0-or-later
//! A line's object tree, shared by its variants, and its recovery from a build that was killed.

use std::fs;
use std::io;
use std::time::SystemTime;

use camino::{Utf8Path, Utf8PathBuf};

use super::error::KernelError;
use super::source::remove;
use crate::catalogue::Line;

/// Stands in the tree while make runs in it; holds the id of the boot.
const MARKER: &str = ".swapmig-making";

/// How much of a config's hash is in the name of its tree.
const CONFIG_DIGITS: usize = 8;

/// An object tree. Whoever uses it holds the source's lock.
pub(super) struct ObjectTree {
    dir: Utf8PathBuf,
}

impl ObjectTree {
    /// The tree for a line's config, created if absent, repaired if need be. Trees of other
    /// configs of the line are removed: they are a gigabyte each.
    ///
    /// It stands in the source tree itself, for then Kbuild calls every source file by a relative
    /// name, and the place of the cache does not get into the kernel by way of KASAN's tables.
    pub(super) fn open(
        source_tree: &Utf8Path,
        line: &Line,
        config: &str,
    ) -> Result<Self, KernelError> {
        let prefix = format!("objects-{}-", line.name);
        let config = &blake3::hash(config.as_bytes()).to_hex()[..CONFIG_DIGITS];
        let tree = Self {
            dir: source_tree.join(format!("{prefix}{config}")),
        };
        tree.remove_others(source_tree, &prefix)?;
        tree.recover()?;
        fs::create_dir_all(&tree.dir).map_err(KernelError::io("create", &tree.dir))?;
        Ok(tree)
    }

    /// The tree itself.
    pub(super) fn dir(&self) -> &Utf8Path {
        &self.dir
    }

    /// Whether a kernel was built in it: the next one takes a few steps only.
    pub(super) fn is_complete(&self) -> bool {
        self.dir.join("vmlinux").is_file()
    }

    /// Note that make is about to run.
    pub(super) fn begin(&self) -> Result<(), KernelError> {
        let path = self.dir.join(MARKER);
        fs::write(&path, boot_id()).map_err(KernelError::io("write", &path))
    }

    /// Note that make ended by itself and left no half-made target.
    pub(super) fn end(&self) -> Result<(), KernelError> {
        let path = self.dir.join(MARKER);
        fs::remove_file(&path).map_err(KernelError::io("remove", &path))
    }

    fn remove_others(&self, source_tree: &Utf8Path, prefix: &str) -> Result<(), KernelError> {
        // Not by the prefix alone: it may begin another line's name.
        let is_config =
            |end: &str| end.len() == CONFIG_DIGITS && end.bytes().all(|b| b.is_ascii_hexdigit());
        let entries = source_tree
            .read_dir_utf8()
            .and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(KernelError::io("list", source_tree))? {
            let of_line = entry
                .file_name()
                .strip_prefix(prefix)
                .is_some_and(is_config);
            if of_line && entry.path() != self.dir {
                remove(entry.path())?;
            }
        }
        Ok(())
    }

    fn recover(&self) -> Result<(), KernelError> {
        match fs::read_to_string(self.dir.join(MARKER)) {
            Err(_) => Ok(()),
            Ok(boot) if boot == boot_id() && !boot.is_empty() => remove_half_made(&self.dir),
            // The machine went down: any file may have lost its content.
            Ok(_) => remove(&self.dir),
        }
    }
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// Remove the targets that make was at when it was killed. Kbuild writes `.TARGET.cmd` when a
/// target is done, so a target that is younger than that, or has none, is not.
fn remove_half_made(dir: &Utf8Path) -> Result<(), KernelError> {
    let entries = dir
        .read_dir_utf8()
        .and_then(Iterator::collect::<io::Result<Vec<_>>>);
    for entry in entries.map_err(KernelError::io("list", dir))? {
        let path = entry.path();
        let kind = entry
            .file_type()
            .map_err(KernelError::io("inspect", path))?;
        if kind.is_dir() {
            remove_half_made(path)?;
        } else if kind.is_file() && is_half_made(path) {
            tracing::debug!(%path, "removing a target that may be half made");
            fs::remove_file(path).map_err(KernelError::io("remove", path))?;
        }
    }
    Ok(())
}

fn is_half_made(target: &Utf8Path) -> bool {
    let modified = |path: &Utf8Path| -> Option<SystemTime> {
        fs::metadata(path).and_then(|m| m.modified()).ok()
    };
    let Some(name) = target.file_name() else {
        return false;
    };
    match modified(&target.with_file_name(format!(".{name}.cmd"))) {
        Some(done) => modified(target).is_some_and(|made| made > done),
        None => matches!(target.extension(), Some("o" | "a")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_younger_than_its_record_goes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let file = |name: &str, age: u64| {
            let path = dir.join(name);
            fs::write(&path, name).unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 - age);
            fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        for (name, age) in [
            ("done.o", 5),
            (".done.o.cmd", 4),
            ("half.o", 1),
            (".half.o.cmd", 4),
            ("first.o", 1),
            ("generated.h", 1),
        ] {
            file(name, age);
        }
        remove_half_made(dir).unwrap();
        let mut left: Vec<_> = dir
            .read_dir_utf8()
            .unwrap()
            .map(|e| e.unwrap().file_name().to_owned())
            .collect();
        left.sort();
        assert_eq!(
            left,
            [".done.o.cmd", ".half.o.cmd", "done.o", "generated.h"]
        );
    }
}
