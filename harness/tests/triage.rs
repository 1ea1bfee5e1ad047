// SPDX-License-Identifier: GPL-2.0-or-later
//! `swapmig triage` as it is typed: what it prints, what it exits with, how much memory it takes.

#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use object::{Object, ObjectSymbol};
use serde_json::Value;
use tempfile::TempDir;

/// Memory that a log of any length may take, in KiB.
const MEMORY_MAX: u64 = 64 << 10;
/// Length of the long log, in MiB.
const LONG: usize = 128;

const USE_AFTER_FREE: &str = "KASAN: slab-use-after-free Read in rmap_walk_anon";
const STALE_ENTRY: &str = "kernel BUG in migration_entry_wait_on_locked";

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn console(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../reports/tests/consoles")
        .join(name)
}

fn use_after_free() -> PathBuf {
    console("no-guard-anon-orphan.log")
}

fn stale_entry() -> PathBuf {
    console("rmap-walk-check-reread.log")
}

/// The command, in an environment that has nothing but itself.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swapmig"));
    command
        .arg("triage")
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn said(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn triage(arguments: &[&str], files: &[&Path]) -> Said {
    said(command(arguments).args(files).spawn().unwrap())
}

fn piped(arguments: &[&str], log: &[u8]) -> Said {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(log).unwrap();
    drop(stdin);
    said(child)
}

/// The objects that were printed, each held against the published schema.
fn objects(said: &Said) -> Vec<Value> {
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/triage.schema.json")).unwrap();
    let schema = jsonschema::draft202012::new(&schema).unwrap();
    said.out
        .lines()
        .map(|line| {
            let object = serde_json::from_str(line).unwrap();
            if let Err(error) = schema.validate(&object) {
                panic!("{error} at {}", error.instance_path());
            }
            object
        })
        .collect()
}

fn titles(object: &Value) -> Vec<&str> {
    let reports = object["reports"].as_array().unwrap();
    reports
        .iter()
        .map(|report| report["title"].as_str().unwrap())
        .collect()
}

#[test]
fn the_published_schema_is_the_one_that_is_printed() {
    let said = triage(&["--schema"], &[]);
    assert_eq!(said.code, Some(0));
    // Not compared by a macro that would print both.
    assert!(
        said.out == include_str!("../../docs/triage.schema.json"),
        "write it anew: swapmig triage --schema > docs/triage.schema.json"
    );
}

#[test]
fn people_see_what_happened_where_and_whom_to_blame() {
    let said = triage(&[], &[&use_after_free()]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    assert!(said.out.starts_with(USE_AFTER_FREE), "{}", said.out);
    for words in [
        "KASAN-USE-AFTER-FREE-READ",
        "read of 8 bytes at 0xffff888018474150",
        "CPU 1",
        "\n  access:\n",
        "\n    > ",
        "\n  freed:\n",
        "1 report found",
    ] {
        assert!(said.out.contains(words), "no `{words}`: {}", said.out);
    }
    let marked: Vec<_> = said
        .out
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("> "))
        .collect();
    assert_eq!(marked, ["rmap_walk_anon+0xb0/0x356"]);
    assert!(!said.out.contains('\x1b'), "a pipe gets no colours");
}

#[test]
fn colours_are_shown_where_they_are_wanted() {
    let mut command = command(&[]);
    command.env("CLICOLOR_FORCE", "1").arg(use_after_free());
    let said = said(command.spawn().unwrap());
    assert!(said.out.starts_with("\x1b["), "{:?}", &said.out[..20]);
}

#[test]
fn programs_get_an_object_an_input() {
    let (first, second) = (use_after_free(), stale_entry());
    let said = triage(&["--json"], &[&first, &second]);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    let objects = objects(&said);
    let [one, other] = objects.as_slice() else {
        panic!("two inputs, {} objects", objects.len());
    };
    assert_eq!(one["input"], first.to_str().unwrap());
    assert_eq!(titles(one), [USE_AFTER_FREE]);
    assert_eq!(titles(other), [STALE_ENTRY]);
    let report = &one["reports"][0];
    assert_eq!(report["type"], "KASAN-USE-AFTER-FREE-READ");
    assert_eq!(report["corrupted"], false);
    assert_eq!(report["corrupted_reason"], Value::Null);
    assert_eq!(report["access"]["address"], "0xffff888018474150");
    assert_eq!(report["guilty"]["function"], "rmap_walk_anon");
    let log = std::fs::read(&first).unwrap();
    let at = |end: &str| usize::try_from(report[end].as_u64().unwrap()).unwrap();
    let text = String::from_utf8_lossy(&log[at("start")..at("end")]);
    assert!(text.contains("BUG: KASAN: slab-use-after-free"), "{text}");
    let frames = report["stacks"][0]["frames"].as_array().unwrap();
    let blamed: Vec<_> = frames
        .iter()
        .filter(|frame| frame["guilty"] == true)
        .map(|frame| frame["function"].as_str().unwrap())
        .collect();
    assert_eq!(blamed, ["rmap_walk_anon"]);
}

#[test]
fn a_log_without_a_crash_is_said_to_have_none() {
    let log = b"[    0.000000] Linux version 6.12.117\n[    1.000000] all is well\n";
    let said = piped(&["-"], log);
    assert_eq!(
        (said.code, said.out.as_str()),
        (Some(0), "-: no crash found\n")
    );
    let said = piped(&["--json"], log);
    assert_eq!(said.code, Some(0));
    assert_eq!(
        said.out,
        "{\"input\":\"-\",\"reports\":[],\"error\":null}\n"
    );
    assert_eq!(piped(&[], b"").code, Some(0));
}

#[test]
fn standard_input_is_read_where_no_file_is_named() {
    let log = std::fs::read(stale_entry()).unwrap();
    for arguments in [&["--json"] as &[&str], &["--json", "-"]] {
        let said = piped(arguments, &log);
        assert_eq!(said.code, Some(1));
        let objects = objects(&said);
        assert_eq!(objects[0]["input"], "-");
        assert_eq!(titles(&objects[0]), [STALE_ENTRY]);
    }
}

#[test]
fn the_first_report_is_enough_where_that_is_asked() {
    let both = [use_after_free(), stale_entry()].map(|path| std::fs::read(path).unwrap());
    let log = both.concat();
    let all = objects(&piped(&["--json"], &log));
    assert!(all[0]["reports"].as_array().unwrap().len() > 1);
    let first = objects(&piped(&["--json", "--first"], &log));
    assert_eq!(titles(&first[0]), [USE_AFTER_FREE]);
    let said = piped(&["--first"], &log);
    assert!(said.out.contains("1 report found"), "{}", said.out);
}

#[test]
fn an_input_that_cannot_be_read_is_named_and_the_others_are_read() {
    let dir = TempDir::new().unwrap();
    let absent = dir.path().join("absent.log");
    let found = stale_entry();
    let said = triage(&["--json"], &[&absent, dir.path(), &found]);
    assert_eq!(said.code, Some(4));
    assert!(said.err.contains("absent.log"), "{}", said.err);
    assert!(said.err.contains("is a folder"), "{}", said.err);
    let objects = objects(&said);
    assert_eq!(objects.len(), 3);
    assert!(objects[0]["error"].as_str().unwrap().contains("absent.log"));
    assert!(objects[1]["error"].as_str().unwrap().contains("folder"));
    assert_eq!(objects[2]["error"], Value::Null);
    assert_eq!(titles(&objects[2]), [STALE_ENTRY]);
    let said = triage(&[], &[&absent, &found]);
    assert_eq!(said.code, Some(4));
    assert!(said.out.contains(STALE_ENTRY), "{}", said.out);
    assert!(!said.out.contains("no crash found"), "{}", said.out);
}

#[test]
fn an_input_that_ends_in_an_error_is_told_whole() {
    // The memory of a process can be opened, and its first page cannot be read.
    let said = triage(&["--json"], &[Path::new("/proc/self/mem")]);
    assert_eq!(said.code, Some(4));
    let objects = objects(&said);
    assert!(
        objects[0]["error"]
            .as_str()
            .unwrap()
            .contains("/proc/self/mem")
    );
}

#[test]
fn what_is_typed_wrong_is_answered_with_what_to_do() {
    for arguments in [
        &["--jsno"] as &[&str],
        &["--schema", "--json"],
        &["--json", "--source", "."],
        &["--modules", "."],
    ] {
        let said = triage(arguments, &[]);
        assert_eq!(said.code, Some(2), "{arguments:?}");
        assert!(said.err.contains("--help"), "{}", said.err);
    }
    let log = stale_entry();
    for (option, words) in [("--vmlinux", "vmlinux"), ("--source", "source tree")] {
        let said = triage(&[option, "/absent/vmlinux"], &[&log]);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
        assert!(said.err.contains("/absent/vmlinux"), "{}", said.err);
        assert!(said.err.contains(words), "{}", said.err);
    }
    let said = triage(&["--vmlinux", log.to_str().unwrap()], &[&log]);
    assert_eq!(said.code, Some(2), "a log is no vmlinux");
}

/// A program that takes a kernel's part, and its source tree.
struct Kernel {
    folder: TempDir,
}

impl Kernel {
    /// Linux 6.12.0, with a function `outer` that has another one inlined.
    fn build() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("mm")).unwrap();
        std::fs::write(
            folder.path().join("mm/main.c"),
            "\
const char banner[] = \"Linux version 6.12.0 (a@b)\";
volatile int sink;
static inline __attribute__((always_inline)) void inner(int *p) {
    *p = sink;
}
__attribute__((noinline)) void outer(int *p) {
    inner(p);
}
int main(void) {
    int on_stack;
    outer(&on_stack);
    return 0;
}
",
        )
        .unwrap();
        let status = Command::new("cc")
            .current_dir(folder.path())
            .args(["-g", "-O1", "-o", "vmlinux", "mm/main.c"])
            .status()
            .unwrap();
        assert!(status.success());
        Self { folder }
    }

    fn vmlinux(&self) -> String {
        let path = self.folder.path().join("vmlinux");
        path.to_str().unwrap().to_owned()
    }

    fn source(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// The log of a kernel of a release that crashed in `outer`.
    fn log(&self, release: &str) -> String {
        let bytes = std::fs::read(self.vmlinux()).unwrap();
        let file = object::File::parse(bytes.as_slice()).unwrap();
        let outer = file.symbol_by_name("outer").unwrap();
        let frame = format!("outer+0x0/{:#x}", outer.size());
        let lines = [
            "BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "#PF: supervisor write access in kernel mode",
            "#PF: error_code(0x0002) - not-present page",
            "Oops: Oops: 0002 [#1] PREEMPT SMP",
            &format!("CPU: 0 UID: 0 PID: 7 Comm: work Not tainted {release} #1"),
            &format!("RIP: 0010:{frame}"),
            "Call Trace:",
            " <TASK>",
            " </TASK>",
            "---[ end trace 0000000000000000 ]---",
        ];
        lines
            .map(|line| format!("[    1.000000][    T7] {line}\n"))
            .concat()
    }
}

