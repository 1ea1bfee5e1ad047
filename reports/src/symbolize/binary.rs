// SPDX-License-Identifier: GPL-2.0-or-later
//! One ELF file: a vmlinux or a module.

use std::path::Path;

use object::{BinaryFormat, Object, ObjectSection, elf};
use self_cell::self_cell;

use super::debug::Debug;
use super::layout::{Layout, has_flag};
use super::sections::Sections;
use super::store::Store;
use super::symbols::Symbols;
use super::{Call, Error, Identity, Place, Resolved, Unresolved, call};
use crate::trace::{Frame, Pc};

/// Where every kernel has its entry; tells where the source tree begins.
const ENTRY: (&str, &str) = ("start_kernel", "init/main.c");

/// One ELF file.
pub(super) struct Binary {
    cell: Loaded,
    identity: Identity,
    /// Directory of the kernel's source, with a slash at its end.
    root: Option<String>,
}

/// What borrows from the file's bytes.
struct Parts<'a> {
    file: object::File<'a>,
    layout: Layout,
    symbols: Symbols<'a>,
    debug: Option<Debug<'a>>,
}

self_cell!(
    struct Loaded {
        owner: Store,

        #[not_covariant]
        dependent: Parts,
    }
);

impl Binary {
    /// Opens a file; `root` is where the kernel tree lies, if that is known.
    pub(super) fn open(path: &Path, root: Option<&str>) -> Result<Self, Error> {
        let store = Store::open(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let cell = Loaded::try_new(store, |store| Parts::load(store, path))?;
        let (identity, found) =
            cell.with_dependent(|_, parts| (Identity::of(&parts.file), parts.root()));
        Ok(Self {
            cell,
            identity,
            root: root.map(str::to_owned).or(found),
        })
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn root(&self) -> Option<&str> {
        self.root.as_deref()
    }

    pub(super) fn has_debug_info(&self) -> bool {
        self.cell.with_dependent(|_, parts| parts.debug.is_some())
    }

    /// Where the functions begin that a frame can be of.
    pub(super) fn find(&self, frame: &Frame) -> Result<Vec<u64>, Unresolved> {
        self.cell
            .with_dependent(|_, parts| parts.symbols.find(&frame.symbol, frame.size))
    }

    /// The source of a frame whose function begins at `start`.
    pub(super) fn source(&self, frame: &Frame, start: u64) -> Resolved {
        // A return address may already belong to the next line or block; offset 0 has no call
        // before it.
        let back = u64::from(frame.pc == Pc::Return && frame.offset > 0);
        let address = start
            .checked_add(frame.offset)
            .and_then(|at| at.checked_sub(back))
            .filter(|at| at - start < frame.size)
            .ok_or(Unresolved::NotCovered)?;
        self.cell.with_dependent(|_, parts| {
            let debug = parts.debug.as_ref().ok_or(Unresolved::NoDebugInfo)?;
            let found = debug.frames(address, &frame.symbol, self.root());
            match found.is_empty() {
                true => Err(Unresolved::NotCovered),
                false => Ok(found),
            }
        })
    }

    /// Where an address lies.
    pub(super) fn place(&self, address: u64) -> Option<Place> {
        self.cell
            .with_dependent(|_, parts| parts.symbols.around(address))
    }

    /// The call that returns to an address.
    pub(super) fn call(&self, after: u64) -> Option<Call> {
        self.cell.with_dependent(|_, parts| parts.call(after))
    }

    /// Where the call goes that returns to an address, if the instruction itself says so.
    pub(super) fn called(&self, after: u64) -> Option<u64> {
        self.cell.with_dependent(|_, parts| parts.called(after))
    }
}

impl<'a> Parts<'a> {
    fn load(store: &'a Store, path: &Path) -> Result<Self, Error> {
        let file = object::File::parse(store.bytes()).map_err(|source| Error::Elf {
            path: path.to_owned(),
            source,
        })?;
        if file.format() != BinaryFormat::Elf {
            return Err(Error::NotElf {
                path: path.to_owned(),
            });
        }
        let layout = Layout::of(&file);
        let debug = Debug::load(&Sections {
            store,
            path,
            file: &file,
            layout: &layout,
        })?;
        Ok(Self {
            symbols: Symbols::read(&file, &layout),
            file,
            layout,
            debug,
        })
    }

    fn root(&self) -> Option<String> {
        let entry = self.symbols.address(ENTRY.0)?;
        let file = self.debug.as_ref()?.file(entry)?;
        file.strip_suffix(ENTRY.1).map(str::to_owned)
    }

    fn called(&self, after: u64) -> Option<u64> {
        call::target(self.file.architecture(), self.code_before(after)?, after)
    }

    fn call(&self, after: u64) -> Option<Call> {
        let architecture = self.file.architecture();
        let code = self.code_before(after)?;
        match call::target(architecture, code, after) {
            Some(target) => Some(Call::Direct(target)),
            None => call::is_indirect(architecture, code).then_some(Call::Indirect),
        }
    }

    /// The last bytes of code before an address.
    fn code_before(&self, address: u64) -> Option<&'a [u8]> {
        self.file
            .sections()
            .filter(|section| has_flag(section, elf::SHF_EXECINSTR))
            .find_map(|section| {
                let end = address.checked_sub(self.layout.section(&section))?;
                let end = usize::try_from(end).ok()?;
                section
                    .data()
                    .ok()?
                    .get(end.saturating_sub(call::LENGTH)..end)
            })
    }
}
