// SPDX-License-Identifier: GPL-2.0-or-later
//! Faults of the processor that the kernel could not handle.

use super::{
    BAD_ACCESS, Blame, Ends, Format, Frames, OVERFLOW, Path, Register, Trace, Variant, variant,
};
use crate::trace::Kind;

// The stack of one that has no room left for a stack is another CPU's, or nobody's.
const REGISTER: Blame = Blame::First(&[&[Register]]);
pub(super) const DEEP: &[Path] = &[&[Register, Trace, Frames]];

const fn fault(header: &'static str, variants: &'static [Variant]) -> Format {
    Format {
        header,
        ends: Ends::EndTrace,
        variants,
    }
}

const fn trap(title: &'static str, alt: &'static [&'static str]) -> Variant {
    variant("", title, alt, Kind::Dos, Blame::Interrupted)
}

pub(super) static FORMATS: &[Format] = &[
    // Page faults and NULL pointers, in the words of x86 before and after 5.1, of powerpc and of
    // arm.
    fault(
        r"BUG: (?:unable to handle (?:kernel )?|[Kk]ernel )NULL pointer dereference|Unable to handle kernel NULL pointer dereference",
        &[variant(
            "",
            "BUG: unable to handle kernel NULL pointer dereference in {func}",
            BAD_ACCESS,
            Kind::NullPointerDereference,
            Blame::Interrupted,
        )],
    ),
    fault(
        r"BUG: (?:unable to handle (?:kernel paging request|page fault)|Unable to handle kernel (?:data|instruction))|Unable to handle kernel (?:paging request|read|write|execut|unknown|instruction|pointer)",
        &[variant(
            "",
            "BUG: unable to handle kernel paging request in {func}",
            BAD_ACCESS,
            Kind::MemorySafetyBug,
            Blame::Interrupted,
        )],
    ),
    fault(
        r"Unable to handle kernel access to user memory",
        &[variant(
            "",
            "BUG: unable to handle kernel access to user memory in {func}",
            BAD_ACCESS,
            Kind::MemorySafetyBug,
            Blame::Interrupted,
        )],
    ),
    fault(
        r"BUG: [Uu]nable to handle kernel\s*$",
        &[Variant {
            corrupt: "the line that says what could not be handled is cut",
            ..variant(
                "",
                "BUG: unable to handle kernel",
                &[],
                Kind::Unknown,
                Blame::Nobody,
            )
        }],
    ),
    fault(
        r"BUG: (?:[A-Z0-9#]+ )?stack guard page was hit",
        &[variant(
            "",
            "BUG: stack guard page was hit in {func}",
            OVERFLOW,
            Kind::Unknown,
            Blame::Handler(DEEP),
        )],
    ),
    fault(
        r"PANIC: double fault",
        &[variant(
            "",
            "PANIC: double fault in {func}",
            &[],
            Kind::Dos,
            REGISTER,
        )],
    ),
    fault(
        r"general protection fault[,:]|general protection fault .*: ?[0-9a-f]{4} \[#",
        &[trap("general protection fault in {func}", BAD_ACCESS)],
    ),
    fault(
        r"stack segment: ",
        &[trap("stack segment fault in {func}", &[])],
    ),
    fault(
        r"divide[ _]error: ",
        &[variant(
            "",
            "divide error in {func}",
            &[],
            Kind::Dos,
            REGISTER,
        )],
    ),
    fault(
        r"invalid opcode: ",
        &[variant(
            "",
            "invalid opcode in {func}",
            &[],
            Kind::Dos,
            REGISTER,
        )],
    ),
    fault(
        r"^Internal error: ",
        &[trap("Internal error in {func}", BAD_ACCESS)],
    ),
    fault(
        r"^Alignment trap: ",
        &[trap("Alignment trap in {func}", &[])],
    ),
    fault(
        r"^Unhandled fault: ",
        &[trap("Unhandled fault in {func}", BAD_ACCESS)],
    ),
    // Every other trap of x86 and s390: its name, the code and how many there were. A page
    // fault is told by the line before; alone, it says too little.
    fault(
        r"^(?:Oops: )?(?P<what>[A-Za-z][A-Za-z0-9 -]*): ?[0-9a-f]{4} (?:ilc:\d+ )?\[#\d+\]",
        &[
            Variant {
                when: r"^(?:Oops: )?Oops: ?[0-9a-f]{4} (?:ilc:\d+ )?\[#",
                corrupt: "the line that says what could not be handled is missing",
                ..trap("Oops in {func}", &[])
            },
            trap("{what} in {func}", &[]),
        ],
    ),
];
