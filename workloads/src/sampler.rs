// SPDX-License-Identifier: GPL-2.0-or-later
//! A thread that tells the counters at even intervals.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use swapmig_workloads::protocol::Event;

use crate::channel::Events;
use crate::machine;
use crate::probes::Probes;

/// A running sampler.
pub(crate) struct Sampler {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Sampler {
    /// Starts to sample every `interval`, counted from `began`.
    pub(crate) fn start(
        probes: Probes,
        events: Events,
        began: Instant,
        interval: Duration,
    ) -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                sample(&probes, &events, began);
            }
            // The last one has the final counts.
            sample(&probes, &events, began);
        });
        Self { stop, thread }
    }

    /// Takes a last sample and ends.
    pub(crate) fn finish(self) {
        drop(self.stop);
        // A panic of the thread has ended the process already.
        let _ = self.thread.join();
    }
}

fn sample(probes: &Probes, events: &Events, began: Instant) {
    let mut vmstat = machine::vmstat().unwrap_or_default();
    vmstat.retain(|name, _| machine::is_told(name));
    events.send(&Event::Sample {
        at_ms: millis(began),
        probes: probes.hits(),
        vmstat,
    });
}

/// Whole milliseconds since then.
pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
