// SPDX-License-Identifier: GPL-2.0-or-later
//! A console gives the same reports however it was logged, quoted or mailed.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up must stop")]

use swapmig_reports::trace::{Report, parse};

/// A line of a console of this project's guests, which print clock and caller.
struct Printed<'a> {
    /// Seconds and microseconds of the kernel's clock, and the caller; a program has none.
    by_kernel: Option<(u32, u32, &'a str)>,
    text: &'a str,
}

impl<'a> Printed<'a> {
    fn read(line: &'a str) -> Self {
        let stamped = || {
            let (seconds, rest) = line.strip_prefix('[')?.split_once('.')?;
            let (micros, rest) = rest.split_once("][")?;
            let (caller, text) = rest.split_once("] ")?;
            let seconds = seconds.trim().parse().ok()?;
            Some((seconds, micros.parse().ok()?, caller.trim(), text))
        };
        match stamped() {
            Some((seconds, micros, caller, text)) => Self {
                by_kernel: Some((seconds, micros, caller)),
                text,
            },
            None => Self {
                by_kernel: None,
                text: line,
            },
        }
    }
}

/// How a line of the kernel's is written, from seconds, microseconds, caller and message.
type Line = fn(u32, u32, &str, &str) -> String;
/// What is done to the whole log.
type Whole = fn(&str) -> Vec<u8>;

fn as_is(log: &str) -> Vec<u8> {
    log.as_bytes().to_vec()
}

fn before_each(log: &str, prefix: &str) -> Vec<u8> {
    let lines = log.lines().map(|line| format!("{prefix}{line}\n"));
    lines.collect::<String>().into_bytes()
}

fn printk(s: u32, us: u32, caller: &str, text: &str) -> String {
    format!("[{s:5}.{us:06}][{caller:>6}] {text}")
}

fn timed(s: u32, us: u32, _: &str, text: &str) -> String {
    format!("[{s:5}.{us:06}] {text}")
}

fn bare(_: u32, _: u32, _: &str, text: &str) -> String {
    text.to_owned()
}

/// Time of day of a guest that was started at ten.
fn clock(s: u32) -> String {
    format!("10:{:02}:{:02}", s / 60 % 60, s % 60)
}

/// As a mailer does: what it must, and lines of 76 bytes at most.
fn quoted_printable(log: &str) -> String {
    let mut encoded = String::new();
    for line in log.lines() {
        let mut length = 0;
        let mut bytes = line.bytes().peekable();
        while let Some(byte) = bytes.next() {
            let plain = (b' '..=b'~').contains(&byte) && byte != b'=';
            let plain = plain && (byte != b' ' || bytes.peek().is_some());
            let token = if plain {
                char::from(byte).to_string()
            } else {
                format!("={byte:02X}")
            };
            if length + token.len() > 75 {
                encoded.push_str("=\n");
                length = 0;
            }
            length += token.len();
            encoded.push_str(&token);
        }
        encoded.push('\n');
    }
    encoded
}

