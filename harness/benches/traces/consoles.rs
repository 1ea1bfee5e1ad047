// SPDX-License-Identifier: GPL-2.0-or-later
//! How many consoles of the project's own guests are read as they should be.

#[path = "../../../reports/tests/own_consoles/expected.rs"]
mod expected;

use std::path::Path;

use expected::Table;
use swapmig_reports::trace::parse;

use crate::figures::{Figures, Result};

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
        if console.got(&reports) == console.reports {
            right += 1;
        } else {
            println!("# {} is not read as expected", console.file.display());
        }
    }
    let share = f64::from(right) * 100.0 / table.console.len() as f64;
    figures.at_least("own_consoles", share, "%", 100.0);
    Ok(())
}
