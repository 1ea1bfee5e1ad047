// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests that mean harm: what they print, send and name, up to what a reader gets to see.
//!
//! `isolation.rs` has what they could reach.

#![allow(clippy::unwrap_used)]

#[path = "support/fake_guest.rs"]
mod fake_guest;
#[path = "support/scripted_cell.rs"]
mod scripted_cell;

use std::collections::BTreeMap;

use scripted_cell::{HARMFUL, assert_harmless, job, run};
use swapmig::guest::{Signal, jobport};
use swapmig_reports::record::{Ended, Status};
use swapmig_workloads::protocol::{self, Event, Mismatch, When};

/// A report in the shape of the kernel's own, of a task and a function named by a guest.
fn trace(name: &str) -> Signal {
    let text = format!(
        "[    3.000000][   T42] ------------[ cut here ]------------\n\
         [    3.000001][   T42] WARNING: CPU: 0 PID: 42 at mm/{name}.c:100 {name}+0x10/0x20\n\
         [    3.000002][   T42] CPU: 0 UID: 0 PID: 42 Comm: {name} Not tainted 6.12.0 #1\n\
         [    3.000003][   T42] RIP: 0010:{name}+0x10/0x20\n\
         [    3.000004][   T42] Call Trace:\n\
         [    3.000005][   T42]  <TASK>\n\
         [    3.000006][   T42]  {name}+0x10/0x20\n\
         [    3.000007][   T42]  </TASK>\n\
         [    3.000008][   T42] ---[ end trace 0000000000000000 ]---\n"
    );
    Signal::Console(text.into_bytes())
}

fn event(event: Event) -> Signal {
    Signal::Event(event)
}

fn sample(at_ms: u64, probes: &[(&str, u64)], vmstat: &[(&str, u64)]) -> Signal {
    let named = |counters: &[(&str, u64)]| {
        counters
            .iter()
            .map(|&(name, count)| (name.to_owned(), count))
            .collect()
    };
    event(Event::Sample {
        at_ms,
        probes: named(probes),
        vmstat: named(vmstat),
    })
}

fn snapshot(when: When, text: &str, count: u64) -> Signal {
    event(Event::Snapshot {
        when,
        vmstat: BTreeMap::from([(text.to_owned(), count)]),
        buddyinfo: text.to_owned(),
        swaps: text.to_owned(),
        tainted: 0,
    })
}

/// What the job channel makes of bytes.
async fn sent(bytes: &[u8]) -> Vec<Signal> {
    let mut reader = tokio::io::BufReader::new(bytes);
    let mut signals = Vec::new();
    while let Some(signal) = jobport::next_signal(&mut reader).await.unwrap() {
        signals.push(signal);
    }
    signals
}

// Names.

#[tokio::test(start_paused = true)]
async fn probes_that_nobody_asked_for_are_not_named() {
    let ran = run([
        event(Event::ProbesRefused {
            refused: BTreeMap::from([
                (HARMFUL.into(), HARMFUL.into()),
                ("moved_u4".into(), HARMFUL.into()),
            ]),
        }),
        sample(1, &[(HARMFUL, 7), ("moved_u4", 7)], &[(HARMFUL, 7)]),
        Signal::Console(b"[    9.000000][    T1] swapmig: workload orphan ends\n".to_vec()),
        event(Event::Done { elapsed_ms: 1 }),
    ])
    .await;
    assert_eq!(ran.record.status, Status::Inconclusive);
    let refused: Vec<_> = ran
        .record
        .reasons
        .iter()
        .filter(|reason| reason.contains("refused the probe"))
        .collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].contains("moved_u4"), "{refused:?}");
    assert_harmless("the reason", refused[0]);
    ran.seen();
}

#[tokio::test(start_paused = true)]
async fn names_of_lost_pages_are_words() {
    let ran = run([event(Event::Mismatch(Mismatch {
        area: HARMFUL.into(),
        page: u64::MAX,
        offset: u64::MAX,
        expected: u64::MAX,
        found: 0,
        step: HARMFUL.into(),
        more: u64::MAX,
    }))])
    .await;
    assert_eq!(ran.record.status, Status::Fail);
    let title = &ran.record.findings[0].title;
    assert!(title.starts_with("corruption: "), "{title}");
    assert!(
        title
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || " :".contains(c)),
        "{title}"
    );
    ran.seen();
}

#[tokio::test(start_paused = true)]
async fn a_workload_of_another_name_is_none_that_begins() {
    // A name is one of a list: another one is no event at all.
    let line = format!(
        "{{\"event\":\"started\",\"workload\":{},\"params\":{{}}}}\n",
        serde_json::to_string(HARMFUL).unwrap()
    );
    let signals = sent(line.as_bytes()).await;
    let [Signal::Garbage(shown)] = signals.as_slice() else {
        panic!("{signals:?}")
    };
    assert_harmless("what is shown of it", shown);
    run(signals).await.seen();
}

