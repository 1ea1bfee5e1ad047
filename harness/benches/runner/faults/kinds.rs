// SPDX-License-Identifier: GPL-2.0-or-later
//! The table of faults.

use fastrand::Rng;
use rustix::process::Signal;

use super::{cells::CellFault, runs, trial::Trial};
use crate::figures::Result;
use crate::relay::{Bytes, Channel, Fault};

/// A kind of fault.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// How often it strikes in a whole campaign.
    pub(super) times: usize,
    pub(super) how: How,
}

/// How a fault is brought about.
pub(super) enum How {
    /// It strikes one guest; several cells of a run get one each.
    Cell(fn(&mut Rng) -> CellFault),
    /// The same, and swapmig waits long before it gives such a guest up. Many wait at once.
    Waits(fn(&mut Rng) -> CellFault),
    /// It strikes a whole run; tells whether it did.
    Run(fn(&mut Trial<'_>) -> Result<bool>),
}

const fn cell(name: &'static str, how: fn(&mut Rng) -> CellFault) -> Kind {
    Kind {
        name,
        times: 6,
        how: How::Cell(how),
    }
}

const fn waits(name: &'static str, how: fn(&mut Rng) -> CellFault) -> Kind {
    Kind {
        name,
        times: 4,
        how: How::Waits(how),
    }
}

const fn run(name: &'static str, times: usize, how: fn(&mut Trial<'_>) -> Result<bool>) -> Kind {
    Kind {
        name,
        times,
        how: How::Run(how),
    }
}

const HOUR_MS: i64 = 3_600_000;

/// Every kind.
pub(super) const KINDS: &[Kind] = &[
    // QEMU.
    cell("qemu-killed", |_| CellFault::Signal(Signal::KILL)),
    cell("qemu-segfault", |_| CellFault::Signal(Signal::SEGV)),
    cell("qemu-abort", |_| CellFault::Signal(Signal::ABORT)),
    cell("qemu-asked-to-end", |_| CellFault::Signal(Signal::TERM)),
    cell("qemu-stopped-a-while", |rng| CellFault::Stopped {
        for_ms: rng.u64(1000..5000),
    }),
    cell("qemu-refuses", |rng| {
        relay(Fault::Refuses(garbage(rng, 300), rng.u8(1..90)))
    }),
    cell("qemu-ends-at-once", |_| {
        relay(Fault::Refuses(Bytes::Zeros(0), 0))
    }),
    cell("qemu-babbles", |rng| {
        relay(Fault::Babbles(garbage(rng, 1 << 20)))
    }),
    cell("qemu-without-memory", |rng| {
        limits("as", rng.u64(20..900) << 20)
    }),
    cell("qemu-without-descriptors", |rng| {
        limits("nofile", rng.u64(4..24))
    }),
    // Its channels.
    cell("monitor-closed", |_| relay(Fault::Closed(Channel::Monitor))),
    cell("monitor-garbage", |rng| {
        relay(Fault::GarbageFrom(Channel::Monitor, garbage(rng, 4000)))
    }),
    cell("monitor-garbage-to-qemu", |rng| {
        relay(Fault::GarbageTo(Channel::Monitor, garbage(rng, 4000)))
    }),
    cell("job-closed", |_| relay(Fault::Closed(Channel::Job))),
    cell("job-garbage", |rng| {
        relay(Fault::GarbageFrom(Channel::Job, garbage(rng, 4000)))
    }),
    cell("job-garbage-to-guest", |rng| {
        relay(Fault::GarbageTo(Channel::Job, garbage(rng, 4000)))
    }),
    cell("job-bytes-lost", |rng| {
        relay(Fault::Lost(Channel::Job, rng.usize(1..60)))
    }),
    cell("job-cut", |rng| relay(Fault::JobCut(rng.usize(1..1000)))),
    cell("ssh-closed", |_| relay(Fault::Closed(Channel::Ssh))),
    cell("ssh-garbage", |rng| {
        relay(Fault::GarbageFrom(Channel::Ssh, garbage(rng, 4000)))
    }),
    cell("ssh-garbage-to-guest", |rng| {
        relay(Fault::GarbageTo(Channel::Ssh, garbage(rng, 4000)))
    }),
    cell("console-garbage", |rng| {
        relay(Fault::Console(garbage(rng, 4000)))
    }),
    cell("console-zeros", |rng| {
        relay(Fault::Console(Bytes::Zeros(rng.usize(1..100_000))))
    }),
    cell("console-half-a-line", |rng| {
        relay(Fault::Console(half_a_header(rng)))
    }),
    // The guest's world.
    cell("clock-jump", |rng| {
        relay(Fault::ClockJump(rng.i64(-300_000..100_000) * HOUR_MS))
    }),
    cell("slow-disk", |rng| relay(Fault::SlowDisk(rng.u32(40..120)))),
    // What swapmig waits for.
    waits("qemu-stopped-for-ever", |_| CellFault::Signal(Signal::STOP)),
    waits("job-mute", |_| relay(Fault::Mute(Channel::Job))),
    waits("monitor-mute", |_| relay(Fault::Mute(Channel::Monitor))),
    // Swapmig.
    run("swapmig-killed", 12, |trial| {
        runs::signal(trial, Signal::KILL)
    }),
    run("swapmig-killed-while-saving", 3, runs::killed_while_saving),
    run("swapmig-asked-to-end", 4, |trial| {
        runs::signal(trial, Signal::TERM)
    }),
    run("swapmig-interrupted", 4, |trial| {
        runs::signal(trial, Signal::INT)
    }),
    run("swapmig-stopped-a-while", 3, runs::stopped_a_while),
    run("swapmig-without-descriptors", 4, runs::without_descriptors),
    // The host.
    run("disk-full", 4, runs::full_disk),
    run("files-limited", 4, runs::limited_files),
    run("host-overloaded", 2, runs::overloaded_host),
    // What lies on the disk.
    run("saved-guest-bit-flipped", 4, runs::saved_bit_flipped),
    run("saved-guest-truncated", 3, runs::saved_truncated),
    run("saved-guest-file-missing", 3, runs::saved_file_missing),
    run("kernel-bit-flipped", 2, runs::kernel_bit_flipped),
    run("result-truncated", 3, runs::result_truncated),
    run("record-truncated", 3, runs::record_truncated),
    run("scratch-vanished", 3, runs::scratch_vanished),
    // Other swapmigs.
    run("two-at-one-run", 3, runs::two_at_one_run),
    run("two-runs-at-once", 2, runs::two_runs_at_once),
];

fn relay(fault: Fault) -> CellFault {
    CellFault::Relay(fault)
}

fn limits(what: &str, most: u64) -> CellFault {
    relay(Fault::Limits(format!("--{what}={most}")))
}

fn garbage(rng: &mut Rng, most: usize) -> Bytes {
    Bytes::Garbage {
        seed: rng.u64(..),
        most,
    }
}

/// The beginning of a line that a kernel in trouble prints, cut before it says anything.
fn half_a_header(rng: &mut Rng) -> Bytes {
    const LINE: &str = "[   12.345678][   T43] BUG: KASAN: slab-use-after-free in rmap_walk";
    Bytes::Text(LINE[..rng.usize(1..40)].into())
}
