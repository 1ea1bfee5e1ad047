// SPDX-License-Identifier: GPL-2.0-or-later
//! Functions of a file by name.

use object::{Architecture, Object, ObjectSection, ObjectSymbol, SymbolKind, elf};

use super::layout::{Layout, has_flag};
use super::{Place, Unresolved};

/// Bytes behind a section's last function that the kernel may count to it, for it counts to the
/// end of the pages: one of the largest pages.
const LAST_PADDING: u64 = 64 << 10;

/// The symbols of a file's code.
pub(super) struct Symbols<'a> {
    /// By name.
    sorted: Vec<Symbol<'a>>,
}

struct Symbol<'a> {
    name: &'a [u8],
    address: u64,
    /// Bytes of the function, without padding; 0 for many labels of assembly.
    size: u64,
    section: usize,
    is_function: bool,
    /// Distance to the next symbol of the section, which is what a trace prints.
    to_symbol: Option<u64>,
    /// Distance to the next function of the section.
    to_function: Option<u64>,
}

impl Symbol<'_> {
    /// A trace's size reaches to the next symbol that the kernel knows.
    fn is_exactly(&self, printed: u64) -> bool {
        self.to_symbol == Some(printed)
    }

    /// The kernel may know fewer symbols than the file, and none behind a section's last one.
    fn can_be(&self, printed: u64) -> bool {
        let end = self
            .to_function
            .unwrap_or_else(|| self.size.saturating_add(LAST_PADDING));
        self.is_exactly(printed) || (self.size..=end).contains(&printed)
    }
}

impl<'a> Symbols<'a> {
    pub(super) fn read(file: &object::File<'a>, layout: &Layout) -> Self {
        let code = code_sections(file);
        let thumb = matches!(file.architecture(), Architecture::Arm);
        let mut sorted: Vec<_> = file
            .symbols()
            .filter(|s| !matches!(s.kind(), SymbolKind::Section | SymbolKind::File))
            .filter_map(|s| {
                let section = s.section_index()?.0;
                let name = s.name_bytes().ok()?;
                let is_code = code.get(section).copied().unwrap_or(false);
                if !is_code || is_marker(name) {
                    return None;
                }
                let is_function = s.kind() == SymbolKind::Text;
                // The lowest bit of an ARM function's address tells its instruction set.
                let set = u64::from(thumb && is_function);
                Some(Symbol {
                    name,
                    address: layout.symbol(&s) & !set,
                    size: s.size(),
                    section,
                    is_function,
                    to_symbol: None,
                    to_function: None,
                })
            })
            .collect();
        sorted.sort_unstable_by_key(|symbol| (symbol.section, symbol.address));
        measure(&mut sorted);
        sorted.sort_by(|a, b| a.name.cmp(b.name));
        Self { sorted }
    }

    /// Addresses of the functions of that name that can be as large as a trace prints.
    pub(super) fn find(&self, name: &str, printed: u64) -> Result<Vec<u64>, Unresolved> {
        let named = self.named(name.as_bytes());
        let closest = named
            .iter()
            .map(|symbol| symbol.to_symbol.unwrap_or(symbol.size))
            .min_by_key(|found| found.abs_diff(printed))
            .ok_or(Unresolved::NoSymbol)?;
        let addresses = |fits: &dyn Fn(&Symbol<'_>) -> bool| {
            let mut found: Vec<_> = named
                .iter()
                .filter(|symbol| fits(symbol))
                .map(|symbol| symbol.address)
                .collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        let exact = addresses(&|symbol| symbol.is_exactly(printed));
        let found = match exact.is_empty() {
            true => addresses(&|symbol| symbol.can_be(printed)),
            false => exact,
        };
        match found.is_empty() {
            true => Err(Unresolved::OtherSize {
                printed,
                found: closest,
            }),
            false => Ok(found),
        }
    }

    /// Any function of that name.
    pub(super) fn address(&self, name: &str) -> Option<u64> {
        self.named(name.as_bytes())
            .first()
            .map(|symbol| symbol.address)
    }

    /// The function that an address lies in.
    pub(super) fn around(&self, address: u64) -> Option<Place> {
        let reach = |symbol: &Symbol<'_>| symbol.to_symbol.unwrap_or(symbol.size);
        let inside = |symbol: &&Symbol<'_>| {
            address
                .checked_sub(symbol.address)
                .is_some_and(|offset| offset < reach(symbol))
        };
        let best = self
            .sorted
            .iter()
            .filter(inside)
            .max_by_key(|symbol| (symbol.address, symbol.is_function, symbol.size))?;
        Some(Place {
            symbol: String::from_utf8_lossy(best.name).into_owned(),
            start: best.address,
            offset: address - best.address,
            size: reach(best),
        })
    }

    fn named(&self, name: &[u8]) -> &[Symbol<'a>] {
        let from = self.sorted.partition_point(|symbol| symbol.name < name);
        let rest = &self.sorted[from..];
        let exact = rest.partition_point(|symbol| symbol.name == name);
        if exact > 0 {
            return &rest[..exact];
        }
        // Kernels built by clang with link-time optimisation print names without this suffix.
        let suffixed = [name, b".llvm."].concat();
        let from = rest.partition_point(|symbol| symbol.name < suffixed.as_slice());
        let rest = &rest[from..];
        let end = rest.partition_point(|symbol| symbol.name.starts_with(&suffixed));
        &rest[..end]
    }
}

/// Measures how far each symbol reaches; they are sorted by section and address.
fn measure(symbols: &mut [Symbol<'_>]) {
    let mut next_symbol = None;
    let mut next_function = None;
    let mut at = None;
    for index in (0..symbols.len()).rev() {
        let (section, address) = (symbols[index].section, symbols[index].address);
        // Several symbols of one address reach equally far.
        if at != Some((section, address)) {
            let same = at.is_some_and(|(other, _)| other == section);
            next_symbol = at.filter(|_| same).map(|(_, address)| address);
            let function = symbols[index + 1..]
                .iter()
                .take_while(|s| Some((s.section, s.address)) == at)
                .any(|s| s.is_function);
            next_function = match function && same {
                true => next_symbol,
                false => next_function.filter(|_| same),
            };
            at = Some((section, address));
        }
        symbols[index].to_symbol = next_symbol.map(|next| next - address);
        symbols[index].to_function = next_function.map(|next: u64| next - address);
    }
}

/// Which sections hold code, by index.
fn code_sections(file: &object::File<'_>) -> Vec<bool> {
    let mut code = Vec::new();
    for section in file.sections() {
        let index = section.index().0;
        if code.len() <= index {
            code.resize(index + 1, false);
        }
        code[index] = has_flag(&section, elf::SHF_EXECINSTR);
    }
    code
}

/// Marks of assemblers and linkers that no kernel counts as symbols.
fn is_marker(name: &[u8]) -> bool {
    name.is_empty() || name.starts_with(b"$") || name.starts_with(b".L") || name.starts_with(b"L0")
}
