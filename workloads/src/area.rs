// SPDX-License-Identifier: GPL-2.0-or-later
//! Mapped memory as pages: the one place that touches raw memory.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{
    Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap, mmap_anonymous, mprotect, munmap,
};

use crate::stamp::{PAGE, Page, mix};

/// Why memory could not be had or advised.
#[derive(Debug, thiserror::Error)]
#[error("{call} of {pages} pages failed: {source}")]
pub(crate) struct AreaError {
    call: &'static str,
    pages: usize,
    source: Errno,
}

/// Private pages of memory that this process alone uses.
pub(crate) struct Area {
    base: NonNull<u8>,
    /// Length of the mapping, holes included.
    span: usize,
    /// For each page its place in the mapping, counted in pages.
    places: Vec<usize>,
}

impl Area {
    /// Anonymous memory in one piece.
    pub(crate) fn anonymous(pages: usize) -> Result<Self, AreaError> {
        let base = map_anonymous(pages, ProtFlags::READ | ProtFlags::WRITE)?;
        Ok(Self {
            base,
            span: pages,
            places: (0..pages).collect(),
        })
    }

    /// Anonymous memory in pieces of 1 to `piece` pages with a hole after each.
    ///
    /// A hole keeps its neighbours from being one VMA, so that each piece has
    /// an anon_vma of its own.
    pub(crate) fn scattered(pages: usize, piece: usize, seed: u64) -> Result<Self, AreaError> {
        let pieces = pieces(pages, piece, seed);
        let span = pages + pieces.len();
        let base = map_anonymous(span, ProtFlags::empty())?;
        let mut area = Self {
            base,
            span,
            places: Vec::with_capacity(pages),
        };
        let mut at = 0;
        for piece in pieces {
            // SAFETY: the piece lies within the mapping just made, which nothing borrows yet.
            unsafe {
                mprotect(
                    area.address(at),
                    piece * PAGE,
                    MprotectFlags::READ | MprotectFlags::WRITE,
                )
            }
            .map_err(|source| AreaError {
                call: "mprotect",
                pages: piece,
                source,
            })?;
            area.places.extend(at..at + piece);
            at += piece + 1;
        }
        Ok(area)
    }

