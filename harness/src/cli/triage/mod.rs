// SPDX-License-Identifier: GPL-2.0-or-later
//! `swapmig triage`: the crash reports of logs from anywhere. Needs no kernel, no QEMU, no store.

mod command;
mod input;
mod options;
mod output;

pub(super) use command::triage;
pub(super) use options::TriageOptions;
