// SPDX-License-Identifier: GPL-2.0-or-later
//! Modules: relocatable files found by name.

use std::fs;

use swapmig_reports::symbolize::{Error, Resolved, Symbolizer, Unresolved};
use swapmig_reports::trace::{Frame, Pc};

use crate::program::{Program, frame, resolve, sizes, source};

const RUN: &str = "\
extern int printk(const char *);
static inline __attribute__((always_inline)) int helper(const char *text) {
    return printk(text);
}
int module_run(void) {
    return helper(\"run\") + 1;
}
__attribute__((section(\".init.text\"))) int module_start(void) {
    return printk(\"start\") + 2;
}
";

const END: &str = "\
extern int printk(const char *);
__attribute__((section(\".exit.text\"))) int module_end(void) {
    return printk(\"end\") + 3;
}
static const char magic[] __attribute__((section(\".modinfo\"), used)) =
    \"vermagic=6.12.0-test SMP mod_unload \";
";

const BUILD_ID: &str = "00112233445566778899aabbccddeeff00112233";

/// A vmlinux and `lib/foo-bar.ko`, which a linker only joined of two objects.
fn kernel(flags: &[&str]) -> Program {
    let banner = "const char linux_banner[] = \"Linux version 6.12.0-test (a@b) (cc) #1\\n\";\n";
    let sources = [
        ("mm/main.c", crate::program::MAIN),
        ("mm/other.c", crate::program::OTHER),
        ("init/version.c", banner),
    ];
    let program = Program::of(&sources, &[]);
    fs::create_dir_all(program.path("lib")).unwrap();
    fs::write(program.path("lib/run.c"), RUN).unwrap();
    fs::write(program.path("lib/end.c"), END).unwrap();
    let compile = ["-g", "-O2", "-c", "-fno-pic"];
    for name in ["run", "end"] {
        let (c, o) = (format!("lib/{name}.c"), format!("lib/{name}.o"));
        program.run("cc", &[&compile[..], flags, &[&c, "-o", &o]].concat());
    }
    let id = format!("--build-id=0x{BUILD_ID}");
    let join = ["-r", &id, "-o", "lib/foo-bar.ko", "lib/run.o", "lib/end.o"];
    program.run("ld", &join);
    program
}

fn in_module(program: &Program, symbol: &str, offset: u64) -> Frame {
    let size = sizes(&program.path("lib/foo-bar.ko"), symbol)[0];
    Frame {
        module: Some("foo_bar".to_owned()),
        ..frame(symbol, offset, size, Pc::Exact)
    }
}

fn symbolizer(program: &Program) -> Symbolizer {
    program
        .symbolizer()
        .with_modules(&[program.path("lib")])
        .unwrap()
}

/// All places of a module's function.
fn places(program: &Program, symbolizer: &Symbolizer, symbol: &str) -> Vec<Resolved> {
    let size = sizes(&program.path("lib/foo-bar.ko"), symbol)[0];
    (0..size)
        .map(|at| resolve(symbolizer, in_module(program, symbol, at)))
        .collect()
}

#[test]
fn each_section_of_a_module_has_its_own_addresses() {
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let program = kernel(&[version]);
        let symbolizer = symbolizer(&program);
        let run = places(&program, &symbolizer, "module_run");
        assert!(run.contains(&Ok(vec![
            source("helper", "lib/run.c", 3, true),
            source("module_run", "lib/run.c", 6, false)
        ])));
        // All three begin at 0 of their sections.
        for (symbol, file, line) in [
            ("module_start", "lib/run.c", 8),
            ("module_end", "lib/end.c", 2),
        ] {
            let found = places(&program, &symbolizer, symbol);
            assert_eq!(
                found[0],
                Ok(vec![source(symbol, file, line, false)]),
                "{version}"
            );
            let next = vec![source(symbol, file, line + 1, false)];
            assert!(found.contains(&Ok(next)), "{version}");
        }
    }
}

#[test]
fn compressed_and_split_modules_are_read() {
    let program = kernel(&[]);
    let expected = places(&program, &symbolizer(&program), "module_run");
    for kind in ["zlib", "zstd"] {
        let flag = format!("--compress-debug-sections={kind}");
        program.run("objcopy", &[&flag, "lib/foo-bar.ko"]);
        let found = places(&program, &symbolizer(&program), "module_run");
        assert_eq!(found, expected, "{kind}");
    }
    let split = kernel(&["-gsplit-dwarf"]);
    let found = places(&split, &symbolizer(&split), "module_run");
    assert_eq!(found, expected, "split");
}

#[test]
fn debug_information_may_lie_in_a_file_of_its_own() {
    let program = kernel(&[]);
    let expected = places(&program, &symbolizer(&program), "module_run");
    program.run("mkdir", &["lib/debug"]);
    program.run(
        "objcopy",
        &[
            "--only-keep-debug",
            "lib/foo-bar.ko",
            "lib/debug/foo-bar.ko.debug",
        ],
    );
    let size = in_module(&program, "module_run", 0).size;
    program.run("strip", &["--strip-debug", "lib/foo-bar.ko"]);
    let module = in_module(&program, "module_run", 0);
    assert_eq!(module.size, size);
    let found = resolve(&symbolizer(&program), module.clone());
    assert_eq!(found, expected[0]);
    // Without it, names are all there is.
    program.run("rm", &["lib/debug/foo-bar.ko.debug"]);
    let found = resolve(&symbolizer(&program), module);
    assert_eq!(found, Err(Unresolved::NoDebugInfo));
}

#[test]
fn a_module_must_be_of_the_log_and_of_the_kernel() {
    let program = kernel(&[]);
    let symbolizer = symbolizer(&program);
    let why = |frame: Frame| resolve(&symbolizer, frame).unwrap_err();
    let with = |change: &dyn Fn(&mut Frame)| {
        let mut frame = in_module(&program, "module_run", 0);
        change(&mut frame);
        frame
    };
    let printed = with(&|frame| frame.build_id = Some(BUILD_ID.to_uppercase()));
    assert!(resolve(&symbolizer, printed).is_ok());
    let other = with(&|frame| frame.build_id = Some(BUILD_ID.replace('0', "1")));
    assert_eq!(why(other), Unresolved::OtherModule);
    let absent = with(&|frame| frame.module = Some("absent".to_owned()));
    assert_eq!(why(absent), Unresolved::NoModule);
    let climbing = with(&|frame| frame.module = Some("../lib/foo_bar".to_owned()));
    assert_eq!(why(climbing), Unresolved::NoModule);
    // A namesake in vmlinux is another function.
    let namesake = with(&|frame| frame.symbol = "main".to_owned());
    assert_eq!(why(namesake), Unresolved::NoSymbol);

    fs::write(
        program.path("lib/end.c"),
        END.replace("6.12.0-test", "6.11.0"),
    )
    .unwrap();
    program.run(
        "cc",
        &[
            "-g",
            "-O2",
            "-c",
            "-fno-pic",
            "lib/end.c",
            "-o",
            "lib/end.o",
        ],
    );
    program.run(
        "ld",
        &["-r", "-o", "lib/foo-bar.ko", "lib/run.o", "lib/end.o"],
    );
    let frame = in_module(&program, "module_run", 0);
    let found = resolve(&self::symbolizer(&program), frame.clone());
    assert_eq!(found, Err(Unresolved::OtherModule));

    fs::write(program.path("lib/foo-bar.ko"), "no module").unwrap();
    let found = resolve(&self::symbolizer(&program), frame.clone());
    assert_eq!(found, Err(Unresolved::BadModule));
    assert_eq!(
        resolve(&program.symbolizer(), frame),
        Err(Unresolved::NoModule),
        "no folder was given"
    );
}

#[test]
fn a_folder_that_cannot_be_read_is_named() {
    let program = Program::build(&[]);
    let missing = program.path("missing");
    let refused = program
        .symbolizer()
        .with_modules(std::slice::from_ref(&missing));
    assert!(matches!(refused, Err(Error::Read { path, .. }) if path == missing));
}
