// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads a run directory.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::record::{CellId, CellRecord, FORMAT, RunRecord};
use crate::text;

/// Longest `run.json` or `cell.json` that is read, in bytes.
const FILE_MAX: u64 = 64 << 20;

/// A run directory as it stood when it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its `run.json`.
    pub record: RunRecord,
    /// Every cell that `run.json` lists, in its order.
    pub cells: Vec<Cell>,
}

/// A cell of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Which cell.
    pub id: CellId,
    /// What is known of it.
    pub state: CellState,
}

/// What a run directory holds of a cell.
#[derive(Debug, Clone, PartialEq)]
pub enum CellState {
    /// It ended with a result.
    Ended(Box<CellRecord>),
    /// It has no result yet.
    Unfinished,
    /// Its result is there and cannot be used; a sentence that names the file.
    Unreadable(String),
}

impl Cell {
    /// Its result, if it has a usable one.
    pub fn result(&self) -> Option<&CellRecord> {
        match &self.state {
            CellState::Ended(record) => Some(record),
            CellState::Unfinished | CellState::Unreadable(_) => None,
        }
    }
}

/// Why a run directory cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no `run.json`.
    #[error("{0} does not exist: name the directory of a run, the one that holds run.json")]
    NotARun(PathBuf),
    /// A file is there and cannot be read.
    #[error("cannot read {path}: {source}; check its permissions and the disk")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is longer than any writer makes it.
    #[error("{0} is longer than {max} MiB: no run writes such a file, restore it from a copy", max = FILE_MAX >> 20)]
    TooLong(PathBuf),
    /// A file was written by another version.
    #[error(
        "{path} has format {found}, this program reads format {FORMAT}: use the version of swapmig that wrote the run, or repeat the run"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format it states.
        found: u32,
    },
    /// A file is not what its format demands.
    #[error(
        "{path}:{line}:{column}: {message}; the file was damaged or edited: restore it, or delete it and repeat its cell"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line from 1; 0 when unknown.
        line: usize,
        /// Column from 1; 0 when unknown.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// `run.json` lists a cell twice, which would count one result twice.
    #[error("{path} lists cell {cell} twice: delete one of the two entries")]
    Twice {
        /// The file.
        path: PathBuf,
        /// The cell.
        cell: String,
    },
    /// A cell's name cannot be the name of a folder within the run.
    #[error(
        "{path} lists a cell {cell:?}: line, variant and workload may hold only ASCII letters, digits and . _ + -, and not begin with a dot"
    )]
    CellName {
        /// The file.
        path: PathBuf,
        /// The cell.
        cell: String,
    },
    /// A result lies in another cell's folder.
    #[error("{path} is the result of cell {found}: move it to the folder of that name")]
    Misplaced {
        /// The file.
        path: PathBuf,
        /// The cell that it names.
        found: String,
    },
}

impl Run {
    /// Reads `run.json` in `dir` and every cell's result.
    ///
    /// A cell's missing or unusable result is a state of that cell and no error.
    ///
    /// # Errors
    /// When `run.json` is missing, unreadable, malformed, of another format, or lists a cell
    /// that is repeated or that no folder can be named after.
    pub fn read(dir: &Path) -> Result<Self, RunError> {
        let path = dir.join("run.json");
        let record: RunRecord = match load(&path) {
            Err(RunError::Read { source, .. }) if is_absent(&source) => {
                Err(RunError::NotARun(path.clone()))
            }
            other => other,
        }?;
        let mut seen = BTreeSet::new();
        for id in &record.cells {
            let cell = || text::line(&id.name(), text::LINE_MAX);
            if ![&id.line, &id.variant, &id.workload]
                .into_iter()
                .all(|part| is_plain(part))
            {
                return Err(RunError::CellName { path, cell: cell() });
            }
            if !seen.insert(id.name()) {
                return Err(RunError::Twice { path, cell: cell() });
            }
        }
        let cells = record
            .cells
            .iter()
            .map(|id| Cell {
                id: id.clone(),
                state: read_cell(dir, id),
            })
            .collect();
        Ok(Self { record, cells })
    }
}