// Terminal escapes, and what else is not to be shown as it came.

#[tokio::test(start_paused = true)]
async fn a_trace_with_escapes_is_found_and_shown_without_them() {
    for name in [
        "evil\x1b[2J",
        "<script>alert(1)</script>",
        "\u{9b}31m\u{202e}",
        HARMFUL,
        "rmap_walk",
    ] {
        let ran = run([trace(name)]).await;
        assert_eq!(ran.record.ended, Ended::StoppedAfterFinding, "{name:?}");
        assert_eq!(ran.record.status, Status::Fail);
        ran.seen();
    }
}

#[tokio::test(start_paused = true)]
async fn reasons_are_shown_without_escapes() {
    let ran = run([event(Event::Incapable {
        reason: HARMFUL.repeat(1000),
    })])
    .await;
    assert!(matches!(ran.record.ended, Ended::Incapable { .. }));
    let (_, said, _) = ran.seen();
    assert!(said.contains("could not do its job"), "{said}");
    let garbage = run(sent(format!("{HARMFUL}\n").as_bytes()).await).await;
    assert!(matches!(garbage.record.ended, Ended::Garbage { .. }));
    garbage.seen();
    let early = run(sent(b"{\"event\":\"ready\",\"version\":1,\"release\":\"\\u001b[2J\\u202e\",\"cpus\":1,\"memory_kib\":1}\n").await).await;
    assert!(matches!(early.record.ended, Ended::Garbage { .. }));
    early.seen();
}

#[tokio::test(start_paused = true)]
async fn what_a_guest_says_of_its_machine_is_shown_without_escapes() {
    let ran = run([
        snapshot(When::Before, "", 0),
        snapshot(When::After, HARMFUL, 1),
        event(Event::Done { elapsed_ms: 1 }),
    ])
    .await;
    assert_eq!(ran.record.swaps.1, HARMFUL, "it is kept as it came");
    ran.seen();
}

// Sizes.

#[tokio::test(start_paused = true)]
async fn the_largest_numbers_are_counted_and_shown() {
    const MOST: u64 = u64::MAX;
    let probes: Vec<_> = job().probes.into_iter().map(|probe| probe.name).collect();
    let hits: Vec<_> = probes.iter().map(|name| (name.as_str(), MOST)).collect();
    let said = || {
        [
            snapshot(When::Before, "pgmigrate_success", 0),
            event(Event::Round {
                round: MOST,
                rounds: 0,
            }),
            event(Event::Round {
                round: 0,
                rounds: MOST,
            }),
            event(Event::Verified { pages: MOST }),
            event(Event::Verified { pages: MOST }),
            sample(0, &[], &[]),
            sample(MOST, &hits, &[("pgmigrate_success", MOST)]),
            sample(1, &hits, &[("pgmigrate_success", 0)]),
            snapshot(When::After, "pgmigrate_success", MOST),
        ]
    };
    let done = event(Event::Done { elapsed_ms: MOST });
    let ran = run(said().into_iter().chain([done])).await;
    assert_eq!(ran.record.ended, Ended::Done);
    assert_eq!(ran.record.pages_verified, MOST);
    ran.seen();
    let wrong = event(Event::Mismatch(Mismatch {
        area: "anon".into(),
        page: MOST,
        offset: MOST,
        expected: MOST,
        found: MOST,
        step: "after compaction".into(),
        more: MOST,
    }));
    let ran = run(said().into_iter().chain([wrong.clone(), wrong])).await;
    assert_eq!(ran.record.status, Status::Fail);
    ran.seen();
}

#[tokio::test(start_paused = true)]
async fn as_many_counters_as_a_guest_may_send_make_a_result_that_can_be_read() {
    // 32 MiB of events: as many counters as go into a line, in as many lines as are taken.
    let names: Vec<String> = (0..20_000).map(|at| format!("{at:x}")).collect();
    let counters: Vec<_> = names.iter().map(|name| (name.as_str(), u64::MAX)).collect();
    let lines = (0..130).map(|at| sample(at, &[], &counters));
    let long = "x".repeat(protocol::LINE_MAX - 100);
    let last = [
        sample(999, &[], &[(long.as_str(), 1), ("pgmigrate_success", 1)]),
        event(Event::Done { elapsed_ms: 1 }),
    ];
    let ran = run(lines.chain(last)).await;
    assert_eq!(ran.record.samples.last().unwrap().at_ms, 999);
    let (run, _, _) = ran.seen();
    assert!(run.cells[0].result().is_some(), "{:?}", run.cells[0].state);
}

