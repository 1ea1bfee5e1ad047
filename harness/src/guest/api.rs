// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest as the runner sees it: a stream of signals, a job, an end.
//!
//! Behind the trait stands QEMU ([`super::qemu`]) or, in tests, a script.

use std::future::Future;

use swapmig_workloads::protocol::{Event, Job};

use super::diagnosis::{Diagnosis, Request};
use crate::host::Pulse;

/// What comes from a guest, whatever the channel, in the order of its arrival.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// Bytes of the serial console.
    Console(Vec<u8>),
    /// An event on the job channel.
    Event(Event),
    /// A line on the job channel that is no event: escaped and cut.
    Garbage(String),
    /// The host could not serve the guest, such as for a full disk; its machine has stopped.
    HostFailed {
        /// What QEMU says.
        reason: String,
    },
    /// The machine was reset by the guest, which ends it.
    Reset,
    /// QEMU has ended; every byte of the console was delivered before. The last signal.
    Exited {
        /// Its exit status and last words.
        reason: String,
    },
}

/// A running guest.
pub trait Guest: Send {
    /// The next signal. After [`Signal::Exited`] there is none: waits for ever.
    /// Nothing is lost when the future is dropped.
    fn next(&mut self) -> impl Future<Output = Signal> + Send;

    /// Gives the guest its job.
    fn send_job(&mut self, job: &Job) -> impl Future<Output = Result<(), GuestError>> + Send;

    /// What the host gave to its QEMU until now; none when that is gone, or nobody knows.
    fn pulse(&mut self) -> Option<Pulse>;

    /// Whether its QEMU answers and lets it run; else a clause that says what is wrong.
    fn responds(&mut self) -> impl Future<Output = Result<(), String>> + Send;

    /// What tells why a guest hangs, fetched while it still runs. Makes the guest's kernel print;
    /// what does not answer in time is left out, and said so.
    fn diagnose(&mut self, request: &Request) -> impl Future<Output = Diagnosis> + Send;

    /// Ends the guest at once and waits until it is gone. Signals that are
    /// still on their way are delivered by [`Self::next`].
    fn end(&mut self) -> impl Future<Output = ()> + Send;
}

/// What goes wrong between the harness and a guest.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// QEMU is not there or cannot be started.
    #[error(
        "The process for {program} cannot be started: {source}. Look at the limits on processes and memory."
    )]
    Start {
        /// What was to be run.
        program: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file or a socket of the guest cannot be made.
    #[error(
        "The guest's {what} cannot be made: {source}. Look at free disk space and permissions of the run's folder."
    )]
    Channel {
        /// Which one.
        what: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// QEMU does not answer as it should.
    #[error(
        "QEMU's monitor failed: {0}. `qemu.log` beside the cell's result has QEMU's own words."
    )]
    Qmp(String),
    /// QEMU does not take a saved guest.
    #[error("{0}")]
    Restore(String),
    /// The job did not reach the guest.
    #[error(
        "The job could not be sent to the guest: {0}. The console log tells how the guest ended."
    )]
    Send(std::io::Error),
}
