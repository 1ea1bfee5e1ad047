// SPDX-License-Identifier: GPL-2.0-or-later
//! The symbolizer.

use std::path::Path;

use addr2line::{Context, Frame};
use gimli::{EndianSlice, RunTimeEndian};
use object::Object;
use self_cell::self_cell;

use super::Error;
use super::image::Image;
use super::symbols::Symbols;
use crate::trace::Pc;

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// Where every kernel has its entry; tells where the source tree begins.
const ENTRY: (&str, &str) = ("start_kernel", "init/main.c");

/// A function at a place of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFrame {
    /// Function name.
    pub function: String,
    /// Source file, relative to the kernel tree.
    pub file: Option<String>,
    /// Line in the file, from 1.
    pub line: Option<u32>,
    /// True when it was inlined into the next frame.
    pub inlined: bool,
}

/// Resolves frames against one vmlinux.
pub struct Symbolizer {
    cell: Loaded,
}

/// What borrows from the image.
struct Debug<'a> {
    context: Context<Slice<'a>>,
    symbols: Symbols<'a>,
    /// Directory of the kernel's source, with a trailing slash.
    root: Option<String>,
}

self_cell!(
    struct Loaded {
        owner: Image,

        #[not_covariant]
        dependent: Debug,
    }
);

impl std::fmt::Debug for Symbolizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Symbolizer").finish_non_exhaustive()
    }
}

impl Symbolizer {
    /// Opens a vmlinux, or any ELF file with DWARF.
    pub fn open(vmlinux: &Path) -> Result<Self, Error> {
        let image = Image::open(vmlinux)?;
        let cell = Loaded::try_new(image, |image| Debug::load(image, vmlinux))?;
        Ok(Self { cell })
    }

    /// What `symbol+offset/size` is, innermost first: inlined functions, then the one they are in.
    ///
    /// A return address is resolved to its call. An unknown symbol gives nothing.
    pub fn resolve(&self, symbol: &str, offset: u64, size: u64, pc: Pc) -> Vec<SourceFrame> {
        self.cell
            .with_dependent(|_, debug| debug.resolve(symbol, offset, size, pc))
    }
}

impl<'a> Debug<'a> {
    fn load(image: &'a Image, path: &Path) -> Result<Self, Error> {
        let file = object::File::parse(image.bytes()).map_err(|source| Error::Elf {
            path: path.to_owned(),
            source,
        })?;
        let endian = if file.is_little_endian() {
            RunTimeEndian::Little
        } else {
            RunTimeEndian::Big
        };
        let dwarf = |source| Error::Dwarf {
            path: path.to_owned(),
            source,
        };
        let sections = gimli::Dwarf::load(|id| {
            Ok::<_, gimli::Error>(EndianSlice::new(image.section(&file, id), endian))
        })
        .map_err(dwarf)?;
        let context = Context::from_dwarf(sections).map_err(dwarf)?;
        let mut debug = Self {
            context,
            symbols: Symbols::read(&file),
            root: None,
        };
        debug.root = debug.root();
        Ok(debug)
    }

    fn root(&self) -> Option<String> {
        let address = self.symbols.address(ENTRY.0, 0)?;
        let file = self.context.find_location(address).ok()??.file?;
        file.strip_suffix(ENTRY.1).map(str::to_owned)
    }

    fn resolve(&self, symbol: &str, offset: u64, size: u64, pc: Pc) -> Vec<SourceFrame> {
        let Some(start) = self.symbols.address(symbol, size) else {
            return Vec::new();
        };
        // The return address may already belong to the next line or block; offset 0 has no call before it.
        let back = u64::from(pc == Pc::Return && offset > 0);
        let Some(probe) = start.checked_add(offset).map(|at| at - back) else {
            return Vec::new();
        };
        let mut frames = self.frames(probe).unwrap_or_default();
        if let Some((outermost, inlined)) = frames.split_last_mut() {
            outermost.inlined = false;
            for frame in inlined {
                frame.inlined = true;
            }
        }
        frames
    }

    fn frames(&self, probe: u64) -> Result<Vec<SourceFrame>, gimli::Error> {
        let directory = self.directory(probe);
        let mut frames = self.context.find_frames(probe).skip_all_loads()?;
        let mut found = Vec::new();
        while let Some(frame) = frames.next()? {
            found.extend(self.frame(&frame, directory.as_deref()));
        }
        Ok(found)
    }

    fn frame(&self, frame: &Frame<'_, Slice<'a>>, directory: Option<&str>) -> Option<SourceFrame> {
        let function = frame.function.as_ref()?.demangle().ok()?.into_owned();
        let location = frame.location.as_ref();
        let roots = [self.root.as_deref(), directory];
        Some(SourceFrame {
            function,
            file: location
                .and_then(|l| l.file)
                .map(|file| relative(file, &roots)),
            line: location.and_then(|l| l.line).filter(|&line| line > 0),
            inlined: false,
        })
    }

    /// The directory that the unit at an address was compiled in.
    fn directory(&self, probe: u64) -> Option<String> {
        let unit = self.context.find_dwarf_and_unit(probe).skip_all_loads()?;
        let directory = unit.comp_dir.as_ref()?.to_string_lossy();
        Some(format!("{}/", directory.trim_end_matches('/')))
    }
}

/// A file's path within the tree, `roots` being where that may begin.
fn relative(file: &str, roots: &[Option<&str>]) -> String {
    let within = roots
        .iter()
        .flatten()
        .find_map(|root| file.strip_prefix(root));
    let file = within.unwrap_or(file);
    let mut parts: Vec<&str> = Vec::new();
    for part in file.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_relative_to_the_tree() {
        let roots = [Some("/src/linux/"), Some("/obj/")];
        assert_eq!(relative("/src/linux/mm/rmap.c", &roots), "mm/rmap.c");
        assert_eq!(relative("/obj/../mm/rmap.c", &roots), "mm/rmap.c");
        assert_eq!(
            relative("/obj/./include/linux/mm.h", &roots),
            "include/linux/mm.h"
        );
        assert_eq!(relative("/elsewhere/a.c", &roots), "/elsewhere/a.c");
    }
}
