// SPDX-License-Identifier: GPL-2.0-or-later
//! Which function of a stack is to blame.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::formats::{Blame, Variant};
use super::pattern::{compile, lazy};
use super::report::{Frame, Pc, Role};
use super::stack::Stacks;
use super::title;

// Functions that print reports, check, trace, lock, wait or copy for somebody else:
// their caller is the one to blame. By the job they do, one line a job.
lazy!(HELPER = &format!("^(?:{})$", [
    // printing and dying
    "_*dump_stack.*|show_(?:stack|regs|trace).*|__?show_.*|print_.*|report_.*|dump_.*|panic|__?warn.*|warn_slowpath.*|die|__die.*|oops_.*|bug_.*|add_taint|nmi_.*|arch_trigger.*|trigger_.*backtrace.*|watchdog.*|handle_bug.*|fixup_bug.*|check_panic.*|end_report.*|vpanic",
    // exceptions and their entries
    "exc_.*|asm_.*|do_(?:error_trap|trap|invalid_op|general_protection|page_fault|user_addr_fault|kern_addr_fault|double_fault|divide_error|trap_no_signal|mem_abort|translation_fault|DataAbort|bad_area.*)|invalid_op|general_protection|page_fault.*|async_page_fault|double_fault|divide_error|error_entry|no_context|bad_area.*|__bad_area.*|__do_(?:page|kernel|user)_fault|spurious_.*|kernelmode_.*|fixup_exception|ex_handler_.*|vmalloc_fault|el1_.*|el1h_.*|do_el.*|__dabt_usr",
    // sanitisers and debugging aids
    "_*(?:asan|hwasan|tsan|msan|ubsan)_.*|k(?:asan|fence|msan|csan)_.*|__k(?:asan|fence|msan|csan)_.*|__sanitizer_.*|check_memory_region.*|check_region_inline|memory_is_.*|instrument_.*|(?:un)?poison_.*|get_report.*|ubsan_.*|handle_overflow|val_to_string|write_comp_data|save_stack.*|stack_trace_.*|stack_depot.*|unwind_.*|__unwind_.*|debug_(?:object|check|print|spin|mutex|dma|rt).*|__debug_.*|refcount_.*|__refcount_.*|kobject_(?:add|init|get|put|cleanup|create)\\w*|kref_.*|set_page_(?:refcounted|owner)|page_ref_.*|folio_(?:ref_.*|get|try_get|put)|check_(?:slab|object|poison|bytes|flush).*|on_freelist|slab_(?:err|bug|pad).*|object_err|fault_create.*|should_fail.*",
    // lists and strings
    "skb_(?:panic|over_panic|under_panic)|skb_p(?:ush|ut|ull)|fortify_panic|__fortify_panic|assertfail|btrfs_assertfail|__reiserfs_panic|warn_bogus.*|ref_tracker_.*|klist_.*|xas_.*|__x86_indirect.*|rust_helper_.*|rust_panic.*|__switch_to|__rela_.*|vscnprintf|scnprintf|usb_kill_urb|device_del|device_unregister|kobject_del|sysfs_remove_group|devres_release.*|__wait_rcu_gp|wait_rcu_gp|__filemap_fdatawait.*|filemap_fdatawait.*|folio_unlock|unlock_page|unlock_buffer|mark_buffer_dirty|drop_nlink|warn_alloc|__mod_timer|mod_timer.*|add_timer.*|del_timer.*|timer_is_static.*|__timer_delete.*|free_large_kmalloc|insert_work|__queue_work|queue_work.*|queue_delayed.*|kmemleak_.*|copy_page_to_iter.*|simple_copy_to_iter|__should_fail.*|__panic|__dump_.*|rcu_(?:dump|check|sched_clock|pending|gp_).*|update_process_times|tick_.*|__?hrtimer_.*|sched_show_task|_sched_show.*|do_tag_check_fault|do_mem_abort|read_pages|walk_stackframe|arch_stack_walk",
    "__list_(?:add|del).*|list_(?:add|del|move|empty|splice).*|_*hlist_.*|(?:rb|__rb)_(?:insert|erase|next|first|link).*|string|pointer|vsnprintf|snprintf|strn?str|str(?:n?cpy|n?cmp|n?len|chr|cat|str|scpy|lcpy|sep|n?casecmp)|mem(?:cpy|set|move|cmp|chr|scan|dup).*|__?mem(?:cpy|set|move).*|copy_(?:to|from)_(?:user|iter).*|_copy_(?:to|from)_.*|__copy_(?:to|from)_.*|usercopy_.*|__check_object_size|check_(?:heap_object|object_size)|csum_.*|crc.*",
    // atomics and bits
    "(?:arch_|raw_|_)*(?:atomic|atomic_long|atomic64)_.*|(?:test|set|clear|change)_(?:and_)?(?:set_|clear_)?bit.*|__?read_once.*|__?write_once.*|kcsan.*|xchg.*|cmpxchg.*|try_cmpxchg.*",
    // locks
    "_*raw_(?:spin|read|write)_.*|do_raw_.*|queued_.*|native_queued_.*|__?pv_queued.*|pv_.*|spin_(?:lock|unlock|bug|dump).*|read_(?:lock|unlock)(?:_.*)?|write_(?:lock|unlock)(?:_.*)?|__lock.*|lock_(?:acquire|release|is_held|acquired|contended).*|lock_(?:sock|page|buffer|timer_base|mount)(?:_.*)?|lockdep_.*|check_(?:prev|prevs|noncircular|wait_context|deadlock|usage|irq_usage|unlock).*|validate_chain.*|mark_(?:lock|held|usage).*|valid_state|register_lock_class|assign_lock_key|look_up_lock_class|hlock_class|mutex_.*|__mutex_.*|_mutex_.*|ww_mutex.*|__ww_.*|rt_mutex.*|__rt_mutex.*|down(?:_.*)?|up(?:_.*)?|__down.*|__up.*|___down.*|rwsem_.*|__rwsem_.*|call_rwsem.*|percpu_(?:down|up).*|__percpu_.*|osq_.*|seq(?:count|lock|prop)_.*|debug_check_no_locks.*|rcu_(?:lock|read|lockdep).*|trylock_.*|(?:down|up)grade_.*",
    // sleeping and waiting
    "__?schedule.*|schedule.*|preempt_.*|__preempt.*|io_schedule.*|_?cond_resched|__cond_resched.*|__might_.*|___might_.*|might_.*|context_switch|finish_(?:task|wait).*|prepare_to_wait.*|wait_(?:for_completion|on_bit|event|woken|for_common).*|__wait_(?:for|on|event).*|do_wait_for_common|wait_on_(?:page|buffer|folio).*|(?:__)?folio_(?:wait|lock)\\w*|__folio_lock.*|swait_.*|bit_wait.*|out_of_line_wait.*|flush_work(?:queue)?|__flush_work.*|__cancel_work.*|cancel_(?:delayed_)?work.*|drain_workqueue|try_to_wake_up|wake_up_(?:process|q|state)|__wake_up.*|ttwu_.*|bit_spin_.*|kthread_(?:stop|flush).*|synchronize_(?:irq|net)|rcu_barrier.*|complete|exp_funnel_lock|flush_(?:delayed_)?work.*|msleep.*|usleep.*|hrtimer_nanosleep|do_nanosleep",
    // interrupts and tracing
    "trace_.*|__?trace_.*|tracer_.*|ftrace_.*|__?perf_trace.*|perf_trace.*|bpf_trace_.*|local_(?:irq|bh)_.*|__local_bh.*|_local_bh.*|irq_(?:enter|exit).*|__irq_exit.*|irqentry_.*|apic_timer_interrupt|smp_(?:apic|call_func|reschedule).*interrupt.*|sysvec_.*|__sysvec.*|.*_interrupt$|reschedule_interrupt|retint_.*|restore_regs.*|ret_from_intr|common_interrupt",
    // processor and panic odds and ends
    "check_preemption_disabled|debug_smp_processor_id|__this_cpu_preempt_check|native_(?:safe_halt|write_msr|read_msr|save_fl|irq_.*|apic_.*)|arch_(?:local|safe|cpu).*|__read_once_size.*|__write_once_size.*|__stack_chk_fail|__phys_addr.*|virt_to_.*|kernel_text_address|__kernel_text_address|cpumask_.*|get_current|current_.*|rep_nop|cpu_relax|delay_.*|__delay|__const_udelay|__udelay",
    // allocators
    "k?v?[mz]alloc.*|__?kmalloc.*|___kmalloc.*|__do_kmalloc.*|__kvmalloc.*|k?v?free(?:_sensitive|_rcu.*)?|kz?free.*|kmem_cache_.*|__kmem_cache.*|k[mz]alloc_.*|slab_(?:alloc|free|post|pre).*|___?slab_.*|__slab_.*|__cache_(?:alloc|free).*|cache_(?:alloc|free|grow|from).*|do_slab_free|slob_.*|qlink_.*|new_slab|allocate_slab|alloc_slab.*|get_freepointer.*|(?:get|put)_partial.*|deactivate_slab$|alloc_debug.*|free_debug.*|kcalloc|krealloc.*|vzalloc.*|vmalloc.*|__vmalloc.*|__alloc_pages.*|alloc_pages.*|__alloc_frozen_pages.*|alloc_frozen_pages.*|kstrdup.*|memdup_.*",
].join("|")));

