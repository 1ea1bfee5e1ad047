// SPDX-License-Identifier: GPL-2.0-or-later
//! What every command that boots guests finds on its machine.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;

use camino::Utf8PathBuf;
use swapmig_reports::record::HostRecord;
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::run::How;
use crate::accel::{self, Choice};
use crate::catalogue::{CatalogueError, Images};
use crate::event::Sink;
use crate::guest::launcher::Launcher;
use crate::guest::saved::SavedGuests;
use crate::guest_binary;
use crate::home::Home;
use crate::host::Resources;
use crate::image::{ImageSpec, Tools};
use crate::kernel::KernelStore;
use crate::plan::Names;
use crate::runner::dispatch::Context;
use crate::sinks;

/// The machine, the user's cache and the project's data.
pub(super) struct Setting {
    pub(super) home: Home,
    pub(super) images: Images,
    pub(super) launcher: Launcher,
    pub(super) choice: Choice,
    pub(super) guest_binary: Utf8PathBuf,
}

impl Setting {
    pub(super) fn find() -> Result<Self, Failure> {
        let swapmig = swapmig()?;
        let home = Home::from_env().map_err(Failure::usage)?;
        let launcher = Launcher::new(swapmig.clone());
        Ok(Self {
            images: Images::locate().map_err(Failure::host)?,
            choice: accel::choose(home.root(), &launcher).map_err(Failure::host)?,
            guest_binary: guest_binary::locate(&swapmig).map_err(Failure::host)?,
            home,
            launcher,
        })
    }

    pub(super) fn host(&self) -> Result<HostRecord, Failure> {
        let there = Resources::measure(self.home.root()).map_err(Failure::host)?;
        Ok(HostRecord {
            cpus: there.cpus,
            memory_mib: there.memory_total_mib,
            qemu: accel::qemu_version().map_err(Failure::host)?,
            accelerator: self.choice.accelerator.name().into(),
            accelerator_reason: self.choice.reason.clone(),
        })
    }

    pub(super) fn image_spec(&self) -> ImageSpec {
        ImageSpec {
            guest_binary: self.guest_binary.clone(),
            images_dir: self.images.root().into(),
            tools: Tools::default(),
        }
    }

    pub(super) fn context(
        &self,
        jobs: usize,
        saved: Option<SavedGuests>,
        how: &How,
    ) -> Result<Arc<Context>, Failure> {
        Ok(Arc::new(Context {
            images: self.images.clone(),
            store: KernelStore::new(self.home.clone()),
            choice: self.choice.clone(),
            launcher: self.launcher.clone(),
            image: self.image_spec(),
            jobs,
            qemu: accel::qemu_version().map_err(Failure::host)?,
            saved,
            shares: how.shares,
            dump_memory: how.dump_memory,
        }))
    }
}

/// What whoever started the command sees of its events: a live view, or lines for a log.
pub(super) fn view() -> Box<dyn Sink> {
    match std::io::stderr().is_terminal() {
        true => Box::new(sinks::Terminal::default()),
        false => Box::new(sinks::Plain::new(std::io::stderr())),
    }
}

/// This program's own file.
pub(super) fn swapmig() -> Result<Utf8PathBuf, Failure> {
    let path = std::env::current_exe().map_err(Failure::host)?;
    Utf8PathBuf::try_from(path).map_err(Failure::host)
}

/// Ends a run on Ctrl-C and on a polite request to end.
pub(super) fn stop_on_signals() -> Result<CancellationToken, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::host)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::host)?;
    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        asked.cancel();
        // Asked again: at once. Guests and builds die with this process.
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(4);
    });
    Ok(stop)
}

/// The names that a plan may use.
pub(super) struct KnownNames(BTreeMap<String, Vec<String>>);

impl KnownNames {
    pub(super) fn of(images: &Images) -> Result<Self, CatalogueError> {
        let mut known = BTreeMap::new();
        for name in images.line_names()? {
            let line = images.line(&name)?;
            let variants = images
                .variants(&line)?
                .into_iter()
                .map(|v| v.name.to_string())
                .collect();
            known.insert(name, variants);
        }
        Ok(Self(known))
    }
}

impl Names for KnownNames {
    fn lines(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn variants(&self, line: &str) -> Vec<String> {
        self.0.get(line).cloned().unwrap_or_default()
    }
}
