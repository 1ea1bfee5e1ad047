// SPDX-License-Identifier: GPL-2.0-or-later
//! The two files that QEMU writes by itself: the console of its guest and its own words.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::process::ExitStatus;
use std::time::Duration;

use camino::Utf8Path;
use tokio::sync::{mpsc, watch};

use super::Signal;
use super::bounded::BoundedLog;
use super::console::ConsoleTail;
use super::escape::escape;

/// How often the console file is looked at.
const POLL: Duration = Duration::from_millis(20);
/// The file of QEMU's own words.
pub(super) const WORDS: &str = "qemu.log";
/// How many bytes of them go into a reason.
const LAST_WORDS: usize = 500;

/// How QEMU ended, with its last words.
pub(super) fn exit_reason(status: ExitStatus, words: &Utf8Path) -> String {
    format!("QEMU ended ({status}); {}", last_words(words))
}

/// What QEMU said of itself, bounded: a guest can make it say things.
pub(super) fn last_words(path: &Utf8Path) -> String {
    let tail = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS as u64)))?;
        let mut tail = Vec::new();
        file.take(LAST_WORDS as u64).read_to_end(&mut tail)?;
        Ok(tail)
    };
    match tail().unwrap_or_default().trim_ascii() {
        [] => "it said nothing".into(),
        words => format!("it said: {}", escape(words, LAST_WORDS)),
    }
}

/// Delivers the console, and keeps both logs within their bounds.
pub(super) async fn follow_logs(
    mut console: ConsoleTail,
    mut words: BoundedLog,
    mut exit: watch::Receiver<Option<String>>,
    mut delivered: mpsc::Receiver<()>,
    signals: mpsc::Sender<Signal>,
) {
    let mut bounded = true;
    loop {
        // Asked before reading: what QEMU wrote before its end is then read below.
        let ended = exit.borrow_and_update().clone();
        let bytes = console.read_new().unwrap_or_default();
        let mut trimmed = || console.trim().and_then(|()| words.trim(words.length()?));
        if bounded && let Err(error) = trimmed() {
            bounded = false;
            if signals.send(endless(&error)).await.is_err() {
                return;
            }
        }
        if !bytes.is_empty() {
            if signals.send(Signal::Console(bytes)).await.is_err() {
                return;
            }
            continue;
        }
        if let Some(reason) = ended {
            // With QEMU dead the other channels end, too; what they still hold comes first.
            while delivered.recv().await.is_some() {}
            if let Err(error) = console.settle().and_then(|()| words.settle()) {
                tracing::warn!("the cut in a guest's log could not be marked: {error}");
            }
            // An error means that nobody wants to know.
            let _ = signals.send(Signal::Exited { reason }).await;
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(POLL) => {}
            _ = exit.changed() => {}
        }
    }
}

/// The guest has to go: nothing else keeps its logs from filling the disk.
fn endless(error: &std::io::Error) -> Signal {
    Signal::HostFailed {
        reason: format!(
            "its logs are longer than what is kept of them, and the file system of the run cannot \
             give back the rest ({error}): name a folder on another one with --out"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::bounded::Bound;

    /// What is told of a guest that has printed a MiB, 32 KiB of which are to be kept, and ends
    /// when its logs cannot be bounded or all was told.
    async fn told(holes: bool) -> (Vec<Signal>, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let path = |name| Utf8Path::from_path(dir.path()).unwrap().join(name);
        let printed: Vec<u8> = (0..1 << 20).map(|at: u32| (at / 1000) as u8).collect();
        let bound = Bound::both(16 << 10);
        let mut log = BoundedLog::create(&path("console.log"), &printed, bound).unwrap();
        let words = BoundedLog::create(&path(WORDS), b"", Bound::WORDS).unwrap();
        if !holes {
            log = log.without_holes();
        }
        let (end, exit) = watch::channel(None);
        let (delivering, delivered) = mpsc::channel(1);
        drop(delivering);
        let (sender, mut signals) = mpsc::channel(1);
        let followed = tokio::spawn(follow_logs(
            ConsoleTail::of(log),
            words,
            exit,
            delivered,
            sender,
        ));
        let (mut others, mut console) = (Vec::new(), Vec::new());
        while let Some(signal) = signals.recv().await {
            match signal {
                Signal::Console(bytes) => console.extend(bytes),
                other => others.push(other),
            }
            if console.len() == printed.len() || !others.is_empty() {
                end.send_replace(Some("killed".to_owned()));
            }
        }
        followed.await.unwrap();
        assert!(console == printed, "all of it is told");
        (others, std::fs::read(path("console.log")).unwrap())
    }

    #[tokio::test]
    async fn all_is_told_and_head_and_tail_are_kept() {
        let (signals, kept) = told(true).await;
        let reason = "killed".to_owned();
        assert_eq!(signals, [Signal::Exited { reason }]);
        assert!(kept.len() < 33 << 10, "{}", kept.len());
    }

    #[tokio::test]
    async fn a_file_system_that_cannot_bound_a_log_is_told_once() {
        let (signals, _) = told(false).await;
        let [Signal::HostFailed { reason }, Signal::Exited { .. }] = signals.as_slice() else {
            panic!("{signals:?}")
        };
        assert!(reason.contains("--out"), "{reason}");
    }
}
