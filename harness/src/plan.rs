// SPDX-License-Identifier: GPL-2.0-or-later
//! Plans: which cells a run consists of, on what machine and within which limits.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use swapmig_reports::record::{CellId, Class};
use swapmig_workloads::params::{self, ParamError};
use swapmig_workloads::protocol::Workload;
use toml::Spanned;

/// The plan of `swapmig check`.
const CHECK: &str = include_str!("../../ci/plans/check.toml");

/// Retries that a plan may ask for.
const RETRIES_MAX: u32 = 10;

/// A parsed plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name, for reports.
    pub name: String,
    /// The machine that every cell gets.
    pub machine: Machine,
    /// Time limits.
    pub limits: Limits,
    /// How often a cell that ends in an ERROR is tried again.
    pub retries: u32,
    /// Every cell, in the order of the plan.
    pub cells: Vec<PlannedCell>,
    /// The text it was parsed from: a run keeps a copy.
    pub text: String,
}

/// A cell and what the plan says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCell {
    /// Kernel, workload and seed by name.
    pub id: CellId,
    /// The workload of [`Self::id`].
    pub workload: Workload,
    /// How often each class has to migrate.
    pub at_least: BTreeMap<Class, u64>,
    /// The workload's parameters that differ from its defaults.
    pub params: BTreeMap<String, u64>,
}

/// A guest's machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Machine {
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Size of the swap disk in MiB; the file is sparse.
    pub swap_mib: u32,
    /// I/O operations a second that the swap disk serves; 0 does not throttle it.
    pub swap_iops: u32,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            cpus: 2,
            memory_mib: 512,
            swap_mib: 512,
            swap_iops: 60,
        }
    }
}

/// Time limits in seconds of a guest that boots in one second; the runner
/// multiplies them by how slow the guest is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// From QEMU's start to the guest's readiness.
    pub boot: f64,
    /// From the workload's start to its end.
    pub workload: f64,
    /// Without a byte or an event from the guest.
    pub silence: f64,
    /// How long the console is still read after a finding or the workload's end.
    pub drain: f64,
    /// How much slower the guest is than one that boots in a second. Absent: assumed
    /// from the accelerator until the boot, measured by the boot from then on.
    pub slowness: Option<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            boot: 15.0,
            workload: 20.0,
            silence: 10.0,
            drain: 0.2,
            slowness: None,
        }
    }
}

/// What a plan's file says, before its cells are spelled out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    name: String,
    lines: Vec<Spanned<String>>,
    #[serde(default)]
    machine: Machine,
    #[serde(default)]
    limits: Limits,
    #[serde(default = "one_retry")]
    retries: u32,
    #[serde(default)]
    workload: BTreeMap<Workload, WorkloadFile>,
    cells: Vec<GroupFile>,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WorkloadFile {
    at_least: BTreeMap<Class, u64>,
    params: BTreeMap<String, Spanned<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    variants: Vec<Spanned<String>>,
    workloads: Vec<Workload>,
    #[serde(default = "first_seed")]
    seeds: Vec<u64>,
}

/// Once: an accident of the host rarely strikes twice, and what does is no accident.
fn one_retry() -> u32 {
    1
}

fn first_seed() -> Vec<u64> {
    vec![1]
}