    /// A file of the kernel's own tmpfs, mapped shared.
    pub(crate) fn tmpfs(pages: usize) -> Result<Self, AreaError> {
        let failed = |call| {
            move |source| AreaError {
                call,
                pages,
                source,
            }
        };
        let file = memfd_create("swapmig", MemfdFlags::CLOEXEC).map_err(failed("memfd_create"))?;
        ftruncate(&file, (pages * PAGE) as u64).map_err(failed("ftruncate"))?;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice; the file is not shared with anyone.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                pages * PAGE,
                prot,
                MapFlags::SHARED,
                &file,
                0,
            )
        }
        .map_err(failed("mmap"))?;
        let base = non_null(base, "mmap", pages)?;
        Ok(Self {
            base,
            span: pages,
            places: (0..pages).collect(),
        })
    }

    /// How many pages it has, holes not counted.
    pub(crate) fn pages(&self) -> usize {
        self.places.len()
    }

    /// Reads a page: a read fault when it is not mapped.
    pub(crate) fn page(&self, index: usize) -> &Page {
        // SAFETY: the place is readable memory of this mapping, page-aligned, any bits are
        // valid words, and a mutable borrow of the area would exclude this one.
        unsafe { &*self.address(self.places[index]).cast::<Page>() }
    }

    /// Writes a page.
    pub(crate) fn page_mut(&mut self, index: usize) -> &mut Page {
        // SAFETY: as in `page`, and the area is borrowed mutably.
        unsafe { &mut *self.address(self.places[index]).cast::<Page>() }
    }

    /// Address of a page, for its line in the page map.
    pub(crate) fn page_address(&self, index: usize) -> usize {
        self.address(self.places[index]) as usize
    }

    /// Asks for the pages to be written to swap (MADV_PAGEOUT), so many at a time.
    ///
    /// The kernel merges what one call writes into few requests: the batch decides
    /// how many a disk limited by its requests has to serve.
    pub(crate) fn page_out(&self, batch: usize) -> Result<(), AreaError> {
        for first in (0..self.span).step_by(batch.max(1)) {
            let pages = batch.max(1).min(self.span - first);
            self.advise(first, pages, Advice::LinuxPageOut, "madvise(MADV_PAGEOUT)")?;
        }
        Ok(())
    }

    /// Asks for one page to be written to swap.
    pub(crate) fn page_out_one(&self, index: usize) -> Result<(), AreaError> {
        self.advise(
            self.places[index],
            1,
            Advice::LinuxPageOut,
            "madvise(MADV_PAGEOUT)",
        )
    }

    /// Pages everything out and unmaps each batch at once, while it is under writeback.
    pub(crate) fn abandon(self, batch: usize) -> Result<(), AreaError> {
        // Not dropped: that would unmap the same addresses a second time, whoever has them then.
        let area = ManuallyDrop::new(self);
        let batch = batch.max(1);
        for first in (0..area.span).step_by(batch) {
            let pages = batch.min(area.span - first);
            area.advise(first, pages, Advice::LinuxPageOut, "madvise(MADV_PAGEOUT)")?;
            // SAFETY: the range is this mapping's own, unmapped once; the area is consumed, so
            // nothing borrows from it.
            unsafe { munmap(area.address(first), pages * PAGE) }.map_err(|source| AreaError {
                call: "munmap",
                pages,
                source,
            })?;
        }
        Ok(())
    }

    /// Asks for huge pages (MADV_HUGEPAGE).
    pub(crate) fn want_huge(&self) -> Result<(), AreaError> {
        self.advise(
            0,
            self.span,
            Advice::LinuxHugepage,
            "madvise(MADV_HUGEPAGE)",
        )
    }

    /// Refuses huge pages (MADV_NOHUGEPAGE).
    pub(crate) fn want_small(&self) -> Result<(), AreaError> {
        self.advise(
            0,
            self.span,
            Advice::LinuxNoHugepage,
            "madvise(MADV_NOHUGEPAGE)",
        )
    }

    /// Writes to every page, so that each has memory of its own.
    pub(crate) fn touch(&mut self) {
        for index in 0..self.pages() {
            self.page_mut(index)[0] = 1;
        }
    }

    /// Gives pages back; they read as zeroes from then on (MADV_DONTNEED).
    pub(crate) fn release(&mut self, first: usize, pages: usize) -> Result<(), AreaError> {
        self.advise(
            first,
            pages,
            Advice::LinuxDontNeed,
            "madvise(MADV_DONTNEED)",
        )
    }

    fn advise(
        &self,
        first: usize,
        pages: usize,
        advice: Advice,
        call: &'static str,
    ) -> Result<(), AreaError> {
        // SAFETY: the range is this mapping's own. Page-out keeps the content; only `release`,
        // which borrows mutably, drops it, and zeroes are valid words.
        unsafe { madvise(self.address(first), pages * PAGE, advice) }.map_err(|source| AreaError {
            call,
            pages,
            source,
        })
    }

    fn address(&self, place: usize) -> *mut c_void {
        assert!(place < self.span, "a page outside its area");
        self.base.as_ptr().wrapping_add(place * PAGE).cast()
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // SAFETY: the mapping is this area's own, and no borrow of it can outlive the area.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.span * PAGE) };
    }
}

fn map_anonymous(pages: usize, prot: ProtFlags) -> Result<NonNull<u8>, AreaError> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
    let base = unsafe { mmap_anonymous(ptr::null_mut(), pages * PAGE, prot, flags) }.map_err(
        |source| AreaError {
            call: "mmap",
            pages,
            source,
        },
    )?;
    non_null(base, "mmap", pages)
}

fn non_null(base: *mut c_void, call: &'static str, pages: usize) -> Result<NonNull<u8>, AreaError> {
    NonNull::new(base.cast()).ok_or(AreaError {
        call,
        pages,
        source: Errno::FAULT,
    })
}

/// Splits pages into pieces of 1 to `most` pages, as the seed has it.
fn pieces(pages: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut pieces = Vec::new();
    let mut left = pages;
    let mut state = seed;
    while left > 0 {
        state = mix(state);
        let piece = (1 + (state % most.max(1) as u64) as usize).min(left);
        pieces.push(piece);
        left -= piece;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stamp::Stamp;

    proptest! {
        #[test]
        fn pieces_sum_up_and_keep_their_size(pages in 0..3000usize, most in 1..40usize, seed: u64) {
            let pieces = pieces(pages, most, seed);
            prop_assert_eq!(pieces.iter().sum::<usize>(), pages);
            prop_assert!(pieces.iter().all(|piece| (1..=most).contains(piece)));
        }
    }

    #[test]
    fn every_kind_of_area_holds_what_is_written() {
        let stamp = Stamp {
            seed: 4,
            area: 0,
            generation: 1,
        };
        for area in [
            Area::anonymous(20),
            Area::scattered(20, 3, 7),
            Area::tmpfs(20),
        ] {
            let mut area = area.expect("twenty pages");
            for index in 0..area.pages() {
                stamp.write(index as u64, area.page_mut(index));
            }
            for index in 0..area.pages() {
                assert_eq!(stamp.check(index as u64, area.page(index)), Ok(()));
            }
        }
    }
}
