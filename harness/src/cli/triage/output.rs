// SPDX-License-Identifier: GPL-2.0-or-later
//! Where reports go: text for people, or an object for programs.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};

use anstream::{AutoStream, ColorChoice};
use swapmig_reports::text::{LINE_MAX, line, plural};
use swapmig_reports::triage::{self, Crash, SourceTree, Written};

/// Prints the reports of inputs.
pub(super) enum Output {
    Text(Text),
    Json(BufWriter<io::StdoutLock<'static>>),
}

/// Text for people, each report as soon as it is found.
pub(super) struct Text {
    out: AutoStream<io::StdoutLock<'static>>,
    styled: bool,
    /// Inputs are named, as there are several.
    several: bool,
    tree: Option<SourceTree>,
}

impl Output {
    pub(super) fn json() -> Self {
        Self::Json(BufWriter::new(io::stdout().lock()))
    }

    pub(super) fn text(several: bool, tree: Option<SourceTree>) -> Self {
        let stdout = io::stdout().lock();
        let choice = AutoStream::choice(&stdout);
        Self::Text(Text {
            out: AutoStream::new(stdout, choice),
            styled: choice != ColorChoice::Never,
            several,
            tree,
        })
    }

    /// Prints an input's reports, one by one. Fails when they cannot be written.
    pub(super) fn input<E: Display>(
        &mut self,
        name: &str,
        crashes: impl Iterator<Item = Result<Crash, E>>,
    ) -> io::Result<Written<E>> {
        match self {
            Self::Text(text) => text.input(name, crashes),
            Self::Json(out) => {
                let written = triage::write(&mut *out, name, crashes)?;
                out.flush()?;
                Ok(written)
            }
        }
    }
}

impl Text {
    fn input<E>(
        &mut self,
        name: &str,
        crashes: impl Iterator<Item = Result<Crash, E>>,
    ) -> io::Result<Written<E>> {
        let name = line(name, LINE_MAX);
        let mut written = Written {
            reports: 0,
            error: None,
        };
        for crash in crashes {
            match crash {
                Ok(crash) => {
                    if self.several && written.reports == 0 {
                        writeln!(self.out, "==> {name} <==")?;
                    }
                    let report = triage::render(&crash, self.styled, self.tree.as_ref());
                    writeln!(self.out, "{report}")?;
                    self.out.flush()?;
                    written.reports += 1;
                }
                Err(error) => {
                    written.error = Some(error);
                    break;
                }
            }
        }
        match written.reports {
            // An input that could not be read says so itself.
            0 if written.error.is_some() => {}
            0 => writeln!(self.out, "{name}: no crash found")?,
            n => writeln!(self.out, "{name}: {} found", plural(n, "report", "reports"))?,
        }
        self.out.flush()?;
        Ok(written)
    }
}
