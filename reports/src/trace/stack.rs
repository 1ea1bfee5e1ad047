// SPDX-License-Identifier: GPL-2.0-or-later
//! Stacks of a report: where each begins, what its frames are, whether it was printed to its end.

use super::pattern::lazy;
use super::report::{Frame, Pc, Role, Stack};

/// Frames kept of one stack; the kernel's stack is too small for more to make sense.
const MAX_FRAMES: usize = 200;
/// Stacks kept of one report.
const MAX_STACKS: usize = 40;

lazy!(
    FRAME = r"^\s*(?:</?[A-Z]+> +)?(?:\[<?[0-9a-f]*>?\] ?){0,3}(?P<doubt>\? )?(?:\[<[0-9a-f]*>\] ?)?\(?(?P<symbol>[A-Za-z_.$<][A-Za-z0-9_.$:<>]*)\+0x(?P<offset>[0-9a-f]{1,16})/0x(?P<size>[0-9a-f]{1,16})(?: \[(?P<module>[A-Za-z0-9_-]+)[^\]]*\])?"
);
lazy!(
    INLINE = r"^\s*(?:\[< *inline *>\] )?(?P<symbol>[A-Za-z_.$<][A-Za-z0-9_.$:<>]*) [A-Za-z0-9_./-]+:\d+(?: \[inline\])?$"
);
// `IP: [<addr>] func+…` is the form before 4.13; arm64 prints `pc :` and `lr :`.
lazy!(
    REGISTER = r"^(?:RIP: [0-9a-f]{4}:(?:\[<[0-9a-f]*>\]\s*)*|IP: (?:\[<[0-9a-f]*>\] ?)?|EIP: (?:\[<[0-9a-f]*>\] ?)?|pc : (?:\[<[0-9a-f]*>\] ?)?|PC is at |NIP \[[0-9a-f]+\] )(?P<frame>[A-Za-z_.$<]\S*\+0x\S+(?: \[\w+\])?)"
);
lazy!(USER_REGISTER = r"^RIP: 00(?:33|23|2b):");
lazy!(TRACE = r"^\s*(?:Call [Tt]race:|Backtrace:|Stack:$|backtrace:$)");
lazy!(
    ENTRY = r"^(?:(?:smp_)?apic_timer_interrupt|asm_.*|invalid_op|page_fault|async_page_fault|general_protection|divide_error|double_fault|error_entry|.*_interrupt_entry_after.*|el1_(?:irq|sync|dbg|inv)|el1h_.*|__irq_svc|__dabt_svc|__und_svc)$"
);
lazy!(
    BOTTOM = r"^(?:entry_SYSCALL|entry_INT80|entry_SYSENTER|entry_syscall|ret_from_fork|secondary_startup_64|do_syscall_64|do_fast_syscall_32|el0_|ret_fast_syscall|vectors|start_secondary|x86_64_start_kernel|asm_exc_page_fault|asm_sysvec|asm_common|page_fault|rewind_stack_do_exit|kthread$|sysenter_|system_call|tracesys|int_ret)"
);

const SECTIONS: &[(&str, Role)] = &[
    ("Allocated by", Role::Allocated),
    ("INFO: Allocated in", Role::Allocated),
    ("allocated by", Role::Allocated),
    ("page last allocated via", Role::Allocated),
    ("Uninit was created at", Role::Allocated),
    ("Freed by", Role::Freed),
    ("freed by", Role::Freed),
    ("INFO: Freed in", Role::Freed),
    ("page last free", Role::Freed),
    ("Last potentially related work creation", Role::RelatedWork),
    ("Last call_rcu", Role::RelatedWork),
    (
        "Second to last potentially related work creation",
        Role::RelatedWork,
    ),
    ("-> #", Role::LockChain),
    ("Showing all locks", Role::Other),
    ("NMI backtrace for cpu", Role::Other),
    ("Sending NMI from", Role::Other),
    ("rcu: RCU grace-period kthread stack dump", Role::Other),
];

/// The stacks of a report.
pub(super) struct Stacks {
    pub(super) stacks: Vec<Stack>,
    /// For each crash stack that was interrupted by an exception: index of its first frame
    /// outside of the exception's handling.
    pub(super) boundaries: Vec<Option<usize>>,
    /// True when the crash stack was printed down to where the kernel was entered.
    pub(super) complete: bool,
}

/// Reads the stacks of a report line by line.
#[derive(Default)]
pub(super) struct Reader {
    stacks: Vec<Stack>,
    boundaries: Vec<Option<usize>>,
    /// Role of the next trace.
    role: Option<Role>,
    /// A register's frame that waits for the trace below it.
    register: Option<Frame>,
    /// A stack is being read.
    open: bool,
    complete: bool,
}

