// SPDX-License-Identifier: GPL-2.0-or-later
//! The parameters that every workload has.

use super::plan::Stage;
use crate::crew::{Crew, CrewError};
use crate::params::{ParamError, Reader};
use crate::terrain::{Terrain, TerrainError};
use crate::worker::{Config, Kind};

pub(super) struct Common {
    /// `workers`: processes, each with an area of its own.
    pub(super) workers: u64,
    /// `pages`: pages of a worker's area.
    pub(super) pages: u64,
    /// `batch`: pages of one page-out request.
    batch: u64,
    /// `rounds`: how often it is done.
    pub(super) rounds: u64,
    /// `keep_mib`: free memory that the terrain leaves, for all but the workload.
    keep_mib: u64,
}

/// What differs between the workloads.
pub(super) struct Defaults {
    pub(super) batch: u64,
    pub(super) rounds: u64,
    pub(super) most_rounds: u64,
}

impl Common {
    pub(super) fn read(params: &mut Reader<'_>, defaults: Defaults) -> Result<Self, ParamError> {
        let Defaults {
            batch,
            rounds,
            most_rounds,
        } = defaults;
        Ok(Self {
            workers: params.read("workers", 2, 1..=64)?,
            pages: params.read("pages", 1152, 1..=65_536)?,
            batch: params.read("batch", batch, 1..=65_536)?,
            rounds: params.read("rounds", rounds, 1..=most_rounds)?,
            keep_mib: params.read("keep_mib", 12, 1..=65_536)?,
        })
    }

    /// Pages of all workers together.
    pub(super) fn all_pages(&self) -> usize {
        (self.workers * self.pages) as usize
    }

    /// Starts a crew whose areas are of that kind.
    pub(super) fn crew(&self, kind: Kind, stage: &Stage<'_>) -> Result<Crew, CrewError> {
        let config = Config {
            worker: 0,
            seed: stage.seed,
            pages: self.pages as usize,
            batch: self.batch as usize,
            kind,
        };
        Crew::start(self.workers, config, stage.events)
    }

    /// Takes the terrain. Starting a crew takes memory that there is none of after it.
    pub(super) fn terrain(&self, stage: &Stage<'_>) -> Result<Terrain, TerrainError> {
        Terrain::take(self.keep_mib * 1024, stage.seed)
    }
}
