// SPDX-License-Identifier: GPL-2.0-or-later
//! Functions that share a name.

use swapmig_reports::symbolize::{Unresolved, expand};
use swapmig_reports::trace::{Pc, parse};

use crate::program::{Program, file, frame, resolve};

/// A file with a function that all such files have, and one that calls it.
fn file_with_twin(caller: &str, value: u32) -> String {
    format!(
        "extern volatile int sink;\n\
         static __attribute__((noinline)) int twin(int n) {{ sink = {value}; return n; }}\n\
         __attribute__((noinline)) int {caller}(int n) {{\n\
         \x20   int got = twin(n);\n\
         \x20   return got + sink;\n\
         }}\n"
    )
}

fn program_with_twins() -> Program {
    let main = "\
volatile int sink;
int first(int), second(int);
int main(void) { return first(1) + second(2); }
";
    let (first, second) = (file_with_twin("first", 1), file_with_twin("second", 2));
    let sources = [
        ("mm/main.c", main),
        ("mm/first.c", &first),
        ("mm/second.c", &second),
    ];
    Program::of(&sources, &[])
}

#[test]
fn they_are_told_apart_by_size() {
    let program = Program::build(&[]);
    let symbolizer = program.symbolizer();
    let sizes = program.sizes("twin");
    assert_eq!(sizes.len(), 2);
    let (small, big) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
    assert!(small + 4 < *big);
    let found = |size| resolve(&symbolizer, frame("twin", 0, size, Pc::Exact));
    assert_eq!(file(&found(*small)), Some("mm/main.c"));
    assert_eq!(file(&found(*big)), Some("mm/other.c"));
    let neither = found(small + 1);
    assert!(
        matches!(neither, Err(Unresolved::OtherSize { .. })) || file(&neither) == Some("mm/main.c")
    );
}

#[test]
fn a_printed_size_includes_padding() {
    let program = Program::of(
        &[
            ("mm/main.c", crate::program::MAIN),
            ("mm/other.c", crate::program::OTHER),
        ],
        &["-falign-functions=64"],
    );
    let symbolizer = program.symbolizer();
    let size = program.sizes("outer")[0];
    let padded = size.next_multiple_of(64);
    assert!(size < padded);
    for printed in [size, padded] {
        let found = resolve(&symbolizer, frame("outer", 0, printed, Pc::Exact));
        assert_eq!(file(&found), Some("mm/main.c"));
    }
    let beyond = resolve(&symbolizer, frame("outer", 0, padded + 1, Pc::Exact));
    assert_eq!(
        beyond,
        Err(Unresolved::OtherSize {
            printed: padded + 1,
            found: padded
        })
    );
}

#[test]
fn equal_ones_are_told_apart_by_who_calls_them() {
    let program = program_with_twins();
    let symbolizer = program.symbolizer();
    let sizes = program.sizes("twin");
    assert_eq!(sizes[0], sizes[1]);
    let twin = || frame("twin", 0, sizes[0], Pc::Exact);
    for (caller, of) in [("first", "mm/first.c"), ("second", "mm/second.c")] {
        let size = program.sizes(caller)[0];
        // Where in the caller the call returns to is for the symbolizer to know.
        let returns: Vec<_> = (1..=size)
            .map(|at| program.frame(caller, at, Pc::Return))
            .filter(|caller| symbolizer.resolve(&[twin(), caller.clone()])[0].is_ok())
            .collect();
        let [caller] = returns.as_slice() else {
            panic!("{caller} calls once: {returns:?}");
        };
        let found = symbolizer.resolve(&[twin(), caller.clone()]);
        assert_eq!(file(&found[0]), Some(of));
        assert_eq!(file(&found[1]), Some(of));
        // What the unwinder did not vouch for is neither caller nor callee.
        let mut doubtful = caller.clone();
        doubtful.reliable = false;
        let between = symbolizer.resolve(&[twin(), doubtful.clone(), caller.clone()]);
        assert_eq!(file(&between[0]), Some(of));
        let only_doubtful = symbolizer.resolve(&[twin(), doubtful]);
        assert_eq!(
            only_doubtful[0],
            Err(Unresolved::Ambiguous { candidates: 2 })
        );
    }
}

#[test]
fn what_nothing_tells_apart_is_left_open() {
    let program = program_with_twins();
    let symbolizer = program.symbolizer();
    let twin = frame("twin", 0, program.sizes("twin")[0], Pc::Exact);
    let open = Err(Unresolved::Ambiguous { candidates: 2 });
    assert_eq!(resolve(&symbolizer, twin.clone()), open);
    // Its caller's caller calls neither.
    let main = program.frame("main", program.sizes("main")[0], Pc::Return);
    assert_eq!(symbolizer.resolve(&[twin, main])[0], open);
}

#[test]
fn copies_of_one_source_need_not_be_told_apart() {
    let header = "\
extern volatile int sink;
static __attribute__((noinline)) void copy(void) { sink = 1; }
";
    let main = "\
#include \"copy.h\"
volatile int sink;
void other(void);
int main(void) { copy(); other(); return 0; }
";
    let other = "#include \"copy.h\"\nvoid other(void) { copy(); }\n";
    let sources = [
        ("mm/copy.h", header),
        ("mm/main.c", main),
        ("mm/other.c", other),
    ];
    let program = Program::of(&sources, &[]);
    let sizes = program.sizes("copy");
    assert_eq!(sizes.len(), 2);
    let found = resolve(&program.symbolizer(), frame("copy", 0, sizes[0], Pc::Exact));
    assert_eq!(file(&found), Some("mm/copy.h"));
}

/// A report whose stack has these frames.
fn report(frames: &[String]) -> String {
    let lines: String = frames
        .iter()
        .map(|frame| format!("[    1.000002][   T42]  {frame}\n"))
        .collect();
    format!(
        "[    1.000000][   T42] kernel BUG at mm/main.c:4!\n\
         [    1.000001][   T42] Call Trace:\n\
         {lines}\
         [    1.000009][   T42] ---[ end trace 0000000000000000 ]---\n"
    )
}

#[test]
fn a_kernel_whose_functions_mostly_differ_is_refused() {
    let program = Program::build(&[]);
    let symbolizer = program.symbolizer();
    let same = program.frame("outer", 0, Pc::Exact).to_string();
    let others = ["main+0x1/0x100000", "other+0x1/0x100000", "gone+0x1/0x10"].map(str::to_owned);
    let expanded = |frames: &[String]| {
        let report = &parse(report(frames).as_bytes())[0];
        expand(report, &symbolizer).unwrap()
    };

    let agreeing = expanded(std::slice::from_ref(&same));
    assert!(!agreeing.agreement.is_doubtful());
    assert!(agreeing.stacks[0][0].is_ok());

    let doubtful = expanded(&[same.clone(), others[0].clone()]);
    assert!(doubtful.agreement.is_doubtful() && !doubtful.agreement.is_refused());
    assert!(doubtful.stacks[0][0].is_ok());
    assert!(
        doubtful
            .agreement
            .to_string()
            .contains("1 of the trace's 2")
    );

    let refused = expanded(&[&[same.clone(), same], &others[..]].concat());
    assert_eq!(refused.agreement.agree, 1, "each function counts once");
    assert_eq!(refused.agreement.contradict, 3);
    assert!(refused.agreement.is_refused());
    assert_eq!(refused.stacks[0][0], Err(Unresolved::OtherBuild));
}
