// SPDX-License-Identifier: GPL-2.0-or-later
//! Offsets of struct members and values of enumerators, from DWARF.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use gimli::{
    AttributeValue, EndianSlice, EntriesTreeNode, LittleEndian, Unit, UnitOffset, constants,
};

use super::vmlinux::Dwarf;

type Reader<'a> = EndianSlice<'a, LittleEndian>;
type Offset = UnitOffset<usize>;

/// Anonymous unions nest a handful deep; a loop in broken debug information does not end.
const DEPTH_MAX: usize = 16;

/// Types to look for, by name.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Struct names.
    pub(super) structs: Vec<&'static str>,
    /// Enum names.
    pub(super) enums: Vec<&'static str>,
}

/// The complete types that were found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Struct name → member name → offset in bytes; members of anonymous members included.
    pub(super) structs: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// Enum name → enumerator name → value.
    pub(super) enums: BTreeMap<&'static str, BTreeMap<String, i128>>,
}

impl Wanted {
    /// Searches unit by unit until every type was found complete.
    pub(super) fn find(&self, dwarf: &Dwarf<'_>) -> Result<Found, gimli::Error> {
        let mut found = Found::default();
        for_each_unit(dwarf, |unit| {
            self.search(dwarf, unit, &mut found)?;
            let complete =
                found.structs.len() == self.structs.len() && found.enums.len() == self.enums.len();
            Ok(if complete {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        Ok(found)
    }

    fn search<'a>(
        &self,
        dwarf: &Dwarf<'a>,
        unit: &Unit<Reader<'a>>,
        found: &mut Found,
    ) -> Result<(), gimli::Error> {
        let mut tree = unit.entries_tree(None)?;
        let mut children = tree.root()?.children();
        while let Some(child) = children.next()? {
            let entry = child.entry();
            let names = match entry.tag() {
                constants::DW_TAG_structure_type => &self.structs,
                constants::DW_TAG_enumeration_type => &self.enums,
                _ => continue,
            };
            if entry.has_attr(constants::DW_AT_declaration) {
                continue;
            }
            let Some(name) = name_of(dwarf, unit, entry)? else {
                continue;
            };
            let Some(name) = names
                .iter()
                .copied()
                .find(|wanted| wanted.as_bytes() == name)
            else {
                continue;
            };
            if entry.tag() == constants::DW_TAG_structure_type {
                if !found.structs.contains_key(name) {
                    let mut members = BTreeMap::new();
                    collect_members(dwarf, unit, child, 0, 0, &mut members)?;
                    found.structs.insert(name, members);
                }
            } else if !found.enums.contains_key(name) {
                found.enums.insert(name, enumerators(dwarf, unit, child)?);
            }
        }
        Ok(())
    }
}

/// Adds the members of a struct or union that begins at `base`.
fn collect_members<'a>(
    dwarf: &Dwarf<'a>,
    unit: &Unit<Reader<'a>>,
    aggregate: EntriesTreeNode<'_, '_, Reader<'a>>,
    base: u64,
    depth: usize,
    members: &mut BTreeMap<String, u64>,
) -> Result<(), gimli::Error> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let mut children = aggregate.children();
    while let Some(child) = children.next()? {
        let entry = child.entry();
        if entry.tag() != constants::DW_TAG_member {
            continue;
        }
        let location = match entry.attr(constants::DW_AT_data_member_location) {
            // Members of a union, and nothing else, may go without.
            None if entry.has_attr(constants::DW_AT_data_bit_offset) => continue,
            None => 0,
            Some(attribute) => match attribute.udata_value() {
                Some(location) => location,
                None => continue,
            },
        };
        let offset = base.saturating_add(location);
        if let Some(name) = name_of(dwarf, unit, entry)? {
            members
                .entry(String::from_utf8_lossy(name).into_owned())
                .or_insert(offset);
        } else if let Some(inner) = type_of(entry) {
            let mut tree = unit.entries_tree(Some(inner))?;
            collect_members(dwarf, unit, tree.root()?, offset, depth + 1, members)?;
        }
    }
    Ok(())
}

fn enumerators<'a>(
    dwarf: &Dwarf<'a>,
    unit: &Unit<Reader<'a>>,
    enumeration: EntriesTreeNode<'_, '_, Reader<'a>>,
) -> Result<BTreeMap<String, i128>, gimli::Error> {
    let mut values = BTreeMap::new();
    let mut children = enumeration.children();
    while let Some(child) = children.next()? {
        let entry = child.entry();
        let Some(name) = name_of(dwarf, unit, entry)? else {
            continue;
        };
        let value = entry
            .attr(constants::DW_AT_const_value)
            .and_then(|attribute| {
                let unsigned = attribute.udata_value().map(i128::from);
                unsigned.or_else(|| attribute.sdata_value().map(i128::from))
            });
        if let Some(value) = value {
            values.insert(String::from_utf8_lossy(name).into_owned(), value);
        }
    }
    Ok(values)
}

/// Visits units until told to stop: those of the kernel's mm/ first, which know its types best.
pub(super) fn for_each_unit<'a>(
    dwarf: &Dwarf<'a>,
    mut visit: impl FnMut(&Unit<Reader<'a>>) -> Result<ControlFlow<()>, gimli::Error>,
) -> Result<(), gimli::Error> {
    let mut others = Vec::new();
    let mut headers = dwarf.units();
    while let Some(header) = headers.next()? {
        let unit = dwarf.unit(header)?;
        if !unit_name(&unit).is_some_and(is_mm) {
            others.push(header);
        } else if visit(&unit)?.is_break() {
            return Ok(());
        }
    }
    for header in others {
        if visit(&dwarf.unit(header)?)?.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// A unit's source file, as the compiler was given it.
pub(super) fn unit_name<'a>(unit: &Unit<Reader<'a>>) -> Option<&'a [u8]> {
    unit.name.map(|name| name.slice())
}

fn is_mm(name: &[u8]) -> bool {
    name.starts_with(b"mm/") || name.windows(4).any(|part| part == b"/mm/")
}

/// An entry's own name.
pub(super) fn name_of<'a>(
    dwarf: &Dwarf<'a>,
    unit: &Unit<Reader<'a>>,
    entry: &gimli::DebuggingInformationEntry<Reader<'a>>,
) -> Result<Option<&'a [u8]>, gimli::Error> {
    match entry.attr_value(constants::DW_AT_name) {
        Some(value) => Ok(Some(dwarf.attr_string(unit, value)?.slice())),
        None => Ok(None),
    }
}

fn type_of(entry: &gimli::DebuggingInformationEntry<Reader<'_>>) -> Option<Offset> {
    match entry.attr_value(constants::DW_AT_type) {
        Some(AttributeValue::UnitRef(offset)) => Some(offset),
        _ => None,
    }
}
