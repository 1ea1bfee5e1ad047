// SPDX-License-Identifier: GPL-2.0-or-later
//! A shell, commands and files over ssh, through a socket that only this process holds.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use ssh2::Session;

use crate::image::Image;

/// Keys made with an image: who may enter the guest, and how the guest proves itself.
pub struct SshKeys {
    /// The client's private key, in OpenSSH's format.
    pub client: String,
    /// The guest's public host key, as sent on the wire.
    pub host: Vec<u8>,
}

impl SshKeys {
    /// The keys that were made with an image.
    pub fn of(image: &Image) -> Self {
        Self {
            client: image.client_key.as_openssh().to_owned(),
            host: image.host_key.clone(),
        }
    }
}

impl std::fmt::Debug for SshKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SshKeys")
    }
}

/// Why a guest cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// libssh2 refused.
    #[error("The guest's ssh server failed at {step}: {source}. Its console log may tell why.")]
    Session {
        /// What was being done.
        step: &'static str,
        /// libssh2's error.
        source: ssh2::Error,
    },
    /// The guest has another host key than the one made for it.
    #[error("The guest answered with a host key that was not made for it; it is not entered.")]
    WrongHostKey,
    /// A byte could not be moved.
    #[error("The connection to the guest broke: {0}. Its console log may tell why.")]
    Io(#[from] std::io::Error),
}

/// What a command in the guest printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its standard output, cut at the asked limit.
    pub stdout: Vec<u8>,
    /// Its exit status.
    pub status: i32,
}

fn step(step: &'static str) -> impl FnOnce(ssh2::Error) -> SshError {
    move |source| SshError::Session { step, source }
}

/// Enters the guest as root. Blocks, each step for at most `within`.
pub fn connect(stream: UnixStream, keys: &SshKeys, within: Duration) -> Result<Session, SshError> {
    stream.set_nonblocking(false)?;
    let mut session = Session::new().map_err(step("start"))?;
    session.set_timeout(u32::try_from(within.as_millis()).unwrap_or(u32::MAX));
    session.set_tcp_stream(stream);
    session.handshake().map_err(step("the handshake"))?;
    match session.host_key() {
        Some((key, _)) if key == keys.host => {}
        _ => return Err(SshError::WrongHostKey),
    }
    session
        .userauth_pubkey_memory("root", None, &keys.client, None)
        .map_err(step("the key of this run"))?;
    Ok(session)
}

/// Runs a command and returns at most `limit` bytes of what it prints.
pub fn run(session: &Session, command: &str, limit: usize) -> Result<Output, SshError> {
    let mut channel = session.channel_session().map_err(step("a channel"))?;
    channel.exec(command).map_err(step("a command"))?;
    let mut stdout = Vec::new();
    (&mut channel).take(limit as u64).read_to_end(&mut stdout)?;
    if stdout.len() >= limit {
        // The rest is not wanted; waiting for it could take for ever.
        return Ok(Output { stdout, status: -1 });
    }
    channel.close().map_err(step("the end of a command"))?;
    channel.wait_close().map_err(step("the end of a command"))?;
    Ok(Output {
        stdout,
        status: channel.exit_status().map_err(step("an exit status"))?,
    })
}

/// Puts the terminal back as it was, also when a panic unwinds.
struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    fn enter() -> std::io::Result<Self> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing better can be done about an error here.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// An interactive shell on this terminal; returns its exit status when it ends.
pub fn shell(session: &Session, stream: &UnixStream) -> Result<i32, SshError> {
    let stdin = std::io::stdin();
    let size = tcgetwinsize(&stdin).map_err(std::io::Error::from)?;
    let mut channel = session.channel_session().map_err(step("a channel"))?;
    let dimensions = Some((u32::from(size.ws_col), u32::from(size.ws_row), 0, 0));
    channel
        .request_pty("xterm", None, dimensions)
        .map_err(step("a terminal"))?;
    channel.shell().map_err(step("a shell"))?;

    let terminal = RawTerminal::enter()?;
    session.set_blocking(false);
    let mut buffer = [0u8; 4096];
    let mut out = std::io::stdout();
    let mut typed: Vec<u8> = Vec::new();
    let mut typing = true;
    while !channel.eof() {
        match channel.read(&mut buffer) {
            Ok(n) if n > 0 => {
                out.write_all(&buffer[..n])?;
                out.flush()?;
                continue;
            }
            Err(e) if e.kind() != std::io::ErrorKind::WouldBlock => return Err(e.into()),
            _ => {}
        }
        if !typed.is_empty() {
            match channel.write(&typed) {
                Ok(n) => drop(typed.drain(..n)),
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e.into()),
            }
        }
        let mut ready = vec![PollFd::new(stream, PollFlags::IN)];
        if typing && typed.is_empty() {
            ready.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
        }
        // Woken now and then: libssh2 may hold bytes that the socket no longer shows.
        let nap = Timespec {
            tv_sec: 0,
            tv_nsec: 50_000_000,
        };
        poll(&mut ready, Some(&nap)).map_err(std::io::Error::from)?;
        if ready.get(1).is_some_and(|fd| !fd.revents().is_empty()) {
            let n = rustix::io::read(&stdin, &mut buffer).map_err(std::io::Error::from)?;
            typing = n > 0;
            typed.extend_from_slice(&buffer[..n]);
        }
    }
    drop(terminal);
    session.set_blocking(true);
    channel.wait_close().map_err(step("the end of the shell"))?;
    channel.exit_status().map_err(step("an exit status"))
}

/// Copies a file of the guest into the current folder, under its last name;
/// an existing file of that name is left alone and an error.
pub fn fetch(session: &Session, path: &str, limit: usize) -> Result<(), SshError> {
    let Some(name) = local_name(path) else {
        return Err(
            std::io::Error::other(format!("`{path}` does not name a file of the guest")).into(),
        );
    };
    let output = run(session, &format!("cat -- {}", quoted(path)), limit)?;
    if output.status != 0 {
        let why = if output.stdout.len() >= limit {
            "is too large"
        } else {
            "cannot be read"
        };
        return Err(std::io::Error::other(format!("the guest's file `{path}` {why}")).into());
    }
    std::fs::File::create_new(name)?.write_all(&output.stdout)?;
    Ok(())
}

/// The name in the current folder of a guest's file; none for what names no file.
fn local_name(path: &str) -> Option<&str> {
    path.rsplit('/')
        .next()
        .filter(|name| !["", ".", ".."].contains(name) && !name.contains('\0'))
}

/// The path as one word of a shell.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_fetched_stays_in_the_folder() {
        assert_eq!(local_name("/proc/vmstat"), Some("vmstat"));
        assert_eq!(local_name("../../etc/passwd"), Some("passwd"));
        assert_eq!(local_name("..."), Some("..."));
        for none in ["", "/", "/root/", ".", "..", "/root/..", "a/.", "a\0b"] {
            assert_eq!(local_name(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_path_stays_one_word() {
        assert_eq!(quoted("/a b/c'd; rm -rf /"), r"'/a b/c'\''d; rm -rf /'");
    }
}
