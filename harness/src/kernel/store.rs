// SPDX-License-Identifier: GPL-2.0-or-later
//! The store: one directory a kernel, whole or not there.

use std::fs::{self, File};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::build::Artifacts;
use super::error::KernelError;
use super::key::KernelKey;
use super::source::{SourceId, remove};
use super::worktree::{sync_dir, write_synced};
use crate::files;

/// Version of `kernel.json`; an entry of another one is built anew.
const FORMAT: u32 = 1;

const BZIMAGE: &str = "bzImage";
const VMLINUX: &str = "vmlinux";

/// A kernel in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// Its key.
    pub key: KernelKey,
    /// Its directory.
    pub dir: Utf8PathBuf,
    /// What QEMU boots.
    pub bzimage: Utf8PathBuf,
    /// The same with DWARF 5, for symbols and struct offsets.
    pub vmlinux: Utf8PathBuf,
    /// `make kernelrelease`, which is the guest's `uname -r`.
    pub release: String,
    /// What it was made from.
    pub source: SourceId,
    /// Seconds that this call took to build it; none if it was in the store.
    pub build_seconds: Option<f64>,
}

/// `kernel.json`: what an entry is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// The entry's key.
    pub key: KernelKey,
    /// The line that it was first built for.
    pub line: String,
    /// The variant that it was first built for.
    pub variant: String,
    /// What it was made from.
    pub source: SourceId,
    /// `make kernelrelease`.
    pub release: String,
    /// First line of the compiler's `--version`.
    pub compiler: String,
    /// Seconds that its build took.
    pub build_seconds: f64,
    bzimage_bytes: u64,
    vmlinux_bytes: u64,
    /// Of what is in its files. One that was made before there were hashes gets them when it is
    /// next used.
    #[serde(default)]
    hashes: Option<Hashes>,
}

/// Why an entry cannot be used.
#[derive(Debug)]
enum Unusable {
    /// It is not what was put in.
    Damaged(String),
    /// Nobody knows what it is.
    Unreadable {
        path: Utf8PathBuf,
        source: io::Error,
    },
}

impl Unusable {
    /// A file of it that cannot be read; one that is not there is damage.
    fn reading(path: &Utf8Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Self::Damaged(format!("{path} is missing")),
            _ => Self::Unreadable {
                path: path.to_owned(),
                source,
            },
        }
    }
}

/// Hashes of an entry's files.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Hashes {
    bzimage: blake3::Hash,
    vmlinux: blake3::Hash,
}

impl Hashes {
    fn of(dir: &Utf8Path) -> Result<Self, Unusable> {
        let hash = |name: &str| {
            let mut hasher = blake3::Hasher::new();
            let path = dir.join(name);
            File::open(&path)
                .and_then(|file| Ok(hasher.update_reader(file)?.finalize()))
                .map_err(Unusable::reading(&path))
        };
        Ok(Self {
            bzimage: hash(BZIMAGE)?,
            vmlinux: hash(VMLINUX)?,
        })
    }
}

/// What is to be known of a kernel that goes into the store.
pub(super) struct About<'a> {
    pub(super) key: &'a KernelKey,
    pub(super) line: &'a str,
    pub(super) variant: &'a str,
    pub(super) source: &'a SourceId,
    pub(super) compiler: &'a str,
    pub(super) build_seconds: f64,
}

/// Copies a file and makes the copy last; gives its length.
type Copy<'a> = &'a dyn Fn(&Utf8Path, &Utf8Path) -> io::Result<u64>;

/// The directory of kernels.
#[derive(Debug, Clone)]
pub struct Store {
    dir: Utf8PathBuf,
}

