// SPDX-License-Identifier: GPL-2.0-or-later
//! The store of saved guests: booted once, stopped when they were ready for a job.
//!
//! A saved guest is a folder, whole or not there, that only its owner may enter:
//!
//! ```text
//! guests/KEY/saved.json    what it said when it was ready, its ssh keys, the hashes of what follows
//! guests/KEY/memory        its memory, a sparse file; every restored guest has a private copy
//! guests/KEY/state         its CPUs and devices, as QEMU writes them
//! guests/KEY/console.log   what it had printed
//! guests/KEY/initramfs     what it was booted from
//! ```
//!
//! The key is a hash of everything that a restored guest must have in common with the saved one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, Mode, OFlags};
use serde::{Deserialize, Serialize};
use swapmig_workloads::protocol::{self, Event};

use super::command::{CommandLine, Start};
use super::ssh::SshKeys;
use crate::accel::Accelerator;
use crate::home::{Home, HomeError};
use crate::plan::Machine;

/// Raised whenever the way from ingredients to a saved guest changes.
const RECIPE: u32 = 1;
/// Saved guests that are kept; of more, those that were not used for the longest time go.
const KEPT: usize = 16;

/// Bytes on the disk that a saved guest takes beside its memory, and some.
const SPARE: u64 = 256 << 20;

const SAVED: &str = "saved.json";
const MEMORY: &str = "memory";
const STATE: &str = "state";
const CONSOLE: &str = "console.log";
const INITRAMFS: &str = "initramfs";

/// Everything that a restored guest must have in common with the saved one.
#[derive(Debug, Clone, Copy)]
pub struct Ingredients<'a> {
    /// `qemu-system-x86_64 --version`, first line.
    pub qemu: &'a str,
    /// The accelerator.
    pub accelerator: Accelerator,
    /// The host's CPU, which the guest's may be a copy of.
    pub cpu: &'a str,
    /// CPUs, memory, devices.
    pub machine: &'a Machine,
    /// Key of its kernel.
    pub kernel: &'a str,
    /// Digest of its image.
    pub image: &'a str,
}

/// The key of a saved guest: 32 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The key of a guest made of these.
    pub fn of(of: &Ingredients<'_>) -> Self {
        // The command line as it would be, but for the names of files.
        let arguments = CommandLine {
            accelerator: of.accelerator,
            machine: of.machine,
            kernel: "kernel".into(),
            initramfs: "initramfs".into(),
            console: "console".into(),
            start: Start::Restore,
        }
        .arguments()
        .join("\0");
        let mut hasher = blake3::Hasher::new_derive_key("swapmig saved guest key");
        let recipe = format!("{RECIPE} {}", protocol::VERSION);
        for field in [&recipe, of.qemu, of.cpu, of.kernel, of.image, &arguments] {
            // The length keeps two fields from being read as one.
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field.as_bytes());
        }
        let mut hex = hasher.finalize().to_hex().to_string();
        hex.truncate(32);
        Self(hex)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What went wrong with a saved guest; guests are then booted, so nothing is lost but time.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The user's cache cannot be used.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// A file of the store cannot be made, read or removed.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: Utf8PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A saved guest is not what was once saved.
    #[error("{dir} is damaged ({what}), so the guest is booted and saved anew")]
    Damaged {
        /// Its folder.
        dir: Utf8PathBuf,
        /// What of it.
        what: String,
    },
}

fn file_error(path: &Utf8Path) -> impl FnOnce(io::Error) -> SavedError {
    move |source| SavedError::File {
        path: path.to_owned(),
        source,
    }
}

/// `saved.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    key: Key,
    boot_ms: u64,
    ready: Event,
    client_key: String,
    host_key: Vec<u8>,
    memory: blake3::Hash,
    state: blake3::Hash,
    console: blake3::Hash,
    initramfs: blake3::Hash,
}

