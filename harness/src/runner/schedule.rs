// SPDX-License-Identifier: GPL-2.0-or-later
//! What to do next, so that a plan is done soonest. Pure: the dispatcher does it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use swapmig_reports::record::CellId;
use tokio::time::Instant;

use super::kernels::kernel_name;
use crate::plan::PlannedCell;

/// Something that takes a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Boot the kernel of this cell, so that its cells need not.
    Save(PlannedCell),
    /// Run a cell.
    Run(PlannedCell),
}

/// The cells that are left, and what is known of how long they take.
///
/// Kernels are saved first, for all else waits for that. Then the longest cell comes first: what is
/// left for the end is short, and no guest works alone for long while the others' places are empty.
/// A cell of which nothing is known comes before all that are known.
#[derive(Debug)]
pub(super) struct Schedule {
    /// In the order of the plan.
    waiting: Vec<PlannedCell>,
    /// Kernels that are yet to be saved.
    unsaved: Vec<PlannedCell>,
    /// Kernels whose boot has not ended.
    saving: BTreeMap<String, Instant>,
    running: BTreeMap<CellId, Instant>,
    known: Known,
}

impl Schedule {
    /// Of these cells; `saves` says whether kernels are saved at all.
    pub(super) fn new(cells: Vec<PlannedCell>, saves: bool) -> Self {
        let mut work: BTreeMap<String, (usize, PlannedCell)> = BTreeMap::new();
        for cell in cells.iter().filter(|_| saves) {
            let of_kernel = work.entry(kernel_name(&cell.id));
            of_kernel.or_insert_with(|| (0, cell.clone())).0 += 1;
        }
        let mut unsaved: Vec<_> = work.into_values().collect();
        // Taken from the end: the kernel with the most cells first.
        unsaved.sort_by_key(|(cells, _)| *cells);
        Self {
            waiting: cells,
            unsaved: unsaved.into_iter().map(|(_, cell)| cell).collect(),
            saving: BTreeMap::new(),
            running: BTreeMap::new(),
            known: Known::default(),
        }
    }

    /// Takes note of how long a cell took in this run's past.
    pub(super) fn learn(&mut self, cell: &CellId, took: Duration) {
        self.known.learn(cell, took);
    }

    /// The next step that can be taken now; none when all that is left waits for a kernel.
    pub(super) fn next(&mut self, now: Instant) -> Option<Step> {
        if let Some(cell) = self.unsaved.pop() {
            self.saving.insert(kernel_name(&cell.id), now);
            return Some(Step::Save(cell));
        }
        let longest = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, cell)| !self.saving.contains_key(&kernel_name(&cell.id)))
            .max_by_key(|(at, cell)| {
                let takes = self.known.of(&cell.id);
                (takes.is_none(), takes, Reverse(*at))
            })?
            .0;
        let cell = self.waiting.remove(longest);
        self.running.insert(cell.id.clone(), now);
        Some(Step::Run(cell))
    }

    /// A kernel is saved, or it is known that it won't be.
    pub(super) fn saved(&mut self, kernel: &str) {
        self.saving.remove(kernel);
    }

    /// A cell has ended.
    pub(super) fn ended(&mut self, cell: &CellId, now: Instant) {
        if let Some(began) = self.running.remove(cell) {
            self.known.learn(cell, now.duration_since(began));
        }
    }

    /// How long all that is left takes with so many guests at once; none while nothing is known.
    pub(super) fn time_left(&self, guests: usize, now: Instant) -> Option<Duration> {
        let usual = self.known.usual()?;
        let takes = |cell: &CellId| self.known.of(cell).unwrap_or(usual);
        // When each place is free again.
        let mut places: BinaryHeap<Reverse<Duration>> = self
            .running
            .iter()
            .map(|(cell, began)| Reverse(takes(cell).saturating_sub(now.duration_since(*began))))
            .collect();
        while places.len() < guests {
            places.push(Reverse(Duration::ZERO));
        }
        let mut left: Vec<Duration> = self.waiting.iter().map(|cell| takes(&cell.id)).collect();
        left.sort_unstable_by_key(|&takes| Reverse(takes));
        for takes in left {
            if let Some(Reverse(free)) = places.pop() {
                places.push(Reverse(free + takes));
            }
        }
        places.into_iter().map(|Reverse(free)| free).max()
    }
}

/// How long cells took, by kernel and workload: seeds hardly matter.
#[derive(Debug, Default)]
struct Known(BTreeMap<(String, String), Mean>);

#[derive(Debug, Default, Clone, Copy)]
struct Mean {
    sum: Duration,
    number: u32,
}

impl Mean {
    fn add(&mut self, took: Duration) {
        self.sum += took;
        self.number += 1;
    }

    fn value(self) -> Option<Duration> {
        self.sum.checked_div(self.number)
    }
}

impl Known {
    fn learn(&mut self, cell: &CellId, took: Duration) {
        let key = (kernel_name(cell), cell.workload.clone());
        self.0.entry(key).or_default().add(took);
    }

    fn of(&self, cell: &CellId) -> Option<Duration> {
        let key = (kernel_name(cell), cell.workload.clone());
        self.0.get(&key)?.value()
    }