impl Store {
    /// The store in `dir`.
    pub fn at(dir: impl Into<Utf8PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The kernel of a key. An entry that is damaged counts as absent.
    ///
    /// # Errors
    /// When a file of it is there and cannot be read: that says nothing of what is in it.
    pub fn get(&self, key: &KernelKey) -> Result<Option<Kernel>, KernelError> {
        let dir = self.dir.join(key.as_str());
        match self.verified(key) {
            Ok(manifest) => Ok(Some(Kernel {
                key: key.clone(),
                bzimage: dir.join(BZIMAGE),
                vmlinux: dir.join(VMLINUX),
                dir,
                release: manifest.release,
                source: manifest.source,
                build_seconds: None,
            })),
            Err(_) if !dir.exists() => Ok(None),
            Err(Unusable::Unreadable { path, source }) => {
                Err(KernelError::io("read", &path)(source))
            }
            Err(Unusable::Damaged(reason)) => {
                tracing::warn!(entry = %dir, %reason, "a kernel in the store is damaged and will be built again");
                Ok(None)
            }
        }
    }

    /// What an entry says of itself when every byte of its files is as it was, or why it cannot be
    /// used: a kernel with a flipped bit would be blamed for what it does.
    fn verified(&self, key: &KernelKey) -> Result<Manifest, Unusable> {
        let manifest = self.manifest(key)?;
        let dir = self.dir.join(key.as_str());
        let found = Hashes::of(&dir)?;
        match manifest.hashes {
            Some(hashes) if hashes == found => Ok(manifest),
            Some(hashes) if hashes.bzimage == found.bzimage => {
                Err(Unusable::Damaged(format!("{VMLINUX} has changed")))
            }
            Some(_) => Err(Unusable::Damaged(format!("{BZIMAGE} has changed"))),
            None => {
                let manifest = Manifest {
                    hashes: Some(found),
                    ..manifest
                };
                // A store that cannot be written to still serves.
                if let Ok(json) = serde_json::to_vec_pretty(&manifest) {
                    let _ = files::write_whole(&dir.join("kernel.json"), &json, 0o644);
                }
                Ok(manifest)
            }
        }
    }

    /// What an entry says of itself, or why it cannot be used. The content of its files is not looked
    /// at.
    fn manifest(&self, key: &KernelKey) -> Result<Manifest, Unusable> {
        let dir = self.dir.join(key.as_str());
        let path = dir.join("kernel.json");
        let text = fs::read(&path).map_err(Unusable::reading(&path))?;
        let manifest: Manifest = serde_json::from_slice(&text)
            .map_err(|e| Unusable::Damaged(format!("kernel.json: {e}")))?;
        if manifest.format != FORMAT || manifest.key != *key {
            let what = "kernel.json is of another format or another kernel";
            return Err(Unusable::Damaged(what.into()));
        }
        for (name, bytes) in [
            (BZIMAGE, manifest.bzimage_bytes),
            (VMLINUX, manifest.vmlinux_bytes),
        ] {
            let path = dir.join(name);
            let found = fs::metadata(&path).map_err(Unusable::reading(&path))?.len();
            if found != bytes {
                let what = format!("{name} has {found} bytes instead of {bytes}");
                return Err(Unusable::Damaged(what));
            }
        }
        Ok(manifest)
    }

    /// Put a kernel in. Until this returns, nothing of it is to be seen. The caller holds the lock
    /// of the kernel's source, of which there is one insertion at a time.
    pub(super) fn insert(
        &self,
        about: &About<'_>,
        artifacts: &Artifacts,
    ) -> Result<Kernel, KernelError> {
        self.insert_by(about, artifacts, &copy_synced)
    }

    fn insert_by(
        &self,
        about: &About<'_>,
        artifacts: &Artifacts,
        copy: Copy<'_>,
    ) -> Result<Kernel, KernelError> {
        let staging = self.dir.join(".staging").join(&about.source.name);
        // What an interrupted insertion left, or what a failed one leaves, is never an entry.
        remove(&staging)?;
        let filled = self.fill(&staging, about, artifacts, copy);
        if filled.is_err() {
            let _ = remove(&staging);
        }
        filled?;
        let entry = self.dir.join(about.key.as_str());
        remove(&entry)?;
        fs::rename(&staging, &entry).map_err(KernelError::io("rename", &staging))?;
        sync_dir(&self.dir)?;
        self.get(about.key)?.ok_or_else(|| {
            KernelError::io("read back", &entry)(io::Error::other(
                "the entry changed as soon as it was written",
            ))
        })
    }

    fn fill(
        &self,
        staging: &Utf8Path,
        about: &About<'_>,
        artifacts: &Artifacts,
        copy: Copy<'_>,
    ) -> Result<(), KernelError> {
        fs::create_dir_all(staging).map_err(KernelError::io("create", staging))?;
        let put = |from: &Utf8Path, name: &str| {
            let to = staging.join(name);
            copy(from, &to).map_err(KernelError::io("copy", &to))
        };
        put(&artifacts.config, "config")?;
        let manifest = Manifest {
            format: FORMAT,
            key: about.key.clone(),
            line: about.line.to_owned(),
            variant: about.variant.to_owned(),
            source: about.source.clone(),
            release: artifacts.release.clone(),
            compiler: about.compiler.to_owned(),
            build_seconds: about.build_seconds,
            bzimage_bytes: put(&artifacts.bzimage, BZIMAGE)?,
            vmlinux_bytes: put(&artifacts.vmlinux, VMLINUX)?,
            hashes: Some(Hashes::of(staging).map_err(|unusable| {
                KernelError::io("read back", staging)(io::Error::other(format!("{unusable:?}")))
            })?),
        };
        let path = staging.join("kernel.json");
        let json = serde_json::to_vec_pretty(&manifest)
            .map_err(|e| KernelError::io("write", &path)(e.into()))?;
        write_synced(&path, &json, None)
    }
}

fn copy_synced(from: &Utf8Path, to: &Utf8Path) -> io::Result<u64> {
    let length = fs::copy(from, to)?;
    File::open(to)?.sync_all()?;
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::super::key::Ingredients;
    use super::*;

    struct Fixture {
        _dir: tempfile::TempDir,
        store: Store,
        source: SourceId,
        key: KernelKey,
        artifacts: Artifacts,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(dir.path()).unwrap();
            let file = |name: &str| {
                fs::write(root.join(name), name).unwrap();
                root.join(name)
            };
            let source = SourceId {
                name: "fake".into(),
                version: "1".into(),
            };
            let key = KernelKey::of(&Ingredients {
                source: &source,
                patch: None,
                config: "",
                compiler: "",
            });
            let artifacts = Artifacts {
                bzimage: file("bz"),
                vmlinux: file("vm"),
                config: file("conf"),
                release: "1.0".into(),
            };
            fs::create_dir(root.join("kernels")).unwrap();
            Self {
                store: Store::at(root.join("kernels")),
                _dir: dir,
                source,
                key,
                artifacts,
            }
        }

        fn about(&self) -> About<'_> {
            About {
                key: &self.key,
                line: "fake",
                variant: "fixed",
                source: &self.source,
                compiler: "cc",
                build_seconds: 1.0,
            }
        }

