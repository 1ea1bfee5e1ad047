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

// Functions that hand control to a handler: what they call is what stalls.
const DISPATCHERS: &[&str] = &[
    // system calls
    "do_syscall_|do_fast_syscall_|sysenter_dispatch|tracesys_phase2|el0_svc_|invoke_syscall|ret_fast_syscall",
    // work, timers, softirqs and threads
    "process_one_work|do_softirq|call_timer_fn|_run_timers|run_timer_softirq|hrtimer_run|run_ksoftirqd|smpboot_thread_fn|tasklet_(?:hi_)?action|^kthread$|start_secondary|cpu_startup_entry|ret_from_fork|netif_receive_skb",
    // files: what a read, a write or an ioctl does depends on the file
    "vfs_(?:read|write|iter_read|iter_write|ioctl|open)|do_iter_(?:read|write)|call_(?:read|write)_iter|new_sync_(?:read|write)|ksys_ioctl|compat_(?:sys_)?ioctl|blkdev_(?:driver_)?ioctl|call_mmap|mmap_region|do_mmap|do_dentry_open",
    // sockets
    "^sock_(?:sendmsg|recvmsg|release|mmap|do_ioctl|ioctl)|^__sock_release|^compat_sock_ioctl|^(?:setsockopt|listen|accept)$|kernel_(?:setsockopt|listen|accept)|sock_common_setsockopt|sk_common_release|^(?:rtnetlink|nfnetlink)_rcv_msg|^netlink_dump|^(?:sys_)?(?:socketpair|connect|ioctl)",
    // faults, and what is left to do on the way back to the program
    "__do_fault|do_page_fault|^page_fault$|__fput|task_work_run|exit_to_user_?mode",
    // other CPUs
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
static WAIT: LazyLock<Regex> = LazyLock::new(|| {
    compile(
        "sched|_lock|_slowlock|down|rwsem|completion|kthread|wait|synchronize|context_switch|__switch_to|cancel_delayed_work|rcu_barrier|^(?:[mus]|nano)sleep",
    )
});

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
