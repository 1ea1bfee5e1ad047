// SPDX-License-Identifier: GPL-2.0-or-later
//! The runner against a scripted guest: every way to end, in milliseconds.

#[path = "support/fake_guest.rs"]
mod fake_guest;

use std::collections::BTreeMap;
use std::time::Duration;

use fake_guest::{Act, FakeGuest};
use swapmig::event::CellEvent;
use swapmig::guest::Signal;
use swapmig::host::Pulse;
use swapmig::plan::{Limits, Machine};
use swapmig::runner::executor::{Restored, Task, execute};
use swapmig::runner::hang::Asking;
use swapmig::runner::observation::Observation;
use swapmig_reports::record::Ended;
use swapmig_workloads::protocol::{self, Event, Job, Mismatch, Probe, Workload};

const SOON: Duration = Duration::from_millis(10);

fn say(signal: Signal) -> Act {
    Act::Say(SOON, signal)
}

fn event(event: Event) -> Act {
    say(Signal::Event(event))
}

fn console(text: &str) -> Act {
    say(Signal::Console(text.as_bytes().to_vec()))
}

fn ready() -> Act {
    event(Event::Ready {
        version: protocol::VERSION,
        release: "6.12.0".into(),
        cpus: 2,
        memory_kib: 400_000,
    })
}

fn begun() -> Vec<Act> {
    vec![
        console("[    0.000000][    T0] Linux version 6.12.0\n"),
        ready(),
        console("[    2.000000][    T1] swapmig: workload orphan begins\n"),
        event(Event::Started {
            workload: Workload::Orphan,
            params: BTreeMap::new(),
        }),
    ]
}

fn with(mut script: Vec<Act>, more: Vec<Act>) -> Vec<Act> {
    script.extend(more);
    script
}

/// A report in the shape of the kernel's own.
const WARNING: &str = "\
[    3.000000][   T42] ------------[ cut here ]------------
[    3.000001][   T42] WARNING: CPU: 0 PID: 42 at mm/rmap.c:100 rmap_walk_anon+0x10/0x20
[    3.000002][   T42] CPU: 0 UID: 0 PID: 42 Comm: swapmig-guest Not tainted 6.12.0 #1
[    3.000003][   T42] RIP: 0010:rmap_walk_anon+0x10/0x20
[    3.000004][   T42] Call Trace:
[    3.000005][   T42]  <TASK>
[    3.000006][   T42]  remove_migration_ptes+0x10/0x20
[    3.000007][   T42]  migrate_pages_batch+0x10/0x20
[    3.000008][   T42]  </TASK>
[    3.000009][   T42] ---[ end trace 0000000000000000 ]---
";

const PANIC: &str = "\
[    1.000000][    T1] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)
[    1.000001][    T1] CPU: 0 UID: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.0 #1
[    1.000002][    T1] Call Trace:
[    1.000003][    T1]  <TASK>
[    1.000004][    T1]  panic+0x10/0x20
[    1.000005][    T1]  mount_root_generic+0x10/0x20
[    1.000006][    T1]  </TASK>
[    1.000007][    T1] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) ]---
";

struct Ran {
    seen: Observation,
    guest: FakeGuest,
    told: Vec<CellEvent>,
    diagnosis: Vec<(String, Vec<u8>)>,
    took: Duration,
}

async fn run_guest(guest: FakeGuest) -> Ran {
    run_restored(guest, None).await
}

async fn run_restored(mut guest: FakeGuest, restored: Option<Restored>) -> Ran {
    let job = Job {
        version: protocol::VERSION,
        workload: Workload::Orphan,
        seed: 1,
        params: BTreeMap::new(),
        probes: vec![Probe {
            name: "moved_u4".into(),
            definition: String::new(),
            filter: String::new(),
        }],
        sample_ms: 1000,
        wake: None,
        detect_after_seconds: None,
    };
    let limits = Limits::default();
    let machine = Machine::default();
    let task = Task {
        job: &job,
        machine: &machine,
        limits: &limits,
        assumed_slowness: 2.0,
        restored,
        asking: Asking::default(),
    };
    let mut told = Vec::new();
    let started = tokio::time::Instant::now();
    let outcome = execute(&mut guest, &task, &mut |event| told.push(event)).await;
    Ran {
        took: started.elapsed(),
        seen: outcome.observation,
        diagnosis: outcome.diagnosis,
        guest,
        told,
    }
}

