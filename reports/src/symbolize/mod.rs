// SPDX-License-Identifier: GPL-2.0-or-later
//! Frames of a trace to functions, files and lines, inlined functions included.
//!
//! A frame is printed as `symbol+offset/size`, so no load address is needed.
//! Only the DWARF units that a trace touches are read.

mod error;
mod image;
mod record;
mod resolve;
mod symbols;

pub use error::Error;
pub use record::to_record;
pub use resolve::{SourceFrame, Symbolizer};
