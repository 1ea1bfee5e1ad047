// SPDX-License-Identifier: GPL-2.0-or-later
//! How likely a defect is to be detected, from a few seeds.

use crate::record::{Expected, Status};
use crate::run::Cell;

/// What the seeds of a group say of the chance to detect a defect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// The variant was expected to fail.
    Detection {
        /// Seeds that failed in the expected way.
        detected: usize,
        /// Seeds that ended without a harness error.
        total: usize,
        /// Wilson's 95 % interval of the detection rate, as shares.
        interval: (f64, f64),
    },
    /// The variant was expected to pass.
    Clean {
        /// Seeds that passed.
        passed: usize,
        /// Seeds that ended without a harness error.
        total: usize,
        /// The largest share of seeds in which a defect may show that these passes would still
        /// have missed with a chance of 5 %; absent when a seed did not pass.
        missed_at_most: Option<f64>,
    },
    /// No seed ended with a verdict.
    Unknown,
}

impl Rate {
    /// Judges the seeds of one group.
    pub(super) fn of(cells: &[&Cell]) -> Self {
        let judged: Vec<_> = cells
            .iter()
            .filter_map(|c| c.result())
            .filter(|r| r.status != Status::Error)
            .collect();
        let total = judged.len();
        if total == 0 {
            Self::Unknown
        } else if judged.iter().all(|r| r.expected == Expected::Clean) {
            let passed = judged.iter().filter(|r| r.status == Status::Pass).count();
            Self::Clean {
                passed,
                total,
                missed_at_most: (passed == total).then(|| missed_at_most(passed)),
            }
        } else {
            let detected = judged
                .iter()
                .filter(|r| r.status == Status::Fail && r.as_expected)
                .count();
            Self::Detection {
                detected,
                total,
                interval: wilson(detected, total),
            }
        }
    }
}

/// The largest share of seeds in which a defect shows that `n` clean seeds miss with a chance of 5 %.
fn missed_at_most(n: usize) -> f64 {
    1.0 - 0.05_f64.powf(1.0 / n as f64)
}

/// Wilson's score interval at 95 % of `hits` in `n` trials, as shares; `n` is not 0.
fn wilson(hits: usize, n: usize) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let n = n as f64;
    let p = hits as f64 / n;
    let scale = 1.0 + Z * Z / n;
    let middle = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    // Rounding must not carry the ends of 0/n and n/n off the ends of the scale.
    let low = if hits == 0 {
        0.0
    } else {
        (middle - spread) / scale
    };
    let high = if p >= 1.0 {
        1.0
    } else {
        (middle + spread) / scale
    };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_agrees_with_published_values() {
        let near = |(low, high): (f64, f64), want: (f64, f64)| {
            assert!(
                (low - want.0).abs() < 5e-4 && (high - want.1).abs() < 5e-4,
                "{low} {high}"
            );
        };
        near(wilson(10, 10), (0.7225, 1.0));
        near(wilson(0, 10), (0.0, 0.2775));
        near(wilson(5, 10), (0.2366, 0.7634));
        near(wilson(81, 263), (0.2553, 0.3662));
    }

    #[test]
    fn a_bound_shrinks_with_clean_seeds() {
        assert!((missed_at_most(1) - 0.95).abs() < 1e-12);
        assert!((missed_at_most(10) - 0.2589).abs() < 1e-4);
    }
}
