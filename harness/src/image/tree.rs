// SPDX-License-Identifier: GPL-2.0-or-later
//! The static part of the image: a folder's files as they are.

use std::os::unix::fs::PermissionsExt;

use camino::Utf8Path;

use super::{Archive, Error, Node};

/// Puts the files below `from` into the archive, executable ones with mode 0755, others 0644.
pub(super) fn copy(from: &Utf8Path, archive: &mut Archive) -> Result<(), Error> {
    copy_below(from, "", archive)
}

fn copy_below(folder: &Utf8Path, inside: &str, archive: &mut Archive) -> Result<(), Error> {
    let failed = |source| Error::Read {
        path: folder.to_owned(),
        source,
    };
    for entry in folder.read_dir_utf8().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let name = format!("{inside}/{}", entry.file_name());
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            archive.put(&name, Node::Dir { mode: 0o755 });
            copy_below(path, &name, archive)?;
        } else if kind.is_file() {
            let unreadable = |source| Error::Read {
                path: path.to_owned(),
                source,
            };
            let executable =
                entry.metadata().map_err(unreadable)?.permissions().mode() & 0o111 != 0;
            let mode = if executable { 0o755 } else { 0o644 };
            archive.put(
                &name,
                Node::File {
                    mode,
                    data: read(path)?,
                },
            );
        } else {
            return Err(Error::Unfit {
                path: path.to_owned(),
                problem: "it is neither a file nor a folder",
            });
        }
    }
    Ok(())
}

/// A file's content.
pub(super) fn read(path: &Utf8Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}