// Where a lock is, or was, being taken.
lazy!(AT = r"\bat: {FUNC}");

// Functions that hand control to a handler: what they call is what stalls.
lazy!(DISPATCHER = &format!("^(?:{})$", [
    "smp_call_function_single_interrupt|do_syscall_.*|do_fast_syscall_.*|__do_fast_.*|do_int80.*|entry_.*|x64_sys_call|ia32_sys_call|invoke_syscall|el0_svc.*|do_el0_svc|ret_fast_syscall|tracesys.*|sysenter_.*|system_call.*",
    "proc_sys_call_handler",
    "process_one_work|process_scheduled_works|worker_thread|kthread|ret_from_fork.*|smpboot_thread_fn|run_ksoftirqd|task_work_run|exit_task_work|do_idle|cpu_startup_entry|start_secondary|rest_init|start_kernel",
    "(?:__)?do_softirq.*|handle_softirqs|invoke_softirq|irq_exit.*|call_timer_fn|expire_timers|__?run_timers.*|run_timer_softirq|__?hrtimer_run_queues.*|hrtimer_interrupt|tasklet_action.*|net_rx_action",
    "_*netif_receive_skb.*|process_backlog|netdev_frame_hook",
    "(?:do_|__|__do_|vfs_|compat_|ksys_|__se_|__x64_|__arm64_|__ia32_)*(?:sys_)?(?:ioctl|read|write|readv|writev|iter_read|iter_write|iter_readv_writev|sendfile|splice.*|sendmsg|recvmsg)|do_vfs_ioctl|new_sync_.*|call_(?:read|write)_iter|do_loop_readv_writev.*|do_iter_.*|do_readv.*|do_writev.*|do_compat_.*|compat_(?:SyS_)?(?:readv|writev|ioctl)|SyS_(?:read|write|ioctl|sendmsg|recvmsg)",
    "_*sock_(?:sendmsg|recvmsg|write_iter|read_iter).*|___?sys_(?:sendmsg|recvmsg).*|do_one_initcall|do_basic_setup|kernel_init.*",
].join("|")));

