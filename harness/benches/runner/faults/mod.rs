// SPDX-License-Identifier: GPL-2.0-or-later
//! The fault campaign: the real swapmig with real guests, and everything that can go wrong.
//!
//! A *trial* is one run of a few short cells in which faults strike, and the same run gone on
//! with when they are gone. Whatever strikes, `fixed` never fails and a broken variant never
//! passes; what was finished stays as it is, byte for byte; nothing is left behind; and in the
//! end every cell has the verdict that is expected of it.

mod campaign;
mod cells;
mod kinds;
mod leftovers;
mod record;
mod runs;
mod tally;
mod trial;

pub(crate) use campaign::measure;
