// SPDX-License-Identifier: GPL-2.0-or-later
//! From the logs that were named to an exit code.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use swapmig_reports::symbolize::Symbolizer;
use swapmig_reports::text::{LINE_MAX, line};
use swapmig_reports::triage::{self, Crash, SourceTree};

use super::TriageOptions;
use super::input::{Input, InputError};
use super::output::Output;
use crate::cli::failure::Failure;

/// What all inputs came to; the greatest of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Nothing = 0,
    Found = 1,
    OtherKernel = 2,
    Unreadable = 4,
}

impl Outcome {
    fn of(error: &InputError) -> Self {
        match error {
            InputError::Kernel { .. } => Self::OtherKernel,
            InputError::Open { .. } | InputError::Folder { .. } | InputError::Read { .. } => {
                Self::Unreadable
            }
        }
    }
}

/// Prints the crash reports of every input. Exits 0 where there are none, 1 where there are.
pub(in crate::cli) fn triage(options: TriageOptions) -> Result<ExitCode, Failure> {
    if options.schema {
        return quiet(write!(io::stdout(), "{}", triage::schema()))
            .map(|()| ExitCode::from(Outcome::Nothing as u8));
    }
    let files = inputs(options.files)?;
    let symbolizer = options
        .vmlinux
        .map(|vmlinux| Symbolizer::open(&vmlinux)?.with_modules(&options.modules))
        .transpose()
        .map_err(Failure::usage)?;
    let tree = options.source.as_deref().map(source_tree).transpose()?;
    let mut out = if options.json {
        Output::json()
    } else {
        Output::text(files.len() > 1, tree)
    };
    let limit = if options.first { 1 } else { usize::MAX };
    let mut outcome = Outcome::Nothing;
    for file in files {
        let name = file.display().to_string();
        let (reports, unopened) = match Input::open(&file) {
            Ok(input) => (Some(input.reports()), None),
            Err(error) => (None, Some(Err(error))),
        };
        let found = Cell::new(false);
        let published = |report| {
            Crash::of(report, symbolizer.as_ref()).map_err(|source| InputError::Kernel {
                name: name.clone(),
                source,
            })
        };
        let crashes = reports
            .into_iter()
            .flatten()
            .chain(unopened)
            .map(|report| report.and_then(published))
            .inspect(|crash| found.set(found.get() || crash.is_ok()))
            .take(limit);
        let written = out.input(&name, crashes);
        if found.get() {
            outcome = outcome.max(Outcome::Found);
        }
        let written = match written {
            Ok(written) => written,
            // Whoever read has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(error) => return Err(unwritable(error)),
        };
        if let Some(error) = written.error {
            complain(&error);
            outcome = outcome.max(Outcome::of(&error));
        }
    }
    Ok(ExitCode::from(outcome as u8))
}

/// The files to read; standard input where none is named, unless somebody would have to type it.
fn inputs(files: Vec<PathBuf>) -> Result<Vec<PathBuf>, Failure> {
    if !files.is_empty() {
        return Ok(files);
    }
    if io::stdin().is_terminal() {
        return Err(Failure::Usage(miette::miette!(
            "There is no log to read. Name a file, or pipe one in: dmesg | swapmig triage"
        )));
    }
    Ok(vec!["-".into()])
}

fn source_tree(folder: &Path) -> Result<SourceTree, Failure> {
    SourceTree::open(folder).map_err(|error| {
        Failure::Usage(miette::miette!(
            "--source {} is no folder that can be read: {error}. Name the kernel's source tree.",
            folder.display()
        ))
    })
}

fn complain(error: &InputError) {
    anstream::eprintln!("swapmig triage: {}", line(&error.to_string(), LINE_MAX));
}

fn unwritable(error: io::Error) -> Failure {
    Failure::Host(miette::miette!(
        "The reports cannot be written to standard output: {error}"
    ))
}

fn quiet(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unwritable(error)),
        _ => Ok(()),
    }
}
