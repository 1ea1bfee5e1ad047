// SPDX-License-Identifier: GPL-2.0-or-later
//! The trace parser on consoles of this project's guests, and on hostile ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up must stop")]

use swapmig_reports::trace::{Access, Corruption, Direction, Kind, Pc, Report, Role, parse};

fn only(console: &[u8]) -> Report {
    let mut reports = parse(console);
    assert_eq!(reports.len(), 1, "{reports:#?}");
    reports.remove(0)
}

/// Where the report lies in its log.
fn within(report: &Report) -> std::ops::Range<usize> {
    let at = |byte: u64| usize::try_from(byte).unwrap();
    at(report.span.start)..at(report.span.end)
}

fn symbols(report: &Report, role: Role) -> Vec<&str> {
    let stack = report.stacks.iter().find(|stack| stack.role == role);
    let reliable = stack
        .into_iter()
        .flat_map(|s| &s.frames)
        .filter(|frame| frame.reliable);
    reliable.map(|frame| frame.symbol.as_str()).collect()
}

/// Puts a printk prefix before every line.
fn printed(caller: &str, lines: &str) -> Vec<String> {
    lines
        .lines()
        .enumerate()
        .map(|(at, line)| format!("[    7.{at:06}][{caller:>6}] {line}\n"))
        .collect()
}

/// Two writers at once, line by line.
fn interleaved(one: &[String], other: &[String]) -> String {
    let longest = one.len().max(other.len());
    (0..longest)
        .flat_map(|at| one.get(at).into_iter().chain(other.get(at)))
        .cloned()
        .collect()
}

const USE_AFTER_FREE: &str = "\
==================================================================
BUG: KASAN: slab-use-after-free in down_read_trylock+0x1d/0x120
Read of size 8 at addr ffff888012345678 by task work/77
CPU: 1 UID: 0 PID: 77 Comm: work Not tainted 6.12.0 #1
Call Trace:
 <TASK>
 dump_stack_lvl+0x52/0x61
 print_report+0x160/0x493
 kasan_report+0xba/0xdc
 ? down_read_trylock+0x1d/0x120
 down_read_trylock+0x1d/0x120
 rmap_walk_anon.isra.0+0xb0/0x356
 remove_migration_ptes+0xca/0xf0
 </TASK>
Allocated by task 80:
 kasan_save_stack+0x2e/0x49
 anon_vma_alloc+0x13/0xee
Freed by task 81:
 kasan_save_stack+0x2e/0x49
 __put_anon_vma+0x2b/0x51
==================================================================
";

const WARNING: &str = "\
------------[ cut here ]------------
DEBUG_RWSEMS_WARN_ON(sem->magic != sem): count = 0x0, magic = 0x0, owner = 0x0
WARNING: CPU: 0 PID: 31 at kernel/locking/rwsem.c:1262 down_read_trylock+0x90/0x120
Modules linked in:
CPU: 0 UID: 0 PID: 31 Comm: kcompactd0 Not tainted 6.12.0 #1
RIP: 0010:down_read_trylock+0x90/0x120
Call Trace:
 <TASK>
 rmap_walk_file+0x51/0x170
 remove_migration_ptes+0xca/0xf0
 ret_from_fork_asm+0x11/0x20
 </TASK>
---[ end trace 0000000000000000 ]---
";

#[test]
fn use_after_free_of_the_2010_defect() {
    let console = include_bytes!("consoles/no-guard-anon-orphan.log");
    let report = only(console);
    assert_eq!(
        report.title,
        "KASAN: slab-use-after-free Read in rmap_walk_anon"
    );
    assert_eq!(report.alt_titles, ["bad-access in rmap_walk_anon"]);
    assert_eq!(report.kind, Kind::KasanUseAfterFreeRead);
    assert_eq!(report.corrupted, None);
    assert_eq!(
        (
            report.details.task.as_deref(),
            report.details.pid,
            report.details.cpu
        ),
        (Some("init"), Some(1), Some(1))
    );
    let access = Access {
        direction: Direction::Read,
        size: Some(8),
        address: Some(0xffff_8880_1847_4150),
    };
    assert_eq!(report.details.access, Some(access));
    assert_eq!(
        symbols(&report, Role::Crash)[3..7],
        [
            "rmap_walk_anon",
            "remove_migration_ptes",
            "migrate_pages_batch",
            "migrate_pages_sync"
        ]
    );
    assert!(symbols(&report, Role::Allocated).contains(&"anon_vma_alloc"));
    assert!(symbols(&report, Role::Freed).contains(&"slab_free_after_rcu_debug"));
    assert!(symbols(&report, Role::RelatedWork).contains(&"unlink_anon_vmas"));
    assert!(!report.panicked);
    let text = String::from_utf8_lossy(&console[within(&report)]);
    assert!(text.starts_with('['), "the span begins at a line's prefix");
    assert!(
        text.trim_end().ends_with("========"),
        "the span ends with the ruler"
    );
}

