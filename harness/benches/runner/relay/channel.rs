// SPDX-License-Identifier: GPL-2.0-or-later
//! One channel, relayed in both directions and disturbed.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use swapmig_workloads::protocol::Job;

use super::Fault;

/// A channel between two sockets.
pub(super) struct Relayed {
    swapmig: UnixStream,
    qemu: UnixStream,
    disturbance: Arc<Disturbance>,
}

/// What the two directions look at.
#[derive(Default)]
struct Disturbance {
    mute: AtomicBool,
    /// Bytes from QEMU that are still to get lost.
    lose: AtomicUsize,
}

/// What becomes of the first line to the guest.
type Edit = Box<dyn Fn(&[u8]) -> Vec<u8> + Send>;

impl Relayed {
    /// Relays between a socket of swapmig's and a new one, which is QEMU's.
    pub(super) fn start(swapmig: UnixStream, fault: &Fault) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        let relayed = Self {
            swapmig,
            qemu: ours,
            disturbance: Arc::default(),
        };
        let edit: Option<Edit> = match *fault {
            Fault::JobCut(share) => Some(Box::new(move |line| cut(line, share))),
            Fault::ClockJump(by_ms) => Some(Box::new(move |line| at_another_time(line, by_ms))),
            _ => None,
        };
        relayed.relay_to_qemu(edit)?;
        relayed.relay_from_qemu()?;
        Ok((relayed, theirs.into()))
    }

    /// Does what a fault does at its moment; whether it is one of this channel's.
    pub(super) fn strike(&mut self, fault: &Fault) -> io::Result<()> {
        match fault {
            Fault::Closed(_) => {
                self.swapmig.shutdown(Shutdown::Both)?;
                self.qemu.shutdown(Shutdown::Both)
            }
            Fault::Mute(_) => {
                self.disturbance.mute.store(true, Ordering::SeqCst);
                Ok(())
            }
            Fault::Lost(_, bytes) => {
                self.disturbance.lose.store(*bytes, Ordering::SeqCst);
                Ok(())
            }
            Fault::GarbageFrom(_, bytes) => self.swapmig.write_all(&bytes.make()),
            Fault::GarbageTo(_, bytes) => self.qemu.write_all(&bytes.make()),
            _ => Ok(()),
        }
    }

    fn relay_to_qemu(&self, mut edit: Option<Edit>) -> io::Result<()> {
        let (from, to) = (self.swapmig.try_clone()?, self.qemu.try_clone()?);
        let disturbance = self.disturbance.clone();
        let mut line = Vec::new();
        std::thread::spawn(move || {
            pass(&from, &to, |bytes| {
                if disturbance.mute.load(Ordering::SeqCst) {
                    return Vec::new();
                }
                let Some(edit_line) = &edit else {
                    return bytes.to_vec();
                };
                line.extend_from_slice(bytes);
                if !line.ends_with(b"\n") {
                    return Vec::new();
                }
                let edited = edit_line(&std::mem::take(&mut line));
                edit = None;
                edited
            })
        });
        Ok(())
    }

    fn relay_from_qemu(&self) -> io::Result<()> {
        let (from, to) = (self.qemu.try_clone()?, self.swapmig.try_clone()?);
        let disturbance = self.disturbance.clone();
        std::thread::spawn(move || {
            pass(&from, &to, |bytes| {
                if disturbance.mute.load(Ordering::SeqCst) {
                    return Vec::new();
                }
                let lost = disturbance.lose.load(Ordering::SeqCst).min(bytes.len());
                disturbance.lose.fetch_sub(lost, Ordering::SeqCst);
                bytes[lost..].to_vec()
            })
        });
        Ok(())
    }
}

/// Passes bytes, and files that are sent beside them, until either side ends.
fn pass(from: &UnixStream, to: &UnixStream, mut edit: impl FnMut(&[u8]) -> Vec<u8>) {
    loop {
        let Ok((bytes, files)) = receive(from) else {
            break;
        };
        let edited = edit(&bytes);
        if bytes.is_empty() || (!edited.is_empty() && send(to, &edited, &files).is_err()) {
            break;
        }
    }
    // An error means that it is closed already.
    let _ = to.shutdown(Shutdown::Write);
}

fn receive(from: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; 64 << 10];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let message = recvmsg(
        from,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut beside,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let files = beside.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => files.collect(),
        _ => Vec::new(),
    });
    let files = files.collect();
    bytes.truncate(message.bytes);
    Ok((bytes, files))
}

fn send(mut to: &UnixStream, bytes: &[u8], files: &[OwnedFd]) -> io::Result<()> {
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other(
            "more files at once than swapmig ever passes",
        ));
    }
    let sent = sendmsg(to, &[IoSlice::new(bytes)], &mut beside, SendFlags::NOSIGNAL)?;
    to.write_all(&bytes[sent..])
}

fn cut(line: &[u8], share: usize) -> Vec<u8> {
    let mut cut = line[..line.len() * share / 1000].to_vec();
    cut.push(b'\n');
    cut
}

/// The job with another time of day; a line that is no job stays as it is.
fn at_another_time(line: &[u8], by_ms: i64) -> Vec<u8> {
    let Ok(mut job) = serde_json::from_slice::<Job>(line) else {
        return line.to_vec();
    };
    if let Some(wake) = &mut job.wake {
        wake.unix_ms = wake.unix_ms.saturating_add_signed(by_ms);
    }
    let mut line = serde_json::to_vec(&job).unwrap_or_default();
    line.push(b'\n');
    line
}
