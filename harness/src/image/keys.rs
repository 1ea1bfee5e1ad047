// SPDX-License-Identifier: GPL-2.0-or-later
//! The ssh keys of one run.

use std::fmt;
use std::process::Command;

use camino::Utf8Path;
use ssh_key::rand_core::OsRng;
use ssh_key::{Algorithm, LineEnding, PrivateKey, PublicKey};

use super::tree::read;
use super::{Error, Tools};

/// How much of a failed program's output an error repeats, in bytes.
const SAID_MAX: usize = 400;

/// The private key that the guest's root accepts.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientKey {
    openssh: String,
}

impl ClientKey {
    /// The key in OpenSSH's text form, unencrypted.
    pub fn as_openssh(&self) -> &str {
        &self.openssh
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey(…)")
    }
}

/// A client key and the line of `authorized_keys` that lets it in.
pub(super) fn client() -> Result<(ClientKey, String), Error> {
    let failed = |source| Error::ClientKey { source };
    let key = PrivateKey::random(&mut OsRng, Algorithm::Ed25519).map_err(failed)?;
    let openssh = key.to_openssh(LineEnding::LF).map_err(failed)?.to_string();
    let mut line = key.public_key().to_openssh().map_err(failed)?;
    line.push('\n');
    Ok((ClientKey { openssh }, line))
}

/// The server's key: in dropbear's own format, and the public half as it goes over the wire.
pub(super) struct HostKey {
    pub(super) dropbear: Vec<u8>,
    pub(super) public_blob: Vec<u8>,
}

/// Has dropbearkey make a host key, in a folder of its own within `dir`.
pub(super) fn host(tools: &Tools, dir: &Utf8Path) -> Result<HostKey, Error> {
    let program = tools.dropbearkey()?;
    let failed = |problem: String| Error::HostKey {
        path: program.clone(),
        problem,
    };
    let folder = tempfile::tempdir_in(dir).map_err(|source| Error::Write {
        path: dir.to_owned(),
        source,
    })?;
    let file = Utf8Path::from_path(folder.path())
        .ok_or_else(|| {
            failed("the folder for temporary files has a name that is not UTF-8".into())
        })?
        .join("host_ed25519");
    let output = Command::new(&program)
        .args(["-t", "ed25519", "-f", file.as_str()])
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = &output.stderr[..output.stderr.len().min(SAID_MAX)];
        return Err(failed(format!(
            "{}: {}",
            output.status,
            said.escape_ascii()
        )));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .find(|line| line.starts_with("ssh-ed25519 "))
        .ok_or_else(|| failed("it did not print the public key".into()))?;
    let public_blob = PublicKey::from_openssh(line)
        .and_then(|key| key.to_bytes())
        .map_err(|error| failed(format!("its public key cannot be read: {error}")))?;
    Ok(HostKey {
        dropbear: read(&file)?,
        public_blob,
    })
}
