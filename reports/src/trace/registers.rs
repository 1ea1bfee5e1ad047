// SPDX-License-Identifier: GPL-2.0-or-later
//! The registers of a crash, as every architecture prints them.

use super::pattern::lazy;
use super::report::Register;

/// Registers kept of one report; no architecture prints more.
const MAX_REGISTERS: usize = 64;

// Program counters are printed as symbols and stand in the stack; segment selectors tell nothing.
lazy!(
    PAIR = r"(?x)\b(?P<name>
        R(?:[A-D]X|[SD]I|[BS]P|\d\d) | E(?:[A-D]X|[SD]I|[BS]P|FLAGS) | CR\d | DR\d | [FG]S | knlGS | PKRU | ORIG_RAX
      | x\d{1,2} | r\d{1,2} | [ast]\d{1,2} | sp | ra | gp | tp | fp | ip | lr | pc | psr | pstate | epc
      | status | badaddr | cause | Control | Table | DAC
      | NIP | LR | CTR | MSR | CR | XER | CFAR | DAR | DSISR
    )\s?:\ *(?:[0-9a-f]{4}:)?\[?<?(?P<value>[0-9a-f]{8,16})\b"
);
// Four values a line: powerpc names the first of them, s390 none after the first line.
lazy!(ROW = r"^(?:GPR(?P<first>\d\d):|(?P<s390>Krnl GPRS:))?(?P<values>(?: *[0-9a-f]{16}){1,4})$");

/// Reads registers line by line; of each the first value counts.
#[derive(Default)]
pub(super) struct Reader {
    registers: Vec<Register>,
    /// The program's registers follow, which are not the crash's.
    user: bool,
    /// Number of the next general register of an s390 row.
    row: Option<usize>,
}

impl Reader {
    /// Takes the report's next line, trimmed.
    pub(super) fn line(&mut self, line: &str) {
        if let Some(selector) = line.strip_prefix("RIP: ") {
            self.user = ["0033:", "0023:", "002b:"]
                .iter()
                .any(|user| selector.starts_with(user));
        }
        if self.user || self.registers.len() >= MAX_REGISTERS || self.rows(line) {
            return;
        }
        self.row = None;
        if !line.contains(':') {
            return;
        }
        let mut pairs = PAIR.captures_iter(line).peekable();
        // A line of registers begins with one.
        if pairs
            .peek()
            .is_none_or(|pair| pair.get(0).is_none_or(|whole| whole.start() != 0))
        {
            return;
        }
        for pair in pairs {
            self.add(&pair["name"], &pair["value"]);
        }
    }

    /// Values without names.
    fn rows(&mut self, line: &str) -> bool {
        let digits = line.bytes().last().is_some_and(|b| b.is_ascii_hexdigit());
        if !digits || self.row.is_none() && !line.contains("GPR") {
            return false;
        }
        let Some(row) = ROW.captures(line) else {
            return false;
        };
        let first = row
            .name("first")
            .and_then(|first| first.as_str().parse().ok());
        let s390 = row.name("s390").map(|_| 0).or(self.row);
        let Some(start) = first.or(s390) else {
            return false;
        };
        let values = row["values"].split_ascii_whitespace();
        for (number, value) in (start..32).zip(values) {
            let name = match first {
                Some(_) => format!("GPR{number:02}"),
                None => format!("R{number}"),
            };
            self.add(&name, value);
        }
        self.row = s390.filter(|_| first.is_none()).map(|_| start + 4);
        true
    }

    fn add(&mut self, name: &str, value: &str) {
        let known = self.registers.iter().any(|known| known.name == name);
        if known || self.registers.len() >= MAX_REGISTERS {
            return;
        }
        if let Ok(value) = u64::from_str_radix(value, 16) {
            self.registers.push(Register {
                name: name.to_owned(),
                value,
            });
        }
    }

