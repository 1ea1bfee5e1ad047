// SPDX-License-Identifier: GPL-2.0-or-later
//! Logs that mean harm: any bytes in any pieces, and more of everything than a kernel prints.
//!
//! The large ones would take hours if time were quadratic in their size.

use proptest::prelude::*;
use swapmig_reports::trace::{Parser, Report, parse};

/// Lines of which random logs are made: what begins, ends, wraps and breaks reports.
const LINES: &[&str] = &[
    "==================================================================",
    "BUG: KASAN: slab-use-after-free in rmap_walk_anon+0xb0/0x356",
    "Read of size 8 at addr ffff888012345678 by task work/77",
    "CPU: 1 UID: 0 PID: 77 Comm: work Not tainted 6.12.0 #1",
    "Call Trace:",
    " <TASK>",
    " rmap_walk_anon+0xb0/0x356",
    " entry_SYSCALL_64_after_hwframe+0x4b/0x53",
    " </TASK>",
    "------------[ cut here ]------------",
    "WARNING: CPU: 0 PID: 31 at mm/rmap.c:1262 rmap_walk+0x90/0x120",
    "---[ end trace 0000000000000000 ]---",
    "Kernel panic - not syncing: Fatal exception",
    "Linux version 6.12.0",
    "kernel BUG at mm/rmap.c:1!",
    "INFO: task work:7 blocked for more than 143 seconds.",
    "Content-Transfer-Encoding: quoted-printable",
    "a=3D=3D=\n=20b",
    "--boundary",
    "",
    "random: crng init done",
];

const PREFIXES: &[&str] = &[
    "",
    "",
    "[    1.000000] ",
    "[    2.000000][    T1] ",
    "[   60.000000][    C0] ",
    "<4>",
    "> ",
    "  ",
    "Nov 26 10:00:00 host kernel: ",
    "Nov 26 10:00:00 host work[7]: ",
    "\x1b[31m",
    "\0",
    "\r",
    "login: [    3.000000] ",
];

const ENDS: &[&str] = &["\n", "\n", "\r\n", "\r", "\n\r", "\r\r\n", ""];

fn logs() -> impl Strategy<Value = Vec<u8>> {
    let line =
        (0..PREFIXES.len(), 0..LINES.len(), 0..ENDS.len()).prop_map(|(prefix, line, end)| {
            format!("{}{}{}", PREFIXES[prefix], LINES[line], ENDS[end]).into_bytes()
        });
    let garbage = prop::collection::vec(any::<u8>(), 0..40);
    let part = prop_oneof![9 => line, 1 => garbage];
    prop::collection::vec(part, 0..80).prop_map(|parts| parts.concat())
}

/// Reads `log` in pieces that end at `ends` (in any order, and beyond the log too).
fn in_pieces(log: &[u8], ends: &[usize]) -> Vec<Report> {
    let mut ends: Vec<_> = ends.iter().map(|end| end % (log.len() + 1)).collect();
    ends.sort_unstable();
    let mut reports = Vec::new();
    let mut parser = Parser::default();
    let mut at = 0;
    for end in ends.into_iter().chain([log.len()]) {
        parser.push(&log[at..end], &mut |report| reports.push(report));
        at = end;
    }
    parser.finish(&mut |report| reports.push(report));
    reports
}

proptest! {
    #[test]
    fn any_bytes_are_read(log: Vec<u8>) {
        parse(&log);
    }

    #[test]
    fn pieces_change_nothing(
        log in logs(),
        ends in prop::collection::vec(any::<usize>(), 0..60),
    ) {
        let whole = parse(&log);
        prop_assert_eq!(&in_pieces(&log, &ends), &whole);
        for report in whole {
            prop_assert!(report.span.start < report.span.end);
            prop_assert!(report.span.end <= log.len() as u64);
            prop_assert!(!report.title.is_empty());
            prop_assert!(!report.title.contains(char::is_control));
        }
    }
}

#[test]
fn bytes_one_by_one() {
    let console: &[u8] = include_bytes!("consoles/no-guard-anon-orphan.log");
    let each: Vec<_> = (0..console.len()).collect();
    let whole = parse(console);
    assert_eq!(whole.len(), 1);
    assert_eq!(in_pieces(console, &each), whole);
}

