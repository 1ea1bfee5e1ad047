// SPDX-License-Identifier: GPL-2.0-or-later
//! What a shell in the guest can tell: needs a guest that runs programs.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::steps::Diagnosis;
use crate::guest::ssh::{self, SshKeys};

/// What is asked: the file it becomes and the command that prints it.
const COMMANDS: [(&str, &str); 4] = [
    ("dmesg", "dmesg"),
    ("meminfo", "cat /proc/meminfo /proc/vmstat"),
    ("tasks", "ps -o pid,ppid,stat,vsz,args"),
    (
        "stacks",
        "for p in /proc/[0-9]*; do echo \"== $p $(cat $p/comm)\"; cat $p/stack $p/wchan; done",
    ),
];
/// How much of an answer is kept.
const ANSWER_MAX: usize = 1 << 20;

/// Asks all of it over one session; each answer may take `within`.
pub(super) async fn ask(
    stream: UnixStream,
    keys: Arc<SshKeys>,
    within: Duration,
    found: &mut Diagnosis,
) -> Result<String, String> {
    let (sender, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let asked = tokio::task::spawn_blocking(move || {
        let session = ssh::connect(stream, &keys, within).map_err(|error| error.to_string())?;
        for (name, command) in COMMANDS {
            let output = ssh::run(&session, command, ANSWER_MAX)
                .map_err(|error| format!("no answer to `{command}`: {error}"))?;
            // An error means that nobody waits any more.
            if sender.send((name, output.stdout)).is_err() {
                break;
            }
        }
        Ok(())
    });
    // Kept one by one: what comes before the limit is not lost.
    while let Some((name, answer)) = answers.recv().await {
        found.append(name, &answer);
    }
    let asked: Result<(), String> = asked.await.map_err(|defect| defect.to_string())?;
    asked?;
    Ok(format!(
        "asked {}",
        COMMANDS.map(|(name, _)| name).join(", ")
    ))
}
