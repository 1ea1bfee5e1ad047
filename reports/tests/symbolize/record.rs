// SPDX-License-Identifier: GPL-2.0-or-later
//! What a run's results keep of a report's stacks.

use swapmig_reports::record::FrameRecord;
use swapmig_reports::symbolize::to_record;
use swapmig_reports::trace::{Location, parse};

use crate::program::Program;

fn unresolved(function: &str, printed: &str) -> FrameRecord {
    FrameRecord {
        function: function.to_owned(),
        printed: Some(printed.to_owned()),
        file: None,
        line: None,
        inlined: false,
        guilty: false,
    }
}

#[test]
fn a_report_becomes_records() {
    let program = Program::build(&[]);
    let size = program.sizes("outer")[0];
    let console = format!(
        "[    1.000000][   T42] kernel BUG at mm/main.c:4!\n\
         [    1.000001][   T42] RIP: 0010:outer+0x0/{size:#x}\n\
         [    1.000002][   T42] Call Trace:\n\
         [    1.000003][   T42]  <TASK>\n\
         [    1.000004][   T42]  ? guess+0x1/0x2\n\
         [    1.000005][   T42]  absent+0x10/0x20\n\
         [    1.000006][   T42]  outer+0x0/{size:#x} [outside]\n\
         [    1.000006][   T42]  main+0x1/{:#x}\n\
         [    1.000007][   T42]  </TASK>\n\
         [    1.000008][   T42] ---[ end trace 0000000000000000 ]---\n",
        program.sizes("main")[0]
    );
    let report = &parse(console.as_bytes())[0];
    let symbolizer = program.symbolizer();
    let [stack] = to_record(report, Some(&symbolizer)).try_into().unwrap();
    assert_eq!(stack.role, "crash");
    assert_eq!(stack.frames.len(), 4);
    let blamed: Vec<_> = stack.frames.iter().map(|frame| frame.guilty).collect();
    assert_eq!(
        blamed,
        [true, false, false, false],
        "once, where it first stands"
    );
    assert_eq!(stack.frames[0].file.as_deref(), Some("mm/main.c"));
    let line = stack.frames[0].line.unwrap();
    assert!(
        (6..=7).contains(&line),
        "line {line} is not where outer begins"
    );
    assert_eq!(stack.frames[1], unresolved("absent", "absent+0x10/0x20"));
    let outside = format!("outer+0x0/{size:#x} [outside]");
    assert_eq!(stack.frames[2], unresolved("outer", &outside));
    assert_eq!(to_record(report, None)[0].frames[1], stack.frames[1]);
}

#[test]
fn what_the_log_says_of_a_place_is_kept_where_no_file_says_it() {
    let console = "\
[    1.000000][   T42] kernel BUG at mm/main.c:4!
[    1.000002][   T42] Call Trace:
[    1.000003][   T42]  absent+0x10/0x20
[    1.000008][   T42] ---[ end trace 0000000000000000 ]---
";
    let mut report = parse(console.as_bytes()).remove(0);
    report.stacks[0].frames[0].location = Some(Location {
        file: "mm/absent.c".to_owned(),
        line: 7,
        inlined: false,
    });
    let kept = &to_record(&report, Some(&Program::build(&[]).symbolizer()))[0].frames[0];
    assert_eq!(kept.file.as_deref(), Some("mm/absent.c"));
    assert_eq!(kept.line, Some(7));
}
