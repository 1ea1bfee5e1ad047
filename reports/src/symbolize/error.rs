// SPDX-License-Identifier: GPL-2.0-or-later
//! Why a vmlinux cannot be used.

use std::path::PathBuf;

/// Why a vmlinux cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or folder cannot be read.
    #[error(
        "cannot read {path}: {source}; give the vmlinux that the kernel's build left, or a folder of modules that can be read"
    )]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no object file, or a damaged one.
    #[error(
        "{path} is not a readable ELF file: {source}; give the vmlinux that the kernel's build left, or one that is built again"
    )]
    Elf {
        /// The file.
        path: PathBuf,
        /// Why.
        source: object::Error,
    },
    /// The file is of another format than ELF.
    #[error("{path} is not an ELF file: give the vmlinux that the kernel's build left")]
    NotElf {
        /// The file.
        path: PathBuf,
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
    /// A compressed section claims more bytes than it can hold, or than are read of one file.
    #[error(
        "{section} of {path} claims {claimed} bytes uncompressed, more than it can hold or than \
         are read of one file: build with CONFIG_DEBUG_INFO_COMPRESSED_NONE=y"
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The section.
        section: String,
        /// Its size uncompressed, as the file has it.
        claimed: u64,
    },
    /// The vmlinux is not the kernel that printed the log.
    #[error(
        "{path} is not the kernel that printed the log: the log was printed by {printed}, the \
         file is {found}; give the vmlinux of the log's kernel, or none to see names only"
    )]
    OtherKernel {
        /// The file.
        path: PathBuf,
        /// What the log says.
        printed: String,
        /// What the file says.
        found: String,
    },
}
