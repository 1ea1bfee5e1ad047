// SPDX-License-Identifier: GPL-2.0-or-later
//! The way from a line and a variant to a kernel in the store.

use std::fs::File;
use std::time::Instant;

use super::build::Build;
use super::config::Requests;
use super::error::KernelError;
use super::key::{Ingredients, KernelKey};
use super::objects::ObjectTree;
use super::patch::PatchFile;
use super::progress::{BuildProgress, StepCount};
use super::source::{self, SourceId};
use super::store::{About, Kernel, Store};
use super::tools;
use super::worktree::Worktree;
use crate::catalogue::{Line, Variant};
use crate::home::{Cancel, Home, Lock};

/// How often a build begins again because another source was installed under it.
const RESTARTS: usize = 2;

/// Kernels, built when they are first asked for.
#[derive(Debug, Clone)]
pub struct KernelStore {
    home: Home,
    jobs: usize,
}

/// What is known of a kernel before it is built.
struct Recipe {
    source: SourceId,
    patch: Option<PatchFile>,
    requests: Requests,
    config: String,
    compiler: String,
    key: KernelKey,
}

impl Recipe {
    fn of(line: &Line, variant: &Variant) -> Result<Self, KernelError> {
        let source = SourceId::of(line)?;
        let patch = variant.patch.as_deref().map(PatchFile::read).transpose()?;
        let requests = Requests::read(&line.configs)?;
        let config = requests.to_config();
        let compiler = tools::compiler()?;
        let key = KernelKey::of(&Ingredients {
            source: &source,
            patch: patch.as_ref().map(PatchFile::bytes),
            config: &config,
            compiler: &compiler,
        });
        Ok(Self {
            source,
            patch,
            requests,
            config,
            compiler,
            key,
        })
    }

    /// What the kernel's `.config` depends on beside the fragments.
    fn config_basis(&self) -> Vec<u8> {
        let is_kconfig = |patch: &&PatchFile| {
            patch.targets().any(|t| {
                t.file_name()
                    .is_some_and(|name| name.starts_with("Kconfig"))
            })
        };
        let patch = self
            .patch
            .as_ref()
            .filter(is_kconfig)
            .map(PatchFile::bytes)
            .unwrap_or_default();
        [
            format!("{}\n{}\n", self.source, self.compiler).as_bytes(),
            patch,
        ]
        .concat()
    }
}

impl KernelStore {
    /// The store in a cache directory; builds use every CPU that this process may use.
    pub fn new(home: Home) -> Self {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from);
        Self { home, jobs }
    }

    /// Build with `jobs` jobs at a time.
    #[must_use]
    pub fn with_jobs(self, jobs: usize) -> Self {
        Self {
            jobs: jobs.max(1),
            ..self
        }
    }

    /// The kernel if it is in the store.
    pub fn lookup(&self, line: &Line, variant: &Variant) -> Result<Option<Kernel>, KernelError> {
        self.store().get(&Recipe::of(line, variant)?.key)
    }

    /// The kernel, built if it is not in the store.
    ///
    /// Blocks, for minutes if it builds. `progress` is called from this thread. Two builds from one
    /// source wait for each other, across processes too. Make that a panic or `cancel` ends leaves
    /// the store whole, and the next call goes on where this one stopped.
    pub fn ensure(
        &self,
        line: &Line,
        variant: &Variant,
        cancel: &Cancel,
        progress: &dyn Fn(BuildProgress),
    ) -> Result<Kernel, KernelError> {
        let recipe = Recipe::of(line, variant)?;
        if let Some(kernel) = self.store().get(&recipe.key)? {
            return Ok(kernel);
        }
        tools::require_tools()?;
        let waiting = || {
            progress(BuildProgress::Waiting {
                line: line.name.to_string(),
            })
        };
        let lock = self
            .home
            .lock(&format!("source-{}", recipe.source.name), cancel, &waiting)?;
        let mut restarts = 0;
        loop {
            // While this one waited, the kernel may have come, and its source may have changed.
            let recipe = Recipe::of(line, variant)?;
            if let Some(kernel) = self.store().get(&recipe.key)? {
                return Ok(kernel);
            }
            match self.build(line, variant, &recipe, &lock, cancel, progress) {
                Err(KernelError::SourceChanged { .. }) if restarts < RESTARTS => restarts += 1,
                ended => return ended,
            }
        }
    }

    fn build(
        &self,
        line: &Line,
        variant: &Variant,
        recipe: &Recipe,
        lock: &Lock,
        cancel: &Cancel,
        progress: &dyn Fn(BuildProgress),
    ) -> Result<Kernel, KernelError> {
        let began = Instant::now();
        let unpacking = || {
            progress(BuildProgress::Unpacking {
                source: recipe.source.to_string(),
            })
        };
        let tree = source::unpack(&self.home, line, &recipe.source, lock, cancel, &unpacking)?;
        let objects = ObjectTree::open(&tree, line, &recipe.config)?;
        let room = match objects.is_complete() {
            true => line.room.for_kernel(),
            false => line.room.for_objects(),
        };
        self.home.require_free(room, "building a kernel")?;

        progress(BuildProgress::Patching);
        Worktree::at(&tree).prepare(recipe.patch.as_ref(), &recipe.source.to_string())?;

        progress(BuildProgress::Configuring);
        let log_path = self
            .home
            .logs()
            .join(format!("build-{}-{}.log", line.name, variant.name));
        let log = File::create(&log_path).map_err(KernelError::io("create", &log_path))?;
        let mut steps = StepCount::begin(
            &self.home.logs().join(format!("steps-{}.json", line.name)),
            objects.dir(),
            line.steps,
        );
        let mut build = Build {
            source: &tree,
            objects: &objects,
            jobs: self.jobs,
            log,
            log_path,
            lock,
            cancel,
        };
        build.configure(line.name.as_str(), &recipe.requests, &recipe.config_basis())?;
        let made = build.compile(&mut |text| {
            if let Some(step) = steps.line(text) {
                progress(step);
            }
        });
        steps.end(made.is_ok());
        let artifacts = made?;

        progress(BuildProgress::Storing);
        let build_seconds = began.elapsed().as_secs_f64();
        let about = About {
            key: &recipe.key,
            line: line.name.as_str(),
            variant: variant.name.as_str(),
            source: &recipe.source,
            compiler: &recipe.compiler,
            build_seconds,
        };
        let kernel = self.store().insert(&about, &artifacts)?;
        Ok(Kernel {
            build_seconds: Some(build_seconds),
            ..kernel
        })
    }

    fn store(&self) -> Store {
        Store::at(self.home.kernels())
    }
}
