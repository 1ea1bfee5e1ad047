// SPDX-License-Identifier: GPL-2.0-or-later
//! Drives one guest through one job and notes what it does. Judges nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use swapmig_reports::record::Ended;
use swapmig_workloads::protocol::{self, Event, Job};
use tokio::time::Instant;

use super::budget::Budget;
use super::console::Console;
use super::hang::{self, Asking};
use super::lateness::Lateness;
use super::machine;
use super::observation::{Observation, RawSample, Snapshot};
use crate::event::{CellEvent, Phase};
use crate::guest::diagnosis::Diagnosis;
use crate::guest::{Guest, Signal};
use crate::host::Pulse;
use crate::plan::{Limits, Machine};

/// How often a console that grows is searched for a trace.
const TRACE_EVERY: Duration = Duration::from_millis(200);
/// How long a limit may have passed while signals keep coming.
const GRACE: Duration = Duration::from_secs(1);
/// A drain is prolonged while the console grows, up to this many times its length.
const DRAIN_STRETCH: u32 = 3;
/// A diagnosis as a whole may take so many times the workload's limit.
const DIAGNOSIS_STRETCH: u32 = 10;
/// How many findings of a guest are told while it runs; the result has more.
const FINDINGS_TOLD: usize = 20;

/// What one guest is put through.
#[derive(Debug, Clone)]
pub struct Task<'a> {
    /// The job that it gets.
    pub job: &'a Job,
    /// The machine that it has to be.
    pub machine: &'a Machine,
    /// The plan's limits.
    pub limits: &'a Limits,
    /// How slow the guest is taken to be until its boot was measured.
    pub assumed_slowness: f64,
    /// What a restored guest has behind it; absent for one that boots.
    pub restored: Option<Restored>,
    /// How it is asked why, should it hang.
    pub asking: Asking,
}

/// What a restored guest has behind it.
#[derive(Debug, Clone, Copy)]
pub struct Restored {
    /// How long the boot was that it need not do again.
    pub boot: Duration,
    /// How long it took to restore it.
    pub took: Duration,
}

/// What was seen, and the files of a guest that hung.
pub struct Outcome {
    /// What was seen.
    pub observation: Observation,
    /// Diagnosis files by name; empty unless the guest hung.
    pub diagnosis: Vec<(String, Vec<u8>)>,
}

/// Drives the guest to the end of its job, a finding, a limit or its death,
/// and ends it. Whatever the guest does, this returns.
pub async fn execute<G: Guest>(
    guest: &mut G,
    task: &Task<'_>,
    emit: &mut (dyn FnMut(CellEvent) + Send),
) -> Outcome {
    let started = Instant::now();
    let mut cell = Cell {
        task,
        emit,
        budget: Budget::assumed(task.limits, task.assumed_slowness),
        began: started,
        time: Lateness::new(started),
        heard: Duration::ZERO,
        phase: Phase::Booting,
        workload_began: None,
        running_from: Duration::ZERO,
        drain_since: Duration::ZERO,
        drain_until: Duration::ZERO,
        found: false,
        told: BTreeSet::new(),
        incapable: None,
        reset: false,
        exited: false,
        asked: false,
        unasked: None,
        console: Console::of(task.job.workload.name()),
        search_at: None,
        seen: Observation::default(),
    };
    (cell.emit)(CellEvent::Phase(Phase::Booting));
    let mut diagnosis = Diagnosis::default();
    let ended = loop {
        let deadline = cell.deadline();
        let step = tokio::select! {
            // A signal that is there counts before a limit that has passed meanwhile.
            biased;
            signal = guest.next() => {
                let ended = cell.on_signal(guest, signal).await;
                // A guest that never pauses must not outrun its limits.
                let late = Instant::now() > deadline + GRACE;
                match ended {
                    None if late => cell.on_deadline(guest),
                    ended => ended,
                }
            }
            () = tokio::time::sleep_until(deadline) => cell.on_deadline(guest),
        };
        if let Some(ended) = step {
            break ended;
        }
    };
    // What befell the host just now is known before anybody judges by it.
    cell.beat(Instant::now(), guest.pulse());
    let ended = match ended {
        Ended::Silent { seconds } => match guest.responds().await {
            Ok(()) => Ended::Silent { seconds },
            Err(reason) => Ended::Dead { reason },
        },
        ended => ended,
    };
    if matches!(ended, Ended::Silent { .. } | Ended::Slow { .. }) {
        cell.asked = true;
        let within = cell.budget.workload * DIAGNOSIS_STRETCH;
        diagnosis = hang::diagnose(guest, &task.asking, within).await;
        cell.unasked = diagnosis.unasked;
    }
    guest.end().await;
    let ended = cell.read_to_end(guest, ended).await;
    let mut seen = cell.seen;
    seen.console = cell.console.finish();
    seen.ended = ended;
    seen.host_late = cell.time.reason();
    seen.vcpus = diagnosis.samples;
    seen.timing.total_ms = millis(started.elapsed());
    Outcome {
        observation: seen,
        diagnosis: diagnosis.files,
    }
}