impl Reader {
    /// A crash stack has begun and its bottom was not printed yet.
    pub(super) fn in_crash_stack(&self) -> bool {
        !self.complete && self.stacks.iter().any(|stack| stack.role == Role::Crash)
    }

    /// Takes the report's next line.
    pub(super) fn line(&mut self, line: &str) {
        let trimmed = line.trim_start();
        if let Some((_, role)) = SECTIONS
            .iter()
            .find(|(start, _)| trimmed.starts_with(start))
        {
            self.open = false;
            self.register = None;
            self.role = Some(*role);
        } else if trimmed.starts_with("stack backtrace:") {
            self.open = false;
            self.role = None;
        } else if USER_REGISTER.is_match(trimmed) || trimmed.starts_with("</TASK>") {
            self.complete |= self.in_crash();
            self.open = false;
        } else if trimmed.starts_with("---[ end") {
            self.open = false;
        } else if let Some(frame) = register(trimmed) {
            self.at_register(frame);
        } else if trimmed.starts_with("Kernel panic - not syncing") {
            // The panic dumps the stack anew: context, unless it is all that was printed.
            self.open = false;
            self.register = None;
            let seen = self
                .stacks
                .iter()
                .any(|s| s.role == Role::Crash && !s.frames.is_empty());
            self.role = seen.then_some(Role::Other);
        } else if TRACE.is_match(line) {
            self.begin();
        } else if let Some(frame) = frame(line) {
            self.push(frame);
        }
    }

    /// A register dump: within a trace it is where an exception struck, else the next trace's top.
    fn at_register(&mut self, frame: Frame) {
        if !self.open {
            self.register = Some(frame);
            return;
        }
        let Some(stack) = self.stacks.last_mut() else {
            return;
        };
        if let Some(boundary) = self.boundaries.last_mut() {
            boundary.get_or_insert(stack.frames.len());
        }
        if stack.frames.len() < MAX_FRAMES {
            stack.frames.push(frame);
        }
    }

    fn begin(&mut self) {
        if self.stacks.len() == MAX_STACKS {
            self.open = false;
            return;
        }
        let role = self.role.take().unwrap_or(Role::Crash);
        let frames: Vec<_> = self.register.take().into_iter().collect();
        self.stacks.push(Stack { role, frames });
        self.boundaries.push(None);
        self.open = true;
    }

    fn push(&mut self, frame: Frame) {
        if !self.open {
            self.begin();
        }
        if !self.open {
            return;
        }
        if frame.reliable && BOTTOM.is_match(&frame.symbol) {
            self.complete |= self.in_crash();
        }
        let Some(stack) = self.stacks.last_mut() else {
            return;
        };
        if stack.frames.len() == MAX_FRAMES {
            return;
        }
        let entry = frame.reliable && ENTRY.is_match(&frame.symbol);
        stack.frames.push(frame);
        if entry && let Some(boundary) = self.boundaries.last_mut() {
            boundary.get_or_insert(stack.frames.len());
        }
    }

    /// The stack being read is one whose end tells that the report is whole.
    fn in_crash(&self) -> bool {
        self.stacks
            .last()
            .is_some_and(|stack| matches!(stack.role, Role::Crash | Role::Other))
    }

    /// The stacks read.
    pub(super) fn finish(mut self) -> Stacks {
        // A register dump without a trace below it still tells where.
        if self.register.is_some() {
            self.begin();
        }
        Stacks {
            stacks: self.stacks,
            boundaries: self.boundaries,
            complete: self.complete,
        }
    }
}

/// A frame that a register's line names.
fn register(line: &str) -> Option<Frame> {
    let captures = REGISTER.captures(line)?;
    let mut frame = frame(&captures["frame"])?;
    frame.pc = Pc::Exact;
    Some(frame)
}

/// A frame's line.
fn frame(line: &str) -> Option<Frame> {
    let Some(captures) = FRAME.captures(line) else {
        let captures = INLINE.captures(line)?;
        // An inlined function has no address of its own.
        return Some(Frame {
            symbol: captures["symbol"].to_owned(),
            offset: 0,
            size: 0,
            module: None,
            build_id: None,
            reliable: true,
            pc: Pc::Return,
            location: None,
        });
    };
    let number = |name| u64::from_str_radix(&captures[name], 16).ok();
    Some(Frame {
        symbol: captures["symbol"].to_owned(),
        offset: number("offset")?,
        size: number("size")?,
        module: captures.name("module").map(|m| m.as_str().to_owned()),
        build_id: None,
        reliable: captures.name("doubt").is_none(),
        pc: Pc::Return,
        location: None,
    })
}
