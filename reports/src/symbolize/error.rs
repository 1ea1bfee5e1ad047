// SPDX-License-Identifier: GPL-2.0-or-later
//! Why a vmlinux cannot be used.

use std::path::PathBuf;

/// Why a vmlinux cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {path}: give the vmlinux that the kernel's build left")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no object file, or a damaged one.
    #[error("{path} is not a readable ELF file: build the kernel again")]
    Elf {
        /// The file.
        path: PathBuf,
        /// Why.
        source: object::Error,
    },
    /// The file has no readable debug information.
    #[error(
        "the debug information of {path} cannot be read: build with CONFIG_DEBUG_INFO_DWARF5=y"
    )]
    Dwarf {
        /// The file.
        path: PathBuf,
        /// Why.
        source: gimli::Error,
    },
}
