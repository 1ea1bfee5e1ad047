// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests: the trait that the runner drives, and QEMU behind it.

mod api;
pub mod bounded;
pub mod command;
pub mod confinement;
pub mod console;
pub mod diagnosis;
pub mod escape;
pub mod jobport;
pub mod launcher;
mod logs;
mod monitor;
pub mod qemu;
pub mod saved;
mod sockets;
pub mod ssh;

pub use api::{Guest, GuestError, Signal};
