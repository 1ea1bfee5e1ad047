// SPDX-License-Identifier: GPL-2.0-or-later
//! How many consoles of the project's own guests are read as they should be.

use std::path::Path;

use serde::Deserialize;
use swapmig_reports::trace::{Report, parse};

use crate::figures::{Figures, Result};

/// `expected.toml` beside the consoles.
#[derive(Deserialize)]
struct Table {
    console: Vec<Console>,
}

/// A console and the reports in it, in order.
#[derive(Deserialize)]
struct Console {
    file: String,
    reports: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    title: String,
    #[serde(rename = "type")]
    kind: String,
    guilty: Option<String>,
    corrupted: Option<String>,
    #[serde(default)]
    panicked: bool,
}

impl Expected {
    fn is(&self, report: &Report) -> bool {
        let guilty = report.guilty.as_ref().map(|guilty| &guilty.function);
        report.title == self.title
            && report.kind.name() == self.kind
            && guilty == self.guilty.as_ref()
            && report.corrupted.map(|why| why.to_string()) == self.corrupted
            && report.panicked == self.panicked
    }
}

/// Every report of a console must be as expected, and there must be no other.
pub(crate) fn recognised(figures: &mut Figures) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/tests/consoles");
    let expected = folder.join("expected.toml");
    let text = std::fs::read_to_string(&expected)
        .map_err(|error| format!("{}: {error}", expected.display()))?;
    let table: Table = toml::from_str(&text)?;
    let mut right = 0_u32;
    for console in &table.console {
        let reports = parse(&std::fs::read(folder.join(&console.file))?);
        let expected = &console.reports;
        let all =
            reports.len() == expected.len() && expected.iter().zip(&reports).all(|(e, r)| e.is(r));
        if all {
            right += 1;
        } else {
            println!("# {} is not read as expected", console.file);
        }
    }
    let share = f64::from(right) * 100.0 / table.console.len() as f64;
    figures.at_least("own_consoles", share, "%", 100.0);
    Ok(())
}
