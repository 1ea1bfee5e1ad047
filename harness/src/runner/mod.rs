// SPDX-License-Identifier: GPL-2.0-or-later
//! From a plan to results: the dispatcher hands out cells, an executor drives
//! one guest, its observation becomes findings and a verdict.

pub mod budget;
pub mod cell;
pub mod console;
pub mod dispatch;
mod events;
pub mod executor;
pub mod findings;
pub mod hang;
pub mod kernels;
mod lateness;
pub mod livelock;
pub mod machine;
pub mod observation;
mod room;
pub mod saving;
mod schedule;
mod tries;
pub mod verdict;
