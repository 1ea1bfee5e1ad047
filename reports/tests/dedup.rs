// SPDX-License-Identifier: GPL-2.0-or-later
//! What may differ between two reports of one crash, and what may not.

use swapmig_reports::trace::{Key, parse};

fn key(console: &str) -> Key {
    let reports = parse(console.as_bytes());
    assert_eq!(reports.len(), 1, "{reports:#?}");
    reports[0].key()
}

/// A use after free with these frames, innermost first.
fn use_after_free(frames: &[&str]) -> String {
    let first = frames[0];
    let frames: String = frames.iter().map(|frame| format!(" {frame}\n")).collect();
    format!(
        "\
==================================================================
BUG: KASAN: slab-use-after-free in {first}
Read of size 8 at addr ffff888012345678 by task work/77
CPU: 1 UID: 0 PID: 77 Comm: work Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x52/0x61
 print_report+0x160/0x493
 kasan_report+0xba/0xdc
{frames} </TASK>
==================================================================
"
    )
}

/// An assertion that fails in the first of these frames.
fn assertion(header: &str, frames: &[&str]) -> String {
    let (first, rest) = (frames[0], &frames[1..]);
    let rest: String = rest.iter().map(|frame| format!(" {frame}\n")).collect();
    format!(
        "\
------------[ cut here ]------------
{header}
CPU: 0 UID: 0 PID: 9 Comm: work Not tainted 6.12.0 #1
RIP: 0010:{first}
Call Trace:
 <TASK>
{rest} </TASK>
---[ end trace 0000000000000000 ]---
"
    )
}

#[test]
fn offsets_sizes_and_suffixes_do_not_count() {
    let one = key(&use_after_free(&[
        "rmap_walk_anon+0xb0/0x356",
        "remove_migration_ptes+0xca/0xf0",
        "kthread+0x2a/0x40",
    ]));
    let other = key(&use_after_free(&[
        "rmap_walk_anon.isra.0+0x7/0x1ff",
        "remove_migration_ptes.constprop.0+0x11/0x200",
        "kthread+0x2b/0x50",
    ]));
    assert_eq!(one, other);
    assert_eq!(
        one.to_string(),
        "KASAN: slab-use-after-free Read in rmap_walk_anon"
    );
}

#[test]
fn the_way_to_a_crash_does_not_count() {
    let thread = [
        "rmap_walk_anon+0xb0/0x356",
        "kcompactd+0x1/0x2",
        "kthread+0x2a/0x40",
    ];
    let call = [
        "rmap_walk_anon+0xb0/0x356",
        "compact_node+0x1/0x2",
        "do_syscall_64+0x4a/0xa4",
    ];
    assert_eq!(key(&use_after_free(&thread)), key(&use_after_free(&call)));
}

#[test]
fn a_part_out_of_line_is_still_its_whole() {
    let whole = [
        "rmap_walk_anon+0xb0/0x356",
        "remove_migration_ptes+0xca/0xf0",
    ];
    for part in [
        "rmap_walk_anon_lock",
        "__rmap_walk_anon",
        "do_rmap_walk_anon",
    ] {
        let frame = format!("{part}+0x1d/0x60");
        let parts = [frame.as_str(), whole[0], whole[1]];
        assert_eq!(key(&use_after_free(&parts)), key(&use_after_free(&whole)));
    }
    // A name that only begins alike is another function.
    let other = ["rmap_walk_anonymous+0x1d/0x60", whole[0], whole[1]];
    assert_ne!(key(&use_after_free(&other)), key(&use_after_free(&whole)));
}

#[test]
fn wrappers_of_a_system_call_are_one_place() {
    let below = "do_syscall_64+0x4a/0xa4";
    let keys: Vec<_> = ["__x64_sys_mremap", "__se_sys_mremap", "__do_sys_mremap"]
        .iter()
        .map(|wrapper| key(&use_after_free(&[&format!("{wrapper}+0x1d/0x60"), below])))
        .collect();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(keys[0], keys[2]);
}

#[test]
fn an_assertion_is_known_by_its_place() {
    let bug = "kernel BUG at include/linux/swapops.h:468!";
    let inlined = ["migration_entry_wait+0x10/0x80", "do_swap_page+0x1/0x2"];
    let apart = ["pfn_swap_entry_folio+0x2/0x4", inlined[0], inlined[1]];
    assert_eq!(key(&assertion(bug, &inlined)), key(&assertion(bug, &apart)));
    assert_eq!(
        key(&assertion(bug, &apart)).as_str(),
        "kernel BUG at include/linux/swapops.h:468"
    );
    let next = "kernel BUG at include/linux/swapops.h:471!";
    assert_ne!(key(&assertion(bug, &apart)), key(&assertion(next, &apart)));
}

#[test]
fn a_shared_checker_is_known_by_its_caller() {
    let warning = "WARNING: CPU: 0 PID: 9 at lib/refcount.c:28 refcount_warn_saturate+0x1/0x2";
    let by = |caller: &str| {
        key(&assertion(
            warning,
            &[
                "refcount_warn_saturate+0x1/0x2",
                &format!("{caller}+0x3/0x4"),
            ],
        ))
    };
    assert_eq!(by("put_ledger"), by("put_ledger.part.0"));
    assert_ne!(by("put_ledger"), by("drop_account"));
    assert_eq!(
        by("put_ledger").as_str(),
        "WARNING: refcount bug in put_ledger"
    );
}

#[test]
fn another_class_is_another_crash() {
    let frames = [
        "rmap_walk_anon+0xb0/0x356",
        "remove_migration_ptes+0xca/0xf0",
    ];
    let read = use_after_free(&frames);
    let write = read.replace("Read of size", "Write of size");
    assert_ne!(key(&read), key(&write));
    let bounds = read.replace("slab-use-after-free", "slab-out-of-bounds");
    assert_ne!(key(&read), key(&bounds));
}

#[test]
fn without_a_function_the_title_is_the_key() {
    let panic = "Kernel panic - not syncing: sysrq triggered crash\n";
    assert_eq!(key(panic).as_str(), "kernel panic: sysrq triggered crash");
}
