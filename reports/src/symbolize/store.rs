// SPDX-License-Identifier: GPL-2.0-or-later
//! The bytes that readers of an ELF file borrow from.

use std::cell::Cell;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

use memmap2::Mmap;
use typed_arena::Arena;

/// Bytes inflated of one file at most; a kernel with everything built in needs about half.
const INFLATED_MAX: u64 = 2 << 30;

/// A file's bytes, and what was added to them since: inflated sections, files beside it.
pub(super) struct Store {
    bytes: Bytes,
    beside: Arena<Bytes>,
    made: Arena<Vec<u8>>,
    /// Bytes that may still be inflated.
    room: Cell<u64>,
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            bytes: Bytes::open(path)?,
            beside: Arena::new(),
            made: Arena::new(),
            room: Cell::new(INFLATED_MAX),
        })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get()
    }

    /// The bytes of another file, kept as long as this one.
    pub(super) fn beside(&self, path: &Path) -> Result<&[u8]> {
        let bytes = Bytes::open(path)?;
        Ok(self.beside.alloc(bytes).get())
    }

    /// Keeps bytes that were made of a section.
    pub(super) fn keep(&self, bytes: Vec<u8>) -> &[u8] {
        self.made.alloc(bytes)
    }

    /// Takes room for bytes to be made; false when there is not enough left.
    pub(super) fn take_room(&self, bytes: u64) -> bool {
        let left = self.room.get().checked_sub(bytes);
        self.room.set(left.unwrap_or(self.room.get()));
        left.is_some()
    }
}

enum Bytes {
    Mapped(Mmap),
    Read(Vec<u8>),
}

impl Bytes {
    fn open(path: &Path) -> Result<Self> {
        // Debug information names files; a pipe or a device among them must not be waited for.
        if !std::fs::metadata(path)?.is_file() {
            return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
        }
        let mut file = File::open(path)?;
        match map(&file) {
            Ok(map) => Ok(Self::Mapped(map)),
            // Some file systems cannot map.
            Err(_) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok(Self::Read(bytes))
            }
        }
    }

    fn get(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Read(bytes) => bytes,
        }
    }
}

#[allow(
    unsafe_code,
    reason = "a map is how 200 MB are opened without reading them"
)]
fn map(file: &File) -> Result<Mmap> {
    // SAFETY: builds and the kernel store write an ELF file under another name and rename it, or
    // write it once, so the bytes behind the map stay as they are while a trace is read.
    unsafe { Mmap::map(file) }
}