/// A saved guest, verified when it was opened. Its files stay open: it can be restored even
/// after it was removed from the store.
#[derive(Debug)]
pub struct Saved {
    dir: Utf8PathBuf,
    boot: Duration,
    ready: Event,
    keys: Arc<SshKeys>,
    console: Vec<u8>,
    memory: File,
    state: File,
}

impl Saved {
    /// How long it booted.
    pub fn boot(&self) -> Duration {
        self.boot
    }

    /// What it said when it was ready.
    pub fn ready(&self) -> Event {
        self.ready.clone()
    }

    /// The keys of its ssh server.
    pub fn keys(&self) -> Arc<SshKeys> {
        self.keys.clone()
    }

    /// What it had printed.
    pub fn console(&self) -> &[u8] {
        &self.console
    }

    /// Its memory.
    pub fn memory(&self) -> &File {
        &self.memory
    }

    /// Its state, to be read from the beginning.
    pub fn state(&self) -> io::Result<File> {
        // Opened anew: a duplicate would share its position with other guests.
        File::open(format!("/proc/self/fd/{}", self.state.as_raw_fd()))
    }

    /// What it was booted from.
    pub fn initramfs(&self) -> Utf8PathBuf {
        self.dir.join(INITRAMFS)
    }
}

/// What a guest that is being saved has told.
#[derive(Debug)]
pub struct Told {
    /// How long it booted.
    pub boot: Duration,
    /// Its readiness.
    pub ready: Event,
    /// What it has printed.
    pub console: Vec<u8>,
}

/// Files for a guest that is being saved: without a name until [`SavedGuests::keep`], so that
/// nothing is left of them when this process dies.
#[derive(Debug)]
pub struct Cradle {
    memory: File,
    state: File,
}

impl Cradle {
    /// The file for its memory, of the machine's size.
    pub fn memory(&self) -> &File {
        &self.memory
    }

    /// The file for its state.
    pub fn state(&self) -> &File {
        &self.state
    }
}

/// The store.
#[derive(Debug, Clone)]
pub struct SavedGuests {
    home: Home,
    dir: Utf8PathBuf,
}

impl SavedGuests {
    /// The store within the user's cache, made if absent.
    pub fn of(home: Home) -> Result<Self, SavedError> {
        let dir = home.guests();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(file_error(&dir))?;
        Ok(Self { home, dir })
    }

    /// The saved guest of a key, verified byte by byte; none if there is none.
    ///
    /// # Errors
    /// One that is damaged is removed and told as an error.
    pub fn open(&self, key: &Key) -> Result<Option<Saved>, SavedError> {
        let dir = self.dir.join(key.as_str());
        if !dir.exists() {
            return Ok(None);
        }
        match read(&dir, key) {
            Ok(saved) => {
                // Its time of use; a store that cannot be written to still serves.
                let _ = File::open(&dir).and_then(|dir| dir.set_modified(SystemTime::now()));
                Ok(Some(saved))
            }
            Err(what) => {
                remove(&dir)?;
                Err(SavedError::Damaged { dir, what })
            }
        }
    }

    /// Files for a guest with so much memory.
    pub fn cradle(&self, memory_mib: u32) -> Result<Cradle, SavedError> {
        let bytes = u64::from(memory_mib) << 20;
        // A write to memory that the disk has no room for would kill QEMU.
        self.home.require_free(bytes + SPARE, "saving a guest")?;
        let nameless = || {
            let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
            rustix::fs::open(self.dir.as_std_path(), flags, Mode::RUSR | Mode::WUSR)
                .map(File::from)
                .map_err(|errno| file_error(&self.dir)(errno.into()))
        };
        let (memory, state) = (nameless()?, nameless()?);
        memory.set_len(bytes).map_err(file_error(&self.dir))?;
        Ok(Cradle { memory, state })
    }

