// SPDX-License-Identifier: GPL-2.0-or-later
//! Damaged files are refused or resolve to nothing.

use std::fs;
use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol};
use swapmig_reports::symbolize::{Error, Symbolizer, Unresolved};
use swapmig_reports::trace::{Frame, Pc};

use crate::program::{Program, frame};

/// Bytes that are damaged one after another, spread over the file.
const DAMAGES: usize = 200;

#[test]
fn files_that_are_no_kernel_are_refused_with_their_name() {
    let program = Program::build(&[]);
    let missing = program.path("missing");
    assert!(matches!(Symbolizer::open(&missing), Err(Error::Read { path, .. }) if path == missing));
    let source = program.path("mm/main.c");
    assert!(matches!(Symbolizer::open(&source), Err(Error::Elf { path, .. }) if path == source));
    let folder = program.path("mm");
    assert!(matches!(Symbolizer::open(&folder), Err(Error::Read { path, .. }) if path == folder));
    // Nobody writes into it: to open it would be to wait for ever.
    program.run("mkfifo", &["pipe"]);
    let pipe = program.path("pipe");
    assert!(matches!(Symbolizer::open(&pipe), Err(Error::Read { path, .. }) if path == pipe));
    let empty = program.path("empty");
    fs::write(&empty, "").unwrap();
    assert!(matches!(Symbolizer::open(&empty), Err(Error::Elf { path, .. }) if path == empty));
}

#[test]
fn a_section_that_claims_too_much_is_refused() {
    let program = Program::build(&[]);
    for kind in ["zlib", "zstd"] {
        let flag = format!("--compress-debug-sections={kind}");
        program.run("objcopy", &[&flag, "program", "compressed"]);
        let path = program.path("compressed");
        let mut bytes = fs::read(&path).unwrap();
        let at = {
            let file = object::File::parse(bytes.as_slice()).unwrap();
            let info = file.section_by_name(".debug_info").unwrap();
            usize::try_from(info.file_range().unwrap().0).unwrap()
        };
        // `Elf64_Chdr`: type, reserved, then the size uncompressed.
        for (claimed, large) in [
            (16u64 << 30, true),
            (1 << 30, true),
            (u64::MAX, true),
            (1 << 12, false),
        ] {
            bytes[at + 8..at + 16].copy_from_slice(&claimed.to_le_bytes());
            fs::write(&path, &bytes).unwrap();
            let refused = Symbolizer::open(&path).unwrap_err();
            match large {
                true => assert!(
                    matches!(&refused, Error::TooLarge { claimed: c, .. } if *c == claimed),
                    "{refused}"
                ),
                false => assert!(matches!(&refused, Error::Elf { .. }), "{refused}"),
            }
        }
    }
}

