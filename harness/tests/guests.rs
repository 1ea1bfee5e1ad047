// SPDX-License-Identifier: GPL-2.0-or-later
//! Real kernels, real guests: what `swapmig check` promises, and what it leaves behind.
//!
//! A machine that cannot build a kernel or start a guest fails these tests.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use swapmig::guest_binary;
use swapmig::image::{Image, ImageSpec, Tools};
use swapmig_reports::record::{CellRecord, Class, Ended, FindingKind, Status};
use swapmig_reports::run::Run;
use tempfile::TempDir;

/// Guests of two tests at once would slow each other down.
static MACHINE: Mutex<()> = Mutex::new(());

fn swapmig() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swapmig"));
    command.stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> Output {
    let _machine = MACHINE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    command.output().unwrap()
}

/// The check, run once for all tests that look at it.
fn checked() -> &'static (TempDir, Output) {
    static CHECKED: OnceLock<(TempDir, Output)> = OnceLock::new();
    CHECKED.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let output = output(swapmig().arg("check").arg("--out").arg(run_of(&dir)));
        (dir, output)
    })
}

fn run_of(dir: &TempDir) -> PathBuf {
    dir.path().join("run")
}

fn cell(variant: &str, workload: &str) -> CellRecord {
    let (dir, output) = checked();
    let run = Run::read(&run_of(dir))
        .unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&output.stderr)));
    let cell = run
        .cells
        .iter()
        .find(|cell| cell.id.variant == variant && cell.id.workload == workload)
        .unwrap_or_else(|| panic!("the check has no cell {variant} × {workload}"));
    cell.result()
        .unwrap_or_else(|| panic!("{} has no result: {:?}", cell.id, cell.state))
        .clone()
}

/// A clean cell in which the class migrated at least so often.
fn assert_clean(workload: &str, class: Class, at_least: u64) {
    let cell = cell("fixed", workload);
    assert_eq!(
        cell.status,
        Status::Pass,
        "{:#?} {:?}",
        cell.reasons,
        cell.ended
    );
    assert!(cell.as_expected);
    assert!(cell.findings.is_empty());
    assert!(cell.pages_verified > 0);
    let moved = cell.classes[&class].moved;
    assert!(moved >= at_least, "{class} migrated {moved} times");
    assert!(
        cell.vmstat.contains_key("pgmigrate_success"),
        "the counters of before and after are kept"
    );
    assert!(!cell.samples.is_empty());
    assert!(!cell.buddyinfo.0.is_empty() && !cell.swaps.1.is_empty());
}

#[test]
fn the_check_holds() {
    let (_, output) = checked();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    assert!(out.contains("As expected"), "{out}");
}

#[test]
fn fixed_migrates_pages_whose_anon_vma_is_gone() {
    assert_clean("orphan", Class::U4, 1000);
}

#[test]
fn fixed_migrates_mapped_swap_cache_pages() {
    assert_clean("reread", Class::M, 500);
}

#[test]
fn fixed_migrates_tmpfs_pages_in_swap() {
    assert_clean("tmpfs", Class::U2, 500);
}

#[test]
fn no_guard_anon_walks_a_freed_anon_vma() {
    let cell = cell("no-guard-anon", "orphan");
    assert_eq!(cell.status, Status::Fail, "{:?}", cell.reasons);
    assert!(cell.as_expected, "{}", cell.findings[0].title);
    let finding = &cell.findings[0];
    assert_eq!(finding.kind, FindingKind::Trace);
    assert!(
        finding.title.starts_with("KASAN: slab-use-after-free"),
        "{}",
        finding.title
    );
    let frames: Vec<_> = finding
        .stacks
        .iter()
        .flat_map(|stack| &stack.frames)
        .collect();
    let walk = frames
        .iter()
        .find(|frame| frame.function.starts_with("rmap_walk_anon"))
        .expect("the walk is on a stack");
    assert_eq!(walk.file.as_deref(), Some("mm/rmap.c"), "symbolized");
    assert!(walk.line.is_some());
    assert!(
        finding.stacks.iter().any(|stack| stack.role == "freed"),
        "KASAN says who freed it"
    );
}

