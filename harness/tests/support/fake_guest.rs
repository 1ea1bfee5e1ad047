// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest that follows a script, in no time.

use std::collections::VecDeque;
use std::time::Duration;

use swapmig::guest::diagnosis::{Diagnosis, Request};
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
    /// Diagnoses that it was asked for.
    pub(crate) asked: Vec<Request>,
    /// What it then tells.
    pub(crate) diagnosis: Diagnosis,
    /// What it says meanwhile.
    pub(crate) words_when_asked: Vec<Signal>,
    /// Whether it then hangs for good.
    pub(crate) hangs_when_asked: bool,
    last_words: VecDeque<Signal>,
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
            asked: Vec::new(),
            diagnosis: Diagnosis::default(),
            words_when_asked: Vec::new(),
            hangs_when_asked: false,
            last_words: VecDeque::new(),
        }
    }
}

impl Guest for FakeGuest {
    async fn next(&mut self) -> Signal {
        if let Some(word) = self.last_words.pop_front() {
            return word;
        }
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

    async fn diagnose(&mut self, request: &Request) -> Diagnosis {
        self.asked.push(*request);
        if self.hangs_when_asked {
            std::future::pending::<()>().await;
        }
        // What it was made to say comes before it ends.
        self.last_words.extend(self.words_when_asked.drain(..));
        self.diagnosis.clone()
    }

    async fn end(&mut self) {
        self.ended = true;
    }
}
