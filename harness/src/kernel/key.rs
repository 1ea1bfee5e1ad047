// SPDX-License-Identifier: GPL-2.0-or-later
//! The key of a kernel: everything that it is made of, hashed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::source::SourceId;

/// Raised whenever the way from ingredients to a kernel changes.
const RECIPE: u32 = 1;

/// What a kernel is made of.
#[derive(Debug, Clone, Copy)]
pub struct Ingredients<'a> {
    /// The source.
    pub source: &'a SourceId,
    /// The patch, whole; none for the tree as it stands.
    pub patch: Option<&'a [u8]>,
    /// The config fragments, merged.
    pub config: &'a str,
    /// First line of the compiler's `--version`.
    pub compiler: &'a str,
}

/// The key of a kernel in the store: 32 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KernelKey(String);

impl KernelKey {
    /// The key of a kernel made of these.
    pub fn of(ingredients: &Ingredients<'_>) -> Self {
        Self::with_recipe(ingredients, RECIPE)
    }

    fn with_recipe(ingredients: &Ingredients<'_>, recipe: u32) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("swapmig kernel key");
        let mut field = |bytes: &[u8]| {
            // The length keeps two fields from being read as one.
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(&recipe.to_le_bytes());
        field(ingredients.source.name.as_bytes());
        field(ingredients.source.version.as_bytes());
        field(&[u8::from(ingredients.patch.is_some())]);
        field(ingredients.patch.unwrap_or_default());
        field(ingredients.config.as_bytes());
        field(ingredients.compiler.as_bytes());
        let mut hex = hasher.finalize().to_hex().to_string();
        hex.truncate(32);
        Self(hex)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KernelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_ingredient_changes_the_key() {
        let source = |name: &str, version: &str| SourceId {
            name: name.into(),
            version: version.into(),
        };
        let (a, version, name) = (source("a", "1"), source("a", "2"), source("b", "1"));
        let base = Ingredients {
            source: &a,
            patch: Some(b"patch"),
            config: "CONFIG_A=y\n",
            compiler: "gcc 12",
        };
        let all = [
            KernelKey::of(&base),
            KernelKey::of(&Ingredients {
                source: &version,
                ..base
            }),
            KernelKey::of(&Ingredients {
                source: &name,
                ..base
            }),
            KernelKey::of(&Ingredients {
                patch: Some(b"other"),
                ..base
            }),
            KernelKey::of(&Ingredients {
                patch: Some(b""),
                ..base
            }),
            KernelKey::of(&Ingredients {
                patch: None,
                ..base
            }),
            KernelKey::of(&Ingredients {
                config: "CONFIG_A=n\n",
                ..base
            }),
            KernelKey::of(&Ingredients {
                compiler: "gcc 13",
                ..base
            }),
            KernelKey::with_recipe(&base, RECIPE + 1),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert_eq!(KernelKey::of(&base), KernelKey::of(&base));
        assert!(all.iter().all(|k| k.as_str().len() == 32));
    }
}
