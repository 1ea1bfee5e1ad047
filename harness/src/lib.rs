// SPDX-License-Identifier: GPL-2.0-or-later
//! Plans, kernels, guests and verdicts: everything behind the command `swapmig`.

pub mod catalogue;
pub mod home;
pub mod image;
pub mod kernel;
pub mod probes;