fn read_cell(dir: &Path, id: &CellId) -> CellState {
    let path = dir.join("cells").join(id.name()).join("cell.json");
    match load::<CellRecord>(&path) {
        Ok(record) if record.cell == *id => CellState::Ended(Box::new(record)),
        Ok(record) => {
            let found = text::line(&record.cell.name(), text::LINE_MAX);
            CellState::Unreadable(RunError::Misplaced { path, found }.to_string())
        }
        Err(RunError::Read { source, .. }) if is_absent(&source) => CellState::Unfinished,
        Err(error) => CellState::Unreadable(error.to_string()),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('.')
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
}

fn load<T: DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    let read = |source| RunError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(read)?
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(read)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(RunError::TooLong(path.to_owned()));
    }
    // The format comes first: a file of another one need not have this one's fields.
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let head: Head = parse(path, &bytes)?;
    if head.format != FORMAT {
        return Err(RunError::Format {
            path: path.to_owned(),
            found: head.format,
        });
    }
    parse(path, &bytes)
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, RunError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let message = message
            .strip_suffix(&format!(" at line {line} column {column}"))
            .unwrap_or(&message);
        RunError::Malformed {
            path: path.to_owned(),
            line,
            column,
            message: text::line(message, text::LINE_MAX),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use std::fs;

    fn write(dir: &Path, run: &Run) {
        fs::write(
            dir.join("run.json"),
            serde_json::to_vec_pretty(&run.record).unwrap(),
        )
        .unwrap();
        for cell in &run.cells {
            let folder = dir.join("cells").join(cell.id.name());
            fs::create_dir_all(&folder).unwrap();
            if let Some(record) = cell.result() {
                fs::write(
                    folder.join("cell.json"),
                    serde_json::to_vec_pretty(record).unwrap(),
                )
                .unwrap();
            }
        }
    }

    #[test]
    fn a_run_survives_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let run = fixture::unfinished();
        write(dir.path(), &run);
        assert_eq!(Run::read(dir.path()).unwrap(), run);
    }

    #[test]
    fn no_run_says_what_to_name() {
        let dir = tempfile::tempdir().unwrap();
        let error = Run::read(&dir.path().join("nowhere"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("run.json does not exist: name the directory of a run"),
            "{error}"
        );
    }

    #[test]
    fn another_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("run.json"), r#"{"format": 2, "new": []}"#).unwrap();
        assert!(matches!(
            Run::read(dir.path()),
            Err(RunError::Format { found: 2, .. })
        ));
    }

    #[test]
    fn a_malformed_cell_is_named_and_the_others_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let run = fixture::as_expected();
        write(dir.path(), &run);
        let name = run.cells[1].id.name();
        fs::write(
            dir.path().join("cells").join(&name).join("cell.json"),
            "{\"format\": 1,\n \"cell\": 3}",
        )
        .unwrap();
        let read = Run::read(dir.path()).unwrap();
        let CellState::Unreadable(why) = &read.cells[1].state else {
            panic!("{:?}", read.cells[1].state)
        };
        assert!(why.contains(&format!("{name}/cell.json:2:")), "{why}");
        assert_eq!(read.cells[2], run.cells[2]);
    }

    #[test]
    fn a_result_in_the_wrong_folder_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let run = fixture::as_expected();
        write(dir.path(), &run);
        let file = |i: usize| {
            dir.path()
                .join("cells")
                .join(run.cells[i].id.name())
                .join("cell.json")
        };
        fs::copy(file(0), file(1)).unwrap();
        let read = Run::read(dir.path()).unwrap();
        assert!(
            matches!(&read.cells[1].state, CellState::Unreadable(why) if why.contains("is the result of cell"))
        );
    }

    #[test]
    fn a_cell_is_never_a_path_nor_counted_twice() {
        let dir = tempfile::tempdir().unwrap();
        let mut run = fixture::as_expected();
        run.record.cells.push(run.record.cells[0].clone());
        write(dir.path(), &run);
        assert!(matches!(Run::read(dir.path()), Err(RunError::Twice { .. })));
        run.record.cells.pop();
        run.record.cells[0].variant = "../../etc".to_owned();
        fs::write(
            dir.path().join("run.json"),
            serde_json::to_vec(&run.record).unwrap(),
        )
        .unwrap();
        assert!(matches!(
            Run::read(dir.path()),
            Err(RunError::CellName { .. })
        ));
    }
}
