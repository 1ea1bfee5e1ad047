// SPDX-License-Identifier: GPL-2.0-or-later
//! A line's source: which it is, and its unpacked tree.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::{fmt, io};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::error::KernelError;
use super::run::{self, Program};
use crate::catalogue::{Line, Name, Source};
use crate::home::{Cancel, Home, Lock};

/// Which source a kernel is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceId {
    /// The package, or the line for a tarball of no package.
    pub name: String,
    /// The package's version, or the tarball's hash.
    pub version: String,
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

impl SourceId {
    /// The source that is installed for a line now.
    pub fn of(line: &Line) -> Result<Self, KernelError> {
        match &line.source {
            Source::Package { package, tarball } => {
                let version = package_version(package)?;
                if !tarball.is_file() {
                    return Err(KernelError::NoTarball {
                        tarball: tarball.clone(),
                        remedy: format!(
                            "package {package} {version} should have brought it: \
                             run `apt-get install --reinstall {package}` as root"
                        ),
                    });
                }
                Ok(Self {
                    name: package.to_string(),
                    version,
                })
            }
            Source::Tarball { tarball } => {
                let file = File::open(tarball).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => KernelError::NoTarball {
                        tarball: tarball.clone(),
                        remedy: format!("put it there, or correct `tarball` of line {}", line.name),
                    },
                    _ => KernelError::io("read", tarball)(error),
                })?;
                let mut hasher = blake3::Hasher::new();
                hasher
                    .update_reader(file)
                    .map_err(KernelError::io("read", tarball))?;
                let mut version = hasher.finalize().to_hex().to_string();
                version.truncate(16);
                Ok(Self {
                    name: line.name.to_string(),
                    version,
                })
            }
        }
    }

    /// The name of its directory.
    fn dir_name(&self) -> String {
        // A Debian version may hold `:` and `~`, which make and shells take amiss in a path.
        let version: String = self
            .version
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || ".+-".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        format!("{}-{version}", self.name)
    }
}

/// The version of an installed Debian package.
fn package_version(package: &Name) -> Result<String, KernelError> {
    let missing = || KernelError::NoPackage {
        package: package.to_string(),
    };
    let output = Command::new("dpkg-query")
        .args(["-W", "-f=${db:Status-Status} ${Version}", package.as_str()])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|_| missing())?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.split_once(' ') {
        Some(("installed", version)) if output.status.success() && !version.is_empty() => {
            Ok(version.to_owned())
        }
        _ => Err(missing()),
    }
}

/// The unpacked tree of a source, unpacking it if it is absent. The caller holds the source's lock.
///
/// Trees of other versions of the same source are removed: they are gigabytes, and their kernels
/// are in the store.
pub(super) fn unpack(
    home: &Home,
    line: &Line,
    id: &SourceId,
    lock: &Lock,
    cancel: &Cancel,
    unpacking: &dyn Fn(),
) -> Result<Utf8PathBuf, KernelError> {
    let sources = home.sources();
    let tree = sources.join(&id.name).join(id.dir_name());
    if tree.is_dir() {
        return Ok(tree);
    }
    unpacking();
    home.require_free(
        line.room.for_source(),
        "unpacking a kernel source and building it",
    )?;
    let parent = sources.join(&id.name);
    remove(&parent)?;
    let staging = parent.join("unpacking");
    fs::create_dir_all(&staging).map_err(KernelError::io("create", &staging))?;
    let (Source::Package { tarball, .. } | Source::Tarball { tarball }) = &line.source;
    let program = Program {
        name: "tar",
        args: vec![
            "--extract".into(),
            "--no-same-owner".into(),
            "--strip-components=1".into(),
            format!("--file={tarball}"),
            format!("--directory={staging}"),
        ],
        dir: &staging,
    };
    let mut last = Vec::new();
    let status = run::run(&program, lock, cancel, &mut |text| {
        run::keep_last(&mut last, text);
        Ok(())
    })?;
    if !status.success() {
        if run::tells_full_disk(&last) {
            return Err(KernelError::DiskFull { path: staging });
        }
        return Err(KernelError::Program {
            program: "tar",
            status: status.to_string(),
            output: last.join("\n"),
            remedy: "the tarball may be damaged: reinstall its package, or put a whole one there",
        });
    }
    // The tarball may have been replaced since its version was read.
    let now = SourceId::of(line)?;
    if now != *id {
        return Err(KernelError::SourceChanged {
            was: id.to_string(),
            now: now.to_string(),
        });
    }
    // The name must not become visible before the files are on the disk.
    let dir = File::open(&staging).map_err(KernelError::io("open", &staging))?;
    rustix::fs::syncfs(&dir).map_err(|e| KernelError::io("sync", &staging)(e.into()))?;
    fs::rename(&staging, &tree).map_err(KernelError::io("rename", &staging))?;
    Ok(tree)
}

/// Remove a directory, if it is there.
pub(super) fn remove(dir: &Utf8Path) -> Result<(), KernelError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(KernelError::io("remove", dir)(error))
        }
        _ => Ok(()),
    }
}