#[test]
fn rmap_walk_check_leaves_migration_entries_behind() {
    let cell = cell("rmap-walk-check", "reread");
    assert_eq!(cell.status, Status::Fail, "{:?}", cell.reasons);
    assert!(cell.as_expected, "{}", cell.findings[0].title);
    assert!(
        cell.findings[0].title.starts_with("kernel BUG in"),
        "{}",
        cell.findings[0].title
    );
}

#[test]
fn refuse_unmapped_never_migrates_what_it_is_asked_to() {
    let cell = cell("refuse-unmapped", "orphan");
    assert_eq!(cell.status, Status::Fail, "{:?}", cell.reasons);
    assert!(cell.as_expected, "{:?}", cell.findings);
    assert_eq!(cell.findings[0].kind, FindingKind::Refused);
    assert_eq!(cell.ended, Ended::Done);
    let counts = cell.classes[&Class::U4];
    assert!(counts.moved == 0 && counts.attempted >= 1000, "{counts:?}");
}

#[test]
fn a_report_is_made_from_the_run_alone() {
    let (dir, _) = checked();
    let page = dir.path().join("page.html");
    let output = output(
        swapmig()
            .arg("report")
            .arg(run_of(dir))
            .arg("--out")
            .arg(&page),
    );
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let page = std::fs::read_to_string(page).unwrap();
    for expected in [
        "no-guard-anon",
        "KASAN: slab-use-after-free",
        "rmap.c:",
        "migration refused",
    ] {
        assert!(page.contains(expected), "the page lacks {expected}");
    }
}

#[test]
fn a_guest_can_be_entered_and_files_be_fetched() {
    let ran = output(swapmig().args(["shell", "6.12", "fixed", "--", "uname", "-r"]));
    let release = String::from_utf8_lossy(&ran.stdout);
    assert!(
        release.starts_with("6.12"),
        "{release} {}",
        String::from_utf8_lossy(&ran.stderr)
    );

    let dir = tempfile::tempdir().unwrap();
    let fetched = output(swapmig().current_dir(dir.path()).args([
        "shell",
        "6.12",
        "fixed",
        "--fetch",
        "/proc/vmstat",
    ]));
    assert_eq!(
        fetched.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&fetched.stderr)
    );
    let vmstat = std::fs::read_to_string(dir.path().join("vmstat")).unwrap();
    assert!(vmstat.contains("pgmigrate_success"), "{vmstat}");
}

/// A command whose descendants can be told by a variable that they inherit.
struct Marked {
    child: Child,
    mark: String,
}

impl Marked {
    fn start(command: &mut Command) -> Self {
        let value = format!("{:?}-{}", Instant::now(), std::process::id());
        let child = command
            .env("SWAPMIG_TEST_MARK", &value)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            mark: format!("SWAPMIG_TEST_MARK={value}"),
        }
    }

    /// How many of its processes have these words on their command line.
    fn processes(&self, words: &str) -> usize {
        std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let environment = std::fs::read(path.join("environ")).unwrap_or_default();
                let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
                environment
                    .split(|&b| b == 0)
                    .any(|entry| entry == self.mark.as_bytes())
                    && String::from_utf8_lossy(&command).contains(words)
            })
            .count()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args(["-s", signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }
}