/// Why a plan cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The file cannot be read.
    #[error(
        "The plan {path} cannot be read: {source}. Name a plan that exists, such as ci/plans/check.toml."
    )]
    Unreadable {
        /// The file.
        path: Utf8PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is not what a plan looks like.
    #[error("The plan {path} is malformed; correct this place:\n{message}")]
    Malformed {
        /// The file.
        path: Utf8PathBuf,
        /// What, where, and the line itself.
        message: String,
    },
    /// A name in it is not known.
    #[error(
        "The plan {path} names the {what} `{name}` at line {line}, column {column}, which does not exist. Choose from: {known}."
    )]
    Unknown {
        /// The file.
        path: Utf8PathBuf,
        /// What sort of name.
        what: &'static str,
        /// The name.
        name: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// The names that exist.
        known: String,
    },
    /// A parameter of a workload is wrong.
    #[error("The plan {path} is wrong at line {line}, column {column}: {source}.")]
    Param {
        /// The file.
        path: Utf8PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        source: ParamError,
    },
    /// It asks for something impossible.
    #[error("The plan {path} has {what}. {remedy}")]
    Impossible {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        what: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

/// Which kernel lines and variants exist.
pub trait Names {
    /// The kernel lines.
    fn lines(&self) -> Vec<String>;
    /// The variants of a line.
    fn variants(&self, line: &str) -> Vec<String>;
}

impl Plan {
    /// Reads a plan; `seeds`, where given, replaces the seeds of every cell by 1 to that number.
    pub fn load(path: &Utf8Path, names: &dyn Names, seeds: Option<u64>) -> Result<Self, PlanError> {
        let text = std::fs::read_to_string(path).map_err(|source| PlanError::Unreadable {
            path: path.into(),
            source,
        })?;
        Self::parse(path, text, names, seeds)
    }

    /// The plan of `swapmig check`, which is built in.
    pub fn check(names: &dyn Names, seeds: Option<u64>) -> Result<Self, PlanError> {
        Self::parse("ci/plans/check.toml".into(), CHECK.into(), names, seeds)
    }

    fn parse(
        path: &Utf8Path,
        text: String,
        names: &dyn Names,
        seeds: Option<u64>,
    ) -> Result<Self, PlanError> {
        let file: PlanFile = toml::from_str(&text).map_err(|e| PlanError::Malformed {
            path: path.into(),
            message: e.to_string(),
        })?;
        let impossible = |what: String, remedy| PlanError::Impossible {
            path: path.into(),
            what,
            remedy,
        };
        check_machine(&file.machine, impossible)?;
        check_limits(&file.limits, impossible)?;
        if file.retries > RETRIES_MAX {
            return Err(impossible(
                format!("{} retries", file.retries),
                "Give it at most 10: what fails that often is no accident.",
            ));
        }

        let params = checked_params(path, &text, &file.workload)?;
        let mut cells = Vec::new();
        let mut seen = BTreeSet::new();
        let known_lines = names.lines();
        for line in &file.lines {
            require_known(path, &text, "kernel line", line, &known_lines)?;
            let known_variants = names.variants(line.get_ref());
            for group in &file.cells {
                if group.variants.is_empty() || group.workloads.is_empty() || group.seeds.is_empty()
                {
                    return Err(impossible(
                        "a [[cells]] without a variant, a workload or a seed".into(),
                        "Fill its list, or leave it out.",
                    ));
                }
                let group_seeds = seeds.map_or_else(|| group.seeds.clone(), |n| (1..=n).collect());
                for variant in &group.variants {
                    require_known(path, &text, "variant", variant, &known_variants)?;
                    for &workload in &group.workloads {
                        let about = file.workload.get(&workload).cloned().unwrap_or_default();
                        for &seed in &group_seeds {
                            let id = CellId {
                                line: line.get_ref().clone(),
                                variant: variant.get_ref().clone(),
                                workload: workload.name().into(),
                                seed,
                            };
                            if !seen.insert(id.clone()) {
                                return Err(impossible(
                                    format!("the cell {id} twice"),
                                    "Leave one of the two out.",
                                ));
                            }
                            cells.push(PlannedCell {
                                id,
                                workload,
                                at_least: about.at_least.clone(),
                                params: params.get(&workload).cloned().unwrap_or_default(),
                            });
                        }
                    }
                }
            }
        }
        if cells.is_empty() {
            return Err(impossible(
                "no cell".into(),
                "Give it a line, a variant, a workload and a seed.",
            ));
        }
        Ok(Self {
            name: file.name,
            machine: file.machine,
            limits: file.limits,
            retries: file.retries,
            cells,
            text,
        })
    }
}

fn require_known(
    path: &Utf8Path,
    text: &str,
    what: &'static str,
    name: &Spanned<String>,
    known: &[String],
) -> Result<(), PlanError> {
    if known.contains(name.get_ref()) {
        return Ok(());
    }
    let (line, column) = place(text, name.span().start);
    Err(PlanError::Unknown {
        path: path.into(),
        what,
        name: name.get_ref().clone(),
        line,
        column,
        known: known.join(", "),
    })
}

type Params = BTreeMap<Workload, BTreeMap<String, u64>>;

fn checked_params(
    path: &Utf8Path,
    text: &str,
    workloads: &BTreeMap<Workload, WorkloadFile>,
) -> Result<Params, PlanError> {
    let mut all = Params::new();
    for (&workload, about) in workloads {
        for (name, value) in &about.params {
            params::check(workload, name, *value.get_ref()).map_err(|source| {
                let (line, column) = place(text, value.span().start);
                PlanError::Param {
                    path: path.into(),
                    line,
                    column,
                    source,
                }
            })?;
            all.entry(workload)
                .or_default()
                .insert(name.clone(), *value.get_ref());
        }
    }
    Ok(all)
}

/// Line and column of a byte of a text, each from 1.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    (line, column)
}

