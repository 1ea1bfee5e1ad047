// SPDX-License-Identifier: GPL-2.0-or-later
//! A run's directory: made, written file by file, read back to go on.
//!
//! Every file is either whole or absent, `events.jsonl` and `console.log` apart,
//! which grow: so a run that was killed or met a full disk is readable.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::FlockOperation;
use serde::Serialize;
use swapmig_reports::record::{Attempt, CellId, CellRecord, RunRecord, Status};

use crate::files;

/// The file of a cell's result, within the cell's folder.
pub const CELL: &str = "cell.json";
/// The folder of tries that were put aside.
const ATTEMPTS: &str = "attempts";

/// A run's directory.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: Utf8PathBuf,
    // Holds the lock: two harnesses in one run would undo each other's cells.
    _lock: Arc<File>,
}

/// Why a run's directory cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// It cannot be made.
    #[error(
        "The run's folder {path} cannot be made: {source}. Make room, or name another folder with --out; \
         a run that began goes on with `swapmig run PLAN --resume RUN`."
    )]
    Create {
        /// The folder.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another swapmig is at work in it.
    #[error(
        "The run {path} is being worked on by another swapmig. Wait for it, or name another folder with --out."
    )]
    Busy {
        /// The folder.
        path: Utf8PathBuf,
    },
    /// One of its files cannot be written.
    #[error("The file {path} cannot be written: {source}. What was written before is intact.")]
    Write {
        /// The file.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// One of its files cannot be read.
    #[error(
        "The file {path} cannot be read: {source}. Name the folder of a run, which holds a run.json."
    )]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl RunDir {
    /// Makes a folder that nobody else can look into. It must not exist.
    pub fn create(path: Utf8PathBuf) -> Result<Self, RunDirError> {
        let private = |path: &Utf8Path| fs::DirBuilder::new().mode(0o700).create(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|source| RunDirError::Create {
                path: parent.into(),
                source,
            })?;
        }
        for path in [&path, &path.join("cells")] {
            private(path).map_err(|source| RunDirError::Create {
                path: path.clone(),
                source,
            })?;
        }
        Self::locked(path)
    }

    /// Opens the folder of a run.
    pub fn open(path: Utf8PathBuf) -> Result<Self, RunDirError> {
        let record = path.join("run.json");
        match fs::metadata(&record) {
            Ok(_) => {
                let run = Self::locked(path)?;
                run.sweep();
                Ok(run)
            }
            Err(source) => Err(RunDirError::Read {
                path: record,
                source,
            }),
        }
    }

    /// The folder, while nobody else works in it.
    fn locked(path: Utf8PathBuf) -> Result<Self, RunDirError> {
        let read = |source| RunDirError::Read {
            path: path.clone(),
            source,
        };
        let lock = File::open(&path).map_err(read)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                path,
                _lock: Arc::new(lock),
            }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(RunDirError::Busy { path }),
            Err(error) => Err(read(error.into())),
        }
    }

    /// Removes what a harness that was killed has left. No file of a run begins with a dot, and
    /// the folders of cells without a result are made anew.
    fn sweep(&self) {
        self.remove_scratch();
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().as_encoded_bytes()[0] == b'.') {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_file(entry.path());
        }
    }

    /// The folder.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The folder of a cell, made anew.
    pub fn fresh_cell(&self, cell: &CellId) -> Result<Utf8PathBuf, RunDirError> {
        fresh(self.cell(cell))
    }

    /// The folder for what only a running harness needs, made anew.
    pub fn fresh_scratch(&self) -> Result<Utf8PathBuf, RunDirError> {
        fresh(self.scratch())
    }

    /// A fresh folder within the scratch folder; `name` is a plain file name.
    pub fn scratch_for(&self, name: &str) -> Result<Utf8PathBuf, RunDirError> {
        fresh(self.scratch().join(name))
    }

    /// Removes what only a running harness needs.
    pub fn remove_scratch(&self) {
        // What cannot be removed now is removed by whoever goes on with the run.
        let _ = fs::remove_dir_all(self.scratch());
    }

    fn scratch(&self) -> Utf8PathBuf {
        self.path.join("scratch")
    }

    /// The folder of a cell.
    pub fn cell(&self, cell: &CellId) -> Utf8PathBuf {
        self.path.join("cells").join(cell.name())
    }

    /// Puts a try that ended in an ERROR aside, its files and all; does nothing when there is none.
    pub fn set_aside(&self, cell: &CellId) -> Result<(), RunDirError> {
        let tried = self.cell(cell);
        if read_cell(&tried, cell).is_none() {
            return Ok(());
        }
        let attempts = self.path.join(ATTEMPTS);
        let create = |source| RunDirError::Create {
            path: attempts.clone(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&attempts)
            .map_err(create)?;
        let next = (1..)
            .map(|n| self.attempt(cell, n))
            .find(|folder| !folder.exists())
            .unwrap_or(attempts.clone());
        fs::rename(tried, next).map_err(create)
    }

    /// The folder of a cell's Nth try that was put aside.
    fn attempt(&self, cell: &CellId, n: u32) -> Utf8PathBuf {
        self.path
            .join(ATTEMPTS)
            .join(format!("{}.{n}", cell.name()))
    }

    /// The tries of a cell that were put aside, oldest first.
    pub fn attempts(&self, cell: &CellId) -> Vec<Attempt> {
        let unreadable = || Attempt {
            status: Status::Error,
            reason: "Its record cannot be read.".into(),
        };
        (1..)
            .map(|n| self.attempt(cell, n))
            .take_while(|folder| folder.exists())
            .map(|folder| read_cell(&folder, cell).map_or_else(unreadable, |r| r.as_attempt()))
            .collect()
    }

    /// Whether a cell has a result that stands. An ERROR does not: it is nobody's
    /// verdict, and its cause may be mended.
    pub fn is_finished(&self, cell: &CellId) -> bool {
        self.result(cell)
            .is_some_and(|record| record.status != Status::Error)
    }

    /// A cell's result, if it is there and whole.
    pub fn result(&self, cell: &CellId) -> Option<CellRecord> {
        read_cell(&self.cell(cell), cell)
    }

    /// Writes `run.json`.
    pub fn write_record(&self, record: &RunRecord) -> Result<(), RunDirError> {
        write_json(&self.path.join("run.json"), record)
    }

    /// Writes a file of the run, whole or not at all.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), RunDirError> {
        write_whole(&self.path.join(name), content)
    }
}

