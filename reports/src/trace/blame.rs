// SPDX-License-Identifier: GPL-2.0-or-later
//! Which of the functions that a path meets is to blame.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::formats::{Blame, FORMATS, Variant};
use super::pattern::compile;
use super::skip;
use super::title;
use super::trail::{self, Suspect};

// Functions that hand control to a handler, by who asked for the work: the function called is
// what stalls.
const DISPATCHERS: &[&str] = &[
    // A softirq: timers, tasklets, packets that have come in, and the thread that does the rest.
    r"do_softirq|^run_ksoftirqd$|^tasklet_(?:hi_)?action",
    r"^(?:call_timer_fn|(?:__)?run_timers|run_timer_softirq|_*hrtimer_run\w*)$",
    r"netif_receive_skb",
    // A kernel thread: a worker, a thread of each CPU, any other; and an idle CPU.
    r"^(?:process_one_work|smpboot_thread_fn|kthread|ret_from_fork\w*)$",
    r"^(?:cpu_startup_entry|start_secondary\w*)$",
    // A program's system call: each architecture has its own ways in.
    r"^(?:do_trap_ecall_u|__do_syscall|system_call(?:_exception|_common\w*)?)$",
    r"^(?:do_syscall_\w+|(?:__)?do_fast_syscall_\w+|sysenter_dispatch|tracesys_phase2)$",
    r"^(?:(?:do_)?el0_svc_\w+|(?:__)?invoke_syscall|ret_fast_syscall)$",
    // A call on a file: what it does depends on the file.
    r"vfs_(?:open|ioctl|(?:iter_)?(?:read|write))|do_dentry_open",
    r"new_sync_(?:read|write)|call_(?:read|write)_iter|do_iter_(?:read|write)",
    r"ksys_ioctl|compat_(?:sys_)?ioctl|^(?:sys_)?ioctl|blkdev_(?:driver_)?ioctl",
    r"do_mmap|mmap_region|call_mmap",
    // A call on a socket: what it does depends on the protocol.
    r"^(?:compat_)?sock_(?:do_)?ioctl|^sock_(?:sendmsg|recvmsg|mmap|release)|^__sock_release",
    r"^(?:kernel_)?(?:setsockopt|listen|accept)$|kernel_(?:setsockopt|listen|accept)",
    r"sock_common_setsockopt|sk_common_release|^(?:sys_)?(?:connect|socketpair)",
    r"^netlink_dump|^(?:rt|nf)netlink_rcv_msg",
    // A fault of a program's, and what is left to do on the way back to it.
    r"^page_fault$|do_page_fault|__do_fault|__fput|task_work_run|exit_to_user_?mode",
    CALLS,
];
/// Waits for another CPU: the wait is the stall.
const CALLS: &str = "smp_call_function";

static DISPATCHER: LazyLock<Regex> = LazyLock::new(|| compile(&DISPATCHERS.join("|")));

// The same for a fault of user space; one within a system call is that call's business.
static FAULT: LazyLock<Regex> = LazyLock::new(|| {
    compile("^(?:(?:__)?handle_mm_fault|do_user_addr_fault|exc_page_fault|asm_exc_page_fault)$")
});

// Waits that are hung on by so many that they are a bucket of their own.
static BUCKET: LazyLock<Regex> =
    LazyLock::new(|| compile("rtnl_lock|synchronize_(?:s?rcu|net|sched)"));
// How a task waits, whatever for.
const WAITS: &[&str] = &[
    // It gives up its CPU.
    r"(?:^|_)schedule(?:_|$)|^(?:context_switch|__switch_to)",
    // For a lock: mutexes, semaphores of either kind, locks of files and records.
    r"_(?:slow)?lock(?:_|$)|rwsem|(?:^|_)down(?:_|$)",
    // For somebody to be done.
    r"wait|completion|^kthread(?:_|$)|^_*cancel_(?:delayed_)?work|^(?:s?rcu_barrier|synchronize_\w+)",
    // For a time.
    r"^(?:[mus]|nano)sleep",
];
static WAIT: LazyLock<Regex> = LazyLock::new(|| compile(&WAITS.join("|")));

