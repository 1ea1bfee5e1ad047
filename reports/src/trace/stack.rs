// SPDX-License-Identifier: GPL-2.0-or-later
//! Stacks of a report: where each begins, what it shows, whether it was printed to its end.

use super::frame::{self, Counter, Parsed};
use super::pattern::lazy;
use super::report::{Frame, Role, Stack};

/// Frames kept of one stack; the kernel's stack is too small for more to make sense.
const MAX_FRAMES: usize = 200;
/// Stacks kept of one report.
const MAX_STACKS: usize = 40;
/// Of these, stacks of context: lockdep prints dozens before it comes to the crash.
const MAX_CONTEXT: usize = 24;

// Where the kernel was entered: below it there is nothing of the kernel.
lazy!(
    BOTTOM = r"^(?:entry_(?:SYSCALL|INT80|SYSENTER|syscall).*|ret_from_(?:fork|kernel_|exception).*|ret_to_user.*|ret_fast_syscall|__ret_from_fork|(?:secondary_)?startup_(?:32|64).*|do_syscall_64|do_fast_syscall_32|el0t?_.*|vectors|start_secondary|(?:x86_64|i386)_start_kernel|start_here_common|__primary_switched|asm_exc_page_fault|asm_sysvec.*|asm_common.*|page_fault.*|rewind_stack_do_exit|kthread|kernel_thread|sysenter_.*|system_call.*|__do_syscall|(?:pgm_check|ext_int|io_int)_handler|do_trap_ecall_u|tracesys.*|int_ret.*)$"
);

/// What a line says of the frames below it.
#[derive(Clone, Copy)]
enum Section {
    /// They show this.
    Stack(Role),
    /// They are names of data, or one register's.
    Nothing,
}
use Section::{Nothing, Stack as Shows};

/// How lines begin that say what the frames below them show.
const STARTS: &[(&str, Section)] = &[
    // KASAN, and KFENCE in lower case
    ("Allocated by", Shows(Role::Allocated)),
    ("allocated by", Shows(Role::Allocated)),
    ("Allocated:", Shows(Role::Allocated)),
    ("Freed by", Shows(Role::Freed)),
    ("freed by", Shows(Role::Freed)),
    ("Freed:", Shows(Role::Freed)),
    (
        "Last potentially related work creation",
        Shows(Role::RelatedWork),
    ),
    (
        "Second to last potentially related work creation",
        Shows(Role::RelatedWork),
    ),
    ("Last call_rcu", Shows(Role::RelatedWork)),
    ("Second to last call_rcu", Shows(Role::RelatedWork)),
    ("The buggy address belongs to the variable", Nothing),
    // SLUB, before and after 5.12
    ("INFO: Allocated in", Shows(Role::Allocated)),
    ("INFO: Freed in", Shows(Role::Freed)),
    ("Allocated in", Shows(Role::Allocated)),
    ("Freed in", Shows(Role::Freed)),
    // page owners
    ("page last allocated via", Shows(Role::Allocated)),
    ("page allocated via", Shows(Role::Allocated)),
    ("page last free", Shows(Role::Freed)),
    // KMSAN
    ("Uninit was created at", Shows(Role::Allocated)),
    ("Uninit was stored", Shows(Role::Other)),
    ("Local variable", Shows(Role::Allocated)),
    // KCSAN: both sides of a race
    ("write to 0x", Shows(Role::Crash)),
    ("read to 0x", Shows(Role::Crash)),
    ("read-write to 0x", Shows(Role::Crash)),
    ("write (", Shows(Role::Crash)),
    ("read (", Shows(Role::Crash)),
    ("read-write (", Shows(Role::Crash)),
    ("assert no ", Shows(Role::Crash)),
    ("race at unknown origin", Shows(Role::Crash)),
    // locks
    ("-> #", Shows(Role::LockChain)),
    ("Preemption disabled at", Nothing),
    ("Showing all locks", Shows(Role::Other)),
    // other CPUs and tasks
    ("NMI backtrace for cpu", Shows(Role::Other)),
    ("Sending NMI from", Shows(Role::Other)),
    (
        "rcu: RCU grace-period kthread stack dump",
        Shows(Role::Other),
    ),
    ("RCU grace-period kthread stack dump", Shows(Role::Other)),
    (
        "rcu: Stack dump where RCU GP kthread last ran",
        Shows(Role::Other),
    ),
    ("Last Breaking-Event-Address", Nothing),
];

/// How lines end that say so.
const ENDS: &[(&str, Section)] = &[
    // a stack's variables
    ("in frame:", Shows(Role::Other)),
    // a vmalloc mapping
    ("created by:", Shows(Role::Allocated)),
    // `state was registered at:`, `HARDIRQ-ON-W at:`, `... acquired at:`
    (" at:", Shows(Role::LockChain)),
];

/// How lines begin that a stack does not go on after.
const CLOSERS: &[&str] = &[
    "---[ end",
    "CPU: ",
    "Pid: ",
    "Process ",
    "task:",
    "Hardware name",
    "Modules linked in",
    "The buggy address",
    "Memory state around",
];

/// How lines begin that show that the kernel was entered from a program.
const USER: &[&str] = &[
    "RIP: 0033:",
    "RIP: 0023:",
    "RIP: 002b:",
    "</TASK>",
    "User PSW :",
];

/// How lines begin that a trace follows.
const TRACES: &[&str] = &[
    "Call Trace:",
    "Call trace:",
    "Backtrace:",
    "backtrace:",
    "backtrace (crc ",
];