fn check_machine(
    machine: &Machine,
    impossible: impl Fn(String, &'static str) -> PlanError,
) -> Result<(), PlanError> {
    if !(1..=8).contains(&machine.cpus) {
        return Err(impossible(
            format!("a machine of {} CPUs", machine.cpus),
            "The guests' kernels are built for 1 to 8.",
        ));
    }
    if machine.memory_mib < 256 {
        return Err(impossible(
            format!("a machine of {} MiB of memory", machine.memory_mib),
            "A kernel with KASAN needs at least 256 MiB.",
        ));
    }
    if machine.swap_mib < 16 {
        return Err(impossible(
            format!("a swap disk of {} MiB", machine.swap_mib),
            "The workloads need at least 16 MiB.",
        ));
    }
    Ok(())
}

fn check_limits(
    limits: &Limits,
    impossible: impl Fn(String, &'static str) -> PlanError,
) -> Result<(), PlanError> {
    let named = [
        ("boot", limits.boot),
        ("workload", limits.workload),
        ("silence", limits.silence),
        ("drain", limits.drain),
        ("slowness", limits.slowness.unwrap_or(1.0)),
    ];
    for (name, value) in named {
        // A day is longer than any cell; it also keeps durations from overflowing.
        if !(value > 0.0 && value <= 86_400.0) {
            return Err(impossible(
                format!("{value} as its limit `{name}`"),
                "A limit is more than 0 and at most 86400 seconds.",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Names for Fixed {
        fn lines(&self) -> Vec<String> {
            vec!["6.12".into()]
        }
        fn variants(&self, _line: &str) -> Vec<String> {
            vec!["fixed".into(), "no-guard-anon".into()]
        }
    }

    fn parse(text: &str) -> Result<Plan, PlanError> {
        Plan::parse("plan.toml".into(), text.into(), &Fixed, None)
    }

    const GOOD: &str = r#"
name = "t"
lines = ["6.12"]
[workload.orphan]
at_least = { U4 = 10 }
[[cells]]
variants = ["fixed", "no-guard-anon"]
workloads = ["orphan"]
seeds = [1, 2]
"#;

    #[test]
    fn cells_are_spelled_out_in_the_order_of_the_plan() {
        let plan = parse(GOOD).unwrap();
        let names: Vec<_> = plan.cells.iter().map(|c| c.id.name()).collect();
        assert_eq!(
            names,
            [
                "6.12.fixed.orphan.1",
                "6.12.fixed.orphan.2",
                "6.12.no-guard-anon.orphan.1",
                "6.12.no-guard-anon.orphan.2"
            ]
        );
        assert_eq!(plan.cells[0].at_least[&Class::U4], 10);
    }

    #[test]
    fn a_number_of_seeds_replaces_those_of_the_plan() {
        let plan = Plan::parse("p".into(), GOOD.into(), &Fixed, Some(3)).unwrap();
        assert_eq!(plan.cells.len(), 6);
    }

    #[test]
    fn a_wrong_key_is_pointed_at_by_line_and_column() {
        let error = parse(&GOOD.replace("seeds", "seed"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 9, column 1"), "{error}");
        assert!(error.contains("seed"), "{error}");
    }

    #[test]
    fn a_wrong_type_is_pointed_at_by_line_and_column() {
        let error = parse(&GOOD.replace("U4 = 10", "U4 = \"ten\""))
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 5, column"), "{error}");
    }

    #[test]
    fn an_unknown_variant_is_pointed_at_and_the_known_ones_are_named() {
        let error = parse(&GOOD.replace("no-guard-anon", "no-gard"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 7, column 22"), "{error}");
        assert!(error.contains("fixed, no-guard-anon"), "{error}");
    }

    #[test]
    fn an_unknown_workload_is_malformed() {
        let error = parse(&GOOD.replace("[\"orphan\"]", "[\"orfan\"]")).unwrap_err();
        assert!(matches!(error, PlanError::Malformed { .. }), "{error}");
    }

    #[test]
    fn a_cell_given_twice_is_refused() {
        let error = parse(&GOOD.replace("[1, 2]", "[1, 1]"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("6.12.fixed.orphan.1 twice"), "{error}");
    }

    #[test]
    fn a_parameter_that_a_workload_does_not_have_is_pointed_at() {
        for (params, wanted) in [
            ("{ ronds = 3 }", "no parameter `ronds`"),
            ("{ rounds = 0 }", "from 1 to 64"),
        ] {
            let text = GOOD.replace("[[cells]]", &format!("params = {params}\n[[cells]]"));
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains("line 6, column 2"), "{error}");
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn a_group_of_no_cells_is_not_dropped_in_silence() {
        let error = parse(&GOOD.replace("[1, 2]", "[]")).unwrap_err();
        assert!(matches!(error, PlanError::Impossible { .. }), "{error}");
    }

    #[test]
    fn limits_that_are_not_times_are_refused() {
        for bad in ["0", "-1", "nan", "1e30"] {
            let text = format!("{GOOD}\n[limits]\nboot = {bad}\n");
            assert!(parse(&text).is_err(), "{bad}");
        }
    }
}
