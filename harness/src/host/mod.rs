// SPDX-License-Identifier: GPL-2.0-or-later
//! What the host has for guests, and whether a guest gets its share of it.

mod budget;
mod pulse;
mod resources;

pub use budget::{Claim, DISK_RESERVE_MIB, HostBudget, Shares};
pub use pulse::Pulse;
pub use resources::{HostError, Resources, cpus};
