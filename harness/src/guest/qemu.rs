// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest in QEMU.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use command_fds::{CommandFdExt, FdMapping};
use futures_util::StreamExt;
use qapi::futures::QmpStreamTokio;
use qapi::qmp;
use swapmig_workloads::protocol::{Job, Wake};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::bounded::{Bound, BoundedLog};
use super::command::{CommandLine, DESCRIPTORS, Start};
use super::confinement::Confinement;
use super::console::ConsoleTail;
use super::diagnosis::{self, Diagnosis, Inquiry, Request};
use super::launcher::Launcher;
use super::logs::{WORDS, exit_reason, follow_logs, last_words};
use super::monitor::Monitor;
use super::saved::Saved;
use super::ssh::SshKeys;
use super::{Guest, GuestError, Signal, jobport};
use crate::accel::{Accelerator, QEMU};
use crate::host::Pulse;
use crate::plan::Machine;

/// How many signals may wait for the runner.
const SIGNALS: usize = 256;
/// How many bytes of events a guest may send: what is kept of them is bounded by this.
const JOB_PORT_MAX: u64 = 32 << 20;
/// How many bytes of the console are kept that a guest prints while it is asked why it hangs.
const UNHEARD_MAX: usize = 8 << 20;
/// The file of the serial console.
const CONSOLE: &str = "console.log";

/// Everything that starts a guest.
#[derive(Debug, Clone)]
pub struct GuestSpec {
    /// Accelerator.
    pub accelerator: Accelerator,
    /// CPUs, memory, disk.
    pub machine: Machine,
    /// bzImage.
    pub kernel: Utf8PathBuf,
    /// Initramfs.
    pub initramfs: Utf8PathBuf,
    /// Keys for its ssh server.
    pub keys: Arc<SshKeys>,
    /// Existing folder for `console.log` and `qemu.log`.
    pub dir: Utf8PathBuf,
    /// How much of `console.log` is kept.
    pub console: Bound,
    /// How long QEMU's monitor and the guest's ssh server may take to answer.
    pub answer_within: Duration,
}

/// The channels of a guest that the harness holds, each one end of a pair of sockets.
struct Channel {
    ours: StdUnixStream,
    theirs: OwnedFd,
}

impl Channel {
    fn new(what: &'static str) -> Result<Self, GuestError> {
        let (ours, theirs) =
            StdUnixStream::pair().map_err(|source| GuestError::Channel { what, source })?;
        Ok(Self {
            ours,
            theirs: theirs.into(),
        })
    }
}

/// Where a guest begins.
struct Origin<'a> {
    start: Start,
    /// The file that its memory lies in.
    memory: Option<&'a File>,
    /// What it printed before.
    printed: &'a [u8],
}

/// A running QEMU with its channels.
pub struct QemuGuest {
    /// What it said and nobody has heard yet: what a restored guest said before it was saved, and
    /// what came while it was asked why it hangs.
    said: VecDeque<Signal>,
    signals: mpsc::Receiver<Signal>,
    job: OwnedWriteHalf,
    monitor: Monitor,
    ssh: StdUnixStream,
    keys: Arc<SshKeys>,
    machine: Machine,
    dir: Utf8PathBuf,
    answer_within: Duration,
    kill: CancellationToken,
    exit: watch::Receiver<Option<String>>,
    pid: Option<u32>,
    // Aborts the tasks that feed `signals` when the guest is dropped; the child dies with its task.
    _tasks: JoinSet<()>,
}

impl QemuGuest {
    /// Boots a guest. Returns when QEMU's monitor answers; the guest boots meanwhile.
    pub async fn boot(spec: &GuestSpec, launcher: &Launcher) -> Result<Self, GuestError> {
        let origin = Origin {
            start: Start::Boot,
            memory: None,
            printed: b"",
        };
        Self::start(spec, launcher, &origin).await
    }

