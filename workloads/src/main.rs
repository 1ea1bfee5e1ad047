// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's init and its workloads.

mod area;
mod channel;
mod check;
mod console;
mod crew;
mod detectors;
mod init;
mod job;
mod machine;
mod port;
mod probes;
mod role;
mod sampler;
mod serve;
mod ssh;
mod stamp;
mod swap;
mod terrain;
mod wake;
mod worker;
mod workload;

fn main() -> std::process::ExitCode {
    role::main()
}