#[test]
fn a_function_may_claim_the_last_address() {
    let entry = "void start_kernel(void) {}\nint main(void) { return 0; }\n";
    let program = Program::of(&[("init/main.c", entry)], &[]);
    let mut bytes = fs::read(program.elf()).unwrap();
    let values: Vec<_> = {
        let file = object::File::parse(bytes.as_slice()).unwrap();
        let (table, _) = file
            .section_by_name(".symtab")
            .unwrap()
            .file_range()
            .unwrap();
        let ends = ["main", "start_kernel"].map(|name| file.symbol_by_name(name).unwrap());
        // `Elf64_Sym`: 24 bytes, the value at 8.
        ends.iter()
            .map(|symbol| usize::try_from(table).unwrap() + symbol.index().0 * 24 + 8)
            .collect()
    };
    for value in values {
        bytes[value..value + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    }
    fs::write(program.elf(), &bytes).unwrap();
    let found = program
        .symbolizer()
        .resolve(&[program.frame("main", 0, Pc::Exact)]);
    assert_eq!(found, [Err(Unresolved::NotCovered)]);
}

/// Debug information of one function, into which a million functions are inlined, each into the
/// one before.
const NESTED: &str = r#"
.text
.globl main
.type main, @function
main:
    ret
.size main, . - main
end:
.section .note.GNU-stack, "", @progbits
.section .debug_abbrev, "", @progbits
    .uleb128 1, 0x11; .byte 1; .uleb128 0x11, 0x01, 0x12, 0x07, 0, 0
    .uleb128 2, 0x2e; .byte 1; .uleb128 0x11, 0x01, 0x12, 0x07, 0, 0
    .uleb128 3, 0x1d; .byte 1; .uleb128 0, 0
    .byte 0
.section .debug_info, "", @progbits
    .long info_end - info_start
info_start:
    .short 5
    .byte 1, 8
    .long 0
    .uleb128 1; .quad main, end - main
    .uleb128 2; .quad main, end - main
    .fill 1000000, 1, 3
    .fill 1000002, 1, 0
info_end:
"#;

#[test]
fn functions_inlined_without_end_are_not_read() {
    let program = Program::with(&[("mm/nested.s", NESTED)]);
    program.run("cc", &["-o", "program", "mm/nested.s"]);
    let found = program
        .symbolizer()
        .resolve(&[program.frame("main", 0, Pc::Exact)]);
    assert_eq!(found, [Err(Unresolved::NotCovered)]);
}

#[test]
fn damage_anywhere_is_survived() {
    let program = Program::build(&["-gsplit-dwarf"]);
    let split = Program::build(&["-gdwarf-4", "-gsplit-dwarf"]);
    split.run("dwp", &["-e", "program", "-o", "program.dwp"]);
    split.run("sh", &["-c", "rm *.dwo"]);
    let plain = Program::build(&[]);
    let packed = Program::build(&[]);
    packed.run("objcopy", &["--compress-debug-sections=zlib", "program"]);
    for (program, damaged) in [
        (&program, "program"),
        (&split, "program.dwp"),
        (&plain, "program"),
        (&packed, "program"),
    ] {
        let frames: Vec<_> = ["main", "outer", "twin", "other"]
            .iter()
            .flat_map(|name| [(name, 0), (name, 9)])
            .map(|(name, at)| program.frame(name, at, Pc::Return))
            .collect();
        damage(&program.path(damaged), &program.elf(), &frames);
    }
    let unit = fs::read_dir(program.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "dwo"))
        .unwrap();
    damage(
        &unit,
        &program.elf(),
        &[program.frame("main", 9, Pc::Return)],
    );
}

#[test]
fn damaged_modules_are_survived() {
    let program = Program::build(&[]);
    program.run("cc", &["-g", "-O1", "-c", "mm/main.c", "-o", "one.o"]);
    program.run("ld", &["-r", "one.o", "-o", "one.ko"]);
    let frames = ["main", "outer"].map(|name| Frame {
        module: Some("one".to_owned()),
        ..program.frame(name, 1, Pc::Return)
    });
    let path = program.path("one.ko");
    damage(&path, &program.elf(), &frames);
}

/// Cuts and damages a file in many ways; whatever then happens must be an answer.
fn damage(path: &Path, elf: &Path, frames: &[Frame]) {
    let whole = fs::read(path).unwrap();
    let resolve = |bytes: &[u8]| {
        fs::write(path, bytes).unwrap();
        let folder = path.parent().unwrap().to_owned();
        if let Ok(symbolizer) = Symbolizer::open(elf) {
            let symbolizer = symbolizer.with_modules(&[folder]).unwrap();
            symbolizer.resolve(frames);
            symbolizer.resolve(&[frame("main", u64::MAX, u64::MAX, Pc::Exact)]);
        }
    };
    for part in 0..DAMAGES {
        let at = whole.len() * part / DAMAGES;
        if part % 4 == 0 {
            resolve(&whole[..at]);
        }
        let mut bytes = whole.clone();
        // Steps over the whole file, so that every kind of section is met.
        for (step, byte) in bytes[at..].iter_mut().step_by(997).enumerate() {
            *byte = [0, 0xff, 0x7f, 0x80, byte.wrapping_add(1)][(part + step) % 5];
        }
        resolve(&bytes);
        let mut bytes = whole.clone();
        bytes[at] ^= 0x80;
        resolve(&bytes);
    }
    fs::write(path, &whole).unwrap();
}
