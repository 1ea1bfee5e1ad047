// SPDX-License-Identifier: GPL-2.0-or-later
//! What `swapmig triage` says of a log: for programs and for people.
//!
//! - `crash` is a report as it is published, `frames` its stacks with their source lines;
//! - `json` writes an input's reports one by one, `schema` describes what it writes;
//! - `terminal` renders a report for people, `source` adds the code to blame.

mod crash;
mod frames;
mod json;
mod schema;
mod source;
mod terminal;

pub use crash::{AccessRecord, Crash, GuiltyRecord, RegisterRecord, Triage};
pub use frames::{TriageFrame, TriageStack};
pub use json::{Written, write};
pub use schema::schema;
pub use source::SourceTree;
pub use terminal::render;