    /// Over all cells.
    fn usual(&self) -> Option<Duration> {
        let mut all = Mean::default();
        for mean in self.0.values() {
            all.sum += mean.sum;
            all.number += mean.number;
        }
        all.value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swapmig_workloads::protocol::Workload;

    fn cells(variant: &str, workload: Workload, seeds: u64) -> Vec<PlannedCell> {
        let cell = |seed| PlannedCell {
            id: CellId {
                line: "6.12".into(),
                variant: variant.into(),
                workload: workload.name().into(),
                seed,
            },
            workload,
            at_least: BTreeMap::new(),
            params: BTreeMap::new(),
        };
        (1..=seeds).map(cell).collect()
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Works a schedule off with so many guests; when it was done, and the order of its cells.
    fn work_off(
        mut schedule: Schedule,
        guests: usize,
        takes: impl Fn(&CellId) -> Duration,
    ) -> (Duration, Vec<CellId>) {
        let began = Instant::now();
        let (mut now, mut order) = (began, Vec::new());
        let mut busy: Vec<(Instant, Step)> = Vec::new();
        loop {
            while busy.len() < guests {
                let Some(step) = schedule.next(now) else {
                    break;
                };
                let took = match &step {
                    Step::Save(_) => seconds(4),
                    Step::Run(cell) => {
                        order.push(cell.id.clone());
                        takes(&cell.id)
                    }
                };
                busy.push((now + took, step));
            }
            busy.sort_by_key(|(end, _)| Reverse(*end));
            let Some((end, step)) = busy.pop() else {
                return (now.duration_since(began), order);
            };
            now = end;
            match step {
                Step::Save(cell) => schedule.saved(&kernel_name(&cell.id)),
                Step::Run(cell) => schedule.ended(&cell.id, now),
            }
        }
    }

    #[test]
    fn every_cell_is_run_once_and_its_kernel_is_saved_before() {
        let all = [
            cells("fixed", Workload::Orphan, 3),
            cells("b", Workload::Tmpfs, 2),
        ]
        .concat();
        for saves in [false, true] {
            let mut schedule = Schedule::new(all.clone(), saves);
            let mut saved = Vec::new();
            let mut run = Vec::new();
            while let Some(step) = schedule.next(Instant::now()) {
                match step {
                    Step::Save(cell) => saved.push(kernel_name(&cell.id)),
                    Step::Run(cell) => run.push(cell.id),
                }
                if saved.len() == 2 {
                    saved.iter().for_each(|kernel| schedule.saved(kernel));
                }
            }
            assert_eq!(saved.len(), if saves { 2 } else { 0 });
            run.sort();
            run.dedup();
            assert_eq!(run.len(), 5);
        }
    }

    #[test]
    fn a_cell_waits_for_its_own_kernel_only() {
        let all = [
            cells("a", Workload::Orphan, 2),
            cells("b", Workload::Orphan, 1),
        ]
        .concat();
        let mut schedule = Schedule::new(all, true);
        let now = Instant::now();
        for _ in 0..2 {
            assert!(matches!(schedule.next(now), Some(Step::Save(_))));
        }
        assert_eq!(schedule.next(now), None);
        schedule.saved("6.12/b");
        assert!(matches!(schedule.next(now), Some(Step::Run(cell)) if cell.id.variant == "b"));
        assert_eq!(schedule.next(now), None);
    }

    #[test]
    fn the_longest_come_first_once_they_are_known_and_the_unknown_before_them() {
        let all = [
            cells("fixed", Workload::Tmpfs, 6),
            cells("fixed", Workload::Orphan, 3),
            cells("fixed", Workload::Reread, 1),
        ]
        .concat();
        let takes = |cell: &CellId| match cell.workload.as_str() {
            "tmpfs" => seconds(2),
            "orphan" => seconds(6),
            _ => seconds(20),
        };
        let (took, order) = work_off(Schedule::new(all.clone(), false), 1, takes);
        assert_eq!(took, seconds(50));
        let names: Vec<_> = order.iter().map(|cell| cell.workload.as_str()).collect();
        assert_eq!(names[..3], ["tmpfs", "orphan", "reread"]);
        assert_eq!(names[3..5], ["orphan", "orphan"]);
        // A run that goes on knows from the start, and is done as soon as can be.
        let mut known = Schedule::new(all.clone(), false);
        all.iter()
            .for_each(|cell| known.learn(&cell.id, takes(&cell.id)));
        assert_eq!(
            work_off(known, 2, takes).0,
            seconds(26),
            "20 + 6 beside 12 + 12"
        );
    }

    #[test]
    fn the_time_left_is_known_after_the_first_cell() {
        let mut schedule = Schedule::new(cells("fixed", Workload::Tmpfs, 5), false);
        let began = Instant::now();
        assert_eq!(schedule.time_left(2, began), None);
        let Some(Step::Run(first)) = schedule.next(began) else {
            panic!("a cell can be run");
        };
        schedule.next(began);
        schedule.ended(&first.id, began + seconds(10));
        // Three wait, and the second is about to end: two more rounds of ten seconds.
        assert_eq!(
            schedule.time_left(2, began + seconds(10)),
            Some(seconds(20))
        );
    }
}
