// SPDX-License-Identifier: GPL-2.0-or-later
//! A variant of a kernel line: a patch, where it comes from, what is expected of it.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use regex::Regex;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use swapmig_reports::record::{Class, Expected};
use swapmig_workloads::protocol::Workload;

use super::parse::parse_toml;
use super::{CatalogueError, Name};

/// A variant of a kernel line.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Its name, such as `no-guard-anon`.
    pub name: Name,
    /// The patch over the pristine tree; none is the tree as it stands.
    pub patch: Option<Utf8PathBuf>,
    /// Who said so in the thread, and when.
    pub origin: String,
    /// What it does, a sentence.
    pub summary: String,
    /// Page classes that it concerns.
    pub classes: Vec<Class>,
    expect: BTreeMap<Workload, Expectation>,
}

impl Variant {
    /// What is expected under a workload; a workload that the table does not name is to be clean.
    pub fn expectation(&self, workload: Workload) -> &Expectation {
        self.expect.get(&workload).unwrap_or(&Expectation::Clean)
    }
}

/// What a variant is expected to do under a workload.
#[derive(Debug, Clone)]
pub enum Expectation {
    /// To pass.
    Clean,
    /// To fail with a finding whose title one of these matches.
    Titles(Vec<TitlePattern>),
    /// To fail by refusing to migrate these classes.
    Refused(Vec<Class>),
}

impl Expectation {
    /// The form that results keep.
    pub fn to_record(&self) -> Expected {
        match self {
            Self::Clean => Expected::Clean,
            Self::Titles(patterns) => Expected::Titles {
                titles: patterns.iter().map(|p| p.as_str().to_owned()).collect(),
            },
            Self::Refused(classes) => Expected::Refused {
                classes: classes.clone(),
            },
        }
    }
}

/// A regular expression over a whole title.
#[derive(Debug, Clone)]
pub struct TitlePattern(String);

impl TitlePattern {
    /// Check that `text` is one.
    pub fn parse(text: &str) -> Result<Self, regex::Error> {
        title_regex(text).map(|_| Self(text.to_owned()))
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Compile a title pattern, to match titles from their first to their last character.
pub fn title_regex(pattern: &str) -> Result<Regex, regex::Error> {
    // Compiled alone first, so that the error shows what was written and `a)(b` is no way round the group.
    Regex::new(pattern)?;
    Regex::new(&format!("^(?:{pattern})$"))
}

impl<'de> Deserialize<'de> for TitlePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// `variants.toml` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VariantTable {
    variant: Vec<RawVariant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawVariant {
    name: Name,
    patch: Option<Name>,
    origin: String,
    summary: String,
    classes: Vec<Class>,
    #[serde(default)]
    expect: BTreeMap<Workload, RawExpectation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawExpectation {
    Titles(NonEmpty<TitlePattern>),
    Refused(NonEmpty<Class>),
}

/// A list that says something: an empty one would be an expectation that nothing can meet.
struct NonEmpty<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NonEmpty<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let items = Vec::deserialize(deserializer)?;
        if items.is_empty() {
            return Err(D::Error::custom(
                "the list is empty: name at least one, or leave the workload out",
            ));
        }
        Ok(Self(items))
    }
}

impl VariantTable {
    /// The variants, with patches relative to `dir`; `path` is the table's own, for messages.
    pub(super) fn into_variants(
        self,
        dir: &Utf8Path,
        path: &Utf8Path,
    ) -> Result<Vec<Variant>, CatalogueError> {
        let mut names = BTreeSet::new();
        self.variant
            .into_iter()
            .map(|raw| {
                if !names.insert(raw.name.clone()) {
                    return Err(CatalogueError::TwiceTheName {
                        path: path.to_owned(),
                        name: raw.name.to_string(),
                    });
                }
                let expect = raw
                    .expect
                    .into_iter()
                    .map(|(workload, e)| (workload, e.into()))
                    .collect();
                Ok(Variant {
                    name: raw.name,
                    patch: raw.patch.map(|patch| dir.join(patch.as_str())),
                    origin: raw.origin,
                    summary: raw.summary,
                    classes: raw.classes,
                    expect,
                })
            })
            .collect()
    }
}

impl From<RawExpectation> for Expectation {
    fn from(raw: RawExpectation) -> Self {
        match raw {
            RawExpectation::Titles(NonEmpty(patterns)) => Self::Titles(patterns),
            RawExpectation::Refused(NonEmpty(classes)) => Self::Refused(classes),
        }
    }
}

impl Variant {
    /// Parse the text of `path`, a `variants.toml`; patches stand beside it.
    pub fn parse_table(path: &Utf8Path, text: &str) -> Result<Vec<Self>, CatalogueError> {
        let table: VariantTable = parse_toml(path, text)?;
        table.into_variants(path.parent().unwrap_or(Utf8Path::new("")), path)
    }
}