    /// Takes a guest that has been saved, and was ended, into the store.
    pub fn keep(
        &self,
        key: &Key,
        cradle: &Cradle,
        told: Told,
        keys: &SshKeys,
        initramfs: &Utf8Path,
    ) -> Result<Saved, SavedError> {
        let made = tempfile::Builder::new()
            .prefix("new-")
            .tempdir_in(&self.dir)
            .map_err(file_error(&self.dir))?;
        let path = Utf8Path::from_path(made.path()).unwrap_or(&self.dir);
        let within = |name: &str| path.join(name);
        name(&cradle.memory, &within(MEMORY))?;
        name(&cradle.state, &within(STATE))?;
        write(&within(CONSOLE), &told.console)?;
        fs::copy(initramfs, within(INITRAMFS)).map_err(file_error(&within(INITRAMFS)))?;
        let manifest = Manifest {
            key: key.clone(),
            boot_ms: u64::try_from(told.boot.as_millis()).unwrap_or(u64::MAX),
            ready: told.ready,
            client_key: keys.client.clone(),
            host_key: keys.host.clone(),
            memory: hash(&within(MEMORY))?,
            state: hash(&within(STATE))?,
            console: hash(&within(CONSOLE))?,
            initramfs: hash(&within(INITRAMFS))?,
        };
        let text = serde_json::to_vec(&manifest)
            .map_err(|error| file_error(&within(SAVED))(error.into()))?;
        write(&within(SAVED), &text)?;
        let dir = self.dir.join(key.as_str());
        // Another run may have been as quick: either one will do.
        if !dir.exists() {
            fs::rename(made.path(), &dir).map_err(file_error(&dir))?;
        }
        self.prune();
        read(&dir, key).map_err(|what| SavedError::Damaged { dir, what })
    }

    /// Removes a saved guest that QEMU does not take.
    pub fn discard(&self, key: &Key) -> Result<(), SavedError> {
        remove(&self.dir.join(key.as_str()))
    }

    /// Keeps what was used last. What cannot be removed now is tried again another time.
    fn prune(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        let mut found: Vec<_> = entries
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        found.sort();
        let surplus = found.len().saturating_sub(KEPT);
        for (_, path) in found.into_iter().take(surplus) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Reads and verifies a saved guest; says what is wrong with it.
fn read(dir: &Utf8Path, key: &Key) -> Result<Saved, String> {
    let told = |error: &dyn std::fmt::Display| format!("{SAVED}: {error}");
    let text = fs::read(dir.join(SAVED)).map_err(|e| told(&e))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|e| told(&e))?;
    if manifest.key != *key {
        return Err(told(&"it belongs to another guest"));
    }
    for (name, wanted) in [
        (MEMORY, manifest.memory),
        (STATE, manifest.state),
        (CONSOLE, manifest.console),
        (INITRAMFS, manifest.initramfs),
    ] {
        let found = hash(&dir.join(name)).map_err(|error| error.to_string())?;
        if found != wanted {
            return Err(format!("{name}: not what was written"));
        }
    }
    let open = |name: &str| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(dir.join(name))
            .map_err(|e| format!("{name}: {e}"))
    };
    Ok(Saved {
        dir: dir.to_owned(),
        boot: Duration::from_millis(manifest.boot_ms),
        ready: manifest.ready,
        keys: Arc::new(SshKeys {
            client: manifest.client_key,
            host: manifest.host_key,
        }),
        console: fs::read(dir.join(CONSOLE)).map_err(|e| format!("{CONSOLE}: {e}"))?,
        memory: open(MEMORY)?,
        state: open(STATE)?,
    })
}

fn hash(path: &Utf8Path) -> Result<blake3::Hash, SavedError> {
    let mut hasher = blake3::Hasher::new();
    File::open(path)
        .and_then(|file| hasher.update_reader(file).map(|hasher| hasher.finalize()))
        .map_err(file_error(path))
}

/// Gives a file without a name one.
fn name(file: &File, path: &Utf8Path) -> Result<(), SavedError> {
    let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(
        rustix::fs::CWD,
        nameless,
        rustix::fs::CWD,
        path.as_std_path(),
        AtFlags::SYMLINK_FOLLOW,
    )
    .map_err(|errno| file_error(path)(errno.into()))
}

