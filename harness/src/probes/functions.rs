// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether a kprobe at a function's entry sees every call.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use gimli::{AttributeValue, EndianSlice, LittleEndian, Unit, UnitOffset, constants};
use object::{Object, ObjectSymbol, ReadRef, SymbolKind};

use super::Unprobeable;
use super::types::{for_each_unit, name_of, unit_name};
use super::vmlinux::Dwarf;

/// Those of `functions` whose symbol is absent or not alone.
pub(super) fn without_sole_symbol<'a, R: ReadRef<'a>>(
    elf: &object::File<'a, R>,
    functions: &[&str],
) -> BTreeMap<String, Unprobeable> {
    let mut present = BTreeSet::new();
    let mut clones: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for symbol in elf
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text)
    {
        let Ok(name) = symbol.name() else { continue };
        let (stem, suffix) = name.split_once('.').unwrap_or((name, ""));
        let Some(function) = functions.iter().copied().find(|function| *function == stem) else {
            continue;
        };
        match suffix {
            "" => _ = present.insert(function),
            // The unlikely part of the same function, reached through its entry only.
            "cold" => {}
            _ => clones.entry(function).or_default().push(name.to_owned()),
        }
    }
    let mut unprobeable = BTreeMap::new();
    for name in functions.iter().copied() {
        let function = name.to_owned();
        let reason = match (present.contains(name), clones.remove(name)) {
            (true, None) => continue,
            (true, Some(clones)) => Unprobeable::Cloned { function, clones },
            (false, Some(clones)) => Unprobeable::OnlyClones { function, clones },
            (false, None) => Unprobeable::Absent { function },
        };
        unprobeable.insert(name.to_owned(), reason);
    }
    unprobeable
}

/// Those of `functions` of which the compiler inlined a call within their own unit;
/// without link-time optimisation other units can only call them.
pub(super) fn inlined(
    dwarf: &Dwarf<'_>,
    functions: &[&str],
) -> Result<BTreeMap<String, Unprobeable>, gimli::Error> {
    let mut missing: BTreeSet<&str> = functions.iter().copied().collect();
    let mut inlined = BTreeMap::new();
    if missing.is_empty() {
        return Ok(inlined);
    }
    for_each_unit(dwarf, |unit| {
        let defined = definitions(dwarf, unit, &missing)?;
        let suspects: BTreeMap<_, _> = defined
            .iter()
            .filter_map(|(name, origin)| origin.map(|at| (at, *name)))
            .collect();
        if !suspects.is_empty() {
            let file = unit_name(unit).unwrap_or(b"its unit");
            for name in inlined_calls(unit, &suspects)? {
                let function = name.to_owned();
                let unit = String::from_utf8_lossy(file).into_owned();
                inlined.insert(name.to_owned(), Unprobeable::Inlined { function, unit });
            }
        }
        missing.retain(|name| !defined.contains_key(name));
        Ok(if missing.is_empty() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(inlined)
}

/// The wanted functions that a unit defines, each with its entry if it may have been inlined.
fn definitions<'a, 'n>(
    dwarf: &Dwarf<'a>,
    unit: &Unit<EndianSlice<'a, LittleEndian>>,
    wanted: &BTreeSet<&'n str>,
) -> Result<BTreeMap<&'n str, Option<UnitOffset<usize>>>, gimli::Error> {
    let mut defined = BTreeMap::new();
    let mut tree = unit.entries_tree(None)?;
    let mut children = tree.root()?.children();
    while let Some(child) = children.next()? {
        let entry = child.entry();
        if entry.tag() != constants::DW_TAG_subprogram
            || entry.has_attr(constants::DW_AT_declaration)
        {
            continue;
        }
        let Some(name) = name_of(dwarf, unit, entry)? else {
            continue;
        };
        let Some(name) = wanted
            .iter()
            .copied()
            .find(|wanted| wanted.as_bytes() == name)
        else {
            continue;
        };
        let may_be = entry.has_attr(constants::DW_AT_inline);
        defined.insert(name, may_be.then(|| entry.offset()));
    }
    Ok(defined)
}

fn inlined_calls<'n>(
    unit: &Unit<EndianSlice<'_, LittleEndian>>,
    suspects: &BTreeMap<UnitOffset<usize>, &'n str>,
) -> Result<BTreeSet<&'n str>, gimli::Error> {
    let mut names = BTreeSet::new();
    let mut entries = unit.entries();
    while let Some(entry) = entries.next_dfs()? {
        if entry.tag() == constants::DW_TAG_inlined_subroutine
            && let Some(AttributeValue::UnitRef(origin)) =
                entry.attr_value(constants::DW_AT_abstract_origin)
        {
            names.extend(suspects.get(&origin));
        }
    }
    Ok(names)
}
