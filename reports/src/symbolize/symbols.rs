// SPDX-License-Identifier: GPL-2.0-or-later
//! Addresses of symbols by name.

use object::{Object, ObjectSymbol, SymbolKind};

/// The code symbols of a file, by name.
pub(super) struct Symbols<'a> {
    sorted: Vec<Symbol<'a>>,
}

struct Symbol<'a> {
    name: &'a [u8],
    address: u64,
    size: u64,
}

impl<'a> Symbols<'a> {
    pub(super) fn read(file: &object::File<'a>) -> Self {
        let mut sorted: Vec<_> = file
            .symbols()
            // Assembly often leaves a function's symbol without a type.
            .filter(|s| {
                matches!(
                    s.kind(),
                    SymbolKind::Text | SymbolKind::Label | SymbolKind::Unknown
                )
            })
            .filter(|s| s.is_definition() || s.kind() != SymbolKind::Text)
            .filter_map(|s| {
                let name = s.name_bytes().ok().filter(|name| !name.is_empty())?;
                Some(Symbol {
                    name,
                    address: s.address(),
                    size: s.size(),
                })
            })
            .collect();
        sorted.sort_by(|a, b| a.name.cmp(b.name));
        Self { sorted }
    }

    /// The address of the symbol of that name, of several the one whose size is the closest.
    ///
    /// A trace's size reaches to the next symbol and so includes padding.
    pub(super) fn address(&self, name: &str, size: u64) -> Option<u64> {
        let name = name.as_bytes();
        let first = self.sorted.partition_point(|symbol| symbol.name < name);
        self.sorted[first..]
            .iter()
            .take_while(|symbol| symbol.name == name)
            .min_by_key(|symbol| symbol.size.abs_diff(size))
            .map(|symbol| symbol.address)
    }
}
