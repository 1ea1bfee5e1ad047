// SPDX-License-Identifier: GPL-2.0-or-later
//! Memory taken only to decide where other pages lie.
//!
//! Compaction moves pages from the low end of a zone into holes at its high end
//! and stops where its two scanners meet; a pageblock that is wholly free is no
//! hole to it. In a mostly free guest nothing of interest is ever moved: new
//! pages lie high, and above them there are no holes. So the terrain takes
//! nearly all free memory, opens its lowest blocks for the pages of interest,
//! and opens its highest blocks in pieces.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use swapmig_workloads::protocol::Event;

use crate::area::{Area, AreaError};
use crate::channel::Events;
use crate::check::Check;
use crate::machine::{self, MachineError};
use crate::stamp::{PAGE, Stamp};

/// Pages of a huge page, which is a pageblock.
const BLOCK: usize = 512;
/// In a block opened in pieces one page in so many stays taken.
const PIN: usize = 64;
/// Free memory that is left for a moment: a little above the kernel's own minimum,
/// which the guest's init has set to 2 MiB.
const FLOOR_KIB: u64 = 4096;
const PAGE_KIB: u64 = PAGE as u64 / 1024;
const PAGEMAP: &str = "/proc/self/pagemap";
const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
/// Of no worker's area: the terrain's stamps differ from all of theirs.
const STAMP_AREA: u64 = u64::MAX;

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
    #[error(
        "memory asked for in huge pages came in small ones: the kernel needs TRANSPARENT_HUGEPAGE, and {HUGE_PAGES} must say madvise or always"
    )]
    NoHugePages,
}

/// Taken memory; dropping it gives all of it back.
pub(crate) struct Terrain {
    huge: Area,
    /// First page of each block of `huge` that is still taken, by rising frame number.
    blocks: Vec<usize>,
    /// Single pages: those that soaked up what is no whole block, and the pins.
    small: Vec<Small>,
    /// Seed of the job.
    seed: u64,
}

/// Stamped single pages.
struct Small {
    area: Area,
    /// One page in so many is taken, from the first on.
    every: usize,
}

impl Small {
    fn taken(&self) -> impl Iterator<Item = usize> + use<> {
        (0..self.area.pages()).step_by(self.every)
    }
}

impl Terrain {
    /// Takes free memory down to about `keep_kib`, all of which then lies low.
    pub(crate) fn take(keep_kib: u64, seed: u64) -> Result<Self, TerrainError> {
        let most = pages_above(FLOOR_KIB)? / BLOCK;
        // A block more than is used: a huge page has its place, which the area need not begin at.
        let mut huge = Area::anonymous((most + 1) * BLOCK)?;
        huge.want_huge()?;
        let skipped = pages_to_block(huge.page_address(0));
        let map = File::open(PAGEMAP).map_err(TerrainError::Pagemap)?;
        let mut placed = Vec::new();
        for block in (0..most).map(|nth| skipped + nth * BLOCK) {
            huge.page_mut(block)[0] = 1;
            let last = frame(&map, &huge, block + BLOCK - 1).map_err(TerrainError::Pagemap)?;
            // The last page came with the first only if the block is a huge page.
            let Some(last) = last else { break };
            placed.push((last, block));
        }
        if most > 0 && placed.is_empty() {
            return Err(TerrainError::NoHugePages);
        }
        placed.sort_unstable();
        let blocks = placed.into_iter().map(|(_, block)| block).collect();
        let mut terrain = Self {
            huge,
            blocks,
            small: Vec::new(),
            seed,
        };
        terrain.take_small(pages_above(FLOOR_KIB)?.max(1), 1)?;
        let keep = usize::try_from(keep_kib.saturating_sub(FLOOR_KIB) / PAGE_KIB).unwrap_or(0);
        terrain.open_low(keep)?;
        Ok(terrain)
    }

    /// Frees the lowest blocks, enough for so many pages.
    pub(crate) fn open_low(&mut self, pages: usize) -> Result<(), TerrainError> {
        let count = self.enough(pages)?;
        for block in self.blocks.drain(..count) {
            self.huge.release(block, BLOCK)?;
        }
        Ok(())
    }

    /// Makes holes in the highest blocks, enough for so many pages.
    pub(crate) fn open_high(&mut self, pages: usize) -> Result<(), TerrainError> {
        let count = self.enough(pages + pages / PIN)?;
        for block in self.blocks.drain(self.blocks.len() - count..) {
            self.huge.release(block, BLOCK)?;
        }
        self.take_small(count * BLOCK, PIN)
    }

    /// Checks every single page that is still taken, and tells what was found.
    pub(crate) fn check(&self, step: &str, events: &Events) {
        let mut verified = 0;
        for (number, small) in self.small.iter().enumerate() {
            let check = Check {
                area: "terrain",
                step,
                stamp: self.stamp(number),
            };
            let Ok(right) = check.pages(&small.area, small.taken(), |mismatch| {
                events.send(&Event::Mismatch(mismatch));
                Ok::<_, Infallible>(())
            });
            verified += right;
        }
        events.send(&Event::Verified { pages: verified });
    }

    /// Takes so many single pages, gives back all but one in `every`, and stamps those.
    fn take_small(&mut self, pages: usize, every: usize) -> Result<(), TerrainError> {
        let mut area = Area::anonymous(pages)?;
        area.want_small()?;
        area.touch();
        if every > 1 {
            for piece in (0..pages).step_by(every) {
                area.release(piece + 1, every - 1)?;
            }
        }
        let mut small = Small { area, every };
        let stamp = self.stamp(self.small.len());
        for page in small.taken() {
            stamp.write(page as u64, small.area.page_mut(page));
        }
        self.small.push(small);
        Ok(())
    }

    fn stamp(&self, number: usize) -> Stamp {
        Stamp {
            seed: self.seed,
            area: STAMP_AREA,
            generation: number as u64,
        }
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

/// Pages from an address to where a huge page can begin.
fn pages_to_block(address: usize) -> usize {
    (address.next_multiple_of(BLOCK * PAGE) - address) / PAGE
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_huge_page_begins_at_a_multiple_of_its_size() {
        assert_eq!(pages_to_block(4 * BLOCK * PAGE), 0);
        assert_eq!(pages_to_block(4 * BLOCK * PAGE + PAGE), BLOCK - 1);
        assert_eq!(pages_to_block(5 * BLOCK * PAGE - PAGE), 1);
    }
}
