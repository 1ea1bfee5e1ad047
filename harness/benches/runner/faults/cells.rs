// SPDX-License-Identifier: GPL-2.0-or-later
//! Faults that strike one guest.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::relay::{self, Fault, Order, Orders};

/// A fault of one guest.
#[derive(Debug, Clone)]
pub(super) enum CellFault {
    /// QEMU is sent a signal.
    Signal(Signal),
    /// QEMU is stopped and goes on.
    Stopped { for_ms: u64 },
    /// The relay does it.
    Relay(Fault),
}

/// A fault for a cell's first guest.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) kind: &'static str,
    pub(super) cell: String,
    pub(super) fault: CellFault,
    /// From QEMU's start.
    pub(super) after: Duration,
    pub(super) struck: bool,
}

/// What the relay has to do.
pub(super) fn orders(planned: &[Planned]) -> Orders {
    let order = |one: &Planned| match &one.fault {
        CellFault::Relay(fault) => Some((
            one.cell.clone(),
            Order {
                fault: fault.clone(),
                after_ms: u64::try_from(one.after.as_millis()).unwrap_or(u64::MAX),
            },
        )),
        _ => None,
    };
    planned.iter().filter_map(order).collect()
}

/// Sends the planned signals.
#[derive(Default)]
pub(super) struct Signals {
    /// By cell: the process of its first guest, and since when it is there.
    guests: BTreeMap<String, (Pid, Instant)>,
    stopped: Vec<(Pid, Instant)>,
}

impl Signals {
    /// Sends what is due; to be called again and again while swapmig runs.
    pub(super) fn send(&mut self, swapmig: &Child, planned: &mut [Planned]) {
        let waiting = |one: &Planned| !one.struck && !matches!(one.fault, CellFault::Relay(_));
        if planned.iter().any(waiting) {
            for (cell, guest) in guests_of(swapmig) {
                self.guests.entry(cell).or_insert((guest, Instant::now()));
            }
        }
        for one in planned.iter_mut().filter(|one| waiting(one)) {
            let due = |(_, since): &&(Pid, Instant)| since.elapsed() >= one.after;
            let Some(&(guest, _)) = self.guests.get(&one.cell).filter(due) else {
                continue;
            };
            // An error means that the guest has ended meanwhile.
            one.struck = match one.fault {
                CellFault::Signal(signal) => kill_process(guest, signal).is_ok(),
                CellFault::Stopped { for_ms } => {
                    let until = Instant::now() + Duration::from_millis(for_ms);
                    self.stopped.push((guest, until));
                    kill_process(guest, Signal::STOP).is_ok()
                }
                CellFault::Relay(_) => false,
            };
        }
        self.stopped.retain(|&(guest, until)| {
            let over = Instant::now() >= until;
            if over {
                // An error means that swapmig has ended it.
                let _ = kill_process(guest, Signal::CONT);
            }
            !over
        });
    }
}

/// The QEMUs that a swapmig has started, by the cell whose console they write.
fn guests_of(swapmig: &Child) -> Vec<(String, Pid)> {
    let threads = fs::read_dir(format!("/proc/{}/task", swapmig.id()));
    let children = threads.into_iter().flatten().flatten().map(|thread| {
        // A thread may end while it is looked at.
        fs::read_to_string(thread.path().join("children")).unwrap_or_default()
    });
    let children: Vec<String> = children.collect();
    let ids = children.iter().flat_map(|line| line.split_whitespace());
    ids.filter_map(|id| {
        let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line);
        let (program, arguments) = line.split_once('\0')?;
        let (before, _) = arguments.split_once("/console.log\0")?;
        let (_, cell) = before.rsplit_once("/cells/")?;
        let guest = Pid::from_raw(id.parse().ok()?)?;
        program
            .ends_with(relay::NAME)
            .then(|| (cell.to_owned(), guest))
    })
    .collect()
}

/// Whether the relay has told that it struck a cell, by itself or by what it did to swapmig.
pub(super) fn relay_struck(run: &Path, cell: &str, told: &str) -> bool {
    let first = run.join("attempts").join(format!("{cell}.1"));
    let words = |folder: &Path| fs::read(folder.join("qemu.log")).unwrap_or_default();
    let said = |folder: &Path| {
        let words = words(folder);
        words
            .windows(relay::DONE.len())
            .any(|window| window == relay::DONE.as_bytes())
    };
    // QEMU's words are gone when the cell then boots within the same try.
    let boots = format!("{cell} boots, for its saved guest could not be restored");
    said(&first) || said(&run.join("cells").join(cell)) || told.contains(&boots)
}