    /// Boots a guest whose memory lies in `memory`, a file of the machine's size, so that it can
    /// be saved.
    pub async fn boot_to_save(
        spec: &GuestSpec,
        launcher: &Launcher,
        memory: &File,
    ) -> Result<Self, GuestError> {
        let origin = Origin {
            start: Start::BootToSave,
            memory: Some(memory),
            printed: b"",
        };
        Self::start(spec, launcher, &origin).await
    }

    /// Goes on where a saved guest was stopped. What that one had printed and said is printed and
    /// said again, so that the cell's files tell the whole story.
    pub async fn restore(
        spec: &GuestSpec,
        launcher: &Launcher,
        saved: &Saved,
    ) -> Result<Self, GuestError> {
        let memory = saved
            .memory()
            .map_err(|e| GuestError::Restore(e.to_string()))?;
        let origin = Origin {
            start: Start::Restore,
            memory: Some(memory),
            printed: saved.console(),
        };
        let state = saved.state().map_err(|source| GuestError::Channel {
            what: "saved state",
            source,
        })?;
        let mut guest = Self::start(spec, launcher, &origin).await?;
        let loaded = guest.monitor.load(&state).await;
        if let Err(error) = loaded {
            guest.end().await;
            let words = last_words(&spec.dir.join(WORDS));
            return Err(GuestError::Restore(format!("{error} QEMU: {words}.")));
        }
        guest.said.push_back(Signal::Event(saved.ready()));
        Ok(guest)
    }

    /// Stops a guest that was booted to be saved, and writes what is not in its memory.
    pub async fn save(&self, state: &File) -> Result<(), GuestError> {
        self.monitor.save(state).await
    }

    async fn start(
        spec: &GuestSpec,
        launcher: &Launcher,
        origin: &Origin<'_>,
    ) -> Result<Self, GuestError> {
        let console = spec.dir.join(CONSOLE);
        let make = |what, source| GuestError::Channel { what, source };
        // Made here so that it can be read before QEMU opens it.
        let log = BoundedLog::create(&console, origin.printed, spec.console)
            .map_err(|e| make("console", e))?;
        let words = spec.dir.join(WORDS);
        let words_log =
            BoundedLog::create(&words, b"", Bound::WORDS).map_err(|e| make("qemu.log", e))?;
        let (qmp, job, ssh) = (
            Channel::new("monitor")?,
            Channel::new("job channel")?,
            Channel::new("ssh channel")?,
        );
        let swap = swap_disk(&spec.dir, spec.machine.swap_mib).map_err(|e| make("swap disk", e))?;

        let line = CommandLine {
            accelerator: spec.accelerator,
            machine: &spec.machine,
            kernel: &spec.kernel,
            initramfs: &spec.initramfs,
            console: &console,
            start: origin.start,
        };
        let mut inherited = vec![
            (qmp.theirs, DESCRIPTORS.qmp),
            (job.theirs, DESCRIPTORS.job),
            (ssh.theirs, DESCRIPTORS.ssh),
            (swap, DESCRIPTORS.swap),
        ];
        if let Some(memory) = origin.memory {
            let memory = memory.try_clone().map_err(|e| make("memory", e))?;
            inherited.push((memory.into(), DESCRIPTORS.memory));
        }
        let confinement = Confinement {
            inherits: inherited.iter().map(|(_, fd)| *fd).collect(),
            ..line.files()
        };
        let mut command = launcher.confined(QEMU.into(), &confinement);
        command
            .args(line.arguments())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words_log.writer().map_err(|e| make("qemu.log", e))?);
        command
            .fd_mappings(
                inherited
                    .into_iter()
                    .map(|(parent_fd, child_fd)| FdMapping {
                        parent_fd,
                        child_fd,
                    })
                    .collect(),
            )
            .map_err(|e| make("descriptors", std::io::Error::other(e)))?;
        let mut command = tokio::process::Command::from(command);
        let start = |source| GuestError::Start {
            program: QEMU.into(),
            source,
        };
        let child = command.kill_on_drop(true).spawn().map_err(start)?;
        // The command holds our copies of QEMU's ends: with them open, no channel would ever end.
        drop(command);
        let pid = child.id();

