// SPDX-License-Identifier: GPL-2.0-or-later
//! A run's directory: made, written file by file, read back to go on.
//!
//! Every file is either whole or absent, `events.jsonl` and `console.log` apart,
//! which grow: so a run that was killed or met a full disk is readable.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use swapmig_reports::record::{CellId, RunRecord};

/// A run's directory.
#[derive(Debug, Clone)]
pub struct RunDir {
    path: Utf8PathBuf,
}

/// Why a run's directory cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// It cannot be made.
    #[error("The run's folder {path} cannot be made: {source}. Name another one with --out.")]
    Create {
        /// The folder.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
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
        Ok(Self { path })
    }

    /// Opens the folder of a run.
    pub fn open(path: Utf8PathBuf) -> Result<Self, RunDirError> {
        let record = path.join("run.json");
        match fs::metadata(&record) {
            Ok(_) => Ok(Self { path }),
            Err(source) => Err(RunDirError::Read {
                path: record,
                source,
            }),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// The folder of a cell, made if need be. What an earlier, unfinished
    /// try left there is removed.
    pub fn fresh_cell(&self, cell: &CellId) -> Result<Utf8PathBuf, RunDirError> {
        let path = self.cell(cell);
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(RunDirError::Create { path, source });
            }
            _ => {}
        }
        fs::create_dir(&path).map_err(|source| RunDirError::Create {
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }

    /// The folder of a cell.
    pub fn cell(&self, cell: &CellId) -> Utf8PathBuf {
        self.path.join("cells").join(cell.name())
    }

    /// Whether a cell has its result.
    pub fn is_finished(&self, cell: &CellId) -> bool {
        self.cell(cell).join("cell.json").exists()
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
    let write = || -> io::Result<()> {
        let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|source| RunDirError::Write {
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
