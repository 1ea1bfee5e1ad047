// SPDX-License-Identifier: GPL-2.0-or-later
//! Time limits, scaled by how slow a guest is.

use std::time::Duration;

use crate::plan::Limits;

/// After how many seconds the detectors of a guest's kernel take something for hung, of a guest
/// that is no slower than [`PATIENT`].
const DETECT_AFTER: f64 = 60.0;
/// How slow a guest may be before its kernel's detectors have to be more patient.
const PATIENT: f64 = 8.0;
/// The longest that any limit gets.
const LONGEST: f64 = 7.0 * 86_400.0;

/// The limits of one cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// From QEMU's start to readiness.
    pub boot: Duration,
    /// From the workload's start to its end.
    pub workload: Duration,
    /// Without a byte or an event.
    pub silence: Duration,
    /// With QEMU stopped by a signal.
    pub standstill: Duration,
    /// Reading on after the end.
    pub drain: Duration,
    /// After how long the kernel's own detectors are to take something for hung.
    pub detect_after: Duration,
}

impl Budget {
    /// Limits for a guest that is `slowness` times slower than one that boots in a second.
    pub fn scaled(limits: &Limits, slowness: f64) -> Self {
        // A plan's limits are finite and positive; the cap keeps their product so too.
        let scale = |seconds: f64| Duration::from_secs_f64((seconds * slowness).min(LONGEST));
        Self {
            boot: scale(limits.boot),
            workload: scale(limits.workload),
            silence: scale(limits.silence),
            standstill: scale(limits.silence),
            drain: scale(limits.drain),
            detect_after: Duration::from_secs_f64(
                (DETECT_AFTER * (slowness / PATIENT).max(1.0)).min(LONGEST),
            ),
        }
    }

    /// Limits before the boot: by the plan's slowness, or by what is assumed.
    pub fn assumed(limits: &Limits, assumed: f64) -> Self {
        Self::scaled(limits, limits.slowness.unwrap_or(assumed))
    }

    /// Limits after the boot: by the plan's slowness, or by the boot's length.
    /// A fast boot never makes them shorter than the plan's own, and a guest that
    /// hangs is always given the time in which its kernel notices.
    pub fn measured(limits: &Limits, boot: Duration) -> Self {
        let scaled = Self::scaled(
            limits,
            limits
                .slowness
                .unwrap_or_else(|| boot.as_secs_f64().max(1.0)),
        );
        let detected = scaled.detected_within();
        Self {
            workload: scaled.workload.max(detected),
            silence: scaled.silence.max(detected),
            ..scaled
        }
    }

    /// How long a guest may hang before its kernel's own detectors have said so: twice
    /// the time of the hung task detector, which looks no more often, and some.
    fn detected_within(&self) -> Duration {
        self.detect_after * 2 + Duration::from_secs(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_boot_stretches_the_limits() {
        let limits = Limits::default();
        let budget = Budget::measured(&limits, Duration::from_secs(60));
        assert_eq!(
            budget.workload,
            Duration::from_secs_f64(limits.workload * 60.0)
        );
    }

    #[test]
    fn a_fast_guest_still_has_the_time_to_notice_that_it_hangs() {
        let budget = Budget::measured(&Limits::default(), Duration::from_millis(300));
        assert_eq!(budget.detect_after, Duration::from_secs(60));
        assert_eq!(budget.workload, Duration::from_secs(130));
        assert_eq!(budget.silence, Duration::from_secs(130));
    }

    #[test]
    fn the_detectors_of_a_slow_guest_are_given_more_time_and_so_is_the_guest() {
        let budget = Budget::measured(&Limits::default(), Duration::from_secs(80));
        assert_eq!(budget.detect_after, Duration::from_secs(600));
        assert!(budget.silence > budget.detect_after * 2);
    }

    #[test]
    fn a_given_slowness_wins() {
        let limits = Limits {
            slowness: Some(20.0),
            ..Limits::default()
        };
        let given = Budget::scaled(&limits, 20.0);
        assert_eq!(Budget::assumed(&limits, 8.0), given);
        let measured = |boot| Budget::measured(&limits, Duration::from_secs(boot));
        assert_eq!(measured(60), measured(1));
        assert_eq!(measured(60).workload, given.workload);
    }
}
