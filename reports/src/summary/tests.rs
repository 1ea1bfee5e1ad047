// SPDX-License-Identifier: GPL-2.0-or-later

use super::*;
use crate::fixture::{self, Build};

fn outcome(run: &Run) -> (Outcome, u8) {
    let outcome = Summary::of(run).outcome;
    (outcome, outcome.exit_code())
}

#[test]
fn all_as_expected() {
    let summary = Summary::of(&fixture::as_expected());
    assert_eq!(summary.outcome.exit_code(), 0);
    assert!(summary.because.is_empty(), "{:?}", summary.because);
    assert_eq!(
        summary.sentence,
        "fixed passed, and all 3 broken variants were caught, each in its expected way: \
         refuse-unmapped, rmap-walk-check, no-guard-anon."
    );
}

#[test]
fn a_contradiction_wins_over_everything() {
    let run = Build::new()
        .cell("fixed", "orphan", 1, |c| {
            c.fail_unexpectedly("KASAN: slab-use-after-free Read in x")
        })
        .cell("fixed", "orphan", 2, |c| c.error("QEMU died."))
        .cell("fixed", "orphan", 3, |c| c.inconclusive())
        .run();
    let summary = Summary::of(&run);
    assert_eq!(summary.outcome, Outcome::Contradiction);
    assert_eq!(
        summary.sentence,
        "fixed under orphan was expected to pass and failed in 1 of 3 seeds."
    );
    assert!(
        summary.because[0].starts_with("6.12.fixed.orphan.1: FAIL, expected to pass."),
        "{:?}",
        summary.because
    );
    assert_eq!(summary.because.len(), 3);
}

#[test]
fn a_broken_variant_that_passes_contradicts() {
    let run = Build::new()
        .cell("no-guard-anon", "orphan", 1, |c| {
            c.expects("KASAN.*").pass_unexpectedly()
        })
        .run();
    assert_eq!(outcome(&run), (Outcome::Contradiction, 1));
}

#[test]
fn errors_and_missing_cells_are_the_harness() {
    for run in [
        Build::new()
            .cell("fixed", "orphan", 1, |c| c.error("QEMU died."))
            .run(),
        Build::new()
            .cell("fixed", "orphan", 1, |c| c)
            .unfinished("fixed", "orphan", 2)
            .run(),
        Build::new()
            .cell("fixed", "orphan", 1, |c| c)
            .unreadable("fixed", "orphan", 2)
            .run(),
        Build::new()
            .cell("fixed", "orphan", 1, |c| c)
            .unavailable("x", "no compiler", false)
            .run(),
    ] {
        assert_eq!(outcome(&run), (Outcome::HarnessError, 4));
    }
    // Even a record that calls its own error expected is no success.
    let mut run = Build::new()
        .cell("fixed", "orphan", 1, |c| c.error("QEMU died."))
        .run();
    if let CellState::Ended(record) = &mut run.cells[0].state {
        record.as_expected = true;
    }
    assert_eq!(outcome(&run), (Outcome::HarnessError, 4));
}

#[test]
fn what_was_not_answered_is_inconclusive() {
    let too_little = Build::new()
        .cell("fixed", "orphan", 1, |c| c.inconclusive())
        .run();
    assert_eq!(outcome(&too_little), (Outcome::Inconclusive, 3));
    let no_patch = Build::new()
        .cell("fixed", "orphan", 1, |c| c)
        .unavailable("no-guard", "hunk 2 of mm/migrate.c", true)
        .unfinished("no-guard", "orphan", 1)
        .run();
    assert_eq!(outcome(&no_patch), (Outcome::Inconclusive, 3));
    assert_eq!(
        Summary::of(&no_patch).sentence,
        "the patch does not apply for 6.12/no-guard."
    );
    assert_eq!(outcome(&Build::new().run()), (Outcome::Inconclusive, 3));
}

#[test]
fn seeds_make_rates() {
    let run = Build::new()
        .cell("fixed", "orphan", 1, |c| c)
        .cell("fixed", "orphan", 2, |c| c)
        .cell("fixed", "orphan", 3, |c| c)
        .cell("bad", "orphan", 1, |c| c.expects("BUG.*").fail("BUG: x"))
        .cell("bad", "orphan", 2, |c| c.expects("BUG.*").inconclusive())
        .cell("bad", "orphan", 3, |c| {
            c.expects("BUG.*").error("QEMU died.")
        })
        .run();
    let summary = Summary::of(&run);
    let Some(Rate::Clean {
        passed: 3,
        total: 3,
        missed_at_most: Some(missed),
    }) = summary.group("6.12", "fixed", "orphan").map(|g| g.rate)
    else {
        panic!("{summary:?}")
    };
    assert!((missed - 0.6316).abs() < 1e-4, "{missed}");
    let Some(Rate::Detection {
        detected: 1,
        total: 2,
        ..
    }) = summary.group("6.12", "bad", "orphan").map(|g| g.rate)
    else {
        panic!("{summary:?}")
    };
}

#[test]
fn one_failure_ends_the_claim_of_a_bound() {
    let run = Build::new()
        .cell("fixed", "orphan", 1, |c| c)
        .cell("fixed", "orphan", 2, |c| c.inconclusive())
        .run();
    assert!(matches!(
        Summary::of(&run).groups[0].rate,
        Rate::Clean {
            passed: 1,
            total: 2,
            missed_at_most: None
        }
    ));
}
