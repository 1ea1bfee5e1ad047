// SPDX-License-Identifier: GPL-2.0-or-later
//! A worker: a process that owns an area and does with it what its crew says.
//!
//! Steps come in on its standard input and replies go out on its standard
//! output, one JSON object a line.

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use swapmig_workloads::protocol::Mismatch;

use crate::area::{Area, AreaError};
use crate::check::Check;
use crate::console;
use crate::stamp::Stamp;

/// What a worker is, for its whole life.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Config {
    /// Number of the worker within its crew.
    pub(crate) worker: u64,
    /// Seed of the job.
    pub(crate) seed: u64,
    /// Pages of its area.
    pub(crate) pages: usize,
    /// Pages of one page-out request.
    pub(crate) batch: usize,
    /// What the area is made of.
    pub(crate) kind: Kind,
}

/// What an area is made of.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Anonymous memory in many VMAs.
    Anon {
        /// Most pages of a VMA.
        vma_pages: usize,
    },
    /// A tmpfs file, mapped shared.
    Tmpfs,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Anon { .. } => "anon",
            Self::Tmpfs => "tmpfs",
        }
    }
}

/// What a worker is told to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// Map a new area and stamp every page; then give the old one up.
    ///
    /// The new pages are checked, but do not count as verified: nothing has
    /// happened to them yet.
    Fill { generation: u64 },
    /// Page the area out.
    PageOut,
    /// Read and check every page.
    Check { generation: u64, step: String },
    /// Page so many pages out, spread over the area, and check them as they come back.
    SwapIn {
        generation: u64,
        step: String,
        pages: usize,
    },
    /// Stamp every page anew.
    Rewrite { generation: u64 },
    /// Page the area out, unmap it while it is under writeback, and exit without a reply.
    Leave,
}

/// What a worker answers: any number of mismatches, then one of the others.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// A page did not hold what was written to it.
    Mismatch(Mismatch),
    /// The step is done.
    Done {
        /// Pages that held what was written to them.
        verified: u64,
    },
    /// The step could not be done.
    Failed { reason: String },
}

#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error(transparent)]
    Area(#[from] AreaError),
    #[error("a step needs an area and there is none")]
    NoArea,
    #[error("the crew's pipe broke: {0}")]
    Pipe(#[from] io::Error),
    #[error("a step was not understood: {0}")]
    Step(#[from] serde_json::Error),
}

struct Worker {
    config: Config,
    area: Option<Area>,
}

pub(crate) fn main(config: &str) -> ExitCode {
    match serde_json::from_str(config)
        .map_err(WorkerError::from)
        .and_then(serve)
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console::say(&format!("a worker gave up: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn serve(config: Config) -> Result<(), WorkerError> {
    let mut worker = Worker { config, area: None };
    for line in io::stdin().lock().lines() {
        let step = serde_json::from_str(&line?)?;
        if let Step::Leave = step {
            let area = worker.area.take().ok_or(WorkerError::NoArea)?;
            area.abandon(config.batch)?;
            std::process::exit(0);
        }
        let end = match worker.take(step) {
            Ok(verified) => Reply::Done { verified },
            Err(error) => Reply::Failed {
                reason: error.to_string(),
            },
        };
        reply(&end)?;
    }
    Ok(())
}

impl Worker {
    /// Does one step; gives how many pages were verified.
    fn take(&mut self, step: Step) -> Result<u64, WorkerError> {
        match step {
            Step::Fill { generation } => {
                // The old area stays until the new one is filled: its memory lies high.
                let old = self.area.replace(self.map()?);
                self.stamp(generation)?;
                drop(old);
                let pages = self.config.pages;
                self.check(generation, "after writing", 0..pages)?;
            }
            Step::PageOut => self.page_out()?,
            Step::Check { generation, step } => {
                let pages = self.config.pages;
                return self.check(generation, &step, 0..pages);
            }
            Step::SwapIn {
                generation,
                step,
                pages,
            } => {
                let spread = spread(self.config.pages, pages);
                for page in spread.clone() {
                    self.area()?.page_out_one(page)?;
                }
                return self.check(generation, &step, spread);
            }
            Step::Rewrite { generation } => self.stamp(generation)?,
            Step::Leave => {}
        }
        Ok(0)
    }

    fn map(&self) -> Result<Area, AreaError> {
        let Config {
            worker,
            seed,
            pages,
            kind,
            ..
        } = self.config;
        match kind {
            Kind::Anon { vma_pages } => Area::scattered(pages, vma_pages, seed ^ worker),
            Kind::Tmpfs => Area::tmpfs(pages),
        }
    }

    fn area(&mut self) -> Result<&mut Area, WorkerError> {
        self.area.as_mut().ok_or(WorkerError::NoArea)
    }

    fn page_out(&mut self) -> Result<(), WorkerError> {
        let batch = self.config.batch;
        Ok(self.area()?.page_out(batch)?)
    }

    fn stamp(&mut self, generation: u64) -> Result<(), WorkerError> {
        let stamp = self.stamp_of(generation);
        let area = self.area()?;
        for index in 0..area.pages() {
            stamp.write(index as u64, area.page_mut(index));
        }
        Ok(())
    }

    fn check(
        &mut self,
        generation: u64,
        step: &str,
        pages: impl Iterator<Item = usize>,
    ) -> Result<u64, WorkerError> {
        let check = Check {
            area: self.config.kind.name(),
            step,
            stamp: self.stamp_of(generation),
        };
        check.pages(self.area()?, pages, |mismatch| {
            reply(&Reply::Mismatch(mismatch))
        })
    }

    fn stamp_of(&self, generation: u64) -> Stamp {
        Stamp {
            seed: self.config.seed,
            area: self.config.worker,
            generation,
        }
    }
}

/// So many of the `all` pages of an area, evenly spread over it.
fn spread(all: usize, wanted: usize) -> impl Iterator<Item = usize> + Clone {
    let wanted = wanted.min(all);
    (0..wanted).map(move |nth| nth * all / wanted)
}

fn reply(reply: &Reply) -> Result<(), WorkerError> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn spread_pages_are_as_many_as_wanted_and_all_different(all in 0..2000usize, wanted in 0..2500usize) {
            let pages: Vec<_> = spread(all, wanted).collect();
            prop_assert_eq!(pages.len(), wanted.min(all));
            prop_assert!(pages.iter().all(|page| *page < all));
            prop_assert!(pages.is_sorted_by(|a, b| a < b));
        }
    }
}