struct Cell<'t, 'e> {
    task: &'t Task<'t>,
    emit: &'e mut (dyn FnMut(CellEvent) + Send),
    budget: Budget,
    began: Instant,
    /// What of the time since then the guest had: limits count that.
    time: Lateness,
    /// How much time it had had when it was last heard of.
    heard: Duration,
    phase: Phase,
    workload_began: Option<Instant>,
    /// How much time it had had when it was given its job, and then when its workload began.
    running_from: Duration,
    /// How much time it had had when its console began to be drained.
    drain_since: Duration,
    drain_until: Duration,
    /// Whether a finding was made: it decides how the cell ended.
    found: bool,
    /// Titles of the findings that were told.
    told: BTreeSet<String>,
    /// Why the workload could not do its job, where it said so.
    incapable: Option<String>,
    reset: bool,
    /// Whether QEMU is gone already.
    exited: bool,
    /// Whether it was asked why it hangs.
    asked: bool,
    /// How much of the console it printed of its own accord, where it was made to print.
    unasked: Option<u64>,
    console: Console,
    /// When the console is to be searched next; absent while it does not grow.
    search_at: Option<Instant>,
    seen: Observation,
}

impl Cell<'_, '_> {
    /// When something has to happen even if the guest says nothing.
    fn deadline(&self) -> Instant {
        let silence = self.heard + self.budget.silence;
        let limit = match self.phase {
            Phase::Booting => silence.min(self.budget.boot),
            Phase::Running => silence.min(self.running_from + self.budget.workload),
            Phase::Draining => self.drain_until,
        };
        let limit = self.time.when(limit).min(self.time.due());
        self.search_at.map_or(limit, |search| limit.min(search))
    }

    fn on_deadline<G: Guest>(&mut self, guest: &mut G) -> Option<Ended> {
        let now = Instant::now();
        // First: what the guest did not have counts towards no limit.
        if now >= self.time.due() {
            self.beat(now, guest.pulse());
        }
        if self.search_at.is_some_and(|at| now >= at) {
            self.search();
            return None;
        }
        let had = self.time.had(now);
        let silent = had >= self.heard + self.budget.silence;
        let stopped = self.time.stopped_until_now() >= self.budget.standstill;
        match self.phase {
            Phase::Draining if self.found && stopped => Some(self.end_of_drain()),
            _ if stopped => Some(Ended::Dead {
                reason: format!(
                    "its QEMU was stopped by a signal for {}",
                    seconds(self.time.stopped_until_now())
                ),
            }),
            Phase::Draining => (had >= self.drain_until).then(|| self.end_of_drain()),
            Phase::Booting if had >= self.budget.boot => Some(Ended::BootFailed {
                reason: format!("it was not ready after {}", seconds(self.budget.boot)),
            }),
            Phase::Booting => silent.then(|| Ended::BootFailed {
                reason: format!(
                    "it was silent for {} before it was ready",
                    seconds(self.budget.silence)
                ),
            }),
            // Before the other limit: a guest that is silent at its time limit hangs.
            Phase::Running if silent => Some(Ended::Silent {
                seconds: self.budget.silence.as_secs(),
            }),
            Phase::Running => {
                (had >= self.running_from + self.budget.workload).then_some(Ended::Slow {
                    seconds: self.budget.workload.as_secs(),
                })
            }
        }
    }

    fn beat(&mut self, now: Instant, pulse: Option<Pulse>) {
        self.time.beat(now, pulse);
        if self.seen.host_late.is_none()
            && let Some(reason) = self.time.reason()
        {
            self.seen.host_late = Some(reason.clone());
            (self.emit)(CellEvent::HostLate { reason });
        }
    }

