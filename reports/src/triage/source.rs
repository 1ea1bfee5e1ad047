// SPDX-License-Identifier: GPL-2.0-or-later
//! The code around a line of a kernel's source.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// Bytes of a source file that are looked at; the kernel's own are smaller.
const MAX_FILE: u64 = 16 << 20;
/// Lines shown before and after.
const CONTEXT: u32 = 2;

/// A kernel's source tree.
///
/// The names of files in it come from debug information or from a log: whatever they say,
/// nothing outside the tree is opened.
#[derive(Debug)]
pub struct SourceTree {
    root: PathBuf,
}

/// A line of a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Its number, from 1.
    pub number: u32,
    /// Its text, not yet safe to show.
    pub text: String,
}

impl SourceTree {
    /// A folder that holds a tree. Fails where there is no such folder.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let root = folder.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self { root })
    }

    /// The line and its neighbours; nothing where the tree has no such file or line.
    pub fn around(&self, file: &str, line: u32) -> Vec<SourceLine> {
        self.read(file, line).unwrap_or_default()
    }

    fn read(&self, file: &str, line: u32) -> Option<Vec<SourceLine>> {
        let path = self.within(Path::new(file))?;
        let file = File::open(path).ok()?.take(MAX_FILE);
        let first = line.saturating_sub(CONTEXT).max(1);
        let last = line.saturating_add(CONTEXT);
        let lines: Vec<_> = BufReader::new(file)
            .split(b'\n')
            .map_while(Result::ok)
            .zip(1..=last)
            .filter(|(_, number)| *number >= first)
            .map(|(bytes, number)| SourceLine {
                number,
                text: String::from_utf8_lossy(&bytes).into_owned(),
            })
            .collect();
        lines
            .iter()
            .any(|found| found.number == line)
            .then_some(lines)
    }

    /// The path of a regular file that lies within the tree, links followed.
    fn within(&self, file: &Path) -> Option<PathBuf> {
        let plain = file
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let path = self.root.join(plain.then_some(file)?).canonicalize().ok()?;
        (path.starts_with(&self.root) && path.is_file()).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(tree: &SourceTree, file: &str, line: u32) -> Vec<u32> {
        let lines = tree.around(file, line);
        lines.iter().map(|line| line.number).collect()
    }

    #[test]
    fn only_files_of_the_tree_are_read() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("linux");
        std::fs::create_dir_all(root.join("mm")).unwrap();
        let text = "one\ntwo\nthree\nfour\nfive\nsix\n";
        std::fs::write(root.join("mm/rmap.c"), text).unwrap();
        std::fs::write(outside.path().join("secret"), text).unwrap();
        std::os::unix::fs::symlink("../../secret", root.join("mm/link.c")).unwrap();
        let tree = SourceTree::open(&root).unwrap();
        assert_eq!(numbers(&tree, "mm/rmap.c", 3), [1, 2, 3, 4, 5]);
        assert_eq!(tree.around("mm/rmap.c", 3)[2].text, "three");
        assert_eq!(numbers(&tree, "mm/rmap.c", 1), [1, 2, 3]);
        assert_eq!(numbers(&tree, "mm/rmap.c", 6), [4, 5, 6]);
        let secret = outside.path().join("secret");
        for file in ["../secret", "mm/../../secret", "mm/link.c", "mm", ""] {
            assert!(numbers(&tree, file, 3).is_empty(), "{file}");
        }
        assert!(numbers(&tree, secret.to_str().unwrap(), 3).is_empty());
        assert!(numbers(&tree, "mm/rmap.c", 7).is_empty());
        assert!(numbers(&tree, "mm/rmap.c", u32::MAX).is_empty());
        assert!(numbers(&tree, "mm/rmap.c", 0).is_empty());
    }

    #[test]
    fn a_tree_is_a_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(SourceTree::open(file.path()).is_err());
        assert!(SourceTree::open(&file.path().join("absent")).is_err());
    }
}
