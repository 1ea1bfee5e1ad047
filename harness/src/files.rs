// SPDX-License-Identifier: GPL-2.0-or-later
//! Files and folders of which nothing is left when their maker is killed.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use tempfile::TempDir;

/// How often a file is written anew whose name another process has taken away.
const TRIES: usize = 100;

/// Bytes that are free on the file system of a file or folder that is there.
pub fn free_bytes(path: &Utf8Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path.as_std_path())?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Makes a file without a name, its owner's alone.
///
/// Fails on a file system that has no such files.
pub fn nameless(dir: &Utf8Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    Ok(rustix::fs::open(dir.as_std_path(), flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Gives a file without a name one that is not taken.
pub fn name(file: &File, path: &Utf8Path) -> io::Result<()> {
    let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = AtFlags::SYMLINK_FOLLOW;
    Ok(rustix::fs::linkat(
        CWD,
        nameless,
        CWD,
        path.as_std_path(),
        flags,
    )?)
}

/// Writes a file, whole or not at all, and onto the disk. The file that it replaces stays until
/// then.
///
/// It has no name while it is written. A process that is killed between the two calls that
/// replace a file leaves `.NAME.new`, which the next write of that file removes.
pub fn write_whole(path: &Utf8Path, content: &[u8], mode: u32) -> io::Result<()> {
    let dir = match path.parent().ok_or(io::ErrorKind::InvalidInput)? {
        bare if bare == "" => Utf8Path::new("."),
        dir => dir,
    };
    let mut tries = 0;
    loop {
        tries += 1;
        match write_once(path, dir, content, mode) {
            // Whoever writes the same file has taken the name beside it, or taken it away.
            Err(error)
                if tries < TRIES
                    && matches!(
                        error.kind(),
                        io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound
                    )
                    && dir.is_dir() => {}
            Err(error) => return Err(error),
            Ok(()) => return File::open(dir)?.sync_all(),
        }
    }
}

fn write_once(path: &Utf8Path, dir: &Utf8Path, content: &[u8], mode: u32) -> io::Result<()> {
    let fill = |mut file: &File| {
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()
    };
    match nameless(dir) {
        Ok(file) => {
            fill(&file)?;
            put(&file, path, dir)
        }
        // A file system without such files.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::OPNOTSUPP) => {
            let file = tempfile::NamedTempFile::new_in(dir)?;
            fill(file.as_file())?;
            file.persist(path)?;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Names a file, in the place of what has the name.
fn put(file: &File, path: &Utf8Path, dir: &Utf8Path) -> io::Result<()> {
    match name(file, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        done => return done,
    }
    let beside = dir.join(format!(".{}.new", path.file_name().unwrap_or_default()));
    remove_if_there(&beside)?;
    name(file, &beside)?;
    let renamed = fs::rename(&beside, path);
    if renamed.is_err() {
        remove_if_there(&beside)?;
    }
    renamed
}

fn remove_if_there(path: &Utf8Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A folder of this process, which nobody else can look into: removed with this value, or, when
/// this process is killed, by the next one that makes or sweeps such a folder.
#[derive(Debug)]
pub struct Temporary {
    path: Utf8PathBuf,
    _dir: TempDir,
    // Gone with the process, whatever ends it.
    _lock: File,
}

impl Temporary {
    /// Makes one in `parent`, its name beginning with `prefix`.
    pub fn new_in(parent: &Utf8Path, prefix: &str) -> io::Result<Self> {
        let _alone = sweep_alone(parent, prefix)?;
        let dir = tempfile::Builder::new()
            .prefix(prefix)
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)?;
        let lock = File::open(dir.path())?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let path = Utf8Path::from_path(dir.path())
            .ok_or(io::ErrorKind::InvalidFilename)?
            .to_owned();
        Ok(Self {
            path,
            _dir: dir,
            _lock: lock,
        })
    }

    /// The folder.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }
}

/// Removes the temporary folders of processes that were killed.
pub fn sweep(parent: &Utf8Path, prefix: &str) -> io::Result<()> {
    sweep_alone(parent, prefix).map(drop)
}

/// The same, and keeps others from making or sweeping any while the result lives.
fn sweep_alone(parent: &Utf8Path, prefix: &str) -> io::Result<File> {
    let alone = File::open(parent)?;
    rustix::fs::flock(&alone, FlockOperation::LockExclusive)?;
    for entry in parent.read_dir_utf8()? {
        let entry = entry?;
        if !entry.file_name().starts_with(prefix) {
            continue;
        }
        let is_left = File::open(entry.path()).is_ok_and(|dir| {
            rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok()
        });
        if is_left {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(alone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    fn folder() -> (TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().to_owned();
        (dir, path)
    }

    fn entries(dir: &Utf8Path) -> Vec<String> {
        let mut names: Vec<_> = dir
            .read_dir_utf8()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_made_and_replaced_and_nothing_is_beside_it() {
        let (_keep, dir) = folder();
        let path = dir.join("file");
        fs::write(dir.join(".file.new"), "of one that was killed").unwrap();
        for (content, mode) in [("first", 0o600), ("second", 0o644)] {
            write_whole(&path, content.as_bytes(), mode).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            let found = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode);
        }
        assert_eq!(entries(&dir), ["file"]);
        fs::create_dir(dir.join("taken")).unwrap();
        assert!(write_whole(&dir.join("taken"), b"x", 0o600).is_err());
        assert_eq!(entries(&dir), ["file", "taken"]);
    }

    #[test]
    fn two_who_write_the_same_file_both_succeed() {
        let (_keep, dir) = folder();
        let path = dir.join("file");
        std::thread::scope(|scope| {
            for writer in ["one", "other"] {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..50 {
                        write_whole(path, writer.repeat(1000).as_bytes(), 0o600).unwrap();
                    }
                });
            }
        });
        let content = fs::read_to_string(&path).unwrap();
        assert!(content == "one".repeat(1000) || content == "other".repeat(1000));
        assert_eq!(entries(&dir), ["file"]);
    }

    /// Says to the process of [`killed_writer`] where to write.
    const WHERE: &str = "SWAPMIG_TEST_WRITES_IN";

    #[test]
    #[ignore = "is run, and killed, by another test"]
    fn killed_writer() {
        let dir = Utf8PathBuf::from(std::env::var(WHERE).unwrap());
        let made = Temporary::new_in(&dir, "made-").unwrap();
        fs::write(made.path().join("something"), "x").unwrap();
        loop {
            for byte in [b'a', b'b'] {
                write_whole(&dir.join("file"), &[byte; 100_000], 0o600).unwrap();
            }
        }
    }

    #[test]
    fn whoever_is_killed_leaves_the_file_whole_and_nothing_that_stays() {
        let (_keep, dir) = folder();
        for round in 0..30 {
            let mut writer = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "--ignored", "files::tests::killed_writer"])
                .env(WHERE, &dir)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            while !dir.join("file").exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_micros(700 * round));
            writer.kill().unwrap();
            writer.wait().unwrap();
            let content = fs::read(dir.join("file")).unwrap();
            assert_eq!(content.len(), 100_000, "round {round}");
            assert!(content.iter().all(|&b| b == content[0]), "round {round}");
            sweep(&dir, "made-").unwrap();
            write_whole(&dir.join("file"), b"whole", 0o600).unwrap();
            assert_eq!(entries(&dir), ["file"], "round {round}");
            fs::remove_file(dir.join("file")).unwrap();
        }
    }

    #[test]
    fn folders_of_the_living_are_left_alone() {
        let (_keep, dir) = folder();
        let alive = Temporary::new_in(&dir, "made-").unwrap();
        let mode = fs::metadata(alive.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::create_dir(dir.join("made-left")).unwrap();
        fs::create_dir(dir.join("other")).unwrap();
        let second = Temporary::new_in(&dir, "made-").unwrap();
        assert!(alive.path().is_dir() && second.path().is_dir());
        assert_eq!(entries(&dir).len(), 3);
        drop((alive, second));
        assert_eq!(entries(&dir), ["other"]);
    }
}
