// SPDX-License-Identifier: GPL-2.0-or-later
//! Follows the file into which QEMU writes the serial console.
//!
//! QEMU writes it by itself, so that nothing is lost when the harness dies,
//! and a guest never waits for a slow reader.

use std::io;

use super::bounded::BoundedLog;

/// Bytes read at once; a console that floods is read in pieces of this size.
const CHUNK: u64 = 32 * 1024;

/// A console file and how far it was read.
#[derive(Debug)]
pub struct ConsoleTail {
    log: BoundedLog,
    read: u64,
}

impl ConsoleTail {
    /// Reads a console from its beginning.
    pub fn of(log: BoundedLog) -> Self {
        Self { log, read: 0 }
    }

    /// What was written since the last call, at most 32 KiB; empty when nothing was.
    pub fn read_new(&mut self) -> io::Result<Vec<u8>> {
        let bytes = self.log.read_at(self.read, CHUNK)?;
        self.read += bytes.len() as u64;
        Ok(bytes)
    }

    /// Bounds what the file takes of the disk. What was not read yet is kept.
    pub fn trim(&mut self) -> io::Result<()> {
        self.log.trim(self.read)
    }

    /// QEMU has ended, and all was read: see [`BoundedLog::settle`].
    pub fn settle(&self) -> io::Result<()> {
        self.log.settle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::bounded::Bound;
    use camino::Utf8Path;
    use std::io::Write;

    #[test]
    fn what_is_appended_is_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("console.log");
        let log = BoundedLog::create(&path, b"", Bound::CONSOLE).unwrap();
        let mut writer = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        let mut tail = ConsoleTail::of(log);
        assert_eq!(tail.read_new().unwrap(), b"");
        writer.write_all(b"one").unwrap();
        assert_eq!(tail.read_new().unwrap(), b"one");
        assert_eq!(tail.read_new().unwrap(), b"");
        writer.write_all(b"two").unwrap();
        assert_eq!(tail.read_new().unwrap(), b"two");
    }
}
