// SPDX-License-Identifier: GPL-2.0-or-later
//! How well the trace parser does on a folder of consoles with known titles.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use swapmig_reports::trace::{Kind, Report, parse};

/// The variable that names the folder.
pub(crate) const FOLDER: &str = "SWAPMIG_CRASH_CORPUS";

struct Case {
    name: String,
    keys: BTreeMap<String, String>,
    alt: Vec<String>,
    console: Vec<u8>,
}

impl Case {
    fn read(path: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(path)?;
        let mut keys = BTreeMap::new();
        let mut alt = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some(end) = rest.iter().position(|&b| b == b'\n') {
            let line = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            if line.is_empty() {
                break;
            }
            if let Some((key, value)) = line.split_once(':').filter(|_| !line.starts_with('#')) {
                let value = value.trim().to_owned();
                if key == "ALT" {
                    alt.push(value);
                } else {
                    keys.insert(key.to_owned(), value);
                }
            }
        }
        let marker = b"\n\nREPORT:\n";
        let end = rest
            .windows(marker.len())
            .position(|w| w == marker)
            .unwrap_or(rest.len());
        Ok(Self {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            keys,
            alt,
            console: rest[..end].to_vec(),
        })
    }

    fn key(&self, key: &str) -> &str {
        self.keys.get(key).map_or("", String::as_str)
    }
}

/// How many of some cases are right.
#[derive(Default)]
pub(crate) struct Score {
    pub(crate) hit: usize,
    pub(crate) of: usize,
}

impl Score {
    fn count(&mut self, hit: bool) -> bool {
        self.hit += usize::from(hit);
        self.of += 1;
        hit
    }

    /// 0 for no cases: nothing was shown.
    pub(crate) fn percent(&self) -> f64 {
        self.hit as f64 * 100.0 / self.of.max(1) as f64
    }
}

/// What is right of the first report of each case.
#[derive(Default)]
pub(crate) struct Scores {
    pub(crate) title: Score,
    pub(crate) kind: Score,
    pub(crate) corrupted: Score,
    pub(crate) panicked: Score,
    /// All the further titles, and no other, of cases that have some.
    pub(crate) alt: Score,
    /// Titles, by the type of the case.
    pub(crate) by_type: BTreeMap<String, Score>,
    /// Cases without a crash, in which nothing may be found.
    pub(crate) silent: Score,
    /// What is wrong, a line each.
    pub(crate) misses: Vec<String>,
}

impl Scores {
    /// Reads every case of a folder.
    pub(crate) fn of(folder: &Path) -> io::Result<Self> {
        let mut paths = std::fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        let mut scores = Self::default();
        for path in paths {
            scores.case(&Case::read(&path)?);
        }
        Ok(scores)
    }

    fn case(&mut self, case: &Case) {
        let reports = parse(&case.console);
        let first = reports.first();
        let title = first.map_or("", |report| report.title.as_str());
        if case.key("TITLE").is_empty() {
            if !self.silent.count(reports.is_empty()) {
                self.miss(case, "crash", "none", title);
            }
            return;
        }
        if !self.title.count(title == case.key("TITLE")) {
            self.miss(case, "title", case.key("TITLE"), title);
        }
        if !case.alt.is_empty() {
            let got = first.map_or(&[][..], |report| &report.alt_titles);
            if !self.alt.count(got == case.alt) {
                self.miss(case, "alt", &case.alt.join("; "), &got.join("; "));
            }
        }
        let want = match case.key("TYPE") {
            "" => Kind::Unknown.name(),
            want => want,
        };
        self.by_type
            .entry(want.to_owned())
            .or_default()
            .count(title == case.key("TITLE"));
        let kind = first.map_or("", |report| report.kind.name());
        if !self.kind.count(kind == want) {
            self.miss(case, "type", want, kind);
        }
        let is = |yes: &dyn Fn(&Report) -> bool| first.is_some_and(yes);
        let corrupted = is(&|report| report.corrupted.is_some());
        let want = case.key("CORRUPTED");
        if !self.corrupted.count(corrupted == (want == "Y")) {
            let why = first.and_then(|report| report.corrupted);
            self.miss(
                case,
                "corrupt",
                want,
                &why.map_or(String::new(), |why| why.to_string()),
            );
        }
        self.panicked
            .count(is(&|report| report.panicked) == (case.key("PANICKED") == "Y"));
    }

    fn miss(&mut self, case: &Case, what: &str, want: &str, got: &str) {
        let name = &case.name;
        self.misses
            .push(format!("{name:>5} {what:<7} want {want:?}  got {got:?}"));
    }
}
