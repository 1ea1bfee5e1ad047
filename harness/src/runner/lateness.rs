// SPDX-License-Identifier: GPL-2.0-or-later
//! Time that a guest had, and time that the host withheld from it.
//!
//! A guest is late through no fault of its own when its QEMU is stopped, when the host sleeps, when
//! this process is not run, or when others use the CPUs. Limits count the time that it had.

use std::time::Duration;

use tokio::time::Instant;

use crate::host::Pulse;

/// How often the host is looked at.
pub(super) const BEAT: Duration = Duration::from_secs(1);
/// A beat that comes later than this was withheld: the host or this process stood still.
const STILL: Duration = Duration::from_secs(2);
/// The share of its time that a guest has to be refused before its kernel's detectors are doubted.
const STARVED: f64 = 0.75;
/// Over how long that share is taken, about.
const WINDOW: Duration = Duration::from_secs(20);
/// However busy the host, a limit is never prolonged beyond this many times its length.
const STRETCH: u32 = 4;

/// Keeps the two apart.
#[derive(Debug)]
pub(super) struct Lateness {
    began: Instant,
    last: Instant,
    pulse: Option<Pulse>,
    /// While nothing ran at all, by a clock that went on.
    still: Duration,
    /// While the host slept, and the clocks here with it.
    slept: Duration,
    /// While QEMU was stopped; a part of `still`.
    stopped: Duration,
    /// While QEMU was stopped, without a break until now.
    stopped_in_a_row: Duration,
    /// While others had the CPUs.
    refused: Duration,
    /// The share that was refused lately.
    share: f64,
    /// The most that it was.
    worst: f64,
}

