// SPDX-License-Identifier: GPL-2.0-or-later
//! What a process has open, as `/proc` tells.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A running process.
pub(crate) struct Process(PathBuf);

impl Process {
    /// The one whose command line holds these words.
    pub(crate) fn with(words: &str) -> Self {
        let mut found = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let command = std::fs::read(path.join("cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&command).contains(words)
            });
        let only = found
            .next()
            .unwrap_or_else(|| panic!("no process has {words}"));
        assert!(found.next().is_none(), "several processes have {words}");
        Self(only)
    }

    /// This one.
    pub(crate) fn own() -> Self {
        Self("/proc/self".into())
    }

    /// What its descriptors are: paths, and such as `socket:[7]`.
    pub(crate) fn open(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join("fd")).unwrap();
        entries
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .map(|target| target.to_string_lossy().into_owned())
            .collect()
    }

    /// Names of the variables that it was started with.
    pub(crate) fn environment(&self) -> BTreeSet<String> {
        let environ = std::fs::read(self.0.join("environ")).unwrap();
        let entries = environ.split(|&byte| byte == 0);
        entries
            .filter_map(|entry| {
                let (name, _) = std::str::from_utf8(entry).ok()?.split_once('=')?;
                Some(name.to_owned())
            })
            .collect()
    }

    /// Files that are mapped into it.
    pub(crate) fn mapped(&self) -> BTreeSet<String> {
        let maps = std::fs::read_to_string(self.0.join("maps")).unwrap();
        maps.lines()
            .filter_map(|line| line.find('/').map(|at| line[at..].to_owned()))
            .collect()
    }

    /// The value of a field of its `status`.
    pub(crate) fn status(&self, field: &str) -> String {
        let status = std::fs::read_to_string(self.0.join("status")).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line[field.len()..]
            .trim_matches([':', '\t', ' '])
            .to_owned()
    }

    /// Its sockets that somebody else could connect to: TCP that listens, and Unix ones that
    /// listen or have a name.
    pub(crate) fn reachable_sockets(&self) -> Vec<String> {
        let own: BTreeSet<String> = self
            .open()
            .iter()
            .filter_map(|open| Some(open.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
            .collect();
        let is_own = |inode: Option<&&str>| inode.is_some_and(|&inode| own.contains(inode));
        let rows = |table: &str| -> Vec<String> {
            let table = std::fs::read_to_string(Path::new("/proc/net").join(table));
            table
                .unwrap_or_default()
                .lines()
                .skip(1)
                .map(str::to_owned)
                .collect()
        };
        let tcp = rows("tcp").into_iter().chain(rows("tcp6")).filter(|row| {
            let columns: Vec<_> = row.split_whitespace().collect();
            columns.get(3) == Some(&"0A") && is_own(columns.get(9))
        });
        let unix = rows("unix").into_iter().filter(|row| {
            let columns: Vec<_> = row.split_whitespace().collect();
            let flags = u32::from_str_radix(columns[3], 16).unwrap();
            // The kernel's __SO_ACCEPTCON.
            (flags & 0x10000 != 0 || columns.len() > 7) && is_own(columns.get(6))
        });
        tcp.chain(unix).collect()
    }
}
