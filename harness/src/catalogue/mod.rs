// SPDX-License-Identifier: GPL-2.0-or-later
//! What `images/` says: kernel lines, their variants, and where the files are.

mod images;
mod line;
mod parse;
mod variant;

pub use images::Images;
pub use line::{Line, Source, Steps};
pub use parse::{CatalogueError, Name};
pub use variant::{Expectation, TitlePattern, Variant, title_regex};

#[cfg(test)]
mod tests;
