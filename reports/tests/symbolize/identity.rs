// SPDX-License-Identifier: GPL-2.0-or-later
//! A vmlinux that is not the log's kernel is refused.

use swapmig_reports::symbolize::{BuildId, Error, Printed, Proof, expand, to_record};
use swapmig_reports::trace::{Pc, parse};

use crate::program::{MAIN, OTHER, Program};

const BUILD_ID: &str = "00112233445566778899aabbccddeeff00112233";
const OTHER_ID: &str = "ff112233445566778899aabbccddeeff00112233";

fn kernel() -> Program {
    let banner =
        "const char linux_banner[] = \"Linux version 6.12.0-test (a@b) (cc) #1 SMP\\n\";\n";
    let id = format!("-Wl,--build-id=0x{BUILD_ID}");
    let sources = [
        ("mm/main.c", MAIN),
        ("mm/other.c", OTHER),
        ("init/version.c", banner),
    ];
    Program::of(&sources, &[&id])
}

fn printed(release: Option<&str>, build_id: Option<&str>) -> Printed {
    Printed {
        release: release.map(str::to_owned),
        build_id: build_id.and_then(BuildId::parse),
    }
}

#[test]
fn a_file_says_which_kernel_it_is() {
    let program = kernel();
    let symbolizer = program.symbolizer();
    let identity = symbolizer.identity();
    assert_eq!(identity.release.as_deref(), Some("6.12.0-test"));
    assert_eq!(identity.build_id, BuildId::parse(BUILD_ID));
}

#[test]
fn build_ids_decide_before_releases() {
    let program = kernel();
    let symbolizer = program.symbolizer();
    let check = |release, build_id| symbolizer.check(&printed(release, build_id)).ok();
    let (same, other) = (Some("6.12.0-test"), Some("6.12.0"));
    assert_eq!(check(same, Some(BUILD_ID)), Some(Proof::BuildId));
    assert_eq!(check(same, Some(OTHER_ID)), None);
    assert_eq!(check(same, None), Some(Proof::Release));
    assert_eq!(check(other, None), None);
    assert_eq!(check(None, None), Some(Proof::Nothing));
    let nameless = Program::build(&["-Wl,--build-id=none"]).symbolizer();
    assert_eq!(
        nameless.check(&printed(other, Some(OTHER_ID))).ok(),
        Some(Proof::Nothing)
    );
}

#[test]
fn the_refusal_names_both_and_the_way_out() {
    let program = kernel();
    let refused = program
        .symbolizer()
        .check(&printed(Some("6.1.0\u{1b}[31m"), Some(OTHER_ID)))
        .unwrap_err();
    assert!(matches!(&refused, Error::OtherKernel { path, .. } if *path == program.elf()));
    let text = refused.to_string();
    for part in [
        "6.12.0-test",
        BUILD_ID,
        "6.1.0\\u{1b}[31m",
        OTHER_ID,
        "give the vmlinux of",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

fn console(program: &Program, release: &str, build_id: &str) -> String {
    let build_id = if build_id.is_empty() {
        String::new()
    } else {
        format!(" {build_id}")
    };
    let frame = program.frame("outer", 0, Pc::Exact);
    format!(
        "[    1.000000][   T42] kernel BUG at mm/main.c:4!\n\
         [    1.000001][   T42] CPU: 1 PID: 42 Comm: test Not tainted {release} #1{build_id}\n\
         [    1.000001][   T42] RIP: 0010:{frame}\n\
         [    1.000002][   T42] Call Trace:\n\
         [    1.000003][   T42]  {frame}\n\
         [    1.000004][   T42] ---[ end trace 0000000000000000 ]---\n"
    )
}

#[test]
fn a_report_is_held_against_the_kernel_that_it_names() {
    let program = kernel();
    let symbolizer = program.symbolizer();
    for (release, build_id, same) in [
        ("6.12.0-test", BUILD_ID, true),
        ("6.12.0-test", OTHER_ID, false),
        ("6.12.0-test", "", true),
        ("6.12.1-test", "", false),
    ] {
        let console = console(&program, release, build_id);
        let report = parse(console.as_bytes()).remove(0);
        let expanded = expand(&report, &symbolizer);
        assert_eq!(expanded.is_ok(), same, "{release} {build_id}");
        let stacks = to_record(&report, Some(&symbolizer));
        let located = stacks[0].frames[0].file.is_some();
        assert_eq!(located, same, "names are recorded all the same");
    }
}
