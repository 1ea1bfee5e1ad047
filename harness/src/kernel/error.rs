// SPDX-License-Identifier: GPL-2.0-or-later
//! What can go wrong on the way to a kernel, and what to do about it.

use std::{fmt, io};

use camino::{Utf8Path, Utf8PathBuf};

use super::config::LostSymbol;
use crate::home::HomeError;

/// What can go wrong on the way to a kernel.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The source package is not installed.
    #[error(
        "the kernel source package {package} is not installed; run `apt-get install {package}` as root"
    )]
    NoPackage {
        /// The package.
        package: String,
    },
    /// The package is there and its tarball is not.
    #[error("there is no kernel source at {tarball}; {remedy}")]
    NoTarball {
        /// The tarball.
        tarball: Utf8PathBuf,
        /// What to do.
        remedy: String,
    },
    /// Another source was installed while this one was being unpacked.
    #[error("the kernel source became {now} while {was} was being unpacked; run it again")]
    SourceChanged {
        /// The source that was asked for.
        was: String,
        /// The source that is there now.
        now: String,
    },
    /// Programs or headers that a build needs are missing.
    #[error(
        "a kernel build needs {}, missing here; run `apt-get install {}` as root",
        tools.join(", "),
        packages.join(" ")
    )]
    NoTools {
        /// The programs and headers.
        tools: Vec<&'static str>,
        /// The Debian packages that bring them.
        packages: Vec<&'static str>,
    },
    /// A patch does not apply to this source.
    #[error(
        "{patch} does not apply to {source_id}: {}; rebase the patch on this source",
        failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    )]
    DoesNotApply {
        /// The patch file.
        patch: Utf8PathBuf,
        /// Package and version that it was tried on.
        source_id: String,
        /// Where it failed.
        failures: Vec<HunkFailure>,
    },
    /// A patch file cannot be used at all.
    #[error("{patch}:{line}: {reason}")]
    BadPatch {
        /// The patch file.
        patch: Utf8PathBuf,
        /// Line in it, from 1.
        line: usize,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A config fragment has a line that is no assignment.
    #[error(
        "{path}:{line}: `{text}` is no config line; write CONFIG_NAME=value, `# CONFIG_NAME is not set` or a comment"
    )]
    BadConfig {
        /// The fragment.
        path: Utf8PathBuf,
        /// Line in it, from 1.
        line: usize,
        /// The line, escaped.
        text: String,
    },
    /// Asked-for symbols are not what they were asked to be.
    #[error(
        "{} config symbols of line {line} did not survive `make olddefconfig`: {}; \
         add what they depend on to the fragments, or drop them",
        lost.len(),
        lost.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    ConfigLost {
        /// The kernel line.
        line: String,
        /// Every symbol.
        lost: Vec<LostSymbol>,
    },
    /// make failed.
    #[error(
        "`make {target}` failed ({status}):\n{}\nthe whole output is in {log}",
        errors.join("\n")
    )]
    Make {
        /// What it was to make.
        target: String,
        /// How it ended.
        status: String,
        /// The first lines that say why.
        errors: Vec<String>,
        /// Its whole output.
        log: Utf8PathBuf,
    },
    /// Another program failed.
    #[error("`{program}` failed ({status}): {output}; {remedy}")]
    Program {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The end of what it said.
        output: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The disk filled up. The store is as it was before.
    #[error(
        "the disk filled up while writing {path}; the kernels in the store are whole. \
         Free some space or set SWAPMIG_HOME to another disk, and run it again"
    )]
    DiskFull {
        /// What was being written.
        path: Utf8PathBuf,
    },
    /// A file operation failed.
    #[error(
        "cannot {action} {path}: {source}; check that it is there, that you may use it and that its disk is sound"
    )]
    Io {
        /// What was tried, such as `copy`.
        action: &'static str,
        /// On which path.
        path: Utf8PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The source tree's journal cannot be read.
    #[error(
        "the journal {path} of a patched source tree is damaged ({reason}); remove {tree}, it will be unpacked again"
    )]
    DamagedJournal {
        /// The journal.
        path: Utf8PathBuf,
        /// The tree that it belongs to.
        tree: Utf8PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The cache directory is unusable.
    #[error(transparent)]
    Home(HomeError),
    /// The caller gave up.
    #[error(
        "the kernel build was cancelled; what it compiled so far is kept, run it again to go on"
    )]
    Cancelled,
}

impl KernelError {
    /// Wrap an I/O error, telling a full disk apart.
    pub(super) fn io(action: &'static str, path: &Utf8Path) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let full = matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            );
            match full {
                true => Self::DiskFull {
                    path: path.to_owned(),
                },
                false => Self::Io {
                    action,
                    path: path.to_owned(),
                    source,
                },
            }
        }
    }

    /// Whether the patch is to blame: other variants may still be had.
    pub fn is_does_not_apply(&self) -> bool {
        matches!(self, Self::DoesNotApply { .. })
    }
}

impl From<HomeError> for KernelError {
    fn from(error: HomeError) -> Self {
        match error {
            HomeError::Cancelled => Self::Cancelled,
            other => Self::Home(other),
        }
    }
}

/// A place where a patch does not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HunkFailure {
    /// The file to be patched, relative to the tree.
    pub file: String,
    /// Which hunk of that file, from 1; absent when the file as a whole is the matter.
    pub hunk: Option<usize>,
    /// The hunk's header, or what is the matter with the file.
    pub detail: String,
}

impl fmt::Display for HunkFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.hunk {
            Some(hunk) => write!(f, "hunk {hunk} of {} fails ({})", self.file, self.detail),
            None => write!(f, "{}: {}", self.file, self.detail),
        }
    }
}
