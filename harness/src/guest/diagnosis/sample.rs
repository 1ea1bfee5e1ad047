// SPDX-License-Identifier: GPL-2.0-or-later
//! A virtual CPU at a moment, as seen from outside.

use std::time::Duration;

use super::Registers;

/// Selectors with which Linux runs user code on x86.
const USER_CS: u64 = 0x33;
const USER_SS: u64 = 0x2b;
/// Words that the processor pushes when it leaves user mode: RIP, CS, RFLAGS, RSP, SS.
const FRAME: usize = 5;
/// Where RCX is kept, in words before that.
const RCX: usize = 5;
/// Where user addresses end.
const USER_END: u64 = 1 << 47;

/// A virtual CPU at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Since the sampling began.
    pub at: Duration,
    /// Which one.
    pub cpu: usize,
    /// Its registers.
    pub registers: Registers,
    /// The kernel's stack, innermost first, up to where user mode was left; empty in user mode.
    pub stack: Vec<u64>,
    /// Where user mode was left, if the stack shows it.
    pub left_user: Option<LeftUser>,
    /// The task that ran, if it is known where the kernel keeps it.
    pub task: Option<TaskSeen>,
}

/// Where a task left user mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftUser {
    /// The instruction to which it returns.
    pub rip: u64,
    /// By what.
    pub entry: Entry,
}

/// What made a task leave user mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// A system call.
    SystemCall,
    /// An exception, such as a page fault, or an interrupt.
    Exception,
}

/// A task as its memory shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSeen {
    /// Its number.
    pub pid: u32,
    /// Its name, escaped.
    pub comm: String,
    /// Page faults that it has had so far.
    pub faults: u64,
}

impl Sample {
    /// The user instruction that ran, or to which the task returns.
    pub fn user_rip(&self) -> Option<u64> {
        match self.registers.in_user_mode() {
            true => Some(self.registers.rip),
            false => self.left_user.map(|left| left.rip),
        }
    }

    /// Whether an address is the user's.
    pub fn is_user_address(address: u64) -> bool {
        address < USER_END
    }
}

/// Finds where user mode was left: how many words of the stack are the kernel's own, and the
/// frame behind them.
pub(super) fn left_user(stack: &[u64]) -> Option<(usize, LeftUser)> {
    let at = stack.windows(FRAME).position(|frame| {
        frame[1] == USER_CS
            && frame[4] == USER_SS
            && Sample::is_user_address(frame[0])
            && Sample::is_user_address(frame[3])
    })?;
    // The instruction of a system call leaves in RCX, which is kept before it, where it returns to.
    let entry = match at.checked_sub(RCX) {
        Some(kept) if stack[kept] == stack[at] => Entry::SystemCall,
        _ => Entry::Exception,
    };
    let rip = stack[at];
    Some((at, LeftUser { rip, entry }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: [u64; FRAME] = [0x7f00_0000_1234, USER_CS, 0x246, 0x7fff_0000_1000, USER_SS];

    fn stack(before: &[u64]) -> Vec<u64> {
        [before, &USER, &[0, 0]].concat()
    }

    #[test]
    fn where_user_mode_was_left_ends_the_kernels_stack() {
        let (own, left) = left_user(&stack(&[1, 2, u64::MAX])).unwrap();
        assert_eq!((own, left.rip), (3, USER[0]));
        assert_eq!(left.entry, Entry::Exception);
        // Nothing, and an error code, as the processor leaves them.
        for before in [&[4][..], &[]] {
            let (own, left) = left_user(&stack(before)).unwrap();
            assert_eq!((own, left.entry), (before.len(), Entry::Exception));
        }
    }

    #[test]
    fn a_system_call_keeps_where_it_returns_to() {
        let (_, left) = left_user(&stack(&[0, USER[0], 3, 2, 1, 39])).unwrap();
        assert_eq!(left.entry, Entry::SystemCall);
        let (_, left) = left_user(&stack(&[0, 7, 3, 2, 1, u64::MAX])).unwrap();
        assert_eq!(left.entry, Entry::Exception);
    }

    #[test]
    fn a_stack_without_such_a_frame_tells_nothing() {
        assert_eq!(left_user(&[1, 2, 3]), None);
        assert_eq!(left_user(&[]), None);
        // Selectors alone may be any two numbers.
        let kernels = [
            0xffff_ffff_8100_0000,
            USER_CS,
            0x246,
            0x7fff_0000_1000,
            USER_SS,
        ];
        assert_eq!(left_user(&kernels), None);
    }
}
