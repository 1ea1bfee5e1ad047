// SPDX-License-Identifier: GPL-2.0-or-later
//! The binary's three roles: init (process 1), the service that runs the job,
//! and the workers of a workload.
//!
//! They are separate processes so that a kernel bug that kills a worker does
//! not take the reporter with it, and so that process 1 only ever waits.

use std::process::ExitCode;

use crate::{console, init, serve, worker};

/// First argument of the service.
pub(crate) const SERVE: &str = "serve";
/// First argument of a worker; its configuration follows as JSON.
pub(crate) const WORKER: &str = "worker";

pub(crate) fn main() -> ExitCode {
    console::report_panics();
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some(SERVE) => serve::main(),
        Some(WORKER) => worker::main(&args.next().unwrap_or_default()),
        _ if rustix::process::getpid() == rustix::process::Pid::INIT => init::main(),
        _ => {
            console::say("swapmig-guest is a guest's init: it does nothing elsewhere");
            ExitCode::from(2)
        }
    }
}
