// SPDX-License-Identifier: GPL-2.0-or-later
//! Memory taken only to decide where the next pages go.
//!
//! Compaction moves pages from the low end of a zone to free ones at its high
//! end, and stops where its two scanners meet. In a mostly free guest new pages
//! lie at the high end already and are never moved. So: take nearly all free
//! memory, give back the lowest part, let the pages of interest be faulted
//! there, and give back the rest. Then all that is free lies above them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::area::{Area, AreaError};
use crate::machine::{self, MachineError};
use crate::stamp::PAGE;

/// Pages of a huge page: the unit of taking and giving back.
const CHUNK: usize = 512;
const PAGE_KIB: u64 = PAGE as u64 / 1024;
const PAGEMAP: &str = "/proc/self/pagemap";

/// Why memory could not be arranged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FillerError {
    #[error(transparent)]
    Area(#[from] AreaError),
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[error("cannot read {PAGEMAP}: {0}")]
    Pagemap(io::Error),
    #[error("{free_kib} KiB of free memory do not hold {room} pages: give the guest more memory or the workload fewer pages")]
    TooSmall { free_kib: u64, room: usize },
}

/// Taken memory; dropping it gives all of it back.
pub(crate) struct Filler {
    _area: Area,
}

impl Filler {
    /// Takes free memory down to `keep_kib`, then gives back the lowest `room` pages.
    pub(crate) fn around(room: usize, keep_kib: u64) -> Result<Self, FillerError> {
        let free_kib = machine::free_kib()?;
        let most = usize::try_from(free_kib.saturating_sub(keep_kib) / PAGE_KIB).unwrap_or(0) / CHUNK;
        let back = room.div_ceil(CHUNK);
        if most <= back {
            return Err(FillerError::TooSmall { free_kib, room });
        }
        let mut area = Area::anonymous(most * CHUNK)?;
        area.want_huge()?;
        let mut taken = 0;
        while taken < most && machine::free_kib()? > keep_kib {
            // Where no huge page is to be had each page needs its own touch.
            for page in taken * CHUNK..(taken + 1) * CHUNK {
                area.page_mut(page)[0] = 1;
            }
            taken += 1;
        }
        if taken <= back {
            return Err(FillerError::TooSmall { free_kib, room });
        }
        let mut chunks = placed(&area, taken).map_err(FillerError::Pagemap)?;
        chunks.sort_unstable();
        for &(_, chunk) in &chunks[..back] {
            area.release(chunk * CHUNK, CHUNK)?;
        }
        Ok(Self { _area: area })
    }
}

/// Frame number and index of each chunk.
fn placed(area: &Area, chunks: usize) -> io::Result<Vec<(u64, usize)>> {
    /// Bits of a page map entry that hold the frame number.
    const FRAME: u64 = (1 << 55) - 1;
    let map = File::open(PAGEMAP)?;
    (0..chunks)
        .map(|chunk| {
            let mut entry = [0; 8];
            map.read_exact_at(&mut entry, (area.page_address(chunk * CHUNK) / PAGE * 8) as u64)?;
            Ok((u64::from_le_bytes(entry) & FRAME, chunk))
        })
        .collect()
}
