// SPDX-License-Identifier: GPL-2.0-or-later
//! Frames of a trace to functions, files and lines, inlined functions included.
//!
//! A frame is printed as `symbol+offset/size`, so no load address is needed.
//! Only the DWARF units that a trace touches are read.
//!
//! - `symbolizer` is a vmlinux and its modules, `expand` resolves a report with them,
//!   `record` is the form that a run's results keep, `decoded` that of the kernel's own script;
//! - `place` goes the other way, from addresses to frames;
//! - `stack` chooses among functions of one name by size and by who calls whom (`call`);
//! - `binary` is one ELF file: `identity` tells whose it is, `symbols` where its functions
//!   are, `debug` their source, with `split` DWARF in files beside it and
//!   `nesting` guarded;
//! - `store` and `sections` hold bytes: mapped, inflated, and relocated (`layout`);
//!   `modules` finds the files of modules.
//!
//! A file that is damaged, on purpose or not, is refused or resolves to nothing.

mod binary;
mod call;
mod debug;
mod decoded;
mod error;
mod expand;
mod identity;
mod layout;
mod modules;
mod nesting;
mod place;
mod record;
mod sections;
mod source;
mod split;
mod stack;
mod store;
mod symbolizer;
mod symbols;
mod unresolved;

pub use decoded::decoded;
pub use error::Error;
pub use expand::{Agreement, Expanded, expand};
pub use identity::{BuildId, Identity, Printed, Proof};
pub use place::{Call, Place};
pub use record::{stack_record, to_record};
pub use source::SourceFrame;
pub use symbolizer::{DebugInfo, Symbolizer};
pub use unresolved::{Resolved, Unresolved};
