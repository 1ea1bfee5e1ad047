// SPDX-License-Identifier: GPL-2.0-or-later
//! The shared libraries that a program needs, found without running its loader.

use std::collections::{BTreeMap, VecDeque};

use camino::{Utf8Path, Utf8PathBuf};
use object::Endianness;
use object::elf::{DT_NEEDED, DT_NULL, EM_X86_64, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};

use super::Error;
use super::tree::read;

/// Folders that the loader searches without being told.
const DEFAULT_FOLDERS: [&str; 6] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// How deep ld.so.conf may include.
const INCLUDE_DEPTH_MAX: usize = 4;

/// Folders to look for libraries in, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPath {
    folders: Vec<Utf8PathBuf>,
}

impl SearchPath {
    /// Exactly these folders.
    pub fn of(folders: Vec<Utf8PathBuf>) -> Self {
        Self { folders }
    }

    /// The host's: those of `/etc/ld.so.conf`, then the default ones.
    pub fn of_host() -> Self {
        let mut folders = Vec::new();
        configured(Utf8Path::new("/etc/ld.so.conf"), 0, &mut folders);
        folders.extend(DEFAULT_FOLDERS.map(Utf8PathBuf::from));
        let mut seen = std::collections::BTreeSet::new();
        folders.retain(|folder| seen.insert(folder.clone()));
        Self { folders }
    }

    /// The first x86-64 ELF file of that name; a folder may hold another machine's.
    fn find(&self, soname: &str) -> Option<(Utf8PathBuf, Vec<u8>)> {
        self.folders.iter().find_map(|folder| {
            let path = folder.join(soname);
            let data = std::fs::read(&path).ok()?;
            dependencies(&path, &data).is_ok().then_some((path, data))
        })
    }
}

/// Adds the folders that an ld.so.conf names; a file that is not there names none.
fn configured(file: &Utf8Path, depth: usize, folders: &mut Vec<Utf8PathBuf>) {
    if depth > INCLUDE_DEPTH_MAX {
        return;
    }
    let Ok(text) = std::fs::read_to_string(file) else {
        return;
    };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(pattern) = line.strip_prefix("include ") {
            for included in expand(Utf8Path::new(pattern.trim())) {
                configured(&included, depth + 1, folders);
            }
        } else if line.starts_with('/') {
            folders.push(line.into());
        }
    }
}

/// The files that `FOLDER/PREFIX*SUFFIX` names, in order.
fn expand(pattern: &Utf8Path) -> Vec<Utf8PathBuf> {
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name()) else {
        return Vec::new();
    };
    let Some((prefix, suffix)) = name.split_once('*') else {
        return vec![pattern.to_owned()];
    };
    let Ok(entries) = folder.read_dir_utf8() else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| {
            entry.file_name().starts_with(prefix) && entry.file_name().ends_with(suffix)
        })
        .map(|entry| entry.into_path())
        .collect();
    files.sort();
    files
}

/// What a program needs at run time besides itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Libraries {
    /// Path of the loader that the program names, and its content.
    pub interpreter: Option<(Utf8PathBuf, Vec<u8>)>,
    /// Library content by soname, the interpreter's left out.
    pub by_soname: BTreeMap<String, Vec<u8>>,
}

impl Libraries {
    /// Follows DT_NEEDED from a program through all its libraries.
    ///
    /// # Errors
    /// [`Error::NoLibrary`], [`Error::Elf`], [`Error::Read`].
    pub fn of(program: &Utf8Path, search: &SearchPath) -> Result<Self, Error> {
        let Dependencies {
            interpreter,
            needed,
        } = dependencies(program, &read(program)?)?;
        let interpreter = match interpreter {
            Some(path) => {
                let data = read(&path)?;
                Some((path, data))
            }
            None => None,
        };
        let loader = interpreter.as_ref().and_then(|(path, _)| path.file_name());
        let mut by_soname = BTreeMap::new();
        let mut wanted: VecDeque<(String, Utf8PathBuf)> = needed
            .into_iter()
            .map(|soname| (soname, program.to_owned()))
            .collect();
        while let Some((soname, needed_by)) = wanted.pop_front() {
            if by_soname.contains_key(&soname) || loader == Some(soname.as_str()) {
                continue;
            }
            let Some((path, data)) = search.find(&soname) else {
                let searched: Vec<_> = search.folders.iter().map(|f| f.as_str()).collect();
                let searched = searched.join(", ");
                return Err(Error::NoLibrary {
                    soname,
                    needed_by,
                    searched,
                });
            };
            let needed = dependencies(&path, &data)?.needed;
            wanted.extend(needed.into_iter().map(|soname| (soname, path.clone())));
            by_soname.insert(soname, data);
        }
        Ok(Self {
            interpreter,
            by_soname,
        })
    }
}

/// What one ELF file asks for.
pub(super) struct Dependencies {
    pub(super) interpreter: Option<Utf8PathBuf>,
    pub(super) needed: Vec<String>,
}

/// Reads PT_INTERP and DT_NEEDED of an x86-64 ELF file.
pub(super) fn dependencies(path: &Utf8Path, data: &[u8]) -> Result<Dependencies, Error> {
    let failed = |source| Error::Elf {
        path: path.to_owned(),
        source,
    };
    let header = FileHeader64::<Endianness>::parse(data).map_err(failed)?;
    let endian = header.endian().map_err(failed)?;
    if header.e_machine(endian) != EM_X86_64 {
        return Err(Error::Unfit {
            path: path.to_owned(),
            problem: "it is for another machine",
        });
    }
    let segments = header.program_headers(endian, data).map_err(failed)?;
    let mut found = Dependencies {
        interpreter: None,
        needed: Vec::new(),
    };
    for segment in segments {
        if let Some(name) = segment.interpreter(endian, data).map_err(failed)? {
            found.interpreter = Some(String::from_utf8_lossy(name).into_owned().into());
        }
    }
    let sections = header.sections(endian, data).map_err(failed)?;
    if let Some((entries, link)) = sections.dynamic(endian, data).map_err(failed)? {
        let strings = sections.strings(endian, data, link).map_err(failed)?;
        for entry in entries
            .iter()
            .take_while(|entry| entry.d_tag(endian) != DT_NULL)
        {
            if entry.d_tag(endian) == DT_NEEDED {
                let name = entry.string(endian, strings).map_err(failed)?;
                found
                    .needed
                    .push(String::from_utf8_lossy(name).into_owned());
            }
        }
    }
    Ok(found)
}
