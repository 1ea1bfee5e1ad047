// SPDX-License-Identifier: GPL-2.0-or-later
//! A job from its line to its last event.

use std::time::{Duration, Instant};

use serde::Deserialize;
use swapmig_workloads::params::ParamError;
use swapmig_workloads::protocol::{Event, Job, VERSION, When};

use crate::channel::Events;
use crate::console;
use crate::detectors;
use crate::machine::{self, MachineError};
use crate::probes::Probes;
use crate::sampler::{Sampler, millis};
use crate::swap::{self, SwapError};
use crate::wake::{self, WakeError};
use crate::workload::{Plan, PlanError, Stage};

/// Shortest time between two samples: they must not be the load themselves.
const INTERVAL_LEAST: Duration = Duration::from_millis(50);

/// Why a job could not be done.
#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error("the job's line is no job: {0}")]
    Line(#[from] serde_json::Error),
    #[error("the job is of version {0} and this guest of {VERSION}: rebuild the image")]
    Version(u32),
    #[error(transparent)]
    Params(#[from] ParamError),
    #[error(transparent)]
    Wake(#[from] WakeError),
    #[error(transparent)]
    Swap(#[from] SwapError),
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[error(transparent)]
    Workload(#[from] PlanError),
    #[error("events were lost on the job channel, {0} of them: what the others tell is not all")]
    Lost(u64),
}

/// Runs the job of that line; its last event is `Done` or `Incapable`.
pub(crate) fn run(line: &[u8], events: &Events) {
    let last = match try_run(line, events) {
        Ok(elapsed_ms) => Event::Done { elapsed_ms },
        Err(error) => Event::Incapable {
            reason: error.to_string(),
        },
    };
    events.send(&last);
}

fn try_run(line: &[u8], events: &Events) -> Result<u64, JobError> {
    let job = parse(line)?;
    if let Some(missed) = &job.wake {
        wake::wake(missed)?;
    }
    if let Some(seconds) = job.detect_after_seconds {
        detectors::wait(seconds);
    }
    let plan = Plan::new(job.workload, &job.params)?;
    swap::on()?;
    let (probes, refused) = Probes::arm(&job.probes);
    if !refused.is_empty() {
        events.send(&Event::ProbesRefused { refused });
    }
    events.send(&snapshot(When::Before)?);
    console::say(&format!("workload {} begins", job.workload));
    let began = Instant::now();
    events.send(&Event::Started {
        workload: job.workload,
        params: plan.params.clone(),
    });
    let interval = Duration::from_millis(job.sample_ms).max(INTERVAL_LEAST);
    let sampler = Sampler::start(probes, events.clone(), began, interval);
    let result = plan.run(&Stage {
        seed: job.seed,
        events,
    });
    let elapsed_ms = millis(began);
    sampler.finish();
    console::say(&format!("workload {} ends", job.workload));
    events.send(&snapshot(When::After)?);
    result?;
    match events.lost() {
        0 => Ok(elapsed_ms),
        lost => Err(JobError::Lost(lost)),
    }
}

/// The version first: a job of another one may have any other shape.
fn parse(line: &[u8]) -> Result<Job, JobError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let Versioned { version } = serde_json::from_slice(line)?;
    if version != VERSION {
        return Err(JobError::Version(version));
    }
    Ok(serde_json::from_slice(line)?)
}

fn snapshot(when: When) -> Result<Event, MachineError> {
    Ok(Event::Snapshot {
        when,
        vmstat: machine::vmstat()?,
        buddyinfo: machine::read("/proc/buddyinfo")?,
        swaps: machine::read("/proc/swaps")?,
        tainted: machine::tainted()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_another_version_is_refused_whatever_its_shape() {
        let refused = parse(br#"{"version":1,"anything":[]}"#);
        assert!(matches!(refused, Err(JobError::Version(1))));
    }

    #[test]
    fn a_line_that_is_no_job_is_refused() {
        for line in [
            "",
            "{",
            "[]",
            r#"{"version":3}"#,
            r#"{"version":3,"workload":"other"}"#,
        ] {
            assert!(
                matches!(parse(line.as_bytes()), Err(JobError::Line(_))),
                "{line}"
            );
        }
    }
}
