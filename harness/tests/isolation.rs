// SPDX-License-Identifier: GPL-2.0-or-later
//! Real guests that mean harm: how much of the host they can take, and what of it they can reach.
//!
//! A machine that cannot build a kernel, start a guest or confine a program fails these tests.

#![allow(clippy::unwrap_used)]

#[path = "support/fixed_kernel.rs"]
mod fixed_kernel;
#[path = "support/processes.rs"]
mod processes;

use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Stdio;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fixed_kernel::FixedKernel;
use processes::Process;
use swapmig::guest::bounded::Bound;
use swapmig::guest::confinement::{Confinement, Strength};
use swapmig::guest::launcher::Launcher;
use swapmig::guest::qemu::QemuGuest;
use swapmig::guest::{Guest, Signal, ssh};
use swapmig_workloads::protocol::Event;
use tokio::sync::Mutex;

/// Guests of two tests at once would slow each other down, and sockets of one test would be
/// counted by another.
static MACHINE: Mutex<()> = Mutex::const_new(());

const SWAPMIG: &str = env!("CARGO_BIN_EXE_swapmig");
const KIB: u64 = 1 << 10;
const BOUND: Bound = Bound {
    head: 64 * KIB,
    tail: 96 * KIB,
};

/// The next bytes of a guest's console.
async fn printed(guest: &mut QemuGuest) -> Vec<u8> {
    loop {
        match guest.next().await {
            Signal::Console(bytes) => return bytes,
            Signal::Exited { reason } | Signal::HostFailed { reason } => panic!("{reason}"),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_prints_for_ever_takes_a_bounded_part_of_the_disk() {
    let _machine = MACHINE.lock().await;
    let mut kernel = FixedKernel::new(SWAPMIG);
    kernel.spec.console = BOUND;
    let log = kernel.spec.dir.join("console.log");
    let saved = kernel.save().await;
    let mut guest = kernel.restore(&saved).await;
    let (stream, keys) = guest.ssh().unwrap();
    let flood = tokio::task::spawn_blocking(move || {
        let session = ssh::connect(stream, &keys, Duration::from_secs(120)).unwrap();
        // Ends with the guest: an error is what is expected.
        let command = "while :; do cat /proc/vmstat > /dev/ttyS0; done";
        ssh::run(&session, command, 1000)
    });
    let mut all = Vec::new();
    // Many times what is kept; of it, what was not delivered yet is on the disk, too.
    while (all.len() as u64) < 16 * (BOUND.head + BOUND.tail) {
        all.extend(printed(&mut guest).await);
        let file = std::fs::metadata(&log).unwrap();
        let unread = file.len().saturating_sub(all.len() as u64);
        let most = BOUND.head + BOUND.tail * 5 / 4 + unread + 64 * KIB;
        assert!(file.blocks() * 512 <= most, "{file:?}, {unread} unread");
    }
    guest.end().await;
    loop {
        match guest.next().await {
            Signal::Console(bytes) => all.extend(bytes),
            Signal::Exited { .. } => break,
            _ => {}
        }
    }
    assert!(
        all.starts_with(saved.console()),
        "a restored guest's begins with its boot's"
    );
    let (head, tail) = (BOUND.head as usize, BOUND.tail as usize);
    let mark = format!(
        "\n[swapmig: {} bytes were cut here]\n",
        all.len() - head - tail
    );
    let kept = [&all[..head], mark.as_bytes(), &all[all.len() - tail..]].concat();
    assert!(
        std::fs::read(&log).unwrap() == kept,
        "{log} is not head, mark and tail"
    );
    drop(flood.await);
}

/// What every program may have open: nothing, randomness, and what has no name on the host.
fn is_harmless(open: &str) -> bool {
    let nameless = ["socket:[", "pipe:[", "anon_inode:", "/memfd:"];
    nameless.iter().any(|kind| open.starts_with(kind))
        || ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/kvm"].contains(&open)
}

#[tokio::test(flavor = "multi_thread")]
async fn qemu_has_nothing_of_the_host_but_its_own() {
    let _machine = MACHINE.lock().await;
    // What swapmig was started with is not QEMU's: this one has lost its close-on-exec.
    let secret = tempfile::NamedTempFile::new().unwrap();
    let leaked = rustix::io::fcntl_dupfd_cloexec(secret.as_file(), 30).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let kernel = FixedKernel::new(SWAPMIG);
    let dir = kernel.spec.dir.clone();
    let saved = kernel.save().await;
    let mut guest = kernel.restore(&saved).await;
    guest.send_job(&fixed_kernel::job()).await.unwrap();
    while !matches!(guest.next().await, Signal::Event(Event::Started { .. })) {}
    let qemu = Process::with(dir.join("console.log").as_str());
    let is_its_own = |file: &str| Utf8Path::new(file).starts_with(&dir);
    for open in qemu.open() {
        assert!(is_harmless(&open) || is_its_own(&open), "QEMU has {open}");
    }
    for file in qemu.mapped() {
        let system = ["/usr/", "/lib", "/nix/", "/gnu/"];
        let is_system = system.iter().any(|place| file.starts_with(place));
        assert!(
            is_system || is_harmless(&file) || is_its_own(&file),
            "QEMU has mapped {file}"
        );
    }
    let is_its_own = |name: &String| {
        ["PATH", "LD_LIBRARY_PATH"].contains(&&**name) || name.starts_with("SWAPMIG_")
    };
    let environment = qemu.environment();
    assert!(environment.contains("PATH"));
    assert!(environment.iter().all(is_its_own), "{environment:?}");
    let own = Process::own().environment();
    assert!(!own.iter().all(is_its_own), "nothing is shown by {own:?}");
    assert_eq!(qemu.status("NoNewPrivs"), "1");
    assert_eq!(qemu.status("Seccomp"), "2", "its own sandbox is on");
    for process in [&qemu, &Process::own()] {
        let reachable = process.reachable_sockets();
        assert!(reachable.is_empty(), "{reachable:?}");
    }
    guest.end().await;
}

#[test]
fn a_socket_that_could_be_reached_would_be_seen() {
    let _machine = MACHINE.blocking_lock();
    let dir = tempfile::tempdir().unwrap();
    let before = Process::own().reachable_sockets().len();
    let _tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let _unix = UnixListener::bind(dir.path().join("socket")).unwrap();
    assert_eq!(Process::own().reachable_sockets().len(), before + 2);
}

/// Whether a shell can do this, `$1` being a file that it may read, `$2` one that it may write,
/// `$3` one that is not its own and `$4` one that is not there.
fn can(confined: bool, script: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(dir.path()).unwrap();
    let files = ["read", "written", "other", "new"].map(|name| dir.join(name));
    for file in &files[..3] {
        std::fs::write(file, "content").unwrap();
    }
    let to = Confinement {
        reads: vec![files[0].clone()],
        writes: vec![files[1].clone()],
        inherits: Vec::new(),
    };
    let launcher = Launcher::new(Utf8PathBuf::from(SWAPMIG));
    let mut shell = match confined {
        true => launcher.confined("sh".into(), &to),
        false => launcher.command("sh".into()),
    };
    let ran = shell
        .args(["-c", script, "sh"])
        .args(&files)
        .stdin(Stdio::null())
        .output();
    ran.unwrap().status.success()
}

#[test]
fn a_confined_program_reads_and_writes_its_files_and_no_others() {
    let _machine = MACHINE.blocking_lock();
    assert_eq!(Strength::of_host().lack(), None, "{}", Strength::REMEDY);
    assert!(can(true, "cat $1 && cat $2 && echo more >> $2 && : > $2"));
    for denied in [
        "cat $3",
        "echo x >> $1",
        "echo x >> $3",
        ": > $4",
        "mv $2 $4",
        "rm $3",
        "ln $1 $4",
        "mkdir $4",
        "ls $(dirname $1)",
        "cat /etc/passwd",
        "ls /",
        "ls /tmp",
        "ls /proc/$PPID",
        "kill -0 $PPID",
    ] {
        assert!(can(false, denied), "nothing is shown by {denied}");
        assert!(!can(true, denied), "{denied}");
    }
}

#[test]
fn a_confined_program_reaches_no_service_of_the_host() {
    let _machine = MACHINE.blocking_lock();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{port}");
    let bash = |to: Option<&Confinement>| {
        let launcher = Launcher::new(Utf8PathBuf::from(SWAPMIG));
        let mut command = match to {
            Some(to) => launcher.confined("bash".into(), to),
            None => launcher.command("bash".into()),
        };
        let ran = command.args(["-c", &connect]).stdin(Stdio::null()).output();
        ran.unwrap().status.success()
    };
    assert!(bash(None), "it is there to be reached");
    assert!(!bash(Some(&Confinement::default())));
}

/// Where [`knocks`] is to knock.
const SOCKET: &str = "SWAPMIG_TEST_SOCKET";

/// What a program can do with sockets: the part that is confined.
#[test]
#[ignore = "run by another test"]
fn knocks() {
    let socket = std::env::var(SOCKET).unwrap();
    let can = [
        UnixStream::connect(socket).is_ok(),
        UdpSocket::bind("127.0.0.1:0").is_ok(),
        UnixDatagram::pair().is_ok(),
    ];
    let a_pair_of_streams = UnixStream::pair().is_ok();
    println!("{can:?} {a_pair_of_streams}");
}

#[test]
fn a_confined_program_makes_no_socket_but_pairs_of_streams() {
    let _machine = MACHINE.blocking_lock();
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let _service = UnixListener::bind(&socket).unwrap();
    let own = Utf8PathBuf::from_path_buf(std::env::current_exe().unwrap()).unwrap();
    let launcher = Launcher::new(Utf8PathBuf::from(SWAPMIG));
    let said = |mut command: std::process::Command| {
        let arguments = ["--exact", "--ignored", "--nocapture", "knocks"];
        let ran = command
            .args(arguments)
            .env(SOCKET, &socket)
            .output()
            .unwrap();
        String::from_utf8(ran.stdout).unwrap()
    };
    let free = said(launcher.command(&own));
    assert!(free.contains("[true, true, true] true"), "{free}");
    let confined = said(launcher.confined(&own, &Confinement::default()));
    assert!(
        confined.contains("[false, false, false] true"),
        "{confined}"
    );
}
