// SPDX-License-Identifier: GPL-2.0-or-later
//! The user's cache directory: sources, kernels, and the locks on them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::FlockOperation;

use crate::files;

/// How often a lock that another process holds is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(100);

/// What can go wrong with the cache directory.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Nothing says where the cache is.
    #[error(
        "cannot tell where to keep kernels: none of SWAPMIG_HOME, XDG_CACHE_HOME and HOME is set; \
         set SWAPMIG_HOME to a directory with 4 GiB free"
    )]
    Nowhere,
    /// The environment names a path that is not absolute or not UTF-8.
    #[error("{variable} is `{value}`, which is not an absolute path in UTF-8; set it to one")]
    BadPath {
        /// The environment variable.
        variable: &'static str,
        /// Its value, lossily.
        value: String,
    },
    /// A file operation failed.
    #[error(
        "cannot {action} {path}: {source}; check its owner and rights, or set SWAPMIG_HOME to another directory"
    )]
    Io {
        /// What was tried, such as `create`.
        action: &'static str,
        /// On which path.
        path: Utf8PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The disk has too little room left.
    #[error(
        "{purpose} needs {} MiB, and {path} has {} MiB free; free some space or set SWAPMIG_HOME to another disk",
        needed >> 20,
        free >> 20
    )]
    NoSpace {
        /// What the room is for.
        purpose: &'static str,
        /// Where.
        path: Utf8PathBuf,
        /// Bytes needed.
        needed: u64,
        /// Bytes free.
        free: u64,
    },
    /// The caller gave up while it waited for a lock.
    #[error("cancelled while waiting for another process")]
    Cancelled,
}

impl HomeError {
    fn io(action: &'static str, path: &Utf8Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// A flag by which one thread asks another to stop soon.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ask for the stop; cannot be taken back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether a stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// `$SWAPMIG_HOME`, else `$XDG_CACHE_HOME/swapmig`, else `~/.cache/swapmig`.
#[derive(Debug, Clone)]
pub struct Home {
    root: Utf8PathBuf,
}

impl Home {
    /// The directory that the environment names, created if absent.
    pub fn from_env() -> Result<Self, HomeError> {
        Self::at(root_from(|variable| std::env::var_os(variable))?)
    }

    /// A cache at `root`, created if absent.
    pub fn at(root: impl Into<Utf8PathBuf>) -> Result<Self, HomeError> {
        let home = Self { root: root.into() };
        let dirs = [
            home.sources(),
            home.kernels(),
            home.logs(),
            home.locks(),
            home.runs(),
        ];
        for dir in dirs {
            fs::create_dir_all(&dir).map_err(HomeError::io("create", &dir))?;
        }
        Ok(home)
    }

    /// The directory itself.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Unpacked kernel sources, and the object trees in them.
    pub fn sources(&self) -> Utf8PathBuf {
        self.root.join("sources")
    }

    /// The kernel store.
    pub fn kernels(&self) -> Utf8PathBuf {
        self.root.join("kernels")
    }

    /// The store of saved guests.
    pub fn guests(&self) -> Utf8PathBuf {
        self.root.join("guests")
    }

    /// Logs of kernel builds.
    pub fn logs(&self) -> Utf8PathBuf {
        self.root.join("logs")
    }

    /// Where runs go when nothing else is said.
    pub fn runs(&self) -> Utf8PathBuf {
        self.root.join("runs")
    }

    fn locks(&self) -> Utf8PathBuf {
        self.root.join("locks")
    }

    /// Take the lock called `name`, a plain file name; `waiting` is called once if another process
    /// holds it.
    pub fn lock(&self, name: &str, cancel: &Cancel, waiting: &dyn Fn()) -> Result<Lock, HomeError> {
        let path = self.locks().join(name);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(HomeError::io("open", &path))?;
        let mut told = false;
        loop {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { file }),
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(HomeError::io("lock", &path)(error.into())),
            }
            if !told {
                waiting();
                told = true;
            }
            if cancel.is_cancelled() {
                return Err(HomeError::Cancelled);
            }
            std::thread::sleep(LOCK_RETRY);
        }
    }

    /// Bytes that an ordinary user may still write.
    pub fn free_bytes(&self) -> Result<u64, HomeError> {
        files::free_bytes(&self.root).map_err(HomeError::io("inspect", &self.root))
    }

    /// Fail unless `needed` bytes are free.
    pub fn require_free(&self, needed: u64, purpose: &'static str) -> Result<(), HomeError> {
        let free = self.free_bytes()?;
        if free < needed {
            return Err(HomeError::NoSpace {
                purpose,
                path: self.root.clone(),
                needed,
                free,
            });
        }
        Ok(())
    }
}

/// A held lock; released when dropped and every process that inherited it is gone.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// The open file that carries the lock: a child that inherits it holds the lock too.
    pub fn inherit(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

fn root_from(get: impl Fn(&str) -> Option<OsString>) -> Result<Utf8PathBuf, HomeError> {
    let dir = |variable| absolute(variable, get(variable));
    if let Some(home) = dir("SWAPMIG_HOME")? {
        Ok(home)
    } else if let Some(cache) = dir("XDG_CACHE_HOME")? {
        Ok(cache.join("swapmig"))
    } else if let Some(user) = dir("HOME")? {
        Ok(user.join(".cache/swapmig"))
    } else {
        Err(HomeError::Nowhere)
    }
}

/// The absolute path that a variable names; none if it is unset or empty.
fn absolute(
    variable: &'static str,
    value: Option<OsString>,
) -> Result<Option<Utf8PathBuf>, HomeError> {
    let Some(value) = value.filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match value.into_string().map(Utf8PathBuf::from) {
        Ok(path) if path.is_absolute() => Ok(Some(path)),
        Ok(path) => Err(HomeError::BadPath {
            variable,
            value: path.into_string(),
        }),
        Err(raw) => Err(HomeError::BadPath {
            variable,
            value: raw.to_string_lossy().into_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let root = |set: &[(&str, &str)]| {
            root_from(|name| {
                set.iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, value)| value.into())
            })
        };
        let all = [
            ("SWAPMIG_HOME", "/s"),
            ("XDG_CACHE_HOME", "/x"),
            ("HOME", "/h"),
        ];
        assert_eq!(root(&all).unwrap(), "/s");
        assert_eq!(root(&all[1..]).unwrap(), "/x/swapmig");
        assert_eq!(root(&all[2..]).unwrap(), "/h/.cache/swapmig");
        assert_eq!(
            root(&[("SWAPMIG_HOME", ""), ("HOME", "/h")]).unwrap(),
            "/h/.cache/swapmig"
        );
        assert!(matches!(root(&[]), Err(HomeError::Nowhere)));
        let error = root(&[("SWAPMIG_HOME", "here"), ("HOME", "/h")])
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("SWAPMIG_HOME is `here`"), "{error}");
    }

    #[test]
    fn a_lock_is_held_until_the_last_that_inherited_it_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(Utf8Path::from_path(dir.path()).unwrap()).unwrap();
        let cancel = Cancel::default();
        let lock = home.lock("line", &cancel, &|| {}).unwrap();
        let inherited = lock.inherit().unwrap();
        drop(lock);
        let gives_up = Cancel::default();
        let waits = home.lock("line", &gives_up, &|| gives_up.cancel());
        assert!(matches!(waits, Err(HomeError::Cancelled)));
        drop(inherited);
        home.lock("line", &cancel, &|| {}).unwrap();
    }
}
