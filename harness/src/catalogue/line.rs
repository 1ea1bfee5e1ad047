// SPDX-License-Identifier: GPL-2.0-or-later
//! A kernel line: where its source comes from and how it is configured.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::parse::{parse_toml, read_toml};
use super::{CatalogueError, Name};

/// A kernel line, such as `6.12`.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name.
    pub name: Name,
    /// What it is, a sentence.
    pub summary: String,
    /// Where its source comes from.
    pub source: Source,
    /// Config fragments, in the order in which they override each other.
    pub configs: Vec<Utf8PathBuf>,
    /// How long a build is likely to be.
    pub steps: Steps,
    /// How much disk its builds need.
    pub room: Room,
}

/// Where a line's source comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A tarball that a Debian package brings; the package's version is the source's.
    Package {
        /// Name of the package.
        package: Name,
        /// Absolute path of the tarball.
        tarball: Utf8PathBuf,
    },
    /// A tarball of any other origin; its content is its version.
    Tarball {
        /// Path of the tarball.
        tarball: Utf8PathBuf,
    },
}

/// Steps that make prints: a first guess at a build's length, replaced by what builds turn out to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// Of a build from nothing.
    pub whole: u64,
    /// Of a variant in an object tree that is complete.
    pub variant: u64,
}

/// Disk that a line takes, part by part. A build needs room for the parts that are not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Room {
    /// The unpacked source, in MiB.
    source: u32,
    /// A complete object tree, in MiB.
    objects: u32,
    /// One kernel, in the object tree and in the store, in MiB.
    kernel: u32,
}

impl Room {
    /// Bytes for a build that has to unpack the source.
    pub fn for_source(self) -> u64 {
        self.for_objects() + mib(self.source)
    }

    /// Bytes for a build from nothing in a source that is there.
    pub fn for_objects(self) -> u64 {
        self.for_kernel() + mib(self.objects)
    }

    /// Bytes for a build in an object tree that is complete.
    pub fn for_kernel(self) -> u64 {
        mib(self.kernel)
    }
}

fn mib(count: u32) -> u64 {
    u64::from(count) << 20
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLine {
    name: Name,
    summary: String,
    package: Option<Name>,
    tarball: Utf8PathBuf,
    configs: Vec<Name>,
    steps: Steps,
    room_mib: Room,
}

impl Line {
    /// Read `path`, a file of `images/kernels`.
    pub(super) fn read(images: &Utf8Path, path: &Utf8Path) -> Result<Self, CatalogueError> {
        read_toml(path).and_then(|raw| Self::from_raw(images, path, raw))
    }

    /// Parse the text of `path`, which stands in `images/kernels`.
    pub fn parse(images: &Utf8Path, path: &Utf8Path, text: &str) -> Result<Self, CatalogueError> {
        parse_toml(path, text).and_then(|raw| Self::from_raw(images, path, raw))
    }

    fn from_raw(images: &Utf8Path, path: &Utf8Path, raw: RawLine) -> Result<Self, CatalogueError> {
        if path.file_stem() != Some(raw.name.as_str()) {
            return Err(CatalogueError::OtherName {
                path: path.to_owned(),
                name: raw.name.to_string(),
            });
        }
        let tarball = path.parent().unwrap_or(Utf8Path::new("")).join(raw.tarball);
        let source = match raw.package {
            Some(package) => Source::Package { package, tarball },
            None => Source::Tarball { tarball },
        };
        let configs = raw
            .configs
            .iter()
            .map(|name| images.join("config").join(format!("{name}.config")))
            .collect();
        Ok(Self {
            name: raw.name,
            summary: raw.summary,
            source,
            configs,
            steps: raw.steps,
            room: raw.room_mib,
        })
    }
}
