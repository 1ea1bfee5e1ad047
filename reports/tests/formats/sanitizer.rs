// SPDX-License-Identifier: GPL-2.0-or-later
//! What sanitizers and the leak detector print.

use swapmig_reports::trace::{Direction, Kind, Role};

use crate::sample::{Want, access, check, symbols};

const TASK: Option<(&str, u32)> = Some(("shelve", 310));

/// A KASAN report of kernels since 6.13.
fn kasan(what: &str, access: &str, object: &str) -> String {
    format!(
        "\
==================================================================
BUG: KASAN: {what} in shelf_find+0x52/0x180
{access} by task shelve/310

CPU: 3 UID: 0 PID: 310 Comm: shelve Not tainted 6.13.0-rc4+ #12 PREEMPT(voluntary)
Hardware name: QEMU Standard PC (Q35 + ICH9, 2009), BIOS 1.16.3 04/01/2014
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90
 print_report+0x150/0x5c0
 ? __virt_addr_valid+0x140/0x240
 ? shelf_find+0x52/0x180
 kasan_report+0xc4/0x100
 shelf_find+0x52/0x180 [shelf 6b1f0c9d2e8a7745aa10c3d4e5f6071829304a5b]
 shelf_reclaim+0x88/0x260 [shelf 6b1f0c9d2e8a7745aa10c3d4e5f6071829304a5b]
 __x64_sys_shelve+0x34/0x60
 do_syscall_64+0x92/0x180
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
RIP: 0033:0x7f2be8b1c9a9
RSP: 002b:00007ffd0c6a1e58 EFLAGS: 00000246 ORIG_RAX: 000000000000001c
RAX: ffffffffffffffda RBX: 0000000000000003 RCX: 00007f2be8b1c9a9
 </TASK>

{object}Memory state around the buggy address:
 ffff888006a3f000: fb fb fb fb fb fb fb fb fb fb fb fb fb fb fb fb
>ffff888006a3f080: fb fb fb fb fb fb fb fb fb fb fb fb fb fb fb fb
                      ^
==================================================================
"
    )
}

const OBJECT: &str = "\
Allocated by task 300:
 kasan_save_stack+0x33/0x60
 __kasan_slab_alloc+0x6e/0x70
 shelf_new+0x2c/0x90
 do_syscall_64+0x92/0x180

Freed by task 305:
 kasan_save_stack+0x33/0x60
 kasan_save_free_info+0x3b/0x60
 kfree+0x10a/0x330
 shelf_drop+0x60/0x90

Last potentially related work creation:
 kasan_save_stack+0x33/0x60
 __call_rcu_common.constprop.0+0x6e/0x9d0
 shelf_retire+0x40/0x50

Second to last potentially related work creation:
 kasan_save_stack+0x33/0x60
 insert_work+0x29/0x1d0
 shelf_postpone+0x11/0x50

The buggy address belongs to the object at ffff888006a3f080
 which belongs to the cache shelf of size 128
The buggy address is located 16 bytes inside of
 freed 128-byte region [ffff888006a3f080, ffff888006a3f100)

";

#[test]
fn kasan_use_after_free() {
    let console = kasan(
        "slab-use-after-free",
        "Read of size 8 at addr ffff888006a3f090",
        OBJECT,
    );
    let report = check(
        &console,
        &Want {
            title: "KASAN: slab-use-after-free Read in shelf_find",
            kind: Kind::KasanUseAfterFreeRead,
            task: TASK,
            cpu: Some(3),
        },
    );
    assert_eq!(
        report.details.access,
        access(Direction::Read, Some(8), 0xffff_8880_06a3_f090)
    );
    assert_eq!(report.details.taint.as_deref(), Some(""));
    assert_eq!(report.details.release.as_deref(), Some("6.13.0-rc4+"));
    assert_eq!(
        report.details.registers,
        [],
        "a program's are not the crash's"
    );
    let crash = &report.stacks[0];
    assert_eq!(crash.role, Role::Crash);
    let frame = crash
        .frames
        .iter()
        .find(|f| f.reliable && f.symbol == "shelf_find");
    let frame = frame.unwrap();
    assert_eq!(frame.module.as_deref(), Some("shelf"));
    assert_eq!(
        frame.build_id.as_deref(),
        Some("6b1f0c9d2e8a7745aa10c3d4e5f6071829304a5b")
    );
    assert!(symbols(&report, Role::Allocated).contains(&"shelf_new"));
    assert!(symbols(&report, Role::Freed).contains(&"shelf_drop"));
    let work: Vec<_> = report
        .stacks
        .iter()
        .filter(|stack| stack.role == Role::RelatedWork)
        .map(|stack| stack.frames.last().unwrap().symbol.as_str())
        .collect();
    assert_eq!(work, ["shelf_retire", "shelf_postpone"]);
}

