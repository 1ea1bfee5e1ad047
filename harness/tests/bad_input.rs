// SPDX-License-Identifier: GPL-2.0-or-later
//! What the command says to bad input and on a machine that lacks things. No guests.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};

use camino::Utf8Path;
use swapmig::run_dir::RunDir;
use tempfile::TempDir;

struct Said {
    code: Option<i32>,
    text: String,
}

/// Runs `swapmig` with a cache of its own.
fn swapmig(dir: &TempDir, change: impl FnOnce(&mut Command)) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swapmig"));
    command
        .env("SWAPMIG_HOME", dir.path().join("home"))
        .env("NO_COLOR", "1")
        .current_dir(dir.path())
        .stdin(Stdio::null());
    change(&mut command);
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        text: format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

impl Said {
    fn assert(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.text);
        // A report wraps its lines; where they break is no matter here.
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(text.contains(word), "no word of `{word}`: {}", self.text);
        }
    }
}

fn run_plan(text: &str) -> Said {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("plan.toml"), text).unwrap();
    swapmig(&dir, |command| {
        command.args(["run", "plan.toml"]);
    })
}

const PLAN: &str = "name = \"x\"\nlines = [\"6.12\"]\n[[cells]]\nvariants = [\"fixed\"]\nworkloads = [\"orphan\"]\n";

#[test]
fn a_wrong_key_in_a_plan_is_pointed_at() {
    run_plan(&PLAN.replace("variants", "variant")).assert(2, &["plan.toml", "line 4, column 1"]);
}

#[test]
fn a_wrong_type_in_a_plan_is_pointed_at() {
    run_plan(&PLAN.replace("\"x\"", "7")).assert(2, &["plan.toml", "line 1, column 8"]);
}

#[test]
fn a_name_that_does_not_exist_is_pointed_at_with_those_that_do() {
    run_plan(&PLAN.replace("fixed", "fixt"))
        .assert(2, &["fixt", "line 4, column 13", "no-guard-anon"]);
    run_plan(&PLAN.replace("6.12", "6.13")).assert(2, &["6.13", "line 2", "6.12"]);
}

#[test]
fn a_plan_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let said = swapmig(&dir, |command| {
        command.args(["run", "absent.toml"]);
    });
    said.assert(2, &["absent.toml"]);
}

#[test]
fn a_folder_that_is_no_run_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let said = swapmig(&dir, |command| {
        command.args(["report", "."]);
    });
    said.assert(2, &["run.json"]);
}

#[test]
fn a_run_that_another_swapmig_works_on_is_not_even_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("plan.toml"), PLAN).unwrap();
    let path = Utf8Path::from_path(dir.path()).unwrap().join("run");
    let run = RunDir::create(path).unwrap();
    // What is half written, or about to change, is nothing to go by.
    run.write("run.json", b"{").unwrap();
    let said = swapmig(&dir, |command| {
        command.args(["run", "plan.toml", "--resume", "run"]);
    });
    said.assert(2, &["is being worked on by another swapmig"]);
}

#[test]
fn an_unknown_variant_of_a_kernel_is_answered_with_the_known_ones() {
    let dir = tempfile::tempdir().unwrap();
    let said = swapmig(&dir, |command| {
        command.args(["kernel", "build", "6.12", "fixt"]);
    });
    said.assert(2, &["fixt", "refuse-unmapped"]);
}

#[test]
fn a_missing_tool_names_its_package() {
    let dir = tempfile::tempdir().unwrap();
    let said = swapmig(&dir, |command| {
        command.env("PATH", dir.path()).arg("doctor");
    });
    said.assert(
        4,
        &[
            "MISSING",
            "qemu-system-x86",
            "apt-get install flex",
            "apt-get install bc",
        ],
    );
    let said = swapmig(&dir, |command| {
        command.env("PATH", dir.path()).arg("check");
    });
    said.assert(4, &["apt-get install qemu-system-x86"]);
    // The packages' database tells which source there is.
    std::os::unix::fs::symlink("/usr/bin/dpkg-query", dir.path().join("dpkg-query")).unwrap();
    let said = swapmig(&dir, |command| {
        command
            .env("PATH", dir.path())
            .args(["kernel", "build", "6.12", "fixed"]);
    });
    said.assert(4, &["apt-get install gcc"]);
}

#[test]
fn a_missing_guest_binary_says_how_to_build_it() {
    let dir = tempfile::tempdir().unwrap();
    let said = swapmig(&dir, |command| {
        command
            .env("SWAPMIG_GUEST", dir.path().join("absent"))
            .arg("check");
    });
    said.assert(4, &["ci/build-guest"]);
}

#[test]
fn a_shell_without_a_terminal_says_what_to_do_instead() {
    let dir = tempfile::tempdir().unwrap();
    let said = swapmig(&dir, |command| {
        command.args(["shell", "6.12", "fixed"]);
    });
    said.assert(2, &["terminal", "-- uname -r"]);
}

#[test]
fn every_command_has_an_example_in_its_help() {
    let dir = tempfile::tempdir().unwrap();
    for command in [
        vec![],
        vec!["check"],
        vec!["run"],
        vec!["report"],
        vec!["triage"],
        vec!["kernel"],
        vec!["kernel", "build"],
        vec!["kernel", "list"],
        vec!["shell"],
        vec!["doctor"],
    ] {
        let said = swapmig(&dir, |swapmig| {
            swapmig.args(&command).arg("--help");
        });
        said.assert(0, &["Example"]);
    }
}
