// SPDX-License-Identifier: GPL-2.0-or-later
//! Finished reports that wait for their turn, or for a panic that follows them.

use super::Report;

/// Reports that wait at most.
const MAX_WAITING: usize = 32;
/// Bytes of the log within which a panic follows a report.
const PANIC_WITHIN: u64 = 1 << 20;

/// Reports in the order in which they began.
#[derive(Default, Clone)]
pub(super) struct Waiting {
    reports: Vec<Report>,
    /// How many, from the first, wait for no panic any more.
    settled: usize,
}

impl Waiting {
    pub(super) fn push(&mut self, report: Report) {
        let start = report.span.start;
        let at = self.reports.partition_point(|r| r.span.start <= start);
        self.settled = self.settled.min(at);
        self.reports.insert(at, report);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }

    /// More may not wait: no report may stay open before them.
    pub(super) fn crowded(&self) -> bool {
        self.reports.len() > MAX_WAITING
    }

    /// The kernel has panicked.
    pub(super) fn panicked(&mut self) {
        for report in self.reports.iter_mut().skip(self.settled) {
            report.panicked = true;
        }
        self.settle();
    }

    /// The kernel that printed them is gone: no panic will follow.
    pub(super) fn settle(&mut self) {
        self.settled = self.reports.len();
    }

    /// Gives what began before `begun`, the first open report, and has nothing to wait for at
    /// byte `at` of the log.
    pub(super) fn give(&mut self, begun: Option<u64>, at: u64, found: &mut dyn FnMut(Report)) {
        let crowd = self.reports.len().saturating_sub(MAX_WAITING);
        let ready = self
            .reports
            .iter()
            .enumerate()
            .take_while(|(index, report)| {
                let settled = *index < self.settled.max(crowd)
                    || report.panicked
                    || report.span.end.saturating_add(PANIC_WITHIN) < at;
                settled && begun.is_none_or(|begun| report.span.start < begun)
            })
            .count();
        self.settled = self.settled.saturating_sub(ready);
        self.reports.drain(..ready).for_each(found);
    }

    pub(super) fn give_all(&mut self, found: &mut dyn FnMut(Report)) {
        self.reports.drain(..).for_each(found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::parse;

    /// A report that lies there in its log.
    fn report(start: u64, end: u64) -> Report {
        let mut report = parse(b"kernel BUG at mm/rmap.c:1!\n").remove(0);
        report.span = start..end;
        report
    }

    fn given(waiting: &mut Waiting, open: Option<u64>, at: u64) -> Vec<(u64, bool)> {
        let mut given = Vec::new();
        waiting.give(open, at, &mut |r: Report| {
            given.push((r.span.start, r.panicked))
        });
        given
    }

    #[test]
    fn nothing_overtakes_what_began_earlier() {
        let mut waiting = Waiting::default();
        waiting.push(report(50, 60));
        waiting.push(report(10, 90));
        waiting.settle();
        assert_eq!(given(&mut waiting, Some(5), 100), []);
        assert_eq!(given(&mut waiting, Some(20), 100), [(10, false)]);
        assert_eq!(given(&mut waiting, None, 100), [(50, false)]);
    }

    #[test]
    fn a_panic_may_follow_for_a_while() {
        let mut waiting = Waiting::default();
        waiting.push(report(10, 90));
        assert_eq!(given(&mut waiting, None, 100), []);
        waiting.panicked();
        assert_eq!(given(&mut waiting, None, 100), [(10, true)]);
        waiting.push(report(110, 190));
        assert_eq!(
            given(&mut waiting, None, 191 + PANIC_WITHIN),
            [(110, false)]
        );
    }

    #[test]
    fn a_crowd_is_let_go() {
        let mut waiting = Waiting::default();
        for at in 0..=MAX_WAITING as u64 {
            waiting.push(report(at, at + 1));
        }
        assert!(waiting.crowded());
        assert_eq!(given(&mut waiting, None, 100), [(0, false)]);
        assert!(!waiting.crowded());
    }
}
