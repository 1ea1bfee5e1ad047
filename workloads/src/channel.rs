// SPDX-License-Identifier: GPL-2.0-or-later
//! The job channel: events out, one line in.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use swapmig_workloads::protocol::{Event, LINE_MAX};

use crate::console;

/// While no host is connected a read returns at once with nothing.
const PAUSE: Duration = Duration::from_millis(50);

/// Where events go; clones share the port, and a line is never split.
#[derive(Clone)]
pub(crate) struct Events(Arc<Mutex<File>>);

impl Events {
    pub(crate) fn new(port: File) -> Self {
        Self(Arc::new(Mutex::new(port)))
    }

    /// Sends one event. A lost one is said on the console: the harness keeps both.
    pub(crate) fn send(&self, event: &Event) {
        if let Err(error) = self.try_send(event) {
            console::say(&format!("an event was lost: {error}"));
        }
    }

    fn try_send(&self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(&line)
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
