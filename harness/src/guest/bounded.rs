// SPDX-License-Identifier: GPL-2.0-or-later
//! A log that QEMU writes by itself and that takes only so much of the disk.
//!
//! While it grows, what lies between its head and its tail is given back to the file system,
//! which leaves a hole. When its writer has ended, the hole becomes a line that says how much
//! was there.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::FallocateFlags;

/// How much of a log is kept, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// From its beginning.
    pub head: u64,
    /// Up to its end.
    pub tail: u64,
}

impl Bound {
    /// Of a serial console.
    pub const CONSOLE: Self = Self::both(8 << 20);
    /// Of QEMU's own words.
    pub const WORDS: Self = Self::both(256 << 10);

    /// As much of the head as of the tail.
    pub const fn both(bytes: u64) -> Self {
        Self {
            head: bytes,
            tail: bytes,
        }
    }

    fn whole(self) -> u64 {
        self.head.saturating_add(self.tail)
    }
}

/// A log on its way.
#[derive(Debug)]
pub struct BoundedLog {
    file: File,
    path: Utf8PathBuf,
    bound: Bound,
    /// Where the hole ends; at the head's end while there is none.
    cut: u64,
}

impl BoundedLog {
    /// Makes the file, or empties it, and writes its beginning. Others append to it.
    pub fn create(path: &Utf8Path, beginning: &[u8], bound: Bound) -> io::Result<Self> {
        std::fs::write(path, beginning)?;
        Ok(Self {
            file: OpenOptions::new().read(true).append(true).open(path)?,
            path: path.into(),
            bound,
            cut: bound.head,
        })
    }

    /// The file, to be appended to.
    pub fn writer(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// As on a file system without holes: a handle that may not write cannot make any.
    #[cfg(test)]
    pub(super) fn without_holes(self) -> Self {
        Self {
            file: File::open(&self.path).unwrap(),
            ..self
        }
    }

    /// Bytes that were written so far, the cut ones included.
    pub fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Up to `limit` bytes from `at` on.
    pub(super) fn read_at(&self, at: u64, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at))?;
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Gives back what lies between the head and the tail of the first `seen` bytes, a quarter of
    /// the tail at a time.
    ///
    /// Fails where the file system cannot make holes.
    pub fn trim(&mut self, seen: u64) -> io::Result<()> {
        let end = seen.saturating_sub(self.bound.tail);
        if end < self.cut.saturating_add(self.bound.tail / 4) {
            return Ok(());
        }
        // From the head's end each time: of a block only a part of which was cut before, the
        // rest is cut now.
        rustix::fs::fallocate(
            &self.file,
            FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            self.bound.head,
            end - self.bound.head,
        )?;
        self.cut = end;
        Ok(())
    }

    /// Its writer has ended: puts a line in the place of what is too much. The file is the one
    /// or the other at every moment.
    pub fn settle(&self) -> io::Result<()> {
        let length = self.length()?;
        if length <= self.bound.whole() {
            return Ok(());
        }
        let dir = self.path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let mut settled = tempfile::NamedTempFile::new_in(dir)?;
        let mut log = &self.file;
        log.rewind()?;
        io::copy(&mut log.take(self.bound.head), &mut settled)?;
        let cut = length - self.bound.whole();
        writeln!(settled, "\n[swapmig: {cut} bytes were cut here]")?;
        log.seek(SeekFrom::Start(length - self.bound.tail))?;
        io::copy(&mut log.take(self.bound.tail), &mut settled)?;
        settled.persist(&self.path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    const KIB: u64 = 1 << 10;
    const BOUND: Bound = Bound {
        head: 64 * KIB,
        tail: 128 * KIB,
    };

    struct Log {
        _dir: tempfile::TempDir,
        path: Utf8PathBuf,
        log: BoundedLog,
        writer: File,
        written: Vec<u8>,
    }

    impl Log {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = Utf8Path::from_path(dir.path()).unwrap().join("log");
            let log = BoundedLog::create(&path, b"begins\n", BOUND).unwrap();
            let writer = OpenOptions::new().append(true).open(&path).unwrap();
            Self {
                _dir: dir,
                path,
                log,
                writer,
                written: b"begins\n".to_vec(),
            }
        }

        /// Writes numbered lines, this many bytes at least.
        fn write(&mut self, bytes: u64) {
            let until = self.written.len() as u64 + bytes;
            let mut text = Vec::new();
            for line in self.written.len().. {
                if self.written.len() as u64 + text.len() as u64 >= until {
                    break;
                }
                writeln!(text, "line {line}").unwrap();
            }
            self.writer.write_all(&text).unwrap();
            self.written.extend(text);
        }

        fn on_disk(&self) -> u64 {
            self.writer.sync_all().unwrap();
            self.writer.metadata().unwrap().blocks() * 512
        }
    }

    #[test]
    fn a_log_that_fits_stays_as_it_is() {
        let mut log = Log::new();
        log.write(180 * KIB);
        log.log.trim(log.log.length().unwrap()).unwrap();
        log.log.settle().unwrap();
        assert_eq!(std::fs::read(&log.path).unwrap(), log.written);
    }

    #[test]
    fn however_long_it_grows_its_head_and_tail_are_kept_and_the_rest_takes_no_disk() {
        let mut log = Log::new();
        for _ in 0..400 {
            log.write(32 * KIB);
            log.log.trim(log.log.length().unwrap()).unwrap();
            let most = BOUND.head + BOUND.tail * 5 / 4 + 64 * KIB;
            assert!(log.on_disk() <= most, "{} bytes", log.on_disk());
        }
        log.log.settle().unwrap();
        let kept = std::fs::read(&log.path).unwrap();
        let (head, tail) = (BOUND.head as usize, BOUND.tail as usize);
        assert_eq!(kept[..head], log.written[..head]);
        assert_eq!(
            kept[kept.len() - tail..],
            log.written[log.written.len() - tail..]
        );
        let cut = log.written.len() - head - tail;
        let said = format!("\n[swapmig: {cut} bytes were cut here]\n");
        assert_eq!(kept[head..kept.len() - tail], *said.as_bytes());
        let beside = std::fs::read_dir(log.path.parent().unwrap())
            .unwrap()
            .count();
        assert_eq!(beside, 1, "nothing is left beside it");
    }

    #[test]
    fn what_nobody_has_seen_is_not_cut() {
        let mut log = Log::new();
        log.write(4096 * KIB);
        let seen = 1024 * KIB;
        log.log.trim(seen).unwrap();
        let file = std::fs::read(&log.path).unwrap();
        let from = (seen - BOUND.tail) as usize;
        assert_eq!(file[from..], log.written[from..]);
        assert!(file[BOUND.head as usize..from].iter().all(|&b| b == 0));
    }

    #[test]
    fn a_file_without_holes_is_told() {
        let mut log = Log::new();
        log.write(4096 * KIB);
        assert!(log.log.without_holes().trim(4096 * KIB).is_err());
    }
}
