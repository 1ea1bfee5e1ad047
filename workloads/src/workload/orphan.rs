// SPDX-License-Identifier: GPL-2.0-or-later
//! `orphan`, class U4: pages whose owner is gone while they are under writeback.
//!
//! They stay in the swap cache, unmapped, and point to an anon_vma that was
//! freed with its owner. A page whose writeback has ended by then is freed
//! with its owner instead: that is why the swap disk must be slow, and why each
//! batch is unmapped as soon as it is paged out, before the process exits.

use super::plan::{PlanError, Stage};
use crate::crew::Crew;
use crate::machine;
use crate::params::{ParamError, Reader};
use crate::terrain::Terrain;
use crate::worker::{Config, Kind, Step};

pub(super) struct Orphan {
    /// `workers`: processes of a round. Each exits in it.
    workers: u64,
    /// `pages`: pages of a worker.
    pages: u64,
    /// `vma_pages`: most pages of a VMA, and so of an anon_vma.
    vma_pages: u64,
    /// `batch`: pages of one page-out request.
    batch: u64,
    /// `rounds`: how often it is done.
    rounds: u64,
    /// `keep_mib`: free memory that the terrain leaves, for all but the workload.
    keep_mib: u64,
}

impl Orphan {
    pub(super) fn read(params: &mut Reader<'_>) -> Result<Self, ParamError> {
        Ok(Self {
            workers: params.read("workers", 2, 1..=64)?,
            pages: params.read("pages", 1024, 1..=65_536)?,
            vma_pages: params.read("vma_pages", 8, 1..=4096)?,
            batch: params.read("batch", 32, 1..=65_536)?,
            rounds: params.read("rounds", 3, 1..=64)?,
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
        let pages = (self.workers * self.pages) as usize;
        // Before the terrain: starting processes takes memory that there is none of after it.
        let crews = (0..self.rounds)
            .map(|_| Crew::start(self.workers, config, stage.events))
            .collect::<Result<Vec<_>, _>>()?;
        let mut terrain = Terrain::take(self.keep_mib * 1024)?;
        for (round, mut crew) in (1..).zip(crews) {
            stage.round(round, self.rounds, || {
                terrain.open_low(pages)?;
                crew.step(&Step::Fill { generation: round })?;
                terrain.open_high(2 * pages)?;
                crew.leave()?;
                machine::compact()?;
                Ok(())
            })?;
        }
        Ok(())
    }
}
