// SPDX-License-Identifier: GPL-2.0-or-later
//! BUG, WARN and their special cases.

use swapmig_reports::trace::{Kind, Pc, Role};

use crate::sample::{Want, check, only, register, symbols};

const TASK: Option<(&str, u32)> = Some(("shelve", 310));

/// `BUG()` of x86, the words before it and the program counter given.
fn bug(before: &str, place: &str, rip: &str) -> String {
    format!(
        "\
{before}------------[ cut here ]------------
kernel BUG at {place}!
Oops: invalid opcode: 0000 [#1] SMP
CPU: 1 UID: 0 PID: 310 Comm: shelve Tainted: G        W           6.12.0 #1 PREEMPT_DYNAMIC
Tainted: [W]=WARN
Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.3 04/01/2014
RIP: 0010:{rip}+0x9c/0xa0
Code: 48 89 ef e8 1c 00 00 00 0f 0b 0f 1f 44 00 00 90 90 90 90 90
RSP: 0018:ffffc900012b7d58 EFLAGS: 00010246
RAX: 0000000000000054 RBX: ffffea00001a8f80 RCX: 0000000000000000
RDX: 0000000000000000 RSI: 0000000000000001 RDI: 00000000ffffffff
FS:  00007f2be8a00740(0000) GS:ffff88803ec80000(0000) knlGS:0000000000000000
CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033
CR2: 00007f2be8b1c9a9 CR3: 00000000062b2000 CR4: 0000000000750ef0
Call Trace:
 <TASK>
 shelf_reclaim+0x88/0x260
 __x64_sys_shelve+0x34/0x60
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
RIP: 0033:0x7f2be8b1c9a9
RSP: 002b:00007ffd0c6a1e58 EFLAGS: 00000246 ORIG_RAX: 000000000000001c
 </TASK>
---[ end trace 0000000000000000 ]---
"
    )
}

#[test]
fn bug_with_its_registers() {
    let report = check(
        &bug("", "mm/shelf.c:77", "shelf_slot"),
        &Want {
            title: "kernel BUG in shelf_slot",
            kind: Kind::Bug,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert_eq!(report.details.taint.as_deref(), Some("G        W"));
    assert_eq!(report.details.release.as_deref(), Some("6.12.0"));
    assert_eq!(register(&report, "RBX"), Some(0xffff_ea00_001a_8f80));
    assert_eq!(register(&report, "CR4"), Some(0x75_0ef0));
    assert_eq!(register(&report, "RSP"), Some(0xffff_c900_012b_7d58));
    let crash = &report.stacks[0];
    assert_eq!((crash.role, crash.frames[0].pc), (Role::Crash, Pc::Exact));
    assert_eq!(
        symbols(&report, Role::Crash)[..2],
        ["shelf_slot", "shelf_reclaim"]
    );
}

#[test]
fn bug_in_swapops() {
    check(
        &bug("", "include/linux/swapops.h:510", "remove_migration_shelf"),
        &Want {
            title: "kernel BUG in remove_migration_shelf",
            kind: Kind::Bug,
            task: TASK,
            cpu: Some(1),
        },
    );
}

#[test]
fn lists() {
    let before = "list_del corruption, ffff888006a3f080->next is LIST_POISON1 (dead000000000100)\n";
    check(
        &bug(
            before,
            "lib/list_debug.c:56",
            "__list_del_entry_valid_or_report",
        ),
        &Want {
            title: "BUG: corrupted list in shelf_reclaim",
            kind: Kind::MemorySafetyBug,
            task: TASK,
            cpu: Some(1),
        },
    );
}

const PAGE: &str = "\
page: refcount:2 mapcount:0 mapping:ffff888007c0a1a0 index:0x7652 pfn:0x6a3f
head: order:2 mapcount:0 entire_mapcount:0 nr_pages_mapped:0 pincount:0
memcg:ffff888004c55000
aops:shmem_aops ino:3 dentry name(?):\"shelf\"
flags: 0x4000000000080128(uptodate|lru|swapbacked|zone=1)
raw: 4000000000080128 ffffea00001a8f48 ffffea00001a9008 ffff888007c0a1a0
raw: 0000000000007652 0000000000000000 00000002ffffffff ffff888004c55000
page dumped because: VM_BUG_ON_FOLIO(!folio_test_locked(folio))
";

#[test]
fn vm_bug_on_folio_has_its_page() {
    let report = check(
        &bug(PAGE, "mm/shelf.c:77", "shelf_slot"),
        &Want {
            title: "kernel BUG in shelf_slot",
            kind: Kind::Bug,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert!(
        report.text.starts_with("page: refcount:2"),
        "{}",
        report.text
    );
    assert!(report.text.contains("VM_BUG_ON_FOLIO("));
}

/// `WARN()` of x86, with the words of the header and of the line above it.
fn warning(before: &str, header: &str, rip: &str) -> String {
    format!(
        "\
------------[ cut here ]------------
{before}{header}
Modules linked in: shelf(O)
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.18.0 #1 PREEMPT(full)
RIP: 0010:{rip}+0x9c/0xa0
Code: 48 89 ef e8 1c 00 00 00 0f 0b 0f 1f 44 00 00 90 90 90 90 90
RSP: 0018:ffffc900012b7d58 EFLAGS: 00010246
Call Trace:
 <TASK>
 shelf_slot+0x50/0x90
 shelf_reclaim+0x88/0x260
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
---[ end trace 0000000000000000 ]---
"
    )
}

#[test]
fn warnings_of_every_kind() {
    let what = |before, header, rip, title, kind| {
        check(
            &warning(before, header, rip),
            &Want {
                title,
                kind,
                task: TASK,
                cpu: Some(1),
            },
        )
    };
    what(
        "",
        "WARNING: CPU: 1 PID: 310 at mm/shelf.c:77 shelf_check+0x9c/0xa0",
        "shelf_check",
        "WARNING in shelf_check",
        Kind::Warning,
    );
    // Since 6.18.
    what(
        "",
        "WARNING: mm/shelf.c:77 at shelf_check+0x9c/0xa0, CPU#1: shelve/310",
        "shelf_check",
        "WARNING in shelf_check",
        Kind::Warning,
    );
    // With the condition, if the kernel is built to tell it.
    for header in [
        "WARNING: [slot_count(&shelf[1]) == 0] mm/shelf.c:77 at shelf_check+0x9c/0xa0, CPU#1: shelve/310",
        "WARNING: CPU: 1 PID: 310 at [slot == 0 && 1] mm/shelf.c:77 shelf_check+0x9c/0xa0",
    ] {
        let report = what(
            "",
            header,
            "shelf_check",
            "WARNING in shelf_check",
            Kind::Warning,
        );
        let guilty = report.guilty.as_ref().unwrap();
        assert_eq!(guilty.file.as_deref(), Some("mm/shelf.c"));
        assert_eq!(report.key().as_str(), "WARNING at mm/shelf.c:77");
    }
    what(
        "refcount_t: saturated; leaking memory.\n",
        "WARNING: [1] lib/refcount.c:19 at refcount_warn_saturate+0x9c/0xa0, CPU#1: shelve/310",
        "refcount_warn_saturate",
        "WARNING: refcount bug in shelf_slot",
        Kind::RefcountWarning,
    );
    what(
        "refcount_t: underflow; use-after-free.\n",
        "WARNING: CPU: 1 PID: 310 at lib/refcount.c:28 refcount_warn_saturate+0x9c/0xa0",
        "refcount_warn_saturate",
        "WARNING: refcount bug in shelf_slot",
        Kind::RefcountWarning,
    );
    what(
        "ODEBUG: free active (active state 0) object: ffff888006a3f0a8 object type: timer_list hint: shelf_tick+0x0/0x80\n",
        "WARNING: CPU: 1 PID: 310 at lib/debugobjects.c:612 debug_print_object+0x9c/0xa0",
        "debug_print_object",
        "WARNING: ODEBUG bug in shelf_slot",
        Kind::Warning,
    );
    what(
        "DEBUG_RWSEMS_WARN_ON(sem->magic != sem): count = 0x0, magic = 0x0, owner = 0x0, curr 0xffff888006a3c000, list not empty\n",
        "WARNING: CPU: 1 PID: 310 at kernel/locking/rwsem.c:1340 up_read+0x9c/0xa0",
        "up_read",
        "WARNING in shelf_slot",
        Kind::Warning,
    );
    what(
        "DEBUG_LOCKS_WARN_ON(1)\n",
        "WARNING: CPU: 1 PID: 310 at kernel/locking/lockdep.c:232 __lock_acquire+0x9c/0xa0",
        "__lock_acquire",
        "WARNING: locking bug in shelf_slot",
        Kind::Lockdep,
    );
}

/// Whoever crashes may be called like advice, and advice is no crash.
#[test]
fn advice_is_told_by_its_words_not_by_names() {
    let kinds = |console: &str| -> Vec<Kind> {
        let reports = swapmig_reports::trace::parse(console.as_bytes());
        reports.iter().map(|report| report.kind).collect()
    };
    let mitigation = warning(
        "",
        "WARNING: CPU: 1 PID: 310 at arch/x86/kernel/cpu/shelf.c:77 shelf_select_mitigation+0x9c/0xa0",
        "shelf_select_mitigation",
    );
    assert_eq!(
        only(&mitigation).title,
        "WARNING in shelf_select_mitigation"
    );
    for (line, kind) in [
        (
            "BUG: KASAN: slab-use-after-free in shelf_deprecated+0x1/0x9\nRead of size 8 at addr ffff888006a3f090 by task shelve/310\n",
            Kind::KasanUseAfterFreeRead,
        ),
        (
            "BUG: scheduling while atomic: debug:310/0x00000002\n",
            Kind::AtomicSleep,
        ),
        (
            "INFO: task obsolete:310 blocked for more than 143 seconds.\n",
            Kind::Hang,
        ),
        (
            "BUG: Bad page state in process obsolete-app  pfn:06a3f\n",
            Kind::Unknown,
        ),
        (
            "Kernel panic - not syncing: shelf is not compiled with slots\n",
            Kind::Dos,
        ),
    ] {
        assert_eq!(kinds(line), [kind], "{line}");
    }
    for line in [
        "WARNING: the shelf mount option is deprecated and ignored.\n",
        "WARNING: `shelve' uses wireless extensions which are no more\n",
        "WARNING: shelves are slow here. See https://shelf.example/slow\n",
        "traps: shelve[310] general protection fault ip:7f2be8b1c9a9 sp:7ffd0c6a1e58 error:0 in shelf.so[7f2be8b1c000+1000]\n",
        "INFO: lockdep is turned off.\n",
        "INFO: NMI handler (shelf_nmi) took too long to run: 1.5 msecs\n",
    ] {
        assert_eq!(kinds(line), [], "{line}");
    }
}

/// Mails quote a warning with the functions that were inlined where it struck.
#[test]
fn a_warning_that_was_symbolized() {
    let header = "\
WARNING: CPU: 1 PID: 310 at mm/shelf.c:77 shelf_valid mm/shelf.c:77 [inline]
WARNING: CPU: 1 PID: 310 at mm/shelf.c:77 shelf_check+0x9c/0xa0 mm/shelf.c:90";
    let console = warning("", header, "shelf_check").replace(
        "RIP: 0010:shelf_check+0x9c/0xa0",
        "RIP: 0010:shelf_valid mm/shelf.c:77 [inline]\nRIP: 0010:shelf_check+0x9c/0xa0 mm/shelf.c:90",
    );
    let report = check(
        &console,
        &Want {
            title: "WARNING in shelf_check",
            kind: Kind::Warning,
            task: TASK,
            cpu: Some(1),
        },
    );
    assert!(report.text.contains("cut here"), "{}", report.text);
}
