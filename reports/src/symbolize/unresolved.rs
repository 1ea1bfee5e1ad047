// SPDX-License-Identifier: GPL-2.0-or-later
//! Why a frame has no place in the source.

use super::SourceFrame;

/// What a frame is, innermost first: inlined functions, then the one they are in.
pub type Resolved = Result<Vec<SourceFrame>, Unresolved>;

/// Why a frame has no place in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The log prints no offset: the function was inlined.
    #[error("the log prints no offset for it")]
    NoOffset,
    /// No code has that name.
    #[error("the kernel's file has no function of that name")]
    NoSymbol,
    /// The function has another size than the log prints.
    #[error("the log prints {printed} bytes for it, the file has {found}: it is of another build")]
    OtherSize {
        /// Size in bytes that the log prints.
        printed: u64,
        /// Size in bytes in the file, that of the closest function of the name.
        found: u64,
    },
    /// Too many functions of the trace contradict the file for the rest to be believed.
    #[error("most functions of the trace differ from the file: it is of another build")]
    OtherBuild,
    /// Several functions have that name and size, and the trace does not tell which.
    #[error("{candidates} functions have that name and size")]
    Ambiguous {
        /// How many.
        candidates: usize,
    },
    /// The file was built without debug information.
    #[error("the file has no debug information: build with CONFIG_DEBUG_INFO_DWARF5=y")]
    NoDebugInfo,
    /// The debug information does not cover it, as for some assembly.
    #[error("the debug information does not cover it")]
    NotCovered,
    /// No file of the module is in the given folders.
    #[error("its module is in none of the given folders")]
    NoModule,
    /// The module's files there are of another kernel.
    #[error("the module found is of another build")]
    OtherModule,
    /// The module's file there cannot be read.
    #[error("the module found cannot be read")]
    BadModule,
}
