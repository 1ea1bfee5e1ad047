// SPDX-License-Identifier: GPL-2.0-or-later
//! Functions that are never to blame: they work for whoever called them.
//!
//! Each family is one job, each of its lines a part of it. A word matches anywhere in a function's name, so that `__`
//! before and `_locked` after it need no word of their own; `^` and `$` bind it.

use std::sync::LazyLock;

use regex::RegexSet;

/// A family: patterns, a sort of helpers each.
type Family = &'static [&'static str];

// They print what others have found.
const REPORTING: Family = &[
    r"^add_taint|^_*warn|^report_bug$|^(?:fixup|handle)_bug$|assertfail|fortify_",
    r"arch_stack_walk|(?:dump|unwind)_backtrace|dump_stack|save_stack_trace|show_(?:regs|stack|trace)|stack_trace_(?:consume|save)|walk_stack",
    r"print_(?:address_description|bad_pte|circular|hex_dump|report|shadow|tainted|unlock|usage_bug)|print_\w+_bug$|imbalance_bug",
    r"^_?dev_(?:alert|crit|emerg|err|info|notice|warn)|^oops_|panic|printk",
    r"^hex_dump|^pointer$|scnprintf|snprintf|sprintf|string|va_format",
    r"core::panicking|rust_begin_unwind",
];

// Exceptions, up to where the processor took them.
const EXCEPTIONS: Family = &[
    r"^asm_exc_|do_error|do_trap|^exc_|invalid_op|_trap$",
    r"^do_DataAbort$|^do_bad_area$|do_(?:kernel|tag_check|translation)_fault|do_mem_abort|^do_tag_recovery$|^el1_|^el1h_",
    r"program_check_(?:common|exception)",
    r"^_*die(?:_kernel_fault)?$",
];

// Sanitizers and the compiler's instrumentation.
const SANITIZERS: Family = &[
    r"asan|kcsan_|kfence_|kmsan|sanitizer|__[mt]san",
    r"^check_memory_region|check_region_inline|memory_is_poisoned",
    r"^handle_overflow$|^_*ubsan_",
    r"^_*check_(?:heap_object|object_size|stack_object)|^usercopy_",
    r"read_word_at_a_time|(?:read|write)_once_.*nocheck",
    r"_indirect_thunk_|rust_helper_",
];

// The life of objects: their checkers, their references, and the device core, which ends it.
const OBJECTS: Family = &[
    r"debug_object|_is_static_object$",
    r"^kref_|ref_tracker|^_*refcount_",
    r"^klist_|kobject_|^(?:add|alloc)_uevent",
    r"^device_(?:add|del|destroy|for_each_child|release|remove_file)|^devres_release",
    // directories of devices
    r"^class_dir_create|^cleanup_glue_dir|^get_device_parent|sysfs_remove",
    // the cores that a driver takes its device out of; net devices', by its older name too
    r"_del_(?:adapter|device|driver)$|^rollback_registered|^tty_unregister_|_unregister$|^_*unregister_",
    r"^ida_free",
];

// Allocators of memory and pages, and the page cache as one.
const ALLOCATORS: Family = &[
    r"alloc_frozen|alloc_pages?|folio_alloc|kmem_cache|krealloc|kv?[cmz]alloc|slab_|^_*v[cmz]alloc",
    r"^k?v?free$|^kfree_(?:sensitive|skb)|kfree_skb|^kzfree$",
    r"kv?asprintf|memdup|strn?dup",
    r"do_read_cache_folio|filemap_alloc_folio|__filemap_get_folio|find_or_create_page|grab_cache_page_write_begin|pagecache_get_page|read_cache_page",
    r"^xas_(?:descend|find|load|start)",
];

// Inodes, entries of directories, pages and buffers: their own checks find the caller's mistake.
const FILES: Family = &[
    r"^(?:fast_)?dput$|^ihold$|^iput(?:_final)?$|^(?:clear|drop|inc|set)_nlink$",
    r"^(?:un)?lock_(?:buffer|page)|^folio_(?:un)?lock$|^mark_buffer_dirty",
    r"^find_lock_entries$|^truncate_inode_pages",
];

// Memory, strings and what crosses the border to user space.
const COPIES: Family = &[
    r"mem(?:chr|cmp|cpy|move|set)",
    r"str(?:lcpy|n?cat|n?cmp|n?cpy|n?len|n?str|r?chr|scpy)",
    r"copy_(?:from|to)_(?:iter|user)|copy_(?:folio|page)_(?:from|to)_iter|^_?copy_(?:in|out)|^copy(?:in|out)$|(?:get|put)_user",
    r"^crc\d+|^crc_",
];

// Lists, trees, bits and atomics.
const STRUCTURES: Family = &[
    r"list_(?:add|del|move|replace|splice)|^_*rb_",
    r"atomic(?:64|_long)?_(?:add|and|cmpxchg|dec|fetch|inc|or|read|set|sub|try|xchg|xor)",
    r"(?:change|clear|set|test)_bit",
];

// Locks and their checker.
const LOCKS: Family = &[
    r"^check_prev|lock_(?:acquire|class|release)|lockdep|mark_lock|(?:mark|reacquire)_held_locks|seqprop_assert|(?:lockdep|trace)_(?:hard|soft)irq|^_*validate_",
    r"bh_(?:disable|enable)|(?:^|_)rq_(?:lock|unlock)|(?:read|write)_(?:lock|trylock|unlock)|spin_(?:lock|trylock|unlock)",
    r"^down$|down_(?:interruptible|killable|read|timeout|trylock|write)|up_(?:read|write)",
    r"^_*mutex_|osq_(?:lock|unlock)|owner_on_cpu|^rt_mutex_",
];

// Waiting for somebody else, or being waited for.
const WAITING: Family = &[
    r"might_(?:fault|resched|sleep)",
    r"^complete$|^finish_wait|^kthread_stop|wait_for_completion|__wake_up",
    r"__cancel_work|(?:cancel|drain|flush|insert|queue)_(?:delayed_)?work|(?:destroy|drain|flush)_workqueue|try_to_grab_pending",
    r"del_timer|lock_timer_base|mod_timer|timer_delete",
];

// Registers of devices, transfers on their buses, and probes that watch both.
const BUSES: Family = &[
    r"logic_(?:in|out)|(?:read|write)[bwlq]$",
    r"^usb_(?:hcd_submit|kill|submit)_urb$|^usb_(?:internal_)?(?:bulk|control|interrupt)_msg(?:_recv|_send)?$|^usb_start_wait_urb$|^usb_kill_anchored_urbs$",
    r"perf_trace",
];

static GENERIC: LazyLock<RegexSet> = LazyLock::new(|| {
    let families = [
        REPORTING, EXCEPTIONS, SANITIZERS, OBJECTS, ALLOCATORS, FILES, COPIES, STRUCTURES, LOCKS,
        WAITING, BUSES,
    ];
    #[expect(
        clippy::expect_used,
        reason = "constants, compiled by this module's test"
    )]
    RegexSet::new(families.into_iter().flatten()).expect("the families compile")
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
            "get_device_parent",
            "usb_control_msg_send",
            "raw_spin_rq_lock_nested",
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
            "usb_stor_control_msg",
            "video_unregister_device",
        ] {
            assert!(!generic(user), "{user}");
        }
    }
}