/// Reads the stacks of a report line by line.
#[derive(Default, Clone)]
pub(super) struct Reader {
    stacks: Vec<Stack>,
    /// Role of the next trace.
    role: Option<Role>,
    /// A register's frame that waits for the trace below it.
    register: Option<Frame>,
    /// A stack is being read.
    open: bool,
    /// What follows are no frames.
    muted: bool,
    complete: bool,
}

impl Reader {
    /// A crash stack has begun and its bottom was not printed yet.
    pub(super) fn in_crash_stack(&self) -> bool {
        !self.complete && self.has_crash(|_| true)
    }

    fn has_crash(&self, also: impl Fn(&Stack) -> bool) -> bool {
        self.stacks
            .iter()
            .any(|stack| stack.role == Role::Crash && also(stack))
    }

    /// The crash stack has been printed down to where the kernel was entered.
    pub(super) fn complete(&self) -> bool {
        self.complete
    }

    /// Takes the report's next line.
    pub(super) fn line(&mut self, line: &str) {
        let line = line.trim();
        let starts = |starts: &[&str]| starts.iter().any(|start| line.starts_with(start));
        if let Some(section) = section(line) {
            self.open = false;
            self.register = None;
            self.muted = matches!(section, Nothing);
            if let Shows(role) = section {
                self.role = Some(role);
            }
        } else if line == "stack backtrace:" {
            self.open = false;
            self.muted = false;
            self.role = None;
        } else if starts(USER) {
            self.entered();
        } else if starts(CLOSERS) {
            self.open = false;
        } else if let Some(counter) = frame::program_counter(line) {
            match counter {
                Counter::Function(frame) => self.at_register(frame),
                // powerpc says so of a program.
                Counter::Nowhere if line.starts_with("---") => self.entered(),
                Counter::Nowhere => {}
            }
        } else if line.starts_with("Kernel panic - not syncing") {
            // The panic dumps the stack anew: context, unless it is all that was printed.
            self.open = false;
            self.register = None;
            let seen = self.has_crash(|stack| !stack.frames.is_empty());
            self.role = seen.then_some(Role::Other);
        } else if starts(TRACES) {
            self.muted = false;
            self.begin();
        } else if let Some(parsed) = frame::parse(line).filter(|_| !self.muted) {
            self.push(parsed);
        }
    }

    /// The stack has been printed down to the program that entered the kernel.
    fn entered(&mut self) {
        self.complete |= self.in_crash();
        self.open = false;
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
        if stack.frames.len() < MAX_FRAMES && !stack.frames.last().is_some_and(|f| same(f, &frame))
        {
            stack.frames.push(frame);
        }
    }

    fn begin(&mut self) {
        let role = self.role.take().unwrap_or(Role::Crash);
        let context = |stack: &&Stack| stack.role != Role::Crash;
        let room = self.stacks.len() < MAX_STACKS
            && (role == Role::Crash || self.stacks.iter().filter(context).count() < MAX_CONTEXT);
        self.open = room;
        if room {
            let frames: Vec<_> = self.register.take().into_iter().collect();
            self.stacks.push(Stack { role, frames });
        }
    }

    fn push(&mut self, parsed: Parsed) {
        if !self.open {
            // Old arm kernels print no heading: the first such stack is the crash's.
            if parsed.callee.is_some() && self.has_crash(|_| true) {
                self.role.get_or_insert(Role::Other);
            }
            self.begin();
        }
        if !self.open {
            return;
        }
        let Parsed { frame, callee } = parsed;
        if frame.reliable && BOTTOM.is_match(&frame.symbol) {
            self.complete |= self.in_crash();
        }
        let Some(stack) = self.stacks.last_mut() else {
            return;
        };
        if stack.frames.len() == MAX_FRAMES {
            return;
        }
        match stack.frames.as_slice() {
            [] => stack.frames.extend(callee.as_deref().map(frame::named)),
            // The trace begins with what the register's line has told.
            [top] if same(top, &frame) => return,
            _ => {}
        }
        stack.frames.push(frame);
    }

    /// The stack being read is one whose end tells that the report is whole.
    fn in_crash(&self) -> bool {
        self.stacks
            .last()
            .is_some_and(|stack| matches!(stack.role, Role::Crash | Role::Other))
    }

    /// The stacks read.
    pub(super) fn finish(mut self) -> Vec<Stack> {
        // A register dump without a trace below it still tells where.
        if self.register.is_some() && !self.has_crash(|stack| !stack.frames.is_empty()) {
            self.role = None;
            self.begin();
        }
        self.stacks.retain(|stack| !stack.frames.is_empty());
        self.stacks
    }
}

/// What a line says of the frames below it.
fn section(line: &str) -> Option<Section> {
    // Before 5.17 KFENCE describes the object on the same line.
    if line.starts_with("kfence-#") && line.contains(" allocated by ") {
        return Some(Shows(Role::Allocated));
    }
    let starts = STARTS.iter().find(|(start, _)| line.starts_with(start));
    let found = starts.or_else(|| {
        let ends = |&&(end, _): &&(&str, Section)| line.ends_with(end);
        // What is tried just now is the crash itself.
        let context = |_: &&_| line.ends_with(':') && !line.contains(" is trying to ");
        ENDS.iter().find(ends).filter(context)
    });
    found.map(|(_, section)| *section)
}

fn same(one: &Frame, other: &Frame) -> bool {
    one.symbol == other.symbol && one.offset == other.offset
}
