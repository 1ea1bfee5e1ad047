// SPDX-License-Identifier: GPL-2.0-or-later
//! Patch files: which files they touch, and whether they apply.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek as _, Write as _};
use std::process::{Command, Output};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::error::{HunkFailure, KernelError};
use super::tools;

/// A unified diff, read and checked.
#[derive(Debug, Clone)]
pub struct PatchFile {
    path: Utf8PathBuf,
    bytes: Vec<u8>,
    targets: BTreeMap<Utf8PathBuf, Vec<String>>,
}

/// How GNU patch is run.
enum Mode {
    Try,
    Apply,
}

impl PatchFile {
    /// Read a patch file.
    pub fn read(path: &Utf8Path) -> Result<Self, KernelError> {
        let bytes = fs::read(path).map_err(KernelError::io("read", path))?;
        Self::parse(path, bytes)
    }

    /// Check the content of a patch file.
    pub fn parse(path: &Utf8Path, bytes: Vec<u8>) -> Result<Self, KernelError> {
        let targets = targets(&String::from_utf8_lossy(&bytes)).map_err(|(line, reason)| {
            KernelError::BadPatch {
                patch: path.to_owned(),
                line,
                reason,
            }
        })?;
        Ok(Self {
            path: path.to_owned(),
            bytes,
            targets,
        })
    }

    /// The file itself.
    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    /// Its content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The files that it touches, relative to the tree.
    pub fn targets(&self) -> impl Iterator<Item = &Utf8Path> {
        self.targets.keys().map(Utf8PathBuf::as_path)
    }

    /// Fail, naming file and hunk, unless the patch applies to `tree` without fuzz and touches its
    /// targets only.
    pub fn check(&self, tree: &Utf8Path, source_id: &str) -> Result<(), KernelError> {
        let output = self.patch(tree, Mode::Try)?;
        let text = String::from_utf8_lossy(&output.stdout);
        if let Some(what) = self.stray(&text) {
            return Err(self.touches_more(what));
        }
        if output.status.success() {
            return Ok(());
        }
        let mut failures = self.failures(&text);
        if failures.is_empty() {
            let mut last = Vec::new();
            text.lines()
                .chain(String::from_utf8_lossy(&output.stderr).lines())
                .for_each(|line| {
                    super::run::keep_last(&mut last, line);
                });
            failures.push(HunkFailure {
                file: tree.to_string(),
                hunk: None,
                detail: last.join(" / "),
            });
        }
        Err(KernelError::DoesNotApply {
            patch: self.path.clone(),
            source_id: source_id.to_owned(),
            failures,
        })
    }

    /// Apply the patch, which was checked, to `tree`.
    pub(super) fn apply(&self, tree: &Utf8Path) -> Result<(), KernelError> {
        let output = self.patch(tree, Mode::Apply)?;
        if output.status.success() {
            return Ok(());
        }
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        match text.contains("No space left on device") {
            true => Err(KernelError::DiskFull {
                path: tree.to_owned(),
            }),
            false => Err(KernelError::Program {
                program: "patch",
                status: output.status.to_string(),
                output: super::run::shown(text.trim()),
                remedy: "run it again: the source tree is brought back first",
            }),
        }
    }

    fn patch(&self, tree: &Utf8Path, mode: Mode) -> Result<Output, KernelError> {
        // From a file, so that what was hashed and checked is what is applied.
        let stdin = tempfile::tempfile()
            .and_then(|mut file| {
                file.write_all(&self.bytes)?;
                file.rewind()?;
                Ok(file)
            })
            .map_err(KernelError::io("copy", &self.path))?;
        let mut command = Command::new("patch");
        command.args([
            "--strip=1",
            "--fuzz=0",
            "--forward",
            "--batch",
            "--no-backup-if-mismatch",
            "--reject-file=-",
            // Every name in double quotes, so that none can pass for another.
            "--quoting-style=c",
        ]);
        if matches!(mode, Mode::Try) {
            command.arg("--dry-run");
        }
        command
            .arg(format!("--directory={tree}"))
            .env("LC_ALL", "C")
            .env_remove("POSIXLY_CORRECT")
            .stdin(stdin)
            .output()
            .map_err(|error| match tools::require_tools() {
                Err(missing) => missing,
                Ok(()) => KernelError::io("patch", tree)(error),
            })
    }

