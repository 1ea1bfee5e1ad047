// SPDX-License-Identifier: GPL-2.0-or-later
//! The programs that a kernel build needs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::KernelError;

/// Program → the Debian package that brings it.
const NEEDED: &[(&str, &str)] = &[
    ("make", "make"),
    ("gcc", "gcc"),
    ("ld", "binutils"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("patch", "patch"),
    ("tar", "tar"),
    ("xz", "xz-utils"),
    ("gzip", "gzip"),
    ("perl", "perl-base"),
    ("setpriv", "util-linux"),
];

/// Fail naming every program that is missing.
pub fn require_tools() -> Result<(), KernelError> {
    let missing: Vec<_> = NEEDED.iter().filter(|(tool, _)| !is_there(tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(KernelError::NoTools {
        tools: missing.iter().map(|(tool, _)| *tool).collect(),
        packages: missing.iter().map(|(_, package)| *package).collect(),
    })
}

/// First line of `gcc --version`.
pub fn compiler() -> Result<String, KernelError> {
    let missing = |_| KernelError::NoTools {
        tools: vec!["gcc"],
        packages: vec!["gcc"],
    };
    let output = Command::new("gcc")
        .arg("--version")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(missing)?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().next() {
        Some(line) if output.status.success() && !line.trim().is_empty() => {
            Ok(line.trim().to_owned())
        }
        _ => Err(KernelError::Program {
            program: "gcc --version",
            status: output.status.to_string(),
            output: String::from_utf8_lossy(&output.stderr)
                .trim()
                .escape_debug()
                .to_string(),
        }),
    }
}

fn is_there(tool: &str) -> bool {
    let executable = |path: &Path| {
        path.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| executable(&dir.join(tool))))
}
