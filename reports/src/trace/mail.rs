// SPDX-License-Identifier: GPL-2.0-or-later
//! Undoes the quoted-printable encoding of mail (RFC 2045, 6.7).

use std::ops::Range;

use super::console::{MAX_RAW, Raw};

/// Bytes that a line of an encoded body may have, what ends it excluded.
const MAX_ENCODED: usize = 76;
/// A line that an encoder broke is hardly shorter.
const MIN_BROKEN: usize = 73;

/// Puts the lines together that an encoder of mail has broken.
#[derive(Debug, Default, Clone)]
pub(super) struct Mail {
    state: State,
    line: Vec<u8>,
    span: Range<u64>,
    /// The last line ends with a soft break: the next one belongs to it.
    broken: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is encoded.
    #[default]
    Plain,
    /// A header has announced an encoded body.
    Header,
    /// An encoded body.
    Body,
}

impl Mail {
    /// True when lines pass unchanged, and only an announcement changes that.
    pub(super) fn is_plain(&self) -> bool {
        self.state == State::Plain
    }

    /// Takes the log's next line, and gives the line that it completes.
    pub(super) fn line<'a>(&'a mut self, raw: Raw<'a>) -> Option<Raw<'a>> {
        self.state = self.state.after(raw.bytes);
        if self.state != State::Body && !self.broken {
            return Some(raw);
        }
        if !self.broken {
            self.line.clear();
            self.span = raw.span.clone();
        }
        self.span.end = raw.span.end;
        let mut text = raw.bytes;
        if self.state == State::Body {
            // Blanks at a line's end are not the sender's.
            text = text.trim_ascii_end();
            self.broken = text.last() == Some(&b'=');
            text = &text[..text.len() - usize::from(self.broken)];
            decode(text, &mut self.line);
        } else {
            self.broken = false;
            self.line.extend_from_slice(text);
        }
        self.line.truncate(MAX_RAW);
        (!self.broken).then(|| self.joined())
    }

    /// The log has ended: gives the line that still waits for its other part.
    pub(super) fn end(&mut self) -> Option<Raw<'_>> {
        std::mem::take(&mut self.broken).then(|| self.joined())
    }

    fn joined(&self) -> Raw<'_> {
        Raw {
            span: self.span.clone(),
            bytes: &self.line,
        }
    }
}

impl State {
    fn after(self, line: &[u8]) -> Self {
        match self {
            Self::Plain if announced(line) => Self::Header,
            // The body of a mail that was stored without its header.
            Self::Plain if encoded(line) => Self::Body,
            Self::Header if line.is_empty() => Self::Body,
            Self::Body if line.len() > MAX_ENCODED => Self::Plain,
            Self::Body if line.ends_with(b"==") || boundary(line) => Self::Plain,
            state => state,
        }
    }
}

/// True for the header that announces an encoded body.
fn announced(line: &[u8]) -> bool {
    let name = b"content-transfer-encoding:";
    let value = line
        .split_at_checked(name.len())
        .filter(|(head, _)| head.eq_ignore_ascii_case(name));
    value.is_some_and(|(_, value)| value.trim_ascii().eq_ignore_ascii_case(b"quoted-printable"))
}

/// True for what parts a mail from the next, or a part of it; `---[ end trace` does not.
fn boundary(line: &[u8]) -> bool {
    let part = line.starts_with(b"--")
        && line.iter().any(u8::is_ascii_alphanumeric)
        && !line.iter().any(u8::is_ascii_whitespace);
    part || line.starts_with(b"From ") && line.contains(&b'@')
}

/// True for a line that only an encoder can have written.
fn encoded(line: &[u8]) -> bool {
    let broken = line.ends_with(b"=")
        && !line.ends_with(b"==")
        && (MIN_BROKEN..=MAX_ENCODED).contains(&line.len());
    let escaped = || memchr::memmem::find(line, b"=3D").is_some();
    line.len() <= MAX_ENCODED && (broken || escaped())
}

/// Appends `text` with each `=XX` as the byte that it stands for.
fn decode(text: &[u8], to: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'=', rest) {
        to.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        match rest {
            [high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                to.push(digit(*high) << 4 | digit(*low));
                rest = after;
            }
            _ => to.push(b'='),
        }
    }
    to.extend_from_slice(rest);
}

/// Value of a hexadecimal digit.
fn digit(ascii: u8) -> u8 {
    match ascii {
        b'0'..=b'9' => ascii - b'0',
        _ => (ascii | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(log: &str) -> Vec<String> {
        let mut mail = Mail::default();
        let (mut at, mut lines) = (0, Vec::new());
        let text = |raw: Raw| String::from_utf8_lossy(raw.bytes).into_owned();
        for line in log.split_inclusive('\n') {
            let span = at..at + line.len() as u64;
            at = span.end;
            let raw = Raw {
                span,
                bytes: line.trim_end_matches('\n').as_bytes(),
            };
            lines.extend(mail.line(raw).map(text));
        }
        lines.extend(mail.end().map(text));
        lines
    }

    #[test]
    fn an_announced_body_is_decoded() {
        let mail = "Content-Transfer-Encoding: quoted-printable\nX-Long: =3D\n\nBUG: a =3D b=20\nsoft=\n ly\n--part\n=41\n";
        let want = [
            "Content-Transfer-Encoding: quoted-printable",
            "X-Long: =3D",
            "",
            "BUG: a = b ",
            "soft ly",
            "--part",
            "=41",
        ];
        assert_eq!(read(mail), want);
    }

    #[test]
    fn a_body_alone_is_recognised() {
        let ruler = "=3D".repeat(24);
        let log = format!("plain=\n{ruler}=\n=3D=3D\nBUG:=20x\nlast=");
        let want = ["plain=", &"=".repeat(26), "BUG: x", "last"];
        assert_eq!(read(&log), want);
    }

    #[test]
    fn a_console_is_left_alone() {
        let ruler = "=".repeat(66);
        let log = format!("{ruler}\nargs: a=3d b=20\n{ruler}\n-- \n");
        assert_eq!(read(&log), [&ruler, "args: a=3d b=20", &ruler, "-- "]);
        // What looked encoded and is not.
        let log = format!("a=3D\n{ruler}\nb=41\n");
        assert_eq!(read(&log), ["a=", &ruler, "b=41"]);
    }
}
