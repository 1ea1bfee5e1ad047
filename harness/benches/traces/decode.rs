// SPDX-License-Identifier: GPL-2.0-or-later
//! Symbolizing side by side with the kernel's own `scripts/decode_stacktrace.sh`.
//!
//! Both are given the same frames and the same vmlinux, none of which is in the page cache. The
//! script of 6.12 looks up a return address itself, not the call before it; so that lines can be
//! compared, every address is taken as printed here too. Frames that end with a call that never
//! returns are left out: the script shows the next function there.

use std::fs::File;
use std::io::{Error, Result, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use object::{Object, ObjectSymbol, SymbolKind};
use rustix::fs::{Advice, fadvise};
use swapmig_reports::symbolize::{Symbolizer, decoded};
use swapmig_reports::trace::{Frame, Pc, parse};

/// Bytes that a function has at least to be put into a trace.
const FUNCTION_MIN: u64 = 64;

/// What came of both.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// Seconds that it took here, from opening the vmlinux.
    pub(crate) ours_seconds: f64,
    /// Seconds that the script took.
    pub(crate) script_seconds: f64,
    /// Frames decoded.
    pub(crate) lines: usize,
    /// Frames that both printed alike.
    pub(crate) equal: usize,
    /// The others: ours, the script's.
    pub(crate) differing: Vec<(String, String)>,
}

impl Comparison {
    /// How many times faster it is here.
    pub(crate) fn speedup(&self) -> f64 {
        self.script_seconds / self.ours_seconds
    }
}

/// A console with a trace of as many frames, taken evenly from the functions of a vmlinux.
pub(crate) fn sample(vmlinux: &Path, frames: usize) -> Result<String> {
    let bytes = std::fs::read(vmlinux)?;
    let file = object::File::parse(bytes.as_slice()).map_err(Error::other)?;
    let mut functions: Vec<_> = file
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() >= FUNCTION_MIN)
        .filter_map(|symbol| Some((symbol.name().ok()?, symbol.size())))
        .collect();
    functions.sort_unstable();
    // The script takes the first of several functions of one name.
    let unique: Vec<_> = functions
        .chunk_by(|(a, _), (b, _)| a == b)
        .filter_map(|named| match named {
            [one] => Some(one),
            _ => None,
        })
        .collect();
    let mut console =
        String::from("[    1.000000] kernel BUG at mm/rmap.c:1!\n[    1.000000] Call Trace:\n");
    for (name, size) in unique
        .iter()
        .step_by((unique.len() / frames).max(1))
        .take(frames)
    {
        let offset = size / 2;
        console += &format!("[    1.000000]  {name}+{offset:#x}/{size:#x}\n");
    }
    Ok(console + "[    1.000000] ---[ end trace 0000000000000000 ]---\n")
}

/// Decodes all frames of a console here and by the script in `scripts`, which needs bash,
/// addr2line and nm.
pub(crate) fn compare(vmlinux: &Path, scripts: &Path, console: &str) -> Result<Comparison> {
    let stacks: Vec<Vec<Frame>> = parse(console.as_bytes())
        .into_iter()
        .flat_map(|report| report.stacks)
        .map(|stack| {
            let within = stack.frames.into_iter().filter(|f| f.offset < f.size);
            within.map(as_printed).collect()
        })
        .collect();

    evict(vmlinux)?;
    let begun = Instant::now();
    let symbolizer = Symbolizer::open(vmlinux).map_err(Error::other)?;
    let ours: Vec<_> = stacks
        .iter()
        .flat_map(|frames| frames.iter().zip(symbolizer.resolve(frames)))
        .map(|(frame, resolved)| decoded(frame, &resolved))
        .collect();
    let ours_seconds = begun.elapsed().as_secs_f64();

    let printed: String = stacks.iter().flatten().map(|f| format!("{f}\n")).collect();
    evict(vmlinux)?;
    let begun = Instant::now();
    let decoded = script(vmlinux, scripts, &printed)?;
    let script_seconds = begun.elapsed().as_secs_f64();

    let mut theirs = decoded.lines().map(plain);
    let differing: Vec<_> = ours
        .iter()
        .map(|ours| (ours.clone(), theirs.next().unwrap_or_default()))
        .filter(|(ours, theirs)| ours != theirs)
        .collect();
    Ok(Comparison {
        ours_seconds,
        script_seconds,
        lines: ours.len(),
        equal: ours.len() - differing.len(),
        differing,
    })
}

fn as_printed(frame: Frame) -> Frame {
    Frame {
        pc: Pc::Exact,
        ..frame
    }
}

fn script(vmlinux: &Path, scripts: &Path, frames: &str) -> Result<String> {
    let mut child = Command::new("bash")
        .arg(scripts.join("decode_stacktrace.sh"))
        .arg(vmlinux)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    // A trace fits into the pipe's buffer; the script is not waited for here.
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(frames.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Error::other(format!(
            "decode_stacktrace.sh: {}",
            output.status
        ))),
    }
}

/// A line of the script without addr2line's discriminators, which tell blocks of one line apart.
fn plain(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once(" (discriminator ") {
        plain += before;
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    plain += rest;
    plain.trim_end().to_owned()
}

/// Drops a file from the page cache.
fn evict(path: &Path) -> Result<()> {
    fadvise(File::open(path)?, 0, None, Advice::DontNeed)?;
    Ok(())
}