/// Reads a log given piece by piece; how many reports, and the most that one of them holds.
fn read(pieces: impl IntoIterator<Item = Vec<u8>>) -> (usize, usize) {
    let (mut reports, mut largest) = (0, 0);
    let mut found = |report: Report| {
        let frames = report.stacks.iter().map(|stack| stack.frames.len());
        reports += 1;
        largest = largest.max(report.title.len() + report.text.len() + frames.sum::<usize>());
    };
    let mut parser = Parser::default();
    for piece in pieces {
        parser.push(&piece, &mut found);
    }
    parser.finish(&mut found);
    (reports, largest)
}

/// What one report may hold: bytes of text and title, and frames.
const LARGEST: usize = 128 * 1024;

const MEGABYTE: usize = 1 << 20;

#[test]
fn a_line_of_a_hundred_megabytes() {
    let header = b"BUG: KASAN: slab-use-after-free in ".to_vec();
    let long = |byte| std::iter::repeat_n(vec![byte; MEGABYTE], 100);
    let (reports, largest) = read(std::iter::once(header.clone()).chain(long(b'a')));
    assert!(reports <= 1 && largest < 4096);
    // In one piece, and full of what may begin a report.
    let words = b"BUG: WARNING: Kernel panic [ cut here ] ";
    let line = [&header[..], &words.repeat(100 * MEGABYTE / words.len())].concat();
    assert!(parse(&line).len() <= 1);
    // Of returns, which end lines too.
    assert_eq!(read(long(b'\r')).0, 0);
    assert_eq!(read(long(b'\0')).0, 0);
    assert_eq!(read(long(b'\n')).0, 0);
    assert_eq!(read(long(b'[')).0, 0);
    assert_eq!(read(long(b'\x1b')).0, 0);
}

/// Lines, of which each is made from its number.
fn lines(count: usize, line: fn(usize) -> String) -> impl Iterator<Item = Vec<u8>> {
    let piece = move |at: usize| (at * 1000..(at + 1) * 1000).map(line).collect::<String>();
    (0..count / 1000).map(move |at| piece(at).into_bytes())
}

const MILLION: usize = 1_000_000;

#[test]
fn a_million_headers() {
    let (reports, largest) = read(lines(MILLION, |at| {
        format!("BUG: KASAN: use-after-free in f{at}+0x1/0x2\n")
    }));
    assert!((1..=MILLION).contains(&reports) && largest < LARGEST);
    for nothing in [
        "------------[ cut here ]------------\n",
        "FAULT_INJECTION: forcing a failure\n",
        "Content-Transfer-Encoding: quoted-printable\n\n=\n",
    ] {
        let line = nothing.repeat(100).into_bytes();
        let log = std::iter::repeat_n(line, MILLION / 1000);
        assert_eq!(read(log).0, 0, "{nothing}");
    }
}

#[test]
fn a_million_callers() {
    let (reports, largest) = read(lines(MILLION, |at| {
        format!("[    1.000000][T{at:>5}] kernel BUG at mm/rmap.c:{at}!\n")
    }));
    assert!((1..=MILLION).contains(&reports) && largest < LARGEST);
}

#[test]
fn endless_stacks() {
    let header = b"BUG: KASAN: use-after-free in f+0x1/0x2\nCall Trace:\n".to_vec();
    let frames = lines(MILLION, |at| format!(" deep{at}+0x1/0x2\n"));
    let (reports, largest) = read(std::iter::once(header.clone()).chain(frames));
    assert_eq!(reports, 1);
    assert!(largest < LARGEST, "{largest}");
    let traces = lines(MILLION, |at| format!("Call Trace:\n f{at}+0x1/0x2\n"));
    let (reports, largest) = read(std::iter::once(header).chain(traces));
    assert!(reports <= 1 && largest < LARGEST, "{largest}");
}

#[test]
fn wrappings_without_end() {
    for line in [
        format!("BUG {}\n", "> ".repeat(200)),
        format!("{}BUG\n", "> ".repeat(2000)),
        format!("BUG {}\n", "[  1.00000".repeat(400)),
        format!("BUG {}\n", "[ ".repeat(2000)),
        format!("BUG {}\n", "\x1b]".repeat(2000)),
        format!("{}BUG\n", "<4>".repeat(1000)),
        format!("{}BUG\n", "Nov 26 10:00:00 ".repeat(200)),
    ] {
        let log = std::iter::repeat_n(line.clone().into_bytes(), 10_000);
        assert_eq!(read(log).0, 0, "{line}");
    }
}
