// SPDX-License-Identifier: GPL-2.0-or-later
//! The published form of a report and of an input: `docs/triage.schema.json` is made from it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::frames::{self, TriageStack};
use crate::symbolize::{DebugInfo, Error, Expanded, Proof, Symbolizer, expand};
use crate::trace::{Access, Direction, Kind, Report};

/// What one input holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "swapmig triage")]
pub struct Triage<Reports = Vec<Crash>, Error = Option<String>> {
    /// The file as it was named; `-` is standard input.
    pub input: String,
    /// Its crash reports, in the order in which they began.
    pub reports: Reports,
    /// Why the input could not be read to its end; null when it was.
    pub error: Error,
}

/// One crash report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Crash {
    /// Normalised title, such as `KASAN: slab-use-after-free Read in rmap_walk_anon`.
    pub title: String,
    /// Further titles that the same crash may be known by.
    pub alt_titles: Vec<String>,
    /// The same for every report of one crash, from another boot or another build as well.
    pub key: String,
    /// Class of the crash.
    #[serde(rename = "type", serialize_with = "kind_name")]
    #[schemars(rename = "type", schema_with = "kind_names")]
    pub kind: Kind,
    /// True when the report cannot be trusted wholly.
    pub corrupted: bool,
    /// Why it cannot; null when it can.
    pub corrupted_reason: Option<String>,
    /// True when the kernel panicked during or after it.
    pub panicked: bool,
    /// Offset in bytes of the report's first line in the input.
    pub start: u64,
    /// Offset in bytes of the end of its last line.
    pub end: u64,
    /// Name of the task that it struck, as printed.
    pub task: Option<String>,
    /// Process id of that task.
    pub pid: Option<u32>,
    /// CPU that it struck on.
    pub cpu: Option<u32>,
    /// Taint flags as printed; empty when the kernel was not tainted, null when it did not say.
    pub taint: Option<String>,
    /// `uname -r` of the kernel.
    pub release: Option<String>,
    /// The forbidden access to memory.
    pub access: Option<AccessRecord>,
    /// Whom to blame; null when no frame is left to blame.
    pub guilty: Option<GuiltyRecord>,
    /// What to know of the lines that a vmlinux gave: why there are none, or may be wrong ones;
    /// null where there is nothing to.
    pub source_note: Option<String>,
    /// Stacks in the order of printing.
    pub stacks: Vec<TriageStack>,
    /// Registers of the crash, in the order of printing.
    pub registers: Vec<RegisterRecord>,
    /// Locks held, a line each.
    pub locks: Vec<String>,
    /// The report's lines without their prefixes, bounded.
    pub text: String,
}

/// A forbidden access to memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AccessRecord {
    /// What the access did.
    #[serde(serialize_with = "direction_name")]
    #[schemars(schema_with = "direction_names")]
    pub direction: Direction,
    /// How many bytes.
    pub size: Option<u64>,
    /// Where, in hexadecimal, such as `0xffff888005c01040`.
    pub address: Option<String>,
}

/// Whom to blame for a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GuiltyRecord {
    /// The function, without offset and compiler suffixes.
    pub function: String,
    /// Its source file relative to the kernel tree, where the log or a vmlinux tells it.
    pub file: Option<String>,
}

/// A register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RegisterRecord {
    /// Name as printed, such as `RAX` or `x0`.
    pub name: String,
    /// Its value in hexadecimal, such as `0xdead000000000100`.
    pub value: String,
}

impl Crash {
    /// The published form of a report, with source lines where a vmlinux is at hand.
    ///
    /// # Errors
    /// When the vmlinux is not the report's kernel.
    pub fn of(report: Report, symbolizer: Option<&Symbolizer>) -> Result<Self, Error> {
        let (expanded, source_note) = match symbolizer {
            Some(symbolizer) => {
                let expanded = expand(&report, symbolizer)?;
                let note = source_note(symbolizer, &expanded);
                (Some(expanded), note)
            }
            None => (None, None),
        };
        let stacks = frames::stacks(&report, expanded);
        let key = report.key().to_string();
        let guilty = report.guilty.map(|guilty| GuiltyRecord {
            file: guilty.file.or_else(|| frames::guilty_file(&stacks)),
            function: guilty.function,
        });
        let details = report.details;
        Ok(Self {
            title: report.title,
            alt_titles: report.alt_titles,
            key,
            kind: report.kind,
            corrupted: report.corrupted.is_some(),
            corrupted_reason: report.corrupted.map(|why| why.to_string()),
            panicked: report.panicked,
            start: report.span.start,
            end: report.span.end,
            task: details.task,
            pid: details.pid,
            cpu: details.cpu,
            taint: details.taint,
            release: details.release,
            access: details.access.map(AccessRecord::of),
            guilty,
            source_note,
            stacks,
            registers: details
                .registers
                .into_iter()
                .map(|register| RegisterRecord {
                    name: register.name,
                    value: hex(register.value),
                })
                .collect(),
            locks: details.locks,
            text: report.text,
        })
    }
}

/// What the reader of lines has to know, the weightiest first.
fn source_note(symbolizer: &Symbolizer, expanded: &Expanded) -> Option<String> {
    if symbolizer.debug_info() == DebugInfo::Absent {
        Some(DebugInfo::Absent.to_string())
    } else if expanded.agreement.is_doubtful() {
        Some(expanded.agreement.to_string())
    } else if expanded.proof == Proof::Nothing {
        Some("the log does not say which kernel printed it: lines are right if the vmlinux is that kernel's".to_owned())
    } else {
        None
    }
}

impl AccessRecord {
    fn of(access: Access) -> Self {
        Self {
            direction: access.direction,
            size: access.size,
            address: access.address.map(hex),
        }
    }
}

/// Many programs read JSON's numbers as doubles, which cannot hold an address.
fn hex(value: u64) -> String {
    format!("{value:#018x}")
}

/// The word for a direction.
pub(super) fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Read => "read",
        Direction::Write => "write",
        Direction::Execute => "execute",
        Direction::Unknown => "unknown",
    }
}

fn direction_name<S: Serializer>(direction: &Direction, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(direction_word(*direction))
}

fn direction_names(_: &mut SchemaGenerator) -> Schema {
    let words = [
        Direction::Read,
        Direction::Write,
        Direction::Execute,
        Direction::Unknown,
    ]
    .map(direction_word);
    json_schema!({ "type": "string", "enum": words })
}

fn kind_name<S: Serializer>(kind: &Kind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(kind.name())
}

fn kind_names(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    json_schema!({ "type": "string", "enum": names })
}
