// SPDX-License-Identifier: GPL-2.0-or-later
//! `swapmig shell`: boot a guest of its own and enter it by ssh.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;
use swapmig_workloads::protocol::Event;
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::kernel;
use super::setting::{Setting, stop_on_signals};
use crate::files::Temporary;
use crate::guest::bounded::Bound;
use crate::guest::qemu::{GuestSpec, QemuGuest};
use crate::guest::ssh::{self, SshKeys};
use crate::guest::{Guest, Signal};
use crate::image::Image;
use crate::kernel::KernelStore;
use crate::plan::{Limits, Machine};
use crate::run_dir::write_whole;
use crate::runner::budget::Budget;

/// The largest file that is fetched, in bytes.
const FETCH_MAX: usize = 256 << 20;
/// How long a guest may take to answer, of one that boots in a second.
const ANSWER_SECONDS: f64 = 10.0;

/// Boots a guest, then fetches files, runs a command or opens a shell.
pub(super) async fn shell(
    line: &str,
    variant: &str,
    fetch: &[String],
    command: &[String],
) -> Result<ExitCode, Failure> {
    let interactive = fetch.is_empty() && command.is_empty();
    if interactive && !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(miette::miette!(
            "A shell needs a terminal. Give a command instead: swapmig shell {line} {variant} -- uname -r"
        )));
    }
    let setting = Setting::find()?;
    let stop = stop_on_signals()?;
    let scratch = Temporary::new_in(setting.home.root(), "shell-").map_err(Failure::host)?;
    let mut guest = boot(&setting, line, variant, scratch.path(), &stop).await?;
    let (stream, keys) = guest.ssh().map_err(Failure::host)?;
    let within = answer_within(&setting);
    let (fetch, command) = (fetch.to_vec(), command.join(" "));
    let entered = tokio::task::spawn_blocking(move || {
        let waker = stream.try_clone()?;
        let session = ssh::connect(stream, &keys, within)?;
        if interactive {
            return ssh::shell(&session, &waker);
        }
        if fetch.is_empty() {
            let output = ssh::run(&session, &command, FETCH_MAX)?;
            std::io::stdout().write_all(&output.stdout)?;
            return Ok(output.status);
        }
        for file in &fetch {
            ssh::fetch(&session, file, FETCH_MAX)?;
        }
        Ok(0)
    });
    // Nobody wants to know what else it says, but its logs are bounded only while it is listened to.
    let listen = async {
        loop {
            guest.next().await;
        }
    };
    let status = tokio::select! {
        status = entered => status.map_err(Failure::host)?.map_err(Failure::host),
        () = stop.cancelled() => Ok(1),
        () = listen => unreachable!("a guest is listened to for ever"),
    };
    guest.end().await;
    let status = u8::try_from(status?).unwrap_or(1);
    Ok(ExitCode::from(status))
}

fn answer_within(setting: &Setting) -> Duration {
    Duration::from_secs_f64(ANSWER_SECONDS * setting.choice.accelerator.assumed_slowness())
}

async fn boot(
    setting: &Setting,
    line: &str,
    variant: &str,
    dir: &Utf8Path,
    stop: &CancellationToken,
) -> Result<QemuGuest, Failure> {
    let line = setting.images.line(line).map_err(Failure::usage)?;
    let variant = setting
        .images
        .variant(&line, variant)
        .map_err(Failure::usage)?;
    let store = KernelStore::new(setting.home.clone());
    let Some(kernel) = kernel::ensure(&store, &line, variant, stop).await? else {
        return Err(Failure::Host(miette::miette!(
            "Without its kernel there is no guest to enter."
        )));
    };
    let image = Image::build(&setting.image_spec(), dir).map_err(Failure::host)?;
    let spec = GuestSpec {
        accelerator: setting.choice.accelerator,
        machine: Machine::default(),
        kernel: kernel.bzimage,
        initramfs: image.initramfs.clone(),
        keys: Arc::new(SshKeys::of(&image)),
        dir: dir.into(),
        console: Bound::CONSOLE,
        answer_within: answer_within(setting),
    };
    let mut guest = QemuGuest::boot(&spec, &setting.launcher)
        .await
        .map_err(Failure::host)?;
    let limit = Budget::assumed(
        &Limits::default(),
        setting.choice.accelerator.assumed_slowness(),
    )
    .boot;
    let ready = async {
        loop {
            match guest.next().await {
                Signal::Event(Event::Ready { .. }) => return Ok(()),
                Signal::Exited { reason } => return Err(reason),
                _ => {}
            }
        }
    };
    let booted = tokio::select! {
        ready = tokio::time::timeout(limit, ready) => {
            ready.unwrap_or_else(|_| Err(format!("it was not ready after {limit:?}")))
        }
        () = stop.cancelled() => Err("it was interrupted".into()),
    };
    match booted {
        Ok(()) => Ok(guest),
        Err(reason) => {
            guest.end().await;
            let console = std::fs::read(dir.join("console.log")).unwrap_or_default();
            let kept =
                std::env::temp_dir().join(format!("swapmig-console-{}.log", std::process::id()));
            let kept = camino::Utf8PathBuf::try_from(kept).map_err(Failure::host)?;
            write_whole(&kept, &console).map_err(Failure::host)?;
            Err(Failure::Host(miette::miette!(
                "The guest did not boot: {reason}. Its console is in {kept}."
            )))
        }
    }
}
