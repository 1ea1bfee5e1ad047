// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the project's data files are.

use camino::{Utf8Path, Utf8PathBuf};

use super::parse::read_toml;
use super::variant::VariantTable;
use super::{CatalogueError, Line, Name, Variant};

/// The directory `images`.
#[derive(Debug, Clone)]
pub struct Images {
    root: Utf8PathBuf,
}

impl Images {
    /// `$SWAPMIG_IMAGES`, else the first `images/kernels` above the executable, else above the
    /// crate that this program was built from.
    pub fn locate() -> Result<Self, CatalogueError> {
        if let Some(path) = std::env::var_os("SWAPMIG_IMAGES").filter(|v| !v.is_empty()) {
            let root = Utf8PathBuf::from(path.to_string_lossy().into_owned());
            if root.join("kernels").is_dir() {
                return Ok(Self::at(root));
            }
            return Err(CatalogueError::NoImages { looked: vec![root] });
        }
        let executable = std::env::current_exe()
            .ok()
            .and_then(|path| Utf8PathBuf::from_path_buf(path).ok());
        let looked: Vec<_> = executable
            .into_iter()
            .chain([Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR"))])
            .collect();
        looked
            .iter()
            .flat_map(|start| start.ancestors())
            .map(|dir| dir.join("images"))
            .find(|images| images.join("kernels").is_dir())
            .map(Self::at)
            .ok_or(CatalogueError::NoImages { looked })
    }

    /// The data in `root`.
    pub fn at(root: impl Into<Utf8PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory itself.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Names of the kernel lines, sorted.
    pub fn line_names(&self) -> Result<Vec<String>, CatalogueError> {
        let dir = self.root.join("kernels");
        let read = |source| CatalogueError::Read {
            path: dir.clone(),
            source,
        };
        let mut names = Vec::new();
        for entry in dir.read_dir_utf8().map_err(read)? {
            let entry = entry.map_err(read)?;
            if let Some(name) = entry.file_name().strip_suffix(".toml") {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// The kernel line called `name`.
    pub fn line(&self, name: &str) -> Result<Line, CatalogueError> {
        let known = self.line_names()?;
        if !known.iter().any(|k| k == name) {
            return Err(CatalogueError::UnknownLine {
                name: name.escape_default().to_string(),
                known,
            });
        }
        Line::read(
            &self.root,
            &self.root.join("kernels").join(format!("{name}.toml")),
        )
    }

    /// Every variant of a line, in the table's order.
    pub fn variants(&self, line: &Line) -> Result<Vec<Variant>, CatalogueError> {
        let dir = self.root.join("patches").join(line.name.as_str());
        let path = dir.join("variants.toml");
        let table: VariantTable = read_toml(&path)?;
        table.into_variants(&dir, &path)
    }

    /// The variant of a line called `name`.
    pub fn variant(&self, line: &Line, name: &str) -> Result<Variant, CatalogueError> {
        let variants = self.variants(line)?;
        let known = variants.iter().map(|v| v.name.to_string()).collect();
        variants
            .into_iter()
            .find(|v| v.name.as_str() == name)
            .ok_or_else(|| CatalogueError::UnknownVariant {
                line: line.name.to_string(),
                name: Name::parse(name)
                    .map_or_else(|_| name.escape_default().to_string(), |n| n.to_string()),
                known,
            })
    }
}
