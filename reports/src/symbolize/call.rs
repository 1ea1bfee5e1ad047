// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a call goes.

use object::Architecture;

/// Bytes of code that end with a call at most.
pub(super) const LENGTH: usize = 7;

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

/// Whether code ends with a call through a register or memory; only those of x86-64 are read.
pub(super) fn is_indirect(architecture: Architecture, code: &[u8]) -> bool {
    architecture == Architecture::X86_64
        && (2..=LENGTH).any(|length| {
            let instruction = code.len().checked_sub(length).map(|at| &code[at..]);
            matches!(instruction, Some([0xff, mode, rest @ ..])
                if mode >> 3 & 7 == 2 && operand(*mode, rest.first()) == rest.len())
        })
}

/// Bytes that follow an instruction's byte of modes.
fn operand(mode: u8, index: Option<&u8>) -> usize {
    let (distance, register) = (mode >> 6, mode & 7);
    if distance == 3 {
        return 0;
    }
    // Register 4 says that a byte of scale, index and base follows; base 5 means none.
    let indexed = register == 4;
    let base = match index {
        Some(index) if indexed => index & 7,
        _ => register,
    };
    let distance = match distance {
        0 if base == 5 => 4,
        0 => 0,
        1 => 1,
        _ => 4,
    };
    usize::from(indexed) + distance
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
    fn calls_through_registers_and_memory_are_known_by_their_length() {
        let x86 = |code: &[u8]| is_indirect(Architecture::X86_64, code);
        // rax, r11, [rbx], [rax+8], [rax+0x100], [rip+x], [rsp+8], [x+rax*8]
        for code in [
            &[0xff, 0xd0][..],
            &[0x41, 0xff, 0xd3],
            &[0xff, 0x13],
            &[0xff, 0x50, 0x08],
            &[0xff, 0x90, 0, 1, 0, 0],
            &[0xff, 0x15, 1, 2, 3, 4],
            &[0xff, 0x54, 0x24, 0x08],
            &[0xff, 0x14, 0xc5, 0, 0, 0, 0x82],
        ] {
            assert!(x86(code), "{code:x?}");
        }
        // A jump, an increment, a call that is cut, and nothing.
        for code in [&[0x90, 0xff, 0xe0][..], &[0xff, 0xc0], &[0xff, 0x50], &[]] {
            assert!(!x86(code), "{code:x?}");
        }
        assert!(!is_indirect(Architecture::Aarch64, &[0xff, 0xd0]));
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
