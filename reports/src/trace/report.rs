// SPDX-License-Identifier: GPL-2.0-or-later
//! What the parser finds.

use std::ops::Range;

use super::{Kind, title};

/// One crash report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Normalised title: the key for dedup and expectations.
    pub title: String,
    /// Further titles that the same crash may be known by.
    pub alt_titles: Vec<String>,
    /// Class of the crash.
    pub kind: Kind,
    /// True when all it tells is that something took too long: a machine that is not given its
    /// time prints the same.
    pub measures_time: bool,
    /// Why the report cannot be trusted wholly.
    pub corrupted: Option<Corruption>,
    /// True when the kernel panicked during or after it.
    pub panicked: bool,
    /// Bytes of the log, from the report's first line to the end of its last one.
    /// Lines of other callers may lie in between; [`Report::text`] is without them.
    pub span: Range<u64>,
    /// The report's lines without their prefixes, bounded.
    pub text: String,
    /// What its lines tell beside stacks.
    pub details: Details,
    /// Stacks in the order of printing.
    pub stacks: Vec<Stack>,
    /// Whom to blame; absent when no frame is left to blame.
    pub guilty: Option<Guilty>,
}

impl Report {
    /// Where the frame to blame is: indices of its stack and of the frame in that.
    ///
    /// [`None`] when nobody is to blame, or only a line that is no frame names it.
    pub fn guilty_frame(&self) -> Option<(usize, usize)> {
        let guilty = self.guilty.as_ref()?;
        let (own, others): (Vec<_>, Vec<_>) = self
            .stacks
            .iter()
            .enumerate()
            .partition(|(_, stack)| stack.role == Role::Crash);
        own.into_iter().chain(others).find_map(|(at, stack)| {
            // A `?` frame is left over from an earlier call more often than not.
            let frame = [true, false].iter().find_map(|&reliable| {
                stack.frames.iter().position(|frame| {
                    frame.reliable == reliable
                        && title::names(&frame.symbol).contains(&guilty.function)
                })
            })?;
            Some((at, frame))
        })
    }

    /// What a stack of the report shows, in the words of reports.
    pub fn stack_name(&self, stack: &Stack) -> &'static str {
        match stack.role {
            Role::Crash if self.details.access.is_some() => "access",
            role => role.name(),
        }
    }
}

/// Why a report cannot be trusted wholly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Corruption {
    /// The log ends within it.
    CutShort,
    /// Another report, or another task's lines, are mixed into it.
    Mixed,
    /// It has no stack.
    NoStack,
    /// It has a stack, and no frame of it can be blamed.
    NobodyToBlame,
    /// A line that a whole report of its format has is missing; which one.
    Missing(&'static str),
}

impl std::fmt::Display for Corruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::CutShort => "cut short: the log ends within it",
            Self::Mixed => "another report is mixed into it",
            Self::NoStack => "it has no stack",
            Self::NobodyToBlame => "no frame of its stack can be blamed",
            Self::Missing(what) => what,
        })
    }
}

/// Whom to blame for a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guilty {
    /// The function, normalised.
    pub function: String,
    /// Source file relative to the kernel tree, where the log itself prints one.
    pub file: Option<String>,
}

/// What a report's lines tell beside stacks: each as printed, absent where it was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// Name of the task that it struck.
    pub task: Option<String>,
    /// Process id of that task.
    pub pid: Option<u32>,
    /// CPU that it struck on.
    pub cpu: Option<u32>,
    /// Taint flags, such as `G        W`; empty when the kernel was not tainted.
    pub taint: Option<String>,
    /// `uname -r` of the kernel; the boot banner's above it where the report prints none.
    pub release: Option<String>,
    /// The forbidden access.
    pub access: Option<Access>,
    /// Registers of the crash, in the order of printing.
    pub registers: Vec<Register>,
    /// Locks held, a line each.
    pub locks: Vec<String>,
}

/// A register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// Name as printed, such as `RAX` or `x0`.
    pub name: String,
    /// Its value.
    pub value: u64,
}

/// A stack of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// What it shows.
    pub role: Role,
    /// Innermost first.
    pub frames: Vec<Frame>,
}

/// What a stack shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Where the crash happened.
    Crash,
    /// Where the object was allocated.
    Allocated,
    /// Where the object was freed.
    Freed,
    /// Where work that touched the object was queued.
    RelatedWork,
    /// Where a lock of the chain was taken.
    LockChain,
    /// Another task or CPU, shown for context.
    Other,
}

impl Role {
    /// The words of reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Allocated => "allocated",
            Self::Freed => "freed",
            Self::RelatedWork => "last related work",
            Self::LockChain => "lock chain",
            Self::Other => "other",
        }
    }
}

/// A frame as printed: `symbol+0xoffset/0xsize [module]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Symbol as printed, compiler suffixes included.
    pub symbol: String,
    /// Offset into the symbol in bytes.
    pub offset: u64,
    /// The symbol's size in bytes.
    pub size: u64,
    /// Module that holds it.
    pub module: Option<String>,
    /// Build id of that module, in hexadecimal, where printed.
    pub build_id: Option<String>,
    /// False for a `?` frame: an address on the stack that the unwinder could not vouch for.
    pub reliable: bool,
    /// What the address is.
    pub pc: Pc,
    /// Where the log itself says that this is in the source.
    pub location: Option<Location>,
}

/// A place in the source, as a log that was symbolized already prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// File, relative to the kernel tree.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// True when the function was inlined there and has no offset of its own.
    pub inlined: bool,
}

impl Frame {
    /// As the log prints it; [`None`] for an inlined function, and where the log left the
    /// offset out.
    pub fn printed(&self) -> Option<String> {
        let inlined = self.location.as_ref().is_some_and(|place| place.inlined);
        (!inlined && self.size > 0).then(|| self.to_string())
    }
}

impl std::fmt::Display for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{:#x}/{:#x}", self.symbol, self.offset, self.size)?;
        match &self.module {
            Some(module) => write!(f, " [{module}]"),
            None => Ok(()),
        }
    }
}

/// What a frame's address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pc {
    /// The instruction itself, from a register.
    Exact,
    /// The instruction after a call, from the stack.
    Return,
}

/// A forbidden access to memory, or the one that a race is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// What it did.
    pub direction: Direction,
    /// How many bytes, if printed.
    pub size: Option<u64>,
    /// Where, if printed.
    pub address: Option<u64>,
}

/// What an access did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The access read.
    Read,
    /// The access wrote.
    Write,
    /// The access fetched an instruction.
    Execute,
    /// The report does not tell.
    Unknown,
}
