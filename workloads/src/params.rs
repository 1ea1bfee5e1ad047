// SPDX-License-Identifier: GPL-2.0-or-later
//! A workload's parameters: named numbers with defaults and limits.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What is wrong with a job's parameters.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ParamError {
    #[error("parameter {name} is {value}; give a number from {least} to {most}")]
    OutOfRange {
        name: &'static str,
        value: u64,
        least: u64,
        most: u64,
    },
    #[error("the workload has no parameter {name}; it has {known}")]
    Unknown { name: String, known: String },
}

/// Reads parameters by name and remembers which ones there are.
pub(crate) struct Reader<'a> {
    given: &'a BTreeMap<String, u64>,
    in_force: BTreeMap<String, u64>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(given: &'a BTreeMap<String, u64>) -> Self {
        Self {
            given,
            in_force: BTreeMap::new(),
        }
    }

    /// The parameter's value, or its default.
    pub(crate) fn read(
        &mut self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<u64, ParamError> {
        let value = self.given.get(name).copied().unwrap_or(default);
        if !range.contains(&value) {
            return Err(ParamError::OutOfRange {
                name,
                value,
                least: *range.start(),
                most: *range.end(),
            });
        }
        self.in_force.insert(name.to_owned(), value);
        Ok(value)
    }

    /// The parameters in force; refuses a given one that nobody read.
    pub(crate) fn finish(self) -> Result<BTreeMap<String, u64>, ParamError> {
        match self
            .given
            .keys()
            .find(|name| !self.in_force.contains_key(*name))
        {
            None => Ok(self.in_force),
            Some(name) => Err(ParamError::Unknown {
                name: name.clone(),
                known: self.in_force.into_keys().collect::<Vec<_>>().join(", "),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_force_and_reported() {
        let given = BTreeMap::from([("pages".to_owned(), 7)]);
        let mut reader = Reader::new(&given);
        assert_eq!(reader.read("pages", 1, 1..=9), Ok(7));
        assert_eq!(reader.read("rounds", 4, 1..=9), Ok(4));
        let in_force = BTreeMap::from([("pages".to_owned(), 7), ("rounds".to_owned(), 4)]);
        assert_eq!(reader.finish(), Ok(in_force));
    }

    #[test]
    fn a_value_out_of_range_and_an_unknown_name_are_refused() {
        let given = BTreeMap::from([("pages".to_owned(), 70)]);
        let mut reader = Reader::new(&given);
        let error = ParamError::OutOfRange {
            name: "pages",
            value: 70,
            least: 1,
            most: 9,
        };
        assert_eq!(reader.read("pages", 1, 1..=9), Err(error));
        assert!(matches!(reader.finish(), Err(ParamError::Unknown { .. })));
    }
}
