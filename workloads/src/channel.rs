// SPDX-License-Identifier: GPL-2.0-or-later
//! The job channel: events out, one line in.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use swapmig_workloads::protocol::{Event, LINE_MAX};

use crate::console;

/// While no host is connected a read returns at once with nothing.
const PAUSE: Duration = Duration::from_millis(50);

/// How a line on the console begins when an event was lost; the harness looks for it.
const LOST: &str = "an event was lost";

/// Where events go; clones share the port, and a line is never split.
#[derive(Clone)]
pub(crate) struct Events(Arc<Mutex<Outlet>>);

struct Outlet {
    port: File,
    lost: u64,
}

impl Events {
    pub(crate) fn new(port: File) -> Self {
        Self(Arc::new(Mutex::new(Outlet { port, lost: 0 })))
    }

    /// Sends one event. A lost one is said on the console: the harness keeps both.
    pub(crate) fn send(&self, event: &Event) {
        if let Err(error) = self.outlet().send(event) {
            console::say(&format!("{LOST}: {error}"));
        }
    }

    /// How many events were lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.outlet().lost
    }

    fn outlet(&self) -> MutexGuard<'_, Outlet> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet {
    fn send(&mut self, event: &Event) -> io::Result<()> {
        let sent = self.try_send(event);
        self.lost += u64::from(sent.is_err());
        sent
    }

    fn try_send(&mut self, event: &Event) -> io::Result<()> {
        let mut line = Vec::new();
        if self.lost > 0 {
            // Half of the lost one may have been written: this one must not be part of its line.
            line.push(b'\n');
        }
        serde_json::to_writer(&mut line, event)?;
        line.push(b'\n');
        self.port.write_all(&line)
    }
}

/// Waits for one line of at most [`LINE_MAX`] bytes, over hang-ups of the host.
pub(crate) fn read_line(port: &mut File) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match port.read(&mut chunk) {
            Ok(0) => std::thread::sleep(PAUSE),
            Ok(n) => {
                let end = chunk[..n].iter().position(|&byte| byte == b'\n');
                line.extend_from_slice(&chunk[..end.unwrap_or(n)]);
                if end.is_some() {
                    return Ok(line);
                }
                if line.len() > LINE_MAX {
                    return Err(io::Error::other(format!(
                        "the job's line is longer than {LINE_MAX} bytes"
                    )));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_the_port_refuses_is_counted_as_lost() {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        let mut outlet = Outlet {
            port: full,
            lost: 0,
        };
        for lost in 1..3 {
            assert!(outlet.send(&Event::Verified { pages: 1 }).is_err());
            assert_eq!(outlet.lost, lost);
        }
    }
}
