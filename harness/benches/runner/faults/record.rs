// SPDX-License-Identifier: GPL-2.0-or-later
//! What a run's folder tells of its cells.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use swapmig_reports::record::{CellId, CellRecord, Status};

use crate::figures::Result;

/// The result of a cell, if it has one that can be read.
pub(super) fn result(run: &Path, cell: &CellId) -> Option<CellRecord> {
    let text = fs::read(run.join("cells").join(cell.name()).join("cell.json")).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Whether a verdict says the opposite of what is true.
pub(super) fn is_wrong(result: &CellRecord) -> bool {
    match result.cell.variant.as_str() {
        "fixed" => result.status == Status::Fail,
        _ => result.status == Status::Pass,
    }
}

/// The finished cells with a hash of all of their files.
pub(super) fn finished(run: &Path, cells: &[CellId]) -> Result<BTreeMap<String, blake3::Hash>> {
    let mut finished = BTreeMap::new();
    for cell in cells {
        if result(run, cell).is_some_and(|result| result.status != Status::Error) {
            finished.insert(cell.name(), hash(&run.join("cells").join(cell.name()))?);
        }
    }
    Ok(finished)
}

/// Of the names and contents of a folder's files.
fn hash(folder: &Path) -> Result<blake3::Hash> {
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut all = blake3::Hasher::new();
    for file in files {
        all.update(blake3::hash(file.file_name().as_encoded_bytes()).as_bytes());
        all.update(blake3::hash(&fs::read(file.path())?).as_bytes());
    }
    Ok(all.finalize())
}
