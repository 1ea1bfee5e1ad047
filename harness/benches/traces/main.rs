// SPDX-License-Identifier: GPL-2.0-or-later
//! The figures of `swapmig triage`: what it recognises, how fast it reads, how little memory it
//! takes, how long source lines take.

#![allow(clippy::print_stdout, missing_docs)]

mod consoles;
mod corpus;
mod decode;
#[path = "../figures/mod.rs"]
mod figures;
mod lines;
mod speed;
mod stream;

use std::process::ExitCode;

use figures::{Figures, Result};

fn main() -> ExitCode {
    figures::main(bench)
}

fn bench(figures: &mut Figures) -> Result<()> {
    corpus::recognised(figures)?;
    consoles::recognised(figures)?;
    speed::measured(figures)?;
    stream::measured(figures)?;
    lines::measured(figures)
}
