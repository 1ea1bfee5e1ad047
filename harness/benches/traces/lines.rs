// SPDX-License-Identifier: GPL-2.0-or-later
//! How long the source lines of a trace take, beside the kernel's own script.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::{Object, ObjectSection};
use swapmig::catalogue::Images;
use swapmig::home::Home;
use swapmig::kernel::KernelStore;

use crate::decode;
use crate::figures::{Figures, Result};

/// The kernel of the project's own that is taken where none is named.
const KERNEL: (&str, &str) = ("6.12", "fixed");
/// Frames of the trace.
const FRAMES: usize = 60;
/// Names the vmlinux of another kernel.
const VMLINUX: &str = "SWAPMIG_BENCH_VMLINUX";
/// Lines that differ and are shown.
const SHOWN: usize = 10;

/// Decodes a trace here and by the script, neither having the vmlinux in the page cache.
pub(crate) fn measured(figures: &mut Figures) -> Result<()> {
    let home = Home::from_env()?;
    let own = own_kernel(&home)?;
    let vmlinux = std::env::var_os(VMLINUX).map_or(own, PathBuf::from);
    let scripts = scripts(&home)?;
    println!(
        "# {}: {} MB of DWARF; {VMLINUX} names another vmlinux",
        vmlinux.display(),
        dwarf(&vmlinux)? / 1_000_000
    );
    let console = decode::sample(&vmlinux, FRAMES)?;
    let compared = decode::compare(&vmlinux, &scripts, &console)?;
    for (ours, script) in compared.differing.iter().take(SHOWN) {
        println!("# here   {ours}\n# script {script}");
    }
    println!("# decode_stacktrace.sh: {:.2} s", compared.script_seconds);
    figures.at_least("frames", compared.lines as f64, "frames", FRAMES as f64);
    figures.at_most("source_lines_cold", compared.ours_seconds, "s", 1.0);
    figures.at_least("faster_than_the_script", compared.speedup(), "times", 20.0);
    figures.at_least(
        "same_lines_as_the_script",
        compared.equal as f64,
        "frames",
        compared.lines as f64,
    );
    Ok(())
}

/// The project's own kernel, built if it is not in the store.
fn own_kernel(home: &Home) -> Result<PathBuf> {
    let (line, variant) = KERNEL;
    let status = Command::new(env!("CARGO_BIN_EXE_swapmig"))
        .args(["kernel", "build", line, variant])
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("swapmig kernel build {line} {variant}: {status}").into());
    }
    let images = Images::locate()?;
    let line = images.line(line)?;
    let variant = images.variant(&line, variant)?;
    let kernel = KernelStore::new(home.clone()).lookup(&line, &variant)?;
    Ok(kernel
        .ok_or("the kernel is not in the store")?
        .vmlinux
        .into())
}

/// The `scripts` of a kernel source that is unpacked.
fn scripts(home: &Home) -> Result<PathBuf> {
    for package in std::fs::read_dir(home.sources())? {
        for tree in std::fs::read_dir(package?.path())? {
            let scripts = tree?.path().join("scripts");
            if scripts.join("decode_stacktrace.sh").is_file() {
                return Ok(scripts);
            }
        }
    }
    Err(format!(
        "no kernel source is unpacked under {}: run swapmig kernel build {} {}",
        home.sources(),
        KERNEL.0,
        KERNEL.1
    )
    .into())
}

/// Bytes of debug information in a file.
fn dwarf(path: &Path) -> Result<u64> {
    let bytes = std::fs::read(path)?;
    let file = object::File::parse(bytes.as_slice())?;
    let sections = file.sections();
    let debug = sections.filter(|s| s.name().is_ok_and(|name| name.starts_with(".debug_")));
    Ok(debug.map(|section| section.size()).sum())
}
