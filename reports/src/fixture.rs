// SPDX-License-Identifier: GPL-2.0-or-later
//! Runs made of records, for tests.

use std::collections::BTreeMap;

use crate::record::*;
use crate::run::{Cell, CellState, Run};

/// A run in the making.
pub(crate) struct Build(Run);

/// A cell in the making: clean and as expected until told otherwise.
pub(crate) struct CellBuild(CellRecord);

impl Build {
    pub(crate) fn new() -> Self {
        let record = RunRecord {
            format: FORMAT,
            id: "2026-11-25T07-00-00Z".to_owned(),
            plan: "first-light".to_owned(),
            seeds: None,
            started: "2026-11-25T07:00:00Z".parse().unwrap(),
            finished: Some("2026-11-25T07:01:21Z".parse().unwrap()),
            host: HostRecord {
                cpus: 2,
                memory_mib: 24_576,
                qemu: "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)".to_owned(),
                accelerator: "tcg".to_owned(),
                accelerator_reason: "/dev/kvm opens, but a tiny guest did not run in it within 2 s"
                    .to_owned(),
            },
            kernels: BTreeMap::new(),
            cells: Vec::new(),
        };
        Self(Run {
            record,
            cells: Vec::new(),
        })
    }

    fn push(
        mut self,
        variant: &str,
        workload: &str,
        seed: u64,
        state: impl FnOnce(CellId) -> CellState,
    ) -> Self {
        let id = CellId {
            line: "6.12".into(),
            variant: variant.into(),
            workload: workload.into(),
            seed,
        };
        self.0.record.cells.push(id.clone());
        self.0
            .record
            .kernels
            .entry(format!("6.12/{variant}"))
            .or_insert_with(|| KernelRecord::Ready {
                key: "b1f3c27e90ad4415".to_owned(),
                source: "linux-source-6.12 6.12.117-1~bpo12+1".to_owned(),
                release: format!("6.12.117-swapmig-{variant}"),
                vmlinux: "/var/cache/swapmig/kernels/b1f3c27e90ad4415/vmlinux".to_owned(),
                build_seconds: if variant == "fixed" { 383.4 } else { 27.2 },
            });
        self.0.cells.push(Cell {
            id: id.clone(),
            state: state(id),
        });
        self
    }

    pub(crate) fn cell(
        self,
        variant: &str,
        workload: &str,
        seed: u64,
        edit: impl FnOnce(CellBuild) -> CellBuild,
    ) -> Self {
        self.push(variant, workload, seed, |id| {
            CellState::Ended(Box::new(edit(CellBuild::new(id)).0))
        })
    }

    pub(crate) fn unfinished(self, variant: &str, workload: &str, seed: u64) -> Self {
        self.push(variant, workload, seed, |_| CellState::Unfinished)
    }

    pub(crate) fn unreadable(self, variant: &str, workload: &str, seed: u64) -> Self {
        self.push(variant, workload, seed, |id| {
            CellState::Unreadable(format!("cells/{id}/cell.json:1:17: invalid type"))
        })
    }

    pub(crate) fn unavailable(mut self, variant: &str, reason: &str, does_not_apply: bool) -> Self {
        let record = KernelRecord::Unavailable {
            reason: reason.to_owned(),
            does_not_apply,
        };
        self.0
            .record
            .kernels
            .insert(format!("6.12/{variant}"), record);
        self
    }

    pub(crate) fn run(self) -> Run {
        self.0
    }
}

impl CellBuild {
    fn new(cell: CellId) -> Self {
        let class = match cell.workload.as_str() {
            "reread" => Class::M,
            "tmpfs" => Class::U2,
            _ => Class::U4,
        };
        let moved = 1_100 + cell.seed * 137;
        let at = |share: u64| {
            let moved = moved * share / 8;
            BTreeMap::from([
                (
                    class,
                    ClassCounts {
                        attempted: moved + moved / 9,
                        moved,
                    },
                ),
                (
                    Class::U1,
                    ClassCounts {
                        attempted: moved / 12,
                        moved: moved / 14,
                    },
                ),
            ])
        };
        let samples = (0..=8)
            .map(|i| Sample {
                at_ms: i * 900 + i * i * 11,
                classes: at((i * i / 8).min(8)),
                vmstat: BTreeMap::new(),
            })
            .collect();
        let zone = "Node 0, zone    DMA32     12      7      3      9     41     20     11      6      2      1     60 \n";
        let swap = |used: u64| {
            format!(
                "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/vda                                partition\t524284\t\t{used}\t\t-2\n"
            )
        };
        Self(CellRecord {
            format: FORMAT,
            cell,
            status: Status::Pass,
            reasons: vec![
                "No finding, every page verified, and every named class migrated often enough."
                    .to_owned(),
            ],
            expected: Expected::Clean,
            as_expected: true,
            findings: Vec::new(),
            classes: at(8),
            at_least: BTreeMap::from([(class, 1_000)]),
            pages_verified: 24_576,
            ended: Ended::Done,
            timing: Timing {
                boot_ms: Some(230),
                restored: false,
                workload_ms: Some(7_900),
                finding_ms: None,
                total_ms: 8_410,
            },
            host_late: None,
            attempts: Vec::new(),
            samples,
            vmstat: BTreeMap::from([
                ("pgmigrate_success".to_owned(), (12, 13_911)),
                ("pgmigrate_fail".to_owned(), (0, 301)),
                ("pswpout".to_owned(), (0, 40_960)),
                ("nr_free_pages".to_owned(), (101_234, 98_123)),
            ]),
            buddyinfo: (zone.to_owned(), zone.replace("60", "82")),
            swaps: (swap(0), swap(163_840)),
        })
    }

