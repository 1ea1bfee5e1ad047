// SPDX-License-Identifier: GPL-2.0-or-later
//! How deep functions are inlined into one another.
//!
//! addr2line reads an inlined function within the call that reads the outer one. A file made to
//! nest them without end would end the program's stack; here units are looked over before.

use std::cell::OnceCell;
use std::sync::Arc;

use gimli::{AttributeValue, Dwarf, Range, Unit, UnitHeader};

use super::sections::Slice;

/// Functions inlined into one another at most; kernels come to about 30.
const DEPTH_MAX: usize = 500;

/// The units of a file, each looked over when an address in it is asked for.
pub(super) struct Nesting<'a> {
    dwarf: Arc<Dwarf<Slice<'a>>>,
    units: Vec<CheckedUnit<'a>>,
    /// Which unit covers a range, by its index.
    ranges: Vec<(Range, usize)>,
    /// Units that do not say what they cover.
    anywhere: Vec<usize>,
}

struct CheckedUnit<'a> {
    header: UnitHeader<Slice<'a>>,
    is_safe: OnceCell<bool>,
}

impl<'a> Nesting<'a> {
    pub(super) fn of(dwarf: Arc<Dwarf<Slice<'a>>>) -> Result<Self, gimli::Error> {
        let mut nesting = Self {
            dwarf: Arc::clone(&dwarf),
            units: Vec::new(),
            ranges: Vec::new(),
            anywhere: Vec::new(),
        };
        let mut headers = dwarf.units();
        while let Some(header) = headers.next()? {
            let index = nesting.units.len();
            let before = nesting.ranges.len();
            nesting.units.push(CheckedUnit {
                header,
                is_safe: OnceCell::new(),
            });
            let unit = dwarf.unit(header);
            let covered = unit.and_then(|unit| covered(&dwarf, &unit));
            let covered = covered.unwrap_or_default().into_iter();
            let covered = covered.filter(|range| range.begin < range.end);
            nesting.ranges.extend(covered.map(|range| (range, index)));
            if nesting.ranges.len() == before {
                nesting.anywhere.push(index);
            }
        }
        Ok(nesting)
    }

    /// The functions at an address can be read.
    pub(super) fn is_safe(&self, address: u64) -> bool {
        self.ranges
            .iter()
            .filter(|(range, _)| (range.begin..range.end).contains(&address))
            .map(|(_, index)| index)
            .chain(&self.anywhere)
            .all(|&index| {
                let CheckedUnit { header, is_safe } = &self.units[index];
                // A unit that cannot be read is passed over by addr2line too.
                *is_safe.get_or_init(|| match self.dwarf.unit(*header) {
                    Ok(unit) => is_flat(&unit),
                    Err(_) => true,
                })
            })
    }
}

/// What a unit says that it covers, read as addr2line reads it.
fn covered<'a>(
    dwarf: &Dwarf<Slice<'a>>,
    unit: &Unit<Slice<'a>>,
) -> Result<Vec<Range>, gimli::Error> {
    let mut entries = unit.entries_raw(None)?;
    let Some(root) = entries.read_abbreviation()? else {
        return Ok(Vec::new());
    };
    let (mut begin, mut end, mut size, mut list) = (None, None, None, None);
    for attribute in root.attributes() {
        let attribute = entries.read_attribute(*attribute)?;
        match (attribute.name(), attribute.value()) {
            (gimli::DW_AT_ranges, value) => list = dwarf.attr_ranges(unit, value)?,
            (gimli::DW_AT_low_pc, value) => begin = dwarf.attr_address(unit, value)?,
            (gimli::DW_AT_high_pc, AttributeValue::Udata(bytes)) => size = Some(bytes),
            (gimli::DW_AT_high_pc, value) => end = dwarf.attr_address(unit, value)?,
            _ => {}
        }
    }
    let mut ranges = Vec::new();
    if let Some(mut list) = list {
        while let Some(range) = list.next()? {
            ranges.push(range);
        }
    } else if let Some(begin) = begin {
        let end = end.or(size.map(|size| begin.wrapping_add(size)));
        ranges.extend(end.map(|end| Range { begin, end }));
    }
    Ok(ranges)
}

/// A unit nests inlined functions no deeper than can be read.
pub(super) fn is_flat(unit: &Unit<Slice<'_>>) -> bool {
    // Behind an error nothing is read by addr2line either.
    has_bounded_depth(unit).unwrap_or(true)
}

fn has_bounded_depth(unit: &Unit<Slice<'_>>) -> Result<bool, gimli::Error> {
    let mut entries = unit.entries_raw(None)?;
    // Depths in the tree of the inlined functions that are open.
    let mut open: Vec<isize> = Vec::new();
    while !entries.is_empty() {
        let depth = entries.next_depth();
        let Some(entry) = entries.read_abbreviation()? else {
            continue;
        };
        entries.skip_attributes(entry.attributes())?;
        if entry.tag() == gimli::DW_TAG_inlined_subroutine {
            while open.last().is_some_and(|&last| last >= depth) {
                open.pop();
            }
            open.push(depth);
            if open.len() > DEPTH_MAX {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