// The same for a fault of user space; one within a system call is that call's business.
lazy!(FAULT = "^(?:asm_exc_page_fault|exc_page_fault|do_user_addr_fault|(?:__)?handle_mm_fault)$");

static EXTRA: LazyLock<HashMap<&'static str, Regex>> = LazyLock::new(|| {
    super::formats::FORMATS
        .iter()
        .flat_map(|format| format.variants)
        .flat_map(|variant| variant.skip)
        .map(|skip| (*skip, compile(&format!("^(?:{skip})$"))))
        .collect()
});

/// The symbol to blame; `named` is the function that the header names.
pub(super) fn guilty(
    variant: &Variant,
    named: Option<&str>,
    text: &str,
    read: &Stacks,
) -> Option<String> {
    let crash = || stacks(read, Role::Crash);
    match variant.blame {
        Blame::Nobody => None,
        Blame::Header => {
            crash().next()?;
            let named = named
                .filter(|name| !skipped(variant, name))
                .map(str::to_owned);
            named.or_else(|| crash().find_map(|(frames, at)| culprit(variant, &frames[at..])))
        }
        Blame::Locks => AT
            .captures_iter(text)
            .map(|captures| captures["func"].to_owned())
            .find(|symbol| !skipped(variant, symbol))
            .or_else(|| crash().find_map(|(frames, _)| culprit(variant, frames))),
        Blame::Trace => crash()
            .find_map(|(frames, _)| culprit(variant, frames))
            .or_else(|| named.map(str::to_owned)),
        Blame::Interrupted => crash().find_map(|(frames, at)| culprit(variant, &frames[at..])),
        Blame::Stalled => crash()
            .chain(stacks(read, Role::Other))
            .find_map(|(frames, at)| stalled(variant, &frames[at..])),
    }
}

