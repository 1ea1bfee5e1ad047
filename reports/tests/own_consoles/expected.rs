// SPDX-License-Identifier: GPL-2.0-or-later
//! `consoles/expected.toml`: what must be found on the project's own consoles.

use std::path::PathBuf;

use serde::Deserialize;
use swapmig_reports::trace::Report;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Table {
    pub(crate) console: Vec<Console>,
}

/// A console and the reports in it, in the order in which they begin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Console {
    pub(crate) file: PathBuf,
    pub(crate) reports: Vec<Expected>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expected {
    pub(crate) title: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// Absent: nobody is to blame.
    pub(crate) guilty: Option<String>,
    /// Why it cannot be trusted wholly; absent: it can.
    pub(crate) corrupted: Option<String>,
    #[serde(default)]
    pub(crate) panicked: bool,
    /// What is one crash by the source, if titles do not say it already.
    #[serde(default)]
    pub(crate) crash: Option<String>,
}

impl Expected {
    pub(crate) fn of(report: &Report, crash: Option<String>) -> Self {
        Self {
            title: report.title.clone(),
            kind: report.kind.name().to_owned(),
            guilty: report.guilty.as_ref().map(|g| g.function.clone()),
            corrupted: report.corrupted.map(|c| c.to_string()),
            panicked: report.panicked,
            crash,
        }
    }
}

impl Console {
    /// What the parser makes of it, in the form of what is expected.
    pub(crate) fn got(&self, reports: &[Report]) -> Vec<Expected> {
        let crashes = self.reports.iter().map(|report| report.crash.clone());
        reports
            .iter()
            .zip(crashes.chain(std::iter::repeat(None)))
            .map(|(report, crash)| Expected::of(report, crash))
            .collect()
    }
}
