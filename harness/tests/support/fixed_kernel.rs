// SPDX-License-Identifier: GPL-2.0-or-later
//! The fixed kernel and a guest of it, saved into a cache of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use swapmig::accel::Accelerator;
use swapmig::catalogue::Images;
use swapmig::guest::bounded::Bound;
use swapmig::guest::launcher::Launcher;
use swapmig::guest::qemu::{GuestSpec, QemuGuest};
use swapmig::guest::saved::{Ingredients, Key, Saved, SavedGuests};
use swapmig::guest::ssh::SshKeys;
use swapmig::guest_binary;
use swapmig::home::{Cancel, Home};
use swapmig::image::{Image, ImageSpec, Tools};
use swapmig::kernel::KernelStore;
use swapmig::plan::Machine;
use swapmig::runner::saving;
use swapmig_workloads::protocol::{self, Job, Workload};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const BOOT_WITHIN: Duration = Duration::from_secs(240);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A cache that has the user's kernels and no saved guest.
pub(crate) fn cache() -> TempDir {
    let own = Home::from_env().unwrap();
    let dir = tempfile::tempdir().unwrap();
    for shared in ["kernels", "sources", "logs", "locks"] {
        std::os::unix::fs::symlink(own.root().join(shared), dir.path().join(shared)).unwrap();
    }
    dir
}

/// The fixed kernel, and all that starts a guest of it.
pub(crate) struct FixedKernel {
    store: SavedGuests,
    pub(crate) spec: GuestSpec,
    launcher: Launcher,
    _cache: TempDir,
}

impl FixedKernel {
    /// `swapmig` is the program's file.
    pub(crate) fn new(swapmig: &str) -> Self {
        let cache = cache();
        let dir = Utf8Path::from_path(cache.path()).unwrap();
        let home = Home::at(dir).unwrap();
        let images = Images::locate().unwrap();
        let line = images.line("6.12").unwrap();
        let variant = images.variant(&line, "fixed").unwrap();
        let kernel = KernelStore::new(home.clone())
            .ensure(&line, &variant, &Cancel::default(), &|_| {})
            .unwrap();
        let image_spec = ImageSpec {
            guest_binary: guest_binary::locate(Utf8Path::new(swapmig)).unwrap(),
            images_dir: images.root().into(),
            tools: Tools::default(),
        };
        let image = Image::build(&image_spec, dir).unwrap();
        Self {
            store: SavedGuests::of(home).unwrap(),
            spec: GuestSpec {
                accelerator: Accelerator::Tcg,
                machine: Machine::default(),
                kernel: kernel.bzimage,
                initramfs: image.initramfs.clone(),
                keys: Arc::new(SshKeys::of(&image)),
                dir: dir.into(),
                console: Bound::CONSOLE,
                answer_within: ANSWER_WITHIN,
            },
            launcher: Launcher::new(Utf8PathBuf::from(swapmig)),
            _cache: cache,
        }
    }

    /// Boots a guest and saves it.
    pub(crate) async fn save(&self) -> Saved {
        let key = Key::of(&Ingredients {
            qemu: "any",
            accelerator: self.spec.accelerator,
            host: "any",
            machine: &self.spec.machine,
            kernel: "fixed",
            image: "any",
        });
        let (spec, launcher) = (&self.spec, &self.launcher);
        let stop = CancellationToken::new();
        self.store.discard(&key).unwrap();
        saving::save(&self.store, &key, spec, launcher, BOOT_WITHIN, &stop)
            .await
            .unwrap()
    }

    /// Goes on from the saved guest.
    pub(crate) async fn restore(&self, saved: &Saved) -> QemuGuest {
        let spec = GuestSpec {
            keys: saved.keys(),
            ..self.spec.clone()
        };
        QemuGuest::restore(&spec, &self.launcher, saved)
            .await
            .unwrap()
    }
}

/// A job that any guest can do.
pub(crate) fn job() -> Job {
    Job {
        version: protocol::VERSION,
        workload: Workload::Tmpfs,
        seed: 1,
        params: BTreeMap::new(),
        probes: Vec::new(),
        sample_ms: 1000,
        wake: None,
        detect_after_seconds: None,
    }
}