static EXTRA: LazyLock<HashMap<&'static str, Regex>> = LazyLock::new(|| {
    FORMATS
        .iter()
        .flat_map(|format| format.variants)
        .flat_map(|variant| variant.skip)
        .map(|skip| (*skip, compile(skip)))
        .collect()
});

/// Whom the paths of a variant lead to.
#[derive(Default)]
pub(super) struct Verdict {
    /// The function as printed.
    pub(super) function: Option<String>,
    /// It is a stack's frame: if stacks were mixed, it may be another report's.
    pub(super) framed: bool,
    /// The fault injector's stack lay in the way.
    pub(super) injected: bool,
}

impl Verdict {
    /// What the report says itself.
    pub(super) fn named(function: Option<String>) -> Self {
        Self {
            function,
            ..Self::default()
        }
    }
}

/// The function to blame: the first path that leads to one decides.
pub(super) fn guilty(variant: &Variant, lines: &[String]) -> Verdict {
    let mut verdict = Verdict::default();
    for path in variant.blame.paths() {
        let met = trail::walk(path, lines);
        verdict.injected |= met.injected;
        let suspects: Vec<&Suspect> = met
            .functions
            .iter()
            .filter(|suspect| !skipped(variant, &suspect.name))
            .collect();
        let chosen = match variant.blame {
            Blame::Handler(_) => handler(&suspects),
            Blame::Waiter(_) => waiter(&suspects),
            _ => suspects.first().copied(),
        };
        if let Some(chosen) = chosen {
            verdict.function = Some(chosen.name.clone());
            verdict.framed = chosen.framed;
            break;
        }
    }
    verdict
}

/// What a dispatcher called: a stall is met anywhere in its loop, the handler is the same.
fn handler<'a>(suspects: &[&'a Suspect]) -> Option<&'a Suspect> {
    let dispatches = |suspect: &Suspect| {
        let names = title::names(&suspect.name);
        names.iter().any(|name| DISPATCHER.is_match(name))
    };
    let faults = |suspect: &Suspect| FAULT.is_match(&suspect.name);
    let first = |fits: &dyn Fn(&Suspect) -> bool| suspects.iter().position(|suspect| fits(suspect));
    let at = first(&dispatches).or_else(|| first(&faults))?;
    let calls = suspects[at].name.contains(CALLS);
    let culprit = if calls { at } else { at.saturating_sub(1) };
    suspects.get(culprit).copied()
}

/// Who waits: a bucket of waits if there is one, else who called the wait.
fn waiter<'a>(suspects: &[&'a Suspect]) -> Option<&'a Suspect> {
    let find = |fits: &dyn Fn(&str) -> bool| suspects.iter().copied().find(|s| fits(&s.name));
    find(&|name| BUCKET.is_match(name)).or_else(|| find(&|name| !WAIT.is_match(name)))
}

fn skipped(variant: &Variant, function: &str) -> bool {
    let name = title::function(function);
    let extra = |skip: &&str| EXTRA.get(skip).is_some_and(|re| re.is_match(&name));
    skip::generic(&name) || variant.skip.iter().any(extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_from_who_waits() {
        for wait in [
            "__schedule",
            "io_schedule_timeout",
            "schedule_preempt_disabled",
            "mutex_lock_nested",
            "rt_mutex_slowlock",
            "percpu_down_write",
            "rwsem_down_read_slowpath",
            "folio_wait_bit_common",
            "kthread_stop",
        ] {
            assert!(WAIT.is_match(wait), "{wait}");
        }
        for waiter in [
            "shelf_shutdown",
            "shelf_kthread",
            "shelf_block",
            "sched_shelf",
        ] {
            assert!(!WAIT.is_match(waiter), "{waiter}");
        }
    }

    #[test]
    fn dispatchers_are_told_from_handlers() {
        for dispatcher in [
            "__do_softirq",
            "do_syscall_64",
            "process_one_work",
            "__vfs_read",
        ] {
            assert!(DISPATCHER.is_match(dispatcher), "{dispatcher}");
        }
        for handler in ["shelf_kthread", "__x64_sys_shelve", "shelf_run_timers_now"] {
            assert!(!DISPATCHER.is_match(handler), "{handler}");
        }
    }
}