    /// What `patch --dry-run` would touch beside the targets, as it says it. GNU patch knows more
    /// forms of change than [`targets`] does, and the journal saves the targets alone.
    fn stray<'a>(&self, text: &'a str) -> Option<&'a str> {
        text.lines()
            .filter_map(|line| line.strip_prefix("checking "))
            .find(|&what| {
                !checked_file(what)
                    .is_some_and(|name| self.targets.contains_key(Utf8Path::new(name)))
            })
    }

    fn touches_more(&self, what: &str) -> KernelError {
        let name = what.split('"').nth(1).unwrap_or(what);
        let text = String::from_utf8_lossy(&self.bytes);
        let line = text.lines().position(|line| line.contains(name));
        KernelError::BadPatch {
            patch: self.path.clone(),
            line: line.map_or(1, |index| index + 1),
            reason: format!(
                "GNU patch would also change {}, and no unified diff does; \
                 write every change as a unified diff, with no renames and no changes of mode alone",
                super::run::shown(what)
            ),
        }
    }

    /// Read what `patch --dry-run` said.
    fn failures(&self, text: &str) -> Vec<HunkFailure> {
        let mut failures = Vec::new();
        let mut file = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("checking ").and_then(checked_file) {
                file = name.to_owned();
            } else if let Some(hunk) = line
                .strip_prefix("Hunk #")
                .filter(|l| l.contains(" FAILED"))
            {
                let number = hunk.split(' ').next().and_then(|n| n.parse::<usize>().ok());
                let headers = self.targets.get(Utf8Path::new(&file));
                let header = number
                    .and_then(|n| headers?.get(n.checked_sub(1)?))
                    .cloned()
                    .unwrap_or_default();
                failures.push(HunkFailure {
                    file: file.clone(),
                    hunk: number,
                    detail: header,
                });
            } else if line.starts_with("can't find file to patch")
                || line.contains("Ignoring previously applied")
            {
                let missing = line.starts_with("can't find");
                let (file, detail) = match missing {
                    true => (self.missing_targets(line), "the source has no such file"),
                    false => (file.clone(), "the source has the change already"),
                };
                failures.push(HunkFailure {
                    file,
                    hunk: None,
                    detail: detail.to_owned(),
                });
            } else if line.contains("Reversed (or previously applied) patch detected") {
                let detail = "the source has the change already".to_owned();
                failures.push(HunkFailure {
                    file: file.clone(),
                    hunk: None,
                    detail,
                });
            }
        }
        // A file that is taken as changed already also fails hunk by hunk: the first word says it all.
        let whole: Vec<_> = failures
            .iter()
            .filter(|f| f.hunk.is_none())
            .map(|f| f.file.clone())
            .collect();
        failures.retain(|f| f.hunk.is_none() || !whole.contains(&f.file));
        failures
    }

    /// The target whose header stands just before input line N of `can't find file … at input line N`.
    fn missing_targets(&self, line: &str) -> String {
        let number = line
            .rsplit(' ')
            .next()
            .and_then(|n| n.parse::<usize>().ok())
            .unwrap_or(usize::MAX);
        let text = String::from_utf8_lossy(&self.bytes);
        let before: Vec<_> = text.lines().take(number.saturating_sub(1)).collect();
        let header = before
            .iter()
            .rev()
            .find_map(|l| l.strip_prefix("+++ ").or_else(|| l.strip_prefix("--- ")));
        header
            .and_then(|h| target(h).ok().flatten())
            .map_or_else(|| "a file".to_owned(), Utf8PathBuf::into_string)
    }
}

/// The name in `file "NAME"`; a symbolic link or a file that is renamed has none.
fn checked_file(what: &str) -> Option<&str> {
    what.strip_prefix("file \"")?.strip_suffix('"')
}

