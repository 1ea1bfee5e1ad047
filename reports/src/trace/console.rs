// SPDX-License-Identifier: GPL-2.0-or-later
//! Bytes to the raw lines of a console: bounded, wherever the pieces of the log end.

use std::ops::Range;

use memchr::{memchr2, memrchr2};

/// Bytes of a raw line that are looked at; what follows cannot matter to a title or a frame.
pub(super) const MAX_RAW: usize = 4096;

/// One line of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Its bytes in the console, the newline included.
    pub(super) span: Range<u64>,
    /// Who printed it; only with `PRINTK_CALLER`.
    pub(super) caller: Option<Caller>,
    /// Microseconds of the kernel's clock; only with `PRINTK_TIME`.
    pub(super) time: Option<u64>,
    /// A program's, as far as can be told: the log marks the kernel's lines, and not this one.
    pub(super) foreign: bool,
    /// The message without its wrapping.
    pub(super) text: &'a str,
}

/// Who printed a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    /// A task, by its process id.
    Task(u32),
    /// A CPU in an interrupt.
    Cpu(u32),
}

/// A raw line, cut off after [`MAX_RAW`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raw<'a> {
    /// Its bytes in the console, what ends it included.
    pub(super) span: Range<u64>,
    /// Its bytes without what ends it.
    pub(super) bytes: &'a [u8],
}

/// The beginning of a line whose end has not come yet.
#[derive(Debug, Default, Clone)]
pub(super) struct Partial {
    kept: Vec<u8>,
    length: u64,
    /// Its text has ended with a carriage return, and a newline may follow.
    returned: bool,
}

/// Where a line ends among the bytes given.
struct Cut {
    /// Bytes of text.
    text: usize,
    /// Bytes of text and of what ends it.
    end: usize,
    whole: bool,
    returned: bool,
}

impl Partial {
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes bytes up to the line's end. How many, and true when the line is whole.
    pub(super) fn take(&mut self, bytes: &[u8]) -> (usize, bool) {
        let cut = cut(bytes, self.returned);
        let room = MAX_RAW.saturating_sub(self.kept.len());
        self.kept.extend_from_slice(&bytes[..cut.text.min(room)]);
        self.length += cut.end as u64;
        self.returned = cut.returned;
        (cut.end, cut.whole)
    }

    /// The line, which began at byte `at` of the console.
    pub(super) fn raw(&self, at: u64) -> Raw<'_> {
        Raw {
            span: at..at + self.length,
            bytes: &self.kept,
        }
    }

    /// Makes room for the next line; its length.
    pub(super) fn clear(&mut self) -> u64 {
        self.kept.clear();
        self.returned = false;
        std::mem::take(&mut self.length)
    }
}

/// The line that `bytes` begin with, at byte `at` of the console, if it is whole.
pub(super) fn first(bytes: &[u8], at: u64) -> Option<Raw<'_>> {
    let cut = cut(bytes, false);
    cut.whole.then(|| Raw {
        span: at..at + cut.end as u64,
        bytes: &bytes[..cut.text.min(MAX_RAW)],
    })
}

/// Where the line begins that holds the byte at `at`.
pub(super) fn line_start(bytes: &[u8], at: usize) -> usize {
    memrchr2(b'\n', b'\r', &bytes[..at]).map_or(0, |before| before + 1)
}

/// Where the last line begins, which is not whole.
pub(super) fn last_start(bytes: &[u8]) -> usize {
    let returns = bytes.iter().rev().take_while(|&&b| b == b'\r').count();
    let text_end = bytes.len() - returns;
    match line_start(bytes, text_end) {
        start if start == text_end => bytes.len(),
        start => start,
    }
}

/// Carriage returns that `bytes` begin with. Before a line's text they mean nothing.
pub(super) fn returns(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&b| b == b'\r').count()
}

/// A line ends with a newline, or with carriage returns and perhaps a newline after them.
fn cut(bytes: &[u8], returned: bool) -> Cut {
    let text = if returned {
        0
    } else {
        memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len())
    };
    let returns = returns(&bytes[text..]);
    let end = text + returns;
    let next = bytes.get(end);
    Cut {
        text,
        end: end + usize::from(next == Some(&b'\n')),
        whole: next.is_some(),
        returned: returned || returns > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of `bytes`, given in pieces of `size`.
    fn lines(bytes: &[u8], size: usize) -> Vec<(Range<u64>, Vec<u8>)> {
        let mut partial = Partial::default();
        let (mut at, mut lines) = (0, Vec::new());
        for piece in bytes.chunks(size) {
            let mut rest = piece;
            while !rest.is_empty() {
                if partial.is_empty() && returns(rest) > 0 {
                    at += returns(rest) as u64;
                    rest = &rest[returns(rest)..];
                    continue;
                }
                let (taken, whole) = partial.take(rest);
                rest = &rest[taken..];
                if whole {
                    let raw = partial.raw(at);
                    lines.push((raw.span.clone(), raw.bytes.to_vec()));
                    at += partial.clear();
                }
            }
        }
        lines
    }

    #[test]
    fn every_sort_of_line_end() {
        let console = b"a\n\nb\r\nc\rd\r\r\ne\n\rf\n";
        let whole = lines(console, console.len());
        let texts: Vec<_> = whole.iter().map(|(_, text)| text.as_slice()).collect();
        let want: [&[u8]; 7] = [b"a", b"", b"b", b"c", b"d", b"e", b"f"];
        assert_eq!(texts, want);
        let ends: Vec<_> = whole.iter().map(|(span, _)| span.end).collect();
        assert_eq!(ends, [2, 3, 6, 8, 12, 14, 17]);
        for size in 1..console.len() {
            assert_eq!(lines(console, size), whole, "pieces of {size}");
        }
    }

    #[test]
    fn a_line_is_bounded() {
        let mut long = vec![b'x'; 3 * MAX_RAW];
        long.push(b'\n');
        for size in [7, MAX_RAW, long.len()] {
            let lines = lines(&long, size);
            assert_eq!(lines[0].0, 0..long.len() as u64);
            assert_eq!(lines[0].1.len(), MAX_RAW);
        }
        assert_eq!(first(&long, 0).unwrap().bytes.len(), MAX_RAW);
    }

    #[test]
    fn the_last_line_is_found_backwards() {
        for (bytes, start) in [
            (&b"a\nbc"[..], 2),
            (b"a\n", 2),
            (b"a\nb\r", 2),
            (b"a\nb\r\r", 2),
            (b"a\n\r", 3),
            (b"\r", 1),
            (b"abc", 0),
        ] {
            assert_eq!(last_start(bytes), start, "{bytes:?}");
        }
        assert_eq!(line_start(b"a\nbc\n", 3), 2);
    }
}
