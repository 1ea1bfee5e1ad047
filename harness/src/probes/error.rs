// SPDX-License-Identifier: GPL-2.0-or-later
//! Why probes could not be had.

use std::io;

use camino::Utf8PathBuf;

/// Why the probes of a kernel could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {path}: {source}; check that it exists and may be read")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The table is not TOML, or not of its schema; the cause points at line and column.
    #[error("{path} is not a table of probes: {source}")]
    Toml {
        /// The table.
        path: Utf8PathBuf,
        /// The cause.
        source: Box<toml::de::Error>,
    },
    /// A probe contradicts itself or another one.
    #[error("{path}: probe {probe:?}: {problem}")]
    Table {
        /// The table.
        path: Utf8PathBuf,
        /// Name of the probe.
        probe: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A vmlinux is no ELF file.
    #[error(
        "{path} is not a kernel's vmlinux: {source}; give the uncompressed ELF file of the build"
    )]
    Elf {
        /// The vmlinux.
        path: Utf8PathBuf,
        /// The cause.
        source: object::Error,
    },
    /// Its debug information is absent.
    #[error("{path} has no debug information; build the kernel with CONFIG_DEBUG_INFO_DWARF5=y")]
    NoDwarf {
        /// The vmlinux.
        path: Utf8PathBuf,
    },
    /// Its debug information is broken.
    #[error("the debug information of {path} cannot be read: {source}; build the kernel again")]
    Dwarf {
        /// The vmlinux.
        path: Utf8PathBuf,
        /// The cause.
        source: gimli::Error,
    },
    /// No complete type of that name.
    #[error(
        "{path} defines no {kind} {name}; this kernel's probes cannot be made from its debug information"
    )]
    NoType {
        /// The vmlinux.
        path: Utf8PathBuf,
        /// `struct` or `enum`.
        kind: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// A type lacks a member or enumerator.
    #[error(
        "{kind} {name} of {path} has no {member}; this kernel keeps it elsewhere and needs its own table of probes"
    )]
    NoMember {
        /// The vmlinux.
        path: Utf8PathBuf,
        /// `struct` or `enum`.
        kind: &'static str,
        /// The type's name.
        name: &'static str,
        /// The member or enumerator.
        member: &'static str,
    },
    /// A value is out of its range.
    #[error("{what} is {value} in {path}, which no kprobe can read")]
    OutOfRange {
        /// The vmlinux.
        path: Utf8PathBuf,
        /// Which value.
        what: &'static str,
        /// The value.
        value: i128,
    },
}

/// Why a probe cannot count in this kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unprobeable {
    /// No such function.
    #[error("this kernel has no function {function}")]
    Absent {
        /// The function.
        function: String,
    },
    /// Only copies with changed arguments.
    #[error("the compiler left of {function} only {}, whose arguments may differ", clones.join(", "))]
    OnlyClones {
        /// The function.
        function: String,
        /// Their symbols.
        clones: Vec<String>,
    },
    /// The function and copies of it.
    #[error(
        "the compiler made copies of {function} ({}), whose calls a probe would miss",
        clones.join(", ")
    )]
    Cloned {
        /// The function.
        function: String,
        /// Symbols of the copies.
        clones: Vec<String>,
    },
    /// Calls were merged into their callers.
    #[error("the compiler inlined {function} in {unit}, so that a probe would miss calls")]
    Inlined {
        /// The function.
        function: String,
        /// The source file.
        unit: String,
    },
}
