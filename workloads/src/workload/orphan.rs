// SPDX-License-Identifier: GPL-2.0-or-later
//! `orphan`, class U4: pages whose owner is gone while they are under writeback.
//!
//! They stay in the swap cache, unmapped, and point to an anon_vma that was
//! freed with its owner. A page whose writeback has ended by then is freed
//! with its owner instead: that is why the swap disk must be slow, and why each
//! batch is unmapped as soon as it is paged out, before the process exits.

use super::common::{Common, Defaults};
use super::plan::{PlanError, Stage};
use crate::machine;
use crate::params::{ParamError, Reader};
use crate::worker::{Kind, Step};

pub(super) struct Orphan {
    /// Its workers exit in each round.
    common: Common,
    /// `vma_pages`: most pages of a VMA, and so of an anon_vma.
    vma_pages: u64,
}

impl Orphan {
    pub(super) fn read(params: &mut Reader<'_>) -> Result<Self, ParamError> {
        let defaults = Defaults {
            batch: 64,
            rounds: 2,
            // The crews of all rounds are started at the beginning.
            most_rounds: 64,
        };
        Ok(Self {
            common: Common::read(params, defaults)?,
            vma_pages: params.read("vma_pages", 8, 1..=4096)?,
        })
    }

    pub(super) fn run(&self, stage: &Stage<'_>) -> Result<(), PlanError> {
        let kind = Kind::Anon {
            vma_pages: self.vma_pages as usize,
        };
        let pages = self.common.all_pages();
        let crews = (0..self.common.rounds)
            .map(|_| self.common.crew(kind, stage))
            .collect::<Result<Vec<_>, _>>()?;
        let mut terrain = self.common.terrain(stage)?;
        for (round, mut crew) in (1..).zip(crews) {
            stage.round(round, self.common.rounds, pages as u64, || {
                terrain.open_low(pages)?;
                crew.step(&Step::Fill { generation: round })?;
                terrain.open_high(2 * pages)?;
                crew.leave()?;
                machine::compact()?;
                // The orphans are gone for good: what is left to be checked are the pages
                // that were moved beside them.
                terrain.check("after compaction", stage.events);
                Ok(())
            })?;
        }
        Ok(())
    }
}
