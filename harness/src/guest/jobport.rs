// SPDX-License-Identifier: GPL-2.0-or-later
//! The host's end of the job channel: lines of JSON, none of them trusted.

use swapmig_workloads::protocol::{self, Event};
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use super::Signal;
use super::escape::escape;

/// How much of a line that is no event is shown.
const SHOWN: usize = 200;

/// The next line as a signal; [`None`] at the end of the channel. A line without
/// an end is what QEMU was saying when it died, and is left out.
///
/// A line longer than [`protocol::LINE_MAX`] is skipped without being kept.
pub async fn next_signal(
    reader: &mut (impl AsyncBufRead + Unpin),
) -> std::io::Result<Option<Signal>> {
    let mut line = Vec::new();
    let mut length = 0usize;
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(None);
        }
        let (taken, ended) = match available.iter().position(|&b| b == b'\n') {
            Some(at) => (at, true),
            None => (available.len(), false),
        };
        let room = protocol::LINE_MAX.saturating_sub(line.len()).min(taken);
        line.extend_from_slice(&available[..room]);
        length += taken;
        reader.consume(taken + usize::from(ended));
        if ended {
            break;
        }
    }
    if length > protocol::LINE_MAX {
        return Ok(Some(garbage(&line, length)));
    }
    Ok(Some(match serde_json::from_slice::<Event>(&line) {
        Ok(event) => Signal::Event(event),
        Err(_) => garbage(&line, length),
    }))
}

fn garbage(line: &[u8], length: usize) -> Signal {
    let cut = if length > line.len() {
        format!(" ({length} bytes in all)")
    } else {
        String::new()
    };
    Signal::Garbage(escape(line, SHOWN) + &cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(bytes: &[u8]) -> Vec<Signal> {
        let mut reader = tokio::io::BufReader::with_capacity(64, bytes);
        let mut signals = Vec::new();
        while let Some(signal) = next_signal(&mut reader).await.unwrap() {
            signals.push(signal);
        }
        signals
    }

    #[tokio::test]
    async fn events_and_garbage_are_told_apart() {
        let signals =
            all(b"{\"event\":\"verified\",\"pages\":3}\nhello \x1b[1m\n{\"event\":\"nonsense\"}\n")
                .await;
        assert_eq!(signals[0], Signal::Event(Event::Verified { pages: 3 }));
        assert_eq!(signals[1], Signal::Garbage("hello \\x1b[1m".into()));
        assert!(matches!(&signals[2], Signal::Garbage(g) if g.contains("nonsense")));
    }

    #[tokio::test]
    async fn a_line_without_end_is_bounded_and_the_next_one_is_read() {
        let mut bytes = vec![b'x'; protocol::LINE_MAX * 3];
        bytes.extend_from_slice(b"\n{\"event\":\"verified\",\"pages\":1}\n");
        let signals = all(&bytes).await;
        assert!(
            matches!(&signals[0], Signal::Garbage(g) if g.len() < 400),
            "{:?}",
            signals[0]
        );
        assert_eq!(signals[1], Signal::Event(Event::Verified { pages: 1 }));
    }

    #[tokio::test]
    async fn a_last_line_that_was_cut_is_nobodys_fault() {
        assert_eq!(all(b"{\"event\":\"verif").await, []);
    }
}
