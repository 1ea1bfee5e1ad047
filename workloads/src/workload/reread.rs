// SPDX-License-Identifier: GPL-2.0-or-later
//! `reread`, class M: pages that are mapped and in the swap cache.
//!
//! A read fault maps a page of the swap cache and leaves it there as long as
//! less than half of the swap is used. Migration must put its ptes back: the
//! next touch tells.

use super::common::{Common, Values};
use super::plan::{PlanError, Stage};
use crate::crew::Crew;
use crate::machine;
use crate::worker::{Kind, Step};

pub(super) struct Reread {
    /// Its workers live through all rounds.
    common: Common,
    vma_pages: u64,
    swap_in_pages: u64,
}

impl Reread {
    pub(super) fn of(values: &Values) -> Self {
        Self {
            common: Common::of(values),
            vma_pages: values["vma_pages"],
            swap_in_pages: values["swap_in_pages"],
        }
    }

    pub(super) fn run(&self, stage: &Stage<'_>) -> Result<(), PlanError> {
        let kind = Kind::Anon {
            vma_pages: self.vma_pages as usize,
        };
        let mut crew = self.common.crew(kind, stage)?;
        let mut terrain = self.common.terrain(stage)?;
        let pages = self.common.all_pages();
        let rounds = self.common.rounds;
        for round in 1..=rounds {
            stage.round(round, rounds, pages as u64, || {
                let written = 2 * round;
                terrain.open_low(pages)?;
                crew.step(&Step::Fill {
                    generation: written,
                })?;
                terrain.open_high(2 * pages)?;
                crew.step(&Step::PageOut)?;
                machine::wait_written()?;
                crew.step(&Step::Check {
                    generation: written,
                    step: "after page-out".to_owned(),
                })?;
                machine::compact()?;
                crew.step(&Step::Check {
                    generation: written,
                    step: "after compaction".to_owned(),
                })?;
                if round == rounds {
                    self.swap_in(&mut crew, written)?;
                }
                crew.step(&Step::Rewrite {
                    generation: written + 1,
                })?;
                crew.step(&Step::Check {
                    generation: written + 1,
                    step: "after rewriting".to_owned(),
                })?;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Swaps some pages in again: the content that migration kept in memory says nothing
    /// of the swap slot that the page took along.
    ///
    /// A page of class M is clean and has its slot: paging it out only drops it from memory.
    fn swap_in(&self, crew: &mut Crew, generation: u64) -> Result<(), PlanError> {
        let pages = self.swap_in_pages.min(self.common.pages);
        let before = machine::counter("pswpin")?;
        crew.step(&Step::SwapIn {
            generation,
            step: "after swap-in".to_owned(),
            pages: pages as usize,
        })?;
        let wanted = self.common.workers * pages;
        let pages = machine::counter("pswpin")?.saturating_sub(before);
        if pages < wanted.div_ceil(2) {
            return Err(PlanError::TooFewSwappedIn { pages, wanted });
        }
        Ok(())
    }
}
