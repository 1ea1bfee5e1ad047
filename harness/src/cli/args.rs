// SPDX-License-Identifier: GPL-2.0-or-later
//! What can be typed.

use std::ffi::OsString;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand};

use super::triage::TriageOptions;
use crate::guest::launcher;

/// Boots patched Linux guests and judges how they migrate swap-cache pages.
///
/// Exit codes: 0 as expected, 1 a verdict contradicts, 2 usage or a malformed file,
/// 3 inconclusive, 4 the harness or the host failed.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example:\n  swapmig check")]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Judge the fixed kernel and the broken variants beside it.
    #[command(
        after_help = "Example: ten seeds of every cell, two guests at a time\n  swapmig check --seeds 10 --jobs 2"
    )]
    Check {
        #[command(flatten)]
        options: RunOptions,
    },
    /// Run a plan, or what a stopped run of it left undone.
    #[command(
        after_help = "Examples:\n  swapmig run ci/plans/check.toml\n  swapmig run ci/plans/check.toml --resume ~/.cache/swapmig/runs/RUN"
    )]
    Run {
        /// The plan's file.
        plan: Utf8PathBuf,
        /// The folder of a run to go on with; cells that have a result are not run again.
        #[arg(long, value_name = "RUN", conflicts_with_all = ["out", "seeds"])]
        resume: Option<Utf8PathBuf>,
        #[command(flatten)]
        options: RunOptions,
    },
    /// Make the page of a run and print its summary.
    #[command(
        after_help = "Example:\n  swapmig report ~/.cache/swapmig/runs/RUN --out report.html"
    )]
    Report {
        /// The run's folder.
        run: Utf8PathBuf,
        /// Where the page goes; RUN/report.html by default.
        #[arg(long)]
        out: Option<Utf8PathBuf>,
    },
    /// Find the crash reports of any kernel's log, say what each is and whom to blame.
    ///
    /// Exit codes: 0 nothing found, 1 found, 2 usage, 4 an input cannot be read.
    #[command(
        after_help = "Examples:\n  swapmig triage console.log\n  dmesg | swapmig triage\n  swapmig triage console.log --vmlinux ~/linux/vmlinux --source ~/linux\n  swapmig triage --json *.log | jq -r '.reports[].title'"
    )]
    Triage(TriageOptions),
    /// Build kernels, or list them.
    #[command(subcommand, after_help = "Example:\n  swapmig kernel list")]
    Kernel(KernelCommand),
    /// Boot a guest and enter it by ssh.
    #[command(
        after_help = "Examples:\n  swapmig shell 6.12 fixed\n  swapmig shell 6.12 fixed -- uname -r\n  swapmig shell 6.12 fixed --fetch /proc/config.gz --fetch /proc/vmstat"
    )]
    Shell {
        /// Kernel line.
        line: String,
        /// Variant.
        variant: String,
        /// A file to fetch into the current folder instead; may be given several times.
        #[arg(long, value_name = "FILE", conflicts_with = "command")]
        fetch: Vec<String>,
        /// A command to run instead of a shell.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Say what this machine has and lacks.
    #[command(after_help = "Example:\n  swapmig doctor")]
    Doctor,
    /// Become a program that ends with its parent.
    #[command(hide = true, name = launcher::COMMAND)]
    ExecWithParent {
        /// Whether the program can open little of the host.
        #[arg(long)]
        confined: bool,
        /// What a confined program may read.
        #[arg(long, requires = "confined")]
        read: Vec<Utf8PathBuf>,
        /// What a confined program may read and write.
        #[arg(long, requires = "confined")]
        write: Vec<Utf8PathBuf>,
        /// A descriptor that a confined program inherits.
        #[arg(long, requires = "confined")]
        inherit: Vec<i32>,
        /// Process id of the parent.
        parent: i32,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        program: Vec<OsString>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum KernelCommand {
    /// Build variants of a kernel line that are not in the store yet.
    #[command(after_help = "Example:\n  swapmig kernel build 6.12 fixed no-guard-anon")]
    Build {
        /// Kernel line.
        line: String,
        /// Variants; all of the line when none is named.
        variants: Vec<String>,
    },
    /// List lines and variants, and which of them are in the store.
    #[command(after_help = "Example:\n  swapmig kernel list")]
    List,
}

#[derive(Debug, Args)]
pub(super) struct RunOptions {
    /// The new folder for the run; one within SWAPMIG_HOME by default.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<Utf8PathBuf>,
    /// Run every cell with the seeds 1 to N.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(super) seeds: Option<u64>,
    /// How many guests run at once; as many as fit into the host's shares below by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
    /// CPUs that guests may use together; all that this process may use by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) host_cpus: Option<u16>,
    /// Memory that guests may use together; what is available at the start by default.
    #[arg(long, value_name = "MIB")]
    pub(super) host_memory: Option<u64>,
    /// Disk that swap disks and logs may use together; what is free, less 1 GiB, by default.
    #[arg(long, value_name = "MIB")]
    pub(super) host_disk: Option<u64>,
    /// Boot every guest; by default a kernel boots once, and its cells go on from there.
    #[arg(long)]
    pub(super) no_saved: bool,
    /// Write the memory of a guest that hangs into a compressed dump beside its result.
    #[arg(long)]
    pub(super) dump_memory: bool,
}
