// SPDX-License-Identifier: GPL-2.0-or-later
//! Plans, kernels, guests and verdicts: everything behind the command `swapmig`.

pub mod accel;
pub mod catalogue;
pub mod cli;
pub mod event;
pub mod files;
pub mod guest;
pub mod guest_binary;
pub mod home;
pub mod host;
pub mod image;
pub mod kernel;
pub mod plan;
pub mod probes;
pub mod run_dir;
pub mod runner;
pub mod sinks;
