// SPDX-License-Identifier: GPL-2.0-or-later
//! Follows the file into which QEMU writes the serial console.
//!
//! QEMU writes it by itself, so that nothing is lost when the harness dies,
//! and a guest never waits for a slow reader.

use std::fs::File;
use std::io::{self, Read};

use camino::Utf8Path;

/// Bytes read at once; a console that floods is read in pieces of this size.
const CHUNK: usize = 256 * 1024;

/// A console file and how far it was read.
#[derive(Debug)]
pub struct ConsoleTail {
    file: File,
}

impl ConsoleTail {
    /// Opens the file, which has to exist.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
        })
    }

    /// What was written since the last call, at most 256 KiB; empty when nothing was.
    pub fn read_new(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.file)
            .take(CHUNK as u64)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_appended_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("console.log");
        let mut writer = File::create(&path).unwrap();
        let mut tail = ConsoleTail::open(&path).unwrap();
        assert_eq!(tail.read_new().unwrap(), b"");
        writer.write_all(b"one").unwrap();
        assert_eq!(tail.read_new().unwrap(), b"one");
        assert_eq!(tail.read_new().unwrap(), b"");
        writer.write_all(b"two").unwrap();
        assert_eq!(tail.read_new().unwrap(), b"two");
    }
}
