// SPDX-License-Identifier: GPL-2.0-or-later
//! The accelerator that guests run under.

mod choice;
mod cpu;

pub use choice::{AccelError, Accelerator, Choice, QEMU, choose, qemu_version};
pub use cpu::host_cpu;
