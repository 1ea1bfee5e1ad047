// SPDX-License-Identifier: GPL-2.0-or-later
//! Which accelerator guests run under, proven by a tiny guest rather than believed.
//!
//! `/dev/kvm` may exist, open and create a VM, and still never run a kernel.
//! So a guest of 200 bytes (`probe.S`) is run under emulation and under
//! KVM; KVM is chosen only when it ends, and no later than emulation does.

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::files;
use crate::guest::launcher::Launcher;

/// The tiny guest, assembled from `probe.S`.
const PROBE: &[u8] = include_bytes!("probe.bin");
/// QEMU's exit status when the tiny guest reached its end.
const PROBE_EXIT: i32 = 0x2a * 2 + 1;
/// Emulation takes a third of a second; a host this much slower is of no use.
const EMULATION_LIMIT: Duration = Duration::from_secs(60);

/// How a guest's instructions are executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Accelerator {
    /// The host's CPU.
    Kvm,
    /// Emulation, a host thread for each virtual CPU.
    Tcg,
}

impl Accelerator {
    /// The word of reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// Arguments of QEMU that choose it and the best CPU under it.
    pub fn qemu_arguments(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => ["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }

    /// How much slower than one second a KASAN kernel's boot is assumed to be
    /// on an idle host, until a boot was measured.
    pub fn assumed_slowness(self) -> f64 {
        match self {
            Self::Kvm => 2.0,
            Self::Tcg => 8.0,
        }
    }
}

impl std::fmt::Display for Accelerator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The accelerator chosen and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The accelerator.
    pub accelerator: Accelerator,
    /// A sentence.
    pub reason: String,
}

/// Why no accelerator could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum AccelError {
    /// QEMU is not there.
    #[error("{qemu} cannot be run: {source}. Install it: apt-get install qemu-system-x86.")]
    NoQemu {
        /// The program.
        qemu: Utf8PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The tiny guest cannot be written.
    #[error(
        "The folder {dir} cannot be used: {source}. Make room in it, or name another one in SWAPMIG_HOME."
    )]
    Scratch {
        /// The folder.
        dir: Utf8PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Not even emulation runs the tiny guest.
    #[error("QEMU does not run even a tiny guest under emulation: {0}. Run {qemu} --version and reinstall qemu-system-x86.", qemu = QEMU)]
    Unusable(String),
}

/// The program that runs guests.
pub const QEMU: &str = "qemu-system-x86_64";

/// How a run of the tiny guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proof {
    /// It ran to its end.
    Ran(Duration),
    /// It was still running at the limit.
    Spun(Duration),
    /// QEMU gave up.
    Refused(String),
}

#[derive(Serialize, Deserialize)]
struct Cached {
    boot: String,
    qemu: String,
    kvm: bool,
    choice: Choice,
}

/// Chooses the accelerator, once a boot of the host: the answer is kept in
/// `dir/accelerator.json` and holds for the same boot, QEMU and `/dev/kvm`.
pub fn choose(dir: &Utf8Path, launcher: &Launcher) -> Result<Choice, AccelError> {
    let qemu = qemu_version()?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let kvm = kvm_access();
    let cache = dir.join("accelerator.json");
    if let Ok(text) = std::fs::read_to_string(&cache)
        && let Ok(cached) = serde_json::from_str::<Cached>(&text)
        && (&cached.boot, &cached.qemu, cached.kvm) == (&boot, &qemu, kvm.is_ok())
    {
        return Ok(cached.choice);
    }
    let choice = prove(dir, launcher, kvm.clone())?;
    let cached = Cached {
        boot,
        qemu,
        kvm: kvm.is_ok(),
        choice: choice.clone(),
    };
    // Only a cache: without it the proof is made again.
    if let Ok(text) = serde_json::to_string_pretty(&cached) {
        let _ = std::fs::remove_file(&cache);
        let _ = files::write_whole(&cache, text.as_bytes(), 0o600);
    }
    Ok(choice)
}

fn prove(
    dir: &Utf8Path,
    launcher: &Launcher,
    kvm: Result<(), String>,
) -> Result<Choice, AccelError> {
    let scratch = |source| AccelError::Scratch {
        dir: dir.into(),
        source,
    };
    // Without a name, so that nothing is left of it.
    let mut guest = tempfile::tempfile_in(dir).map_err(scratch)?;
    guest.write_all(PROBE).map_err(scratch)?;

    let emulated = match run(launcher, Accelerator::Tcg, &guest, EMULATION_LIMIT)? {
        Proof::Ran(time) => time,
        Proof::Spun(limit) => {
            return Err(AccelError::Unusable(format!(
                "it was still running after {limit:?}"
            )));
        }
        Proof::Refused(words) => return Err(AccelError::Unusable(words)),
    };
    let proof = match kvm {
        Err(reason) => Err(reason),
        // Well above what emulation took, so that a busy host is not mistaken for a broken KVM.
        Ok(()) => Ok(run(
            launcher,
            Accelerator::Kvm,
            &guest,
            emulated * 4 + Duration::from_secs(2),
        )?),
    };
    Ok(decide(emulated, proof))
}

