// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of probes: what `images/probes.toml` says, checked.

use std::collections::BTreeSet;
use std::fmt;

use camino::Utf8Path;
use serde::Deserialize;
use swapmig_reports::record::Class;

use super::Error;

/// A checked table of probes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    probes: Vec<ProbeSpec>,
}

/// One probe of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RawProbe")]
pub struct ProbeSpec {
    /// Name of the event, unique in the table.
    pub name: EventName,
    /// Kernel function at whose entry it sits.
    pub function: String,
    /// Argument that holds the folio under migration.
    pub folio: Arg,
    /// What a hit counts as; a probe without it only serves others.
    pub counts: Option<(Class, Stage)>,
    /// Whether the folio is in the swap cache.
    pub swapcache: bool,
    /// What the folio is mapped as.
    pub mapping: Mapping,
    /// Whether the folio has more than one page; unasked when absent.
    pub large: Option<bool>,
    /// Whether a folio of one page is mapped; unasked when absent.
    pub mapped: Option<bool>,
    /// Argument with a second folio that must be outside the swap cache.
    pub left_swapcache: Option<Arg>,
    /// Probes whose hits are subtracted from this one's.
    pub minus: Vec<EventName>,
}

/// A kprobe event's name: `[a-z0-9_]+`, at most 32 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct EventName(String);

/// A function's argument, from 1 to 6: those that registers carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Arg(u8);

/// Which part of a migration a hit belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Migration began.
    Attempted,
    /// The folio was replaced.
    Moved,
}

/// What a folio's `mapping` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// NULL.
    None,
    /// An anon_vma in the given state; unasked when absent.
    Anon(Option<AnonVma>),
    /// A KSM stable node.
    Ksm,
}

/// Whether an anon_vma is still one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnonVma {
    /// Its reference count is positive.
    Live,
    /// Its reference count is zero, or its memory was poisoned.
    Freed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    #[serde(default, rename = "probe")]
    probes: Vec<ProbeSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProbe {
    name: EventName,
    function: String,
    folio: Arg,
    class: Option<Class>,
    stage: Option<Stage>,
    swapcache: bool,
    mapping: RawMapping,
    anon_vma: Option<AnonVma>,
    large: Option<bool>,
    mapped: Option<bool>,
    left_swapcache: Option<Arg>,
    #[serde(default)]
    minus: Vec<EventName>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawMapping {
    None,
    Anon,
    Ksm,
}

impl Table {
    /// Reads a table.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Toml`] with line and column, [`Error::Table`].
    pub fn load(path: &Utf8Path) -> Result<Self, Error> {
        let text = fs_err(path, std::fs::read_to_string(path))?;
        Self::parse(path, &text)
    }

    /// Parses a table's text; `path` names it in errors.
    ///
    /// # Errors
    /// [`Error::Toml`] with line and column, [`Error::Table`].
    pub fn parse(path: &Utf8Path, text: &str) -> Result<Self, Error> {
        let raw: RawTable = toml::from_str(text).map_err(|source| Error::Toml {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let wrong = |probe: &ProbeSpec, problem: String| Error::Table {
            path: path.to_owned(),
            probe: probe.name.to_string(),
            problem,
        };
        let mut names = BTreeSet::new();
        for probe in &raw.probes {
            if !names.insert(&probe.name) {
                return Err(wrong(
                    probe,
                    "another probe has the same name; give each its own".into(),
                ));
            }
        }
        for probe in &raw.probes {
            for minuend in &probe.minus {
                if *minuend == probe.name || !names.contains(minuend) {
                    return Err(wrong(
                        probe,
                        format!("minus names {minuend:?}, which is no other probe of this table"),
                    ));
                }
            }
        }
        // Attempts without a way to see success would look like a refusal to migrate.
        let sees_moves = |class| {
            raw.probes
                .iter()
                .any(|p| p.counts == Some((class, Stage::Moved)))
        };
        for probe in &raw.probes {
            if let Some((class, Stage::Attempted)) = probe.counts
                && !sees_moves(class)
            {
                return Err(wrong(
                    probe,
                    format!("no probe counts {class} at stage \"moved\"; add one"),
                ));
            }
        }
        Ok(Self { probes: raw.probes })
    }

    /// The probes, in the order of the table.
    pub fn probes(&self) -> &[ProbeSpec] {
        &self.probes
    }
}

fn fs_err<T>(path: &Utf8Path, result: std::io::Result<T>) -> Result<T, Error> {
    result.map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

impl TryFrom<RawProbe> for ProbeSpec {
    type Error = String;

    fn try_from(raw: RawProbe) -> Result<Self, String> {
        let identifier = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if raw.function.is_empty() || !raw.function.chars().all(identifier) {
            return Err(format!("function {:?} is not a C identifier", raw.function));
        }
        let counts = match (raw.class, raw.stage) {
            (Some(class), Some(stage)) => Some((class, stage)),
            (None, None) => None,
            _ => return Err("class and stage belong together; give both or neither".into()),
        };
        let mapping = match (raw.mapping, raw.anon_vma) {
            (RawMapping::Anon, state) => Mapping::Anon(state),
            (_, Some(_)) => return Err("anon_vma needs mapping = \"anon\"".into()),
            (RawMapping::None, None) => Mapping::None,
            (RawMapping::Ksm, None) => Mapping::Ksm,
        };
        if raw.mapped.is_some() && raw.large != Some(false) {
            return Err(
                "mapped needs large = false: a large folio counts its mappings elsewhere".into(),
            );
        }
        Ok(Self {
            name: raw.name,
            function: raw.function,
            folio: raw.folio,
            counts,
            swapcache: raw.swapcache,
            mapping,
            large: raw.large,
            mapped: raw.mapped,
            left_swapcache: raw.left_swapcache,
            minus: raw.minus,
        })
    }
}

impl EventName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if (1..=32).contains(&name.len()) && name.chars().all(allowed) {
            Ok(Self(name))
        } else {
            Err(format!(
                "{name:?} is no event name: use 1 to 32 of a-z, 0-9 and _"
            ))
        }
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Arg {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix("$arg").and_then(|n| n.parse().ok()) {
            Some(n @ 1..=6) => Ok(Self(n)),
            _ => Err(format!("{text:?} is no argument: use $arg1 to $arg6")),
        }
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "$arg{}", self.0)
    }
}