#[test]
fn lines_of_the_source_are_shown_with_the_logs_own_kernel() {
    let kernel = Kernel::build();
    let log = kernel.log("6.12.0");
    let vmlinux = kernel.vmlinux();
    let said = piped(
        &["--vmlinux", &vmlinux, "--source", kernel.source()],
        log.as_bytes(),
    );
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    for words in [
        "to blame  outer in mm/main.c",
        "mm/main.c:4 (inlined)",
        "    > outer                              mm/main.c:",
        "|     inner(p);",
    ] {
        assert!(said.out.contains(words), "no `{words}`: {}", said.out);
    }
    let said = piped(&["--json", "--vmlinux", &vmlinux], log.as_bytes());
    let objects = objects(&said);
    let report = &objects[0]["reports"][0];
    assert_eq!(report["guilty"]["file"], "mm/main.c");
    assert_eq!(report["source_note"], Value::Null);
    let frames = report["stacks"][0]["frames"].as_array().unwrap();
    let frame = |at: usize, key: &str| &frames[at][key];
    assert_eq!(frame(0, "function"), "inner");
    assert_eq!(frame(0, "inlined"), true);
    assert_eq!(frame(0, "line"), 4);
    assert_eq!(frame(1, "function"), "outer");
    assert_eq!(frame(1, "guilty"), true);
}

