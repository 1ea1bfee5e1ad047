// SPDX-License-Identifier: GPL-2.0-or-later
//! Lines, inlined functions, paths.

use swapmig_reports::symbolize::{DebugInfo, Unresolved};
use swapmig_reports::trace::Pc;

use crate::program::{MAIN, OTHER, Program, file, frame, resolve, source};

const NESTED: &str = "\
volatile int sink;
#define INLINE static inline __attribute__((always_inline))
INLINE void deepest(int *p) {
    *p = 2;
}
INLINE void middle(int *p) {
    sink = 5;
    deepest(p);
}
__attribute__((noinline)) void outer(int *p) {
    sink = 3;
    middle(p);
    sink = 4;
}
int main(void) {
    int on_stack;
    outer(&on_stack);
    return 0;
}
";

#[test]
fn inlined_functions_come_first() {
    let program = Program::of(&[("mm/nested.c", NESTED)], &[]);
    let symbolizer = program.symbolizer();
    let found = (0..program.sizes("outer")[0])
        .filter_map(|at| resolve(&symbolizer, program.frame("outer", at, Pc::Exact)).ok())
        .find(|frames| frames.len() == 3)
        .unwrap();
    assert_eq!(
        found,
        [
            source("deepest", "mm/nested.c", 4, true),
            source("middle", "mm/nested.c", 8, true),
            source("outer", "mm/nested.c", 12, false)
        ]
    );
}

#[test]
fn a_return_address_is_its_call() {
    let program = Program::build(&[]);
    let symbolizer = program.symbolizer();
    for offset in 1..program.sizes("main")[0] {
        let before = program.frame("main", offset - 1, Pc::Exact);
        let after = program.frame("main", offset, Pc::Return);
        assert_eq!(
            resolve(&symbolizer, after),
            resolve(&symbolizer, before),
            "offset {offset}"
        );
    }
}

#[test]
fn unknown_symbols_sizes_and_offsets_say_what_they_are() {
    let program = Program::build(&[]);
    let symbolizer = program.symbolizer();
    let why = |frame| resolve(&symbolizer, frame).unwrap_err();
    assert_eq!(why(frame("nowhere", 1, 2, Pc::Exact)), Unresolved::NoSymbol);
    assert_eq!(why(frame("main", 0, 0, Pc::Return)), Unresolved::NoOffset);
    let size = program.sizes("main")[0];
    for offset in [size + 1, 1 << 40, u64::MAX] {
        let beyond = frame("main", offset, size, Pc::Exact);
        assert_eq!(why(beyond), Unresolved::NotCovered);
    }
    for printed in [1, size - 1, size + 4096, u64::MAX] {
        let other = why(frame("main", 0, printed, Pc::Exact));
        assert!(
            matches!(other, Unresolved::OtherSize { printed: p, .. } if p == printed),
            "{printed}: {other:?}"
        );
    }
}

#[test]
fn without_debug_information_only_names_are_known_and_that_is_said() {
    let program = Program::build(&["-g0"]);
    let symbolizer = program.symbolizer();
    assert_eq!(symbolizer.debug_info(), DebugInfo::Absent);
    assert!(symbolizer.debug_info().to_string().contains("names only"));
    let why = |frame| resolve(&symbolizer, frame).unwrap_err();
    assert_eq!(
        why(program.frame("main", 1, Pc::Exact)),
        Unresolved::NoDebugInfo
    );
    // What the symbols tell is still told.
    assert_eq!(why(frame("nowhere", 1, 2, Pc::Exact)), Unresolved::NoSymbol);
    let with = Program::build(&[]).symbolizer();
    assert_eq!(with.debug_info(), DebugInfo::Present);
}

#[test]
fn code_without_functions_keeps_its_symbol() {
    let assembly = "\
.text
.globl entry_of_all
entry_of_all:
    nop
    nop
.globl end_of_entry
end_of_entry:
    nop
.section .note.GNU-stack, \"\", @progbits
";
    let sources = [
        ("mm/main.c", MAIN),
        ("mm/other.c", OTHER),
        ("mm/entry.s", assembly),
    ];
    let program = Program::of(&sources, &[]);
    // A label has no size of its own; a trace prints how far the next one is.
    let bytes = std::fs::read(program.elf()).unwrap();
    let size = {
        use object::{Object, ObjectSymbol};
        let file = object::File::parse(bytes.as_slice()).unwrap();
        let address = |name| file.symbol_by_name(name).unwrap().address();
        address("end_of_entry") - address("entry_of_all")
    };
    let found = resolve(
        &program.symbolizer(),
        frame("entry_of_all", 0, size, Pc::Exact),
    );
    assert_eq!(
        found,
        Ok(vec![source("entry_of_all", "mm/entry.s", 4, false)])
    );
}

#[test]
fn paths_are_relative_to_the_tree_wherever_it_was_built() {
    let entry = "void start_kernel(void) {}\n";
    let tree = [
        ("tree/init/main.c", entry),
        ("tree/mm/main.c", MAIN),
        ("tree/mm/other.c", OTHER),
        ("out/empty", ""),
    ];
    let program = Program::with(&tree);
    let sources = ["init/main.c", "mm/main.c", "mm/other.c"];
    let roots = [
        "../tree".to_owned(),
        program.path("tree").display().to_string(),
    ];
    for root in roots {
        let sources = sources.map(|source| format!("{root}/{source}"));
        let compile = format!("cd out && cc -g -O1 -o ../program {}", sources.join(" "));
        program.run("sh", &["-c", &compile]);
        let found = resolve(&program.symbolizer(), program.frame("outer", 0, Pc::Exact));
        assert_eq!(file(&found), Some("mm/main.c"), "{root}");
    }
}
