// SPDX-License-Identifier: GPL-2.0-or-later
//! Lines of a console: bounded, cleaned, and parted from their printk prefix.

use std::ops::Range;

use super::pattern::lazy;

/// Bytes of a line that are looked at; what follows cannot matter to a title or a frame.
const MAX_LINE: usize = 1024;

/// One line of the console.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Its bytes in the console, the newline included.
    pub(super) span: Range<u64>,
    /// Who printed it: `T42` for a task, `C0` for a CPU in an interrupt; only with `PRINTK_CALLER`.
    pub(super) caller: Option<String>,
    /// Microseconds of the kernel's clock; only with `PRINTK_TIME`.
    pub(super) time: Option<u64>,
    /// The message without its prefix.
    pub(super) text: String,
}

lazy!(ESCAPE = r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])");
// Not anchored: a user-space message may stand unfinished before a kernel message.
// A level such as `<4>` shows with some loggers.
lazy!(
    PREFIX = r"(?:<\d{1,2}>)?\[ *(?P<s>\d{1,9})\.(?P<us>\d{6})\](?:\[ *(?P<caller>[TC]\d+)\]|\([0-9]\))? ?"
);

/// Cuts a console into lines.
pub(super) fn lines(console: &[u8]) -> impl Iterator<Item = Line> + '_ {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = console.get(start..).filter(|rest| !rest.is_empty())?;
        let length = rest
            .iter()
            .position(|&b| b == b'\n')
            .map_or(rest.len(), |at| at + 1);
        let span = start as u64..(start + length) as u64;
        start += length;
        Some(Line::decode(span, &rest[..length]))
    })
}

impl Line {
    fn decode(span: Range<u64>, raw: &[u8]) -> Self {
        let raw = &raw[..raw.len().min(MAX_LINE)];
        let text = clean(raw);
        let Some(prefix) = PREFIX.captures(&text) else {
            return Self {
                span,
                caller: None,
                time: None,
                text,
            };
        };
        let caller = prefix.name("caller").map(|m| m.as_str().to_owned());
        let number = |name: &str| prefix.name(name)?.as_str().parse::<u64>().ok();
        let time = number("s")
            .zip(number("us"))
            .map(|(s, us)| s * 1_000_000 + us);
        let end = prefix.get_match().end();
        Self {
            span,
            caller,
            time,
            text: text[end..].to_owned(),
        }
    }
}

/// Valid UTF-8 without escape sequences and control characters, tabs kept.
fn clean(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let text = if text.contains('\x1b') {
        ESCAPE.replace_all(&text, "")
    } else {
        text
    };
    if !text.chars().any(char::is_control) {
        return text.into_owned();
    }
    text.chars()
        .filter(|&c| c == '\t' || !c.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(raw: &[u8]) -> Line {
        lines(raw).next().unwrap()
    }

    #[test]
    fn prefix_is_parted() {
        let line = only(b"[    1.234567][   T42] hello\r\n");
        assert_eq!(
            (line.caller.as_deref(), line.text.as_str()),
            (Some("T42"), "hello")
        );
        assert_eq!(line.span, 0..30);
        let line = only(b"[    1.234567]  spaced");
        assert_eq!(
            (line.caller, line.time, line.text.as_str()),
            (None, Some(1_234_567), " spaced")
        );
    }

    #[test]
    fn user_space_text_before_a_message_is_dropped() {
        let line = only(b"login: [    1.234567][    C0] late");
        assert_eq!(
            (line.caller.as_deref(), line.text.as_str()),
            (Some("C0"), "late")
        );
    }

    #[test]
    fn garbage_is_cleaned() {
        let line = only(b"\x1b[1;31mred\x1b[0m\0\xff\x07\r\n");
        assert_eq!(line.text, "red\u{fffd}");
    }

    #[test]
    fn spans_cover_the_console() {
        let console = b"a\n\nb\r\nc";
        let spans: Vec<_> = lines(console).map(|line| line.span).collect();
        assert_eq!(spans, [0..2, 2..3, 3..6, 6..7]);
    }
}
