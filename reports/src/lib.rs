// SPDX-License-Identifier: GPL-2.0-or-later
//! Console bytes to traces; results to pages and CI formats.
//!
//! This crate knows no QEMU. [`trace`] is pure: bytes in, reports out.
//! [`record`] is the schema of a run directory, which the harness writes and
//! everything here reads.

pub mod findings;
pub mod page;
pub mod record;
pub mod run;
mod styled;
pub mod summary;
pub mod symbolize;
pub mod terminal;
pub mod text;
pub mod trace;
pub mod triage;

#[cfg(test)]
mod fixture;