/// A new file for its owner only.
fn write(path: &Utf8Path, content: &[u8]) -> Result<(), SavedError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(file_error(path))
}

fn remove(dir: &Utf8Path) -> Result<(), SavedError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(dir)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(qemu: &str, machine: &Machine) -> Key {
        Key::of(&Ingredients {
            qemu,
            accelerator: Accelerator::Tcg,
            cpu: "cpu",
            machine,
            kernel: "kernel",
            image: "image",
        })
    }

    struct Store {
        _dir: tempfile::TempDir,
        guests: SavedGuests,
    }

    fn store() -> Store {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(Utf8Path::from_path(dir.path()).unwrap()).unwrap();
        Store {
            _dir: dir,
            guests: SavedGuests::of(home).unwrap(),
        }
    }

    impl Store {
        fn keep(&self, key: &Key) -> Saved {
            let cradle = self.guests.cradle(1).unwrap();
            cradle.memory().write_all(b"memory").unwrap();
            cradle.state().write_all(b"state").unwrap();
            let initramfs = self.guests.dir.with_file_name("initramfs.cpio");
            fs::write(&initramfs, "image").unwrap();
            let told = Told {
                boot: Duration::from_millis(1234),
                ready: Event::Verified { pages: 1 },
                console: b"booted".to_vec(),
            };
            let keys = SshKeys {
                client: "secret".into(),
                host: vec![1, 2],
            };
            self.guests
                .keep(key, &cradle, told, &keys, &initramfs)
                .unwrap()
        }
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let (store, key) = (store(), key("7.2", &Machine::default()));
        assert!(store.guests.open(&key).unwrap().is_none());
        store.keep(&key);
        let found = store.guests.open(&key).unwrap().unwrap();
        assert_eq!(found.boot(), Duration::from_millis(1234));
        assert_eq!(found.console(), b"booted");
        assert_eq!(found.keys().client, "secret");
        let mut state = Vec::new();
        for _ in 0..2 {
            state.clear();
            io::Read::read_to_end(&mut found.state().unwrap(), &mut state).unwrap();
            assert_eq!(state, b"state", "every guest reads it from its beginning");
        }
    }

    #[test]
    fn a_guest_of_another_machine_or_qemu_is_another_guest() {
        let (machine, more) = (
            Machine::default(),
            Machine {
                memory_mib: 1024,
                ..Machine::default()
            },
        );
        assert_eq!(key("7.2", &machine), key("7.2", &machine));
        assert_ne!(key("7.2", &machine), key("7.3", &machine));
        assert_ne!(key("7.2", &machine), key("7.2", &more));
    }

    #[test]
    fn a_byte_that_changed_makes_it_damaged_and_gone() {
        for name in [MEMORY, STATE, CONSOLE, INITRAMFS, SAVED] {
            let (store, key) = (store(), key("7.2", &Machine::default()));
            let dir = store.keep(&key).dir;
            let path = dir.join(name);
            let mut bytes = fs::read(&path).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(&path, bytes).unwrap();
            let damaged = store.guests.open(&key);
            assert!(
                matches!(damaged, Err(SavedError::Damaged { .. })),
                "{name}: {damaged:?}"
            );
            assert!(store.guests.open(&key).unwrap().is_none(), "{name}");
        }
    }

    #[test]
    fn only_the_last_used_are_kept() {
        let store = store();
        let machine = |mib| Machine {
            memory_mib: mib,
            ..Machine::default()
        };
        for mib in 1..=KEPT as u32 + 2 {
            store.keep(&key("7.2", &machine(mib)));
        }
        assert_eq!(fs::read_dir(&store.guests.dir).unwrap().count(), KEPT);
    }

    #[test]
    fn a_guest_that_was_never_saved_leaves_nothing() {
        let store = store();
        drop(store.guests.cradle(1).unwrap());
        assert_eq!(fs::read_dir(&store.guests.dir).unwrap().count(), 0);
    }
}
