// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's initramfs, made without root.
//!
//! It holds the static guest binary as `/init`, busybox, dropbear with exactly
//! the libraries it needs, and ssh keys made for the run.

mod archive;
mod build;
mod error;
mod keys;
mod libraries;
#[cfg(test)]
mod tests;
mod tools;
mod tree;

pub use archive::{Archive, Node};
pub use build::{Image, ImageSpec};
pub use error::Error;
pub use keys::ClientKey;
pub use libraries::{Libraries, SearchPath};
pub use tools::Tools;