    pub(crate) fn edit(mut self, edit: impl FnOnce(&mut CellRecord)) -> Self {
        edit(&mut self.0);
        self
    }

    pub(crate) fn expects(self, title: &str) -> Self {
        self.edit(|c| {
            c.expected = Expected::Titles {
                titles: vec![title.to_owned()],
            }
        })
    }

    pub(crate) fn fail(self, title: &str) -> Self {
        self.edit(|c| {
            c.status = Status::Fail;
            c.reasons = vec![format!("The kernel reported: {title}.")];
            c.ended = Ended::StoppedAfterFinding;
            c.findings.push(finding(title));
            c.timing.finding_ms = Some(1_400);
            c.timing.workload_ms = Some(1_420);
            for counts in c.classes.values_mut() {
                *counts = ClassCounts {
                    attempted: counts.attempted / 9,
                    moved: counts.moved / 9,
                };
            }
            c.samples.truncate(3);
        })
    }

    pub(crate) fn fail_unexpectedly(self, title: &str) -> Self {
        self.fail(title).edit(|c| c.as_expected = false)
    }

    pub(crate) fn refuses(self, class: Class) -> Self {
        self.edit(|c| {
            c.status = Status::Fail;
            c.expected = Expected::Refused {
                classes: vec![class],
            };
            let counts = ClassCounts {
                attempted: 2_231,
                moved: 0,
            };
            c.classes = BTreeMap::from([(class, counts)]);
            c.samples
                .iter_mut()
                .for_each(|s| s.classes = BTreeMap::from([(class, ClassCounts::default())]));
            c.reasons = vec![format!(
                "Class {class} was tried 2,231 times and never moved."
            )];
            c.findings = vec![Finding {
                kind: FindingKind::Refused,
                text: String::new(),
                stacks: Vec::new(),
                task: None,
                at_ms: Some(7_900),
                ..finding(&format!("migration of {class} refused"))
            }];
        })
    }

    pub(crate) fn pass_unexpectedly(self) -> Self {
        self.edit(|c| c.as_expected = false)
    }

    pub(crate) fn inconclusive(self) -> Self {
        self.edit(|c| {
            (c.status, c.as_expected) = (Status::Inconclusive, false);
            c.reasons =
                vec!["Class U4 migrated 12 times, the plan wants at least 1,000.".to_owned()];
            c.classes.values_mut().for_each(|n| {
                *n = ClassCounts {
                    attempted: 14,
                    moved: 12,
                }
            });
        })
    }

    pub(crate) fn error(self, reason: &str) -> Self {
        self.edit(|c| {
            (c.status, c.as_expected) = (Status::Error, false);
            c.reasons = vec![reason.to_owned()];
            c.ended = Ended::Dead {
                reason: reason.to_owned(),
            };
            c.classes.clear();
            c.samples.clear();
            c.timing = Timing {
                total_ms: 512,
                ..Timing::default()
            };
        })
    }

    pub(crate) fn corrupted(self, why: &str) -> Self {
        self.edit(|c| {
            c.findings
                .iter_mut()
                .for_each(|f| f.corrupted = Some(why.to_owned()))
        })
    }

    pub(crate) fn later(self, title: &str) -> Self {
        self.edit(|c| c.findings.push(finding(title)))
    }
}

fn frame(function: &str, place: Option<(&str, u32)>, inlined: bool) -> FrameRecord {
    FrameRecord {
        function: function.to_owned(),
        printed: (!inlined).then(|| format!("{function}+0x1a3/0x420")),
        file: place.map(|(file, _)| file.to_owned()),
        line: place.map(|(_, line)| line),
        inlined,
        guilty: false,
    }
}