    async fn on_signal<G: Guest>(&mut self, guest: &mut G, signal: Signal) -> Option<Ended> {
        self.heard = self.time.had(Instant::now());
        match signal {
            Signal::Console(bytes) => {
                self.on_console(&bytes);
                None
            }
            Signal::Event(Event::Ready {
                version,
                cpus,
                memory_kib,
                ..
            }) if self.phase == Phase::Booting => {
                self.on_ready(guest, version, cpus, memory_kib).await
            }
            Signal::Event(event) => self.on_event(event),
            Signal::Garbage(line) => Some(Ended::Garbage {
                reason: format!("it sent a line that is no event: {line}"),
            }),
            Signal::HostFailed { reason } => {
                self.seen.host_failed = Some(reason.clone());
                Some(Ended::Dead { reason })
            }
            Signal::Reset => {
                self.reset = true;
                None
            }
            Signal::Exited { reason } => {
                self.exited = true;
                Some(self.on_exit(reason))
            }
        }
    }

    fn on_console(&mut self, bytes: &[u8]) {
        let own = match self.unasked {
            // What comes after that it was made to print.
            Some(until) => usize::try_from(until.saturating_sub(self.console.length()))
                .map_or(bytes.len(), |own| own.min(bytes.len())),
            None => bytes.len(),
        };
        self.console.push(&bytes[..own]);
        self.search_soon();
        if self.phase == Phase::Draining {
            let longest = self.drain_since + self.budget.drain * DRAIN_STRETCH;
            self.drain_until = (self.heard + self.budget.drain).min(longest);
        }
    }

    async fn on_ready<G: Guest>(
        &mut self,
        guest: &mut G,
        version: u32,
        cpus: u32,
        memory_kib: u64,
    ) -> Option<Ended> {
        if version != protocol::VERSION {
            return Some(Ended::BootFailed {
                reason: format!(
                    "its init speaks protocol {version}, the harness {}",
                    protocol::VERSION
                ),
            });
        }
        if let Some(reason) = machine::difference(self.task.machine, cpus, memory_kib) {
            return Some(Ended::WrongMachine { reason });
        }
        // A restored guest is as slow as it was when it booted, however quick its return; and the
        // host may be busier now than it was then.
        let assumed = Duration::from_secs_f64(self.task.assumed_slowness.max(0.0));
        let (ready, boot) = match self.task.restored {
            Some(restored) => (restored.took, restored.boot.max(assumed)),
            None => (self.began.elapsed(), self.began.elapsed()),
        };
        self.seen.timing.boot_ms = Some(millis(ready));
        self.seen.timing.restored = self.task.restored.is_some();
        self.budget = Budget::measured(self.task.limits, boot);
        self.enter(Phase::Running);
        self.running_from = self.heard;
        let job = Job {
            detect_after_seconds: Some(self.budget.detect_after.as_secs()),
            ..self.task.job.clone()
        };
        if let Err(error) = guest.send_job(&job).await {
            return Some(Ended::Dead {
                reason: error.to_string(),
            });
        }
        None
    }

    fn on_event(&mut self, mut event: Event) -> Option<Ended> {
        self.forget_unasked(&mut event);
        if self.asked {
            self.seen.note_progress(&event);
        }
        (self.emit)(CellEvent::Guest {
            at_ms: millis(self.began.elapsed()),
            event: event.clone(),
        });
        let early = !self.seen.started
            && !matches!(
                event,
                Event::Started { .. }
                    | Event::ProbesRefused { .. }
                    | Event::Snapshot { .. }
                    | Event::Incapable { .. }
            );
        if early || matches!(event, Event::Ready { .. }) {
            return Some(Ended::Garbage {
                reason: format!("it sent an event out of turn: {event:?}")
                    .chars()
                    .take(300)
                    .collect(),
            });
        }
        match event {
            Event::Ready { .. } => {}
            Event::Started { .. } => {
                self.seen.started = true;
                self.console.started();
                if self.workload_began.is_none() {
                    self.workload_began = Some(Instant::now());
                    self.running_from = self.heard;
                }
                // A trace may have overtaken this event.
                self.search_soon();
            }
            Event::ProbesRefused { refused } => self.seen.refused_probes = refused,
            Event::Snapshot {
                when,
                vmstat,
                buddyinfo,
                swaps,
                tainted,
            } => {
                self.seen.add_snapshot(
                    when,
                    Snapshot {
                        vmstat,
                        buddyinfo,
                        swaps,
                        tainted,
                    },
                );
            }
            Event::Round { .. } => {}
            Event::Sample {
                at_ms,
                probes,
                vmstat,
            } => {
                self.seen.samples.add(RawSample {
                    at_ms,
                    probes,
                    vmstat,
                });
            }
            Event::Verified { pages } => {
                self.seen.verified = self.seen.verified.saturating_add(pages)
            }
            Event::Mismatch(mismatch) => {
                let title = super::findings::mismatch_title(&mismatch);
                self.seen.add_mismatch(mismatch);
                self.find(title);
            }
            Event::Incapable { reason } => {
                // Why may still be on its way on the console: the kernel kills whom it strikes.
                self.incapable.get_or_insert(bounded(&reason));
                self.drain_once();
            }
            Event::Done { elapsed_ms } => {
                self.seen.timing.workload_ms = Some(elapsed_ms);
                self.drain_once();
            }
        }
        None
    }