#[test]
fn stale_migration_entry_of_the_lost_remap() {
    let report = only(include_bytes!("consoles/rmap-walk-check-reread.log"));
    assert_eq!(report.title, "kernel BUG in migration_entry_wait_on_locked");
    assert_eq!(report.kind, Kind::Bug);
    assert_eq!(report.corrupted, None);
    assert_eq!(
        report
            .guilty
            .as_ref()
            .map(|guilty| guilty.function.as_str()),
        Some("migration_entry_wait_on_locked")
    );
    let crash = &report.stacks[0];
    assert_eq!(crash.role, Role::Crash);
    assert_eq!(crash.frames[0].pc, Pc::Exact);
    assert_eq!(
        crash.frames[0].to_string(),
        "migration_entry_wait_on_locked+0x167/0x2d4"
    );
    assert_eq!(
        symbols(&report, Role::Crash)[1..3],
        ["migration_entry_wait", "do_swap_page"]
    );
}

#[test]
fn panics_of_their_own() {
    let report = only(include_bytes!("consoles/sysrq-crash.log"));
    assert_eq!(report.title, "kernel panic: sysrq triggered crash");
    assert!(report.panicked);
    let report = only(include_bytes!("consoles/init-exits.log"));
    assert_eq!(report.title, "kernel panic: Attempted to kill init!");
    assert_eq!(report.kind, Kind::Dos);
}

#[test]
fn lock_internals_are_not_to_blame() {
    let report = only(USE_AFTER_FREE.as_bytes());
    assert_eq!(
        report.title,
        "KASAN: slab-use-after-free Read in rmap_walk_anon"
    );
    assert_eq!(report.corrupted, None);
    let report = only(WARNING.as_bytes());
    assert_eq!(report.title, "WARNING in rmap_walk_file");
    assert_eq!(report.alt_titles, ["WARNING in down_read_trylock"]);
    assert!(
        report.text.contains("DEBUG_RWSEMS_WARN_ON"),
        "the words before the header belong to it"
    );
}

/// A kernel that said farewell was not lost.
#[test]
fn a_reboot_that_was_asked_for_is_no_finding() {
    let boot =
        |time: u32| format!("[    0.000000] Linux version 6.12.0 (a@b)\n[{time:5}.000000] up\n");
    for farewell in [
        "reboot: Restarting system",
        "reboot: machine restart",
        "reboot: Power down",
        "Restarting system.",
        "kexec_core: Starting new kernel",
        "sysrq: Resetting",
    ] {
        let log = format!("{0}[   40.000000] {farewell}\n{0}", boot(30));
        assert_eq!(parse(log.as_bytes()), [], "{farewell}");
        // It holds for one boot.
        let log = format!("{log}{}", boot(30));
        let reports = parse(log.as_bytes());
        assert_eq!(reports.len(), 1, "{farewell}");
        assert_eq!(reports[0].title, "unexpected kernel reboot");
    }
}

#[test]
fn a_report_is_of_the_kernel_that_last_said_its_release() {
    let bug =
        "[   30.000000] BUG: Bad rss-counter state mm:ffff888012345678 type:MM_ANONPAGES val:1\n";
    let log = format!(
        "[    0.000000] Linux version 6.12.1-left (a@b)\n{bug}[   40.000000] reboot: Restarting system\n[    0.000000] Linux version 6.12.2-right (a@b)\n{bug}"
    );
    let reports = parse(log.as_bytes());
    let releases: Vec<_> = reports
        .iter()
        .map(|r| r.details.release.as_deref())
        .collect();
    assert_eq!(releases, [Some("6.12.1-left"), Some("6.12.2-right")]);
}

