// SPDX-License-Identifier: GPL-2.0-or-later
//! The bytes of a vmlinux, and its debug sections.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use gimli::SectionId;
use memmap2::Mmap;
use object::{Object, ObjectSection};

use super::Error;

/// The file's bytes.
enum Bytes {
    Mapped(Mmap),
    Read(Vec<u8>),
}

/// A vmlinux in memory.
pub(super) struct Image {
    bytes: Bytes,
    /// Sections that the file holds compressed.
    inflated: BTreeMap<&'static str, Vec<u8>>,
}

impl Image {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let read = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(read)?;
        let bytes = match map(&file) {
            Ok(map) => Bytes::Mapped(map),
            // Some file systems cannot map.
            Err(_) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).map_err(read)?;
                Bytes::Read(bytes)
            }
        };
        let mut image = Self {
            bytes,
            inflated: BTreeMap::new(),
        };
        let inflated = image.inflate().map_err(|source| Error::Elf {
            path: path.to_owned(),
            source,
        })?;
        image.inflated = inflated;
        Ok(image)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped(map) => map,
            Bytes::Read(bytes) => bytes,
        }
    }

    /// A debug section's bytes; empty when there is none.
    pub(super) fn section<'a>(&'a self, file: &object::File<'a>, id: SectionId) -> &'a [u8] {
        if let Some(bytes) = self.inflated.get(id.name()) {
            return bytes;
        }
        file.section_by_name(id.name())
            .and_then(|section| section.data().ok())
            .unwrap_or_default()
    }

    fn inflate(&self) -> Result<BTreeMap<&'static str, Vec<u8>>, object::Error> {
        let file = object::File::parse(self.bytes())?;
        let mut inflated = BTreeMap::new();
        gimli::DwarfSections::<()>::load(|id| {
            if let Some(section) = file.section_by_name(id.name())
                && let Cow::Owned(bytes) = section.uncompressed_data()?
            {
                inflated.insert(id.name(), bytes);
            }
            Ok::<_, object::Error>(())
        })?;
        Ok(inflated)
    }
}

#[allow(
    unsafe_code,
    reason = "a map is how 200 MB are opened without reading them"
)]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the kernel store writes a vmlinux once, under another name, and never changes it
    // in place, so the bytes behind the map stay as they are.
    unsafe { Mmap::map(file) }
}
