// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's init and its workloads.

fn main() {}