const WRAPPINGS: &[(&str, Line, Whole)] = &[
    ("times", timed, as_is),
    ("serial", bare, as_is),
    (
        "callers without times",
        |_, _, by, text| format!("[{by:>6}] {text}"),
        as_is,
    ),
    (
        "two callers",
        |s, us, by, text| format!("[{s:5}.{us:06}][    C1][{by:>6}] {text}"),
        as_is,
    ),
    (
        "levels",
        |s, us, by, text| format!("<4>{}", printk(s, us, by, text)),
        as_is,
    ),
    ("levels alone", |_, _, _, text| format!("<4>{text}"), as_is),
    (
        "dmesg of late",
        |s, us, by, text| format!("[{s:5}.{us:06}] [{by:>6}] {text}"),
        as_is,
    ),
    (
        "dmesg -T",
        |s, _, _, text| format!("[Thu Nov 26 {} 2026] {text}", clock(s)),
        as_is,
    ),
    (
        "dmesg -e",
        |s, us, _, text| {
            if s % 2 == 0 {
                format!("[Nov26 10:{:02}] {text}", s / 60)
            } else {
                format!("[  +0.{us:06}] {text}")
            }
        },
        as_is,
    ),
    (
        "dmesg -d",
        |s, us, _, text| format!("[{s:5}.{us:06} <    0.000123>] {text}"),
        as_is,
    ),
    (
        "dmesg -x",
        |s, us, _, text| format!("kern  :warn  : {}", timed(s, us, "", text)),
        as_is,
    ),
    (
        "dmesg -xt",
        |_, _, _, text| format!("kern  :alert : {text}"),
        as_is,
    ),
    (
        "dmesg --time-format iso",
        |s, us, _, text| format!("2026-11-26T{},{us:06}+00:00 {text}", clock(s)),
        as_is,
    ),
    (
        "kmsg",
        |s, us, by, text| {
            format!(
                "4,{us},{},-,caller={by};{text}",
                u64::from(s) * 1_000_000 + u64::from(us)
            )
        },
        as_is,
    ),
    (
        "netconsole",
        |s, us, _, text| {
            format!(
                "4,{us},{},-,ncfrag=0/31;{text}",
                u64::from(s) * 1_000_000 + u64::from(us)
            )
        },
        as_is,
    ),
    (
        "journalctl",
        |s, _, _, text| format!("Nov 26 {} host kernel: {text}", clock(s)),
        as_is,
    ),
    (
        "journalctl -o short-iso",
        |s, _, _, text| format!("2026-11-26T{}+0000 host kernel: {text}", clock(s)),
        as_is,
    ),
    (
        "journalctl -o short-precise",
        |s, us, _, text| format!("Nov  6 {}.{us:06} host.example kernel: {text}", clock(s)),
        as_is,
    ),
    (
        "journalctl -o short-full",
        |s, _, _, text| format!("Thu 2026-11-26 {} UTC host kernel: {text}", clock(s)),
        as_is,
    ),
    (
        "journalctl -o short-unix",
        |s, us, _, text| format!("{}.{us:06} host kernel: {text}", 1_795_687_200 + s),
        as_is,
    ),
    (
        "journalctl -o short-monotonic",
        |s, us, _, text| format!("[{s:5}.{us:06}] host kernel: {text}"),
        as_is,
    ),
    (
        "journalctl -o short-delta",
        |s, us, _, text| format!("[{s:5}.{us:06} <    0.000123 >] host kernel: {text}"),
        as_is,
    ),
    (
        "syslog",
        |s, us, by, text| {
            format!(
                "Nov 26 {} host kernel: {}",
                clock(s),
                printk(s, us, by, text)
            )
        },
        as_is,
    ),
    (
        "syslog on the wire",
        |s, us, _, text| {
            format!(
                "<4>Nov 26 {} host kernel: {}",
                clock(s),
                timed(s, us, "", text)
            )
        },
        as_is,
    ),
    (
        "syslog with facilities",
        |s, _, _, text| format!("Thu Nov 26 {} 2026 kern.warn kernel: {text}", clock(s)),
        as_is,
    ),
    (
        "rsyslog",
        |s, us, _, text| {
            format!(
                "2026-11-26T{}.{us:06}+00:00 host kernel: {}",
                clock(s),
                timed(s, us, "", text)
            )
        },
        as_is,
    ),
    (
        "RFC 5424",
        |s, us, _, text| {
            format!(
                "<4>1 2026-11-26T{}.{us:06}Z host kernel - - - {text}",
                clock(s)
            )
        },
        as_is,
    ),
    (
        "logcat",
        |s, us, _, text| {
            format!(
                "11-26 {}.{:03}     0     0 W         : {text}",
                clock(s),
                us / 1000
            )
        },
        as_is,
    ),
    (
        "logcat -v brief",
        |_, _, _, text| format!("W/        (    0): {text}"),
        as_is,
    ),
    (
        "dated serial",
        |s, _, _, text| format!("Nov 26 {} {text}", clock(s)),
        as_is,
    ),
    (
        "serial dated in brackets",
        |s, _, _, text| format!("[2026-11-26 {}] {text}", clock(s)),
        as_is,
    ),
    (
        "CI",
        |s, us, by, text| {
            format!(
                "2026-11-26T{}.{us:06}7Z {}",
                clock(s),
                printk(s, us, by, text)
            )
        },
        as_is,
    ),
    ("quoted", printk, |log| before_each(log, "> ")),
    ("quoted serial", bare, |log| before_each(log, "> ")),
    ("quoted twice", bare, |log| before_each(log, "> > ")),
    ("quoted tightly", bare, |log| before_each(log, ">> ")),
    (
        "quoted journal",
        |s, _, _, text| format!("Nov 26 {} host kernel: {text}", clock(s)),
        |log| before_each(log, "> "),
    ),
    ("indented", bare, |log| before_each(log, "    ")),
    ("indented by a tab", bare, |log| before_each(log, "\t")),
    ("CR LF", printk, |log| {
        log.replace('\n', "\r\n").into_bytes()
    }),
    ("CR CR LF", bare, |log| {
        log.replace('\n', "\r\r\n").into_bytes()
    }),
    ("CR", printk, |log| log.replace('\n', "\r").into_bytes()),
    ("LF CR", bare, |log| log.replace('\n', "\n\r").into_bytes()),
    (
        "colour",
        |s, us, _, text| format!("\x1b[32m[{s:5}.{us:06}] \x1b[0m\x1b[1;31m{text}\x1b[0m\x1b(B"),
        as_is,
    ),
    ("cursor", bare, |log| {
        before_each(log, "\x1b[2K\x1b]0;title\x07\x1b[?25l")
    }),
    ("NULs", bare, |log| before_each(log, "\0\0\0")),
    ("garbage", printk, |log| {
        let mut bytes = vec![0xff, 0xfe, 0x80, b'\n', 0x1b];
        for line in log.split_inclusive('\n') {
            bytes.extend_from_slice(b"\xe2\x28\x08");
            bytes.extend_from_slice(line.as_bytes());
        }
        bytes
    }),
    ("mail", printk, |log| {
        let head = "From: a@b.example\nContent-Transfer-Encoding: quoted-printable\n\n";
        format!("{head}{}", quoted_printable(log)).into_bytes()
    }),
    ("mail of serial", bare, |log| {
        let head = "content-transfer-encoding: Quoted-Printable\r\nSubject: x\r\n\r\n";
        format!("{head}{}", quoted_printable(log).replace('\n', "\r\n")).into_bytes()
    }),
    (
        "mail without its header",
        |s, us, by, text| {
            format!(
                "Nov 26 {} host kernel: {}",
                clock(s),
                printk(s, us, by, text)
            )
        },
        |log| quoted_printable(&format!("config =3D x\n{log}")).into_bytes(),
    ),
    ("reply by mail", printk, |log| {
        let head = "Content-Transfer-Encoding: quoted-printable\n\n";
        let quoted = String::from_utf8(before_each(log, "> ")).unwrap();
        format!("{head}{}", quoted_printable(&quoted)).into_bytes()
    }),
];

