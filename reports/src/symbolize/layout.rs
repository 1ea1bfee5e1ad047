// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the sections of a file lie, and relocations that depend on it.

use object::{
    Object, ObjectKind, ObjectSection, ObjectSymbol, RelocationKind, RelocationTarget,
    SectionFlags, SectionIndex, elf,
};

/// Where the first section of a module is put: away from 0, where discarded code is said to be.
const FIRST: u64 = 0x1_0000;

/// Where the sections of a file lie.
///
/// A linked file says so itself. In a module they all begin at 0; here one is put
/// behind the other, so that an address means one place.
pub(super) struct Layout {
    /// By section index; empty for a linked file.
    bases: Vec<u64>,
}

impl Layout {
    pub(super) fn of(file: &object::File<'_>) -> Self {
        let mut bases = Vec::new();
        if file.kind() == ObjectKind::Relocatable {
            let mut free = Some(FIRST);
            for section in file.sections() {
                let index = section.index().0;
                if bases.len() <= index {
                    bases.resize(index + 1, 0);
                }
                let mask = section.align().max(1) - 1;
                let base = free
                    .filter(|_| has_flag(&section, elf::SHF_ALLOC))
                    .and_then(|free| free.checked_add(mask))
                    .map(|end| end & !mask);
                // A size that overflows is a damaged file's: what follows stays without a place.
                if let Some(base) = base {
                    bases[index] = base;
                    free = base.checked_add(section.size());
                }
            }
        }
        Self { bases }
    }

    pub(super) fn is_relocatable(&self) -> bool {
        !self.bases.is_empty()
    }

    /// Address of a section's first byte.
    pub(super) fn section(&self, section: &object::Section<'_, '_>) -> u64 {
        section.address().wrapping_add(self.base(section.index()))
    }

    /// Address of a symbol.
    pub(super) fn symbol(&self, symbol: &object::Symbol<'_, '_>) -> u64 {
        let base = symbol.section_index().map_or(0, |index| self.base(index));
        symbol.address().wrapping_add(base)
    }

    fn base(&self, index: SectionIndex) -> u64 {
        self.bases.get(index.0).copied().unwrap_or(0)
    }

    /// Writes into a debug section's bytes what a linker would have written.
    pub(super) fn relocate(
        &self,
        file: &object::File<'_>,
        section: &object::Section<'_, '_>,
        bytes: &mut [u8],
    ) {
        for (offset, relocation) in section.relocations() {
            if relocation.kind() != RelocationKind::Absolute {
                continue;
            }
            let target = match relocation.target() {
                RelocationTarget::Symbol(index) => {
                    file.symbol_by_index(index).map(|s| self.symbol(&s))
                }
                RelocationTarget::Section(index) => Ok(self.base(index)),
                _ => continue,
            };
            let (Ok(target), Ok(offset)) = (target, usize::try_from(offset)) else {
                continue;
            };
            let width = usize::from(relocation.size() / 8);
            let Some(place) = bytes.get_mut(offset..).and_then(|b| b.get_mut(..width)) else {
                continue;
            };
            let mut value = target.wrapping_add_signed(relocation.addend());
            if relocation.has_implicit_addend() {
                value = value.wrapping_add(read(place, file.is_little_endian()));
            }
            write(place, value, file.is_little_endian());
        }
    }
}

/// A section has a flag of its header.
pub(super) fn has_flag(section: &object::Section<'_, '_>, flag: elf::SectionFlags) -> bool {
    matches!(section.flags(), SectionFlags::Elf { sh_flags, .. } if sh_flags.contains(flag))
}

fn read(place: &[u8], little: bool) -> u64 {
    let join = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    match little {
        true => place.iter().rev().fold(0, join),
        false => place.iter().fold(0, join),
    }
}

fn write(place: &mut [u8], value: u64, little: bool) {
    let bytes = value.to_le_bytes();
    for (byte, value) in place.iter_mut().zip(bytes) {
        *byte = value;
    }
    if !little {
        place.reverse();
    }
}
