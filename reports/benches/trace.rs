// SPDX-License-Identifier: GPL-2.0-or-later
//! How fast logs are read, in bytes a second: clean ones, and such with many traces.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use swapmig_reports::trace::Parser;

/// Bytes of each log.
const SIZE: usize = 32 << 20;
/// Bytes given at once, as much as a pipe or a buffered file gives.
const PIECE: usize = 256 * 1024;
/// Lines from one trace to the next.
const TRACE_EVERY: usize = 100;

/// What a guest at peace prints. Some lines hold words that crashes are told with, too.
const QUIET: &[&str] = &[
    "e1000 0000:00:03.0 eth0: (PCI:33MHz:32-bit) 52:54:00:12:34:56",
    "EXT4-fs (vda): mounted filesystem with ordered data mode. Quota mode: none.",
    "Adding 65532k swap on /dev/vda.  Priority:-2 extents:1 across:65532k",
    "clocksource: Long readout interval, skipping watchdog check: cs_nsec: 1399910220",
    "pci 0000:00:01.1: legacy IDE quirk: reg 0x10: [io  0x01f0-0x01f7]",
    "usb 1-1: new high-speed USB device number 2 using xhci_hcd",
    "systemd[1]: Started Journal Service.",
    "audit: type=1400 audit(1795687200.123:42): avc: denied { read } for pid=77",
    "i2c i2c-0: no error, 4 memory modules found; page fault counters reset",
    "printk: console [ttyS0] disabled, log_buf_len error recovery done",
    "hwmon hwmon1: temperature fault cleared, INFO block at 0x40, WARNING limit 90",
    "random: crng init done",
];

/// A trace of the sort that this project looks for.
const TRACE: &str = "\
==================================================================
BUG: KASAN: slab-use-after-free in rmap_walk_anon+0xb0/0x356
Read of size 8 at addr ffff888018474150 by task work/77

CPU: 1 UID: 0 PID: 77 Comm: work Not tainted 6.12.117 #2
Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2 04/01/2014
Call Trace:
 <TASK>
 dump_stack_lvl+0x52/0x61
 print_report+0x160/0x493
 kasan_report+0xba/0xdc
 ? rmap_walk_anon+0xb0/0x356
 rmap_walk_anon+0xb0/0x356
 remove_migration_ptes+0xca/0xf0
 migrate_pages_batch+0x8f2/0xc11
 migrate_pages+0x3a1/0x5d0
 compact_zone+0x9a0/0xe83
 do_syscall_64+0x4a/0xa4
 entry_SYSCALL_64_after_hwframe+0x4b/0x53
 </TASK>

Allocated by task 80:
 kasan_save_stack+0x2e/0x49
 kmem_cache_alloc_noprof+0x10b/0x2b0
 anon_vma_alloc+0x13/0xee
 do_syscall_64+0x4a/0xa4

Freed by task 81:
 kasan_save_stack+0x2e/0x49
 kmem_cache_free+0x19a/0x1fe
 __put_anon_vma+0x2b/0x51
 do_syscall_64+0x4a/0xa4
==================================================================
";

/// Writes a log line by line, as a guest with clock and callers does, or as raw serial.
struct Log {
    text: String,
    lines: usize,
    stamped: bool,
}

impl Log {
    fn new(stamped: bool) -> Self {
        Self {
            text: String::with_capacity(SIZE + 8192),
            lines: 0,
            stamped,
        }
    }

    fn line(&mut self, message: &str) {
        if self.stamped {
            let (seconds, micros) = (self.lines / 50, self.lines % 50 * 20_000);
            let _ = write!(self.text, "[{seconds:5}.{micros:06}][   T77] ");
        }
        self.text.push_str(message);
        self.text.push('\n');
        self.lines += 1;
    }

    fn quiet(&mut self, lines: usize) {
        for _ in 0..lines {
            self.line(QUIET[self.lines % QUIET.len()]);
        }
    }

    fn clean(stamped: bool) -> String {
        let mut log = Self::new(stamped);
        while log.text.len() < SIZE {
            log.quiet(TRACE_EVERY);
        }
        log.text
    }

    fn with_traces(stamped: bool) -> String {
        let mut log = Self::new(stamped);
        let lines = TRACE.lines().count();
        while log.text.len() < SIZE {
            log.quiet(TRACE_EVERY - lines);
            TRACE.lines().for_each(|line| log.line(line));
        }
        log.text
    }
}

/// Reads a log in pieces; how many reports it holds.
fn read(log: &str) -> usize {
    let mut reports = 0;
    let mut parser = Parser::default();
    for piece in log.as_bytes().chunks(PIECE) {
        parser.push(piece, &mut |_| reports += 1);
    }
    parser.finish(&mut |_| reports += 1);
    reports
}

fn logs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("trace");
    group.sample_size(10);
    for (name, log, any) in [
        ("clean", Log::clean(true), false),
        ("clean serial", Log::clean(false), false),
        ("a trace every 100 lines", Log::with_traces(true), true),
        (
            "a trace every 100 lines of serial",
            Log::with_traces(false),
            true,
        ),
    ] {
        assert_eq!(read(&log) > 0, any, "{name}");
        group.throughput(Throughput::Bytes(log.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| read(black_box(&log))));
    }
}

criterion_group!(benches, logs);
criterion_main!(benches);
