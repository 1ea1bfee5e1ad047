// SPDX-License-Identifier: GPL-2.0-or-later
//! Kprobe events that count how folios of each class migrate.
//!
//! [`Table`] is the data (`images/probes.toml`), [`Vmlinux`] tells where a
//! kernel keeps the fields that the probes read, and [`Armed`] is both put
//! together: the probes for a guest, and what their counts mean. [`task_layout`] is for those
//! who look at a guest's memory from outside.

mod armed;
mod definition;
mod error;
mod functions;
mod layout;
mod table;
mod task;
#[cfg(test)]
mod tests;
mod types;
mod vmlinux;

pub use armed::{Armed, Uncounted};
pub use error::{Error, Unprobeable};
pub use layout::Layout;
pub use table::{AnonVma, Arg, EventName, Mapping, ProbeSpec, Stage, Table};
pub use task::task_layout;
pub use vmlinux::Vmlinux;
