// SPDX-License-Identifier: GPL-2.0-or-later
//! A vmlinux and its modules.

use std::path::{Path, PathBuf};

use super::binary::Binary;
use super::modules::Modules;
use super::{Error, Identity, Printed, Proof, Resolved, stack};
use crate::trace::Frame;

/// Resolves frames against one vmlinux and its modules.
pub struct Symbolizer {
    path: PathBuf,
    vmlinux: Binary,
    modules: Modules,
}

/// What a vmlinux can tell of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebugInfo {
    /// Functions, files and lines.
    Present,
    /// Names only: it was built without debug information, or that was stripped.
    Absent,
}

impl std::fmt::Display for DebugInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Present => "debug information is present",
            Self::Absent => {
                "names only: the vmlinux has no debug information; \
                 build with CONFIG_DEBUG_INFO_DWARF5=y to see lines"
            }
        })
    }
}

impl std::fmt::Debug for Symbolizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Symbolizer")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Symbolizer {
    /// Opens a vmlinux, or any ELF file with symbols.
    ///
    /// Split debug information is looked for as `vmlinux.dwp` beside it, then as the `.dwo`
    /// files that the build left.
    pub fn open(vmlinux: &Path) -> Result<Self, Error> {
        Ok(Self {
            path: vmlinux.to_owned(),
            vmlinux: Binary::open(vmlinux, None)?,
            modules: Modules::default(),
        })
    }

    /// Looks for modules in these folders and below, as `.ko` and `.ko.debug` files.
    ///
    /// Links are not followed. The first file wins that is of the kernel and has debug
    /// information. Fails when a folder cannot be read.
    pub fn with_modules(mut self, folders: &[PathBuf]) -> Result<Self, Error> {
        self.modules = Modules::under(folders)?;
        Ok(self)
    }

    /// Which kernel the vmlinux is.
    pub fn identity(&self) -> &Identity {
        self.vmlinux.identity()
    }

    /// What the vmlinux can tell of a frame.
    pub fn debug_info(&self) -> DebugInfo {
        match self.vmlinux.has_debug_info() {
            true => DebugInfo::Present,
            false => DebugInfo::Absent,
        }
    }

    pub(super) fn vmlinux(&self) -> &Binary {
        &self.vmlinux
    }

    /// Refuses a vmlinux that is not the kernel that printed a log.
    ///
    /// Build ids decide where both sides have one, else releases. What is returned says
    /// how sure it is.
    pub fn check(&self, printed: &Printed) -> Result<Proof, Error> {
        self.identity()
            .proof(printed)
            .ok_or_else(|| Error::OtherKernel {
                path: self.path.clone(),
                printed: printed.to_string(),
                found: self.identity().to_string(),
            })
    }

    /// What each frame of a stack is, the stack being innermost first.
    ///
    /// A return address is resolved to its call. Of several functions of one name the one is
    /// taken that has the printed size, then the one that the frames around it call or are
    /// called by.
    pub fn resolve(&self, stack: &[Frame]) -> Vec<Resolved> {
        stack::resolve(stack, |frame| match frame.module {
            Some(_) => self.modules.find(frame, &self.vmlinux),
            None => Ok(&self.vmlinux),
        })
    }
}
