// SPDX-License-Identifier: GPL-2.0-or-later
//! A log read piece by piece: bytes in, reports out, memory bounded.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::Report;
use super::console::{self, Partial, Raw};
use super::engine::Collector;
use super::formats;
use super::mail::Mail;
use super::wrapping::Unwrapper;

/// What tells that a mail is encoded.
const ENCODED: &str = r"[Qq]uoted-[Pp]rintable|=3D";

/// What a line must hold to matter while no report is open.
static WAKING: LazyLock<Regex> = LazyLock::new(|| {
    let patterns = format!("{}|{ENCODED}", formats::candidates().as_str());
    #[expect(
        clippy::expect_used,
        reason = "both patterns are constants of this crate"
    )]
    Regex::new(&patterns).expect("the patterns compile together")
});

/// Finds the crash reports of a log that is read piece by piece.
///
/// Reports come in the order in which they began. Bytes of any kind are accepted, and it
/// does not matter where a piece ends.
///
/// A clone that is finished tells what a log that goes on holds so far.
#[derive(Default, Clone)]
pub struct Parser {
    /// Bytes of the log before `partial`.
    at: u64,
    partial: Partial,
    pipeline: Pipeline,
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser").finish_non_exhaustive()
    }
}

impl Parser {
    /// Takes the next bytes, wherever they end, and gives the reports that are complete.
    pub fn push(&mut self, bytes: &[u8], found: &mut dyn FnMut(Report)) {
        let mut rest = bytes;
        if !self.partial.is_empty() {
            rest = self.carry(rest, found);
        }
        while !rest.is_empty() {
            let passed = match console::returns(rest) {
                0 => self.pipeline.skippable(rest),
                returns => returns,
            };
            self.at += passed as u64;
            rest = &rest[passed..];
            let Some(raw) = console::first(rest, self.at) else {
                rest = self.carry(rest, found);
                continue;
            };
            let end = raw.span.end;
            self.pipeline.line(raw, found);
            rest = &rest[usize::try_from(end - self.at).unwrap_or(rest.len())..];
            self.at = end;
        }
    }

    /// Keeps the beginning of a line until its end comes; what follows that end.
    fn carry<'a>(&mut self, bytes: &'a [u8], found: &mut dyn FnMut(Report)) -> &'a [u8] {
        let (taken, whole) = self.partial.take(bytes);
        if whole {
            self.pipeline.line(self.partial.raw(self.at), found);
            self.at += self.partial.clear();
        }
        &bytes[taken..]
    }

    /// The log has ended: gives the reports that were still open.
    pub fn finish(mut self, found: &mut dyn FnMut(Report)) {
        if !self.partial.is_empty() {
            self.pipeline.line(self.partial.raw(self.at), found);
        }
        self.pipeline.finish(found);
    }
}

/// Takes raw lines, and gives messages to the collector.
#[derive(Default, Clone)]
struct Pipeline {
    mail: Mail,
    unwrapper: Unwrapper,
    collector: Collector,
}

impl Pipeline {
    /// True while a line that does not match [`WAKING`] cannot matter.
    fn asleep(&self) -> bool {
        self.collector.idle() && self.mail.is_plain() && self.unwrapper.knows()
    }

    /// Bytes of whole lines that cannot matter, from the first one on.
    fn skippable(&self, bytes: &[u8]) -> usize {
        if !self.asleep() {
            return 0;
        }
        match WAKING.find(bytes) {
            Some(found) => console::line_start(bytes, found.start()),
            None => console::last_start(bytes),
        }
    }

    fn line(&mut self, raw: Raw<'_>, found: &mut dyn FnMut(Report)) {
        if self.asleep() && !WAKING.is_match(raw.bytes) {
            return;
        }
        if let Some(raw) = self.mail.line(raw) {
            let line = self.unwrapper.line(&raw, self.collector.idle());
            self.collector.line(&line, found);
        }
    }

    fn finish(mut self, found: &mut dyn FnMut(Report)) {
        if let Some(raw) = self.mail.end() {
            let line = self.unwrapper.line(&raw, self.collector.idle());
            self.collector.line(&line, found);
        }
        self.collector.end(found);
    }
}

/// The crash reports of a whole log, in the order in which they began.
///
/// The first report of a boot is the finding; later ones may be its consequences.
pub fn parse(log: &[u8]) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut parser = Parser::default();
    parser.push(log, &mut |report| reports.push(report));
    parser.finish(&mut |report| reports.push(report));
    reports
}