pub(crate) fn finding(title: &str) -> Finding {
    let access = vec![
        frame(
            "__down_read_trylock",
            Some(("kernel/locking/rwsem.c", 1303)),
            true,
        ),
        frame(
            "down_read_trylock",
            Some(("kernel/locking/rwsem.c", 1574)),
            false,
        ),
        frame(
            "anon_vma_trylock_read",
            Some(("include/linux/rmap.h", 132)),
            true,
        ),
        FrameRecord {
            guilty: true,
            ..frame("rmap_walk_anon", Some(("mm/rmap.c", 2601)), false)
        },
        frame("remove_migration_ptes", Some(("mm/migrate.c", 352)), false),
        frame("migrate_folio_move", Some(("mm/migrate.c", 1392)), true),
        frame("migrate_pages_batch", Some(("mm/migrate.c", 1899)), false),
        frame("migrate_pages", Some(("mm/migrate.c", 2091)), false),
        frame("compact_zone", Some(("mm/compaction.c", 2667)), false),
        frame("entry_SYSCALL_64_after_hwframe", None, false),
    ];
    let freed = vec![
        frame("kmem_cache_free", Some(("mm/slub.c", 4681)), false),
        frame("unlink_anon_vmas", Some(("mm/rmap.c", 443)), false),
        frame("free_pgtables", Some(("mm/memory.c", 408)), false),
        frame("exit_mmap", Some(("mm/mmap.c", 1899)), false),
    ];
    Finding {
        kind: FindingKind::Trace,
        title: title.to_owned(),
        alt_titles: Vec::new(),
        at_ms: Some(1_400),
        corrupted: None,
        text: format!(
            "==================================================================\n[    9.381234][   T71] {title}+0x1a3/0x420\n[    9.381240][   T71] Read of size 8 at addr ffff888011a4b0d8 by task swapmig/71\n"
        ),
        task: Some("swapmig/71".to_owned()),
        stacks: vec![
            StackRecord {
                role: "access".to_owned(),
                frames: access,
            },
            StackRecord {
                role: "freed".to_owned(),
                frames: freed,
            },
        ],
    }
}

const KASAN: &str = "KASAN: slab-use-after-free Read in rmap_walk_anon";
const ENTRY: &str = "kernel BUG in migration_entry_wait_on_locked";

/// Four variants, three workloads, three seeds, all well.
pub(crate) fn as_expected() -> Run {
    let mut build = Build::new();
    for seed in 1..=3 {
        for workload in ["orphan", "reread", "tmpfs"] {
            build = build.cell("fixed", workload, seed, |c| c);
        }
        build = build
            .cell("refuse-unmapped", "orphan", seed, |c| c.refuses(Class::U4))
            .cell("rmap-walk-check", "reread", seed, |c| {
                c.expects("kernel BUG in .*").fail(ENTRY)
            })
            .cell("no-guard-anon", "orphan", seed, |c| {
                c.expects("KASAN: .*")
                    .fail(KASAN)
                    .later("WARNING in down_read_trylock")
                    .later("general protection fault in rmap_walk_anon")
            });
    }
    build.run()
}

/// A killed run: cells that never ended, a result that cannot be read, a patch that does not apply.
pub(crate) fn unfinished() -> Run {
    let mut run = Build::new()
        .cell("fixed", "orphan", 1, |c| c)
        .cell("fixed", "reread", 1, |c| c.inconclusive())
        .unfinished("fixed", "tmpfs", 1)
        .cell("no-guard-anon", "orphan", 1, |c| {
            c.expects("KASAN: .*").fail(KASAN)
        })
        .unfinished("no-guard-anon", "orphan", 2)
        .unavailable(
            "skip-unmap-only",
            "skip-unmap-only.patch: hunk 2 of mm/migrate.c does not apply",
            true,
        )
        .unfinished("skip-unmap-only", "orphan", 1)
        .run();
    run.record.finished = None;
    run
}

/// Guests that attack the reader of the report.
pub(crate) fn hostile() -> Run {
    let attack = "KASAN: </pre></details><script>alert(1)</script> \x1b[2J\x1b]0;pwned\x07 \u{202e}gnp.exe\" onload='x'";
    Build::new()
        .cell("fixed", "orphan", 1, |c| {
            c.fail_unexpectedly(attack).edit(|c| {
                c.reasons = vec![attack.to_owned(), "x".repeat(100_000)];
                c.findings[0].text = format!("{attack}\n{}", "A".repeat(200_000));
                c.findings[0].task = Some(attack.to_owned());
                c.findings[0].stacks[0].frames[0].function = attack.to_owned();
                c.findings[0].stacks[0].frames[0].file = Some(attack.to_owned());
                c.findings[0].stacks[0].role = attack.to_owned();
                c.findings[0].corrupted = Some(attack.to_owned());
                c.buddyinfo.0 = attack.to_owned();
                c.vmstat.insert(attack.to_owned(), (0, u64::MAX));
                c.ended = Ended::Garbage {
                    reason: attack.to_owned(),
                };
            })
        })
        .cell("fixed", "orphan", 2, |c| c.error(attack))
        .unavailable("no-guard", attack, false)
        .run()
}
