// SPDX-License-Identifier: GPL-2.0-or-later
//! Samples of every virtual CPU: needs nothing of the guest, not even that it takes interrupts.
//!
//! The guest is stopped for the few milliseconds that a sample takes, so that registers and
//! stack belong together, and runs on between.

use std::time::Duration;

use qapi::qmp;
use tokio::time::Instant;

use super::registers::{self, Registers};
use super::request::TaskLayout;
use super::sample::{self, Sample, TaskSeen};
use super::steps::Diagnosis;
use super::words;
use crate::guest::GuestError;
use crate::guest::escape::escape;
use crate::guest::monitor::Monitor;

/// How often each is sampled: of four tasks that share two, each is met a dozen times.
const ROUNDS: u32 = 24;
/// Words of stack that are read: 8 KiB, more than a task of the kernel is known to need.
const STACK_WORDS: usize = 1024;
/// Bytes of a task's name.
const COMM: usize = 16;

/// Samples every virtual CPU again and again, for `over`. What was seen is kept in `found`
/// at once; the last word is what was done.
pub(super) async fn sample(
    monitor: &Monitor,
    layout: Option<TaskLayout>,
    over: Duration,
    found: &mut Diagnosis,
) -> Result<String, String> {
    let began = Instant::now();
    for round in 0..ROUNDS {
        // Counted from the last sample's end: on a host that is late the guest has its time, too.
        if round > 0 {
            tokio::time::sleep(over / ROUNDS).await;
        }
        look(monitor, layout, began, found)
            .await
            .map_err(|error| format!("after {} samples: {error}", found.samples.len()))?;
    }
    Ok(format!(
        "{} samples, {ROUNDS} of each, in {:.1} s",
        found.samples.len(),
        began.elapsed().as_secs_f64()
    ))
}

async fn look(
    monitor: &Monitor,
    layout: Option<TaskLayout>,
    began: Instant,
    found: &mut Diagnosis,
) -> Result<(), GuestError> {
    let looked = match monitor.execute(qmp::stop {}).await {
        Ok(_) => look_at_stopped(monitor, layout, began, found).await,
        Err(error) => Err(error),
    };
    // Whatever was seen, and also when it stopped too late: the next step needs a guest that runs.
    let went_on = monitor.execute(qmp::cont {}).await;
    looked?;
    went_on?;
    Ok(())
}

async fn look_at_stopped(
    monitor: &Monitor,
    layout: Option<TaskLayout>,
    began: Instant,
    found: &mut Diagnosis,
) -> Result<(), GuestError> {
    let at = began.elapsed();
    let printed = monitor.human("info registers -a", None).await?;
    let head = format!("== {:.3} s after the diagnosis began\n", at.as_secs_f64());
    found.append("registers", head.as_bytes());
    found.append("registers", printed.as_bytes());
    let cpus = registers::parse(&printed);
    if cpus.is_empty() {
        return Err(GuestError::Qmp("it printed no registers".into()));
    }
    for (cpu, registers) in cpus {
        let view = View { monitor, cpu };
        let (stack, left_user) = view.stack(&registers).await?;
        let task = match layout {
            Some(layout) => view.task(&layout).await?,
            None => None,
        };
        found.samples.push(Sample {
            at,
            cpu,
            registers,
            stack,
            left_user,
            task,
        });
    }
    Ok(())
}

/// Memory as one virtual CPU sees it.
struct View<'a> {
    monitor: &'a Monitor,
    cpu: usize,
}

impl View<'_> {
    /// At most `count` words; fewer where memory ends.
    async fn words(&self, address: u64, count: usize) -> Result<Vec<u64>, GuestError> {
        let command = format!("x /{count}gx {address:#x}");
        let printed = self.monitor.human(&command, Some(self.cpu)).await?;
        let mut words = words::parse(&printed);
        words.truncate(count);
        Ok(words)
    }

    /// The kernel's stack up to where user mode was left, or to its end.
    async fn stack(
        &self,
        registers: &Registers,
    ) -> Result<(Vec<u64>, Option<sample::LeftUser>), GuestError> {
        if registers.in_user_mode() {
            return Ok((Vec::new(), None));
        }
        // The monitor prints two words a line, and none of a line of which one cannot be read:
        // in even lines the last words of a stack are not lost.
        let even = registers.rsp & !15;
        let mut stack = self.words(even, STACK_WORDS).await?;
        if even != registers.rsp && !stack.is_empty() {
            stack.remove(0);
        }
        Ok(match sample::left_user(&stack) {
            Some((own, left)) => {
                stack.truncate(own);
                (stack, Some(left))
            }
            None => (stack, None),
        })
    }

    /// The task that runs; none where memory does not hold one.
    async fn task(&self, layout: &TaskLayout) -> Result<Option<TaskSeen>, GuestError> {
        let index = layout.per_cpu_offset.wrapping_add(8 * self.cpu as u64);
        let Some(own) = self.word(index).await? else {
            return Ok(None);
        };
        let Some(task) = self.word(own.wrapping_add(layout.current)).await? else {
            return Ok(None);
        };
        let member = |offset| self.word(task.wrapping_add(offset));
        let comm = self
            .words(task.wrapping_add(layout.comm), COMM / size_of::<u64>())
            .await?;
        let (pid, minor, major) = (
            member(layout.pid).await?,
            member(layout.min_flt).await?,
            member(layout.maj_flt).await?,
        );
        let (Some(pid), Some(minor), Some(major)) = (pid, minor, major) else {
            return Ok(None);
        };
        let name: Vec<u8> = comm
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .take_while(|&byte| byte != 0)
            .collect();
        let [a, b, c, d, ..] = pid.to_le_bytes();
        Ok(Some(TaskSeen {
            pid: u32::from_le_bytes([a, b, c, d]),
            comm: escape(&name, COMM),
            faults: minor.saturating_add(major),
        }))
    }

    async fn word(&self, address: u64) -> Result<Option<u64>, GuestError> {
        Ok(self.words(address, 1).await?.first().copied())
    }
}
