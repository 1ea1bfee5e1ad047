// SPDX-License-Identifier: GPL-2.0-or-later
//! From what was seen of a cell to its result.

use std::collections::BTreeMap;

use swapmig_reports::record::{CellRecord, Expected, FORMAT, Sample};
use swapmig_reports::symbolize::Symbolizer;

use super::findings;
use super::livelock;
use super::observation::Observation;
use super::verdict::{Evidence, judge};
use crate::plan::PlannedCell;
use crate::probes::Armed;

/// Puts a cell's result together.
pub fn result(
    planned: &PlannedCell,
    expected: Expected,
    seen: Observation,
    armed: &Armed,
    symbolizer: Option<&Symbolizer>,
) -> CellRecord {
    let counted = |hits: &BTreeMap<String, u64>| {
        let mut hits = hits.clone();
        hits.retain(|probe, _| !seen.refused_probes.contains_key(probe));
        armed.classify(&hits)
    };
    let classes = counted(&seen.final_probes());
    let traces = findings::traces(&seen, symbolizer);
    let mut all = traces.workload;
    // A wrong page is noticed after the trace of what made it wrong.
    all.extend(findings::corruption(&seen));
    if all.is_empty() && !seen.progressed {
        all.extend(livelock::finding::finding(&seen.vcpus, symbolizer));
    }
    if all.is_empty() {
        all.extend(findings::refusals(&seen.ended, &classes, &planned.at_least));
    }
    let judgement = judge(&Evidence {
        ended: &seen.ended,
        started: seen.started,
        console_whole: seen.console.whole && !seen.tainted_meanwhile(),
        host_failed: seen.host_failed.as_deref(),
        host_late: seen.host_late.as_deref(),
        findings: &all,
        boot_traces: &traces.boot,
        classes: &classes,
        refused_probes: &seen.refused_probes,
        at_least: &planned.at_least,
        verified: seen.verified,
        expected: &expected,
    });
    CellRecord {
        format: FORMAT,
        cell: planned.id.clone(),
        status: judgement.status,
        reasons: judgement.reasons,
        as_expected: judgement.as_expected,
        expected,
        findings: all,
        classes,
        at_least: planned.at_least.clone(),
        pages_verified: seen.verified,
        host_late: seen.host_late,
        attempts: Vec::new(),
        samples: seen
            .samples
            .iter()
            .map(|sample| Sample {
                at_ms: sample.at_ms,
                classes: counted(&sample.probes),
                vmstat: sample.vmstat.clone(),
            })
            .collect(),
        vmstat: changed(&seen.before.vmstat, &seen.after.vmstat),
        buddyinfo: (seen.before.buddyinfo, seen.after.buddyinfo),
        swaps: (seen.before.swaps, seen.after.swaps),
        ended: seen.ended,
        timing: seen.timing,
    }
}

/// Counters that are not the same before and after; none when there is no "after".
fn changed(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
) -> BTreeMap<String, (u64, u64)> {
    after
        .iter()
        .map(|(name, &after)| {
            (
                name.clone(),
                (before.get(name).copied().unwrap_or(0), after),
            )
        })
        .filter(|(_, (before, after))| before != after)
        .collect()
}
