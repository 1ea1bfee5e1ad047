// SPDX-License-Identifier: GPL-2.0-or-later
//! Where a kernel keeps the fields that the probes read.

use camino::Utf8Path;

use super::Error;
use super::types::{Found, Wanted};

/// Offsets in bytes and bit numbers of one kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// `folio.flags`.
    pub flags: u32,
    /// `folio.mapping`.
    pub mapping: u32,
    /// `folio._mapcount`.
    pub mapcount: u32,
    /// `anon_vma.refcount`.
    pub anon_vma_refcount: u32,
    /// Bit of `flags`: in the swap cache, if `swapbacked` is set too.
    pub swapcache: u8,
    /// Bit of `flags`: backed by swap.
    pub swapbacked: u8,
    /// Bit of `flags`: more than one page.
    pub head: u8,
}

impl Layout {
    pub(super) fn wanted() -> Wanted {
        Wanted {
            structs: vec!["folio", "anon_vma"],
            enums: vec!["pageflags"],
        }
    }

    pub(super) fn from_types(path: &Utf8Path, found: &Found) -> Result<Self, Error> {
        let offset = |name: &'static str, member: &'static str| {
            let kind = "struct";
            let members = found.structs.get(name).ok_or_else(|| Error::NoType {
                path: path.to_owned(),
                kind,
                name,
            })?;
            let offset = *members.get(member).ok_or_else(|| Error::NoMember {
                path: path.to_owned(),
                kind,
                name,
                member,
            })?;
            u32::try_from(offset).map_err(|_| Error::OutOfRange {
                path: path.to_owned(),
                what: member,
                value: offset.into(),
            })
        };
        let bit = |member: &'static str| {
            let (kind, name) = ("enum", "pageflags");
            let values = found.enums.get(name).ok_or_else(|| Error::NoType {
                path: path.to_owned(),
                kind,
                name,
            })?;
            let value = *values.get(member).ok_or_else(|| Error::NoMember {
                path: path.to_owned(),
                kind,
                name,
                member,
            })?;
            match u8::try_from(value) {
                Ok(bit @ 0..64) => Ok(bit),
                _ => Err(Error::OutOfRange {
                    path: path.to_owned(),
                    what: member,
                    value,
                }),
            }
        };
        Ok(Self {
            flags: offset("folio", "flags")?,
            mapping: offset("folio", "mapping")?,
            mapcount: offset("folio", "_mapcount")?,
            anon_vma_refcount: offset("anon_vma", "refcount")?,
            swapcache: bit("PG_swapcache")?,
            swapbacked: bit("PG_swapbacked")?,
            head: bit("PG_head")?,
        })
    }
}
