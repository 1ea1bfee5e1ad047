// SPDX-License-Identifier: GPL-2.0-or-later
//! The access that a report is about, in the words of sanitizers and of every architecture.

use super::pattern::lazy;
use super::report::{Access, Direction};

lazy!(
    KASAN = r"^(?P<how>Read|Write) (?:of size (?P<size>\d+)(?: at addr (?P<address>[0-9a-f]{1,16}))?|at addr (?P<tagged>[0-9a-f]{1,16}))"
);
// Before 4.11 the address stood in the header.
lazy!(OLD_KASAN = r"^BUG: KASAN: .* at addr (?P<address>[0-9a-f]{1,16})$");
lazy!(
    KFENCE = r"^(?:Out-of-bounds|Use-after-free|Invalid) (?P<how>read|write) at (?:0x)?(?P<address>[0-9a-f]{1,16})"
);
lazy!(
    KCSAN = r"(?:^|with )(?P<how>read|write|read-write)(?: \([a-z, ]+\))? to 0x(?P<address>[0-9a-f]{1,16}) of (?P<size>\d+) bytes"
);
lazy!(KMSAN = r"^Memory access of size (?P<size>\d+) starts at (?P<address>[0-9a-f]{1,16})");
lazy!(
    FAULT = r"(?:address:? |hit at |fault: .* at | on (?:read|write) at |(?:dereference|request|access|accesses) at )(?:0x)?(?P<address>[0-9a-f]{4,16})\b"
);
lazy!(CANONICAL = r"probably for non-canonical address 0x(?P<address>[0-9a-f]{1,16})");
lazy!(RANGE = r"^KASAN: .* in range \[0x(?P<address>[0-9a-f]{1,16})-");
lazy!(OOPS = r"^(?P<arm>Internal error: )?(?:Oops: )+(?P<code>[0-9a-f]{1,16}) \[#");
lazy!(CAUSE = r"\bcause: (?P<code>[0-9a-f]{16})\b");
lazy!(DSISR = r"\bDSISR: (?P<code>[0-9a-f]{8})\b");
lazy!(TEID = r"^Failing address: (?P<address>[0-9a-f]{16}) TEID: (?P<code>[0-9a-f]{16})");

/// Reads the access line by line: what is said first counts.
#[derive(Default)]
pub(super) struct Reader {
    direction: Option<Direction>,
    size: Option<u64>,
    address: Option<u64>,
    /// All was said in one line.
    whole: bool,
}

impl Reader {
    /// Takes the report's next line, trimmed.
    pub(super) fn line(&mut self, line: &str) {
        if self.whole || self.sanitizer(line) {
            return;
        }
        self.fault(line);
        self.syndrome(line);
    }

    /// What a sanitizer says; it says all in one line.
    fn sanitizer(&mut self, line: &str) -> bool {
        let found = if line.starts_with("Read ") || line.starts_with("Write ") {
            KASAN.captures(line)
        } else if line.contains(" at 0x") {
            KFENCE.captures(line)
        } else if line.contains(" to 0x") {
            KCSAN.captures(line)
        } else if line.starts_with("Memory access of size ") {
            KMSAN.captures(line)
        } else {
            None
        };
        let Some(found) = found else { return false };
        let text = |name| found.name(name).map(|m| m.as_str());
        self.direction = text("how").map(|how| {
            if how.to_ascii_lowercase().ends_with("write") {
                Direction::Write
            } else {
                Direction::Read
            }
        });
        self.size = text("size").and_then(|size| size.parse().ok());
        let address = text("address").or_else(|| text("tagged")).and_then(hex);
        self.address = address.or(self.address);
        self.whole = true;
        true
    }

    /// Where the processor faulted, and how where the words tell it.
    fn fault(&mut self, line: &str) {
        if line.starts_with("BUG: KASAN: ") {
            self.address = number(&OLD_KASAN, line);
        } else if line.contains("probably for non-canonical") {
            self.address = self.address.or_else(|| number(&CANONICAL, line));
            self.direction.get_or_insert(Direction::Unknown);
        } else if line.starts_with("KASAN: ") {
            // The address that the program meant; the one before is its shadow's.
            self.address = number(&RANGE, line).or(self.address);
        } else if line.contains("nable to handle ")
            || line.contains("NULL pointer dereference")
            || line.contains("stack guard page was hit")
            || line.starts_with("Unhandled fault: ")
        {
            self.address = self.address.or_else(|| number(&FAULT, line));
            self.direction = self.direction.or(words(line));
        } else if let Some(rest) = line.strip_prefix("#PF: ") {
            self.direction = self.direction.or(words(rest));
        }
    }

