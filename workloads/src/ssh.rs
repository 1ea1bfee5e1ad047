// SPDX-License-Identifier: GPL-2.0-or-later
//! The bytes of the ssh port, relayed to an ssh server per connection.
//!
//! The server wants a socket for its standard input; a port is none.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use swapmig_workloads::protocol::SSH_PORT;

use crate::port::{self, PortError};

const SERVER: &str = "/usr/sbin/dropbear";
/// inetd mode (which forbids -E), no password logins, this host key.
const SERVER_ARGS: [&str; 4] = ["-i", "-s", "-r", "/etc/dropbear/host_ed25519"];
/// What the first bytes of every client are (RFC 4253, section 4.2).
const BANNER: &[u8] = b"SSH-2.0-";
/// While no host is connected polling returns at once.
const PAUSE: Duration = Duration::from_millis(100);
const CHUNK: usize = 32 * 1024;

/// Why there is no ssh.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SshError {
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("{SERVER} does not start: {0}")]
    Server(io::Error),
    #[error("the ssh port broke: {0}")]
    Relay(#[from] io::Error),
}

/// An ssh server and this side's end of its socket; dropping it ends both.
struct Session {
    server: Child,
    socket: UnixStream,
}

/// Serves one client after the other; returns only on an error.
pub(crate) fn serve() -> Result<(), SshError> {
    let mut port = port::open(SSH_PORT, false)?;
    let mut session: Option<Session> = None;
    let mut chunk = vec![0; CHUNK];
    loop {
        let (from_port, from_server) = wait(&port, session.as_ref())?;
        if from_port.contains(PollFlags::HUP) && !from_port.contains(PollFlags::IN) {
            session = None;
            thread::sleep(PAUSE);
            continue;
        }
        if from_port.contains(PollFlags::IN) {
            match read(&mut port, &mut chunk)? {
                Some(0) => session = None,
                Some(n) => {
                    // A client that came before the last one's hang-up was seen: the host's
                    // side may change within one pause.
                    if chunk[..n].starts_with(BANNER) {
                        session = None;
                    }
                    feed(&mut session, &chunk[..n])?;
                }
                None => {}
            }
        }
        if !from_server.is_empty() {
            session = match session {
                Some(mut open) => answer(&mut open, &mut port, &mut chunk)?.then_some(open),
                None => None,
            };
        }
    }
}

fn wait(port: &File, session: Option<&Session>) -> io::Result<(PollFlags, PollFlags)> {
    let mut fds = vec![PollFd::from_borrowed_fd(port.as_fd(), PollFlags::IN)];
    if let Some(session) = session {
        fds.push(PollFd::from_borrowed_fd(
            session.socket.as_fd(),
            PollFlags::IN,
        ));
    }
    match poll(&mut fds, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok((
        fds[0].revents(),
        fds.get(1).map_or(PollFlags::empty(), PollFd::revents),
    ))
}

/// Client to server; starts a server when the client has none.
fn feed(session: &mut Option<Session>, bytes: &[u8]) -> Result<(), SshError> {
    let open = match session {
        Some(open) => open,
        // What the client of an ended session still sends is for nobody.
        None if !bytes.starts_with(BANNER) => return Ok(()),
        None => session.insert(Session::start().map_err(SshError::Server)?),
    };
    // A server that has ended shows as the end of its socket, next.
    let _ = open.socket.write_all(bytes);
    Ok(())
}

/// Server to client; false when the server has ended.
fn answer(session: &mut Session, port: &mut File, chunk: &mut [u8]) -> io::Result<bool> {
    let n = match session.socket.read(chunk) {
        Ok(0) => return Ok(false),
        Ok(n) => n,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
        Err(_) => return Ok(false),
    };
    write(port, &chunk[..n])
}

/// Writes all of it; false when the host has gone.
fn write(port: &mut File, mut bytes: &[u8]) -> io::Result<bool> {
    while !bytes.is_empty() {
        match port.write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut fds = [PollFd::from_borrowed_fd(port.as_fd(), PollFlags::OUT)];
                poll(&mut fds, None)?;
                if fds[0].revents().contains(PollFlags::HUP) {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Reads what is there; `None` when nothing is after all.
fn read(port: &mut File, chunk: &mut [u8]) -> io::Result<Option<usize>> {
    match port.read(chunk) {
        Ok(n) => Ok(Some(n)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Session {
    fn start() -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let output = OwnedFd::from(theirs.try_clone()?);
        let server = Command::new(SERVER)
            .args(SERVER_ARGS)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(std::fs::File::create("/dev/kmsg")?))
            .spawn()?;
        Ok(Self { server, socket })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A shell's own processes are hung up by the server's end.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
