// SPDX-License-Identifier: GPL-2.0-or-later
//! The workloads' parameters: named numbers with defaults and limits. A plan is
//! held against this table before anything is built, a job once more by the guest.

use std::collections::BTreeMap;

use crate::protocol::Workload;

/// A parameter of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// How plans and jobs call it.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// What it is when nobody says.
    pub default: u64,
    /// The least it may be.
    pub least: u64,
    /// The most it may be.
    pub most: u64,
}

/// What is wrong with a parameter.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParamError {
    /// It is too small or too large.
    #[error("the parameter {name} is {value}; give a number from {least} to {most}")]
    OutOfRange {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: u64,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// The workload does not have it.
    #[error("the workload {workload} has no parameter `{name}`; it has {known}")]
    Unknown {
        /// The workload.
        workload: Workload,
        /// What was given.
        name: String,
        /// The names that there are.
        known: String,
    },
}

const fn param(
    name: &'static str,
    what: &'static str,
    default: u64,
    least: u64,
    most: u64,
) -> Param {
    Param {
        name,
        what,
        default,
        least,
        most,
    }
}

const WORKERS: Param = param(
    "workers",
    "processes, each with an area of its own",
    2,
    1,
    64,
);
const PAGES: Param = param("pages", "pages of a worker's area", 1152, 1, 65_536);
const KEEP: Param = param(
    "keep_mib",
    "free memory that is left to all but the workload, in MiB",
    12,
    1,
    65_536,
);
const BATCH: &str = "pages of one page-out request";
const ROUNDS: &str = "how often it is done";

const ORPHAN: &[Param] = &[
    WORKERS,
    PAGES,
    KEEP,
    param("batch", BATCH, 64, 1, 65_536),
    // The workers of all rounds are started at the beginning.
    param("rounds", ROUNDS, 2, 1, 64),
    param(
        "vma_pages",
        "most pages of a VMA, and so of an anon_vma",
        8,
        1,
        4096,
    ),
];

const REREAD: &[Param] = &[
    WORKERS,
    PAGES,
    KEEP,
    param("batch", BATCH, 128, 1, 65_536),
    param("rounds", ROUNDS, 2, 1, 100_000),
    param("vma_pages", "most pages of a VMA", 16, 1, 4096),
    param(
        "swap_in_pages",
        "pages of each worker that are swapped in again after the last compaction, one disk request each",
        32,
        0,
        65_536,
    ),
];

const TMPFS: &[Param] = &[
    WORKERS,
    PAGES,
    KEEP,
    param("batch", BATCH, 64, 1, 65_536),
    param("rounds", ROUNDS, 3, 1, 100_000),
];

/// The parameters of a workload.
pub fn of(workload: Workload) -> &'static [Param] {
    match workload {
        Workload::Orphan => ORPHAN,
        Workload::Reread => REREAD,
        Workload::Tmpfs => TMPFS,
    }
}

/// Holds a parameter against the table.
pub fn check(workload: Workload, name: &str, value: u64) -> Result<(), ParamError> {
    let Some(param) = of(workload).iter().find(|param| param.name == name) else {
        let known: Vec<_> = of(workload).iter().map(|param| param.name).collect();
        return Err(ParamError::Unknown {
            workload,
            name: name.to_owned(),
            known: known.join(", "),
        });
    };
    if (param.least..=param.most).contains(&value) {
        Ok(())
    } else {
        Err(ParamError::OutOfRange {
            name: param.name,
            value,
            least: param.least,
            most: param.most,
        })
    }
}

/// Every parameter of a workload with its value: the given one, or its default.
pub fn in_force(
    workload: Workload,
    given: &BTreeMap<String, u64>,
) -> Result<BTreeMap<&'static str, u64>, ParamError> {
    for (name, &value) in given {
        check(workload, name, value)?;
    }
    Ok(of(workload)
        .iter()
        .map(|param| {
            let value = given.get(param.name).copied().unwrap_or(param.default);
            (param.name, value)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_in_force_and_the_rest_by_default() {
        let given = BTreeMap::from([("pages".to_owned(), 7)]);
        let values = in_force(Workload::Tmpfs, &given).expect("they are in range");
        assert_eq!(values["pages"], 7);
        assert_eq!(values["rounds"], 3);
        assert_eq!(values.len(), TMPFS.len());
    }

    #[test]
    fn a_value_out_of_range_and_an_unknown_name_are_refused() {
        let error = ParamError::OutOfRange {
            name: "pages",
            value: 0,
            least: 1,
            most: 65_536,
        };
        assert_eq!(check(Workload::Orphan, "pages", 0), Err(error));
        let unknown = check(Workload::Tmpfs, "vma_pages", 1);
        assert!(matches!(unknown, Err(ParamError::Unknown { .. })));
    }

    #[test]
    fn defaults_are_within_their_limits() {
        for workload in Workload::ALL {
            for param in of(workload) {
                assert_eq!(check(workload, param.name, param.default), Ok(()));
            }
        }
    }
}