    /// What the processor's own code for the fault tells.
    fn syndrome(&mut self, line: &str) {
        if let Some(found) = OOPS.captures(line).filter(|_| line.contains("[#")) {
            let code = hex(&found["code"]);
            let read = if found.name("arm").is_none() {
                x86
            } else if line.contains(" ARM") || line.contains(" THUMB") {
                arm
            } else {
                arm64
            };
            self.learn(code.and_then(read));
        } else if line.contains("cause: ") {
            self.learn(number(&CAUSE, line).and_then(riscv));
        } else if line.contains("DSISR: ") {
            self.learn(number(&DSISR, line).map(|code| write_if(code & 0x0200_0000 != 0)));
        } else if let Some(found) = TEID.captures(line) {
            self.address = self.address.or(hex(&found["address"]).map(|a| a & !0xfff));
            // Bits 10 and 11 tell whether the processor stored or fetched.
            self.learn(hex(&found["code"]).and_then(|code| match code >> 10 & 3 {
                1 => Some(Direction::Write),
                2 => Some(Direction::Read),
                _ => None,
            }));
        }
    }

    fn learn(&mut self, direction: Option<Direction>) {
        let unknown = matches!(self.direction, None | Some(Direction::Unknown));
        if unknown && direction.is_some() {
            self.direction = direction;
        }
    }

    /// The access, where the report tells of one.
    pub(super) fn finish(self) -> Option<Access> {
        // A code without an address is of a fault that is no access.
        (self.whole || self.address.is_some()).then(|| Access {
            direction: self.direction.unwrap_or(Direction::Unknown),
            size: self.size,
            address: self.address,
        })
    }
}

/// What the words of a fault's line tell.
fn words(line: &str) -> Option<Direction> {
    const WORDS: &[(&str, Direction)] = &[
        ("instruction fetch", Direction::Execute),
        ("when execute", Direction::Execute),
        ("execute from", Direction::Execute),
        ("write access", Direction::Write),
        ("when write", Direction::Write),
        ("on write", Direction::Write),
        ("write to", Direction::Write),
        ("read access", Direction::Read),
        ("when read", Direction::Read),
        ("on read", Direction::Read),
        ("read from", Direction::Read),
    ];
    let found = WORDS.iter().find(|(word, _)| line.contains(word));
    found.map(|(_, direction)| *direction)
}

fn write_if(write: bool) -> Direction {
    if write {
        Direction::Write
    } else {
        Direction::Read
    }
}

/// Page fault error code: bit 4 for a fetch, bit 1 for a write.
fn x86(code: u64) -> Option<Direction> {
    Some(if code & 0x10 != 0 {
        Direction::Execute
    } else {
        write_if(code & 2 != 0)
    })
}

/// Fault status register: Linux sets bit 31 for a fetch, the processor bit 11 for a write.
fn arm(code: u64) -> Option<Direction> {
    Some(if code & 0x8000_0000 != 0 {
        Direction::Execute
    } else {
        write_if(code & 0x800 != 0)
    })
}

/// Exception syndrome: the class in bits 26 to 31; bit 6 for a write where it is a data abort.
fn arm64(code: u64) -> Option<Direction> {
    match code >> 26 & 0x3f {
        0x20 | 0x21 => Some(Direction::Execute),
        0x24 | 0x25 => Some(write_if(code & 0x40 != 0)),
        _ => None,
    }
}

/// Exception codes of access and page faults.
fn riscv(code: u64) -> Option<Direction> {
    match code {
        1 | 12 => Some(Direction::Execute),
        5 | 13 => Some(Direction::Read),
        7 | 15 => Some(Direction::Write),
        _ => None,
    }
}

