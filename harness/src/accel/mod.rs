// SPDX-License-Identifier: GPL-2.0-or-later
//! The accelerator that guests run under.

mod choice;
mod host;

pub use choice::{AccelError, Accelerator, Choice, QEMU, choose, qemu_version};
pub use host::host;