#[test]
fn kasan_of_every_kind() {
    let what = |what, access, title, kind| {
        check(
            &kasan(what, access, ""),
            &Want {
                title,
                kind,
                task: TASK,
                cpu: Some(3),
            },
        )
    };
    what(
        "slab-use-after-free",
        "Write of size 4 at addr ffff888006a3f090",
        "KASAN: slab-use-after-free Write in shelf_find",
        Kind::KasanUseAfterFreeWrite,
    );
    what(
        "slab-out-of-bounds",
        "Read of size 1 at addr ffff888006a3f100",
        "KASAN: slab-out-of-bounds Read in shelf_find",
        Kind::KasanRead,
    );
    what(
        "global-out-of-bounds",
        "Write of size 1 at addr ffffffff8a3f1000",
        "KASAN: global-out-of-bounds Write in shelf_find",
        Kind::KasanWrite,
    );
    what(
        "stack-out-of-bounds",
        "Read of size 8 at addr ffffc9000123fe40",
        "KASAN: stack-out-of-bounds Read in shelf_find",
        Kind::KasanRead,
    );
    what(
        "vmalloc-out-of-bounds",
        "Write of size 8 at addr ffffc90001240000",
        "KASAN: vmalloc-out-of-bounds Write in shelf_find",
        Kind::KasanWrite,
    );
    what(
        "wild-memory-access",
        "Write of size 8 at addr 1ffff11000d47e12",
        "KASAN: wild-memory-access Write in shelf_find",
        Kind::KasanWrite,
    );
    what(
        "user-memory-access",
        "Read of size 8 at addr 0000000040001000",
        "KASAN: user-memory-access Read in shelf_find",
        Kind::KasanRead,
    );
    let null = what(
        "null-ptr-deref",
        "Write of size 4 at addr 0000000000000010",
        "KASAN: null-ptr-deref Write in shelf_find",
        Kind::KasanNullWrite,
    );
    assert_eq!(null.details.access, access(Direction::Write, Some(4), 0x10));
    // Tags in hardware tell no size.
    let tagged = what(
        "invalid-access",
        "Write at addr f4ff000006a3f090",
        "KASAN: invalid-access Write in shelf_find",
        Kind::KasanWrite,
    );
    assert_eq!(
        tagged.details.access,
        access(Direction::Write, None, 0xf4ff_0000_06a3_f090)
    );
    for words in ["double-free", "invalid-free", "double-free or invalid-free"] {
        what(
            words,
            "Free of addr ffff888006a3f080",
            "KASAN: invalid-free in shelf_find",
            Kind::KasanInvalidFree,
        );
    }
}

#[test]
fn frames_that_were_symbolized_already() {
    let console = "\
==================================================================
BUG: KASAN: slab-out-of-bounds in shelf_find+0x52/0x180 mm/shelf.c:118
Read of size 1 at addr ffff888006a3f100 by task shelve/310

CPU: 3 UID: 0 PID: 310 Comm: shelve Not tainted 6.13.0-rc4+ #12
Call Trace:
 <TASK>
 __dump_stack lib/dump_stack.c:94 [inline]
 dump_stack_lvl+0x70/0x90 lib/dump_stack.c:120
 kasan_report+0xc4/0x100 mm/kasan/report.c:602
 shelf_peek include/linux/shelf.h:30 [inline]
 shelf_find+0x52/0x180 mm/shelf.c:118
 shelf_reclaim+0x88/0x260 mm/shelf.c:240
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
==================================================================
";
    let report = check(
        console,
        &Want {
            title: "KASAN: slab-out-of-bounds Read in shelf_find",
            kind: Kind::KasanRead,
            task: TASK,
            cpu: Some(3),
        },
    );
    let places: Vec<_> = report.stacks[0]
        .frames
        .iter()
        .filter_map(|frame| frame.location.as_ref())
        .map(|place| (place.file.as_str(), place.line, place.inlined))
        .collect();
    assert_eq!(
        places[3..5],
        [
            ("include/linux/shelf.h", 30, true),
            ("mm/shelf.c", 118, false)
        ]
    );
}

