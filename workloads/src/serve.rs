// SPDX-License-Identifier: GPL-2.0-or-later
//! The service: ready, one job, and ssh throughout.

use std::io;
use std::process::ExitCode;
use std::thread;

use swapmig_workloads::protocol::{Event, JOB_PORT, VERSION};

use crate::channel::{self, Events};
use crate::machine::{self, MachineError};
use crate::port::{self, PortError};
use crate::{console, job, ssh};

#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("the job channel broke: {0}")]
    Channel(#[from] io::Error),
    #[error(transparent)]
    Machine(#[from] MachineError),
}

/// Returns only when the guest is of no use any more.
pub(crate) fn main() -> ExitCode {
    thread::spawn(|| {
        if let Err(error) = ssh::serve() {
            console::say(&format!("no ssh into this guest: {error}"));
        }
    });
    match serve() {
        // The harness ends the machine; until then a shell may look around.
        Ok(()) => loop {
            thread::park();
        },
        Err(error) => {
            console::say(&format!("the service gives up: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<(), ServeError> {
    let mut port = port::open(JOB_PORT, true)?;
    let events = Events::new(port.try_clone()?);
    events.send(&ready()?);
    let line = channel::read_line(&mut port)?;
    job::run(&line, &events);
    Ok(())
}

fn ready() -> Result<Event, MachineError> {
    Ok(Event::Ready {
        version: VERSION,
        release: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        cpus: thread::available_parallelism()
            .map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX)),
        memory_kib: machine::total_kib()?,
    })
}
