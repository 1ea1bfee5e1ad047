// SPDX-License-Identifier: GPL-2.0-or-later
//! What can be typed after `swapmig triage`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(in crate::cli) struct TriageOptions {
    /// Logs of any kernel, as a console, dmesg, journalctl or a mail gave them; `-` is standard
    /// input, which is read where no file is named.
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Print one JSON object a file, each on a line.
    #[arg(long)]
    pub(super) json: bool,
    /// Only the first report of each file, which is the finding; later ones may be its wrecks.
    #[arg(long)]
    pub(super) first: bool,
    /// The vmlinux of the log's kernel, with debug information: names files and lines.
    #[arg(long, value_name = "FILE")]
    pub(super) vmlinux: Option<PathBuf>,
    /// A folder with the modules of that kernel, in any depth; may be given several times.
    #[arg(long, value_name = "DIR", requires = "vmlinux")]
    pub(super) modules: Vec<PathBuf>,
    /// The kernel's source tree: shows the code to blame.
    #[arg(long, value_name = "DIR", conflicts_with = "json")]
    pub(super) source: Option<PathBuf>,
    /// Print the JSON schema of what --json prints.
    #[arg(long, exclusive = true)]
    pub(super) schema: bool,
}