/// Stacks of a role, each with the index past its exception's handling.
fn stacks(read: &Stacks, role: Role) -> impl Iterator<Item = (&[Frame], usize)> {
    read.stacks
        .iter()
        .zip(&read.boundaries)
        .filter(move |(stack, _)| stack.role == role && !stack.frames.is_empty())
        .map(|(stack, boundary)| {
            // A stack that starts from registers starts past the handling already.
            let handled = stack
                .frames
                .first()
                .is_some_and(|frame| frame.pc == Pc::Exact);
            let past = boundary
                .filter(|&at| !handled && at < stack.frames.len())
                .unwrap_or(0);
            (stack.frames.as_slice(), past)
        })
}

fn culprit(variant: &Variant, frames: &[Frame]) -> Option<String> {
    frames
        .iter()
        .filter(|frame| frame.reliable)
        .map(|frame| frame.symbol.as_str())
        .find(|symbol| !skipped(variant, symbol))
        .map(str::to_owned)
}

/// The outermost frame before a dispatcher; the innermost when no dispatcher shows.
fn stalled(variant: &Variant, frames: &[Frame]) -> Option<String> {
    // A call to other CPUs that never returns is a stall of its own.
    let calls = |frame: &&Frame| frame.reliable && frame.symbol.starts_with("smp_call_function");
    if let Some(frame) = frames.iter().find(calls) {
        return Some(frame.symbol.clone());
    }
    let bottom = frames.iter().rfind(|frame| frame.reliable);
    let faulted = bottom.is_some_and(|frame| FAULT.is_match(&frame.symbol));
    let dispatches = |name: &str| DISPATCHER.is_match(name) || faulted && FAULT.is_match(name);
    let mut first = None;
    let mut last = None;
    for frame in frames.iter().filter(|frame| frame.reliable) {
        let name = title::function(&frame.symbol);
        if dispatches(&name) {
            if last.is_some() {
                return last;
            }
        } else if !skipped(variant, &name) {
            first.get_or_insert_with(|| frame.symbol.clone());
            last = Some(frame.symbol.clone());
        }
    }
    first
}

fn skipped(variant: &Variant, symbol: &str) -> bool {
    let name = title::function(symbol);
    HELPER.is_match(&name)
        || variant
            .skip
            .iter()
            .any(|skip| EXTRA.get(skip).is_some_and(|re| re.is_match(&name)))
}
