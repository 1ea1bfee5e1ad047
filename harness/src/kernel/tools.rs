// SPDX-License-Identifier: GPL-2.0-or-later
//! The programs and headers that a kernel build needs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::KernelError;

/// Something that a kernel build needs of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuildTool {
    /// Whether it is a program or a header.
    pub kind: ToolKind,
    /// Its name, such as `gcc` or `libelf.h`.
    pub name: &'static str,
    /// The Debian package that brings it.
    pub package: &'static str,
}

/// Where a build looks for a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolKind {
    /// In `PATH`.
    Program,
    /// Where gcc looks for headers.
    Header,
}

/// All that a kernel build needs.
pub const BUILD_TOOLS: &[BuildTool] = &[
    program("make", "make"),
    program("gcc", "gcc"),
    program("ld", "binutils"),
    program("flex", "flex"),
    program("bison", "bison"),
    program("bc", "bc"),
    program("patch", "patch"),
    program("tar", "tar"),
    program("xz", "xz-utils"),
    program("gzip", "gzip"),
    program("perl", "perl-base"),
    program("setpriv", "util-linux"),
    header("libelf.h", "libelf-dev"),
    header("openssl/opensslv.h", "libssl-dev"),
];

const fn program(name: &'static str, package: &'static str) -> BuildTool {
    BuildTool {
        kind: ToolKind::Program,
        name,
        package,
    }
}

const fn header(name: &'static str, package: &'static str) -> BuildTool {
    BuildTool {
        kind: ToolKind::Header,
        name,
        package,
    }
}

impl BuildTool {
    /// Whether this machine has it. Without gcc no header is found.
    pub fn is_there(&self) -> bool {
        match self.kind {
            ToolKind::Program => is_in_path(self.name),
            ToolKind::Header => is_included(self.name),
        }
    }
}

/// Fail naming every program and header that is missing.
pub fn require_tools() -> Result<(), KernelError> {
    require(BUILD_TOOLS)
}

fn require(tools: &[BuildTool]) -> Result<(), KernelError> {
    let missing: Vec<_> = tools.iter().filter(|tool| !tool.is_there()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(KernelError::NoTools {
        tools: missing.iter().map(|tool| tool.name).collect(),
        packages: missing.iter().map(|tool| tool.package).collect(),
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
            remedy: "run `apt-get install --reinstall gcc` as root",
        }),
    }
}

/// Whether gcc, in a build's environment, finds a header.
fn is_included(header: &str) -> bool {
    Command::new("gcc")
        .args(["-fsyntax-only", "-include", header, "-x", "c", "/dev/null"])
        .env_remove("CPATH")
        .env_remove("C_INCLUDE_PATH")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn is_in_path(tool: &str) -> bool {
    let executable = |path: &Path| {
        path.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| executable(&dir.join(tool))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let tools = [
            program("sh", "dash"),
            program("no-such-program", "package-a"),
            header("stddef.h", "gcc"),
            header("no/such-header.h", "package-b"),
        ];
        let error = require(&tools).unwrap_err().to_string();
        assert!(
            error.contains("needs no-such-program, no/such-header.h, missing")
                && error.contains("`apt-get install package-a package-b`"),
            "{error}"
        );
    }
}
