// SPDX-License-Identifier: GPL-2.0-or-later
//! The command `swapmig`.

fn main() -> std::process::ExitCode {
    swapmig::cli::main()
}
