// SPDX-License-Identifier: GPL-2.0-or-later
//! What the parser finds.

use std::ops::Range;

use super::Kind;

/// One crash report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Normalised title: the key for dedup and expectations.
    pub title: String,
    /// Further titles that the same crash may be known by.
    pub alt_titles: Vec<String>,
    /// Class of the crash.
    pub kind: Kind,
    /// Why the report cannot be trusted wholly: cut short, mixed with another one, no stack.
    pub corrupted: Option<String>,
    /// True when the kernel panicked during or after it.
    pub panicked: bool,
    /// Bytes of the console, from the report's first line to the end of its last one.
    /// Lines of other callers may lie in between; [`Report::text`] is without them.
    pub span: Range<usize>,
    /// The report's lines without their prefixes, bounded.
    pub text: String,
    /// Name of the task that it struck, if printed.
    pub task: Option<String>,
    /// Process id of that task.
    pub pid: Option<u32>,
    /// CPU that it struck on.
    pub cpu: Option<u32>,
    /// Stacks in the order of printing.
    pub stacks: Vec<Stack>,
    /// The forbidden access, where the report tells of one.
    pub access: Option<Access>,
    /// The function to blame, normalised; absent when no frame is left to blame.
    pub guilty: Option<String>,
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
    /// False for a `?` frame: an address on the stack that the unwinder could not vouch for.
    pub reliable: bool,
    /// What the address is.
    pub pc: Pc,
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

/// A forbidden access to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Reading or writing.
    pub direction: Direction,
    /// How many bytes, if printed.
    pub size: Option<u64>,
    /// Where, if printed.
    pub address: Option<u64>,
}

/// Reading or writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The access read.
    Read,
    /// The access wrote.
    Write,
}
