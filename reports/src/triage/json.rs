// SPDX-License-Identifier: GPL-2.0-or-later
//! Writes an input as one JSON object on one line, each report as soon as it is found.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeSeq, Serializer};
use serde_json::ser::Formatter;

use super::{Crash, Triage};
use crate::text::is_invisible;

/// What became of an input.
#[derive(Debug)]
pub struct Written<E> {
    /// How many reports it holds.
    pub reports: usize,
    /// Why it was not read to its end.
    pub error: Option<E>,
}

/// Writes the object of one input and a newline; reports are taken and written one by one.
///
/// An error of the input ends its reports and is told in the object, which is whole all the same.
/// Characters that move a cursor or reorder a line are escaped, as JSON allows.
/// Fails when `out` does.
pub fn write<E: Display>(
    out: impl io::Write,
    input: &str,
    crashes: impl Iterator<Item = Result<Crash, E>>,
) -> io::Result<Written<E>> {
    let error = RefCell::new(None);
    let out = RefCell::new(out);
    let reports = Stream {
        out: Shared(&out),
        crashes: RefCell::new(crashes),
        count: Cell::new(0),
        error: &error,
    };
    let triage = Triage {
        input: input.to_owned(),
        reports: &reports,
        error: Told(&error),
    };
    let mut to = serde_json::Serializer::with_formatter(Shared(&out), Visible);
    triage.serialize(&mut to)?;
    Shared(&out).write_all(b"\n")?;
    Ok(Written {
        reports: reports.count.get(),
        error: error.take(),
    })
}

/// What is written to, by the serializer and by who shows what was written.
struct Shared<'a, W>(&'a RefCell<W>);

impl<W: io::Write> io::Write for Shared<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

/// The reports of an input, taken while they are written.
struct Stream<'a, I, E, W> {
    out: Shared<'a, W>,
    crashes: RefCell<I>,
    count: Cell<usize>,
    error: &'a RefCell<Option<E>>,
}

impl<I: Iterator<Item = Result<Crash, E>>, E, W: io::Write> Serialize for Stream<'_, I, E, W> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut sequence = to.serialize_seq(None)?;
        for crash in &mut *self.crashes.borrow_mut() {
            match crash {
                Ok(crash) => sequence.serialize_element(&crash)?,
                Err(error) => {
                    self.error.replace(Some(error));
                    break;
                }
            }
            self.count.set(self.count.get() + 1);
            // The log may go on for days: who reads along sees each report now.
            let mut out = Shared(self.out.0);
            out.flush().map_err(serde::ser::Error::custom)?;
        }
        sequence.end()
    }
}

/// The error that ended the reports; known once they are written.
struct Told<'a, E>(&'a RefCell<Option<E>>);

impl<E: Display> Serialize for Told<'_, E> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &*self.0.borrow() {
            Some(error) => to.collect_str(error),
            None => to.serialize_none(),
        }
    }
}

/// One line, what cannot be seen escaped.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, hidden)) = rest.char_indices().find(|&(_, c)| is_invisible(c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in hidden.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + hidden.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::parse;

    fn written(console: &[u8], error: Option<&str>) -> (String, Written<String>) {
        let reports = parse(console)
            .into_iter()
            .map(|report| Crash::of(report, None).map_err(|error| error.to_string()));
        let mut out = Vec::new();
        let written = write(
            &mut out,
            "a\u{202e}b",
            reports.chain(error.map(|e| Err(e.to_owned()))),
        );
        (String::from_utf8(out).unwrap(), written.unwrap())
    }

    #[test]
    fn an_input_without_reports_is_an_object_too() {
        let (line, written) = written(b"all is well\n", None);
        assert_eq!(
            line,
            "{\"input\":\"a\\u202eb\",\"reports\":[],\"error\":null}\n"
        );
        assert_eq!((written.reports, written.error), (0, None));
    }

    #[test]
    fn an_error_in_the_middle_leaves_the_object_whole() {
        let panic = b"Kernel panic - not syncing: no \xc2\x9bworking init\n";
        let (line, written) = written(panic, Some("the disk is gone"));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["reports"].as_array().unwrap().len(), 1);
        assert_eq!(value["error"], "the disk is gone");
        assert_eq!(written.reports, 1);
        assert_eq!(written.error.as_deref(), Some("the disk is gone"));
        assert!(line.is_ascii(), "{line}");
    }
}
