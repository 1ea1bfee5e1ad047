// SPDX-License-Identifier: GPL-2.0-or-later
//! A crew of workers that take every step together.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use swapmig_workloads::protocol::Event;

use crate::channel::Events;
use crate::role;
use crate::worker::{Config, Reply, Step};

/// Why a crew could not take a step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CrewError {
    #[error("cannot start worker {worker}: {source}")]
    Spawn { worker: u64, source: io::Error },
    #[error("worker {worker} could not take its step: {reason}")]
    Failed { worker: u64, reason: String },
    #[error("worker {worker} ended within a step ({how}): see the console for the kernel's reason")]
    Ended { worker: u64, how: String },
    #[error("worker {worker} cannot be understood: {source}")]
    Garbled {
        worker: u64,
        source: serde_json::Error,
    },
}

/// Workers, waiting for a step.
pub(crate) struct Crew {
    members: Vec<Member>,
    events: Events,
}

struct Member {
    worker: u64,
    child: Child,
    steps: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Crew {
    /// Starts `workers` processes of the given configuration, numbered from 0.
    pub(crate) fn start(workers: u64, config: Config, events: &Events) -> Result<Self, CrewError> {
        let members = (0..workers)
            .map(|worker| Member::start(Config { worker, ..config }))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            members,
            events: events.clone(),
        })
    }

    /// Lets every worker take the step at the same time, and waits for all of them.
    pub(crate) fn step(&mut self, step: &Step) -> Result<(), CrewError> {
        for member in &mut self.members {
            member.tell(step)?;
        }
        let mut verified = 0;
        for member in &mut self.members {
            verified += member.listen(&self.events)?;
        }
        if verified > 0 {
            self.events.send(&Event::Verified { pages: verified });
        }
        Ok(())
    }

    /// Lets every worker abandon its area and exit; returns when all are gone.
    pub(crate) fn leave(mut self) -> Result<(), CrewError> {
        for member in &mut self.members {
            member.tell(&Step::Leave)?;
        }
        for mut member in std::mem::take(&mut self.members) {
            let Member { worker, .. } = member;
            let how = match member.child.wait() {
                Ok(status) if status.success() => continue,
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            return Err(CrewError::Ended { worker, how });
        }
        Ok(())
    }
}

impl Member {
    fn start(config: Config) -> Result<Self, CrewError> {
        let worker = config.worker;
        let failed = |source| CrewError::Spawn { worker, source };
        let config = serde_json::to_string(&config).map_err(|error| failed(error.into()))?;
        let mut child = Command::new("/proc/self/exe")
            .args([role::WORKER, &config])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let no_pipe = || failed(io::ErrorKind::BrokenPipe.into());
        let steps = child.stdin.take().ok_or_else(no_pipe)?;
        let replies = BufReader::new(child.stdout.take().ok_or_else(no_pipe)?);
        Ok(Self {
            worker,
            child,
            steps,
            replies,
        })
    }

    fn tell(&mut self, step: &Step) -> Result<(), CrewError> {
        let mut line = serde_json::to_vec(step).map_err(|source| CrewError::Garbled {
            worker: self.worker,
            source,
        })?;
        line.push(b'\n');
        self.steps
            .write_all(&line)
            .map_err(|error| self.ended(&error.to_string()))
    }

    fn listen(&mut self, events: &Events) -> Result<u64, CrewError> {
        loop {
            let mut line = String::new();
            match self.replies.read_line(&mut line) {
                Ok(0) => return Err(self.ended("no reply")),
                Ok(_) => {}
                Err(error) => return Err(self.ended(&error.to_string())),
            }
            let worker = self.worker;
            match serde_json::from_str(&line)
                .map_err(|source| CrewError::Garbled { worker, source })?
            {
                Reply::Mismatch(mismatch) => events.send(&Event::Mismatch(mismatch)),
                Reply::Done { verified } => return Ok(verified),
                Reply::Failed { reason } => return Err(CrewError::Failed { worker, reason }),
            }
        }
    }

    /// How the worker ended, where that is known by now.
    fn ended(&mut self, seen: &str) -> CrewError {
        let how = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        CrewError::Ended {
            worker: self.worker,
            how: format!("{seen}, {how}"),
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // A worker of a broken kernel may never die: it is told to, not waited for.
        let _ = self.child.kill();
    }
}
