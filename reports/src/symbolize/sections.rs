// SPDX-License-Identifier: GPL-2.0-or-later
//! Debug sections, inflated and relocated.

use std::path::Path;

use gimli::{EndianSlice, RunTimeEndian, SectionId};
use object::{CompressionFormat, Object, ObjectSection};

use super::Error;
use super::layout::Layout;
use super::store::Store;

/// Bytes that a compressed byte stands for at most: what zlib can reach. Debug information comes
/// to about ten.
const RATIO_MAX: u64 = 1032;

/// Bytes of debug information, of the byte order of their file.
pub(super) type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// The debug sections of one file.
pub(super) struct Sections<'a, 'f> {
    pub(super) store: &'a Store,
    pub(super) path: &'f Path,
    pub(super) file: &'f object::File<'a>,
    pub(super) layout: &'f Layout,
}

impl<'a> Sections<'a, '_> {
    /// The section of that id; empty when there is none, or lines and frames need none of it.
    pub(super) fn load(&self, id: SectionId) -> Result<Slice<'a>, Error> {
        match is_needed(id) {
            true => self.named(id.name()),
            false => Ok(self.slice(&[])),
        }
    }

    /// The section of that id in a file of split debug information. A package needs all that its
    /// index names.
    pub(super) fn load_split(&self, id: SectionId) -> Result<Slice<'a>, Error> {
        match id.dwo_name() {
            Some(name) => self.named(name),
            None => Ok(self.slice(&[])),
        }
    }

    fn named(&self, name: &str) -> Result<Slice<'a>, Error> {
        // Finds `.zdebug_…` too.
        let Some(section) = self.file.section_by_name(name) else {
            return Ok(self.slice(&[]));
        };
        self.bytes(name, &section).map(|bytes| self.slice(bytes))
    }

    fn bytes(&self, name: &str, section: &object::Section<'a, '_>) -> Result<&'a [u8], Error> {
        let damaged = |source| Error::Elf {
            path: self.path.to_owned(),
            source,
        };
        let stored = section.compressed_data().map_err(damaged)?;
        let relocated = self.layout.is_relocatable() && section.relocations().next().is_some();
        if stored.format == CompressionFormat::None && !relocated {
            return Ok(stored.data);
        }
        // The size is the file's claim, and memory is taken for it at once.
        let possible = (stored.data.len() as u64).saturating_mul(RATIO_MAX);
        let claimed = stored.uncompressed_size;
        if claimed > possible || !self.store.take_room(claimed) {
            return Err(Error::TooLarge {
                path: self.path.to_owned(),
                section: name.to_owned(),
                claimed,
            });
        }
        let mut bytes = stored.decompress().map_err(damaged)?.into_owned();
        if relocated {
            self.layout.relocate(self.file, section, &mut bytes);
        }
        Ok(self.store.keep(bytes))
    }

    fn slice(&self, bytes: &'a [u8]) -> Slice<'a> {
        let endian = match self.file.is_little_endian() {
            true => RunTimeEndian::Little,
            false => RunTimeEndian::Big,
        };
        EndianSlice::new(bytes, endian)
    }
}

/// Lines and frames are read from these sections only. Units say themselves what they cover, so
/// that all readers agree on it; `.debug_aranges` is left out.
fn is_needed(id: SectionId) -> bool {
    matches!(
        id,
        SectionId::DebugAbbrev
            | SectionId::DebugAddr
            | SectionId::DebugInfo
            | SectionId::DebugLine
            | SectionId::DebugLineStr
            | SectionId::DebugRanges
            | SectionId::DebugRngLists
            | SectionId::DebugStr
            | SectionId::DebugStrOffsets
    )
}
