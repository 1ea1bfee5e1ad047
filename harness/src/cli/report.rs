// SPDX-License-Identifier: GPL-2.0-or-later
//! `swapmig report`: the page of a run, its summary, and the exit code that goes with it.

use std::io::IsTerminal;
use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use swapmig_reports::run::Run;
use swapmig_reports::summary::Summary;
use swapmig_reports::{page, terminal};

use super::failure::Failure;
use crate::run_dir::write_whole;

/// Writes the page, prints the summary.
pub(super) fn report(dir: &Utf8Path, out: Option<Utf8PathBuf>) -> Result<ExitCode, Failure> {
    let run = Run::read(dir.as_std_path()).map_err(Failure::usage)?;
    let out = out.unwrap_or_else(|| dir.join("report.html"));
    // A bare file name has an empty parent; the page's folder is then the current one.
    let out = if out.parent() == Some(Utf8Path::new("")) {
        Utf8Path::new(".").join(out)
    } else {
        out
    };
    let page = page::render(&run).map_err(Failure::host)?;
    write_whole(&out, page.as_bytes()).map_err(Failure::host)?;
    let styled = std::io::stdout().is_terminal();
    anstream::println!(
        "{}\nThe whole report is in {out}",
        terminal::render(&run, styled)
    );
    Ok(ExitCode::from(Summary::of(&run).outcome.exit_code()))
}
