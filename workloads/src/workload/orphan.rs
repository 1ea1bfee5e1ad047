// SPDX-License-Identifier: GPL-2.0-or-later
//! `orphan`, class U4: pages whose owner exits while they are under writeback.
//!
//! They stay in the swap cache, unmapped, and point to an anon_vma that was
//! freed with its owner. A page whose writeback has ended by then is freed
//! with its owner instead: that is why the swap disk must be slow.

use super::plan::{PlanError, Stage};
use crate::crew::Crew;
use crate::filler::Filler;
use crate::machine;
use crate::params::{ParamError, Reader};
use crate::worker::{Config, Kind, Step};

pub(super) struct Orphan {
    /// `workers`: processes of a round. Each exits in it.
    workers: u64,
    /// `pages`: pages of a worker.
    pages: u64,
    /// `vma_pages`: most pages of a VMA, and so of an anon_vma.
    vma_pages: u64,
    /// `rounds`: how often it is done.
    rounds: u64,
    /// `keep_mib`: free memory that the filler leaves alone.
    keep_mib: u64,
}

impl Orphan {
    pub(super) fn read(params: &mut Reader<'_>) -> Result<Self, ParamError> {
        Ok(Self {
            workers: params.read("workers", 4, 1..=64)?,
            pages: params.read("pages", 512, 1..=65_536)?,
            vma_pages: params.read("vma_pages", 8, 1..=4096)?,
            rounds: params.read("rounds", 3, 1..=100_000)?,
            keep_mib: params.read("keep_mib", 48, 1..=65_536)?,
        })
    }

    pub(super) fn run(&self, stage: &Stage<'_>) -> Result<(), PlanError> {
        let config = Config {
            worker: 0,
            seed: stage.seed,
            pages: self.pages as usize,
            kind: Kind::Anon { vma_pages: self.vma_pages as usize },
        };
        stage.rounds(self.rounds, |round| {
            // Before the filler, so that their own memory is not below it.
            let mut crew = Crew::start(self.workers, config, stage.events)?;
            let filler = Filler::around((self.workers * self.pages) as usize, self.keep_mib * 1024)?;
            crew.step(&Step::Fill { generation: round })?;
            drop(filler);
            crew.leave()?;
            machine::compact()?;
            Ok(())
        })
    }
}
