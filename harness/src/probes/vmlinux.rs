// SPDX-License-Identifier: GPL-2.0-or-later
//! A kernel's ELF file, opened once for symbols and debug information.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;

use camino::{Utf8Path, Utf8PathBuf};
use gimli::{DwarfSections, EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection, ReadCache};

use super::functions;
use super::types::{Found, Wanted};
use super::{Error, Unprobeable};

/// What the readers of this module take for DWARF.
pub(super) type Dwarf<'a> = gimli::Dwarf<EndianSlice<'a, LittleEndian>>;

/// A kernel's uncompressed ELF file.
///
/// Its sections are read, not mapped: a build that truncates the file
/// meanwhile gives an error instead of a signal.
#[derive(Debug)]
pub struct Vmlinux {
    path: Utf8PathBuf,
}

impl Vmlinux {
    /// Names a vmlinux; it is opened when something is asked of it.
    pub fn new(path: &Utf8Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Its path.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Finds types and the state of functions in one pass over the file.
    pub(super) fn inspect(
        &self,
        wanted: &Wanted,
        functions: &[&str],
    ) -> Result<(Found, BTreeMap<String, Unprobeable>), Error> {
        let file = File::open(&self.path).map_err(|source| Error::Read {
            path: self.path.clone(),
            source,
        })?;
        let cache = ReadCache::new(file);
        let elf_error = |source| Error::Elf {
            path: self.path.clone(),
            source,
        };
        let elf = object::File::parse(&cache).map_err(elf_error)?;
        let sections = DwarfSections::load(|id| load(&elf, id)).map_err(elf_error)?;
        let dwarf = sections.borrow(|data| EndianSlice::new(data, LittleEndian));
        if elf.section_by_name(SectionId::DebugInfo.name()).is_none() {
            return Err(Error::NoDwarf {
                path: self.path.clone(),
            });
        }
        let dwarf_error = |source| Error::Dwarf {
            path: self.path.clone(),
            source,
        };
        let found = wanted.find(&dwarf).map_err(dwarf_error)?;
        let mut unprobeable = functions::without_sole_symbol(&elf, functions);
        let present: Vec<&str> = functions
            .iter()
            .copied()
            .filter(|name| !unprobeable.contains_key(*name))
            .collect();
        unprobeable.extend(functions::inlined(&dwarf, &present).map_err(dwarf_error)?);
        Ok((found, unprobeable))
    }
}

/// Only what names, offsets and constants need; the rest is large.
fn load<'a, R: object::ReadRef<'a>>(
    elf: &object::File<'a, R>,
    id: SectionId,
) -> Result<Cow<'a, [u8]>, object::Error> {
    let needed = matches!(
        id,
        SectionId::DebugInfo
            | SectionId::DebugAbbrev
            | SectionId::DebugStr
            | SectionId::DebugLineStr
            | SectionId::DebugStrOffsets
            | SectionId::DebugLine
    );
    match elf.section_by_name(id.name()) {
        Some(section) if needed => section.uncompressed_data(),
        _ => Ok(Cow::Borrowed(&[])),
    }
}
