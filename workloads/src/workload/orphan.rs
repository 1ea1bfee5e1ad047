// SPDX-License-Identifier: GPL-2.0-or-later
//! `orphan`, class U4: pages whose owner is gone while they are under writeback.
//!
//! They stay in the swap cache, unmapped, and point to an anon_vma that was
//! freed with its owner. A page whose writeback has ended by then is freed
//! with its owner instead: that is why the swap disk must be slow, and why each
//! batch is unmapped as soon as it is paged out, before the process exits.

use super::common::{Common, Values};
use super::plan::{PlanError, Stage};
use crate::machine;
use crate::worker::{Kind, Step};

pub(super) struct Orphan {
    /// Its workers exit in each round.
    common: Common,
    vma_pages: u64,
}

impl Orphan {
    pub(super) fn of(values: &Values) -> Self {
        Self {
            common: Common::of(values),
            vma_pages: values["vma_pages"],
        }
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
