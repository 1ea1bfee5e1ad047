// SPDX-License-Identifier: GPL-2.0-or-later
//! `tmpfs`, class U2: tmpfs pages in the swap cache, which have no mapping.

use super::plan::{PlanError, Stage};
use crate::crew::Crew;
use crate::machine;
use crate::params::{ParamError, Reader};
use crate::swap;
use crate::terrain::Terrain;
use crate::worker::{Config, Kind, Step};

pub(super) struct Tmpfs {
    /// `workers`: processes, each with a tmpfs file of its own.
    workers: u64,
    /// `pages`: pages of a file.
    pages: u64,
    /// `batch`: pages of one page-out request.
    batch: u64,
    /// `rounds`: how often it is done.
    rounds: u64,
    /// `keep_mib`: free memory that the terrain leaves, for all but the workload.
    keep_mib: u64,
}

impl Tmpfs {
    pub(super) fn read(params: &mut Reader<'_>) -> Result<Self, ParamError> {
        Ok(Self {
            workers: params.read("workers", 2, 1..=64)?,
            pages: params.read("pages", 1024, 1..=65_536)?,
            batch: params.read("batch", 64, 1..=65_536)?,
            rounds: params.read("rounds", 4, 1..=100_000)?,
            keep_mib: params.read("keep_mib", 12, 1..=65_536)?,
        })
    }

    pub(super) fn run(&self, stage: &Stage<'_>) -> Result<(), PlanError> {
        let config = Config {
            worker: 0,
            seed: stage.seed,
            pages: self.pages as usize,
            batch: self.batch as usize,
            kind: Kind::Tmpfs,
        };
        let mut crew = Crew::start(self.workers, config, stage.events)?;
        let pages = (self.workers * self.pages) as usize;
        let mut terrain = Terrain::take(self.keep_mib * 1024)?;
        for round in 1..=self.rounds {
            stage.round(round, self.rounds, || {
                terrain.open_low(pages)?;
                crew.step(&Step::Fill { generation: round })?;
                terrain.open_high(2 * pages)?;
                crew.step(&Step::PageOut)?;
                machine::compact()?;
                if round == self.rounds {
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
            generation: self.rounds,
            step: "after swapoff".to_owned(),
        })?;
        Ok(())
    }
}