        let (sender, signals) = mpsc::channel(SIGNALS);
        let kill = CancellationToken::new();
        let (exit_sender, exit) = watch::channel(None);
        let mut tasks = JoinSet::new();
        tasks.spawn(wait_for_exit(child, kill.clone(), words, exit_sender));
        // Held by whoever still delivers; its end says that all was delivered.
        let (delivering, delivered) = mpsc::channel::<()>(1);
        tasks.spawn(follow_logs(
            ConsoleTail::of(log),
            words_log,
            exit.clone(),
            delivered,
            sender.clone(),
        ));

        let (job_reader, job_writer) = into_tokio(job.ours)
            .map_err(|e| make("job channel", e))?
            .into_split();
        tasks.spawn(follow_job_port(
            job_reader,
            sender.clone(),
            delivering.clone(),
        ));

        let socket = qmp.ours.try_clone().map_err(|e| make("monitor", e))?;
        let qmp = into_tokio(qmp.ours).map_err(|e| make("monitor", e))?;
        let negotiation = async {
            let stream = QmpStreamTokio::open(qmp).await?.negotiate().await?;
            Ok::<_, std::io::Error>(stream.into_parts())
        };
        let (service, events) = tokio::time::timeout(spec.answer_within, negotiation)
            .await
            .map_err(|_| GuestError::Qmp(format!("no greeting within {:?}", spec.answer_within)))?
            .map_err(|e| GuestError::Qmp(format!("{e}; {}", last_words(&spec.dir.join(WORDS)))))?;
        tasks.spawn(follow_monitor(events, sender, delivering));

        Ok(Self {
            said: VecDeque::new(),
            signals,
            job: job_writer,
            monitor: Monitor::new(service, socket, spec.answer_within),
            ssh: ssh.ours,
            keys: spec.keys.clone(),
            machine: spec.machine.clone(),
            dir: spec.dir.clone(),
            answer_within: spec.answer_within,
            kill,
            exit,
            pid,
            _tasks: tasks,
        })
    }

    /// The host's end of the ssh channel and the keys for it.
    pub fn ssh(&self) -> std::io::Result<(StdUnixStream, Arc<SshKeys>)> {
        Ok((self.ssh.try_clone()?, self.keys.clone()))
    }
}

