// SPDX-License-Identifier: GPL-2.0-or-later
//! The symbolizer against a small program compiled here: lines, inlines, namesakes.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up must stop")]

use std::path::PathBuf;
use std::process::Command;

use swapmig_reports::record::FrameRecord;
use swapmig_reports::symbolize::{Error, SourceFrame, Symbolizer, to_record};
use swapmig_reports::trace::{Pc, parse};

const MAIN: &str = "\
volatile int sink;
static __attribute__((noinline)) void twin(void) { sink = 1; }
static inline __attribute__((always_inline)) void inner(int *p) {
    *p = 2;
}
__attribute__((noinline)) void outer(int *p) {
    sink = 3;
    inner(p);
    sink = 4;
}
void other(void);
int main(void) {
    int on_stack;
    twin();
    outer(&on_stack);
    other();
    return 0;
}
";

const OTHER: &str = "\
extern volatile int sink;
static __attribute__((noinline)) void twin(void) {
    for (int i = 0; i < 9; i++) { sink += i; sink ^= 7; sink *= 3; sink -= i << 2; }
}
void other(void) { twin(); }
";

struct Program {
    folder: tempfile::TempDir,
    elf: PathBuf,
}

impl Program {
    fn build(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("mm")).unwrap();
        std::fs::write(folder.path().join("mm/main.c"), MAIN).unwrap();
        std::fs::write(folder.path().join("mm/other.c"), OTHER).unwrap();
        let status = Command::new("cc")
            .current_dir(folder.path())
            .args(["-g", "-O1", "-fno-omit-frame-pointer", "-o", "program"])
            .args(flags)
            .args(["mm/main.c", "mm/other.c"])
            .status()
            .unwrap();
        assert!(status.success());
        let elf = folder.path().join("program");
        Self { folder, elf }
    }

    /// Sizes of the symbols of that name.
    fn sizes(&self, name: &str) -> Vec<u64> {
        use object::{Object, ObjectSymbol};
        let bytes = std::fs::read(&self.elf).unwrap();
        let file = object::File::parse(bytes.as_slice()).unwrap();
        file.symbols()
            .filter(|s| s.name() == Ok(name))
            .map(|s| s.size())
            .collect()
    }
}

fn frame(function: &str, file: &str, line: u32, inlined: bool) -> SourceFrame {
    SourceFrame {
        function: function.to_owned(),
        file: Some(file.to_owned()),
        line: Some(line),
        inlined,
    }
}

#[test]
fn inlined_functions_come_first() {
    let program = Program::build(&[]);
    let symbolizer = Symbolizer::open(&program.elf).unwrap();
    let size = program.sizes("outer")[0];
    let found = (0..size)
        .map(|offset| symbolizer.resolve("outer", offset, size, Pc::Exact))
        .find(|frames| frames.len() == 2)
        .unwrap();
    assert_eq!(
        found,
        [
            frame("inner", "mm/main.c", 4, true),
            frame("outer", "mm/main.c", 8, false)
        ]
    );
}

#[test]
fn a_return_address_is_its_call() {
    let program = Program::build(&[]);
    let symbolizer = Symbolizer::open(&program.elf).unwrap();
    let size = program.sizes("main")[0];
    for offset in 1..size {
        let before = symbolizer.resolve("main", offset - 1, size, Pc::Exact);
        assert_eq!(symbolizer.resolve("main", offset, size, Pc::Return), before);
    }
}

#[test]
fn namesakes_are_told_apart_by_size() {
    let program = Program::build(&[]);
    let symbolizer = Symbolizer::open(&program.elf).unwrap();
    let sizes = program.sizes("twin");
    assert_eq!(sizes.len(), 2);
    let (small, big) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
    assert!(small + 4 < *big);
    // A trace's size may include padding.
    let file = |size| {
        symbolizer.resolve("twin", 0, size, Pc::Exact)[0]
            .file
            .clone()
            .unwrap()
    };
    assert_eq!(file(*small + 1), "mm/main.c");
    assert_eq!(file(*big + 1), "mm/other.c");
}

#[test]
fn unknown_symbols_and_offsets_give_nothing() {
    let program = Program::build(&[]);
    let symbolizer = Symbolizer::open(&program.elf).unwrap();
    assert_eq!(symbolizer.resolve("nowhere", 1, 2, Pc::Exact), []);
    assert_eq!(symbolizer.resolve("main", u64::MAX, 2, Pc::Exact), []);
    assert_eq!(symbolizer.resolve("main", 1 << 40, 2, Pc::Return), []);
}

#[test]
fn compressed_sections_are_read() {
    let program = Program::build(&["-gz=zlib"]);
    let symbolizer = Symbolizer::open(&program.elf).unwrap();
    let found = symbolizer.resolve("outer", 0, 16, Pc::Exact);
    assert_eq!(found[0].file.as_deref(), Some("mm/main.c"));
}

#[test]
fn unusable_files_are_refused_with_their_name() {
    let program = Program::build(&[]);
    let missing = program.folder.path().join("missing");
    assert!(matches!(Symbolizer::open(&missing), Err(Error::Read { path, .. }) if path == missing));
    let source = program.folder.path().join("mm/main.c");
    assert!(matches!(Symbolizer::open(&source), Err(Error::Elf { path, .. }) if path == source));
    let half = program.folder.path().join("half");
    let bytes = std::fs::read(&program.elf).unwrap();
    for cut in [0, 16, 64, bytes.len() / 2] {
        std::fs::write(&half, &bytes[..cut]).unwrap();
        // Damaged is refused or resolves to nothing; it never panics.
        if let Ok(symbolizer) = Symbolizer::open(&half) {
            symbolizer.resolve("main", 0, 16, Pc::Exact);
        }
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
         [    1.000007][   T42]  </TASK>\n\
         [    1.000008][   T42] ---[ end trace 0000000000000000 ]---\n"
    );
    let report = &parse(console.as_bytes())[0];
    let symbolizer = Symbolizer::open(&program.elf).unwrap();
    let unresolved = |function: &str, printed: &str| FrameRecord {
        function: function.to_owned(),
        printed: Some(printed.to_owned()),
        file: None,
        line: None,
        inlined: false,
        guilty: false,
    };
    let [stack] = to_record(report, Some(&symbolizer)).try_into().unwrap();
    assert_eq!(stack.role, "crash");
    assert_eq!(stack.frames.len(), 3);
    let blamed: Vec<_> = stack.frames.iter().map(|frame| frame.guilty).collect();
    assert_eq!(blamed, [true, false, false], "once, where it first stands");
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