/// The hexadecimal number that a pattern finds.
fn number(re: &regex::Regex, line: &str) -> Option<u64> {
    let found = re.captures(line)?;
    let digits = found.name("address").or_else(|| found.name("code"))?;
    hex(digits.as_str())
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Option<(Direction, Option<u64>, Option<u64>)> {
        let mut reader = Reader::default();
        lines.lines().for_each(|line| reader.line(line.trim()));
        reader.finish().map(|a| (a.direction, a.size, a.address))
    }

    #[test]
    fn sanitizers() {
        use Direction::{Read, Write};
        for (lines, want) in [
            (
                "Read of size 8 at addr ffff888012345678 by task work/77",
                (Read, Some(8), Some(0xffff_8880_1234_5678)),
            ),
            (
                "BUG: KASAN: use-after-free in walk+0x1/0x2 at addr ffff888012345678\nWrite of size 4 by task work/77",
                (Write, Some(4), Some(0xffff_8880_1234_5678)),
            ),
            (
                "Write at addr f7ff000012345678 by task work/77",
                (Write, None, Some(0xf7ff_0000_1234_5678)),
            ),
            (
                "Use-after-free read at 0xffff8880fed12340 (in kfence-#7):",
                (Read, None, Some(0xffff_8880_fed1_2340)),
            ),
            (
                "read-write to 0xffff888012345678 of 4 bytes by task 7 on cpu 1:",
                (Write, Some(4), Some(0xffff_8880_1234_5678)),
            ),
            (
                "race at unknown origin, with read to 0xffff888012345678 of 1 bytes by interrupt on cpu 0:",
                (Read, Some(1), Some(0xffff_8880_1234_5678)),
            ),
        ] {
            assert_eq!(read(lines), Some(want), "{lines}");
        }
    }

    #[test]
    fn faults_of_every_architecture() {
        use Direction::{Execute, Read, Unknown, Write};
        for (lines, direction, address) in [
            (
                "BUG: unable to handle page fault for address: ffffc90000123000\n#PF: supervisor write access in kernel mode",
                Write,
                0xffff_c900_0012_3000,
            ),
            (
                "BUG: kernel NULL pointer dereference, address: 0000000000000010\n#PF: supervisor instruction fetch in kernel mode",
                Execute,
                0x10,
            ),
            (
                "BUG: unable to handle kernel NULL pointer dereference at 0000000000000018\nOops: 0002 [#1] SMP",
                Write,
                0x18,
            ),
            (
                "general protection fault, probably for non-canonical address 0xdffffc0000000001: 0000 [#1] SMP\nKASAN: null-ptr-deref in range [0x0000000000000008-0x000000000000000f]",
                Unknown,
                8,
            ),
            (
                "Unable to handle kernel paging request at virtual address ffff800012345678\nInternal error: Oops: 0000000096000046 [#1] PREEMPT SMP",
                Write,
                0xffff_8000_1234_5678,
            ),
            (
                "Unable to handle kernel NULL pointer dereference at virtual address 00000008 when read\nInternal error: Oops: 805 [#1] SMP ARM",
                Read,
                8,
            ),
            (
                "Unable to handle kernel paging request at virtual address fee00001\nInternal error: Oops: 805 [#1] SMP ARM",
                Write,
                0xfee0_0001,
            ),
            (
                "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010\nstatus: 0000000200000120 badaddr: 0000000000000010 cause: 000000000000000d",
                Read,
                0x10,
            ),
            (
                "BUG: Kernel NULL pointer dereference on write at 0x00000010",
                Write,
                0x10,
            ),
            (
                "BUG: Unable to handle kernel data access at 0xc00800000abc0000\nDAR: c00800000abc0000 DSISR: 42000000",
                Write,
                0xc008_0000_0abc_0000,
            ),
            (
                "Unable to handle kernel pointer dereference in virtual kernel address space\nFailing address: 0000000000001000 TEID: 0000000000001803",
                Read,
                0x1000,
            ),
        ] {
            assert_eq!(
                read(lines),
                Some((direction, None, Some(address))),
                "{lines}"
            );
        }
        assert_eq!(
            read("kernel BUG at mm/rmap.c:1!\nOops: 0002 [#1] SMP"),
            None
        );
    }
}
