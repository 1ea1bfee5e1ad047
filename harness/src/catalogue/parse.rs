// SPDX-License-Identifier: GPL-2.0-or-later
//! From TOML to types, with errors that point at the place.

use std::{fmt, fs, io};

use camino::{Utf8Path, Utf8PathBuf};
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize};

/// What can be wrong with `images/`.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// There is no `images/` to be found.
    #[error(
        "cannot find the directory `images` of the project (looked from {}); set SWAPMIG_IMAGES to its path",
        looked.iter().map(|p| p.as_str()).collect::<Vec<_>>().join(" and ")
    )]
    NoImages {
        /// Where the search began.
        looked: Vec<Utf8PathBuf>,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not say what it must.
    #[error("{path}:{line}:{column}: {message}\n{snippet}")]
    Syntax {
        /// The file.
        path: Utf8PathBuf,
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong.
        message: String,
        /// The line with the place marked.
        snippet: String,
    },
    /// No such kernel line.
    #[error("there is no kernel line `{name}`; known are: {}", known.join(", "))]
    UnknownLine {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No such variant.
    #[error("kernel line {line} has no variant `{name}`; known are: {}", known.join(", "))]
    UnknownVariant {
        /// The line.
        line: String,
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Two variants have one name.
    #[error("{path} has two variants called `{name}`; rename one")]
    TwiceTheName {
        /// The file.
        path: Utf8PathBuf,
        /// The name.
        name: String,
    },
    /// A line's file and its name differ.
    #[error("{path} calls its line `{name}`; a line is called as its file is")]
    OtherName {
        /// The file.
        path: Utf8PathBuf,
        /// The name in it.
        name: String,
    },
}

/// A name that is safe as a file name: letters, digits, `.`, `_`, `+` and `-`, at most 64, the
/// first one a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// The name, or a sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let first = text
            .chars()
            .next()
            .is_some_and(|c| c.is_ascii_alphanumeric());
        let rest = text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c));
        if first && rest && text.len() <= 64 {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{}` is no name: use at most 64 letters, digits, `.`, `_`, `+` and `-`, a letter or digit first",
                text.escape_default()
            ))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Read and parse a TOML file.
pub(super) fn read_toml<T: DeserializeOwned>(path: &Utf8Path) -> Result<T, CatalogueError> {
    let text = fs::read_to_string(path).map_err(|source| CatalogueError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse_toml(path, &text)
}

/// Parse TOML that came from `path`.
pub(super) fn parse_toml<T: DeserializeOwned>(
    path: &Utf8Path,
    text: &str,
) -> Result<T, CatalogueError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let before = text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        let shown = text.lines().nth(line - 1).unwrap_or_default();
        let snippet = format!("{line:>5} | {shown}\n      | {:>column$}", "^");
        CatalogueError::Syntax {
            path: path.to_owned(),
            line,
            column,
            message: error.message().to_owned(),
            snippet,
        }
    })
}
