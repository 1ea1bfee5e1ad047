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
/// However busy the host, a limit is never prolonged beyond four times its length.
const REFUSED_MOST: f64 = 0.75;

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
        self.refused += since.mul_f64(refused.min(REFUSED_MOST));
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
        self.still + self.refused
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
    if span <= 0.0 {
        return 0.0;
    }
    let more = |after: Duration, before: Duration| after.saturating_sub(before).as_secs_f64();
    let ran = more(now.ran, before.ran);
    let waited = more(now.waited, before.waited) + f64::from(now.blocked) * span;
    let wanted = ran + waited;
    if wanted <= 0.0 {
        return 0.0;
    }
    let kept = 1.0 - waited / wanted;
    let here = 1.0 - (more(now.stolen, before.stolen) / span).min(1.0);
    // A guest that sleeps loses little, however long it then waits for its turn.
    (1.0 - kept * here) * (wanted / span).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A guest whose threads got `ran` and waited for `waited` per cent of each second.
    fn after(beats: u32, ran: u32, waited: u32) -> (Lateness, Instant) {
        let began = Instant::now();
        let mut lateness = Lateness::new(began);
        let mut pulse = Pulse::default();
        lateness.beat(began, Some(pulse));
        for second in 1..=beats {
            pulse.ran += Duration::from_millis(u64::from(ran) * 10);
            pulse.waited += Duration::from_millis(u64::from(waited) * 10);
            lateness.beat(began + seconds(second.into()), Some(pulse));
        }
        (lateness, began + seconds(beats.into()))
    }

    #[test]
    fn a_guest_that_gets_all_that_it_wants_or_half_of_it_is_not_late() {
        for (ran, waited) in [(100, 0), (200, 0), (0, 0), (100, 100), (1, 9)] {
            let (lateness, _) = after(120, ran, waited);
            assert_eq!(lateness.reason(), None, "{ran} {waited}");
        }
        let (lateness, now) = after(120, 100, 0);
        assert_eq!(lateness.had(now), seconds(120));
    }

    #[test]
    fn a_guest_that_is_refused_its_time_has_longer_limits_but_not_for_ever() {
        let (lateness, now) = after(120, 10, 190);
        let reason = lateness.reason().unwrap();
        assert!(reason.contains("overloaded"), "{reason}");
        assert_eq!(lateness.had(now), seconds(30), "a quarter at the least");
        assert_eq!(lateness.when(seconds(30)), now);
        let (lateness, now) = after(100, 50, 50);
        assert_eq!(lateness.had(now).as_secs(), 50);
    }

    #[test]
    fn a_guest_that_waits_for_the_hosts_disk_or_shares_its_hardware_is_late_too() {
        let began = Instant::now();
        let beats = |change: fn(&mut Pulse)| {
            let mut lateness = Lateness::new(began);
            let mut pulse = Pulse::default();
            for second in 0..60 {
                lateness.beat(began + seconds(second), Some(pulse));
                change(&mut pulse);
            }
            lateness.reason()
        };
        let disk = beats(|pulse| pulse.blocked = 2);
        assert!(disk.is_some());
        let stolen = beats(|pulse| {
            pulse.ran += seconds(2);
            pulse.stolen += Duration::from_millis(900);
        });
        assert!(stolen.is_some());
    }

    #[test]
    fn a_moment_of_hardship_is_nothing() {
        assert_eq!(after(10, 0, 200).0.reason(), None);
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