#[test]
fn callers_tell_two_writers_apart() {
    let mixed = interleaved(&printed("T77", USE_AFTER_FREE), &printed("T31", WARNING));
    let reports = parse(mixed.as_bytes());
    let titles: Vec<_> = reports
        .iter()
        .map(|r| (r.title.as_str(), &r.corrupted))
        .collect();
    // In the order in which they began: the warning's first line is its `cut here`.
    assert_eq!(
        titles,
        [
            ("WARNING in rmap_walk_file", &None),
            ("KASAN: slab-use-after-free Read in rmap_walk_anon", &None),
        ]
    );
    assert!(!reports[1].text.contains("rmap_walk_file"));
}

#[test]
fn without_callers_a_mix_is_marked() {
    let bare = |text: &str| {
        text.lines()
            .map(|line| format!("{line}\n"))
            .collect::<Vec<_>>()
    };
    let mixed = interleaved(
        &bare(USE_AFTER_FREE),
        &bare(&format!("{}{WARNING}", "\n".repeat(7))),
    );
    let reports = parse(mixed.as_bytes());
    assert_eq!(reports[0].corrupted, Some(Corruption::Mixed));
}

/// What follows may be either's: no caller tells, and neither had begun its stack.
#[test]
fn without_callers_a_header_upon_a_header_is_marked() {
    let stack = |cpu: u32, pid: u32, function: &str| {
        format!(
            "\
CPU: {cpu} UID: 0 PID: {pid} Comm: work Not tainted 6.12.0 #1
RIP: 0010:{function}+0x10/0x80
Call Trace:
 <TASK>
 {function}_outer+0x88/0x200
 do_syscall_64+0x92/0x180
 </TASK>
---[ end trace 0000000000000000 ]---
"
        )
    };
    let warning = "WARNING: CPU: 0 PID: 77 at mm/rmap.c:90 rmap_walk+0x10/0x80\n";
    let lockup = "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [loop:66]\n";
    let asleep = "BUG: sleeping function called from invalid context at mm/rmap.c:12\nin_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 66, name: loop\n";
    let fault = "general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1] SMP\n";
    let (zero, one) = (stack(0, 77, "rmap_walk"), stack(1, 66, "loop_spin"));
    for headers in [
        [warning, lockup],
        [asleep, warning],
        [fault, fault],
        [lockup, warning],
    ] {
        let log = headers.concat() + &zero + &one;
        let reports = parse(log.as_bytes());
        assert_eq!(reports.len(), 2, "{log}");
        for report in reports {
            assert!(report.corrupted.is_some(), "{}\n{log}", report.title);
        }
    }
}

#[test]
fn a_report_that_the_console_ends_in_is_cut_short() {
    let lines: Vec<_> = USE_AFTER_FREE.lines().collect();
    let cut = |keep: usize| only(lines[..keep].join("\n").as_bytes());
    let culprit = lines
        .iter()
        .position(|line| line.starts_with(" rmap_walk_anon"))
        .unwrap();
    for keep in 6..=culprit {
        assert_eq!(
            cut(keep).corrupted,
            Some(Corruption::CutShort),
            "{keep} lines"
        );
    }
    // A stack that was to come and did not.
    for keep in [15, 18] {
        assert_eq!(
            cut(keep).corrupted,
            Some(Corruption::CutShort),
            "{keep} lines"
        );
    }
    // What is missing beyond the culprit puts no doubt on the title.
    let report = cut(culprit + 2);
    assert_eq!(
        report.title,
        "KASAN: slab-use-after-free Read in rmap_walk_anon"
    );
    assert_eq!(report.corrupted, None);
    // The bytes themselves may be cut anywhere.
    for cut in 0..USE_AFTER_FREE.len() {
        parse(&USE_AFTER_FREE.as_bytes()[..cut]);
    }
}

#[test]
fn consequences_follow_the_finding() {
    let gpf = "\
Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP KASAN
CPU: 1 UID: 0 PID: 77 Comm: work Tainted: G B 6.12.0 #1
RIP: 0010:__list_del_entry_valid+0x10/0x80
Call Trace:
 <TASK>
 unlink_anon_vmas+0x88/0x200
 </TASK>
---[ end trace 0000000000000000 ]---
Kernel panic - not syncing: Fatal exception
";
    let reports = parse(format!("{USE_AFTER_FREE}{gpf}").as_bytes());
    let titles: Vec<_> = reports.iter().map(|r| r.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "KASAN: slab-use-after-free Read in rmap_walk_anon",
            "general protection fault in unlink_anon_vmas",
        ]
    );
    assert!(reports.iter().all(|report| report.panicked));
}

