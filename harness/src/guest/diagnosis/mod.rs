// SPDX-License-Identifier: GPL-2.0-or-later
//! Why a guest hangs, asked from outside inwards: each step needs more of the guest than the one
//! before, and has a limit of its own, so that one that hangs costs the next ones nothing.
//!
//! - `steps` has their order and limits, and keeps what was tried; `inquiry` takes them on QEMU;
//! - `vcpus` samples registers (`registers`), stacks (`words`) and tasks of the virtual CPUs,
//!   which works whatever state the guest is in;
//! - `sysrq` makes the kernel tell; `proc` asks a shell; `memory` dumps it all (`kdump`).

mod inquiry;
mod kdump;
mod memory;
mod proc;
mod registers;
mod request;
mod sample;
mod steps;
mod sysrq;
mod vcpus;
mod words;

pub(super) use inquiry::Inquiry;
pub use registers::Registers;
pub use request::{Request, TaskLayout};
pub use sample::{Entry, LeftUser, Sample, TaskSeen};
pub use steps::Diagnosis;
pub(super) use steps::carry_out;
