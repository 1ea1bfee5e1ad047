// SPDX-License-Identifier: GPL-2.0-or-later
//! `reread`, class M: pages that are mapped and in the swap cache.
//!
//! A read fault maps a page of the swap cache and leaves it there as long as
//! less than half of the swap is used. Migration must put its ptes back: the
//! next touch tells.

use super::plan::{PlanError, Stage};
use crate::crew::Crew;
use crate::machine;
use crate::params::{ParamError, Reader};
use crate::terrain::Terrain;
use crate::worker::{Config, Kind, Step};

pub(super) struct Reread {
    /// `workers`: processes that live through all rounds.
    workers: u64,
    /// `pages`: pages of a worker.
    pages: u64,
    /// `vma_pages`: most pages of a VMA.
    vma_pages: u64,
    /// `batch`: pages of one page-out request.
    batch: u64,
    /// `rounds`: how often it is done.
    rounds: u64,
    /// `keep_mib`: free memory that the terrain leaves, for all but the workload.
    keep_mib: u64,
}

impl Reread {
    pub(super) fn read(params: &mut Reader<'_>) -> Result<Self, ParamError> {
        Ok(Self {
            workers: params.read("workers", 2, 1..=64)?,
            pages: params.read("pages", 1024, 1..=65_536)?,
            vma_pages: params.read("vma_pages", 16, 1..=4096)?,
            batch: params.read("batch", 64, 1..=65_536)?,
            rounds: params.read("rounds", 3, 1..=100_000)?,
            keep_mib: params.read("keep_mib", 12, 1..=65_536)?,
        })
    }

    pub(super) fn run(&self, stage: &Stage<'_>) -> Result<(), PlanError> {
        let config = Config {
            worker: 0,
            seed: stage.seed,
            pages: self.pages as usize,
            batch: self.batch as usize,
            kind: Kind::Anon {
                vma_pages: self.vma_pages as usize,
            },
        };
        let mut crew = Crew::start(self.workers, config, stage.events)?;
        let pages = (self.workers * self.pages) as usize;
        let mut terrain = Terrain::take(self.keep_mib * 1024)?;
        for round in 1..=self.rounds {
            stage.round(round, self.rounds, || {
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
}
