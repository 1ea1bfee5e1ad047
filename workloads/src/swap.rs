// SPDX-License-Identifier: GPL-2.0-or-later
//! The swap disk: signature, swapon, swapoff.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::fs::OpenOptions;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use crate::stamp::PAGE;

/// The machine's first virtio disk, which the harness throttles.
const DISK: &str = "/dev/vda";
const DISK_C: &CStr = c"/dev/vda";

/// Why there is no swap, or why it could not be taken away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SwapError {
    #[error("cannot write a swap signature to {DISK}: {0}; give the machine a virtio disk")]
    Signature(io::Error),
    #[error("{DISK} has {bytes} bytes: too few for swap")]
    TooSmall { bytes: u64 },
    #[error("swapon {DISK} failed: {0}")]
    On(io::Error),
    #[error("swapoff {DISK} failed: {0}")]
    Off(io::Error),
}

/// The first page of a swap disk of that many pages.
fn header(pages: u32) -> [u8; PAGE] {
    /// Offset of `info` in the kernel's `union swap_header`.
    const INFO: usize = 1024;
    const MAGIC: &[u8] = b"SWAPSPACE2";
    let mut header = [0; PAGE];
    header[INFO..INFO + 4].copy_from_slice(&1u32.to_le_bytes());
    header[INFO + 4..INFO + 8].copy_from_slice(&(pages - 1).to_le_bytes());
    header[PAGE - MAGIC.len()..].copy_from_slice(MAGIC);
    header
}

/// Makes the disk a swap disk and swaps on it.
pub(crate) fn on() -> Result<(), SwapError> {
    let mut disk = OpenOptions::new()
        .read(true)
        .write(true)
        .open(DISK)
        .map_err(SwapError::Signature)?;
    let bytes = disk.seek(SeekFrom::End(0)).map_err(SwapError::Signature)?;
    let pages = u32::try_from(bytes / PAGE as u64).unwrap_or(u32::MAX);
    // The kernel refuses fewer than ten pages.
    if pages < 10 {
        return Err(SwapError::TooSmall { bytes });
    }
    disk.write_all_at(&header(pages), 0)
        .map_err(SwapError::Signature)?;
    disk.sync_all().map_err(SwapError::Signature)?;
    drop(disk);
    // SAFETY: the path is a NUL-terminated constant; the call touches no memory of ours.
    done(unsafe { libc::swapon(DISK_C.as_ptr(), 0) }).map_err(SwapError::On)
}

/// Takes the swap away: every page of it is read back into memory.
pub(crate) fn off() -> Result<(), SwapError> {
    // SAFETY: as in `on`.
    done(unsafe { libc::swapoff(DISK_C.as_ptr()) }).map_err(SwapError::Off)
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_the_kernel() {
        let header = header(0x0002_0000);
        assert_eq!(&header[1024..1032], &[1, 0, 0, 0, 0xff, 0xff, 1, 0]);
        assert_eq!(&header[4086..], b"SWAPSPACE2");
    }
}
