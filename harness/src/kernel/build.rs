// SPDX-License-Identifier: GPL-2.0-or-later
//! make: a config, then a kernel.

use std::fs::{self, File};
use std::io::Write as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::config::Requests;
use super::error::KernelError;
use super::objects::ObjectTree;
use super::run::{self, Program};
use super::worktree::write_synced;
use crate::home::{Cancel, Lock};

/// Holds the hash of what the `.config` was made from, and of the `.config`.
const CONFIG_STAMP: &str = ".swapmig-config";

/// One build: a source tree, an object tree, and where its output goes.
pub(super) struct Build<'a> {
    pub(super) source: &'a Utf8Path,
    pub(super) objects: &'a ObjectTree,
    pub(super) jobs: usize,
    pub(super) log: File,
    pub(super) log_path: Utf8PathBuf,
    pub(super) lock: &'a Lock,
    pub(super) cancel: &'a Cancel,
}

/// What a build made.
pub(super) struct Artifacts {
    pub(super) bzimage: Utf8PathBuf,
    pub(super) vmlinux: Utf8PathBuf,
    pub(super) config: Utf8PathBuf,
    pub(super) release: String,
}

impl Build<'_> {
    /// Make the config that `requests` ask for, unless it is there, and check that it is that one.
    /// `basis` stands for everything else that a config depends on.
    pub(super) fn configure(
        &mut self,
        line: &str,
        requests: &Requests,
        basis: &[u8],
    ) -> Result<(), KernelError> {
        let config = self.objects.dir().join(".config");
        let stamp_path = self.objects.dir().join(CONFIG_STAMP);
        let wanted = requests.to_config();
        let stamp = |config: &str| {
            let mut hasher = blake3::Hasher::new();
            hasher.update(blake3::hash(basis).as_bytes());
            hasher.update(blake3::hash(wanted.as_bytes()).as_bytes());
            hasher.update(blake3::hash(config.as_bytes()).as_bytes());
            hasher.finalize().to_hex().to_string()
        };
        let read = || fs::read_to_string(&config).map_err(KernelError::io("read", &config));
        if let (Ok(now), Ok(then)) = (read(), fs::read_to_string(&stamp_path))
            && stamp(&now) == then
        {
            return Ok(());
        }
        self.make(&["tinyconfig"], &mut |_| {})?;
        let tiny = read()?;
        fs::write(&config, requests.over(&tiny)).map_err(KernelError::io("write", &config))?;
        self.make(&["olddefconfig"], &mut |_| {})?;
        let made = read()?;
        let lost = requests.lost(&made);
        if !lost.is_empty() {
            return Err(KernelError::ConfigLost {
                line: line.to_owned(),
                lost,
            });
        }
        write_synced(&stamp_path, stamp(&made).as_bytes(), None)
    }

    /// Make bzImage and vmlinux.
    pub(super) fn compile(
        &mut self,
        on_line: &mut dyn FnMut(&str),
    ) -> Result<Artifacts, KernelError> {
        self.make(&["bzImage", "vmlinux"], on_line)?;
        let dir = self.objects.dir();
        let release = dir.join("include/config/kernel.release");
        Ok(Artifacts {
            bzimage: dir.join("arch/x86/boot/bzImage"),
            vmlinux: dir.join("vmlinux"),
            config: dir.join(".config"),
            release: fs::read_to_string(&release)
                .map_err(KernelError::io("read", &release))?
                .trim()
                .to_owned(),
        })
    }

    fn make(&mut self, targets: &[&str], on_line: &mut dyn FnMut(&str)) -> Result<(), KernelError> {
        let program = Program {
            name: "make",
            args: self.args(targets),
            dir: self.source,
        };
        let mut first_errors = Vec::new();
        let mut last = Vec::new();
        let Self { log, log_path, .. } = self;
        self.objects.begin()?;
        let status = run::run(&program, self.lock, self.cancel, &mut |line| {
            writeln!(log, "{line}").map_err(KernelError::io("write", log_path))?;
            if is_error(line) && first_errors.len() < 6 {
                first_errors.push(run::shown(line));
            }
            run::keep_last(&mut last, line);
            on_line(line);
            Ok(())
        })?;
        self.objects.end()?;
        if status.success() {
            return Ok(());
        }
        let errors = if first_errors.is_empty() {
            last
        } else {
            first_errors
        };
        if run::tells_full_disk(&errors) {
            return Err(KernelError::DiskFull {
                path: self.objects.dir().to_owned(),
            });
        }
        Err(KernelError::Make {
            target: targets.join(" "),
            status: status.to_string(),
            errors,
            log: self.log_path.clone(),
        })
    }

    fn args(&self, targets: &[&str]) -> Vec<String> {
        let objects = self.objects.dir();
        // Neither the machine nor the moment nor the place shows in a kernel.
        let maps = [format!("{objects}=."), "../=".to_owned()];
        let flags = |option: &str| {
            maps.iter()
                .map(|map| format!("{option}={map}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let mut args = vec![
            format!("O={objects}"),
            format!("-j{}", self.jobs),
            "ARCH=x86_64".to_owned(),
            "CROSS_COMPILE=".to_owned(),
            "LOCALVERSION=".to_owned(),
            "KBUILD_BUILD_USER=swapmig".to_owned(),
            "KBUILD_BUILD_HOST=swapmig".to_owned(),
            "KBUILD_BUILD_VERSION=1".to_owned(),
            "KBUILD_BUILD_TIMESTAMP=1970-01-01 00:00:00 UTC".to_owned(),
            format!("KCFLAGS={}", flags("-fdebug-prefix-map")),
            format!("KAFLAGS={}", flags("-Wa,--debug-prefix-map")),
        ];
        args.extend(targets.iter().map(|&t| t.to_owned()));
        args
    }
}

/// A line that says what went wrong, rather than what went on.
fn is_error(line: &str) -> bool {
    [
        " error: ",
        "undefined reference to",
        "No space left on device",
        "Disk quota exceeded",
    ]
    .iter()
    .any(|sign| line.contains(sign))
}
