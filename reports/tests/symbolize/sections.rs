// SPDX-License-Identifier: GPL-2.0-or-later
//! Compressed debug sections and split debug information.

use std::fs;

use swapmig_reports::symbolize::Symbolizer;
use swapmig_reports::trace::Pc;

use crate::program::{Program, resolve, source};

/// Every place of `outer`, as the program finds it.
fn places(program: &Program, symbolizer: &Symbolizer) -> String {
    (0..program.sizes("outer")[0])
        .map(|at| {
            let found = resolve(symbolizer, program.frame("outer", at, Pc::Exact));
            format!("{at:#x}: {found:?}\n")
        })
        .collect()
}

#[test]
fn compressed_sections_are_read() {
    let program = Program::build(&[]);
    let expected = places(&program, &program.symbolizer());
    assert!(expected.contains("inner"));
    for (kind, section) in [
        ("zlib", ".debug_info"),
        ("zlib-gnu", ".zdebug_info"),
        ("zstd", ".debug_info"),
    ] {
        let flag = format!("--compress-debug-sections={kind}");
        program.run("objcopy", &[&flag, "program", "compressed"]);
        let path = program.path("compressed");
        {
            use object::{Object, ObjectSection};
            let bytes = fs::read(&path).unwrap();
            let file = object::File::parse(bytes.as_slice()).unwrap();
            let section = file.sections().find(|s| s.name() == Ok(section)).unwrap();
            let stored = section.compressed_data().unwrap();
            assert_ne!(stored.format, object::CompressionFormat::None, "{kind}");
        }
        let symbolizer = Symbolizer::open(&path).unwrap();
        assert_eq!(places(&program, &symbolizer), expected, "{kind}");
    }
}

#[test]
fn split_units_are_found_where_they_were_compiled_or_beside_the_program() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let expected = {
            let program = Program::build(&[version]);
            places(&program, &program.symbolizer())
        };
        let program = Program::build(&[version, "-gsplit-dwarf"]);
        let units: Vec<_> = fs::read_dir(program.path(""))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "dwo"))
            .collect();
        assert_eq!(units.len(), 2, "{version}");
        assert_eq!(places(&program, &program.symbolizer()), expected);

        // The program and its units were moved.
        let moved = tempfile::tempdir().unwrap();
        let elf = moved.path().join("vmlinux");
        fs::copy(program.elf(), &elf).unwrap();
        for unit in &units {
            fs::rename(unit, moved.path().join(unit.file_name().unwrap())).unwrap();
        }
        let symbolizer = Symbolizer::open(&elf).unwrap();
        assert_eq!(places(&program, &symbolizer), expected, "{version}");

        // Without units the lines are left.
        let lines = program.symbolizer();
        let found = resolve(&lines, program.frame("outer", 0, Pc::Exact)).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].function, "outer");
        assert_eq!(found[0].file.as_deref(), Some("mm/main.c"));
    }
}

#[test]
fn a_unit_of_another_build_is_not_read() {
    let program = Program::build(&["-gsplit-dwarf"]);
    let other = Program::build(&["-gsplit-dwarf", "-DOTHER", "-O2"]);
    for entry in fs::read_dir(other.path("")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "dwo") {
            fs::copy(&path, program.path("").join(path.file_name().unwrap())).unwrap();
        }
    }
    let symbolizer = program.symbolizer();
    for at in 0..program.sizes("outer")[0] {
        let found = resolve(&symbolizer, program.frame("outer", at, Pc::Exact)).unwrap();
        assert_eq!(
            found.len(),
            1,
            "the line table alone knows no inlined function"
        );
    }
}

#[test]
fn a_package_beside_the_program_is_read() {
    let program = Program::build(&["-gdwarf-4", "-gsplit-dwarf"]);
    let expected = places(&program, &program.symbolizer());
    program.run("dwp", &["-e", "program", "-o", "program.dwp"]);
    program.run("sh", &["-c", "rm *.dwo"]);
    assert_eq!(places(&program, &program.symbolizer()), expected);
    let found: Vec<_> = (0..program.sizes("outer")[0])
        .filter_map(|at| resolve(&program.symbolizer(), program.frame("outer", at, Pc::Exact)).ok())
        .collect();
    assert!(found.contains(&vec![
        source("inner", "mm/main.c", 4, true),
        source("outer", "mm/main.c", 8, false)
    ]));
}