/// Waits until something holds; a machine on which it never does fails.
fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(1800);
    while !holds() {
        assert!(Instant::now() < limit, "still waiting until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Starts a run, ends it by a signal while a guest is up, and waits until all is gone.
fn interrupted(out: &Path, signal: &str) -> Option<i32> {
    // The kernels are built by then: the signal is to meet guests.
    checked();
    let _machine = MACHINE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut run = Marked::start(swapmig().arg("check").arg("--out").arg(out));
    // By a device that only a guest has: QEMU is also asked for its version before.
    wait_until("a guest is up", || run.processes("virtserialport") > 0);
    run.signal(signal);
    let status = run.child.wait().unwrap();
    wait_until("nothing is left", || run.processes("") == 0);
    status.code()
}

#[test]
fn a_killed_run_leaves_no_process_and_can_be_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let out = run_of(&dir);
    assert_eq!(interrupted(&out, "KILL"), None);
    assert!(
        Run::read(&out).is_ok(),
        "what a killed run leaves is readable"
    );

    let plan = out.join("plan.toml");
    let resumed = output(swapmig().arg("run").arg(plan).arg("--resume").arg(&out));
    assert_eq!(
        resumed.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&resumed.stderr)
    );
}

#[test]
fn ctrl_c_ends_every_guest_and_says_how_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(interrupted(&run_of(&dir), "INT"), Some(4));
    let run = Run::read(&run_of(&dir)).unwrap();
    assert!(run.record.finished.is_none());
    assert!(run.cells.iter().all(|cell| {
        cell.result()
            .is_none_or(|result| result.status != Status::Error)
    }));
}

/// A copy of the project's data in which one variant's patch does not apply.
fn images_with_a_stale_patch(dir: &Path) -> PathBuf {
    let images = dir.join("images");
    let original = concat!(env!("CARGO_MANIFEST_DIR"), "/../images");
    let copied = Command::new("cp")
        .arg("-r")
        .arg(original)
        .arg(&images)
        .status()
        .unwrap();
    assert!(copied.success());
    let patch = images.join("patches/6.12/no-guard-anon.patch");
    let text = std::fs::read_to_string(&patch).unwrap();
    let stale = text.replace("PAGE_WAS_MAPPED", "PAGE_WAS_MAPPED_ONCE");
    assert_ne!(text, stale);
    std::fs::write(patch, stale).unwrap();
    images
}

#[test]
fn a_variant_that_no_longer_applies_leaves_the_others_judged_and_the_run_inconclusive() {
    checked();
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.toml");
    std::fs::write(
        &plan,
        "name = \"stale\"\nlines = [\"6.12\"]\n[[cells]]\nvariants = [\"no-guard-anon\", \"fixed\"]\nworkloads = [\"tmpfs\"]\n[workload.tmpfs]\nat_least = { U2 = 500 }\n",
    )
    .unwrap();
    let ran = output(
        swapmig()
            .env("SWAPMIG_IMAGES", images_with_a_stale_patch(dir.path()))
            .arg("run")
            .arg(&plan)
            .arg("--out")
            .arg(run_of(&dir)),
    );
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    assert_eq!(ran.status.code(), Some(3), "{said}");
    for expected in ["no-guard-anon.patch", "mm/migrate.c", "hunk"] {
        assert!(said.contains(expected), "no word of {expected}: {said}");
    }
    let run = Run::read(&run_of(&dir)).unwrap();
    let judged: Vec<_> = run.cells.iter().filter_map(|cell| cell.result()).collect();
    assert_eq!(judged.len(), 1);
    assert_eq!(judged[0].status, Status::Pass, "{:?}", judged[0].reasons);
}

/// The largest file that a run needs from its start on.
fn image_size(dir: &TempDir) -> u64 {
    let spec = ImageSpec {
        guest_binary: guest_binary::locate(env!("CARGO_BIN_EXE_swapmig").into()).unwrap(),
        images_dir: concat!(env!("CARGO_MANIFEST_DIR"), "/../images").into(),
        tools: Tools::default(),
    };
    let image = Image::build(&spec, Utf8Path::from_path(dir.path()).unwrap()).unwrap();
    std::fs::metadata(image.initramfs).unwrap().len()
}

