// SPDX-License-Identifier: GPL-2.0-or-later
//! Puts an image together and writes it.

use std::io::BufWriter;

use camino::{Utf8Path, Utf8PathBuf};
use tempfile::NamedTempFile;

use super::libraries::dependencies;
use super::tree::{self, read};
use super::{Archive, ClientKey, Error, Libraries, Node, SearchPath, Tools, keys};

/// Name of the image within its folder.
const FILE_NAME: &str = "initramfs.cpio";

/// Folders that the loader searches on its own in the guest: Debian's, then others'.
const LIBRARY_FOLDERS: [&str; 2] = ["/lib/x86_64-linux-gnu", "/lib64"];

/// What an image is made of.
#[derive(Debug, Clone)]
pub struct ImageSpec {
    /// The static guest binary: `/init`.
    pub guest_binary: Utf8PathBuf,
    /// The project's `images` folder; its `rootfs` is put in as it is.
    pub images_dir: Utf8PathBuf,
    /// The host's programs.
    pub tools: Tools,
}

/// A guest's initramfs, with what a client needs to trust and enter the guest.
#[derive(Debug, Clone)]
pub struct Image {
    /// The archive, mode 0600: it holds the host's private key.
    pub initramfs: Utf8PathBuf,
    /// The key that root accepts; on disk only where a guest of this image is saved.
    pub client_key: ClientKey,
    /// The guest's public host key as ssh sends it, to be pinned.
    pub host_key: Vec<u8>,
    /// blake3 of the archive without the run's keys, hexadecimal: equal for equal guests.
    pub digest: String,
}

impl Image {
    /// Makes an image as `initramfs.cpio` in `out_dir`, which must exist.
    ///
    /// # Errors
    /// Any of [`Error`]; a failure leaves no file behind.
    pub fn build(spec: &ImageSpec, out_dir: &Utf8Path) -> Result<Self, Error> {
        let mut archive = contents(spec)?;
        let digest = digest(&archive, out_dir)?;
        let host = keys::host(&spec.tools, out_dir)?;
        let (client_key, authorized) = keys::client()?;
        put_secret(&mut archive, "/etc/dropbear/host_ed25519", host.dropbear);
        put_secret(
            &mut archive,
            "/root/.ssh/authorized_keys",
            authorized.into_bytes(),
        );
        let initramfs = write(&archive, out_dir)?;
        Ok(Self {
            initramfs,
            client_key,
            host_key: host.public_blob,
            digest,
        })
    }
}

/// Everything but the keys.
fn contents(spec: &ImageSpec) -> Result<Archive, Error> {
    let mut archive = Archive::default();
    tree::copy(&spec.images_dir.join("rootfs"), &mut archive)?;
    for (path, mode) in [
        ("/dev", 0o755),
        ("/etc/dropbear", 0o700),
        ("/mnt", 0o755),
        ("/proc", 0o555),
        ("/root", 0o700),
        ("/root/.ssh", 0o700),
        ("/run", 0o755),
        ("/sys", 0o555),
        ("/tmp", 0o1777),
    ] {
        archive.put(path, Node::Dir { mode });
    }
    // Without it the kernel starts init with no standard streams.
    archive.put(
        "/dev/console",
        Node::CharDevice {
            mode: 0o600,
            major: 5,
            minor: 1,
        },
    );

    if !spec.guest_binary.is_file() {
        return Err(Error::NoGuestBinary {
            path: spec.guest_binary.clone(),
        });
    }
    put_static(&mut archive, "/init", &spec.guest_binary)?;
    put_static(&mut archive, "/bin/busybox", &spec.tools.busybox()?)?;
    archive.put(
        "/bin/sh",
        Node::Symlink {
            target: "busybox".into(),
        },
    );
    put_dropbear(&mut archive, &spec.tools.dropbear()?)?;
    Ok(archive)
}

fn put_static(archive: &mut Archive, path: &str, program: &Utf8Path) -> Result<(), Error> {
    let data = read(program)?;
    let asks = dependencies(program, &data)?;
    if asks.interpreter.is_some() || !asks.needed.is_empty() {
        return Err(Error::NotStatic {
            path: program.to_owned(),
        });
    }
    archive.put(path, Node::File { mode: 0o755, data });
    Ok(())
}

fn put_dropbear(archive: &mut Archive, program: &Utf8Path) -> Result<(), Error> {
    let libraries = Libraries::of(program, &SearchPath::of_host())?;
    archive.put(
        "/usr/sbin/dropbear",
        Node::File {
            mode: 0o755,
            data: read(program)?,
        },
    );
    let [debian, other] = LIBRARY_FOLDERS;
    let folder = if Utf8Path::new(debian).is_dir() {
        debian
    } else {
        other
    };
    for (soname, data) in libraries.by_soname {
        archive.put(
            &format!("{folder}/{soname}"),
            Node::File { mode: 0o755, data },
        );
    }
    if let Some((path, data)) = libraries.interpreter {
        archive.put(path.as_str(), Node::File { mode: 0o755, data });
    }
    Ok(())
}

fn put_secret(archive: &mut Archive, path: &str, data: Vec<u8>) {
    archive.put(path, Node::File { mode: 0o600, data });
}

fn digest(archive: &Archive, out_dir: &Utf8Path) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    archive.write(&mut hasher).map_err(|source| Error::Write {
        path: out_dir.join(FILE_NAME),
        source,
    })?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Writes beside and renames: a full disk leaves no half image. The file is its owner's alone.
fn write(archive: &Archive, out_dir: &Utf8Path) -> Result<Utf8PathBuf, Error> {
    let path = out_dir.join(FILE_NAME);
    let failed = |source| Error::Write {
        path: path.clone(),
        source,
    };
    let mut file = NamedTempFile::new_in(out_dir).map_err(failed)?;
    archive
        .write(BufWriter::new(file.as_file_mut()))
        .map_err(failed)?;
    file.persist(&path).map_err(|error| failed(error.error))?;
    Ok(path)
}
