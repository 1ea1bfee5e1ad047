// SPDX-License-Identifier: GPL-2.0-or-later
//! The symbolizer against small programs that the tests compile.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up must stop")]

mod hostile;
mod identity;
mod lines;
mod modules;
mod namesakes;
mod places;
mod program;
mod record;
mod sections;