#[test]
fn a_panic_long_after_a_warning_is_a_finding_of_its_own() {
    let warning: String = printed("T31", WARNING).concat();
    let panic = |time: u32, why: &str| {
        format!("[{time:>5}.000000][   T77] Kernel panic - not syncing: {why}\n")
    };
    let later = parse(
        format!(
            "{warning}{}",
            panic(90, "Out of memory and no killable processes")
        )
        .as_bytes(),
    );
    assert_eq!(
        later[1].title,
        "kernel panic: Out of memory and no killable processes"
    );
    let caused = parse(format!("{warning}{}", panic(90, "panic_on_warn set ...")).as_bytes());
    assert_eq!(caused.len(), 1);
    assert!(caused[0].panicked);
}

#[test]
fn a_second_boot_is_unexpected_unless_a_panic_announced_it() {
    let boot = "[    0.000000] Linux version 6.12.0 (build) #1\n[    0.100000] ok\n";
    assert_eq!(parse(boot.as_bytes()), []);
    let report = only(format!("{boot}{boot}").as_bytes());
    assert_eq!(report.title, "unexpected kernel reboot");
    assert_eq!(report.kind, Kind::UnexpectedReboot);
    let panic = "[    0.200000] Kernel panic - not syncing: Attempted to kill init!\n";
    assert!(
        only(format!("{boot}{panic}{boot}").as_bytes())
            .title
            .starts_with("kernel panic")
    );
}

#[test]
fn a_kernel_that_ran_before_makes_a_banner_unexpected() {
    let boot = "[    0.000000] Linux version 6.12.0 (build) #1\n[    0.100000] ok\n";
    // The log begins in the middle of a run: the clock tells that another one follows.
    let report = only(format!("[   90.000000] up and well\n{boot}").as_bytes());
    assert_eq!(report.title, "unexpected kernel reboot");
    let early = "[    0.000000] Booting Linux on physical CPU 0x0\n";
    assert_eq!(parse(format!("{early}{boot}").as_bytes()), []);
}

#[test]
fn a_crash_on_the_way_to_a_report_lends_it_its_stack() {
    let nested = "\
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
rcu: \tTasks blocked on level-0 rcu_node (CPUs 0-1):
------------[ cut here ]------------
WARNING: CPU: 1 PID: 77 at kernel/sched/core.c:2698 look_at_task+0x18b/0x320
CPU: 1 UID: 0 PID: 77 Comm: work Not tainted 6.12.0 #1
RIP: 0010:look_at_task+0x18b/0x320
Call Trace:
 <IRQ>
 rcu_sched_clock_irq+0x12/0x34
 sysvec_apic_timer_interrupt+0x9/0x30
 </IRQ>
 <TASK>
 asm_sysvec_apic_timer_interrupt+0x1a/0x20
RIP: 0010:scan_balloc+0x31/0x100
 scan_swap_map+0x22/0x90
 get_swap_pages+0x51/0x60
 vfs_write+0x30/0x80
 do_syscall_64+0x4a/0xa4
 </TASK>
---[ end trace 0000000000000000 ]---
";
    let reports = parse(printed("C1", nested).concat().as_bytes());
    let titles: Vec<_> = reports.iter().map(|r| r.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "INFO: rcu detected stall in get_swap_pages",
            "WARNING in look_at_task"
        ]
    );
}

#[test]
fn a_message_with_a_stack_makes_a_title_doubtful_only_before_the_culprit() {
    let noise = "FAULT_INJECTION: forcing a failure.\n";
    let with = |after: &str| {
        let at = USE_AFTER_FREE.find(after).unwrap();
        only(format!("{}{noise}{}", &USE_AFTER_FREE[..at], &USE_AFTER_FREE[at..]).as_bytes())
    };
    let late = with(" remove_migration_ptes");
    assert_eq!(
        late.title,
        "KASAN: slab-use-after-free Read in rmap_walk_anon"
    );
    assert_eq!(late.corrupted, None);
    let early = with(" dump_stack_lvl");
    assert_eq!(early.title, "KASAN: slab-use-after-free Read in corrupted");
    assert_eq!(early.corrupted, Some(Corruption::Mixed));
}

