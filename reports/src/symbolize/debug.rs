// SPDX-License-Identifier: GPL-2.0-or-later
//! The debug information of one file.

use std::sync::Arc;

use addr2line::{Context, Frame};
use gimli::{AbbreviationsCacheStrategy, SectionId};
use object::{Object, ObjectSection};

use super::nesting::Nesting;
use super::sections::{Sections, Slice};
use super::source::relative;
use super::split::Split;
use super::{Error, SourceFrame};

/// The debug information of one file.
pub(super) struct Debug<'a> {
    context: Context<Slice<'a>>,
    split: Split<'a>,
    nesting: Nesting<'a>,
}

impl<'a> Debug<'a> {
    /// Reads where the units are; [`None`] when the file has no debug information.
    pub(super) fn load(sections: &Sections<'a, '_>) -> Result<Option<Self>, Error> {
        let info = sections.file.section_by_name(SectionId::DebugInfo.name());
        if info.is_none_or(|section| section.size() == 0) {
            return Ok(None);
        }
        let damaged = |source| Error::Dwarf {
            path: sections.path.to_owned(),
            source,
        };
        let mut dwarf = gimli::Dwarf::load(|id| sections.load(id))?;
        dwarf.populate_abbreviations_cache(AbbreviationsCacheStrategy::All);
        let dwarf = Arc::new(dwarf);
        Ok(Some(Self {
            nesting: Nesting::of(Arc::clone(&dwarf)).map_err(damaged)?,
            context: Context::from_arc_dwarf(dwarf).map_err(damaged)?,
            split: Split::beside(sections.store, sections.path),
        }))
    }

    /// The file of an address, as the compiler was given it.
    pub(super) fn file(&self, address: u64) -> Option<&str> {
        let address = Some(address).filter(|&address| address < u64::MAX)?;
        self.context.find_location(address).ok()??.file
    }

    /// The functions at an address of `symbol`, innermost first; empty when none is known.
    ///
    /// `root` is where the kernel tree lies, with a slash at its end.
    pub(super) fn frames(
        &self,
        address: u64,
        symbol: &str,
        root: Option<&str>,
    ) -> Vec<SourceFrame> {
        // The last address has no end; readers count on one.
        if address == u64::MAX || !self.nesting.is_safe(address) {
            return Vec::new();
        }
        let mut found = self.read(address, symbol, root).unwrap_or_default();
        if let Some((outermost, inlined)) = found.split_last_mut() {
            outermost.inlined = false;
            for frame in inlined {
                frame.inlined = true;
            }
        }
        found
    }

    fn read(
        &self,
        address: u64,
        symbol: &str,
        root: Option<&str>,
    ) -> Result<Vec<SourceFrame>, gimli::Error> {
        let mut frames = self.split.finish(self.context.find_frames(address))?;
        let directory = self.directory(address);
        let roots = [root, directory.as_deref()];
        let mut found = Vec::new();
        while let Some(frame) = frames.next()? {
            found.push(source_frame(&frame, symbol, &roots));
        }
        Ok(found)
    }

    /// The directory that the unit at an address was compiled in.
    fn directory(&self, address: u64) -> Option<String> {
        let unit = self.split.finish(self.context.find_dwarf_and_unit(address));
        let directory = unit?.comp_dir.as_ref()?.to_string_lossy();
        Some(format!("{}/", directory.trim_end_matches('/')))
    }
}

fn source_frame(frame: &Frame<'_, Slice<'_>>, symbol: &str, roots: &[Option<&str>]) -> SourceFrame {
    // Assembly has lines and no functions.
    let function = match &frame.function {
        Some(function) => function.demangle().map(|name| name.into_owned()).ok(),
        None => None,
    };
    let location = frame.location.as_ref();
    SourceFrame {
        function: function.unwrap_or_else(|| symbol.to_owned()),
        file: location
            .and_then(|l| l.file)
            .map(|file| relative(file, roots)),
        line: location.and_then(|l| l.line).filter(|&line| line > 0),
        inlined: false,
    }
}
