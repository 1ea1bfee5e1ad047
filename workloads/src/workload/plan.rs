// SPDX-License-Identifier: GPL-2.0-or-later
//! A workload with its parameters, ready to run.

use std::collections::BTreeMap;

use swapmig_workloads::params::{self, ParamError};
use swapmig_workloads::protocol::{Event, Workload};

use super::{orphan::Orphan, reread::Reread, tmpfs::Tmpfs};
use crate::channel::Events;
use crate::crew::CrewError;
use crate::machine::{self, MachineError};
use crate::swap::SwapError;
use crate::terrain::TerrainError;

/// Why a workload could not do its job.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error(transparent)]
    Crew(#[from] CrewError),
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[error(transparent)]
    Swap(#[from] SwapError),
    #[error(transparent)]
    Terrain(#[from] TerrainError),
    #[error(
        "only {pages} of {wanted} pages were paged out in round {round}: give the machine more swap, or the workload fewer pages or rounds"
    )]
    TooFewPagedOut { round: u64, pages: u64, wanted: u64 },
    #[error(
        "only {pages} of {wanted} pages were read from swap after they had been paged out again: set swap_in_pages to 0 to do without"
    )]
    TooFewSwappedIn { pages: u64, wanted: u64 },
}

/// What every workload is given.
pub(crate) struct Stage<'a> {
    pub(crate) seed: u64,
    pub(crate) events: &'a Events,
}

/// A workload and its parameters.
pub(crate) struct Plan {
    script: Script,
    /// The parameters in force.
    pub(crate) params: BTreeMap<String, u64>,
}

enum Script {
    Orphan(Orphan),
    Reread(Reread),
    Tmpfs(Tmpfs),
}

impl Plan {
    /// Reads the parameters of the workload.
    pub(crate) fn new(
        workload: Workload,
        given: &BTreeMap<String, u64>,
    ) -> Result<Self, ParamError> {
        let values = params::in_force(workload, given)?;
        let script = match workload {
            Workload::Orphan => Script::Orphan(Orphan::of(&values)),
            Workload::Reread => Script::Reread(Reread::of(&values)),
            Workload::Tmpfs => Script::Tmpfs(Tmpfs::of(&values)),
        };
        let named = |(name, value): (&str, u64)| (name.to_owned(), value);
        Ok(Self {
            script,
            params: values.into_iter().map(named).collect(),
        })
    }

    /// Runs the workload to its end.
    pub(crate) fn run(&self, stage: &Stage<'_>) -> Result<(), PlanError> {
        match &self.script {
            Script::Orphan(script) => script.run(stage),
            Script::Reread(script) => script.run(stage),
            Script::Tmpfs(script) => script.run(stage),
        }
    }
}

impl Stage<'_> {
    /// Runs one of `rounds` rounds, counted from 1; of `pages` it must page out at least
    /// half, for the counter is of the whole machine and some pages may resist.
    pub(super) fn round(
        &self,
        round: u64,
        rounds: u64,
        pages: u64,
        run: impl FnOnce() -> Result<(), PlanError>,
    ) -> Result<(), PlanError> {
        self.events.send(&Event::Round { round, rounds });
        let before = paged_out()?;
        run()?;
        let wanted = pages;
        let pages = paged_out()?.saturating_sub(before);
        if pages < wanted.div_ceil(2) {
            return Err(PlanError::TooFewPagedOut {
                round,
                pages,
                wanted,
            });
        }
        Ok(())
    }
}

fn paged_out() -> Result<u64, MachineError> {
    machine::counter("pswpout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_finds_its_parameters_in_the_table() {
        for workload in Workload::ALL {
            let plan = Plan::new(workload, &BTreeMap::new()).expect("defaults are right");
            assert_eq!(plan.params.len(), params::of(workload).len());
        }
    }
}
