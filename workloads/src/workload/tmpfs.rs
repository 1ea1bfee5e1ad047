// SPDX-License-Identifier: GPL-2.0-or-later
//! `tmpfs`, class U2: tmpfs pages in the swap cache, which have no mapping.

use super::common::{Common, Values};
use super::plan::{PlanError, Stage};
use crate::machine;
use crate::swap;
use crate::worker::{Kind, Step};

pub(super) struct Tmpfs {
    /// Its workers have a tmpfs file each.
    common: Common,
}

impl Tmpfs {
    pub(super) fn of(values: &Values) -> Self {
        Self {
            common: Common::of(values),
        }
    }

    pub(super) fn run(&self, stage: &Stage<'_>) -> Result<(), PlanError> {
        let mut crew = self.common.crew(Kind::Tmpfs, stage)?;
        let mut terrain = self.common.terrain(stage)?;
        let pages = self.common.all_pages();
        let rounds = self.common.rounds;
        for round in 1..=rounds {
            stage.round(round, rounds, pages as u64, || {
                terrain.open_low(pages)?;
                crew.step(&Step::Fill { generation: round })?;
                terrain.open_high(2 * pages)?;
                crew.step(&Step::PageOut)?;
                machine::compact()?;
                if round == rounds {
                    return Ok(());
                }
                crew.step(&Step::Check {
                    generation: round,
                    step: "after compaction".to_owned(),
                })?;
                Ok(())
            })?;
        }
        // The last round's pages are still in swap: this is what brings them back.
        swap::off()?;
        crew.step(&Step::Check {
            generation: rounds,
            step: "after swapoff".to_owned(),
        })?;
        Ok(())
    }
}
