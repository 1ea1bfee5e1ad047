// SPDX-License-Identifier: GPL-2.0-or-later
//! The command line: one module a command, and the edge where errors become words.

mod args;
mod doctor;
mod failure;
mod kernel;
mod main;
mod report;
mod run;
mod setting;
mod shell;
mod triage;

pub use main::main;
