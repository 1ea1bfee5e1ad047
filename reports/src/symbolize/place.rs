// SPDX-License-Identifier: GPL-2.0-or-later
//! From addresses to frames: for stacks that were read from outside, not printed by a kernel.

use super::Symbolizer;
use crate::trace::{Frame, Pc};

/// Where an address of the kernel's own code lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The function.
    pub symbol: String,
    /// Its address.
    pub start: u64,
    /// Bytes from there to the address.
    pub offset: u64,
    /// Bytes from there to the next function, as a trace prints them.
    pub size: u64,
}

/// A call that returns to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// To this address.
    Direct(u64),
    /// Through a register or memory.
    Indirect,
}

impl Place {
    /// The frame that a trace would print.
    pub fn frame(&self, pc: Pc, reliable: bool) -> Frame {
        Frame {
            symbol: self.symbol.clone(),
            offset: self.offset,
            size: self.size,
            module: None,
            build_id: None,
            reliable,
            pc,
            location: None,
        }
    }
}

impl Symbolizer {
    /// Where an address lies, in a kernel that runs where it was linked to run.
    pub fn place(&self, address: u64) -> Option<Place> {
        self.vmlinux().place(address)
    }

    /// The call that returns to an address; none when no call is before it.
    pub fn call(&self, after: u64) -> Option<Call> {
        self.vmlinux().call(after)
    }
}
