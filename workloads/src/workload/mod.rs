// SPDX-License-Identifier: GPL-2.0-or-later
//! The workloads. Each is a script of steps for a crew.

mod common;
mod orphan;
mod plan;
mod reread;
mod tmpfs;

pub(crate) use plan::{Plan, PlanError, Stage};
