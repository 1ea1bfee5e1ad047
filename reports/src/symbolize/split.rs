// SPDX-License-Identifier: GPL-2.0-or-later
//! Split debug information: a `.dwp` file beside the ELF file, or a `.dwo` file a unit.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use addr2line::{LookupContinuation, LookupResult, SplitDwarfLoad};
use gimli::{Dwarf, DwarfPackage, EndianSlice, RunTimeEndian};
use object::BinaryFormat;

use super::layout::Layout;
use super::nesting::is_flat;
use super::sections::{Sections, Slice};
use super::store::Store;

/// Finds the split debug information of one ELF file.
pub(super) struct Split<'a> {
    store: &'a Store,
    /// The ELF file.
    path: PathBuf,
    package: Option<DwarfPackage<Slice<'a>>>,
}

impl<'a> Split<'a> {
    pub(super) fn beside(store: &'a Store, path: &Path) -> Self {
        Self {
            store,
            path: path.to_owned(),
            package: package(store, path),
        }
    }

    /// The end of a lookup, which may need files that it names.
    pub(super) fn finish<L>(&self, mut lookup: LookupResult<L>) -> L::Output
    where
        L: LookupContinuation<Buf = Slice<'a>>,
    {
        loop {
            lookup = match lookup {
                LookupResult::Output(found) => return found,
                LookupResult::Load { load, continuation } => continuation.resume(self.load(&load)),
            };
        }
    }

    fn load(&self, load: &SplitDwarfLoad<Slice<'a>>) -> Option<Arc<Dwarf<Slice<'a>>>> {
        if let Some(package) = &self.package
            && let Ok(Some(dwarf)) = package.find_cu(load.dwo_id, &load.parent)
        {
            return is_readable(&dwarf, load).then(|| Arc::new(dwarf));
        }
        self.candidates(load)
            .iter()
            .find_map(|path| self.open(path, load))
            .map(Arc::new)
    }

    /// Where the unit's file may be: where it was compiled, or where the ELF file was moved to.
    fn candidates(&self, load: &SplitDwarfLoad<Slice<'a>>) -> Vec<PathBuf> {
        let Some(name) = load
            .path
            .map(|path| Path::new(OsStr::from_bytes(path.slice())))
        else {
            return Vec::new();
        };
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let compiled = load
            .comp_dir
            .map(|dir| Path::new(OsStr::from_bytes(dir.slice())).join(name));
        compiled
            .into_iter()
            .chain([folder.join(name)])
            .chain(name.file_name().map(|name| folder.join(name)))
            .collect()
    }

    fn open(&self, path: &Path, load: &SplitDwarfLoad<Slice<'a>>) -> Option<Dwarf<Slice<'a>>> {
        let file = elf(self.store, path)?;
        let sections = Sections {
            store: self.store,
            path,
            file: &file,
            layout: &Layout::of(&file),
        };
        let mut dwarf = Dwarf::load(|id| sections.load_split(id)).ok()?;
        dwarf.make_dwo(&load.parent);
        is_readable(&dwarf, load).then_some(dwarf)
    }
}

/// It is the unit asked for, not one of another build, and can be read.
fn is_readable<'a>(dwarf: &Dwarf<Slice<'a>>, load: &SplitDwarfLoad<Slice<'a>>) -> bool {
    let Ok(Some(header)) = dwarf.units().next() else {
        return false;
    };
    dwarf
        .unit(header)
        .is_ok_and(|unit| unit.dwo_id == Some(load.dwo_id) && is_flat(&unit))
}

fn package<'a>(store: &'a Store, path: &Path) -> Option<DwarfPackage<Slice<'a>>> {
    let mut name = path.to_owned().into_os_string();
    name.push(".dwp");
    let path = PathBuf::from(name);
    let file = elf(store, &path)?;
    let sections = Sections {
        store,
        path: &path,
        file: &file,
        layout: &Layout::of(&file),
    };
    // What cannot be read is as good as absent; the unit's own file may be there.
    let load = |id| Ok::<_, gimli::Error>(sections.load_split(id).unwrap_or_default());
    DwarfPackage::load(load, EndianSlice::new(&[], RunTimeEndian::default())).ok()
}

fn elf<'a>(store: &'a Store, path: &Path) -> Option<object::File<'a>> {
    let file = object::File::parse(store.beside(path).ok()?).ok()?;
    (file.format() == BinaryFormat::Elf).then_some(file)
}