        fn insert(&self) -> Kernel {
            self.store.insert(&self.about(), &self.artifacts).unwrap()
        }
    }

    #[test]
    fn a_disk_that_fills_up_leaves_the_store_as_it_was() {
        let fixture = Fixture::new();
        let full = |_: &Utf8Path, to: &Utf8Path| match to.file_name() {
            Some("vmlinux") => {
                fs::write(to, "half")?;
                Err(io::Error::from_raw_os_error(
                    rustix::io::Errno::NOSPC.raw_os_error(),
                ))
            }
            _ => copy_synced(&fixture.artifacts.config, to),
        };
        let error = fixture
            .store
            .insert_by(&fixture.about(), &fixture.artifacts, &full)
            .unwrap_err();
        assert!(
            matches!(&error, KernelError::DiskFull { path } if path.ends_with("vmlinux")),
            "{error}"
        );
        assert_eq!(fixture.store.get(&fixture.key).unwrap(), None);
        assert!(
            !fixture.store.dir.join(".staging/fake").exists(),
            "the room is given back"
        );

        let kernel = fixture.insert();
        let error = fixture
            .store
            .insert_by(&fixture.about(), &fixture.artifacts, &full)
            .unwrap_err();
        assert!(matches!(error, KernelError::DiskFull { .. }));
        assert_eq!(
            fixture.store.get(&fixture.key).unwrap(),
            Some(kernel),
            "an entry outlives a failed insertion"
        );
    }

    #[test]
    fn an_interrupted_insertion_is_not_to_be_seen_and_not_in_the_way() {
        let fixture = Fixture::new();
        let staging = fixture.store.dir.join(".staging/fake");
        fs::create_dir_all(&staging).unwrap();
        fs::write(staging.join("bzImage"), "half of ano").unwrap();
        assert_eq!(fixture.store.get(&fixture.key).unwrap(), None);
        let kernel = fixture.insert();
        assert_eq!(fs::read_to_string(&kernel.bzimage).unwrap(), "bz");
        assert_eq!(fixture.store.get(&fixture.key).unwrap(), Some(kernel));
    }

    #[test]
    fn an_entry_from_before_there_were_hashes_gets_them() {
        let fixture = Fixture::new();
        let kernel = fixture.insert();
        let path = kernel.dir.join("kernel.json");
        let mut manifest = fixture.store.manifest(&fixture.key).unwrap();
        manifest.hashes = None;
        fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
        assert_eq!(
            fixture.store.get(&fixture.key).unwrap(),
            Some(kernel.clone())
        );
        fs::write(&kernel.vmlinux, "vn").unwrap();
        assert_eq!(fixture.store.get(&fixture.key).unwrap(), None);
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_not_taken_for_damaged() {
        let fixture = Fixture::new();
        let kernel = fixture.insert();
        fs::remove_file(&kernel.vmlinux).unwrap();
        // Of the right length, and no file: whoever runs the tests may read anything.
        fs::create_dir(&kernel.vmlinux).unwrap();
        let length = fs::metadata(&kernel.vmlinux).unwrap().len();
        let path = kernel.dir.join("kernel.json");
        let text = fs::read(&path).unwrap();
        let mut manifest: Manifest = serde_json::from_slice(&text).unwrap();
        manifest.vmlinux_bytes = length;
        fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
        let error = fixture.store.get(&fixture.key).unwrap_err();
        assert!(error.to_string().contains("vmlinux"), "{error}");
    }

    #[test]
    fn a_damaged_entry_counts_as_absent_and_is_replaced() {
        let fixture = Fixture::new();
        let kernel = fixture.insert();
        let damages: [(&str, &str); 6] = [
            ("kernel.json", "{"),
            ("kernel.json", "{\"format\":1}"),
            ("vmlinux", "v"),
            ("bzImage", ""),
            // As long as what was there.
            ("vmlinux", "vn"),
            ("bzImage", "bZ"),
        ];
        for (name, content) in damages {
            fs::write(kernel.dir.join(name), content).unwrap();
            assert_eq!(fixture.store.get(&fixture.key).unwrap(), None, "{name}");
            assert_eq!(fixture.insert(), kernel);
        }
        fs::remove_file(kernel.dir.join("kernel.json")).unwrap();
        assert_eq!(fixture.store.get(&fixture.key).unwrap(), None);
    }
}
