// SPDX-License-Identifier: GPL-2.0-or-later
//! Programs of the host that an image is made of or with.

use camino::Utf8PathBuf;

use super::Error;

/// Where to look for the host's programs, first hit wins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// A static busybox.
    pub busybox: Vec<Utf8PathBuf>,
    /// The ssh server.
    pub dropbear: Vec<Utf8PathBuf>,
    /// The maker of its host key.
    pub dropbearkey: Vec<Utf8PathBuf>,
}

impl Default for Tools {
    fn default() -> Self {
        let paths = |paths: &[&str]| paths.iter().map(Utf8PathBuf::from).collect();
        Self {
            busybox: paths(&["/bin/busybox", "/usr/bin/busybox"]),
            dropbear: paths(&["/usr/sbin/dropbear", "/usr/bin/dropbear"]),
            dropbearkey: paths(&["/usr/bin/dropbearkey", "/bin/dropbearkey"]),
        }
    }
}

impl Tools {
    pub(super) fn busybox(&self) -> Result<Utf8PathBuf, Error> {
        first("busybox", &self.busybox, "busybox-static")
    }

    pub(super) fn dropbear(&self) -> Result<Utf8PathBuf, Error> {
        first("dropbear", &self.dropbear, "dropbear-bin")
    }

    pub(super) fn dropbearkey(&self) -> Result<Utf8PathBuf, Error> {
        first("dropbearkey", &self.dropbearkey, "dropbear-bin")
    }
}

fn first(
    tool: &'static str,
    candidates: &[Utf8PathBuf],
    package: &'static str,
) -> Result<Utf8PathBuf, Error> {
    candidates
        .iter()
        .find(|path| path.is_file())
        .cloned()
        .ok_or_else(|| Error::NoTool {
            tool,
            looked_for: candidates
                .iter()
                .map(|path| path.as_str())
                .collect::<Vec<_>>()
                .join(", "),
            package,
        })
}
