// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest that follows a script, in no time.

use std::collections::VecDeque;
use std::time::Duration;

use swapmig::guest::{Guest, GuestError, Signal};
use swapmig::host::Pulse;
use swapmig_workloads::protocol::Job;

/// What a scripted guest does next.
pub(crate) enum Act {
    /// Say something, after a while.
    Say(Duration, Signal),
    /// Say nothing more, for ever.
    Hush,
}

/// A guest that follows a script. Ended, it says that QEMU has exited.
pub(crate) struct FakeGuest {
    script: VecDeque<Act>,
    /// When the next act is due: a wait that is given up and begun again is not prolonged.
    due: Option<tokio::time::Instant>,
    pub(crate) job: Option<Job>,
    pub(crate) deaf: bool,
    ended: bool,
    /// What the host is said to have given it, by the seconds of its life; the last one stays.
    pub(crate) pulses: Vec<Pulse>,
    born: tokio::time::Instant,
    /// What is wrong with its QEMU, if anything is.
    pub(crate) unwell: Option<String>,
    pub(crate) diagnosed: bool,
}

impl FakeGuest {
    pub(crate) fn new(script: Vec<Act>) -> Self {
        Self {
            script: script.into(),
            due: None,
            job: None,
            deaf: false,
            ended: false,
            pulses: Vec::new(),
            born: tokio::time::Instant::now(),
            unwell: None,
            diagnosed: false,
        }
    }
}

impl Guest for FakeGuest {
    async fn next(&mut self) -> Signal {
        if self.ended {
            self.ended = false;
            self.script.clear();
            return Signal::Exited {
                reason: "killed".into(),
            };
        }
        match self.script.front() {
            Some(Act::Say(after, _)) => {
                let due = *self
                    .due
                    .get_or_insert_with(|| tokio::time::Instant::now() + *after);
                tokio::time::sleep_until(due).await;
                self.due = None;
                match self.script.pop_front() {
                    Some(Act::Say(_, signal)) => signal,
                    _ => unreachable!("the front was looked at"),
                }
            }
            Some(Act::Hush) | None => std::future::pending().await,
        }
    }

    async fn send_job(&mut self, job: &Job) -> Result<(), GuestError> {
        if self.deaf {
            return Err(GuestError::Send(std::io::ErrorKind::BrokenPipe.into()));
        }
        self.job = Some(job.clone());
        Ok(())
    }

    fn pulse(&mut self) -> Option<Pulse> {
        let second = usize::try_from(self.born.elapsed().as_secs()).ok()?;
        self.pulses.get(second).or(self.pulses.last()).copied()
    }

    async fn responds(&mut self) -> Result<(), String> {
        self.unwell.clone().map_or(Ok(()), Err)
    }

    async fn diagnose(&mut self) -> Vec<(String, Vec<u8>)> {
        self.diagnosed = true;
        vec![("tasks".into(), b"1 init".to_vec())]
    }

    async fn end(&mut self) {
        self.ended = true;
    }
}
