// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads any bytes as a log: whole, and in pieces that the first byte gives the size of.
//!
//! Both must find the same reports, and each report must keep what its type promises.

#![no_main]

use libfuzzer_sys::fuzz_target;
use swapmig_reports::trace::{Parser, normalize, parse};

fuzz_target!(|input: &[u8]| {
    let Some((&size, log)) = input.split_first() else {
        return;
    };
    let mut reports = Vec::new();
    let mut parser = Parser::default();
    for piece in log.chunks(usize::from(size).max(1)) {
        parser.push(piece, &mut |report| reports.push(report));
    }
    parser.finish(&mut |report| reports.push(report));
    assert_eq!(reports, parse(log), "pieces of {size} bytes change what is found");

    for report in &reports {
        assert!(report.span.start < report.span.end);
        assert!(report.span.end <= log.len() as u64);
        assert!(!report.title.is_empty());
        assert_eq!(normalize(&report.title), report.title);
        for frame in report.stacks.iter().flat_map(|stack| &stack.frames) {
            assert!(!frame.symbol.is_empty());
        }
    }
    let starts: Vec<_> = reports.iter().map(|report| report.span.start).collect();
    assert!(starts.is_sorted(), "reports come in the order in which they began");
});
