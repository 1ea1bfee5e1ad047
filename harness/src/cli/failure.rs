// SPDX-License-Identifier: GPL-2.0-or-later
//! The edge where an error becomes a report and an exit code.

use std::process::ExitCode;

use swapmig_reports::summary::Outcome;

/// Leaves the breaking of lines to the terminal: a command or a path is to be copied whole.
pub(super) fn keep_words_whole() {
    // An error means that a handler is set already, which then is this one.
    let _ = miette::set_hook(Box::new(|_| {
        Box::new(miette::MietteHandlerOpts::new().wrap_lines(false).build())
    }));
}

/// Exit code of a usage error or a malformed file.
const USAGE: u8 = 2;

/// Why a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// What the user typed or wrote is at fault.
    Usage(miette::Report),
    /// The harness or the host is.
    Host(miette::Report),
}

impl Failure {
    pub(super) fn usage(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Usage(report(error))
    }

    pub(super) fn host(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Host(report(error))
    }

    /// Tells the user, and gives the exit code.
    pub(super) fn tell(self) -> ExitCode {
        let (report, code) = match self {
            Self::Usage(report) => (report, USAGE),
            Self::Host(report) => (report, Outcome::HarnessError.exit_code()),
        };
        anstream::eprintln!("{report:?}");
        ExitCode::from(code)
    }
}

/// The error with those behind it, unless its own words hold them already.
fn report(error: impl std::error::Error + Send + Sync + 'static) -> miette::Report {
    miette::Report::msg(error.to_string())
}