fn wrapped(console: &str, line: Line, whole: Whole) -> Vec<u8> {
    let lines = console.lines().map(|printed| {
        let Printed { by_kernel, text } = Printed::read(printed);
        let text = match by_kernel {
            Some((seconds, micros, caller)) => line(seconds, micros, caller, text),
            None => text.to_owned(),
        };
        text + "\n"
    });
    whole(&lines.collect::<String>())
}

/// What must be the same, wherever it stands in the log.
fn told(mut report: Report) -> Report {
    report.span = 0..0;
    report
}

#[test]
fn a_console_tells_the_same_in_any_wrapping() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/consoles");
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "log") {
            continue;
        }
        let console = String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
        let want: Vec<_> = parse(console.as_bytes()).into_iter().map(told).collect();
        for (name, line, whole) in WRAPPINGS {
            let log = wrapped(&console, *line, *whole);
            let got: Vec<_> = parse(&log).into_iter().map(told).collect();
            assert_eq!(got, want, "{} in {name}", path.display());
            compared += got.len();
        }
    }
    assert!(compared >= WRAPPINGS.len());
}

#[test]
fn a_program_in_a_log_cannot_speak_for_the_kernel() {
    let lie = "kernel BUG at mm/rmap.c:1!";
    for [kernel, program] in [
        [
            "Nov 26 10:00:00 host kernel: ",
            "Nov 26 10:00:01 host work[7]: ",
        ],
        [
            "Nov 26 10:00:00 host kernel: ",
            "Nov 26 10:00:01 host work: ",
        ],
        [
            "[    1.000000] host kernel: ",
            "[    2.000000] host work[7]: ",
        ],
        [
            "<4>1 2026-11-26T10:00:00Z host kernel - - - ",
            "<4>1 2026-11-26T10:00:00Z host work 7 - - ",
        ],
        ["kern  :warn  : ", "user  :warn  : "],
        [
            "11-26 10:00:00.000     0     0 W : ",
            "11-26 10:00:00.000     7     7 W : ",
        ],
        ["[Thu Nov 26 10:00:00 2026] ", ""],
        ["[    1.000000] ", ""],
    ] {
        let log = format!("{kernel}Run /init as init process\n{program}{lie}\n");
        assert_eq!(parse(log.as_bytes()), [], "{log}");
        let log = format!("{kernel}{lie}\n");
        assert_eq!(parse(log.as_bytes()).len(), 1, "{log}");
    }
    // No line of the kernel's shows how it is marked.
    for program in ["sudo: ", "root: ", "work[7]: ", "my-work.sh: "] {
        for date in ["Nov 26 10:00:01", "2026-11-26T10:00:01.123456+01:00"] {
            let log = format!("{date} host {program}{lie}\n");
            assert_eq!(parse(log.as_bytes()), [], "{log}");
        }
    }
}

/// A mail may show one thing with the kernel's clock and another without; a console does not.
#[test]
fn a_mail_may_hold_two_sorts_of_lines() {
    let stamped = "[    1.000000] Run /init as init process\n";
    let bare = "kernel BUG at mm/rmap.c:1!\n";
    for head in [
        "From: Somebody <somebody@example.org>\n",
        "Subject: it crashes\n",
        "Message-ID: <1@example.org>\n",
    ] {
        let mail = format!("{head}\nIt says\n\n{stamped}\nand then\n\n  {bare}");
        assert_eq!(parse(mail.as_bytes()).len(), 1, "{mail}");
        // A program that speaks as a mail does, when the kernel has spoken.
        let console = format!("{stamped}{head}{bare}");
        assert_eq!(parse(console.as_bytes()), [], "{console}");
    }
}