#[test]
fn another_kernels_vmlinux_is_refused() {
    let kernel = Kernel::build();
    let log = kernel.log("6.1.9");
    for arguments in [&["--vmlinux"] as &[&str], &["--json", "--vmlinux"]] {
        let vmlinux = kernel.vmlinux();
        let said = piped(&[arguments, &[&vmlinux]].concat(), log.as_bytes());
        assert_eq!(said.code, Some(2));
        for words in [
            vmlinux.as_str(),
            "6.1.9",
            "6.12.0",
            "give the vmlinux of the log's kernel",
        ] {
            assert!(said.err.contains(words), "no `{words}`: {}", said.err);
        }
        assert!(!said.out.contains("mm/main.c"), "{}", said.out);
    }
    let said = piped(&["--json", "--vmlinux", &kernel.vmlinux()], log.as_bytes());
    let object = &objects(&said)[0];
    assert_eq!(titles(object), [""; 0]);
    assert!(object["error"].as_str().unwrap().contains("6.1.9"));
}

#[test]
fn what_a_log_says_cannot_move_the_cursor_or_reorder_a_line() {
    let log =
        "[    1.000000][    T1] Kernel panic - not syncing: a\x1b[2Jb\u{202e}c\u{9b}31m\u{200b}d\n";
    for arguments in [&[] as &[&str], &["--json"]] {
        let said = piped(arguments, log.as_bytes());
        assert_eq!(said.code, Some(1));
        assert!(said.out.contains("kernel panic: a"), "{}", said.out);
        let hidden = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{200b}".contains(c));
        assert!(!said.out.contains(hidden), "{:?}", said.out);
    }
    let dir = TempDir::new().unwrap();
    let name = dir.path().join("a\x1b[2J\u{202e}.log");
    let said = triage(&[], &[&name]);
    assert!(!said.err.contains(['\x1b', '\u{202e}']), "{:?}", said.err);
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let log = std::fs::read(use_after_free()).unwrap();
    for arguments in [&["-"] as &[&str], &["--json"]] {
        let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut stdin = child.stdin.take().unwrap();
        // It may be gone before it has read all.
        let _ = stdin.write_all(&log);
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        assert!(output.status.code().is_some_and(|code| code < 2));
    }
}

#[test]
fn a_long_log_is_read_in_little_memory() {
    let dir = TempDir::new().unwrap();
    let printed = dir.path().join("printed.json");
    let mut child = command(&["--json", "-"])
        .stdin(Stdio::piped())
        .stdout(std::fs::File::create(&printed).unwrap())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut mebibyte = b"[    0.000000] Linux version 6.12.117\n".to_vec();
    mebibyte.extend(std::fs::read(use_after_free()).unwrap());
    while mebibyte.len() < 1 << 20 {
        mebibyte.extend(
            b"[   99.123456][   T42] systemd[1]: Started a service of some name or other.\n",
        );
    }
    for _ in 0..LONG {
        stdin.write_all(&mebibyte).unwrap();
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    drop(stdin);
    let said = said(child);
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""));
    let peak: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse().ok())
        .unwrap();
    assert!(peak < MEMORY_MAX, "{peak} KiB for {LONG} MiB");
    let object: Value = serde_json::from_reader(std::fs::File::open(&printed).unwrap()).unwrap();
    assert_eq!(titles(&object)[0], USE_AFTER_FREE);
}