impl Guest for QemuGuest {
    async fn next(&mut self) -> Signal {
        if let Some(said) = self.said.pop_front() {
            return said;
        }
        match self.signals.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    async fn send_job(&mut self, job: &Job) -> Result<(), GuestError> {
        let job = Job {
            wake: Some(wake()?),
            ..job.clone()
        };
        let mut line = serde_json::to_vec(&job).map_err(|e| GuestError::Send(e.into()))?;
        line.push(b'\n');
        tokio::time::timeout(self.answer_within, self.job.write_all(&line))
            .await
            .map_err(|_| GuestError::Send(std::io::ErrorKind::TimedOut.into()))?
            .map_err(GuestError::Send)
    }

    fn pulse(&mut self) -> Option<Pulse> {
        // The number may be another process' once QEMU was waited for.
        let there = self.exit.borrow().is_none();
        self.pid.filter(|_| there).and_then(Pulse::of)
    }

    async fn responds(&mut self) -> Result<(), String> {
        self.monitor.runs().await
    }

    async fn diagnose(&mut self, request: &Request) -> Diagnosis {
        let (ssh, console) = (self.ssh(), self.dir.join(CONSOLE));
        let mut inquiry = Inquiry {
            request,
            monitor: &self.monitor,
            machine: &self.machine,
            dir: &self.dir,
            console: &console,
            ssh: ssh.map_err(|error| error.to_string()),
            answer_within: self.answer_within,
        };
        let mut asking = pin!(diagnosis::carry_out(&mut inquiry, self.answer_within));
        let mut room = UNHEARD_MAX;
        loop {
            let signal = tokio::select! {
                found = &mut asking => return found,
                Some(signal) = self.signals.recv() => signal,
            };
            // It is listened to meanwhile, or its logs would not be kept within their bounds.
            match &signal {
                Signal::Console(bytes) if bytes.len() > room => room = 0,
                Signal::Console(bytes) => {
                    room -= bytes.len();
                    self.said.push_back(signal);
                }
                _ => self.said.push_back(signal),
            }
        }
    }

    async fn end(&mut self) {
        self.kill.cancel();
        // Not by way of the signals: nobody may be receiving them any more. An error means
        // that the task which tells is gone, and the child with it.
        let _ = self.exit.wait_for(Option::is_some).await;
    }
}

/// What a guest may have missed: the time, and randomness of its own.
fn wake() -> Result<Wake, GuestError> {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_err(|e| GuestError::Send(std::io::Error::other(e)))?;
    let mut entropy = [0; 32];
    let got = rustix::rand::getrandom(&mut entropy, rustix::rand::GetRandomFlags::empty())
        .map_err(|e| GuestError::Send(e.into()))?;
    // So few bytes are never cut; a guest with the same numbers as its sibling must not pass unseen.
    if got < entropy.len() {
        return Err(GuestError::Send(std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(Wake {
        unix_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        entropy,
    })
}

fn into_tokio(stream: StdUnixStream) -> std::io::Result<UnixStream> {
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// A sparse file without a name: gone with the last process that holds it.
fn swap_disk(dir: &Utf8Path, mib: u32) -> std::io::Result<OwnedFd> {
    let file = tempfile::tempfile_in(dir)?;
    file.set_len(u64::from(mib) << 20)?;
    Ok(file.into())
}

async fn wait_for_exit(
    mut child: Child,
    kill: CancellationToken,
    words: Utf8PathBuf,
    exit: watch::Sender<Option<String>>,
) {
    let status = tokio::select! {
        status = child.wait() => status,
        () = kill.cancelled() => {
            // An error means that it ended by itself meanwhile.
            let _ = child.start_kill();
            child.wait().await
        }
    };
    let reason = match status {
        Ok(status) => exit_reason(status, &words),
        Err(error) => format!("QEMU could not be waited for: {error}"),
    };
    exit.send_replace(Some(reason));
}

async fn follow_job_port(
    reader: OwnedReadHalf,
    signals: mpsc::Sender<Signal>,
    _delivering: mpsc::Sender<()>,
) {
    let mut reader = BufReader::new(reader.take(JOB_PORT_MAX));
    while let Ok(Some(signal)) = jobport::next_signal(&mut reader).await {
        if signals.send(signal).await.is_err() {
            return;
        }
    }
    if reader.get_ref().limit() == 0 {
        let reason = format!("more than {} MiB of events", JOB_PORT_MAX >> 20);
        // An error means that nobody wants to know.
        let _ = signals.send(Signal::Garbage(reason)).await;
    }
}

async fn follow_monitor<S>(
    mut events: S,
    signals: mpsc::Sender<Signal>,
    _delivering: mpsc::Sender<()>,
) where
    S: futures_util::Stream<Item = std::io::Result<qmp::Event>> + Unpin + Send,
{
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            // An answer that comes when nobody waits for it any more; those after it are waited for.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => continue,
            Err(_) => return,
        };
        let signal = match event {
            qmp::Event::SHUTDOWN { data, .. } if data.guest => Signal::Reset,
            qmp::Event::BLOCK_IO_ERROR { data, .. } => Signal::HostFailed {
                reason: format!("the host could not serve the swap disk: {}", data.reason),
            },
            _ => continue,
        };
        if signals.send(signal).await.is_err() {
            return;
        }
    }
}