fn decide(emulated: Duration, kvm: Result<Proof, String>) -> Choice {
    let seconds = |d: Duration| format!("{:.2} s", d.as_secs_f64());
    let (accelerator, reason) = match kvm {
        Ok(Proof::Ran(time)) if time <= emulated => (
            Accelerator::Kvm,
            format!(
                "KVM ran a tiny guest in {}, emulation in {}",
                seconds(time),
                seconds(emulated)
            ),
        ),
        Ok(Proof::Ran(time)) => (
            Accelerator::Tcg,
            format!(
                "KVM works but is slower: it ran a tiny guest in {}, emulation in {}",
                seconds(time),
                seconds(emulated)
            ),
        ),
        Ok(Proof::Spun(limit)) => (
            Accelerator::Tcg,
            format!(
                "/dev/kvm opens but a tiny guest did not end in {} under it; emulation ran it in {}",
                seconds(limit),
                seconds(emulated)
            ),
        ),
        Ok(Proof::Refused(words)) => (Accelerator::Tcg, format!("QEMU refuses KVM: {words}")),
        Err(reason) => (Accelerator::Tcg, reason),
    };
    Choice {
        accelerator,
        reason,
    }
}

fn kvm_access() -> Result<(), String> {
    std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .map(drop)
        .map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => "there is no /dev/kvm".into(),
            std::io::ErrorKind::PermissionDenied => {
                "/dev/kvm may not be opened by this user; add the user to the group kvm".into()
            }
            _ => format!("/dev/kvm cannot be opened: {e}"),
        })
}

fn run(
    launcher: &Launcher,
    accelerator: Accelerator,
    guest: &File,
    limit: Duration,
) -> Result<Proof, AccelError> {
    let no_qemu = |source| AccelError::NoQemu {
        qemu: QEMU.into(),
        source,
    };
    let started = Instant::now();
    let mut child = launcher
        .command(QEMU.into())
        .args(accelerator.qemu_arguments())
        .args([
            "-m",
            "32M",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
        ])
        .args([
            "-device",
            "isa-debug-exit,iobase=0x501,iosize=1",
            "-kernel",
            "/proc/self/fd/0",
        ])
        .stdin(guest.try_clone().map_err(no_qemu)?)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(no_qemu)?;
    loop {
        if let Some(status) = child.try_wait().map_err(no_qemu)? {
            if status.code() == Some(PROBE_EXIT) {
                return Ok(Proof::Ran(started.elapsed()));
            }
            let mut words = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                // Its first words are enough of a reason.
                let _ = std::io::Read::read_to_string(&mut stderr, &mut words);
            }
            let first = words.lines().next().unwrap_or("it said nothing");
            return Ok(Proof::Refused(format!("{first} ({status})")));
        }
        if started.elapsed() > limit {
            // An error here means that it ended meanwhile.
            let _ = child.kill();
            let _ = child.wait();
            return Ok(Proof::Spun(limit));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The first line of QEMU's version.
pub fn qemu_version() -> Result<String, AccelError> {
    let output = Command::new(QEMU)
        .arg("--version")
        .output()
        .map_err(|source| AccelError::NoQemu {
            qemu: QEMU.into(),
            source,
        })?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn kvm_is_chosen_only_when_it_is_proven_and_no_slower() {
        let chosen = |proof| decide(SECOND, proof).accelerator;
        assert_eq!(chosen(Ok(Proof::Ran(SECOND / 4))), Accelerator::Kvm);
        assert_eq!(chosen(Ok(Proof::Ran(SECOND * 3))), Accelerator::Tcg);
        assert_eq!(chosen(Ok(Proof::Spun(SECOND * 6))), Accelerator::Tcg);
        assert_eq!(chosen(Ok(Proof::Refused("no".into()))), Accelerator::Tcg);
        assert_eq!(chosen(Err("there is no /dev/kvm".into())), Accelerator::Tcg);
    }

    #[test]
    fn the_reason_says_what_was_seen() {
        let choice = decide(SECOND, Ok(Proof::Spun(SECOND * 6)));
        assert!(
            choice.reason.contains("did not end in 6.00 s"),
            "{}",
            choice.reason
        );
    }

    #[test]
    fn the_tiny_guest_is_what_its_source_says() {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("probe.bin");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/accel/probe.S");
        let status = Command::new("cc")
            .args(["-m32", "-nostdlib", "-static", "-o"])
            .arg(&binary)
            .args([
                "-Wl,-Ttext=0x100000,--oformat=binary,--build-id=none",
                source,
            ])
            .status()
            .unwrap();
        assert!(status.success());
        assert_eq!(std::fs::read(binary).unwrap(), PROBE);
    }
}