    /// Drops what an event says of probes that the guest was not asked for.
    fn forget_unasked(&self, event: &mut Event) {
        let is_asked = |name: &str| self.task.job.probes.iter().any(|probe| probe.name == name);
        match event {
            Event::ProbesRefused { refused } => refused.retain(|name, _| is_asked(name)),
            Event::Sample { probes, .. } => probes.retain(|name, _| is_asked(name)),
            _ => {}
        }
    }

    fn on_exit(&mut self, reason: String) -> Ended {
        self.search();
        let panicked = self.console.so_far().panicked;
        match (self.phase, panicked) {
            (Phase::Booting, Some(title)) => Ended::BootFailed {
                reason: format!("the kernel panicked: {title}"),
            },
            (Phase::Booting, None) if self.reset => Ended::BootFailed {
                reason: "the guest reset the machine without a word of panic".into(),
            },
            (_, Some(_)) => Ended::Panicked,
            (_, None) if self.reset => Ended::Rebooted,
            (_, None) => Ended::Dead { reason },
        }
    }

    fn search_soon(&mut self) {
        self.search_at
            .get_or_insert_with(|| Instant::now() + TRACE_EVERY);
    }

    /// Looks for a trace in the part of the console that the workload is responsible for.
    fn search(&mut self) {
        self.search_at = None;
        if self.found || !self.seen.started {
            return;
        }
        if let Some(first) = self.console.so_far().workload.into_iter().next() {
            self.find(first.title);
        }
    }

    fn find(&mut self, title: String) {
        if self.told.len() < FINDINGS_TOLD && self.told.insert(title.clone()) {
            (self.emit)(CellEvent::Finding { title });
        }
        if !self.found {
            self.found = true;
            self.seen.timing.finding_ms = self.workload_began.map(|began| millis(began.elapsed()));
            self.drain();
        }
    }

    fn drain_once(&mut self) {
        if self.phase == Phase::Running {
            self.drain();
        }
    }

    fn drain(&mut self) {
        self.enter(Phase::Draining);
        self.drain_since = self.time.had(Instant::now());
        self.drain_until = self.drain_since + self.budget.drain;
    }

    fn end_of_drain(&mut self) -> Ended {
        match self.incapable.take() {
            _ if self.found => Ended::StoppedAfterFinding,
            Some(reason) => Ended::Incapable { reason },
            None => Ended::Done,
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        (self.emit)(CellEvent::Phase(phase));
    }

    /// Takes in what the guest had said before it was ended.
    async fn read_to_end<G: Guest>(&mut self, guest: &mut G, ended: Ended) -> Ended {
        if self.exited {
            return ended;
        }
        // QEMU is gone: what is still delivered has an end, and is waited for while it comes.
        let patience = self.budget.drain * DRAIN_STRETCH;
        let mut limit = Instant::now() + patience;
        loop {
            let signal = tokio::select! {
                biased;
                signal = guest.next() => signal,
                () = tokio::time::sleep_until(limit) => return ended,
            };
            match signal {
                Signal::Console(bytes) => {
                    self.on_console(&bytes);
                    limit = Instant::now() + patience;
                }
                // How the cell ended is settled; what the guest still has to tell is kept.
                Signal::Event(event) => drop(self.on_event(event)),
                Signal::HostFailed { reason } => self.seen.host_failed = Some(reason),
                Signal::Garbage(_) | Signal::Reset => {}
                Signal::Exited { .. } => return ended,
            }
        }
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(500).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(duration: Duration) -> String {
    format!("{:.0} s", duration.as_secs_f64())
}
