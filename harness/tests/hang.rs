// SPDX-License-Identifier: GPL-2.0-or-later
//! Guests that hang, for real: what a diagnosis gets out of them, and what it makes of it.
//!
//! A machine that cannot build a kernel or start a guest fails these tests.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use swapmig::accel::Accelerator;
use swapmig::catalogue::Images;
use swapmig::guest::bounded::Bound;
use swapmig::guest::diagnosis::{Diagnosis, Request};
use swapmig::guest::launcher::Launcher;
use swapmig::guest::qemu::{GuestSpec, QemuGuest};
use swapmig::guest::ssh::{self, SshKeys};
use swapmig::guest::{Guest, Signal};
use swapmig::guest_binary;
use swapmig::home::{Cancel, Home};
use swapmig::image::{Image, ImageSpec, Tools};
use swapmig::kernel::{Kernel, KernelStore};
use swapmig::plan::Machine;
use swapmig::probes::{Vmlinux, task_layout};
use swapmig::runner::livelock::{finding, text};
use swapmig_reports::record::{CellRecord, Ended, FindingKind, Status};
use swapmig_reports::run::Run;
use swapmig_reports::symbolize::Symbolizer;
use swapmig_workloads::protocol::{self, Event, Job, Workload};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// Guests of two tests at once would slow each other down.
static MACHINE: Mutex<()> = Mutex::const_new(());

/// A guest that boots on a machine where this is not enough will not do for a test.
const PATIENCE: Duration = Duration::from_secs(600);

/// The fixed kernel and a guest of it.
struct Booted {
    guest: QemuGuest,
    kernel: Kernel,
    _dir: TempDir,
}

impl Booted {
    /// Boots one that has to answer within that time, and waits until it is ready.
    async fn new(answer_within: Duration) -> Self {
        let images = Images::locate().unwrap();
        let line = images.line("6.12").unwrap();
        let variant = images.variant(&line, "fixed").unwrap();
        let kernel = KernelStore::new(Home::from_env().unwrap())
            .ensure(&line, &variant, &Cancel::default(), &|_| {})
            .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap();
        let swapmig = Utf8PathBuf::from(env!("CARGO_BIN_EXE_swapmig"));
        let image_spec = ImageSpec {
            guest_binary: guest_binary::locate(&swapmig).unwrap(),
            images_dir: images.root().into(),
            tools: Tools::default(),
        };
        let image = Image::build(&image_spec, path).unwrap();
        let spec = GuestSpec {
            console: Bound::CONSOLE,
            accelerator: Accelerator::Tcg,
            machine: Machine::default(),
            kernel: kernel.bzimage.clone(),
            initramfs: image.initramfs.clone(),
            keys: Arc::new(SshKeys::of(&image)),
            dir: path.into(),
            answer_within,
        };
        let mut guest = QemuGuest::boot(&spec, &Launcher::new(swapmig))
            .await
            .unwrap();
        until(&mut guest, |signal| {
            matches!(signal, Signal::Event(Event::Ready { .. }))
        })
        .await;
        Self {
            guest,
            kernel,
            _dir: dir,
        }
    }

    async fn diagnose(&mut self) -> Diagnosis {
        let vmlinux = Vmlinux::new(&self.kernel.vmlinux);
        let request = Request {
            layout: task_layout(&vmlinux).unwrap(),
            dump_memory: false,
        };
        assert!(request.layout.is_some(), "where tasks are is known");
        self.guest.diagnose(&request).await
    }

    fn symbolizer(&self) -> Symbolizer {
        Symbolizer::open(self.kernel.vmlinux.as_std_path()).unwrap()
    }
}

/// Waits for a signal.
async fn until(guest: &mut QemuGuest, wanted: impl Fn(&Signal) -> bool) {
    let waited = async {
        loop {
            let signal = guest.next().await;
            assert!(!matches!(signal, Signal::Exited { .. }), "{signal:?}");
            if wanted(&signal) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap();
}

fn file<'a>(found: &'a Diagnosis, name: &str) -> &'a str {
    let (_, content) = found
        .files
        .iter()
        .find(|(known, _)| known == name)
        .unwrap_or_else(|| panic!("no {name} among {:?}", names(found)));
    std::str::from_utf8(content).unwrap()
}

