// SPDX-License-Identifier: GPL-2.0-or-later
//! A cpio archive in the kernel's initramfs format.

use std::collections::BTreeMap;
use std::io::{self, Write};

use cpio::newc;

/// Modes without a file type are permission bits.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;

/// What an archive holds under a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Dir {
        /// Permission bits.
        mode: u32,
    },
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// Its content.
        data: Vec<u8>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points.
        target: String,
    },
    /// A character device; a node in an archive needs no rights to make.
    CharDevice {
        /// Permission bits.
        mode: u32,
        /// Device number.
        major: u32,
        /// Device number.
        minor: u32,
    },
}

/// Files by path, all owned by root and of the year 1970: equal content gives equal bytes.
#[derive(Debug, Clone, Default)]
pub struct Archive {
    /// A path sorts after its parents, as the kernel needs them unpacked.
    nodes: BTreeMap<String, Node>,
}

impl Archive {
    /// Puts a node at an absolute path, with parents of mode 0755 where there are none.
    /// A node already there is replaced.
    pub fn put(&mut self, path: &str, node: Node) {
        let path = path.trim_matches('/');
        for (at, _) in path.match_indices('/') {
            self.nodes
                .entry(path[..at].to_owned())
                .or_insert(Node::Dir { mode: 0o755 });
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// The nodes by path, without a leading slash.
    pub fn nodes(&self) -> &BTreeMap<String, Node> {
        &self.nodes
    }

    /// Writes the archive, uncompressed.
    ///
    /// # Errors
    /// Those of the writer, and a file of 4 GiB or more.
    pub fn write<W: Write>(&self, mut to: W) -> io::Result<()> {
        for (ino, (path, node)) in (1..).zip(&self.nodes) {
            let entry = newc::Builder::new(path).ino(ino);
            let (entry, data): (_, &[u8]) = match node {
                Node::Dir { mode } => (entry.mode(DIRECTORY | mode).nlink(2), &[]),
                Node::File { mode, data } => (entry.mode(REGULAR | mode), data),
                Node::Symlink { target } => (entry.mode(SYMLINK | 0o777), target.as_bytes()),
                Node::CharDevice { mode, major, minor } => {
                    let entry = entry.mode(CHARACTER | mode);
                    (entry.rdev_major(*major).rdev_minor(*minor), &[])
                }
            };
            let size = u32::try_from(data.len()).map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidInput, format!("{path} is over 4 GiB"))
            })?;
            let mut writer = entry.write(to, size);
            writer.write_all(data)?;
            to = writer.finish()?;
        }
        newc::trailer(to)?.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn parents_come_first_and_what_is_read_back_is_what_was_put() {
        let mut archive = Archive::default();
        archive.put(
            "/a/b/file",
            Node::File {
                mode: 0o600,
                data: b"hello".to_vec(),
            },
        );
        archive.put("/a", Node::Dir { mode: 0o700 });
        archive.put(
            "/bin/sh",
            Node::Symlink {
                target: "busybox".into(),
            },
        );
        archive.put(
            "/dev/console",
            Node::CharDevice {
                mode: 0o600,
                major: 5,
                minor: 1,
            },
        );
        let mut bytes = Vec::new();
        archive.write(&mut bytes).unwrap();

        let mut read = Vec::new();
        let mut rest = bytes.as_slice();
        loop {
            let mut entry = newc::Reader::new(rest).unwrap();
            if entry.entry().is_trailer() {
                break;
            }
            let mut data = String::new();
            entry.read_to_string(&mut data).unwrap();
            let e = entry.entry();
            read.push((
                e.name().to_owned(),
                e.mode(),
                e.mtime(),
                e.rdev_major(),
                e.rdev_minor(),
                data,
            ));
            rest = entry.finish().unwrap();
        }
        let row = |name: &str, mode, major, minor, data: &str| {
            (name.to_owned(), mode, 0, major, minor, data.to_owned())
        };
        assert_eq!(
            read,
            [
                row("a", 0o040_700, 0, 0, ""),
                row("a/b", 0o040_755, 0, 0, ""),
                row("a/b/file", 0o100_600, 0, 0, "hello"),
                row("bin", 0o040_755, 0, 0, ""),
                row("bin/sh", 0o120_777, 0, 0, "busybox"),
                row("dev", 0o040_755, 0, 0, ""),
                row("dev/console", 0o020_600, 5, 1, ""),
            ]
        );
    }

    #[test]
    fn equal_content_gives_equal_bytes_whatever_the_order() {
        let (mut one, mut two) = (Archive::default(), Archive::default());
        let node = |byte| Node::File {
            mode: 0o644,
            data: vec![byte; 7],
        };
        one.put("/x", node(1));
        one.put("/y", node(2));
        two.put("/y", node(2));
        two.put("/x", node(1));
        let (mut a, mut b) = (Vec::new(), Vec::new());
        one.write(&mut a).unwrap();
        two.write(&mut b).unwrap();
        assert_eq!(a, b);
    }
}
