// SPDX-License-Identifier: GPL-2.0-or-later
//! `swapmig doctor`: what this machine has and lacks, each lack with its remedy.

use std::process::{Command, ExitCode};

use owo_colors::OwoColorize;
use swapmig_reports::summary::Outcome;

use super::failure::Failure;
use super::setting::swapmig;
use crate::accel;
use crate::catalogue::{Images, Source};
use crate::guest::confinement::Strength;
use crate::guest::launcher::Launcher;
use crate::guest_binary;
use crate::home::Home;
use crate::host::{Pulse, Resources};
use crate::image::Tools;
use crate::kernel::{BUILD_TOOLS, BuildTool, ToolKind};

/// Disk that the sources, an object tree and a few kernels take, in MiB.
const DISK_MIB: u64 = 8 * 1024;
/// Memory of the largest step, the link of a vmlinux, beside a guest, in MiB.
const MEMORY_MIB: u64 = 3 * 1024;

/// One thing that was looked at.
struct Finding {
    what: String,
    /// What is there, or what is lacking and what to do about it.
    state: Result<String, Lack>,
}

struct Lack {
    detail: String,
    remedy: String,
    /// Whether nothing works without it.
    fatal: bool,
}

fn there(what: impl Into<String>, detail: impl Into<String>) -> Finding {
    Finding {
        what: what.into(),
        state: Ok(detail.into()),
    }
}

fn lacking(
    what: impl Into<String>,
    detail: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding {
        what: what.into(),
        state: Err(Lack {
            detail: detail.into(),
            remedy: remedy.into(),
            fatal: true,
        }),
    }
}

fn package(name: &str) -> String {
    format!("apt-get install {name}, or run ci/setup")
}

/// Looks and tells. Fails when something is lacking without which nothing works.
pub(super) fn doctor() -> Result<ExitCode, Failure> {
    let mut findings = vec![qemu(), isolation()];
    let home = Home::from_env();
    if let Ok(home) = &home {
        findings.push(accelerator(home)?);
    }
    findings.extend(BUILD_TOOLS.iter().map(build_tool));
    findings.extend(image_tools());
    findings.extend(sources()?);
    findings.push(guest(&swapmig()?));
    findings.push(disk(home));
    findings.push(host_memory()?);
    findings.push(waiting());

    let mut sound = true;
    for finding in &findings {
        match &finding.state {
            Ok(detail) => anstream::println!("{} {:<28} {detail}", "ok     ".green(), finding.what),
            Err(lack) => {
                sound &= !lack.fatal;
                let word = if lack.fatal {
                    "MISSING".red().to_string()
                } else {
                    "note   ".yellow().to_string()
                };
                anstream::println!(
                    "{word} {:<28} {}: {}",
                    finding.what,
                    lack.detail,
                    lack.remedy
                );
            }
        }
    }
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Outcome::HarnessError.exit_code())
    })
}

fn qemu() -> Finding {
    match accel::qemu_version() {
        Ok(version) => there("QEMU", version),
        Err(_) => lacking("QEMU", "not installed", package("qemu-system-x86")),
    }
}

fn accelerator(home: &Home) -> Result<Finding, Failure> {
    let launcher = Launcher::new(swapmig()?);
    Ok(match accel::choose(home.root(), &launcher) {
        Ok(choice) => there(
            "accelerator",
            format!("{}: {}", choice.accelerator, choice.reason),
        ),
        Err(error) => lacking("accelerator", error.to_string(), package("qemu-system-x86")),
    })
}

fn isolation() -> Finding {
    let what = "isolation of guests";
    match Strength::of_host().lack() {
        None => there(
            what,
            "Landlock keeps QEMU from the host's files and network",
        ),
        Some(lack) => Finding {
            what: what.into(),
            state: Err(Lack {
                detail: lack.into(),
                remedy: Strength::REMEDY.into(),
                fatal: false,
            }),
        },
    }
}

