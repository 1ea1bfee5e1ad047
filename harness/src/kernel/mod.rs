// SPDX-License-Identifier: GPL-2.0-or-later
//! From a line and a variant to a kernel in the store.
//!
//! [`KernelStore::ensure`] is the way in. It is synchronous, may take minutes, and reports through
//! a callback; [`Cancel`](crate::home::Cancel) ends it early.

mod build;
mod config;
mod ensure;
mod error;
mod key;
mod objects;
mod patch;
mod progress;
mod run;
mod source;
mod store;
mod tools;
mod worktree;

pub use config::{LostSymbol, Requests};
pub use ensure::KernelStore;
pub use error::{HunkFailure, KernelError};
pub use key::{Ingredients, KernelKey};
pub use patch::PatchFile;
pub use progress::BuildProgress;
pub use source::SourceId;
pub use store::{Kernel, Manifest, Store};
pub use tools::{BUILD_TOOLS, BuildTool, ToolKind, compiler, require_tools};
pub use worktree::Worktree;
