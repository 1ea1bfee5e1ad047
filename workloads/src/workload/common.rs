// SPDX-License-Identifier: GPL-2.0-or-later
//! The parameters that every workload has.

use std::collections::BTreeMap;

use super::plan::Stage;
use crate::crew::{Crew, CrewError};
use crate::terrain::{Terrain, TerrainError};
use crate::worker::{Config, Kind};

/// What a workload's parameters are, by name; see `swapmig_workloads::params`.
pub(super) type Values = BTreeMap<&'static str, u64>;

pub(super) struct Common {
    pub(super) workers: u64,
    pub(super) pages: u64,
    batch: u64,
    pub(super) rounds: u64,
    keep_mib: u64,
}

impl Common {
    pub(super) fn of(values: &Values) -> Self {
        Self {
            workers: values["workers"],
            pages: values["pages"],
            batch: values["batch"],
            rounds: values["rounds"],
            keep_mib: values["keep_mib"],
        }
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