fn build_tool(tool: &BuildTool) -> Finding {
    if !tool.is_there() {
        return lacking(tool.name, "not installed", package(tool.package));
    }
    there(
        tool.name,
        match tool.kind {
            ToolKind::Program => version(tool.name),
            ToolKind::Header => tool.package.to_owned(),
        },
    )
}

/// The first line that a program says of its version.
fn version(program: &str) -> String {
    let said = Command::new(program).arg("--version").output();
    let text = said.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("there")
        .to_owned()
}

fn image_tools() -> Vec<Finding> {
    let tools = Tools::default();
    [
        ("busybox", tools.busybox, "busybox-static"),
        ("dropbear", tools.dropbear, "dropbear-bin"),
        ("dropbearkey", tools.dropbearkey, "dropbear-bin"),
    ]
    .into_iter()
    .map(
        |(what, places, brings)| match places.iter().find(|place| place.is_file()) {
            Some(place) => there(what, place.as_str()),
            None => lacking(what, "not installed", package(brings)),
        },
    )
    .collect()
}

fn sources() -> Result<Vec<Finding>, Failure> {
    let images = Images::locate().map_err(Failure::host)?;
    let mut findings = Vec::new();
    for name in images.line_names().map_err(Failure::host)? {
        let line = images.line(&name).map_err(Failure::usage)?;
        let what = format!("source of {name}");
        let (tarball, remedy) = match &line.source {
            Source::Package {
                package: brings,
                tarball,
            } => (tarball, package(brings.as_str())),
            Source::Tarball { tarball } => (tarball, "put the tarball there".into()),
        };
        findings.push(match tarball.is_file() {
            true => there(what, tarball.as_str()),
            false => lacking(what, format!("{tarball} is not there"), remedy),
        });
    }
    Ok(findings)
}

fn guest(swapmig: &camino::Utf8Path) -> Finding {
    match guest_binary::locate(swapmig) {
        Ok(path) => there("guest binary", path.as_str()),
        Err(error) => lacking("guest binary", "not built", error.to_string()),
    }
}

fn disk(home: Result<Home, crate::home::HomeError>) -> Finding {
    let home = match home {
        Ok(home) => home,
        Err(error) => return lacking("cache", error.to_string(), "set SWAPMIG_HOME"),
    };
    let free = match home.free_bytes() {
        Ok(bytes) => bytes >> 20,
        Err(error) => {
            return lacking(
                "cache",
                error.to_string(),
                "set SWAPMIG_HOME to another folder",
            );
        }
    };
    let detail = format!("{} has {free} MiB free", home.root());
    enough(
        "cache",
        detail,
        free,
        DISK_MIB,
        "make room, or set SWAPMIG_HOME to another disk",
    )
}

fn host_memory() -> Result<Finding, Failure> {
    let there = Resources::measure("/".into()).map_err(Failure::host)?;
    let free = there.memory_mib;
    let detail = format!("{} CPUs, {free} MiB of memory available", there.cpus);
    Ok(enough(
        "CPUs and memory",
        detail,
        free,
        MEMORY_MIB,
        "end other programs, or run with --jobs 1",
    ))
}

/// A host that does not tell is not known to be overloaded; cells are judged all the same.
fn waiting() -> Finding {
    let what = "time that guests wait";
    if Pulse::tells_waiting() {
        return there(what, "told by the kernel, so an overloaded host is noticed");
    }
    Finding {
        what: what.into(),
        state: Err(Lack {
            detail: "not told by this kernel, so an overloaded host is not noticed".into(),
            remedy: "boot one with CONFIG_SCHED_INFO, or run fewer guests with --jobs".into(),
            fatal: false,
        }),
    }
}

/// Less than is comfortable is worth a note: kernels may be in the store already.
fn enough(what: &str, detail: String, has: u64, wants: u64, remedy: &str) -> Finding {
    if has >= wants {
        return there(what, detail);
    }
    Finding {
        what: what.into(),
        state: Err(Lack {
            detail: format!("{detail}, and {wants} MiB are comfortable"),
            remedy: remedy.into(),
            fatal: false,
        }),
    }
}
