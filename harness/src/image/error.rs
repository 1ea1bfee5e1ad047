// SPDX-License-Identifier: GPL-2.0-or-later
//! Why an image could not be made.

use std::io;

use camino::Utf8PathBuf;

/// Why the guest's initramfs could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The guest binary has not been built.
    #[error("there is no guest binary at {path}; build it with ci/build-guest")]
    NoGuestBinary {
        /// Where it should be.
        path: Utf8PathBuf,
    },
    /// A program that must run without libraries needs a loader.
    #[error(
        "{path} is not statically linked, and the guest has no libraries for it; \
         build the guest binary with ci/build-guest, \
         and for busybox install the package busybox-static"
    )]
    NotStatic {
        /// The program.
        path: Utf8PathBuf,
    },
    /// A program of the host is absent.
    #[error(
        "{tool} is missing (looked for {looked_for}); install it with `apt-get install {package}`"
    )]
    NoTool {
        /// Its name.
        tool: &'static str,
        /// The paths tried.
        looked_for: String,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A library is absent.
    #[error(
        "{needed_by} needs the library {soname}, which is in none of {searched}; install its package"
    )]
    NoLibrary {
        /// The library.
        soname: String,
        /// The file that asks for it.
        needed_by: Utf8PathBuf,
        /// The folders searched.
        searched: String,
    },
    /// A file is no ELF file for the guest.
    #[error("{path} is not an x86-64 ELF file: {source}")]
    Elf {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        source: object::Error,
    },
    /// A file has a property that an image cannot hold.
    #[error("{path} cannot be put into the image: {problem}")]
    Unfit {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        problem: &'static str,
    },
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The image could not be written.
    #[error("cannot write {path}: {source}; check the free space and the rights of its folder")]
    Write {
        /// The file.
        path: Utf8PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// dropbearkey made no key.
    #[error("{path} made no host key: {problem}")]
    HostKey {
        /// The program.
        path: Utf8PathBuf,
        /// What it said, escaped and bounded.
        problem: String,
    },
    /// The client key could not be made.
    #[error("cannot make an ssh key for the run: {source}")]
    ClientKey {
        /// The cause.
        source: ssh_key::Error,
    },
}