#[test]
fn a_full_disk_ends_the_run_and_leaves_it_readable() {
    checked();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    std::fs::create_dir(&out).unwrap();
    // A file system of its own, too small for six cells; nobody but this shell sees it.
    let script = "mount -t tmpfs -o size=$3 tmpfs \"$1/disk\" || exit 90
        \"$2\" check --out \"$1/disk/run\" --host-disk 100000; code=$?
        cp -r \"$1/disk/run\" \"$1/out\"; exit $code";
    std::fs::create_dir(dir.path().join("disk")).unwrap();
    let ran = output(
        Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                script,
                "sh",
            ])
            .arg(dir.path())
            .arg(env!("CARGO_BIN_EXE_swapmig"))
            .arg((image_size(&dir) + (1 << 20)).to_string())
            .stdin(Stdio::null()),
    );
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(4), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    let run = Run::read(&out.join("run")).unwrap();
    assert_eq!(run.cells.len(), 6);
    for cell in &run.cells {
        assert!(
            !matches!(cell.state, swapmig_reports::run::CellState::Unreadable(_)),
            "{}: {:?}",
            cell.id,
            cell.state
        );
    }
}

#[test]
fn guests_run_on_the_cpus_and_the_memory_that_the_plan_asks_for() {
    checked();
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.toml");
    std::fs::write(
        &plan,
        "name = \"machine\"\nlines = [\"6.12\"]\nretries = 0\n[machine]\ncpus = 3\nmemory_mib = 640\n\
         [workload.tmpfs]\nat_least = { U2 = 500 }\n\
         [[cells]]\nvariants = [\"fixed\"]\nworkloads = [\"tmpfs\"]\n",
    )
    .unwrap();
    let ran = output(
        swapmig()
            .arg("run")
            .arg(&plan)
            .arg("--out")
            .arg(run_of(&dir)),
    );
    // A guest that counts other CPUs or other memory gets no job.
    let said = String::from_utf8_lossy(&ran.stderr);
    let run = Run::read(&run_of(&dir)).unwrap_or_else(|error| panic!("{error}\n{said}"));
    assert_eq!(
        run.cells[0].result().unwrap().status,
        Status::Pass,
        "{said}"
    );
}

#[test]
fn a_panic_at_boot_is_an_error_that_names_the_panic() {
    checked();
    let dir = tempfile::tempdir().unwrap();
    // A guest whose init ends at once: the kernel panics.
    let source = dir.path().join("init.c");
    let init = dir.path().join("init");
    std::fs::write(&source, "int main(void) { return 0; }\n").unwrap();
    let compiled = Command::new("cc")
        .args(["-static", "-o"])
        .arg(&init)
        .arg(&source)
        .status()
        .unwrap();
    assert!(compiled.success());
    let plan = dir.path().join("plan.toml");
    std::fs::write(
        &plan,
        "name = \"panic\"\nlines = [\"6.12\"]\n[[cells]]\nvariants = [\"fixed\"]\nworkloads = [\"orphan\"]\n",
    )
    .unwrap();
    let ran = output(
        swapmig()
            .env("SWAPMIG_GUEST", &init)
            .arg("run")
            .arg(&plan)
            .arg("--out")
            .arg(run_of(&dir)),
    );
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(4), "{said}");
    let run = Run::read(&run_of(&dir)).unwrap();
    let cell = run.cells[0].result().unwrap();
    assert_eq!(cell.status, Status::Error);
    let Ended::BootFailed { reason } = &cell.ended else {
        panic!("{:?}", cell.ended)
    };
    assert!(
        reason.contains("panic") && reason.contains("init"),
        "{reason}"
    );
    // It was tried twice, and the files of the first try are kept.
    assert!(said.contains("is tried again"), "{said}");
    assert_eq!(cell.attempts.len(), 1);
    let first = run_of(&dir).join("attempts/6.12.fixed.orphan.1.1");
    assert!(first.join("cell.json").is_file() && first.join("console.log").is_file());
    assert!(
        said.contains("could not be saved"),
        "a kernel that does not boot is never saved: {said}"
    );
}
