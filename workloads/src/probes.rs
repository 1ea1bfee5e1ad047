// SPDX-License-Identifier: GPL-2.0-or-later
//! Kprobe events, counted by histogram triggers.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use swapmig_workloads::protocol::Probe;

const TRACING: &str = "/sys/kernel/tracing";
const GROUP: &str = "swapmig";
/// Lines of the kernel's error log that tell of the last error.
const ERROR_LINES: usize = 4;

/// The probes that the kernel took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Probes(BTreeMap<String, PathBuf>);

/// Why the kernel does not have a probe.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the name is not made of a-z, 0-9 and _")]
    Name,
    #[error("the {0} has more than one line")]
    Lines(&'static str),
    #[error("the {what} was refused ({source}): {log}")]
    Kernel {
        what: &'static str,
        source: io::Error,
        log: String,
    },
}

impl Probes {
    /// Arms what the kernel takes; the second part says why it refused the others.
    pub(crate) fn arm(wanted: &[Probe]) -> (Self, BTreeMap<String, String>) {
        let mut armed = Self::default();
        let mut refused = BTreeMap::new();
        for probe in wanted {
            match arm(probe) {
                Ok(histogram) => {
                    armed.0.insert(probe.name.clone(), histogram);
                }
                Err(error) => {
                    refused.insert(probe.name.clone(), error.to_string());
                }
            }
        }
        (armed, refused)
    }

    /// Hits so far; a probe whose histogram cannot be read is absent.
    pub(crate) fn hits(&self) -> BTreeMap<String, u64> {
        self.0
            .iter()
            .filter_map(|(name, histogram)| {
                Some((
                    name.clone(),
                    total_hits(&fs::read_to_string(histogram).ok()?)?,
                ))
            })
            .collect()
    }
}

fn arm(probe: &Probe) -> Result<PathBuf, Refused> {
    let Probe {
        name,
        definition,
        filter,
    } = probe;
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    {
        return Err(Refused::Name);
    }
    for (what, text) in [("definition", definition), ("filter", filter)] {
        if text.contains('\n') {
            return Err(Refused::Lines(what));
        }
    }
    let tracing = Path::new(TRACING);
    append(
        &tracing.join("kprobe_events"),
        &format!("p:{GROUP}/{name} {definition}"),
        "definition",
    )?;
    let event = tracing.join("events").join(GROUP).join(name);
    let condition = if filter.is_empty() {
        String::new()
    } else {
        format!(" if {filter}")
    };
    append(
        &event.join("trigger"),
        &format!("hist:keys=common_cpu{condition}"),
        "filter",
    )?;
    Ok(event.join("hist"))
}

fn append(file: &Path, line: &str, what: &'static str) -> Result<(), Refused> {
    OpenOptions::new()
        .append(true)
        .open(file)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|source| Refused::Kernel {
            what,
            source,
            log: last_error(),
        })
}

/// What the kernel's error log says last, on one line.
fn last_error() -> String {
    let log = fs::read_to_string(Path::new(TRACING).join("error_log")).unwrap_or_default();
    let lines: Vec<_> = log
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(ERROR_LINES)..].join(" | ")
}

/// The total that a histogram ends with.
fn total_hits(histogram: &str) -> Option<u64> {
    histogram
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix("Hits:"))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HISTOGRAM: &str = "\
# event histogram
#
# trigger info: hist:keys=common_cpu:vals=hitcount:sort=hitcount:size=2048 [active]
#

{ common_cpu:          1 } hitcount:          3
{ common_cpu:          0 } hitcount:         39

Totals:
    Hits: 42
    Entries: 2
    Dropped: 0
";

    #[test]
    fn the_total_of_a_histogram_is_read() {
        assert_eq!(total_hits(HISTOGRAM), Some(42));
        assert_eq!(total_hits(""), None);
    }

    #[test]
    fn a_probe_that_could_write_elsewhere_is_refused() {
        let probe = |name: &str, definition: &str| Probe {
            name: name.to_owned(),
            definition: definition.to_owned(),
            filter: String::new(),
        };
        assert!(matches!(arm(&probe("../x", "f")), Err(Refused::Name)));
        assert!(matches!(
            arm(&probe("x", "f\np:y g")),
            Err(Refused::Lines("definition"))
        ));
    }
}
