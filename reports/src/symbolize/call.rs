// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a call goes.

use object::Architecture;

/// Bytes of code that end with a call at most, as far as [`target`] looks.
pub(super) const LENGTH: usize = 6;

/// Where the call goes whose return address is `after`, `code` being the bytes before it.
///
/// Only direct calls say so, and only those of x86, arm64, powerpc and s390 are read.
pub(super) fn target(architecture: Architecture, code: &[u8], after: u64) -> Option<u64> {
    match architecture {
        Architecture::X86_64 | Architecture::I386 => {
            let [.., 0xe8, a, b, c, d] = *code else {
                return None;
            };
            let distance = i32::from_le_bytes([a, b, c, d]);
            Some(after.wrapping_add_signed(distance.into()))
        }
        Architecture::Aarch64 => {
            let word = u32::from_le_bytes(*code.last_chunk()?);
            let distance = signed(word, 26) * 4;
            (word >> 26 == 0b10_0101).then(|| (after - 4).wrapping_add_signed(distance))
        }
        Architecture::PowerPc64 => {
            let word = *code.last_chunk()?;
            let word = match word[0] >> 2 {
                0x12 => u32::from_be_bytes(word),
                _ => u32::from_le_bytes(word),
            };
            // `bl`: relative, with the link bit.
            let is_call = word >> 26 == 0x12 && word & 3 == 1;
            let distance = signed(word & !3, 26);
            is_call.then(|| (after - 4).wrapping_add_signed(distance))
        }
        Architecture::S390x => {
            let [.., 0xc0, 0xe5, a, b, c, d] = *code else {
                return None;
            };
            let distance = i64::from(i32::from_be_bytes([a, b, c, d])) * 2;
            Some((after - 6).wrapping_add_signed(distance))
        }
        _ => None,
    }
}

/// The lowest `bits` of a word, with their sign.
fn signed(word: u32, bits: u32) -> i64 {
    let unused = 32 - bits;
    i64::from((word << unused).cast_signed() >> unused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direct_calls_tell_where_they_go() {
        let x86 = [0x90, 0xe8, 0xf0, 0xff, 0xff, 0xff];
        assert_eq!(target(Architecture::X86_64, &x86, 0x1000), Some(0xff0));
        let arm64 = [0x04, 0x00, 0x00, 0x94];
        assert_eq!(target(Architecture::Aarch64, &arm64, 0x1004), Some(0x1010));
        let back = [0xff, 0xff, 0xff, 0x97];
        assert_eq!(target(Architecture::Aarch64, &back, 0x1004), Some(0xffc));
        let ppc = [0x09, 0x00, 0x00, 0x48];
        assert_eq!(target(Architecture::PowerPc64, &ppc, 0x1004), Some(0x1008));
        let s390 = [0xc0, 0xe5, 0x00, 0x00, 0x00, 0x10];
        assert_eq!(target(Architecture::S390x, &s390, 0x1006), Some(0x1020));
    }

    #[test]
    fn other_code_tells_nothing() {
        let indirect = [0x90, 0x90, 0x90, 0x90, 0xff, 0xd0];
        for architecture in [
            Architecture::X86_64,
            Architecture::Aarch64,
            Architecture::PowerPc64,
            Architecture::S390x,
            Architecture::Riscv64,
        ] {
            assert_eq!(target(architecture, &indirect, 0x1000), None);
            assert_eq!(target(architecture, &[], 0x1000), None);
        }
    }
}
