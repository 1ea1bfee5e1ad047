// SPDX-License-Identifier: GPL-2.0-or-later
//! The files of modules.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::binary::Binary;
use super::{BuildId, Error, Identity, Unresolved};
use crate::trace::Frame;

/// Files and folders looked at, at most; a built kernel tree has about 100 000.
const ENTRIES_MAX: usize = 1_000_000;
/// Files of one module tried at most.
const FILES_MAX: usize = 16;

/// The modules of some folders.
#[derive(Default)]
pub(super) struct Modules {
    folders: Vec<PathBuf>,
    /// By the kernel's name for them; the folders are walked when the first module is needed.
    files: OnceCell<BTreeMap<String, Vec<ModuleFile>>>,
}

struct ModuleFile {
    path: PathBuf,
    /// Opened when needed; [`None`] when it cannot be read.
    binary: OnceCell<Option<Binary>>,
}

impl Modules {
    /// The modules under these folders.
    pub(super) fn under(folders: &[PathBuf]) -> Result<Self, Error> {
        for folder in folders {
            std::fs::read_dir(folder).map_err(|source| Error::Read {
                path: folder.clone(),
                source,
            })?;
        }
        Ok(Self {
            folders: folders.to_vec(),
            files: OnceCell::new(),
        })
    }

    /// The module that a frame is in, `kernel` being the vmlinux that it was loaded into.
    ///
    /// The log's word is only looked up among the names found; it never becomes a path.
    pub(super) fn find(&self, frame: &Frame, kernel: &Binary) -> Result<&Binary, Unresolved> {
        let module = frame.module.as_deref().unwrap_or_default();
        let files = self.files.get_or_init(|| index(&self.folders));
        let files = files.get(&plain(module)).ok_or(Unresolved::NoModule)?;
        let printed = frame.build_id.as_deref().and_then(BuildId::parse);
        let mut why = Unresolved::BadModule;
        let mut nameless = None;
        for file in files {
            let Some(binary) = file.open(kernel.root()) else {
                continue;
            };
            if !belongs(binary.identity(), kernel.identity(), printed.as_ref()) {
                why = Unresolved::OtherModule;
            } else if binary.has_debug_info() {
                return Ok(binary);
            } else {
                nameless.get_or_insert(binary);
            }
        }
        nameless.ok_or(why)
    }
}

impl ModuleFile {
    fn open(&self, root: Option<&str>) -> Option<&Binary> {
        self.binary
            .get_or_init(|| Binary::open(&self.path, root).ok())
            .as_ref()
    }
}

/// A module is the printed one, or at least was built for the kernel.
fn belongs(module: &Identity, kernel: &Identity, printed: Option<&BuildId>) -> bool {
    if let (Some(found), Some(printed)) = (&module.build_id, printed) {
        return found == printed;
    }
    match (&module.release, &kernel.release) {
        (Some(module), Some(kernel)) => module == kernel,
        _ => true,
    }
}

fn index(folders: &[PathBuf]) -> BTreeMap<String, Vec<ModuleFile>> {
    let mut files: BTreeMap<String, Vec<ModuleFile>> = BTreeMap::new();
    let entries = folders
        .iter()
        .flat_map(|folder| WalkDir::new(folder).sort_by_file_name())
        .take(ENTRIES_MAX);
    for entry in entries.flatten() {
        if !entry.file_type().is_file() {
            continue;
        }
        let Some(name) = module_name(entry.path()) else {
            continue;
        };
        let of_name = files.entry(name).or_default();
        if of_name.len() < FILES_MAX {
            of_name.push(ModuleFile {
                path: entry.into_path(),
                binary: OnceCell::new(),
            });
        }
    }
    files
}

/// The kernel's name for the module that a file holds.
fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".debug").unwrap_or(name);
    name.strip_suffix(".ko").map(plain)
}

/// The kernel says `_` where a file may say `-`.
fn plain(module: &str) -> String {
    module.replace('-', "_")
}
