// SPDX-License-Identifier: GPL-2.0-or-later
//! The folder of saved guests: opened verified, taken in whole, the oldest removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};

use super::record::{About, Manifest, Stamp, again};
use super::{Key, Saved, Told};
use crate::files::{self, Temporary};
use crate::guest::ssh::SshKeys;
use crate::home::{Home, HomeError};

/// Saved guests that are kept; of more, those that were not used for the longest time go.
const KEPT: usize = 32;
/// Bytes on the disk that a saved guest takes beside its memory, and some.
const SPARE: u64 = 256 << 20;
/// How the folder of a guest begins that is being taken in.
const NEW: &str = "new-";

const SAVED: &str = "saved.json";
const MEMORY: &str = "memory";
const STATE: &str = "state";
const CONSOLE: &str = "console.log";

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
        files::sweep(&dir, NEW).map_err(file_error(&dir))?;
        Ok(Self { home, dir })
    }

    /// The saved guest of a key, verified byte by byte; none if there is none.
    ///
    /// # Errors
    /// One that is damaged is removed and told as an error. One that cannot be read is left alone.
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
            Err(damaged @ SavedError::Damaged { .. }) => {
                remove(&dir)?;
                Err(damaged)
            }
            Err(error) => Err(error),
        }
    }

    /// Files for a guest with so much memory.
    pub fn cradle(&self, memory_mib: u32) -> Result<Cradle, SavedError> {
        let bytes = u64::from(memory_mib) << 20;
        // A write to memory that the disk has no room for would kill QEMU.
        self.home.require_free(bytes + SPARE, "saving a guest")?;
        let nameless = || files::nameless(&self.dir).map_err(file_error(&self.dir));
        let (memory, state) = (nameless()?, nameless()?);
        memory.set_len(bytes).map_err(file_error(&self.dir))?;
        Ok(Cradle { memory, state })
    }

    /// Takes a guest that has been saved, and was ended, into the store.
    pub fn keep(&self, key: &Key, cradle: Cradle, told: Told) -> Result<Saved, SavedError> {
        let made = Temporary::new_in(&self.dir, NEW).map_err(file_error(&self.dir))?;
        let within = |name: &str| made.path().join(name);
        let about = About {
            key: key.clone(),
            boot_ms: u64::try_from(told.boot.as_millis()).unwrap_or(u64::MAX),
            ready: told.ready.clone(),
            client_key: told.keys.client.clone(),
            host_key: told.keys.host.clone(),
            memory: hash(&cradle.memory).map_err(file_error(&within(MEMORY)))?,
            state: hash(&cradle.state).map_err(file_error(&within(STATE)))?,
            console: blake3::hash(&told.console),
        };
        let text = Manifest::of(about)
            .and_then(|manifest| serde_json::to_vec(&manifest))
            .map_err(|error| file_error(&within(SAVED))(error.into()))?;
        write(&within(SAVED), &text)?;
        write(&within(CONSOLE), &told.console)?;
        // Last: until then a process that dies leaves next to nothing.
        for (file, path) in [
            (&cradle.state, within(STATE)),
            (&cradle.memory, within(MEMORY)),
        ] {
            files::name(file, &path).map_err(file_error(&path))?;
        }
        let dir = self.dir.join(key.as_str());
        match fs::rename(made.path(), &dir) {
            Ok(()) => {}
            // Another run was as quick: either one will do.
            Err(_) if dir.exists() => {}
            Err(source) => return Err(file_error(&dir)(source)),
        }
        self.prune();
        // What is not kept loses its name, which changes the file.
        drop(made);
        let stamp = Stamp::of(&cradle.memory).map_err(file_error(&dir))?;
        Ok(Saved::new(told, cradle.memory, stamp, cradle.state))
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
        let used = entries
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())));
        let is_new = |path: &std::path::Path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().starts_with(NEW)
        };
        let mut kept: Vec<_> = used.filter(|(_, path)| !is_new(path)).collect();
        kept.sort();
        let surplus = kept.len().saturating_sub(KEPT);
        for (_, path) in kept.into_iter().take(surplus) {
            let _ = fs::remove_dir_all(path);
        }
    }
}

