// SPDX-License-Identifier: GPL-2.0-or-later
//! Time limits, scaled by how slow a guest is.

use std::time::Duration;

use crate::guest::command::DETECTED_WITHIN;
use crate::plan::Limits;

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
}

impl Budget {
    /// Limits for a guest that is `slowness` times slower than one that boots in a second.
    pub fn scaled(limits: &Limits, slowness: f64) -> Self {
        // A plan's limits are finite and positive; the cap keeps their product so too.
        let scale =
            |seconds: f64| Duration::from_secs_f64((seconds * slowness).min(7.0 * 86_400.0));
        Self {
            boot: scale(limits.boot),
            workload: scale(limits.workload),
            silence: scale(limits.silence),
            standstill: scale(limits.silence),
            drain: scale(limits.drain),
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
        Self {
            workload: scaled.workload.max(DETECTED_WITHIN),
            silence: scaled.silence.max(DETECTED_WITHIN),
            ..scaled
        }
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
        assert_eq!(budget.workload, DETECTED_WITHIN);
        assert_eq!(budget.silence, DETECTED_WITHIN);
    }

    #[test]
    fn a_given_slowness_wins() {
        let limits = Limits {
            slowness: Some(20.0),
            ..Limits::default()
        };
        let given = Budget::scaled(&limits, 20.0);
        assert_eq!(Budget::assumed(&limits, 8.0), given);
        assert_eq!(Budget::measured(&limits, Duration::from_secs(60)), given);
    }
}
