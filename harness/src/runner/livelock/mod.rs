// SPDX-License-Identifier: GPL-2.0-or-later
//! Livelocks that no detector of the kernel speaks of, read off samples of the virtual CPUs.
//!
//! - `backtrace` names what a sample's stack holds, `text` writes it down for people;
//! - `evidence` decides whether samples prove a loop of page faults;
//! - `finding` tells it as a result does.

pub mod backtrace;
pub mod evidence;
pub mod finding;
pub mod text;
