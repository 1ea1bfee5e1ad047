// SPDX-License-Identifier: GPL-2.0-or-later
//! The relay as a program.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::process::{
    PidfdFlags, PidfdGetfdFlags, Signal, getpid, kill_process, pidfd_getfd, pidfd_open,
};
use swapmig::accel::QEMU;

use super::channel::Relayed;
use super::{Fault, ORDERS, Order, Orders};

/// The name that swapmig looks up.
pub(crate) const NAME: &str = QEMU;
/// What the relay says on standard error, which is the cell's `qemu.log`, when a fault struck.
pub(crate) const DONE: &str = "relay: the fault struck";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Whether this program was called by QEMU's name.
pub(crate) fn is_called() -> bool {
    let name = env::args_os().next().map(PathBuf::from);
    name.is_some_and(|name| name.ends_with(NAME))
}

/// Stands in for QEMU.
pub(crate) fn main() -> ExitCode {
    match relay(env::args_os().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::from(99)
        }
    }
}

fn relay(mut arguments: Vec<OsString>) -> Result<ExitCode> {
    let qemu = real_qemu()?;
    let console = console(&arguments);
    let order = console
        .as_deref()
        .and_then(|console| order(console, &arguments));
    let (Some(Order { fault, after_ms }), Some(console)) = (order, console) else {
        return Err(Command::new(qemu).args(arguments).exec().into());
    };
    // What is done before QEMU starts.
    match &fault {
        Fault::Refuses(words, code) => {
            eprintln!("{DONE}");
            io::stderr().write_all(&words.make())?;
            return Ok(ExitCode::from(*code));
        }
        Fault::Babbles(words) => {
            io::stderr().write_all(&words.make())?;
            eprintln!("\n{DONE}");
        }
        Fault::SlowDisk(iops) => {
            slow_down(&mut arguments, *iops)?;
            eprintln!("{DONE}");
        }
        Fault::JobCut(_) | Fault::ClockJump(_) | Fault::Limits(_) => eprintln!("{DONE}"),
        _ => {}
    }
    // Dies with this program, as this one does with swapmig.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Fault::Limits(limits) = &fault {
        command.arg("prlimit").arg(limits);
    }
    command.arg(qemu).args(arguments);
    let mut relayed = None;
    if let Some(channel) = fault.channel() {
        let ours = UnixStream::from(inherited(channel.descriptor())?);
        let (channel_relayed, theirs) = Relayed::start(ours, &fault)?;
        relayed = Some(channel_relayed);
        command.fd_mappings(vec![FdMapping {
            parent_fd: theirs,
            child_fd: channel.descriptor(),
        }])?;
    }
    let mut child = command.spawn()?;
    // It holds our copy of QEMU's end: with that open, no channel would ever end.
    drop(command);
    if strikes_while(&mut child, Duration::from_millis(after_ms))? {
        match (&fault, &mut relayed) {
            (Fault::Console(bytes), _) => {
                OpenOptions::new()
                    .append(true)
                    .open(console)?
                    .write_all(&bytes.make())?;
                eprintln!("{DONE}");
            }
            // They struck before.
            (Fault::JobCut(_) | Fault::ClockJump(_), _) | (_, None) => {}
            (fault, Some(relayed)) => {
                relayed.strike(fault)?;
                eprintln!("{DONE}");
            }
        }
    }
    end_like(child.wait()?)
}

/// Waits; whether the child still runs then.
fn strikes_while(child: &mut Child, after: Duration) -> Result<bool> {
    std::thread::sleep(after);
    Ok(child.try_wait()?.is_none())
}

/// Ends as QEMU has.
fn end_like(status: ExitStatus) -> Result<ExitCode> {
    if let Some(signal) = status.signal().and_then(Signal::from_named_raw) {
        kill_process(getpid(), signal)?;
    }
    let code = status.code().unwrap_or(99);
    Ok(ExitCode::from(u8::try_from(code)?))
}

/// The next program of QEMU's name in `PATH`.
fn real_qemu() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(NAME))
        .find(|file| file.canonicalize().is_ok_and(|file| file != own))
        .ok_or_else(|| format!("no other {NAME} is in PATH").into())
}

/// The file to which the guest's console goes.
fn console(arguments: &[OsString]) -> Option<PathBuf> {
    let options = arguments.iter().filter_map(|argument| argument.to_str());
    let path = options
        .filter_map(|option| option.strip_prefix("file,id=console,"))
        .next()?;
    Some(PathBuf::from(path.split_once("path=")?.1))
}

/// The order for the cell whose console that is. Only guests that are restored are meant: those
/// are the cells' first.
fn order(console: &Path, arguments: &[OsString]) -> Option<Order> {
    let cell = console.parent()?.file_name()?.to_str()?.to_owned();
    if !arguments.iter().any(|argument| argument == "-incoming") {
        return None;
    }
    let orders: Orders = serde_json::from_str(&env::var(ORDERS).ok()?).ok()?;
    orders.get(&cell).cloned()
}

fn slow_down(arguments: &mut [OsString], iops: u32) -> Result<()> {
    const THROTTLE: &str = ",throttling.iops-total=";
    let drive = arguments.iter_mut().find_map(|argument| {
        let drive = argument.to_str()?.split_once(THROTTLE)?.0.to_owned();
        Some((argument, drive))
    });
    let (argument, drive) = drive.ok_or("the short plan's disk is throttled")?;
    *argument = format!("{drive}{THROTTLE}{iops}").into();
    Ok(())
}

/// An open file that this program has inherited. Its number stays in use.
fn inherited(number: i32) -> Result<OwnedFd> {
    let process = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(process, number, PidfdGetfdFlags::empty())?)
}