/// In its first years KASAN had SLUB tell of the object.
#[test]
fn kasan_of_old_kernels() {
    let console = "\
==================================================================
BUG: KASAN: use-after-free in shelf_find+0x52/0x180 at addr ffff880006a3f090
Read of size 8 by task shelve/310
=============================================================================
BUG shelf (Tainted: G    B          ): kasan: bad access detected
-----------------------------------------------------------------------------

INFO: Allocated in shelf_new+0x2c/0x90 age=12 cpu=0 pid=300
\t___slab_alloc+0x4a2/0x540
\tshelf_new+0x2c/0x90
INFO: Freed in shelf_drop+0x60/0x90 age=6 cpu=1 pid=305
\t__slab_free+0x1a0/0x2f0
\tshelf_drop+0x60/0x90
INFO: Slab 0xffffea00001a8fc0 objects=32 used=31 fp=0xffff880006a3f080 flags=0x4000000000004080
INFO: Object 0xffff880006a3f080 @offset=128 fp=0x          (null)

CPU: 1 PID: 310 Comm: shelve Tainted: G    B           4.7.0 #7
 0000000000000000 ffff88003c1e3d58 ffffffff81a2c300 ffff88003e004800
Call Trace:
 [<ffffffff81a2c300>] dump_stack+0x68/0x9b
 [<ffffffff813a2c30>] object_err+0x3a/0x50
 [<ffffffff813a5f10>] kasan_report_error+0x1ff/0x510
 [<ffffffff811a2c30>] shelf_find+0x52/0x180
 [<ffffffff811a3f48>] shelf_reclaim+0x88/0x260
 [<ffffffff8185a2f6>] entry_SYSCALL_64_fastpath+0x16/0x75
Memory state around the buggy address:
>ffff880006a3f080: fb fb fb fb fb fb fb fb fb fb fb fb fb fb fb fb
                         ^
==================================================================
";
    check(
        console,
        &Want {
            title: "KASAN: use-after-free Read in shelf_find",
            kind: Kind::KasanUseAfterFreeRead,
            task: TASK,
            cpu: Some(1),
        },
    );
}

fn kfence(header: &str, detail: &str) -> String {
    format!(
        "\
==================================================================
BUG: KFENCE: {header} in shelf_find+0x52/0x180

{detail}:
 shelf_find+0x52/0x180
 shelf_reclaim+0x88/0x260
 ret_from_fork_asm+0x1a/0x30

kfence-#41: 0xffff88803ed12340-0xffff88803ed1235f, size=32, cache=kmalloc-32

allocated by task 300 on cpu 0 at 20.101010s (0.200000s ago):
 shelf_new+0x2c/0x90
 ret_from_fork_asm+0x1a/0x30

freed by task 305 on cpu 1 at 20.202020s (0.100000s ago):
 shelf_drop+0x60/0x90
 ret_from_fork_asm+0x1a/0x30

CPU: 2 UID: 0 PID: 310 Comm: shelve Tainted: G    B              6.12.0 #1
Tainted: [B]=BAD_PAGE
==================================================================
"
    )
}

#[test]
fn kfence_of_every_kind() {
    let what = |header, detail, title, kind| {
        let report = check(
            &kfence(header, detail),
            &Want {
                title,
                kind,
                task: TASK,
                cpu: Some(2),
            },
        );
        assert_eq!(report.details.taint.as_deref(), Some("G    B"));
        assert_eq!(report.details.release.as_deref(), Some("6.12.0"));
        assert_eq!(symbols(&report, Role::Crash)[0], "shelf_find");
        assert_eq!(symbols(&report, Role::Allocated)[0], "shelf_new");
        assert_eq!(symbols(&report, Role::Freed)[0], "shelf_drop");
        report
    };
    let report = what(
        "use-after-free read",
        "Use-after-free read at 0xffff88803ed12340 (in kfence-#41)",
        "KFENCE: use-after-free read in shelf_find",
        Kind::KfenceUseAfterFreeRead,
    );
    assert_eq!(
        report.details.access,
        access(Direction::Read, None, 0xffff_8880_3ed1_2340)
    );
    what(
        "out-of-bounds write",
        "Out-of-bounds write at 0xffff88803ed12360 (1B right of kfence-#41)",
        "KFENCE: out-of-bounds write in shelf_find",
        Kind::KfenceWrite,
    );
    what(
        "memory corruption",
        "Corrupted memory at 0xffff88803ed12360 [ ! . . . ] (in kfence-#41)",
        "KFENCE: memory corruption in shelf_find",
        Kind::KfenceMemoryCorruption,
    );
    what(
        "invalid free",
        "Invalid free of 0xffff88803ed12344 (in kfence-#41)",
        "KFENCE: invalid free in shelf_find",
        Kind::KfenceInvalidFree,
    );
}

