// SPDX-License-Identifier: GPL-2.0-or-later
//! What a guest and its harness say to each other.
//!
//! The harness links this library for the [`protocol`] and the table of
//! [`params`] alone; the workloads themselves live in the binary `swapmig-guest`.

pub mod params;
pub mod protocol;