#[test]
fn the_file_to_blame_is_told_where_the_log_tells_it() {
    let file = |console: &str| {
        only(console.as_bytes())
            .guilty
            .and_then(|guilty| guilty.file)
    };
    let warning = |header: &str| {
        format!(
            "------------[ cut here ]------------\n{header}\nRIP: 0010:try_to_unmap_one+0x9/0x90\nCall Trace:\n <TASK>\n rmap_walk_file+0x51/0x170\n do_syscall_64+0x4a/0xa4\n </TASK>\n---[ end trace 0 ]---\n"
        )
    };
    for header in [
        "WARNING: CPU: 0 PID: 31 at mm/rmap.c:1262 try_to_unmap_one+0x9/0x90",
        "WARNING: mm/rmap.c:1262 at try_to_unmap_one+0x9/0x90, CPU#0: kcompactd0/31",
        "kernel BUG at mm/rmap.c:1262!",
    ] {
        assert_eq!(file(&warning(header)).as_deref(), Some("mm/rmap.c"));
    }
    // The check's file is not its caller's.
    assert_eq!(file(WARNING), None);
    let printed = WARNING.replace(
        "rmap_walk_file+0x51/0x170",
        "rmap_walk_file+0x51/0x170 mm/rmap.c:2800",
    );
    assert_eq!(file(&printed).as_deref(), Some("mm/rmap.c"));
}

#[test]
fn a_range_that_kasan_guesses_belongs_to_the_fault() {
    let fault = "\
Oops: general protection fault, probably for non-canonical address 0xdffffc0000000003: 0000 [#1] PREEMPT SMP KASAN
KASAN: null-ptr-deref in range [0x0000000000000018-0x000000000000001f]
CPU: 1 UID: 0 PID: 77 Comm: work Not tainted 6.12.0 #1
RIP: 0010:folio_mapping+0x31/0x100
Call Trace:
 <TASK>
 shrink_folio_list+0x22/0x90
 do_syscall_64+0x4a/0xa4
 </TASK>
---[ end trace 0000000000000000 ]---
";
    let report = only(fault.as_bytes());
    assert_eq!(report.title, "general protection fault in folio_mapping");
    assert_eq!(report.alt_titles, ["bad-access in folio_mapping"]);
    assert_eq!(report.corrupted, None);
}