impl Lateness {
    /// Begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            last: now,
            pulse: None,
            still: Duration::ZERO,
            slept: Duration::ZERO,
            stopped: Duration::ZERO,
            stopped_in_a_row: Duration::ZERO,
            refused: Duration::ZERO,
            share: 0.0,
            worst: 0.0,
        }
    }

    /// When to look next.
    pub(super) fn due(&self) -> Instant {
        self.last + BEAT
    }

    /// Takes note of what the host gave since the last beat; without a pulse only of a late beat.
    pub(super) fn beat(&mut self, now: Instant, pulse: Option<Pulse>) {
        let since = now.duration_since(self.last);
        let before = std::mem::replace(&mut self.pulse, pulse);
        self.last = now;
        if let (Some(before), Some(now)) = (before, pulse) {
            self.slept += now.suspended.saturating_sub(before.suspended);
        }
        let stopped = pulse.is_some_and(|pulse| pulse.stopped);
        self.stopped_in_a_row = if stopped {
            self.stopped_in_a_row + since
        } else {
            Duration::ZERO
        };
        if stopped {
            self.stopped += since;
            self.still += since;
            return;
        }
        if since > BEAT + STILL {
            self.still += since - BEAT;
            return;
        }
        let (Some(before), Some(now)) = (before, pulse) else {
            return;
        };
        let refused = refused(since, before, now);
        self.refused += since.mul_f64(refused);
        let weight = (since.as_secs_f64() / WINDOW.as_secs_f64()).min(1.0);
        self.share += (refused - self.share) * weight;
        self.worst = self.worst.max(self.share);
    }

    /// How much time the guest had until `now`.
    pub(super) fn had(&self, now: Instant) -> Duration {
        now.duration_since(self.began).saturating_sub(self.lost())
    }

    /// When the guest will have had so much time, if it gets all of its time from now on.
    pub(super) fn when(&self, had: Duration) -> Instant {
        self.began + had + self.lost()
    }

    /// Until the last beat: the same for both, or a limit could be due and not be reached.
    fn lost(&self) -> Duration {
        let elapsed = self.last.duration_since(self.began);
        let running = elapsed.saturating_sub(self.still);
        let most = running.mul_f64(1.0 - 1.0 / f64::from(STRETCH));
        self.still + self.refused.min(most)
    }

    /// How long QEMU has been stopped without a break, until now.
    pub(super) fn stopped_until_now(&self) -> Duration {
        self.stopped_in_a_row
    }

    /// Why the guest's own clocks and detectors are not to be believed, if so.
    pub(super) fn reason(&self) -> Option<String> {
        let mut reasons = Vec::new();
        let seconds = |time: Duration| format!("{:.0} s", time.as_secs_f64());
        if !self.stopped.is_zero() {
            reasons.push(format!("QEMU was stopped for {}", seconds(self.stopped)));
        }
        let still = (self.still + self.slept).saturating_sub(self.stopped);
        if still >= STILL {
            reasons.push(format!(
                "the host or swapmig stood still for {}",
                seconds(still)
            ));
        }
        if self.worst >= STARVED {
            reasons.push(format!(
                "the host is overloaded: for a while the guest got {:.0} % of the CPU time that it asked for",
                100.0 * (1.0 - self.worst)
            ));
        }
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

/// The share of a span that a guest wanted to run and could not.
fn refused(since: Duration, before: Pulse, now: Pulse) -> f64 {
    let span = since.as_secs_f64();
    if now.wanting == 0 || span <= 0.0 {
        return 0.0;
    }
    let share = |after: Duration, before: Duration| {
        (after.saturating_sub(before).as_secs_f64() / span).clamp(0.0, 1.0)
    };
    // A host on which nobody waits refuses nothing, whatever the threads looked like just now.
    let contended = share(now.contended, before.contended);
    let wanted = f64::from(now.wanting).min(crate::host::cpus() as f64);
    let ran = now.ran.saturating_sub(before.ran).as_secs_f64() / (span * wanted);
    contended * (1.0 - ran.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A guest that got `ran` per cent of one CPU each second, while others waited `contended` per cent.
    fn after(beats: u32, wanting: u32, ran: u32, contended: u32) -> (Lateness, Instant) {
        let began = Instant::now();
        let mut lateness = Lateness::new(began);
        let mut pulse = Pulse {
            wanting,
            ..Pulse::default()
        };
        lateness.beat(began, Some(pulse));
        for second in 1..=beats {
            pulse.ran += Duration::from_millis(u64::from(ran) * 10);
            pulse.contended += Duration::from_millis(u64::from(contended) * 10);
            lateness.beat(began + seconds(second.into()), Some(pulse));
        }
        (lateness, began + seconds(beats.into()))
    }

    #[test]
    fn a_guest_that_gets_all_that_it_wants_is_not_late() {
        for (wanting, ran, contended) in [(1, 100, 100), (0, 0, 100), (1, 0, 0), (1, 50, 100)] {
            let (lateness, _) = after(120, wanting, ran, contended);
            assert_eq!(lateness.reason(), None, "{wanting} {ran} {contended}");
        }
        let (lateness, now) = after(120, 1, 100, 100);
        assert_eq!(lateness.had(now), seconds(120));
    }

    #[test]
    fn a_guest_that_is_refused_its_time_has_longer_limits_but_not_for_ever() {
        let (lateness, now) = after(120, 1, 10, 100);
        let reason = lateness.reason().unwrap();
        assert!(reason.contains("overloaded"), "{reason}");
        assert_eq!(lateness.had(now), seconds(30), "a quarter at the least");
        assert_eq!(lateness.when(seconds(30)), now);
        let (lateness, now) = after(100, 1, 50, 100);
        assert_eq!(lateness.had(now).as_secs(), 50);
    }

    #[test]
    fn a_moment_of_hardship_is_nothing() {
        assert_eq!(after(10, 1, 0, 100).0.reason(), None);
    }

    #[test]
    fn a_stopped_qemu_and_a_host_that_stood_still_cost_the_guest_nothing() {
        let began = Instant::now();
        let mut lateness = Lateness::new(began);
        let stopped = Pulse {
            stopped: true,
            ..Pulse::default()
        };
        lateness.beat(began, Some(Pulse::default()));
        lateness.beat(began + seconds(1), Some(Pulse::default()));
        assert_eq!(lateness.reason(), None);
        for second in 2..=40 {
            lateness.beat(began + seconds(second), Some(stopped));
        }
        assert_eq!(lateness.stopped_until_now(), seconds(39));
        assert_eq!(lateness.had(began + seconds(40)), seconds(1));
        assert_eq!(lateness.reason().unwrap(), "QEMU was stopped for 39 s");
        lateness.beat(began + seconds(41), Some(Pulse::default()));
        assert_eq!(lateness.stopped_until_now(), Duration::ZERO);

        let mut lateness = Lateness::new(began);
        lateness.beat(began + seconds(1), None);
        lateness.beat(began + seconds(100), None);
        assert_eq!(lateness.had(began + seconds(100)), seconds(2));
        assert!(lateness.reason().unwrap().contains("stood still for 98 s"));
    }

    #[test]
    fn a_host_that_slept_is_noticed_although_its_clock_did_not_go_on() {
        let began = Instant::now();
        let mut lateness = Lateness::new(began);
        lateness.beat(began, Some(Pulse::default()));
        let slept = Pulse {
            suspended: seconds(3600),
            ..Pulse::default()
        };
        lateness.beat(began + seconds(1), Some(slept));
        assert!(lateness.reason().unwrap().contains("3600 s"));
        assert_eq!(lateness.had(began + seconds(1)), seconds(1));
    }
}