#[tokio::test(start_paused = true)]
async fn millions_of_events_take_no_more_than_their_room() {
    let tiny = (0..500_000).map(|_| event(Event::Verified { pages: 1 }));
    let ran = run(tiny.chain([event(Event::Done { elapsed_ms: 1 })])).await;
    assert_eq!(ran.record.ended, Ended::Done);
    assert_eq!(ran.record.pages_verified, 500_000);
    ran.seen();
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_names_and_loses_without_end_does_not_flood_its_reader() {
    let names: Vec<String> = (0..10_000).map(|at| format!("moved_{at}")).collect();
    let counters: Vec<_> = names.iter().map(|name| (name.as_str(), u64::MAX)).collect();
    let lost = |area: String| {
        event(Event::Mismatch(Mismatch {
            area,
            page: 1,
            offset: 0,
            expected: 1,
            found: 2,
            step: "after compaction".into(),
            more: 0,
        }))
    };
    let same = (0..10_000).map(|_| lost("anon".into()));
    let others = (0..10_000).map(|at| lost(format!("anon {at}")));
    let ran = run([sample(1, &counters, &[])]
        .into_iter()
        .chain(same)
        .chain(others))
    .await;
    assert_eq!(ran.record.status, Status::Fail);
    let (_, said, _) = ran.seen();
    let told = said.matches("finding ").count();
    assert!((2..=25).contains(&told), "{told} findings were told");
    assert!(!said.contains("moved_9999"), "{said}");
}

#[tokio::test]
async fn a_line_beyond_the_longest_is_skipped_and_not_kept() {
    let mut bytes = b"{\"event\":\"incapable\",\"reason\":\"".to_vec();
    bytes.resize(8 << 20, b'x');
    bytes.extend_from_slice(b"\"}\n{\"event\":\"verified\",\"pages\":1}\n");
    let signals = sent(&bytes).await;
    assert_eq!(signals.len(), 2);
    assert!(matches!(&signals[0], Signal::Garbage(shown) if shown.len() < 400));
    assert_eq!(signals[1], event(Event::Verified { pages: 1 }));
}

// JSON.

#[tokio::test(start_paused = true)]
async fn json_that_is_none_is_garbage() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!(
        "{{\"event\":\"verified\",\"pages\":{}1{}}}",
        "{\"a\":".repeat(20_000),
        "}".repeat(20_000)
    );
    let huge = format!(
        "{{\"event\":\"verified\",\"pages\":1{}}}",
        "0".repeat(100_000)
    );
    for line in [
        deep.as_bytes(),
        nested.as_bytes(),
        huge.as_bytes(),
        b"{\"event\":\"verified\",\"pages\":18446744073709551616}",
        b"{\"event\":\"verified\",\"pages\":-1}",
        b"{\"event\":\"verified\",\"pages\":1.5}",
        b"{\"event\":\"verified\",\"pages\":1e99}",
        b"{\"event\":\"verified\",\"pages\":NaN}",
        b"{\"event\":\"verified\",\"pages\":Infinity}",
        b"{\"event\":\"verified\",\"pages\":null}",
        b"{\"event\":\"verified\",\"pages\":1,\"pages\":2}",
        b"{\"event\":\"verified\",\"event\":\"done\",\"pages\":1}",
        b"{\"event\":\"incapable\",\"reason\":\"\\ud800\"}",
        b"{\"event\":\"incapable\",\"reason\":\"\\udc00\\ud800\"}",
        b"{\"event\":\"incapable\",\"reason\":\"\xff\xfe\"}",
        b"{\"event\":\"incapable\",\"reason\":\"\xc0\xaf\"}",
        b"{\"event\":\"incapable\",\"reason\":\"\0\"}",
        b"{\"event\":\"incapable\",\"reason\":\"\x1b[2J\"}",
        b"{\"event\":\"verified\",\"pages\":1} {\"event\":\"verified\",\"pages\":1}",
        b"\xef\xbb\xbf{\"event\":\"verified\",\"pages\":1}",
        b"{\"event\":\"verified\",\"pages\":1",
        b"\0\0\0\0",
        b"",
    ] {
        let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
        let signals = sent(&[line, b"\n"].concat()).await;
        let [Signal::Garbage(_)] = signals.as_slice() else {
            panic!("{shown}: {signals:?}")
        };
        let ran = run(signals).await;
        assert!(matches!(ran.record.ended, Ended::Garbage { .. }), "{shown}");
        assert_eq!(ran.record.status, Status::Error, "{shown}");
        ran.seen();
    }
}

#[tokio::test(start_paused = true)]
async fn a_sample_that_names_a_counter_twice_counts_once() {
    let line = b"{\"event\":\"sample\",\"at_ms\":1,\"probes\":{\"moved_u4\":1,\"moved_u4\":5},\"vmstat\":{}}\n";
    let signals = sent(line).await;
    assert_eq!(signals, [sample(1, &[("moved_u4", 5)], &[])]);
}
