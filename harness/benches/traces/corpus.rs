// SPDX-License-Identifier: GPL-2.0-or-later
//! How many foreign logs are recognised as the field's most mature tool recognises them.

#[path = "../../../reports/tests/corpus/score.rs"]
mod score;

use std::path::Path;

use score::{FOLDER, Scores};

use crate::figures::{Figures, Result};

/// Compares titles, types and corruption with the answers that the corpus has.
pub(crate) fn recognised(figures: &mut Figures) -> Result<()> {
    let scores = match std::env::var_os(FOLDER) {
        Some(folder) => Scores::of(Path::new(&folder))
            .map_err(|error| format!("{FOLDER} is {}: {error}", folder.display()))?,
        None => {
            println!("# set {FOLDER} to a folder of crash cases; without it these fall short");
            Scores::default()
        }
    };
    for (figure, score, target) in [
        ("corpus_title", &scores.title, 97.0),
        ("corpus_type", &scores.kind, 97.0),
        ("corpus_corrupted", &scores.corrupted, 95.0),
        ("corpus_silent", &scores.silent, 100.0),
    ] {
        println!("# {figure}: {} of {} cases", score.hit, score.of);
        figures.at_least(figure, score.percent(), "%", target);
    }
    println!(
        "# {} misses; the corpus test lists them",
        scores.misses.len()
    );
    Ok(())
}