fn names(found: &Diagnosis) -> Vec<&str> {
    found.files.iter().map(|(name, _)| name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_guest_shows_its_registers_and_stacks_and_what_it_no_longer_answers() {
    let _machine = MACHINE.lock().await;
    let mut booted = Booted::new(Duration::from_secs(3)).await;
    // A kernel that panics and stays: one CPU turns for ever, the other one has stopped.
    let (stream, keys) = booted.guest.ssh().unwrap();
    tokio::task::spawn_blocking(move || {
        let session = ssh::connect(stream, &keys, Duration::from_secs(60)).unwrap();
        let panics = "echo 0 > /proc/sys/kernel/panic; (sleep 1; echo c > /proc/sysrq-trigger) &";
        ssh::run(&session, panics, 1000).unwrap()
    })
    .await
    .unwrap();
    let mut printed = Vec::new();
    while memchr::memmem::find(&printed, b"end Kernel panic").is_none() {
        if let Signal::Console(bytes) = booted.guest.next().await {
            printed.extend(bytes);
        }
    }
    let found = booted.diagnose().await;
    booted.guest.end().await;

    let steps = file(&found, "steps");
    let told: Vec<&str> = steps.lines().collect();
    assert_eq!(told.len(), 4, "{steps}");
    assert!(told[0].starts_with("vcpus: 48 samples"), "{steps}");
    assert!(told[1].starts_with("sysrq: "), "{steps}");
    assert!(told[2].starts_with("proc: "), "{steps}");
    assert!(
        told[2].contains("no answer") || told[2].contains("failed"),
        "{steps}"
    );
    assert!(told[3].starts_with("memory: not asked for"), "{steps}");
    assert!(file(&found, "registers").contains("RIP="));
    assert_eq!(found.samples.len(), 48);
    let symbolizer = booted.symbolizer();
    let frames = finding::frames(&found.samples, Some(&symbolizer));
    let text = text::backtraces(&found.samples, &frames);
    assert!(text.contains("panic+0x"), "{text}");
    assert!(text.contains("sysrq_handle_crash+0x"), "{text}");
    assert_eq!(finding::finding(&found.samples, Some(&symbolizer)), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_workload_looks_like_no_loop_and_goes_on_after_a_diagnosis() {
    let _machine = MACHINE.lock().await;
    let mut booted = Booted::new(Duration::from_secs(3)).await;
    let job = Job {
        detect_after_seconds: None,
        version: protocol::VERSION,
        workload: Workload::Reread,
        seed: 1,
        params: BTreeMap::from([("rounds".to_owned(), 9)]),
        probes: Vec::new(),
        sample_ms: 1000,
        wake: None,
    };
    booted.guest.send_job(&job).await.unwrap();
    until(&mut booted.guest, |signal| {
        matches!(signal, Signal::Event(Event::Started { .. }))
    })
    .await;
    let symbolizer = booted.symbolizer();
    for _ in 0..2 {
        let found = booted.diagnose().await;
        let steps = file(&found, "steps");
        assert!(steps.starts_with("vcpus: 48 samples"), "{steps}");
        assert!(steps.contains("sysrq: asked l"), "{steps}");
        assert!(steps.contains("the kernel cannot tell of locks"), "{steps}");
        let sysrq = file(&found, "sysrq");
        for expected in [
            "NMI backtrace for cpu 0",
            "NMI backtrace for cpu 1",
            "Show State",
        ] {
            assert!(sysrq.contains(expected), "no {expected}: {sysrq}");
        }
        let tasks = |sample: &swapmig::guest::diagnosis::Sample| sample.task.is_some();
        assert!(
            found.samples.iter().all(tasks),
            "each sample names its task"
        );
        assert_eq!(finding::finding(&found.samples, Some(&symbolizer)), None);
    }
    // It was stopped again and again, and runs.
    until(&mut booted.guest, |signal| {
        matches!(signal, Signal::Event(Event::Done { .. }))
    })
    .await;
    booted.guest.end().await;
}

#[test]
fn a_loop_of_page_faults_that_no_detector_speaks_of_is_found() {
    let _machine = MACHINE.blocking_lock();
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.toml");
    // Its limits are the shortest that there are: the kernel's detectors need them.
    std::fs::write(
        &plan,
        "name = \"loop\"\nlines = [\"6.12\"]\nretries = 0\n\
         [limits]\nslowness = 2.0\nboot = 300.0\nsilence = 65.0\nworkload = 65.0\n\
         [workload.reread]\nat_least = { M = 500 }\n\
         [[cells]]\nvariants = [\"rmap-walk-check-loop\"]\nworkloads = [\"reread\"]\n",
    )
    .unwrap();
    let began = Instant::now();
    let ran = Command::new(env!("CARGO_BIN_EXE_swapmig"))
        .args(["run", plan.to_str().unwrap(), "--dump-memory", "--out"])
        .arg(dir.path().join("run"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!(
        "{}{} after {:?}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr),
        began.elapsed()
    );
    let run = Run::read(&dir.path().join("run")).unwrap();
    let cell: CellRecord = run.cells[0]
        .result()
        .unwrap_or_else(|| panic!("{said}"))
        .clone();
    assert_eq!(cell.status, Status::Fail, "{said}");
    assert!(cell.as_expected, "{said}");
    assert!(matches!(cell.ended, Ended::Slow { .. }), "{:?}", cell.ended);
    let [found] = cell.findings.as_slice() else {
        panic!("{:?}", cell.findings)
    };
    assert_eq!(found.kind, FindingKind::Livelock);
    assert!(
        found.title.starts_with("hang: page fault loop in "),
        "{}",
        found.title
    );
    assert!(
        found.text.contains("page faults there and got no further"),
        "{}",
        found.text
    );
    let frames: Vec<_> = found
        .stacks
        .iter()
        .flat_map(|stack| &stack.frames)
        .collect();
    let guilty = frames
        .iter()
        .find(|frame| frame.guilty)
        .expect("the loop's function");
    let file = guilty.file.as_deref().unwrap_or_default();
    assert!(file.starts_with("mm/"), "symbolized: {file}");
    assert!(guilty.line.is_some());
    assert_eq!(frames.last().unwrap().function, "asm_exc_page_fault");

    let cell = dir.path().join("run/cells").join(cell.cell.name());
    let read = |name: &str| std::fs::read_to_string(cell.join(name)).unwrap();
    let steps = read("diagnosis-steps.txt");
    let order: Vec<_> = steps
        .lines()
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(order, ["vcpus", "sysrq", "proc", "memory"], "{steps}");
    assert!(read("diagnosis-registers.txt").contains("CR2="));
    assert!(read("diagnosis-backtraces.txt").contains("do_user_addr_fault+0x"));
    assert!(read("diagnosis-sysrq.txt").contains("NMI backtrace"));
    assert_dump(&cell.join("memory.kdump"), &steps);
}

/// A dump of the guest's memory, as `crash` opens it.
fn assert_dump(path: &Path, steps: &str) {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{error}: {steps}"));
    let metadata = file.metadata().unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    let memory = u64::from(Machine::default().memory_mib) << 20;
    assert!(
        metadata.len() > 1 << 20 && metadata.len() < memory,
        "{}",
        metadata.len()
    );
    let mut header = [0; 464];
    file.read_exact_at(&mut header, 0).unwrap();
    assert!(header.starts_with(b"KDUMP   "));
    let machine = &header[12 + 4 * 65..][..7];
    assert_eq!(machine, b"x86_64\0");
    assert_eq!(header[460..], Machine::default().cpus.to_le_bytes());
}