async fn run(script: Vec<Act>) -> Ran {
    run_guest(FakeGuest::new(script)).await
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_ends_is_done_and_counted() {
    let ran = run(with(
        begun(),
        vec![
            event(Event::Verified { pages: 7 }),
            event(Event::Sample {
                at_ms: 5,
                probes: BTreeMap::from([("moved_u4".into(), 3), ("unasked".into(), 9)]),
                vmstat: BTreeMap::new(),
            }),
            event(Event::Done { elapsed_ms: 6 }),
        ],
    ))
    .await;
    assert_eq!(ran.seen.ended, Ended::Done);
    assert_eq!(ran.seen.verified, 7);
    let counted = BTreeMap::from([("moved_u4".to_owned(), 3)]);
    assert_eq!(ran.seen.final_probes(), counted, "only what was asked for");
    assert_eq!(ran.seen.timing.workload_ms, Some(6));
    assert_eq!(ran.guest.job.map(|job| job.seed), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_at_boot_is_told_at_once_and_by_its_title() {
    let ran = run(vec![
        console(PANIC),
        say(Signal::Reset),
        say(Signal::Exited { reason: "0".into() }),
    ])
    .await;
    let Ended::BootFailed { reason } = &ran.seen.ended else {
        panic!("{:?}", ran.seen.ended)
    };
    assert!(
        reason.contains("panicked") && reason.contains("VFS"),
        "{reason}"
    );
    assert!(ran.took < Duration::from_secs(1), "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn a_qemu_that_dies_is_no_panic() {
    let reason = "QEMU ended (signal: 9)".to_owned();
    for script in [vec![], begun()] {
        let ran = run(with(
            script,
            vec![say(Signal::Exited {
                reason: reason.clone(),
            })],
        ))
        .await;
        assert_eq!(
            ran.seen.ended,
            Ended::Dead {
                reason: reason.clone()
            }
        );
        assert!(ran.took < Duration::from_secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_of_the_host_is_told_at_once() {
    let reason = "the host could not serve the swap disk: No space left on device".to_owned();
    let full = say(Signal::HostFailed {
        reason: reason.clone(),
    });
    let ran = run(with(begun(), vec![full, Act::Hush])).await;
    assert_eq!(ran.seen.ended, Ended::Dead { reason });
    assert!(ran.took < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_reboots_without_a_word_is_neither() {
    let ran = run(with(
        begun(),
        vec![
            say(Signal::Reset),
            say(Signal::Exited {
                reason: String::new(),
            }),
        ],
    ))
    .await;
    assert_eq!(ran.seen.ended, Ended::Rebooted);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_the_workload_runs_is_a_panic() {
    let ran = run(with(
        begun(),
        vec![
            console(PANIC),
            say(Signal::Reset),
            say(Signal::Exited {
                reason: String::new(),
            }),
        ],
    ))
    .await;
    assert_eq!(ran.seen.ended, Ended::Panicked);
}

#[tokio::test(start_paused = true)]
async fn silence_at_boot_and_silence_at_work_have_their_own_names() {
    let ran = run(vec![console("Linux version\n"), Act::Hush]).await;
    assert!(
        matches!(&ran.seen.ended, Ended::BootFailed { reason } if reason.contains("silent")),
        "{:?}",
        ran.seen.ended
    );
    let ran = run(with(begun(), vec![Act::Hush])).await;
    assert!(
        matches!(ran.seen.ended, Ended::Silent { .. }),
        "{:?}",
        ran.seen.ended
    );
    assert_eq!(ran.guest.asked.len(), 1, "a guest that hangs is asked why");
}

#[tokio::test(start_paused = true)]
async fn a_boot_that_chatters_for_ever_ends_at_its_limit() {
    let chatter = (0..100_000).map(|_| {
        Act::Say(
            Duration::from_secs(1),
            Signal::Console(b"still booting\n".to_vec()),
        )
    });
    let ran = run(chatter.collect()).await;
    assert!(
        matches!(&ran.seen.ended, Ended::BootFailed { reason } if reason.contains("not ready")),
        "{:?}",
        ran.seen.ended
    );
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_never_ends_times_out() {
    let busy = (0..100_000).map(|round| {
        Act::Say(
            Duration::from_secs(1),
            Signal::Event(Event::Round { round, rounds: 9 }),
        )
    });
    let ran = run(with(begun(), busy.collect())).await;
    assert!(
        matches!(ran.seen.ended, Ended::Slow { .. }),
        "{:?}",
        ran.seen.ended
    );
}

#[tokio::test(start_paused = true)]
async fn silence_of_a_qemu_that_does_not_answer_is_death() {
    let mut guest = FakeGuest::new(with(begun(), vec![Act::Hush]));
    guest.unwell = Some("its monitor did not answer".into());
    let ran = run_guest(guest).await;
    let reason = "its monitor did not answer".into();
    assert_eq!(ran.seen.ended, Ended::Dead { reason });
    assert!(ran.diagnosis.is_empty(), "the dead are not asked");
    let hushed = run(with(begun(), vec![Act::Hush])).await;
    assert!(matches!(hushed.seen.ended, Ended::Silent { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_qemu_that_is_stopped_is_not_silent_but_dead() {
    let mut guest = FakeGuest::new(with(begun(), vec![Act::Hush]));
    let stopped = Pulse {
        stopped: true,
        ..Pulse::default()
    };
    guest.pulses = [vec![Pulse::default(); 5], vec![stopped]].concat();
    let ran = run_guest(guest).await;
    assert!(
        matches!(&ran.seen.ended, Ended::Dead { reason } if reason.contains("stopped by a signal")),
        "{:?}",
        ran.seen.ended
    );
    assert!(ran.seen.host_late.is_some());
    let told = |event: &&CellEvent| matches!(event, CellEvent::HostLate { .. });
    assert_eq!(ran.told.iter().filter(told).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_the_host_refuses_its_time_has_longer_limits() {
    let silent_after = |refused: bool| async move {
        let mut guest = FakeGuest::new(with(begun(), vec![Act::Hush]));
        guest.pulses = (0..10_000)
            .map(|second| Pulse {
                waited: Duration::from_secs(u64::from(refused) * second * 2),
                ..Pulse::default()
            })
            .collect();
        let ran = run_guest(guest).await;
        assert!(matches!(ran.seen.ended, Ended::Silent { .. }));
        assert_eq!(ran.seen.host_late.is_some(), refused);
        ran.took.as_secs()
    };
    let (idle, starved) = (silent_after(false).await, silent_after(true).await);
    assert!(
        starved > 3 * idle && starved <= 4 * idle + 4,
        "{idle} {starved}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_long_and_silent_drain_is_no_fault_of_the_host() {
    // A boot of 60 seconds: the drain takes a fifth of that.
    let slow = Restored {
        boot: Duration::from_secs(60),
        took: SOON,
    };
    let done = event(Event::Done { elapsed_ms: 1 });
    let mut guest = FakeGuest::new(with(begun(), vec![done, Act::Hush]));
    guest.pulses = vec![Pulse::default()];
    let ran = run_restored(guest, Some(slow)).await;
    assert_eq!(ran.seen.ended, Ended::Done);
    assert!(ran.took > Duration::from_secs(10), "{:?}", ran.took);
    assert_eq!(ran.seen.host_late, None);
}

#[tokio::test(start_paused = true)]
async fn a_trace_that_a_stopped_qemu_still_owes_is_waited_for() {
    let done = event(Event::Done { elapsed_ms: 1 });
    let later = Act::Say(
        Duration::from_secs(6),
        Signal::Console(WARNING.as_bytes().to_vec()),
    );
    let mut guest = FakeGuest::new(with(begun(), vec![done, later, Act::Hush]));
    let stopped = Pulse {
        stopped: true,
        ..Pulse::default()
    };
    guest.pulses = [vec![stopped; 6], vec![Pulse::default()]].concat();
    let ran = run_restored(
        guest,
        Some(Restored {
            boot: Duration::from_secs(10),
            took: SOON,
        }),
    )
    .await;
    assert_eq!(ran.seen.ended, Ended::StoppedAfterFinding);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_chatters_and_never_begins_its_workload_has_an_end() {
    let chatter = (0..100_000).map(|_| {
        Act::Say(
            Duration::from_secs(1),
            Signal::Console(b"any moment now\n".to_vec()),
        )
    });
    let script = [ready()].into_iter().chain(chatter).collect();
    let ran = run(script).await;
    assert!(matches!(ran.seen.ended, Ended::Slow { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_trace_that_overtakes_the_word_of_the_workloads_begin_is_found_at_once() {
    let mut script = begun();
    let started = script.pop().into_iter();
    let silence = Act::Say(Duration::from_secs(1), Signal::Reset);
    let script = with(script, vec![console(WARNING), silence]);
    let ran = run(script.into_iter().chain(started).collect()).await;
    assert_eq!(ran.seen.ended, Ended::StoppedAfterFinding);
    assert!(ran.took < Duration::from_secs(10), "{:?}", ran.took);
}

#[tokio::test(start_paused = true)]
async fn a_slow_boot_gives_the_workload_more_time() {
    let slow = |boot| async move {
        let script = vec![
            Act::Say(
                Duration::from_secs(boot),
                Signal::Console(b"booting\n".to_vec()),
            ),
            ready(),
            event(Event::Started {
                workload: Workload::Orphan,
                params: BTreeMap::new(),
            }),
            Act::Hush,
        ];
        run(script).await.took - Duration::from_secs(boot)
    };
    let (fast, slow) = (slow(14).await, slow(19).await);
    assert!(slow > fast + Duration::from_secs(40), "{fast:?} {slow:?}");
}

#[tokio::test(start_paused = true)]
async fn a_trace_is_a_finding_and_what_follows_is_drained() {
    let ran = run(with(
        begun(),
        vec![
            console(WARNING),
            Act::Say(Duration::from_millis(300), Signal::Console(WARNING.into())),
            Act::Hush,
        ],
    ))
    .await;
    assert_eq!(ran.seen.ended, Ended::StoppedAfterFinding);
    assert!(ran.seen.timing.finding_ms.is_some());
    assert_eq!(ran.seen.console.workload.len(), 2);
    assert!(ran.told.iter().any(
        |event| matches!(event, CellEvent::Finding { title } if title.contains("rmap_walk_anon"))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_trace_after_the_end_of_the_workload_is_not_missed() {
    let ran = run(with(
        begun(),
        vec![
            event(Event::Done { elapsed_ms: 9 }),
            Act::Say(Duration::from_millis(200), Signal::Console(WARNING.into())),
        ],
    ))
    .await;
    assert_eq!(ran.seen.ended, Ended::StoppedAfterFinding);
}

#[tokio::test(start_paused = true)]
async fn a_trace_in_pieces_is_found_once() {
    let pieces = WARNING
        .as_bytes()
        .chunks(7)
        .map(|piece| Act::Say(SOON, Signal::Console(piece.to_vec())));
    let ran = run(with(begun(), pieces.collect())).await;
    assert_eq!(ran.seen.ended, Ended::StoppedAfterFinding);
    let findings = ran
        .told
        .iter()
        .filter(|event| matches!(event, CellEvent::Finding { .. }))
        .count();
    assert_eq!(findings, 1);
}

#[tokio::test(start_paused = true)]
async fn a_trace_from_before_the_workload_does_not_stop_it() {
    let mut script = vec![console(WARNING)];
    script.extend(begun());
    script.push(event(Event::Done { elapsed_ms: 1 }));
    assert_eq!(run(script).await.seen.ended, Ended::Done);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_prints_for_ever_is_ended_by_its_limits() {
    let flood = (0..100_000).map(|_| {
        Act::Say(
            Duration::from_millis(100),
            Signal::Console(b"all is well\n".repeat(10)),
        )
    });
    let ran = run(with(begun(), flood.collect())).await;
    assert!(
        matches!(ran.seen.ended, Ended::Slow { .. }),
        "{:?}",
        ran.seen.ended
    );
}

#[tokio::test(start_paused = true)]
async fn a_trace_hidden_in_a_flood_is_found() {
    let flood = || (0..24).map(|_| Act::Say(Duration::ZERO, Signal::Console(vec![b'x'; 1 << 20])));
    for behind in [true, false] {
        let mut script = begun();
        script.extend(flood());
        script.push(console("\n"));
        // In two pieces, so that neither tells it alone.
        let (one, other) = WARNING.split_at(WARNING.len() / 2);
        script.extend([console(one), console(other)]);
        if !behind {
            script.extend(flood());
        }
        script.push(event(Event::Done { elapsed_ms: 1 }));
        let ran = run(script).await;
        assert_eq!(ran.seen.ended, Ended::StoppedAfterFinding, "{behind}");
        let findings = ran
            .told
            .iter()
            .filter(|event| matches!(event, CellEvent::Finding { .. }))
            .count();
        assert_eq!(findings, 1);
        let title = &ran.seen.console.workload[0].title;
        assert_eq!(title, "WARNING in rmap_walk_anon");
        assert!(ran.seen.console.bytes > 24 << 20);
    }
}

#[tokio::test(start_paused = true)]
async fn the_marks_of_a_workload_are_not_lost_in_a_flood() {
    let flood = || {
        let line = b"[    4.000000][   T42] all is well\n";
        let many = line.repeat((1 << 20) / line.len());
        (0..24).map(move |_| Act::Say(Duration::ZERO, Signal::Console(many.clone())))
    };
    for whole in [true, false] {
        let mut script = begun();
        script.extend(flood());
        if !whole {
            script.push(console("[    5.000000][   T42] ** 7 printk messages dro"));
            script.push(console("pped **\n"));
            script.extend(flood());
        }
        script.push(console(
            "[    6.000000][    T1] swapmig: workload orphan en",
        ));
        script.push(console("ds\n"));
        script.extend(flood());
        script.push(event(Event::Done { elapsed_ms: 1 }));
        let ran = run(script).await;
        assert_eq!(ran.seen.ended, Ended::Done);
        assert_eq!(ran.seen.console.whole, whole);
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_on_the_job_channel_ends_the_cell() {
    let ran = run(with(begun(), vec![say(Signal::Garbage("\\x00".into()))])).await;
    assert!(matches!(ran.seen.ended, Ended::Garbage { .. }));
}

#[tokio::test(start_paused = true)]
async fn events_out_of_turn_are_garbage() {
    for early in [Event::Verified { pages: 1 }, Event::Done { elapsed_ms: 0 }] {
        let ran = run(vec![ready(), event(early)]).await;
        assert!(
            matches!(ran.seen.ended, Ended::Garbage { .. }),
            "{:?}",
            ran.seen.ended
        );
    }
    let ran = run(with(begun(), vec![ready()])).await;
    assert!(
        matches!(ran.seen.ended, Ended::Garbage { .. }),
        "ready twice: {:?}",
        ran.seen.ended
    );
}

#[tokio::test(start_paused = true)]
async fn garbage_on_the_console_is_no_finding() {
    let noise: Vec<u8> = (0u32..100_000)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let ran = run(with(
        begun(),
        vec![
            say(Signal::Console(noise)),
            event(Event::Done { elapsed_ms: 1 }),
        ],
    ))
    .await;
    assert_eq!(ran.seen.ended, Ended::Done);
}

#[tokio::test(start_paused = true)]
async fn a_guest_of_another_protocol_gets_no_job() {
    let other = Event::Ready {
        version: protocol::VERSION + 1,
        release: String::new(),
        cpus: 1,
        memory_kib: 1,
    };
    let ran = run(vec![event(other)]).await;
    assert!(
        matches!(ran.seen.ended, Ended::BootFailed { .. }),
        "{:?}",
        ran.seen.ended
    );
    assert!(ran.guest.job.is_none());
}

/// How long a guest that says nothing more is waited for.
async fn patience(boot: u64) -> Duration {
    let restored = Restored {
        boot: Duration::from_secs(boot),
        took: Duration::from_millis(100),
    };
    let script = with(begun(), vec![Act::Hush]);
    let ran = run_restored(FakeGuest::new(script), Some(restored)).await;
    assert!(matches!(ran.seen.ended, Ended::Silent { .. }));
    assert_eq!(ran.seen.timing.boot_ms, Some(100));
    assert!(ran.seen.timing.restored);
    ran.took
}

#[tokio::test(start_paused = true)]
async fn a_restored_guest_has_the_limits_of_the_boot_it_need_not_do_again() {
    let slow = patience(60).await;
    let quick = patience(1).await;
    assert!(slow > quick * 3, "{slow:?} and {quick:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guest_with_fewer_cpus_than_asked_for_gets_no_job() {
    let one_cpu = Event::Ready {
        version: protocol::VERSION,
        release: String::new(),
        cpus: 1,
        memory_kib: 400_000,
    };
    let ran = run(vec![event(one_cpu)]).await;
    let Ended::WrongMachine { reason } = &ran.seen.ended else {
        panic!("{:?}", ran.seen.ended)
    };
    assert!(reason.contains("found 1 CPU"), "{reason}");
    assert!(ran.guest.job.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_sent_is_the_harness_side_of_things() {
    let mut guest = FakeGuest::new(vec![ready()]);
    guest.deaf = true;
    let ran = run_guest(guest).await;
    assert!(
        matches!(ran.seen.ended, Ended::Dead { .. }),
        "{:?}",
        ran.seen.ended
    );
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_cannot_do_its_job_says_so() {
    let ran = run(with(
        begun(),
        vec![event(Event::Incapable {
            reason: "there is no swap".into(),
        })],
    ))
    .await;
    assert_eq!(
        ran.seen.ended,
        Ended::Incapable {
            reason: "there is no swap".into()
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_workload_struck_by_the_kernel_is_a_finding_and_no_incapacity() {
    let killed = Event::Incapable {
        reason: "worker 0 ended within a step".into(),
    };
    let late = Act::Say(Duration::from_millis(100), Signal::Console(WARNING.into()));
    let ran = run(with(begun(), vec![event(killed), late])).await;
    assert_eq!(ran.seen.ended, Ended::StoppedAfterFinding);
    assert!(ran.seen.timing.finding_ms.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_page_is_a_finding() {
    let wrong = Mismatch {
        area: "anon".into(),
        page: 3,
        offset: 8,
        expected: 1,
        found: 2,
        step: "after compaction".into(),
        more: 0,
    };
    let ran = run(with(
        begun(),
        vec![event(Event::Mismatch(wrong)), Act::Hush],
    ))
    .await;
    assert_eq!(ran.seen.ended, Ended::StoppedAfterFinding);
    assert_eq!(ran.seen.mismatch_count, 1);
}

/// A guest whose workload goes on with that, and which is then asked.
fn hanging(script: Vec<Act>) -> FakeGuest {
    let mut guest = FakeGuest::new(with(begun(), script));
    guest.diagnosis.append("registers", b"RIP");
    guest.diagnosis.append("steps", b"vcpus: done.\n");
    guest
}

fn busy() -> Vec<Act> {
    let round = |round| Signal::Event(Event::Round { round, rounds: 9 });
    (0..1000)
        .map(|at| Act::Say(Duration::from_secs(1), round(at)))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn slow_and_silent_guests_are_asked_why_and_no_others() {
    for script in [vec![Act::Hush], busy()] {
        let ran = run_guest(hanging(script)).await;
        assert!(
            matches!(ran.seen.ended, Ended::Silent { .. } | Ended::Slow { .. }),
            "{:?}",
            ran.seen.ended
        );
        assert_eq!(ran.guest.asked.len(), 1);
        let names: Vec<_> = ran.diagnosis.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["registers", "steps"]);
        // Without a vmlinux nobody knows where the kernel keeps its tasks, and that is said.
        assert_eq!(ran.guest.asked[0].layout, None);
        let (_, steps) = &ran.diagnosis[1];
        let steps = String::from_utf8_lossy(steps);
        assert!(steps.ends_with("no vmlinux is at hand.\n"), "{steps}");
    }
    let exited = Signal::Exited { reason: "0".into() };
    for script in [
        vec![event(Event::Done { elapsed_ms: 6 })],
        vec![console(WARNING), Act::Hush],
        vec![say(exited)],
    ] {
        let ran = run_guest(hanging(script)).await;
        assert!(ran.guest.asked.is_empty(), "{:?}", ran.seen.ended);
        assert!(ran.diagnosis.is_empty());
    }
    let ran = run(vec![console("Linux version\n"), Act::Hush]).await;
    assert!(ran.guest.asked.is_empty(), "{:?}", ran.seen.ended);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_hangs_while_it_is_asked_is_ended_all_the_same() {
    let mut guest = hanging(vec![Act::Hush]);
    guest.hangs_when_asked = true;
    let ran = run_guest(guest).await;
    assert!(matches!(ran.seen.ended, Ended::Silent { .. }));
    let [(name, told)] = ran.diagnosis.as_slice() else {
        panic!("{:?}", ran.diagnosis)
    };
    assert_eq!(name, "steps");
    let told = String::from_utf8_lossy(told);
    assert!(told.starts_with("all: no end within"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_a_guest_prints_before_it_is_made_to_is_a_finding_still() {
    let mut guest = hanging(vec![Act::Hush]);
    let own = Signal::Console(WARNING.as_bytes().to_vec());
    let asked = Signal::Console(WARNING.replace("walk_anon", "walk_ksm").into_bytes());
    guest.words_when_asked = vec![own, asked];
    // The first line that this guest prints, the mark, and its own words.
    let before = "[    0.000000][    T0] Linux version 6.12.0\n\
                  [    2.000000][    T1] swapmig: workload orphan begins\n";
    guest.diagnosis.unasked = Some((before.len() + WARNING.len()) as u64);
    let ran = run_guest(guest).await;
    let traces = swapmig::runner::findings::traces(&ran.seen, None);
    let titles: Vec<_> = traces.workload.iter().map(|f| f.title.as_str()).collect();
    assert_eq!(titles, ["WARNING in rmap_walk_anon"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_guest_prints_when_asked_is_no_finding() {
    let mut guest = hanging(vec![Act::Hush]);
    guest.words_when_asked = vec![Signal::Console(WARNING.as_bytes().to_vec())];
    guest.diagnosis.unasked = Some(1);
    let ran = run_guest(guest).await;
    let traces = swapmig::runner::findings::traces(&ran.seen, None);
    assert!(traces.workload.is_empty(), "{:?}", traces.workload);
    assert!(traces.boot.is_empty());
    assert!(!ran.seen.progressed);
    assert!(
        !ran.told
            .iter()
            .any(|event| matches!(event, CellEvent::Finding { .. }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_gets_on_while_its_guest_is_asked_is_noticed() {
    let mut guest = hanging(vec![Act::Hush]);
    guest.words_when_asked = vec![Signal::Event(Event::Verified { pages: 1 })];
    assert!(run_guest(guest).await.seen.progressed);
    // What it did before is why it was not ended earlier.
    assert!(!run_guest(hanging(busy())).await.seen.progressed);
}