#[test]
fn kcsan_shows_both_sides() {
    let console = "\
==================================================================
BUG: KCSAN: data-race in shelf_count / shelf_put

write to 0xffff888006a3f010 of 4 bytes by task 310 on cpu 2:
 shelf_put+0x40/0x90
 shelf_reclaim+0x88/0x260
 entry_SYSCALL_64_after_hwframe+0x76/0x7e

read to 0xffff888006a3f010 of 4 bytes by task 311 on cpu 1:
 shelf_count+0x18/0x30
 shelf_show+0x20/0x70
 entry_SYSCALL_64_after_hwframe+0x76/0x7e

value changed: 0x00000003 -> 0x00000004

Reported by Kernel Concurrency Sanitizer on:
CPU: 1 UID: 0 PID: 311 Comm: watcher Not tainted 6.12.0 #1 PREEMPT(lazy)
==================================================================
";
    let report = crate::sample::only(console);
    assert_eq!(report.kind, Kind::KcsanDataRace);
    assert!(report.title.starts_with("KCSAN: data-race in shelf_count"));
    assert_eq!(
        (report.details.pid, report.details.cpu),
        (Some(310), Some(2))
    );
    assert_eq!(
        report.details.access,
        access(Direction::Write, Some(4), 0xffff_8880_06a3_f010)
    );
    let tops: Vec<_> = report
        .stacks
        .iter()
        .map(|stack| (stack.role, stack.frames[0].symbol.as_str()))
        .collect();
    assert_eq!(
        tops,
        [(Role::Crash, "shelf_put"), (Role::Crash, "shelf_count")]
    );
}

#[test]
fn kmsan() {
    let console = "\
=====================================================
BUG: KMSAN: uninit-value in shelf_parse+0x1a0/0x400
 shelf_parse+0x1a0/0x400
 shelf_write+0x88/0x260
 entry_SYSCALL_64_after_hwframe+0x76/0x7e

Uninit was stored to memory at:
 shelf_copy+0x20/0x50
 shelf_write+0x70/0x260

Uninit was created at:
 slab_alloc_node+0x100/0x300
 shelf_new+0x2c/0x90

CPU: 0 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
=====================================================
";
    let report = check(
        console,
        &Want {
            title: "KMSAN: uninit-value in shelf_parse",
            kind: Kind::KmsanUninitValue,
            task: TASK,
            cpu: Some(0),
        },
    );
    assert_eq!(symbols(&report, Role::Crash)[0], "shelf_parse");
    assert_eq!(symbols(&report, Role::Other)[0], "shelf_copy");
    assert!(symbols(&report, Role::Allocated).contains(&"shelf_new"));
}

fn ubsan(what: &str, detail: &str) -> String {
    format!(
        "\
------------[ cut here ]------------
UBSAN: {what} in mm/shelf.c:77:12
{detail}
CPU: 1 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90
 ubsan_epilogue+0x5/0x40
 __ubsan_handle_out_of_bounds+0x60/0x80
 shelf_slot+0x120/0x140
 shelf_write+0x88/0x260
 entry_SYSCALL_64_after_hwframe+0x76/0x7e
 </TASK>
---[ end trace ]---
"
    )
}

#[test]
fn ubsan_of_every_kind() {
    let what = |what, detail, title, kind| {
        check(
            &ubsan(what, detail),
            &Want {
                title,
                kind,
                task: TASK,
                cpu: Some(1),
            },
        )
    };
    what(
        "array-index-out-of-bounds",
        "index 9 is out of range for type 'slot [8]'",
        "UBSAN: array-index-out-of-bounds in shelf_slot",
        Kind::MemorySafetyUbsan,
    );
    what(
        "shift-out-of-bounds",
        "shift exponent 77 is too large for 64-bit type 'long unsigned int'",
        "UBSAN: shift-out-of-bounds in shelf_slot",
        Kind::Ubsan,
    );
}

