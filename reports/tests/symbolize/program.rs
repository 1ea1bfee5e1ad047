// SPDX-License-Identifier: GPL-2.0-or-later
//! A small program, compiled for a test.

use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object, ObjectSymbol};
use swapmig_reports::symbolize::{Resolved, SourceFrame, Symbolizer};
use swapmig_reports::trace::{Frame, Pc};

/// Two functions of one name, one of them small, and one that inlines another.
pub(crate) const MAIN: &str = "\
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

pub(crate) const OTHER: &str = "\
extern volatile int sink;
static __attribute__((noinline)) void twin(void) {
    for (int i = 0; i < 9; i++) { sink += i; sink ^= 7; sink *= 3; sink -= i << 2; }
}
void other(void) { twin(); }
";

/// A folder with sources and what was compiled of them.
pub(crate) struct Program {
    folder: tempfile::TempDir,
}

impl Program {
    /// The usual two sources, compiled with further flags.
    pub(crate) fn build(flags: &[&str]) -> Self {
        Self::of(&[("mm/main.c", MAIN), ("mm/other.c", OTHER)], flags)
    }

    /// Sources, compiled into `program`.
    pub(crate) fn of(sources: &[(&str, &str)], flags: &[&str]) -> Self {
        let program = Self::with(sources);
        let usual = ["-g", "-O1", "-fno-omit-frame-pointer", "-o", "program"];
        let compiled = sources.iter().map(|(path, _)| *path);
        let compiled = compiled.filter(|path| !path.ends_with(".h"));
        let arguments: Vec<_> = usual.iter().copied().chain(flags.iter().copied()).collect();
        program.run("cc", &[arguments, compiled.collect()].concat());
        program
    }

    /// Sources that the test compiles itself.
    pub(crate) fn with(sources: &[(&str, &str)]) -> Self {
        let program = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        for (path, source) in sources {
            let path = program.path(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, source).unwrap();
        }
        program
    }

    /// Runs a compiler or linker in the folder.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) {
        let status = Command::new(program)
            .current_dir(self.folder.path())
            .args(arguments)
            .status()
            .unwrap();
        assert!(status.success(), "{program} {arguments:?}");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn elf(&self) -> PathBuf {
        self.path("program")
    }

    pub(crate) fn symbolizer(&self) -> Symbolizer {
        Symbolizer::open(&self.elf()).unwrap()
    }

    pub(crate) fn sizes(&self, name: &str) -> Vec<u64> {
        sizes(&self.elf(), name)
    }

    /// The only function of that name, as a trace prints it.
    pub(crate) fn frame(&self, name: &str, offset: u64, pc: Pc) -> Frame {
        frame(name, offset, self.sizes(name)[0], pc)
    }
}

/// Sizes of a file's symbols of that name.
pub(crate) fn sizes(elf: &Path, name: &str) -> Vec<u64> {
    let bytes = std::fs::read(elf).unwrap();
    let file = object::File::parse(bytes.as_slice()).unwrap();
    file.symbols()
        .filter(|s| s.name() == Ok(name))
        .map(|s| s.size())
        .collect()
}

/// A frame of the kernel itself.
pub(crate) fn frame(symbol: &str, offset: u64, size: u64, pc: Pc) -> Frame {
    Frame {
        symbol: symbol.to_owned(),
        offset,
        size,
        module: None,
        build_id: None,
        reliable: true,
        pc,
        location: None,
    }
}

/// What one frame is, alone.
pub(crate) fn resolve(symbolizer: &Symbolizer, frame: Frame) -> Resolved {
    let [resolved] = symbolizer.resolve(&[frame]).try_into().unwrap();
    resolved
}

/// The file of the function itself.
pub(crate) fn file(resolved: &Resolved) -> Option<&str> {
    resolved.as_ref().unwrap().last().unwrap().file.as_deref()
}

pub(crate) fn source(function: &str, file: &str, line: u32, inlined: bool) -> SourceFrame {
    SourceFrame {
        function: function.to_owned(),
        file: Some(file.to_owned()),
        line: Some(line),
        inlined,
    }
}
