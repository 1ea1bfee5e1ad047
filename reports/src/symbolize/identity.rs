// SPDX-License-Identifier: GPL-2.0-or-later
//! Which kernel a file is, and which one a log was printed by.

use object::{Object, ObjectSection};

use crate::trace::Report;

/// What every kernel says of itself when it boots, before its release.
const BANNER: &[u8] = b"Linux version ";
/// What a module says of the kernel it was built for, before that one's release.
const MODULE_MAGIC: &[u8] = b"vermagic=";
/// Bytes of a release at most: `__NEW_UTS_LEN` of the kernel.
const RELEASE_MAX: usize = 64;
/// Bytes of a build id at least and at most.
const BUILD_ID_BYTES: std::ops::RangeInclusive<usize> = 8..=64;

/// Digits of a build id as the kernel prints it.
const PRINTED_DIGITS: usize = 40;

/// A GNU build id, in lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BuildId(String);

impl BuildId {
    /// A build id of hexadecimal digits, two a byte; [`None`] when it is none.
    pub fn parse(digits: &str) -> Option<Self> {
        let whole = digits.len().is_multiple_of(2)
            && BUILD_ID_BYTES.contains(&(digits.len() / 2))
            && digits.bytes().all(|b| b.is_ascii_hexdigit());
        whole.then(|| Self(digits.to_ascii_lowercase()))
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self::parse(&digits)
    }
}

impl std::fmt::Display for BuildId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// Which kernel a file is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `uname -r` of the kernel; for a module, of the kernel that it was built for.
    pub release: Option<String>,
    /// GNU build id of the file.
    pub build_id: Option<BuildId>,
}

/// Which kernel printed a log, as far as it says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// `uname -r` of the kernel.
    pub release: Option<String>,
    /// The kernel's build id, which `CONFIG_STACKTRACE_BUILD_ID` prints.
    pub build_id: Option<BuildId>,
}

/// What shows that a file is the kernel that printed a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The build id: it is this very build.
    BuildId,
    /// The release only: a kernel that was built again with other code has it too.
    Release,
    /// The log or the file says too little.
    Nothing,
}

impl Identity {
    pub(super) fn of(file: &object::File<'_>) -> Self {
        let build_id = file.build_id().ok().flatten().and_then(BuildId::of);
        let release = file.sections().find_map(|section| {
            let (before, end) = match section.name_bytes() {
                Ok(b".modinfo") => (MODULE_MAGIC, b' '),
                Ok(name) if name.starts_with(b".rodata") => (BANNER, b' '),
                _ => return None,
            };
            release(section.data().ok()?, before, end)
        });
        Self { release, build_id }
    }

    /// What shows that this is the kernel that printed a log; [`None`] when it is another one.
    pub(super) fn proof(&self, printed: &Printed) -> Option<Proof> {
        if let (Some(found), Some(printed)) = (&self.build_id, &printed.build_id) {
            return (found == printed).then_some(Proof::BuildId);
        }
        match (&self.release, &printed.release) {
            (Some(found), Some(printed)) => (found == printed).then_some(Proof::Release),
            _ => Some(Proof::Nothing),
        }
    }
}

impl Printed {
    /// What a report says of its kernel.
    pub fn of(report: &Report) -> Self {
        // Behind the release and the build's number: `… Not tainted 6.12.0 #1 0123…`.
        let build_id = report
            .text
            .lines()
            .filter(|line| line.trim_start().starts_with("CPU:"))
            .flat_map(str::split_ascii_whitespace)
            .filter(|word| word.len() == PRINTED_DIGITS)
            .find_map(BuildId::parse);
        Self {
            release: report.details.release.clone(),
            build_id,
        }
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        describe(f, self.release.as_deref(), self.build_id.as_ref())
    }
}

impl std::fmt::Display for Printed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        describe(f, self.release.as_deref(), self.build_id.as_ref())
    }
}

fn describe(
    f: &mut std::fmt::Formatter<'_>,
    release: Option<&str>,
    build_id: Option<&BuildId>,
) -> std::fmt::Result {
    // A log's bytes are shown escaped.
    let release = release.unwrap_or("unknown").escape_debug();
    match build_id {
        Some(id) => write!(f, "Linux {release} with build id {id}"),
        None => write!(f, "Linux {release}"),
    }
}

/// The word that follows `before`, up to `end`: a release begins with a digit.
fn release(data: &[u8], before: &[u8], end: u8) -> Option<String> {
    memchr::memmem::find_iter(data, before).find_map(|at| {
        let word = &data[at + before.len()..];
        let word = &word[..word.len().min(RELEASE_MAX + 1)];
        let word = &word[..memchr::memchr(end, word)?];
        let plain = word.iter().all(u8::is_ascii_graphic) && word.first()?.is_ascii_digit();
        plain.then(|| String::from_utf8_lossy(word).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_found_behind_its_banner() {
        let data = b"%s version %s\0Linux version %s (\0Linux version 6.12.0-rc1+ (a@b) (gcc)\0";
        assert_eq!(release(data, BANNER, b' ').as_deref(), Some("6.12.0-rc1+"));
        assert_eq!(release(b"Linux version 6.12.0", BANNER, b' '), None);
        let long = [BANNER, &[b'6'; 100], b" "].concat();
        assert_eq!(release(&long, BANNER, b' '), None);
    }

    #[test]
    fn a_build_id_is_whole_bytes_in_hexadecimal() {
        let id = "00112233445566778899aabbccddeeff00112233";
        assert_eq!(BuildId::parse(&id.to_uppercase()), BuildId::parse(id));
        assert_eq!(BuildId::parse(&id[1..]), None);
        assert_eq!(BuildId::parse("0011"), None);
        assert_eq!(
            BuildId::parse("zz112233445566778899aabbccddeeff00112233"),
            None
        );
    }
}
