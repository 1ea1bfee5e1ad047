// SPDX-License-Identifier: GPL-2.0-or-later
//! Keeps a program from the host's files and its network, by Landlock and seccomp.
//!
//! QEMU is what stands between a hostile guest and the host. A guest that breaks out of it finds
//! a process that can open the files of its own guest, those that every program needs, and no
//! other; that cannot talk to anybody but by the sockets it has inherited, and signal nobody.

use std::ffi::OsStr;
use std::path::PathBuf;

use camino::Utf8PathBuf;
use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::sockets;

/// What is asked of the host's kernel; an older one gives what it has.
const WANTED: ABI = ABI::V7;
/// Where programs, their libraries and their data lie: the same on every host of its kind.
const SYSTEM: [&str; 14] = [
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/usr",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/proc/filesystems",
    "/proc/self",
    "/sys/devices/system",
];
/// Devices that hold nothing.
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/urandom"];

/// What a confined program may have of the host's files, beside what every program needs. A file
/// that it inherits open may be named as `/proc/self/fd/N`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Files and folders to read.
    pub reads: Vec<Utf8PathBuf>,
    /// Files and devices to read and write.
    pub writes: Vec<Utf8PathBuf>,
    /// Descriptors that it inherits, beside its standard streams.
    pub inherits: Vec<i32>,
}

/// Why a program could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum ConfinementError {
    /// Landlock failed.
    #[error("the program cannot be confined: {0}; look at the host's Landlock (`swapmig doctor`)")]
    Files(#[from] RulesetError),
    /// Seccomp failed.
    #[error(
        "the program cannot be kept from the host's sockets: {0}; boot a kernel that has \
         CONFIG_SECCOMP_FILTER, which QEMU needs as well"
    )]
    Sockets(#[from] seccompiler::Error),
}

impl Confinement {
    /// Confines this process, for ever, and all that it becomes or starts. `program` is what it
    /// is about to become.
    pub fn enter(&self, program: &OsStr) -> Result<(), ConfinementError> {
        let standard = [0, 1, 2];
        close_fds::set_fds_cloexec(3, &[&standard, self.inherits.as_slice()].concat());
        let read = AccessFs::from_read(WANTED);
        let change =
            AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
        nothing()?
            .add_rules(path_beneath_rules(SYSTEM, read))?
            .add_rules(path_beneath_rules(places(program), read))?
            .add_rules(path_beneath_rules(DEVICES, change))?
            .add_rules(path_beneath_rules(
                &self.reads,
                AccessFs::ReadFile | AccessFs::ReadDir,
            ))?
            .add_rules(path_beneath_rules(&self.writes, change))?
            .restrict_self()?;
        Ok(sockets::forbid()?)
    }
}

/// How far this host can confine a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// In all that is asked of it.
    Full,
    /// Its kernel is too old for some of it.
    Part,
    /// Its kernel has no Landlock, or it is switched off.
    None,
}

impl Strength {
    /// Tries it.
    pub fn of_host() -> Self {
        // A thread that ends at once, for what is confined stays so.
        let tried = std::thread::spawn(|| nothing()?.restrict_self()).join();
        match tried {
            Ok(Ok(status)) => match status.ruleset {
                RulesetStatus::FullyEnforced => Self::Full,
                RulesetStatus::PartiallyEnforced => Self::Part,
                RulesetStatus::NotEnforced => Self::None,
            },
            _ => Self::None,
        }
    }

    /// What is lacking, if anything.
    pub fn lack(self) -> Option<&'static str> {
        match self {
            Self::Full => None,
            Self::Part => Some("this kernel's Landlock cannot keep QEMU from all that it should"),
            Self::None => Some("without Landlock, QEMU may open whatever its user may"),
        }
    }

    /// What helps.
    pub const REMEDY: &'static str =
        "boot Linux 6.12 or newer with landlock in its list of lsm= to confine guests further";
}

/// A ruleset that allows nothing.
fn nothing() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(WANTED))?
        .handle_access(AccessNet::from_all(WANTED))?
        .scope(Scope::from_all(WANTED))?
        .create()
}

/// Where a program and its data are, wherever it was installed.
fn places(program: &OsStr) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file());
    let Some(file) = found.and_then(|file| file.canonicalize().ok()) else {
        return Vec::new();
    };
    let data = file
        .parent()
        .map(|dir| ["../share/qemu", "pc-bios"].map(|data| dir.join(data)));
    std::iter::once(file.clone())
        .chain(data.into_iter().flatten())
        .collect()
}