#[test]
fn a_panic_of_rust_names_the_function_as_its_source_does() {
    let panic = "\
rust_kernel: panicked at drivers/shelf.rs:12:9:
attempt to add with overflow
------------[ cut here ]------------
kernel BUG at rust/helpers/bug.c:7!
Oops: invalid opcode: 0000 [#1] PREEMPT SMP
CPU: 1 UID: 0 PID: 77 Comm: work Not tainted 6.12.0 #1
RIP: 0010:rust_helper_BUG+0x8/0x10
Call Trace:
 <TASK>
 _RNvNtCs9jEwPDbx20M_4core9panicking9panic_fmt+0x84/0x90
 _RNvMs3_NtCshgDM7dBCdno_5shelf4slotNtB5_4Slot4take+0x17e/0x186
 do_syscall_64+0x4a/0xa4
 </TASK>
---[ end trace 0000000000000000 ]---
";
    let report = only(printed("T77", panic).concat().as_bytes());
    assert_eq!(
        report.title,
        "attempt to add with overflow in <shelf::slot::Slot>::take"
    );
}

#[test]
fn hangs() {
    let hung = "\
INFO: task kworker/u8:1:42 blocked for more than 143 seconds.
      Not tainted 6.12.0 #1
task:kworker/u8:1 state:D stack:0 pid:42 tgid:42 ppid:2 flags:0x00004000
Call Trace:
 <TASK>
 __schedule+0x5a3/0x1200
 schedule+0x3c/0xb0
 io_schedule+0x46/0x70
 folio_wait_bit_common+0x13d/0x350
 folio_wait_writeback+0x2b/0x80
 migrate_folio_unmap+0x123/0x456
 ret_from_fork_asm+0x11/0x20
 </TASK>
";
    let report = only(hung.as_bytes());
    assert_eq!(report.title, "INFO: task hung in migrate_folio_unmap");
    assert_eq!(report.alt_titles, ["hang in migrate_folio_unmap"]);
    assert_eq!(
        (report.details.task.as_deref(), report.details.pid),
        (Some("kworker/u8:1"), Some(42))
    );
    let lockup = "\
watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [work:88]
CPU: 1 UID: 0 PID: 88 Comm: work Not tainted 6.12.0 #1
RIP: 0010:__filemap_get_folio+0x41/0x300
Call Trace:
 <TASK>
 swap_cache_get_folio+0x60/0x140
 do_swap_page+0x12b/0xd00
 handle_mm_fault+0x15d/0x2c7
 exc_page_fault+0xb1/0xca
 asm_exc_page_fault+0x22/0x30
RIP: 0033:0x401b06
 </TASK>
";
    let report = only(lockup.as_bytes());
    assert_eq!(report.kind, Kind::Hang);
    assert_eq!(
        (report.details.task.as_deref(), report.details.cpu),
        (Some("work"), Some(1))
    );
    // Where in a loop it is met is chance; the handler that loops is not.
    assert_eq!(report.title, "BUG: soft lockup in do_swap_page");
}

#[test]
fn what_is_no_crash_stays_silent() {
    for quiet in [
        "INFO: lockdep is turned off.",
        "random: crng init done",
        "traps: a.out[12] general protection fault ip:401000 sp:7ffd error:0 in a.out",
        "a.out[12]: segfault at 0 ip 000000000040 sp 00007ffd error 4",
        "work: I write BUG and WARNING and Kernel panic, being a user's program",
        "WARNING: the old mount option is being deprecated and has no effect",
        "WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible",
        "NET: Registered a family. DEBUG: nothing",
        "",
    ] {
        assert_eq!(parse(quiet.as_bytes()), [], "{quiet}");
    }
}

#[test]
fn a_program_cannot_speak_for_the_kernel() {
    let console = "\
[    1.000000][    T1] Run /init as init process
kernel BUG at mm/rmap.c:1!
------------[ cut here ]------------
Kernel panic - not syncing: said a program
Linux version 6.12.0
Linux version 6.12.0
";
    assert_eq!(parse(console.as_bytes()), []);
}

#[test]
fn hostile_consoles_are_bounded() {
    // A line of any length.
    let mut long = b"BUG: KASAN: slab-use-after-free in ".to_vec();
    long.resize(8 << 20, b'a');
    assert!(
        parse(&long)
            .iter()
            .all(|report| report.title.len() < 512 && report.text.len() < 4096)
    );
    // Any number of headers, with and without a stack left open before them.
    let headers = "BUG: KASAN: use-after-free in a+0x1/0x2\n".repeat(50_000);
    assert_eq!(parse(headers.as_bytes()).len(), 50_000);
    let noise = "FAULT_INJECTION: forcing a failure\n".repeat(50_000);
    let open: String = USE_AFTER_FREE
        .lines()
        .take(12)
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(parse(format!("{open}{noise}").as_bytes()).len(), 1);
    // Any number of frames.
    let frames = " deep+0x1/0x2\n".repeat(50_000);
    let report = only(format!("{open}{frames}").as_bytes());
    assert!(report.stacks.iter().all(|stack| stack.frames.len() <= 200));
    // Any number of callers.
    let callers: String = (0..5_000)
        .map(|at| {
            format!(
                "[    1.000000][{:>6}] kernel BUG at mm/rmap.c:{at}!\n",
                format!("T{at}")
            )
        })
        .collect();
    assert_eq!(parse(callers.as_bytes()).len(), 5_000);
}

proptest::proptest! {
    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        parse(&bytes);
    }

    #[test]
    fn any_shuffle_of_lines(order in proptest::collection::vec(0_usize..64, 0..80)) {
        let all: Vec<_> = USE_AFTER_FREE.lines().chain(WARNING.lines()).collect();
        let text: String = order.iter().map(|&at| format!("{}\n", all[at % all.len()])).collect();
        for report in parse(text.as_bytes()) {
            proptest::prop_assert!(report.span.end <= text.len() as u64);
            proptest::prop_assert!(!report.title.is_empty());
        }
    }
}
