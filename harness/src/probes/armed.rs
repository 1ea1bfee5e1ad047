// SPDX-License-Identifier: GPL-2.0-or-later
//! The probes of one kernel, and what their counts mean.

use std::collections::{BTreeMap, BTreeSet};

use swapmig_reports::record::{Class, ClassCounts};
use swapmig_workloads::protocol::Probe;

use super::definition::render;
use super::{Error, Layout, ProbeSpec, Stage, Table, Unprobeable, Vmlinux};

/// A table of probes fitted to a kernel.
#[derive(Debug, Clone)]
pub struct Armed {
    table: Table,
    probes: Vec<Probe>,
    uncounted: Vec<Uncounted>,
}

/// A probe that this kernel cannot have; its class is not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uncounted {
    /// The probe's name.
    pub probe: String,
    /// The class that goes without a count because of it.
    pub class: Option<Class>,
    /// Why.
    pub reason: Unprobeable,
}

impl Armed {
    /// Fits a table to a kernel: reads its layout and leaves out the probes
    /// whose function would not show every call.
    ///
    /// # Errors
    /// Those of reading a vmlinux; a missing function is none, see [`Self::uncounted`].
    pub fn new(table: Table, vmlinux: &Vmlinux) -> Result<Self, Error> {
        let functions: BTreeSet<&str> = table
            .probes()
            .iter()
            .map(|probe| probe.function.as_str())
            .collect();
        let functions: Vec<&str> = functions.into_iter().collect();
        let (found, unprobeable) = vmlinux.inspect(&Layout::wanted(), &functions)?;
        let layout = Layout::from_types(vmlinux.path(), &found)?;
        Ok(Self::with_layout(table, &layout, &unprobeable))
    }

    /// Fits a table to a known layout; `unprobeable` by function name.
    pub fn with_layout(
        table: Table,
        layout: &Layout,
        unprobeable: &BTreeMap<String, Unprobeable>,
    ) -> Self {
        let mut probes = Vec::new();
        let mut uncounted = Vec::new();
        for spec in table.probes() {
            match unprobeable.get(&spec.function) {
                None => probes.push(render(spec, layout)),
                Some(reason) => uncounted.push(Uncounted {
                    probe: spec.name.to_string(),
                    class: spec.counts.map(|(class, _)| class),
                    reason: reason.clone(),
                }),
            }
        }
        Self {
            table,
            probes,
            uncounted,
        }
    }

    /// The probes to put into a job.
    pub fn probes(&self) -> &[Probe] {
        &self.probes
    }

    /// The probes that this kernel cannot have.
    pub fn uncounted(&self) -> &[Uncounted] {
        &self.uncounted
    }

    /// Counts by class, from hits by probe name.
    ///
    /// A class is absent, not zero, if the hits of any of its probes are missing.
    /// A folio that moved was attempted, whether or not the place where attempts are
    /// counted saw it: `attempted` is never less than `moved`.
    pub fn classify(&self, hits: &BTreeMap<String, u64>) -> BTreeMap<Class, ClassCounts> {
        let mut classes: BTreeMap<Class, Option<ClassCounts>> = BTreeMap::new();
        for spec in self.table.probes() {
            let Some((class, stage)) = spec.counts else {
                continue;
            };
            let entry = classes.entry(class).or_insert(Some(ClassCounts::default()));
            *entry = entry.zip(net_hits(spec, hits)).map(|(mut counts, net)| {
                let total = match stage {
                    Stage::Attempted => &mut counts.attempted,
                    Stage::Moved => &mut counts.moved,
                };
                *total = total.saturating_add(net);
                counts
            });
        }
        classes
            .into_iter()
            .filter_map(|(class, counts)| {
                let ClassCounts { attempted, moved } = counts?;
                Some((
                    class,
                    ClassCounts {
                        attempted: attempted.max(moved),
                        moved,
                    },
                ))
            })
            .collect()
    }
}

/// A probe's hits less those of its `minus`; absent when any of them is.
///
/// Two probes are read at two moments, so that the difference may fall below
/// zero by the folios in between.
fn net_hits(spec: &ProbeSpec, hits: &BTreeMap<String, u64>) -> Option<u64> {
    let own = *hits.get(spec.name.as_str())?;
    spec.minus.iter().try_fold(own, |net, name| {
        Some(net.saturating_sub(*hits.get(name.as_str())?))
    })
}
