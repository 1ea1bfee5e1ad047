// SPDX-License-Identifier: GPL-2.0-or-later
//! Console bytes to crash reports.
//!
//! [`parse`] is pure and runs in one pass: memory and time are bounded by
//! constants for one report and are linear in the console's length.
//!
//! - `formats` is the one declarative table of what a crash looks like;
//! - `console` cuts bytes into lines, `mail` and `wrapping` take off what stands around
//!   messages, `scan` passes over lines that cannot matter;
//! - `engine` collects the lines of each report by their caller, `finish` reads a collected
//!   report, `waiting` puts them in order;
//! - `frame` reads one line of a stack, `stack` tells what each stack shows,
//! - `details`, `access` and `registers` read what else its lines tell,
//! - `trail` leads to the suspects, `blame` chooses the guilty one past those that `skip`
//!   knows, `title` normalises.

mod access;
mod blame;
mod collected;
mod console;
mod dedup;
mod details;
mod engine;
mod finish;
mod formats;
mod frame;
mod kind;
mod mail;
mod pattern;
mod registers;
mod report;
mod scan;
mod skip;
mod stack;
mod title;
mod trail;
mod waiting;
mod wrapping;

pub use dedup::Key;
pub use kind::Kind;
pub use report::{
    Access, Corruption, Details, Direction, Frame, Guilty, Location, Pc, Register, Report, Role,
    Stack,
};
pub use scan::{Parser, parse};
pub use title::normalize;