/// A cell's result in a folder, if it is there and whole.
fn read_cell(dir: &Utf8Path, cell: &CellId) -> Option<CellRecord> {
    let text = fs::read(dir.join(CELL)).ok()?;
    let record: CellRecord = serde_json::from_slice(&text).ok()?;
    (record.cell == *cell).then_some(record)
}

/// Makes a folder that nobody else can look into. What an earlier, unfinished
/// try left there is removed.
fn fresh(path: Utf8PathBuf) -> Result<Utf8PathBuf, RunDirError> {
    let create = |source| RunDirError::Create {
        path: path.clone(),
        source,
    };
    match fs::remove_dir_all(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(create(source)),
        _ => {}
    }
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&path)
        .map_err(create)?;
    Ok(path)
}

/// Writes JSON, whole or not at all.
pub fn write_json(path: &Utf8Path, value: &impl Serialize) -> Result<(), RunDirError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| RunDirError::Write {
        path: path.into(),
        source: e.into(),
    })?;
    text.push(b'\n');
    write_whole(path, &text)
}

/// Writes a file, whole or not at all, and onto the disk.
pub fn write_whole(path: &Utf8Path, content: &[u8]) -> Result<(), RunDirError> {
    files::write_whole(path, content, 0o600).map_err(|source| RunDirError::Write {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn scratch() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("run");
        (dir, path)
    }

    #[test]
    fn a_run_is_nobody_elses_business() {
        let (_keep, path) = scratch();
        RunDir::create(path.clone()).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn a_folder_that_exists_is_not_taken_over() {
        let (_keep, path) = scratch();
        RunDir::create(path.clone()).unwrap();
        assert!(matches!(
            RunDir::create(path),
            Err(RunDirError::Create { .. })
        ));
    }

    #[test]
    fn a_folder_without_a_record_is_no_run() {
        let (_keep, path) = scratch();
        let error = RunDir::open(path).unwrap_err().to_string();
        assert!(error.contains("run.json"), "{error}");
    }

    /// A result that is nobody's verdict.
    fn write_error(run: &RunDir, cell: &CellId) {
        let dir = run.fresh_cell(cell).unwrap();
        let record = serde_json::json!({
            "format": 1, "cell": cell, "status": "ERROR", "reasons": ["QEMU died."],
            "expected": {"kind": "clean"}, "as_expected": false, "findings": [], "classes": {},
            "at_least": {}, "pages_verified": 0, "ended": {"how": "panicked"},
            "timing": {"boot_ms": null, "workload_ms": null, "finding_ms": null, "total_ms": 1},
            "samples": [], "vmstat": {}, "buddyinfo": ["", ""], "swaps": ["", ""],
        });
        write_json(&dir.join(CELL), &record).unwrap();
    }

    #[test]
    fn tries_in_vain_are_put_aside_in_order_whatever_became_of_the_earlier_ones() {
        let (_keep, path) = scratch();
        let run = RunDir::create(path.clone()).unwrap();
        let cell = CellId {
            line: "6.12".into(),
            variant: "fixed".into(),
            workload: "tmpfs".into(),
            seed: 1,
        };
        run.set_aside(&cell).unwrap();
        assert_eq!(run.attempts(&cell), []);
        for tries in 1..=3 {
            write_error(&run, &cell);
            assert!(!run.is_finished(&cell));
            run.set_aside(&cell).unwrap();
            assert!(!run.cell(&cell).exists());
            assert_eq!(run.attempts(&cell).len(), tries);
            // A record that was lost must not be in the way of the next one.
            fs::remove_file(path.join(format!("attempts/{cell}.{tries}")).join(CELL)).unwrap();
        }
        write_error(&run, &cell);
        run.set_aside(&cell).unwrap();
        let reasons: Vec<_> = run.attempts(&cell).into_iter().map(|a| a.reason).collect();
        assert_eq!(reasons[3], "QEMU died.");
        assert_eq!(reasons[0], "Its record cannot be read.");
    }

    #[test]
    fn a_write_that_fails_leaves_the_file_as_it_was() {
        let (_keep, path) = scratch();
        let run = RunDir::create(path.clone()).unwrap();
        run.write("plan.toml", b"first").unwrap();
        // A folder in the file's place cannot be renamed over.
        fs::create_dir(path.join("taken")).unwrap();
        assert!(run.write("taken", b"x").is_err());
        assert_eq!(fs::read(path.join("plan.toml")).unwrap(), b"first");
        let left: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left.len(), 3, "no temporary file is left: {left:?}");
    }

    #[test]
    fn a_run_that_is_being_worked_on_is_left_alone() {
        let (_keep, path) = scratch();
        let run = RunDir::create(path.clone()).unwrap();
        run.write("run.json", b"{}").unwrap();
        assert!(matches!(
            RunDir::open(path.clone()),
            Err(RunDirError::Busy { .. })
        ));
        drop(run);
        // A program that another test starts just now holds the lock until it has begun.
        let opened = (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            RunDir::open(path.clone()).is_ok()
        });
        assert!(opened);
    }

    #[test]
    fn what_a_killed_harness_left_is_removed_by_whoever_goes_on() {
        let (_keep, path) = scratch();
        let run = RunDir::create(path.clone()).unwrap();
        run.write("run.json", b"{}").unwrap();
        let scratch = run.fresh_scratch().unwrap();
        fs::write(scratch.join("initramfs.cpio"), "with its keys").unwrap();
        run.scratch_for("6.12.fixed").unwrap();
        for left in [".run.json.new", ".tmpAb12Cd"] {
            fs::write(path.join(left), "half").unwrap();
        }
        drop(run);
        RunDir::open(path.clone()).unwrap();
        let mut left: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["cells", "run.json"]);
    }

    #[test]
    fn a_new_try_of_a_cell_starts_from_nothing() {
        let (_keep, path) = scratch();
        let run = RunDir::create(path).unwrap();
        let cell = CellId {
            line: "6.12".into(),
            variant: "fixed".into(),
            workload: "orphan".into(),
            seed: 1,
        };
        let dir = run.fresh_cell(&cell).unwrap();
        fs::write(dir.join("console.log"), "old").unwrap();
        let dir = run.fresh_cell(&cell).unwrap();
        assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
    }
}
