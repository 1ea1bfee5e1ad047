// SPDX-License-Identifier: GPL-2.0-or-later
//! Gives a guest that slept in a file the time of day and randomness of its own.
//!
//! Every guest restored from one file would otherwise live in the past, and draw the same
//! "random" numbers as its siblings.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::time::Duration;

use rustix::time::{ClockId, Timespec};
use swapmig_workloads::protocol::Wake;

const RANDOM: &str = "/dev/urandom";
/// `RNDRESEEDCRNG` of linux/random.h.
const RESEED: libc::c_ulong = 0x5207;

/// Why a guest could not be woken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WakeError {
    #[error("the clock cannot be set to {unix_ms} ms after the epoch: {source}")]
    Clock {
        unix_ms: u64,
        source: rustix::io::Errno,
    },
    #[error("{RANDOM} does not take new randomness: {0}")]
    Entropy(#[from] io::Error),
}

/// Sets the clock and reseeds the kernel's random numbers.
pub(crate) fn wake(wake: &Wake) -> Result<(), WakeError> {
    let since_epoch = Duration::from_millis(wake.unix_ms);
    let refused = |source| WakeError::Clock {
        unix_ms: wake.unix_ms,
        source,
    };
    let now = Timespec::try_from(since_epoch).map_err(|_| refused(rustix::io::Errno::INVAL))?;
    rustix::time::clock_settime(ClockId::Realtime, now).map_err(refused)?;
    let mut random = OpenOptions::new().write(true).open(RANDOM)?;
    random.write_all(&wake.entropy)?;
    // SAFETY: this request takes no argument; it makes the generator draw a new key from what
    // was just mixed in, which it would otherwise do a minute later.
    #[allow(unsafe_code)]
    let reseeded = unsafe { libc::ioctl(random.as_raw_fd(), RESEED) };
    match reseeded {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().into()),
    }
}
