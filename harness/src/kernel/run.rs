// SPDX-License-Identifier: GPL-2.0-or-later
//! Long programs: their output line by line, and a sure end.

use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use rustix::process::{Pid, Signal, kill_process_group};

use super::error::KernelError;
use crate::home::{Cancel, Lock};

/// How often the child and the cancel flag are looked at.
const TICK: Duration = Duration::from_millis(50);

/// How long make may take to remove half-made targets after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// Keeps standard input, the lock, as descriptor 9 for the program and all its descendants.
const HOLD_LOCK: &str = r#"exec 9<&0 </dev/null; exec "$@""#;

/// A program to run.
pub(super) struct Program<'a> {
    /// Its name, found in `PATH`.
    pub(super) name: &'static str,
    /// Its arguments.
    pub(super) args: Vec<String>,
    /// Where it runs.
    pub(super) dir: &'a Utf8Path,
}

/// Run a program in a clean environment and give each line of its output to `on_line`.
///
/// The program leads a process group of its own, and every process that it starts inherits `lock`:
/// whatever outlives this process, the next build waits for. It is told to end when this thread
/// ends, and when `cancel` is set or `on_line` fails it is ended before this returns.
pub(super) fn run(
    program: &Program<'_>,
    lock: &Lock,
    cancel: &Cancel,
    on_line: &mut dyn FnMut(&str) -> Result<(), KernelError>,
) -> Result<ExitStatus, KernelError> {
    let failed = KernelError::io("run in", program.dir);
    let (lines, mut group) = match spawn(program, lock) {
        Ok(started) => started,
        Err(error) => return Err(failed(error)),
    };
    loop {
        if cancel.is_cancelled() {
            return Err(KernelError::Cancelled);
        }
        match lines.recv_timeout(TICK) {
            Ok(line) => on_line(&line)?,
            Err(RecvTimeoutError::Timeout) => {
                // A descendant may keep the pipe open after the program is gone.
                if let Some(status) = group
                    .try_wait()
                    .map_err(KernelError::io("wait in", program.dir))?
                {
                    while let Ok(line) = lines.recv_timeout(TICK) {
                        on_line(&line)?;
                    }
                    return Ok(status);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return group
                    .wait()
                    .map_err(KernelError::io("wait in", program.dir));
            }
        }
    }
}

fn spawn(program: &Program<'_>, lock: &Lock) -> io::Result<(mpsc::Receiver<String>, Group)> {
    let (reader, writer) = io::pipe()?;
    let mut command = Command::new("setpriv");
    command
        .args([
            "--pdeathsig",
            "TERM",
            "sh",
            "-c",
            HOLD_LOCK,
            "sh",
            program.name,
        ])
        .args(&program.args)
        .current_dir(program.dir)
        .env_clear()
        .envs(
            ["PATH", "TMPDIR"]
                .into_iter()
                .filter_map(|name| std::env::var_os(name).map(|value| (name, value))),
        )
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(lock.inherit()?)
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    let child = command.spawn()?;
    // The command owns the writing end; while it lives, the reader would never see the end.
    drop(command);
    let group = Group {
        child,
        ended: false,
    };
    let (send, lines) = mpsc::channel();
    std::thread::Builder::new()
        .name(format!("output of {}", program.name))
        .spawn(move || {
            let mut reader = BufReader::new(reader);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line)
                    .trim_end_matches('\n')
                    .to_owned();
                if send.send(text).is_err() {
                    break;
                }
                line.clear();
            }
        })?;
    Ok((lines, group))
}

/// A process group that ends with this value.
struct Group {
    child: Child,
    ended: bool,
}

impl Group {
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.ended |= status.is_some();
        Ok(status)
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.ended = true;
        Ok(status)
    }

    fn signal(&self, signal: Signal) {
        // The leader is not reaped yet, so its number cannot be another group's.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // SIGTERM first: make then removes the targets that are half made.
        self.signal(Signal::TERM);
        let until = Instant::now() + GRACE;
        while Instant::now() < until {
            if !matches!(self.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(TICK);
        }
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Keep the last few lines, escaped, for an error message.
pub(super) fn keep_last(lines: &mut Vec<String>, line: &str) {
    const KEPT: usize = 8;
    if lines.len() == KEPT {
        lines.remove(0);
    }
    lines.push(shown(line));
}

/// A line as it may be shown: escaped and bounded.
pub(super) fn shown(line: &str) -> String {
    const LONGEST: usize = 300;
    let escaped: String = line
        .chars()
        .take(LONGEST)
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    match line.chars().nth(LONGEST) {
        Some(_) => format!("{escaped}…"),
        None => escaped,
    }
}

/// Whether a program complained of a full disk.
pub(super) fn tells_full_disk(lines: &[String]) -> bool {
    lines.iter().any(|line| {
        line.contains("No space left on device") || line.contains("Disk quota exceeded")
    })
}
