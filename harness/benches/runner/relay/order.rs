// SPDX-License-Identifier: GPL-2.0-or-later
//! What the campaign tells the relay.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use swapmig::guest::command::DESCRIPTORS;

use super::Bytes;

/// The variable that holds [`Orders`] as JSON.
pub(crate) const ORDERS: &str = "SWAPMIG_BENCH_FAULTS";

/// A fault for the first guest of each cell that is named.
pub(crate) type Orders = BTreeMap<String, Order>;

/// A fault and when it strikes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) fault: Fault,
    /// From QEMU's start, for faults that strike at a moment.
    pub(crate) after_ms: u64,
}

/// A way between swapmig and a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Channel {
    Monitor,
    Job,
    Ssh,
}

impl Channel {
    /// The number under which QEMU inherits it.
    pub(crate) fn descriptor(self) -> i32 {
        match self {
            Self::Monitor => DESCRIPTORS.qmp,
            Self::Job => DESCRIPTORS.job,
            Self::Ssh => DESCRIPTORS.ssh,
        }
    }
}

/// What goes wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// A channel is closed on both sides.
    Closed(Channel),
    /// A channel passes nothing on any more, in either direction.
    Mute(Channel),
    /// Bytes that the guest, or QEMU, never sent arrive at swapmig.
    GarbageFrom(Channel, Bytes),
    /// Bytes that swapmig never sent arrive at the guest or at QEMU.
    GarbageTo(Channel, Bytes),
    /// So many bytes that the guest sent get lost.
    Lost(Channel, usize),
    /// The job ends after this share of it, in thousandths.
    JobCut(usize),
    /// The guest is told another time of day, so many milliseconds off.
    ClockJump(i64),
    /// Bytes appear on the serial console.
    Console(Bytes),
    /// The swap disk serves so few requests a second.
    SlowDisk(u32),
    /// QEMU says this and ends with that exit code at once.
    Refuses(Bytes, u8),
    /// QEMU says this on standard error, and goes on.
    Babbles(Bytes),
    /// QEMU runs under this limit, as `prlimit` takes it.
    Limits(String),
}

impl Fault {
    /// The channel that has to be relayed for it.
    pub(crate) fn channel(&self) -> Option<Channel> {
        match self {
            Self::Closed(channel)
            | Self::Mute(channel)
            | Self::GarbageFrom(channel, _)
            | Self::GarbageTo(channel, _)
            | Self::Lost(channel, _) => Some(*channel),
            Self::JobCut(_) | Self::ClockJump(_) => Some(Channel::Job),
            _ => None,
        }
    }
}
