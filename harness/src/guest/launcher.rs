// SPDX-License-Identifier: GPL-2.0-or-later
//! Starts programs that end with the harness, whatever ends the harness.
//!
//! `swapmig` starts itself with a hidden command, which asks the kernel to be
//! killed when its parent dies and then becomes the program. A signal that
//! kills `swapmig` before it could clean up so leaves no QEMU behind.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

use super::confinement::Confinement;

/// The hidden command's name.
pub const COMMAND: &str = "exec-with-parent";

/// Variables of the environment that a confined program gets: where programs and libraries lie.
const PLACES: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];
/// How the names of swapmig's own variables begin, which it gets as well.
const OWN: &str = "SWAPMIG_";

/// Makes commands whose processes die with this one.
#[derive(Debug, Clone)]
pub struct Launcher {
    swapmig: Utf8PathBuf,
}

impl Launcher {
    /// `swapmig` is the executable of this program.
    pub fn new(swapmig: Utf8PathBuf) -> Self {
        Self { swapmig }
    }

    /// A command that becomes `program` and dies with the thread that spawns it,
    /// which therefore has to live as long as the program shall.
    pub fn command(&self, program: &Utf8Path) -> Command {
        self.becoming(program, &[])
    }

    /// The same, and the program can open little of the host: see [`Confinement`]. Of the
    /// environment it gets `PATH`, `LD_LIBRARY_PATH` and what is swapmig's own.
    pub fn confined(&self, program: &Utf8Path, to: &Confinement) -> Command {
        let named = |option, files: &[Utf8PathBuf]| -> Vec<OsString> {
            files
                .iter()
                .flat_map(|file| [OsString::from(option), file.into()])
                .collect()
        };
        let options = [
            vec!["--confined".into()],
            named("--read", &to.reads),
            named("--write", &to.writes),
            to.inherits
                .iter()
                .flat_map(|fd| ["--inherit".into(), fd.to_string().into()])
                .collect(),
        ];
        let mut command = self.becoming(program, &options.concat());
        // What swapmig was started with may hold passwords, and names sockets of services.
        let kept = std::env::vars_os().filter(|(name, _)| is_kept(name));
        command.env_clear().envs(kept);
        command
    }

    fn becoming(&self, program: &Utf8Path, options: &[OsString]) -> Command {
        let mut command = Command::new(&self.swapmig);
        // Not in our group: Ctrl-C is ours to handle, and then the guests are ended in order.
        command.process_group(0);
        command
            .arg(COMMAND)
            .args(options)
            .arg(getpid().as_raw_nonzero().to_string())
            .arg(program);
        command
    }
}

fn is_kept(name: &OsStr) -> bool {
    PLACES.iter().any(|place| name == *place) || name.as_encoded_bytes().starts_with(OWN.as_bytes())
}

/// The hidden command: becomes the program, or tells why it can't.
pub fn exec(
    parent: i32,
    confinement: Option<&Confinement>,
    program: &OsStr,
    arguments: &[OsString],
) -> std::io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have died before the kernel knew our wish.
    if getppid() != Pid::from_raw(parent) {
        return std::io::Error::other("swapmig ended before its guest was started");
    }
    if let Some(confinement) = confinement
        && let Err(error) = confinement.enter(program)
    {
        return std::io::Error::other(error);
    }
    Command::new(program).args(arguments).exec()
}
