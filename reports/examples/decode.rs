// SPDX-License-Identifier: GPL-2.0-or-later
//! Decodes the traces of a console against a vmlinux, a line a frame, as the kernel's
//! `scripts/decode_stacktrace.sh` prints them: `symbol (file:line file:line) module`.
//!
//! `decode VMLINUX CONSOLE [MODULES…]`
//!
//! The script of 6.12 looks up a return address itself, not the call before it; so does this.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use swapmig_reports::symbolize::{Symbolizer, decoded};
use swapmig_reports::trace::{Frame, Pc, parse};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    let [vmlinux, console, modules @ ..] = arguments.as_slice() else {
        return fail("give a vmlinux, a console's file, and folders of modules if there are any");
    };
    match decode(vmlinux, console, modules) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "{why}");
    ExitCode::FAILURE
}

fn decode(
    vmlinux: &Path,
    console: &Path,
    modules: &[PathBuf],
) -> Result<(), Box<dyn std::error::Error>> {
    let symbolizer = Symbolizer::open(vmlinux)?.with_modules(modules)?;
    let mut out = std::io::stdout().lock();
    for report in parse(&std::fs::read(console)?) {
        for stack in &report.stacks {
            let frames: Vec<_> = stack.frames.iter().cloned().map(exact).collect();
            for (frame, resolved) in frames.iter().zip(symbolizer.resolve(&frames)) {
                writeln!(out, "{}", decoded(frame, &resolved))?;
            }
        }
    }
    Ok(())
}

fn exact(frame: Frame) -> Frame {
    Frame {
        pc: Pc::Exact,
        ..frame
    }
}