    /// The registers, in the order of printing.
    pub(super) fn finish(self) -> Vec<Register> {
        self.registers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Vec<(String, u64)> {
        let mut reader = Reader::default();
        lines.lines().for_each(|line| reader.line(line.trim()));
        let registers = reader.finish().into_iter();
        registers.map(|r| (r.name, r.value)).collect()
    }

    fn names(lines: &str) -> String {
        let names: Vec<_> = read(lines).into_iter().map(|(name, _)| name).collect();
        names.join(" ")
    }

    #[test]
    fn every_architecture() {
        let x86 = "\
RIP: 0010:walk+0x1/0x2
Code: 48 8b 07 c3
RSP: 0018:ffffc90000123e40 EFLAGS: 00010246
RAX: 0000000000000000 RBX: ffff888012345678 RCX: 0000000000000001
FS:  0000000000000000(0000) GS:ffff88803ec00000(0000) knlGS:0000000000000000
CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033
CR2: 0000000000000010 CR3: 0000000001234000 CR4: 00000000000006f0
RIP: 0033:0x401b06
RDX: 0000000000000042";
        assert_eq!(names(x86), "RSP EFLAGS RAX RBX RCX FS GS knlGS CR2 CR3 CR4");
        assert_eq!(read(x86)[3], ("RBX".to_owned(), 0xffff_8880_1234_5678));
        assert_eq!(
            names(
                "EAX: 00000000 EBX: f5c3fe90 ECX: 00000001 EDX: 00000002\nESI: c0123456 EDI: 00000000 EBP: f5c3fea0 ESP: f5c3fe90"
            ),
            "EAX EBX ECX EDX ESI EDI EBP ESP"
        );
        assert_eq!(
            names(
                "pstate: 60400005 (nZCv daif +PAN -UAO)\npc : walk+0x1/0x2\nsp : ffff80001234fa00\nx29: ffff80001234fa00 x28: ffff0000c1234500\nx1 : 0000000000000000"
            ),
            "pstate sp x29 x28 x1"
        );
        assert_eq!(
            names(
                "pc : [<c0321040>]    lr : [<c0321fb4>]    psr: 60000013\nsp : c1234fa0  ip : 00000000  fp : c1234fb0\nr10: 00000000  r9 : c1230000\nControl: 10c5387d  Table: 6000406a  DAC: 00000051"
            ),
            "pc lr psr sp ip fp r10 r9 Control Table DAC"
        );
        assert_eq!(
            names(
                "epc : ffffffff80123456 ra : ffffffff80123400 sp : ff20000000123e40\n s2 : 0000000000000000 a0 : ff60000001234500\nstatus: 0000000200000120 badaddr: 0000000000000010 cause: 000000000000000d"
            ),
            "epc ra sp s2 a0 status badaddr cause"
        );
        let power = read(
            "NIP:  c0000000004d2a58 LR: c0000000004d2a00 CTR: 0000000000000000\nMSR:  8000000000009033 <SF,EE,ME,IR,DR,RI,LE>  CR: 28002822  XER: 00000000\nGPR00: c0000000004d2a00 c000000007a3fb10 c0000000015a1900 0000000000000010\nGPR04: 0000000000000001",
        );
        assert_eq!(power.len(), 11);
        assert_eq!(power[9], ("GPR03".to_owned(), 0x10));
        assert_eq!(power[10], ("GPR04".to_owned(), 1));
        let s390 = read(
            "Krnl GPRS: 0000000000000001 0000000000000002 0000000000000003 0000000000000004\n           0000000000000005 0000000000000006 0000000000000007 0000000000000008\nKrnl Code: 00000000001234: e310",
        );
        assert_eq!(s390.len(), 8);
        assert_eq!(s390[4], ("R4".to_owned(), 5));
    }

    #[test]
    fn prose_is_no_register() {
        assert_eq!(read("the value of RAX: 0000000000000000 was lost"), []);
        assert_eq!(read("pc : addition+0x1/0x2"), []);
    }
}