/// Reads and verifies a saved guest.
fn read(dir: &Utf8Path, key: &Key) -> Result<Saved, SavedError> {
    let damaged = |what: String| SavedError::Damaged {
        dir: dir.to_owned(),
        what,
    };
    // A file that is not there is damage; one that cannot be read may be readable another time.
    let open = |name: &str| {
        let path = dir.join(name);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => damaged(format!("{name}: it is missing")),
            _ => file_error(&path)(error),
        })
    };
    let hashed = |name: &str, file: &File, wanted: blake3::Hash| match hash(file)
        .map_err(file_error(&dir.join(name)))?
    {
        found if found == wanted => Ok(()),
        _ => Err(damaged(format!("{name}: not what was written"))),
    };
    let manifest: Manifest = serde_json::from_reader(io::BufReader::new(open(SAVED)?))
        .map_err(|error| damaged(format!("{SAVED}: {error}")))?;
    if !manifest.is_whole() || manifest.about.key != *key {
        return Err(damaged(format!("{SAVED}: not what was written")));
    }
    let about = manifest.about;
    let (memory, state) = (open(MEMORY)?, open(STATE)?);
    // First: what is changed while it is being read must show.
    let stamp = Stamp::of(&memory).map_err(file_error(&dir.join(MEMORY)))?;
    hashed(MEMORY, &memory, about.memory)?;
    hashed(STATE, &state, about.state)?;
    let mut console = Vec::new();
    open(CONSOLE)?
        .read_to_end(&mut console)
        .map_err(file_error(&dir.join(CONSOLE)))?;
    if blake3::hash(&console) != about.console {
        return Err(damaged(format!("{CONSOLE}: not what was written")));
    }
    let told = Told {
        boot: Duration::from_millis(about.boot_ms),
        ready: about.ready,
        console,
        keys: Arc::new(SshKeys {
            client: about.client_key,
            host: about.host_key,
        }),
    };
    Ok(Saved::new(told, memory, stamp, state))
}

