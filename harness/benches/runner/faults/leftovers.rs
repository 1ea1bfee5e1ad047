// SPDX-License-Identifier: GPL-2.0-or-later
//! What a run leaves behind, whatever ended it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::figures::Result;
use crate::process::Mark;

/// How long the kernel may take to end what dies with swapmig.
const GRACE: Duration = Duration::from_secs(5);

/// What was there before.
pub(super) struct Before {
    shared_memory: BTreeSet<PathBuf>,
}

impl Before {
    pub(super) fn now() -> Self {
        Self {
            shared_memory: names(Path::new("/dev/shm")),
        }
    }

    /// What is left outside of a run's folder: processes, files, sockets, disks, memory.
    /// `temporary` is the only place where swapmig was told to put temporary files.
    pub(super) fn left(&self, mark: &Mark, temporary: &Path) -> Result<Vec<String>> {
        let until = Instant::now() + GRACE;
        let mut left = mark.living()?;
        while !left.is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
            left = mark.living()?;
        }
        let mut files = names(temporary);
        files.extend(
            names(Path::new("/dev/shm"))
                .difference(&self.shared_memory)
                .cloned(),
        );
        left.extend(files.iter().map(|path| path.display().to_string()));
        Ok(left)
    }
}

/// What is left within the folders of a run that went to its end: what one that is killed leaves
/// there is removed by the next.
pub(super) fn within(run: &Path, home: &Path) -> Vec<String> {
    let mut folders = [
        run,
        &home.join("guests"),
        &run.join("cells"),
        &run.join("attempts"),
    ]
    .map(Path::to_owned)
    .to_vec();
    folders.extend(names(&run.join("cells")));
    folders.extend(names(&run.join("attempts")));
    let files = folders.iter().flat_map(|folder| names(folder));
    files
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(".tmp") || name.starts_with("new-") || name == "scratch"
        })
        .map(|path| path.display().to_string())
        .collect()
}

fn names(folder: &Path) -> BTreeSet<PathBuf> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect()
}
