// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a run's events go: a terminal or plain lines, the log, the run's directory.

mod lines;
mod log;
mod plain;
mod running;
mod store;
mod terminal;
mod whole;

pub use log::Log;
pub use plain::Plain;
pub use store::Store;
pub use terminal::Terminal;
