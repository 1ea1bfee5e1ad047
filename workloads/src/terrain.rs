// SPDX-License-Identifier: GPL-2.0-or-later
//! Memory taken only to decide where other pages lie.
//!
//! Compaction moves pages from the low end of a zone into holes at its high end
//! and stops where its two scanners meet; a pageblock that is wholly free is no
//! hole to it. In a mostly free guest nothing of interest is ever moved: new
//! pages lie high, and above them there are no holes. So the terrain takes
//! nearly all free memory, opens its lowest blocks for the pages of interest,
//! and opens its highest blocks in pieces.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::area::{Area, AreaError};
use crate::machine::{self, MachineError};
use crate::stamp::PAGE;

/// Pages of a huge page, which is a pageblock.
const BLOCK: usize = 512;
/// In a block opened in pieces one page in so many stays taken.
const PIN: usize = 64;
/// Free memory that is left for a moment: a little above the kernel's own minimum,
/// which the guest's init has set to 2 MiB.
const FLOOR_KIB: u64 = 4096;
const PAGE_KIB: u64 = PAGE as u64 / 1024;
const PAGEMAP: &str = "/proc/self/pagemap";

/// Why memory could not be arranged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TerrainError {
    #[error(transparent)]
    Area(#[from] AreaError),
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[error("cannot read {PAGEMAP}: {0}")]
    Pagemap(io::Error),
    #[error(
        "the guest has too little memory for {pages} more pages: give it more, or the workload fewer pages or rounds"
    )]
    Exhausted { pages: usize },
}

/// Taken memory; dropping it gives all of it back.
pub(crate) struct Terrain {
    huge: Area,
    /// Blocks of `huge` that are still taken, by rising frame number.
    blocks: Vec<usize>,
    /// Single pages: those that soaked up what is no whole block, and the pins.
    small: Vec<Area>,
}

impl Terrain {
    /// Takes free memory down to about `keep_kib`, all of which then lies low.
    pub(crate) fn take(keep_kib: u64) -> Result<Self, TerrainError> {
        let most = pages_above(FLOOR_KIB)? / BLOCK;
        let mut huge = Area::anonymous(most.max(1) * BLOCK)?;
        huge.want_huge()?;
        let map = File::open(PAGEMAP).map_err(TerrainError::Pagemap)?;
        let mut placed = Vec::new();
        for block in 0..most {
            huge.page_mut(block * BLOCK)[0] = 1;
            let last =
                frame(&map, &huge, block * BLOCK + BLOCK - 1).map_err(TerrainError::Pagemap)?;
            // The last page came with the first only if the block is a huge page.
            let Some(last) = last else { break };
            placed.push((last, block));
        }
        placed.sort_unstable();
        let blocks = placed.into_iter().map(|(_, block)| block).collect();
        let mut soak = Area::anonymous(pages_above(FLOOR_KIB)?.max(1))?;
        soak.want_small()?;
        soak.touch();
        let mut terrain = Self {
            huge,
            blocks,
            small: vec![soak],
        };
        let keep = usize::try_from(keep_kib.saturating_sub(FLOOR_KIB) / PAGE_KIB).unwrap_or(0);
        terrain.open_low(keep)?;
        Ok(terrain)
    }

    /// Frees the lowest blocks, enough for so many pages.
    pub(crate) fn open_low(&mut self, pages: usize) -> Result<(), TerrainError> {
        let count = self.enough(pages)?;
        for block in self.blocks.drain(..count) {
            self.huge.release(block * BLOCK, BLOCK)?;
        }
        Ok(())
    }

    /// Makes holes in the highest blocks, enough for so many pages.
    pub(crate) fn open_high(&mut self, pages: usize) -> Result<(), TerrainError> {
        let count = self.enough(pages + pages / PIN)?;
        for block in self.blocks.drain(self.blocks.len() - count..) {
            self.huge.release(block * BLOCK, BLOCK)?;
        }
        let mut small = Area::anonymous(count * BLOCK)?;
        small.want_small()?;
        small.touch();
        for piece in (0..count * BLOCK).step_by(PIN) {
            small.release(piece + 1, PIN - 1)?;
        }
        self.small.push(small);
        Ok(())
    }

    fn enough(&self, pages: usize) -> Result<usize, TerrainError> {
        let count = pages.div_ceil(BLOCK);
        if count > self.blocks.len() {
            Err(TerrainError::Exhausted { pages })
        } else {
            Ok(count)
        }
    }
}

fn pages_above(keep_kib: u64) -> Result<usize, MachineError> {
    Ok(usize::try_from(machine::free_kib()?.saturating_sub(keep_kib) / PAGE_KIB).unwrap_or(0))
}

/// Frame number of a page; `None` when it is not mapped.
fn frame(map: &File, area: &Area, page: usize) -> io::Result<Option<u64>> {
    /// Bits of a page map entry: the frame number, and whether there is one.
    const FRAME: u64 = (1 << 55) - 1;
    const PRESENT: u64 = 1 << 63;
    let mut entry = [0; 8];
    map.read_exact_at(&mut entry, (area.page_address(page) / PAGE * 8) as u64)?;
    let entry = u64::from_le_bytes(entry);
    Ok((entry & PRESENT != 0).then_some(entry & FRAME))
}
