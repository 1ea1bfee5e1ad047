// SPDX-License-Identifier: GPL-2.0-or-later
//! The store of saved guests: booted once, stopped when they were ready for a job.
//!
//! A saved guest is a folder, whole or not there, that only its owner may enter:
//!
//! ```text
//! guests/KEY/saved.json    what it said when it was ready, its ssh keys, hashes of all four files
//! guests/KEY/memory        its memory, a sparse file; every restored guest has a private copy
//! guests/KEY/state         its CPUs and devices, as QEMU writes them
//! guests/KEY/console.log   what it had printed
//! ```
//!
//! The key is a hash of everything that a restored guest must have in common with the saved one.

mod key;
mod record;
mod store;

pub use key::{Ingredients, Key};
pub use record::{Saved, Told};
pub use store::{Cradle, SavedError, SavedGuests};