fn hash(file: &File) -> io::Result<blake3::Hash> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(again(file)?)?;
    Ok(hasher.finalize())
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
    use std::os::unix::fs::{FileExt, PermissionsExt};

    use crate::accel::Accelerator;
    use crate::guest::saved::Ingredients;
    use crate::plan::Machine;
    use swapmig_workloads::protocol::Event;

    fn key(kernel: &str) -> Key {
        Key::of(&Ingredients {
            qemu: "7.2",
            accelerator: Accelerator::Tcg,
            host: "",
            machine: &Machine::default(),
            kernel,
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
            let told = Told {
                boot: Duration::from_millis(1234),
                ready: Event::Verified { pages: 1 },
                console: b"booted".to_vec(),
                keys: Arc::new(SshKeys {
                    client: "secret".into(),
                    host: vec![1, 2],
                }),
            };
            self.guests.keep(key, cradle, told).unwrap()
        }

        fn entries(&self) -> usize {
            fs::read_dir(&self.guests.dir).unwrap().count()
        }
    }

    fn assert_is_what_was_kept(saved: &Saved) {
        assert_eq!(saved.boot(), Duration::from_millis(1234));
        assert_eq!(saved.ready(), Event::Verified { pages: 1 });
        assert_eq!(saved.console(), b"booted");
        assert_eq!(saved.keys().client, "secret");
        for _ in 0..2 {
            let mut state = Vec::new();
            saved.state().unwrap().read_to_end(&mut state).unwrap();
            assert_eq!(state, b"state", "every guest reads it from its beginning");
        }
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let (store, key) = (store(), key("fixed"));
        assert!(store.guests.open(&key).unwrap().is_none());
        assert_is_what_was_kept(&store.keep(&key));
        assert_is_what_was_kept(&store.guests.open(&key).unwrap().unwrap());
        // Another run may have been as quick.
        assert_is_what_was_kept(&store.keep(&key));
        assert_eq!(store.entries(), 1);
        store.guests.discard(&key).unwrap();
        assert!(store.guests.open(&key).unwrap().is_none());
    }

    #[test]
    fn only_the_owner_may_enter() {
        let (store, key) = (store(), key("fixed"));
        store.keep(&key);
        let mode = |path: &Utf8Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let dir = store.guests.dir.join(key.as_str());
        assert_eq!((mode(&store.guests.dir), mode(&dir)), (0o700, 0o700));
        for file in [SAVED, MEMORY, STATE, CONSOLE] {
            assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
        }
    }

    #[test]
    fn a_byte_that_changed_makes_it_damaged_and_gone() {
        let whole = b"\"boot_ms\":1234".as_slice();
        for (name, at) in [
            (MEMORY, b"memory".as_slice()),
            (STATE, b"state"),
            (CONSOLE, b"booted"),
            (SAVED, whole),
            (SAVED, b"\"pages\":1"),
            (SAVED, b"secret"),
        ] {
            let (store, key) = (store(), key("fixed"));
            store.keep(&key);
            let path = store.guests.dir.join(key.as_str()).join(name);
            let mut bytes = fs::read(&path).unwrap();
            let found = memchr::memmem::find(&bytes, at).unwrap();
            // One digit or letter for another: what it is part of stays well formed.
            bytes[found + at.len() - 1] ^= 1;
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
    fn memory_that_was_written_to_since_is_not_given_out() {
        let (store, key) = (store(), key("fixed"));
        let path = store.guests.dir.join(key.as_str()).join(MEMORY);
        let assert_watched = |saved: Saved| {
            assert!(saved.memory().is_ok());
            let before = fs::metadata(&path).unwrap().modified().unwrap();
            // A file's times are no finer than the kernel's tick.
            std::thread::sleep(Duration::from_millis(50));
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(b"memory", 0).unwrap();
            file.set_modified(before).unwrap();
            let error = saved.memory().unwrap_err().to_string();
            assert!(error.contains("was changed"), "{error}");
        };
        assert_watched(store.keep(&key));
        assert_watched(store.guests.open(&key).unwrap().unwrap());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_damage() {
        let (store, key) = (store(), key("fixed"));
        store.keep(&key);
        let path = store.guests.dir.join(key.as_str()).join(MEMORY);
        fs::remove_file(&path).unwrap();
        // A link to itself fails whoever reads it, be it root.
        std::os::unix::fs::symlink(MEMORY, &path).unwrap();
        assert!(matches!(
            store.guests.open(&key),
            Err(SavedError::File { .. })
        ));
        assert_eq!(store.entries(), 1);
    }

    #[test]
    fn the_last_used_are_kept() {
        let store = store();
        let keys: Vec<_> = (0..=KEPT).map(|n| key(&n.to_string())).collect();
        for (age, key) in keys.iter().rev().enumerate() {
            store.keep(key);
            let dir = File::open(store.guests.dir.join(key.as_str())).unwrap();
            let used = SystemTime::now() - Duration::from_secs(age as u64 * 60);
            dir.set_modified(used).unwrap();
        }
        store.keep(&key("one more"));
        assert_eq!(store.entries(), KEPT);
        for gone in &keys[..2] {
            assert!(store.guests.open(gone).unwrap().is_none(), "the oldest");
        }
        assert!(store.guests.open(&keys[2]).unwrap().is_some());
    }

    #[test]
    fn a_guest_that_was_never_saved_leaves_nothing() {
        let store = store();
        drop(store.guests.cradle(1).unwrap());
        assert_eq!(store.entries(), 0);
    }
}
