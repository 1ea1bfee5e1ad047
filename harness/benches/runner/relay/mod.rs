// SPDX-License-Identifier: GPL-2.0-or-later
//! A program that stands between swapmig and QEMU and does what a broken host, QEMU or guest
//! would do.
//!
//! Swapmig looks QEMU up by name. The campaign puts a folder first into `PATH` in which this
//! program has that name; it starts the real one, which inherits what swapmig gave, but for the
//! one channel that a fault concerns: that is relayed. Without a fault it becomes the real QEMU.

mod bytes;
mod channel;
mod order;
mod program;

pub(crate) use bytes::Bytes;
pub(crate) use order::{Channel, Fault, ORDERS, Order, Orders};
pub(crate) use program::{DONE, NAME, is_called, main};
