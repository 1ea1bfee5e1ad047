// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's own account of its CPUs, tasks and locks: needs a CPU that takes the serial
//! port's interrupt.
//!
//! The kernel takes a key after a break on its serial console. QEMU's console is a file; for
//! the keys it is given a pipe to read from beside it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use camino::Utf8Path;
use qapi::qmp;
use rustix::pipe::{PipeFlags, pipe_with};
use tokio::time::Instant;

use super::steps::Diagnosis;
use crate::guest::monitor::Monitor;

/// What is asked: the key, and what the kernel then tells.
const KEYS: [(char, &str); 4] = [
    ('l', "a backtrace of each CPU"),
    ('w', "blocked tasks"),
    ('t', "all tasks"),
    ('d', "locks"),
];
/// What the kernel answers to a key that it does not know.
const UNKNOWN: &[u8] = b"sysrq: HELP";
/// How much of an answer is kept.
const ANSWER_MAX: u64 = 1 << 20;
/// How often the console is looked at.
const POLL: Duration = Duration::from_millis(50);
/// The console counts as quiet after this part of the time in which a guest has to answer.
const QUIET: u32 = 10;

/// Asks one key after the other, and keeps in `found` what the console prints after each.
pub(super) async fn ask(
    monitor: &Monitor,
    console: &Utf8Path,
    answer_within: Duration,
    found: &mut Diagnosis,
) -> Result<String, String> {
    let console = Console::open(console).map_err(|error| format!("the console: {error}"))?;
    let mut keyboard = connect(monitor, &console).await?;
    found.unasked.get_or_insert(console.length());
    let mut unknown = Vec::new();
    for (key, what) in KEYS {
        let before = console.length();
        monitor
            .execute(qmp::chardev_send_break {
                id: "console".into(),
            })
            .await
            .map_err(|error| error.to_string())?;
        keyboard
            .write_all(key.to_string().as_bytes())
            .map_err(|error| format!("the key {key} was not taken: {error}"))?;
        let answered = console.answer(before, answer_within).await;
        let answer = console.since(before);
        found.append("sysrq", &answer);
        if !answered {
            return Err(format!(
                "no answer to {key} ({what}) within {:.0} s",
                answer_within.as_secs_f64()
            ));
        }
        if memchr::memmem::find(&answer, UNKNOWN).is_some() {
            unknown.push(format!("; the kernel cannot tell of {what} ({key})"));
        }
    }
    let keys = KEYS.map(|(key, what)| format!("{key} ({what})")).join(", ");
    Ok(format!("asked {keys}{}", unknown.concat()))
}

/// Gives QEMU's console an input, whose other end is returned.
async fn connect(monitor: &Monitor, console: &Console) -> Result<File, String> {
    let (theirs, ours) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|error| format!("no pipe: {error}"))?;
    let keys = monitor.add_file(&File::from(theirs)).await;
    let out = monitor.add_file(&console.writer).await;
    let (keys, out) = (
        keys.map_err(|error| error.to_string())?,
        out.map_err(|error| error.to_string())?,
    );
    let file = qmp::ChardevFile {
        base: qmp::ChardevCommon {
            logappend: None,
            logfile: None,
        },
        append: Some(true),
        in_: Some(keys),
        out,
    };
    monitor
        .execute(qmp::chardev_change {
            backend: qmp::ChardevBackend::file(file.into()),
            id: "console".into(),
        })
        .await
        .map_err(|error| error.to_string())?;
    Ok(ours.into())
}

/// The console's file, which QEMU appends to.
struct Console {
    reader: File,
    writer: File,
}

impl Console {
    fn open(path: &Utf8Path) -> std::io::Result<Self> {
        Ok(Self {
            reader: File::open(path)?,
            writer: File::options().append(true).open(path)?,
        })
    }

    fn length(&self) -> u64 {
        self.reader.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Waits until the console has grown and is quiet again, or until the time is over; whether
    /// it has grown.
    async fn answer(&self, before: u64, within: Duration) -> bool {
        let until = Instant::now() + within;
        let quiet = within / QUIET;
        let (mut length, mut grown_at) = (before, None);
        while Instant::now() < until {
            tokio::time::sleep(POLL).await;
            let now = self.length();
            if now > length {
                (length, grown_at) = (now, Some(Instant::now()));
            }
            if grown_at.is_some_and(|at: Instant| at.elapsed() >= quiet) {
                break;
            }
        }
        grown_at.is_some()
    }

    /// What was printed since, bounded.
    fn since(&self, before: u64) -> Vec<u8> {
        let mut printed = Vec::new();
        let mut reader = &self.reader;
        // An error means that less is kept.
        if reader.seek(SeekFrom::Start(before)).is_ok() {
            let _ = reader.take(ANSWER_MAX).read_to_end(&mut printed);
        }
        printed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_what_comes_until_the_console_is_quiet() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("console.log");
        std::fs::write(&path, "before\n").unwrap();
        let console = Console::open(&path).unwrap();
        let within = Duration::from_secs(20);
        let before = console.length();
        assert!(!console.answer(before, within).await, "nothing came");
        let prints = async {
            for line in ["one\n", "two\n"] {
                tokio::time::sleep(Duration::from_secs(1)).await;
                (&console.writer).write_all(line.as_bytes()).unwrap();
            }
            tokio::time::sleep(Duration::from_secs(9)).await;
            (&console.writer).write_all(b"much later\n").unwrap();
        };
        let asked = async {
            assert!(console.answer(before, within).await);
            assert_eq!(console.since(before), b"one\ntwo\n");
        };
        tokio::join!(prints, asked);
    }
}
