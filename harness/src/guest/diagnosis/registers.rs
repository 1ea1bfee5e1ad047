// SPDX-License-Identifier: GPL-2.0-or-later
//! Registers, as QEMU's monitor prints them.

use std::sync::LazyLock;

use regex::Regex;

/// What begins each virtual CPU's part.
const CPU: &str = "CPU#";

/// The registers of a virtual CPU that tell where it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    /// The instruction.
    pub rip: u64,
    /// The stack.
    pub rsp: u64,
    /// Flags; bit 9 is whether interrupts are taken.
    pub rflags: u64,
    /// 0 in the kernel, 3 in user mode.
    pub cpl: u64,
    /// The address of the last page fault.
    pub cr2: u64,
    /// The page table.
    pub cr3: u64,
}

impl Registers {
    /// Whether user code runs.
    pub fn in_user_mode(&self) -> bool {
        self.cpl == 3
    }
}

/// Reads what `info registers -a` prints; a virtual CPU that lacks a register is left out.
pub(super) fn parse(text: &str) -> Vec<(usize, Registers)> {
    text.split(CPU)
        .skip(1)
        .filter_map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit())?;
            Some((part[..digits].parse().ok()?, registers(part)?))
        })
        .collect()
}

fn registers(part: &str) -> Option<Registers> {
    static REGISTER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\b(RIP|RSP|RFL|CPL|CR2|CR3)=\s*([0-9a-f]{1,16})\b").ok());
    let mut found = Registers::default();
    let mut missing = 6;
    for register in REGISTER.as_ref()?.captures_iter(part) {
        let place = match &register[1] {
            "RIP" => &mut found.rip,
            "RSP" => &mut found.rsp,
            "RFL" => &mut found.rflags,
            "CPL" => &mut found.cpl,
            "CR2" => &mut found.cr2,
            _ => &mut found.cr3,
        };
        *place = u64::from_str_radix(&register[2], 16).ok()?;
        missing -= 1;
    }
    (missing == 0).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\r\nCPU#0\r\nRAX=00007f0c5f43a010 RBX=0000000000000010\r\n\
        RSI=0000000000000000 RBP=8000000000000000 RSP=00007fff9d0f90f0\r\n\
        RIP=00007f0c5f9e2d90 RFL=00000246 [---Z-P-] CPL=3 II=0 A20=1 SMM=0 HLT=0\r\n\
        GS =0000 0000000000000000 00000000 00000000\r\n\
        CR0=80050033 CR2=00007f0c5f43a000 CR3=000000001fb3e000 CR4=003506f0\r\n\
        \r\nCPU#1\r\nRSP=ffffc9000032fe40 RIP=ffffffff813cf6cf RFL=00000286 CPL=0\r\n\
        CR2=0000000000000000 CR3=000000001fb2c000\r\n";

    #[test]
    fn each_cpu_has_its_registers() {
        let parsed = parse(PRINTED);
        assert_eq!(parsed.len(), 2);
        assert!(parsed[0].1.in_user_mode() && !parsed[1].1.in_user_mode());
        assert_eq!(parsed[0].1.cr2, 0x7f0c_5f43_a000);
        let (cpu, second) = parsed[1];
        assert_eq!((cpu, second.rip), (1, 0xffff_ffff_813c_f6cf));
        assert_eq!(
            (second.rsp, second.cr3),
            (0xffff_c900_0032_fe40, 0x1fb2_c000)
        );
    }

    #[test]
    fn a_cpu_that_lacks_one_is_left_out() {
        assert_eq!(parse(&PRINTED.replace("CR3=000000001fb3e000", "")).len(), 1);
        assert!(parse("").is_empty());
        assert!(parse("CPU#").is_empty());
    }
}
