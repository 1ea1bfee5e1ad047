// SPDX-License-Identifier: GPL-2.0-or-later
//! Functions that are never to blame: they work for whoever called them.
//!
//! Each family is one job. A word matches anywhere in a function's name, so that `__`
//! before and `_locked` after it need no word of their own; `^` and `$` bind it.

use std::sync::LazyLock;

use regex::RegexSet;

/// A family: its words, alternatives of one regular expression.
type Family = &'static str;

// They print what others have found.
const REPORTING: Family = "dump_stack|(?:dump|unwind)_backtrace|show_(?:stack|regs|trace)|walk_stack|arch_stack_walk|stack_trace_(?:save|consume)|save_stack_trace|print_(?:report|address_description|usage_bug|unlock|hex_dump|tainted|bad_pte|circular|shadow)|imbalance_bug|print_\\w+_bug$|panic|__warn|warn_(?:slowpath|alloc|bogus)|report_bug|fixup_bug|handle_bug|^add_taint|^oops_|assertfail|^_?dev_(?:info|notice|warn|err|alert|crit|emerg)|printk|va_format|scnprintf|snprintf|sprintf|^hex_dump|string|^pointer$|fortify_|rust_begin_unwind|core::panicking";

// Exceptions, up to where the processor took them.
const EXCEPTIONS: Family = "invalid_op|do_error|_trap$|do_trap|^exc_|^asm_exc_|program_check_(?:exception|common)|do_(?:kernel|translation|tag_check)_fault|do_mem_abort|^do_DataAbort$|^el1_abort|^el1h_64_sync|^do_bad_area$|^die(?:_kernel_fault)?$|^__die";

// Sanitizers and the compiler's instrumentation.
const SANITIZERS: Family = "asan|hwasan|__[mt]san|kmsan|kcsan_|kfence_|sanitizer|^__ubsan|^ubsan|check_memory_region|check_region_inline|check_(?:heap_object|object)|read_word_at_a_time|(?:read|write)_once_.*nocheck|memory_is_poisoned|_indirect_thunk_|rust_helper_";

// Objects' life: debug objects, reference counts, device core.
const OBJECTS: Family = "debug_object|(?:timer|work)_is_static_object|^refcount_|^__refcount_|^kref_|ref_tracker|kobject_|^klist_|add_uevent_var|get_device_parent|^device_(?:add|del|unregister|destroy|release|for_each_child|remove_file)|^devres_release_all|sysfs_remove|^hwrng_unregister|^i2c_del_adapter|__unregister_client|^tty_unregister_device|rollback_registered|^unregister_netdev|^ida_free";

// Allocators of objects and pages, and the page cache as one.
const ALLOCATORS: Family = "kv?[mzc]alloc|^_*v[mzc]alloc|krealloc|kmem_cache|allocate_slab|slab_|alloc_pages?|alloc_frozen|folio_alloc|filemap_alloc_folio|__filemap_get_folio|find_or_create_page|do_read_cache_folio|read_cache_page|pagecache_get_page|grab_cache_page_write_begin|^xas_(?:start|load|find|descend)|^k?v?free$|^kfree_(?:skb|sensitive)|kfree_skb|^kzfree$|memdup|strn?dup|kv?asprintf";

// Inodes, entries of directories, pages and buffers: their own checks find the caller's mistake.
const FILES: Family = "^iput(?:_final)?$|^ihold$|^(?:fast_)?dput$|^(?:drop|inc|set|clear)_nlink$|^mark_buffer_dirty|^(?:un)?lock_(?:page|buffer)|^folio_(?:un)?lock$|^find_lock_entries$|^truncate_inode_pages";

// Memory, strings and what crosses the border to user space.
const COPIES: Family = "^_*mem(?:cpy|cmp|set|chr|move)|mem(?:cpy|cmp|set|chr|move)|str(?:n?cmp|n?cpy|lcpy|scpy|n?len|n?str|r?chr|n?cat)|copy_(?:to|from)_(?:user|iter)|copy_(?:page|folio)_(?:to|from)_iter|^_?copy_(?:in|out)|^copy(?:in|out)$|(?:put|get)_user|^crc\\d+|crc_itu_t";

// Lists, trees, bits and atomics.
const STRUCTURES: Family = "list_(?:add|del|replace|move|splice)|^_*rb_|atomic(?:64|_long)?_(?:dec|inc|read|set|or|xor|and|add|sub|fetch|xchg|cmpxchg|try)|(?:set|clear|change|test)_bit";

// Locks and their checker.
const LOCKS: Family = "lockdep|lock_(?:acquire|release|class)|mark_lock|(?:reacquire|mark)_held_locks|raw_spin_rq|spin_(?:lock|trylock|unlock)|(?:read|write)_(?:lock|trylock|unlock)|^down$|down_(?:read|write|trylock|killable|interruptible|timeout)|up_(?:read|write)|^_*mutex_|^rt_mutex_|owner_on_cpu|osq_(?:lock|unlock)|seqprop_assert|bh_(?:enable|disable)|(?:trace|lockdep)_(?:hard|soft)irq|^__validate_|^validate_chain|^check_prev";

// Waiting for somebody else, or being waited for.
const WAITING: Family = "__might_(?:fault|resched|sleep)|might_(?:fault|sleep)|__wake_up|^complete$|wait_for_completion|^finish_wait|^kthread_stop|(?:flush|cancel|drain|destroy|insert|queue)_(?:delayed_)?work|flush_workqueue|__cancel_work|try_to_grab_pending|(?:drain|destroy)_workqueue|__queue_(?:delayed_)?work|del_timer|timer_delete|mod_timer|lock_timer_base";

// Buses and device registers.
const BUSES: Family = "dummy_urb_enqueue|usb_(?:kill_(?:urb|anchored_urbs)|control_msg|hcd_submit_urb|submit_urb)|(?:read|write)[bwlq]$|logic_(?:in|out)|perf_trace";

static GENERIC: LazyLock<RegexSet> = LazyLock::new(|| {
    let families = [
        REPORTING, EXCEPTIONS, SANITIZERS, OBJECTS, ALLOCATORS, FILES, COPIES, STRUCTURES, LOCKS,
        WAITING, BUSES,
    ];
    #[expect(
        clippy::expect_used,
        reason = "constants, compiled by this module's test"
    )]
    RegexSet::new(families).expect("the families compile")
});

/// A function that no report is about.
pub(super) fn generic(function: &str) -> bool {
    GENERIC.is_match(function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_are_known_and_their_users_are_not() {
        for helper in [
            "dump_stack_lvl",
            "__warn",
            "kasan_report",
            "_raw_spin_lock_irqsave",
            "mutex_lock_nested",
            "__kmalloc_noprof",
            "kmem_cache_free",
            "_copy_from_user",
            "__list_del_entry_valid",
            "refcount_warn_saturate",
            "folio_unlock",
            "core::panicking::panic_fmt",
        ] {
            assert!(generic(helper), "{helper}");
        }
        for user in [
            "rmap_walk_anon",
            "remove_migration_ptes",
            "do_swap_page",
            "shmem_writepage",
            "compact_zone",
            "migration_entry_wait_on_locked",
            "tcp_sendmsg",
            "unlink_anon_vmas",
        ] {
            assert!(!generic(user), "{user}");
        }
    }
}
