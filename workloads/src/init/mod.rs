// SPDX-License-Identifier: GPL-2.0-or-later
//! Process 1: sets the guest up, starts the service, reaps.

mod reap;
mod setup;

pub(crate) use reap::main;
