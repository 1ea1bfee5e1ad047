// SPDX-License-Identifier: GPL-2.0-or-later
//! Pages, page tables and slabs that are not as they should be.

use swapmig_reports::trace::{Kind, Role, parse};

use crate::sample::{Want, check, symbols};

const TASK: Option<(&str, u32)> = Some(("shelve", 310));

#[test]
fn bad_page_state() {
    let console = "\
BUG: Bad page state in process shelve  pfn:06a3f
page: refcount:0 mapcount:0 mapping:0000000000000000 index:0x7652 pfn:0x6a3f
flags: 0x4000000000000100(reserved|zone=1)
raw: 4000000000000100 dead000000000100 dead000000000122 0000000000000000
raw: 0000000000007652 0000000000000000 00000000ffffffff 0000000000000000
page dumped because: PAGE_FLAGS_CHECK_AT_FREE flag(s) set
page_owner tracks the page as allocated
page last allocated via order 0, migratetype Movable, gfp_mask 0x140cca, pid 300, tgid 300 (maker), ts 20101010, free_ts 20000000
 post_alloc_hook+0x1d1/0x230
 get_page_from_freelist+0x5ce/0x6e0
 shelf_new+0x2c/0x90
page last free pid 305 tgid 305 stack trace:
 free_unref_folios+0x6f0/0xe30
 shelf_drop+0x60/0x90
Modules linked in:
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90
 bad_page+0x71/0x100
 free_unref_folios+0x6f0/0xe30
 folios_put_refs+0x2f0/0x380
 free_pages_and_swap_cache+0x2ec/0x410
 shelf_reclaim+0x88/0x260
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
";
    let report = check(
        console,
        &Want {
            title: "BUG: Bad page state in shelf_reclaim",
            kind: Kind::Unknown,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert!(symbols(&report, Role::Allocated).contains(&"shelf_new"));
    assert!(symbols(&report, Role::Freed).contains(&"shelf_drop"));
    assert!(symbols(&report, Role::Crash).contains(&"bad_page"));
}

#[test]
fn bad_page_map() {
    let console = "\
BUG: Bad page map in process shelve  pte:8000000006a3f867 pmd:04c55067
page: refcount:1 mapcount:-1 mapping:0000000000000000 index:0x7652 pfn:0x6a3f
flags: 0x4000000000000000(zone=1)
raw: 4000000000000000 dead000000000100 dead000000000122 0000000000000000
page dumped because: bad pte
addr:00007f2be8b1c000 vm_flags:08100077 anon_vma:ffff888007c0a1a0 mapping:0000000000000000 index:7f2be8b1c
file:(null) fault:0x0 mmap:0x0 read_folio:0x0
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90
 print_bad_pte+0x1f8/0x260
 shelf_unmap+0x88/0x260
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
";
    let report = check(
        console,
        &Want {
            title: "BUG: Bad page map",
            kind: Kind::Unknown,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert!(symbols(&report, Role::Crash).contains(&"shelf_unmap"));
}

#[test]
fn counters_of_an_mm() {
    for (line, title, task) in [
        (
            "BUG: Bad rss-counter state mm:ffff888007c0a180 idx:1 val:2",
            "BUG: Bad rss-counter state",
            None,
        ),
        (
            "BUG: Bad rss-counter state mm:00000000d5e7a1f0 type:MM_SWAPENTS val:-3 Comm:shelve Pid:310",
            "BUG: Bad rss-counter state",
            TASK,
        ),
        (
            "BUG: non-zero pgtables_bytes on freeing mm: 4096",
            "BUG: non-zero pgtables_bytes on freeing mm",
            None,
        ),
    ] {
        check(
            line,
            &Want {
                title,
                kind: Kind::Unknown,
                task,
                cpu: None,
            },
        );
    }
}

/// A report of SLUB's own checks.
fn slab(what: &str, detail: &str) -> String {
    format!(
        "\
=============================================================================
BUG shelf (Tainted: G    B             ): {what}
-----------------------------------------------------------------------------

{detail}Allocated in shelf_new+0x2c/0x90 age=12 cpu=0 pid=300
 kmem_cache_alloc_noprof+0x200/0x300
 shelf_new+0x2c/0x90
 do_syscall_64+0x92/0x180
Freed in shelf_drop+0x60/0x90 age=6 cpu=1 pid=305
 kmem_cache_free+0x1b0/0x300
 shelf_drop+0x60/0x90
 do_syscall_64+0x92/0x180
Slab 0xffffea00001a8fc0 objects=32 used=31 fp=0xffff888006a3f080 flags=0x4000000000000200(workingset|zone=1)
Object 0xffff888006a3f080 @offset=128 fp=0x0000000000000000

Redzone  ffff888006a3f070: bb bb bb bb bb bb bb bb bb bb bb bb bb bb bb bb  ................
Object   ffff888006a3f080: 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b a5  kkkkkkkkkkkkkkk.
CPU: 1 UID: 0 PID: 310 Comm: shelve Tainted: G    B              6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90
 check_bytes_and_report+0x8a/0xe0
 check_object+0x1d0/0x2e0
 free_to_partial_list+0x1f0/0x5b0
 shelf_reclaim+0x88/0x260
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
Disabling lock debugging due to kernel taint
FIX shelf: Object at 0xffff888006a3f080 not freed
"
    )
}

#[test]
fn slabs() {
    let bytes =
        "0xffff888006a3f080-0xffff888006a3f087 @offset=128. First byte 0x41 instead of 0xcc\n";
    for (what, detail, title) in [
        (
            "Right Redzone overwritten",
            bytes,
            "BUG: slab corruption: Right Redzone overwritten in shelf_reclaim",
        ),
        (
            "Left Redzone overwritten",
            bytes,
            "BUG: slab corruption: Left Redzone overwritten in shelf_reclaim",
        ),
        (
            "Redzone overwritten",
            bytes,
            "BUG: slab corruption: Redzone overwritten in shelf_reclaim",
        ),
        (
            "Poison overwritten",
            bytes,
            "BUG: slab corruption: Poison overwritten in shelf_reclaim",
        ),
    ] {
        let report = check(
            &slab(what, detail),
            &Want {
                title,
                kind: Kind::MemorySafetyBug,
                task: TASK,
                cpu: Some(1),
            },
        );
        assert!(symbols(&report, Role::Allocated).contains(&"shelf_new"));
        assert!(symbols(&report, Role::Freed).contains(&"shelf_drop"));
        assert_eq!(report.details.taint.as_deref(), Some("G    B"));
    }
    let report = check(
        &slab("Object already free", ""),
        &Want {
            title: "BUG: Object already free",
            kind: Kind::Dos,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert!(symbols(&report, Role::Crash).contains(&"shelf_reclaim"));
}

/// Up to 5.11 each line about the object began with the level.
#[test]
fn slabs_of_old_kernels() {
    let bytes = "INFO: 0xffff888006a3f080-0xffff888006a3f087. First byte 0x41 instead of 0xcc\n";
    let mut console = slab("Redzone overwritten", bytes);
    for words in [
        "Allocated in ",
        "Freed in ",
        "Slab 0x",
        "Object 0xffff888006a3f080 @",
    ] {
        console = console.replace(words, &format!("INFO: {words}"));
    }
    check(
        &console,
        &Want {
            title: "BUG: slab corruption: Redzone overwritten in shelf_reclaim",
            kind: Kind::MemorySafetyBug,
            task: TASK,
            cpu: Some(1),
        },
    );
}

#[test]
fn memory_that_ran_short_is_no_crash() {
    for head in [
        "shelve: page allocation failure: order:4, mode:0x40cc0(GFP_KERNEL|__GFP_COMP), nodemask=(null),cpuset=/,mems_allowed=0",
        "shelve: vmalloc error: size 4096, page order 0, failed to allocate pages, mode:0xcc0(GFP_KERNEL), nodemask=(null),cpuset=/,mems_allowed=0",
        "shelve invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0",
    ] {
        let console = format!(
            "\
{head}
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90
 warn_alloc+0x164/0x190
 shelf_reclaim+0x88/0x260
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
Mem-Info:
active_anon:100 inactive_anon:200 isolated_anon:0
Out of memory: Killed process 310 (shelve) total-vm:12345kB, anon-rss:6789kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:64kB oom_score_adj:0
"
        );
        assert_eq!(parse(console.as_bytes()), [], "{head}");
    }
}
