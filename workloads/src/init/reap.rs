// SPDX-License-Identifier: GPL-2.0-or-later
//! What process 1 does: set up, start the service, reap until it ends.

use std::process::{Command, ExitCode};

use rustix::process::{WaitOptions, wait};
use rustix::system::{RebootCommand, reboot};

use super::setup::{self, SetupError};
use crate::{console, role};

/// Never returns while the guest is well; reboots it when it is not.
pub(crate) fn main() -> ExitCode {
    let reason = match start() {
        Ok(service) => reap_until(service),
        Err(error) => error.to_string(),
    };
    console::say(&format!("init gives up and reboots: {reason}"));
    // Under -no-reboot a reboot ends QEMU: the harness sees it at once.
    let _ = reboot(RebootCommand::Restart);
    ExitCode::FAILURE
}

fn start() -> Result<u32, SetupError> {
    setup::all()?;
    Command::new("/proc/self/exe")
        .arg(role::SERVE)
        .spawn()
        .map(|child| child.id())
        .map_err(|source| SetupError::Service { source })
}

/// Reaps every orphan until the service ends; says how it ended.
fn reap_until(service: u32) -> String {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid.as_raw_nonzero().get().unsigned_abs() == service => {
                return match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => format!("the service ended with status {code}"),
                    (_, signal) => {
                        format!("the service was killed by signal {}", signal.unwrap_or(0))
                    }
                };
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return format!("waiting for the service failed: {error}"),
        }
    }
}