/// The leak detector's list, as its file in debugfs shows it.
const LEAK: &str = "\
unreferenced object 0xffff888006a3f080 (size 128):
  comm \"shelve\", pid 310, jiffies 4294942345
  hex dump (first 32 bytes):
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
    80 f0 a3 06 80 88 ff ff 80 f0 a3 06 80 88 ff ff  ................
  backtrace (crc 5f0d1c2b):
    kmem_cache_alloc_noprof+0x200/0x300
    shelf_new+0x2c/0x90
    shelf_write+0x88/0x260
    do_syscall_64+0x92/0x180
    entry_SYSCALL_64_after_hwframe+0x76/0x7e
";

#[test]
fn memory_leak() {
    let want = Want {
        title: "memory leak in shelf_new",
        kind: Kind::Leak,
        task: TASK,
        cpu: None,
    };
    let named: String = LEAK
        .lines()
        .map(|line| format!("kmemleak: {line}\n"))
        .collect();
    let told = "kmemleak: 2 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n";
    for console in [
        LEAK.to_owned(),
        format!("BUG: memory leak\n{LEAK}"),
        format!("{told}{LEAK}"),
        format!("{told}{named}"),
    ] {
        let report = check(&console, &want);
        assert_eq!(symbols(&report, Role::Crash)[1], "shelf_new");
    }
    // Each object of a list is a leak of its own.
    let other = LEAK.replace("shelf_new", "shelf_grow");
    for console in [
        format!("{LEAK}{other}"),
        format!("BUG: memory leak\n{LEAK}\nBUG: memory leak\n{other}"),
    ] {
        let reports = swapmig_reports::trace::parse(console.as_bytes());
        let titles: Vec<_> = reports.iter().map(|report| &*report.title).collect();
        assert_eq!(
            titles,
            ["memory leak in shelf_new", "memory leak in shelf_grow"]
        );
    }
}

/// Mails quote reports with the functions that were inlined, a header for each.
#[test]
fn headers_of_inlined_functions() {
    let kasan = "\
==================================================================
BUG: KASAN: slab-use-after-free in instrument_atomic_read include/linux/instrumented.h:68 [inline]
BUG: KASAN: slab-use-after-free in shelf_count include/linux/shelf.h:32 [inline]
BUG: KASAN: slab-use-after-free in shelf_find+0x52/0x180 mm/shelf.c:118
Read of size 4 at addr ffff888006a3f090 by task shelve/310

CPU: 3 UID: 0 PID: 310 Comm: shelve Not tainted 6.13.0-rc4+ #12
Call Trace:
 <TASK>
 dump_stack_lvl+0x70/0x90 lib/dump_stack.c:120
 kasan_report+0xc4/0x100 mm/kasan/report.c:602
 instrument_atomic_read include/linux/instrumented.h:68 [inline]
 shelf_count include/linux/shelf.h:32 [inline]
 shelf_find+0x52/0x180 mm/shelf.c:118
 shelf_reclaim+0x88/0x260 mm/shelf.c:240
 </TASK>
==================================================================
";
    let quoted: String = kasan.lines().map(|line| format!("> {line}\n")).collect();
    let want = Want {
        title: "KASAN: slab-use-after-free Read in shelf_find",
        kind: Kind::KasanUseAfterFreeRead,
        task: TASK,
        cpu: Some(3),
    };
    check(kasan, &want);
    assert_eq!(crate::sample::only(&quoted).title, want.title);

    let kmsan = "\
=====================================================
BUG: KMSAN: uninit-value in shelf_valid include/linux/shelf.h:44 [inline]
BUG: KMSAN: uninit-value in shelf_parse+0x1a0/0x400 mm/shelf.c:77
 shelf_valid include/linux/shelf.h:44 [inline]
 shelf_parse+0x1a0/0x400 mm/shelf.c:77
 shelf_write+0x88/0x260 mm/shelf.c:99

Uninit was created at:
 slab_alloc_node+0x100/0x300 mm/slub.c:4000
 shelf_new+0x2c/0x90 mm/shelf.c:20

CPU: 0 UID: 0 PID: 310 Comm: shelve Not tainted 6.12.0 #1
=====================================================
";
    check(
        kmsan,
        &Want {
            title: "KMSAN: uninit-value in shelf_parse",
            kind: Kind::KmsanUninitValue,
            task: TASK,
            cpu: Some(0),
        },
    );
}
