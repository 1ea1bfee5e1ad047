// SPDX-License-Identifier: GPL-2.0-or-later
//! A compressed dump of memory: put in order from the stream that QEMU writes, and checked.
//!
//! QEMU writes makedumpfile's flattened format, pieces of the file with the offset of each, all
//! numbers big-endian. Programs read the file itself.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;

/// What the stream begins with, and how long its header is.
const STREAM: &[u8] = b"makedumpfile\0";
const STREAM_HEADER: u64 = 4096;
/// What the file begins with.
const SIGNATURE: &[u8] = b"KDUMP   ";
/// Places of the file's header.
const MACHINE: usize = 12 + 4 * 65;
const BLOCK_SIZE: usize = 428;
const CPUS: usize = 460;
const HEADER: usize = 464;
/// Largest piece: QEMU's are of a page or a buffer of them.
const PIECE_MAX: u64 = 64 << 20;

/// What a dump has to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// How many CPUs the guest has.
    pub(super) cpus: u32,
    /// Largest size in bytes.
    pub(super) largest: u64,
}

/// Why a dump is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum KdumpError {
    /// It cannot be read or written.
    #[error("the dump cannot be put in order: {0}")]
    Io(#[from] io::Error),
    /// It is not what was asked for.
    #[error("QEMU's dump is no dump of this guest: {0}")]
    Malformed(&'static str),
}

/// Puts a stream's pieces where they belong in `file`, which is empty, and checks its header.
pub(super) fn order(stream: &File, file: &File, wanted: &Wanted) -> Result<(), KdumpError> {
    let mut stream = BufReader::with_capacity(1 << 20, stream);
    stream.rewind()?;
    let mut header = vec![0; STREAM_HEADER as usize];
    stream.read_exact(&mut header)?;
    if !header.starts_with(STREAM) {
        return Err(KdumpError::Malformed("its stream has another signature"));
    }
    let mut piece = Vec::new();
    loop {
        let (offset, size) = (number(&mut stream)?, number(&mut stream)?);
        if offset == u64::MAX && size == u64::MAX {
            break;
        }
        let end = offset.checked_add(size);
        if size > PIECE_MAX || end.is_none_or(|end| end > wanted.largest) {
            return Err(KdumpError::Malformed(
                "it is larger than the guest's memory",
            ));
        }
        piece.clear();
        if stream.by_ref().take(size).read_to_end(&mut piece)? as u64 != size {
            return Err(KdumpError::Malformed("its stream ends early"));
        }
        file.write_all_at(&piece, offset)?;
    }
    check(file, wanted)
}

fn check(file: &File, wanted: &Wanted) -> Result<(), KdumpError> {
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, 0)?;
    if !header.starts_with(SIGNATURE) {
        return Err(KdumpError::Malformed("it has another signature"));
    }
    if !header[MACHINE..].starts_with(b"x86_64\0") {
        return Err(KdumpError::Malformed("it is of another architecture"));
    }
    let word =
        |at: usize| -> Option<u32> { Some(u32::from_le_bytes(*header.get(at..)?.first_chunk()?)) };
    if word(BLOCK_SIZE) != Some(4096) || word(CPUS) != Some(wanted.cpus) {
        return Err(KdumpError::Malformed("it has other pages or CPUs"));
    }
    Ok(())
}

fn number(stream: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes)?;
    Ok(u64::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const WANTED: Wanted = Wanted {
        cpus: 2,
        largest: 1 << 20,
    };

    fn header(cpus: u32) -> Vec<u8> {
        let mut header = vec![0; HEADER];
        header[..8].copy_from_slice(SIGNATURE);
        header[MACHINE..MACHINE + 6].copy_from_slice(b"x86_64");
        header[BLOCK_SIZE..BLOCK_SIZE + 4].copy_from_slice(&4096u32.to_le_bytes());
        header[CPUS..].copy_from_slice(&cpus.to_le_bytes());
        header
    }

    fn ordered(pieces: &[(u64, &[u8])], ended: bool) -> Result<Vec<u8>, KdumpError> {
        let mut stream = tempfile::tempfile().unwrap();
        let mut first = vec![0; STREAM_HEADER as usize];
        first[..STREAM.len()].copy_from_slice(STREAM);
        stream.write_all(&first).unwrap();
        for (offset, piece) in pieces {
            stream.write_all(&offset.to_be_bytes()).unwrap();
            let size = piece.len() as u64;
            stream.write_all(&size.to_be_bytes()).unwrap();
            stream.write_all(piece).unwrap();
        }
        if ended {
            stream.write_all(&[0xff; 16]).unwrap();
        }
        let mut file = tempfile::tempfile().unwrap();
        order(&stream, &file, &WANTED)?;
        let mut content = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut content).unwrap();
        Ok(content)
    }

    #[test]
    fn pieces_come_where_they_belong() {
        let content = ordered(&[(4096, b"page"), (0, &header(2))], true).unwrap();
        assert!(content.starts_with(SIGNATURE));
        assert_eq!(&content[4096..], b"page");
    }

    #[test]
    fn what_is_cut_off_too_large_or_another_guests_is_refused() {
        let good = header(2);
        assert!(ordered(&[(0, &good)], false).is_err());
        assert!(ordered(&[(0, &good), (1 << 20, b"x")], true).is_err());
        assert!(ordered(&[(0, &good), (u64::MAX - 1, b"xyz")], true).is_err());
        assert!(ordered(&[(0, &header(4))], true).is_err());
        assert!(ordered(&[(0, &good[1..])], true).is_err());
        assert!(ordered(&[], true).is_err());
    }
}
