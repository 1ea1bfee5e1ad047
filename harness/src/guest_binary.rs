// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the static binary is that becomes a guest's init.

use camino::{Utf8Path, Utf8PathBuf};

/// Its place within cargo's target folder.
const BUILT: &str = "x86_64-unknown-linux-gnu/release/swapmig-guest";

/// There is no guest binary.
#[derive(Debug, thiserror::Error)]
#[error(
    "The guest binary is in none of {looked}. Build it with ci/build-guest, or name one in SWAPMIG_GUEST."
)]
pub struct NoGuestBinary {
    looked: String,
}

/// Finds the guest binary: `$SWAPMIG_GUEST`, or where `ci/build-guest` puts it,
/// seen from this program's own place in cargo's target folder.
pub fn locate(swapmig: &Utf8Path) -> Result<Utf8PathBuf, NoGuestBinary> {
    let named = std::env::var("SWAPMIG_GUEST").ok().map(Utf8PathBuf::from);
    let candidates: Vec<_> = match named {
        Some(path) => vec![path],
        None => swapmig
            .ancestors()
            .skip(1)
            .take(3)
            .map(|dir| dir.join(BUILT))
            .collect(),
    };
    candidates
        .iter()
        .find(|path| path.is_file())
        .cloned()
        .ok_or_else(|| NoGuestBinary {
            looked: candidates
                .iter()
                .map(|path| path.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        })
}