/// Target → its hunks' headers; or the line and what is wrong with it.
fn targets(text: &str) -> Result<BTreeMap<Utf8PathBuf, Vec<String>>, (usize, String)> {
    let mut targets: BTreeMap<Utf8PathBuf, Vec<String>> = BTreeMap::new();
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .peekable();
    let mut current: Option<Utf8PathBuf> = None;
    while let Some((number, line)) = lines.next() {
        let refuse = |reason: &str| Err((number, reason.to_owned()));
        if [
            "rename from ",
            "copy from ",
            "GIT binary patch",
            "Binary files ",
        ]
        .iter()
        .any(|p| line.starts_with(p))
        {
            return refuse(
                "renames, copies and binary changes are not supported; write them as plain text changes",
            );
        }
        if let Some(old) = line.strip_prefix("--- ") {
            let Some((_, new)) = lines.next_if(|(_, next)| next.starts_with("+++ ")) else {
                continue;
            };
            let old = target(old).map_err(|reason| (number, reason))?;
            let new =
                target(new.trim_start_matches("+++ ")).map_err(|reason| (number + 1, reason))?;
            let file = match (old, new) {
                (Some(old), Some(new)) if old != new => {
                    return refuse(
                        "the two names of the file differ; a patch is applied with `patch -p1`",
                    );
                }
                (_, Some(file)) | (Some(file), None) => file,
                (None, None) => return refuse("neither name names a file"),
            };
            targets.entry(file.clone()).or_default();
            current = Some(file);
        } else if line.starts_with("@@ ") {
            let Some(file) = &current else {
                return refuse("a hunk without a file before it");
            };
            let Some((mut old, mut new)) = hunk_lengths(line) else {
                return refuse("this hunk header is malformed");
            };
            targets
                .entry(file.clone())
                .or_default()
                .push(line.to_owned());
            while old > 0 || new > 0 {
                let Some((number, body)) = lines.next() else {
                    return refuse("this hunk is shorter than its header says");
                };
                match body.as_bytes().first() {
                    Some(b' ' | b'\t') | None => {
                        (old, new) = (old.saturating_sub(1), new.saturating_sub(1))
                    }
                    Some(b'-') => old = old.saturating_sub(1),
                    Some(b'+') => new = new.saturating_sub(1),
                    Some(b'\\') => {}
                    Some(_) => return Err((number, "this line belongs to no hunk".to_owned())),
                }
            }
        }
    }
    if targets.values().all(Vec::is_empty) {
        return Err((
            1,
            "there is no hunk in it; a patch is a unified diff".to_owned(),
        ));
    }
    Ok(targets)
}

/// The file that `a/FILE<TAB>date` names; none for `/dev/null`.
fn target(header: &str) -> Result<Option<Utf8PathBuf>, String> {
    let name = header.split('\t').next().unwrap_or_default().trim_end();
    if name == "/dev/null" {
        return Ok(None);
    }
    let path = Utf8Path::new(name);
    let plain = path
        .components()
        .all(|c| matches!(c, Utf8Component::Normal(_)))
        && !name.starts_with('"');
    let stripped: Utf8PathBuf = path.components().skip(1).collect();
    if !plain || stripped.as_str().is_empty() {
        return Err(format!(
            "`{}` is no file within the kernel tree; names look like a/mm/migrate.c",
            name.escape_default()
        ));
    }
    Ok(Some(stripped))
}

/// Lines of the old and new file in `@@ -a,b +c,d @@`.
fn hunk_lengths(header: &str) -> Option<(u64, u64)> {
    let mut words = header.split(' ').skip(1);
    let length = |word: &str, sign: char| -> Option<u64> {
        match word.strip_prefix(sign)?.split_once(',') {
            Some((start, length)) => start.parse::<u64>().ok().and(length.parse().ok()),
            None => word.strip_prefix(sign)?.parse::<u64>().ok().map(|_| 1),
        }
    };
    let lengths = (length(words.next()?, '-')?, length(words.next()?, '+')?);
    (words.next()? == "@@").then_some(lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PatchFile, KernelError> {
        PatchFile::parse(Utf8Path::new("x.patch"), text.as_bytes().to_vec())
    }

    #[test]
    fn targets_are_read_with_their_hunks() {
        let patch = parse(
            "Subject: text\n--- a fake header\n\n--- a/mm/a.c\t2010-04-01\n+++ b/mm/a.c\n@@ -1,2 +1,2 @@\n x\n--- y\n+++ z\n\
             --- /dev/null\n+++ b/mm/new.c\n@@ -0,0 +1 @@\n+n\n",
        )
        .unwrap();
        assert_eq!(patch.targets().collect::<Vec<_>>(), ["mm/a.c", "mm/new.c"]);
    }

    #[test]
    fn paths_out_of_the_tree_are_refused() {
        for name in [
            "a/../../etc/passwd",
            "/etc/passwd",
            "../x",
            "a",
            "\"a/x\"",
            "a/./../x",
        ] {
            let error =
                parse(&format!("--- {name}\n+++ {name}\n@@ -1 +1 @@\n-a\n+b\n")).unwrap_err();
            assert!(
                error.to_string().starts_with("x.patch:1: "),
                "{name}: {error}"
            );
        }
    }

    #[test]
    fn what_is_no_patch_is_refused() {
        for text in [
            "",
            "hello\n",
            "--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n x\n",
            "--- a/x\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n",
        ] {
            assert!(
                matches!(parse(text), Err(KernelError::BadPatch { .. })),
                "{text}"
            );
        }
    }
}
