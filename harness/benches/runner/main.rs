// SPDX-License-Identifier: GPL-2.0-or-later
//! The figures of the runner. See `ci/bench` for how each subject is measured alone.

#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]
#![allow(missing_docs)]

mod faults;
#[path = "../figures/mod.rs"]
mod figures;
#[path = "../../tests/support/fixed_kernel.rs"]
mod fixed_kernel;
mod process;
mod relay;
mod restore;
mod short;
mod soak;
mod subjects;
mod throughput;

use std::process::ExitCode;

fn main() -> ExitCode {
    // Swapmig finds this program under QEMU's name when a fault concerns a guest's channels.
    if relay::is_called() {
        relay::main()
    } else {
        figures::main(subjects::measure)
    }
}
