// SPDX-License-Identifier: GPL-2.0-or-later
//! A probe's text, as the kernel takes it.

use swapmig_workloads::protocol::Probe;

use super::{AnonVma, Arg, Layout, Mapping, ProbeSpec};

/// `mapping` of an anonymous folio is its anon_vma's address plus this.
const MAPPING_ANON: u64 = 1;
/// `mapping` of a KSM folio is its stable node's address plus this.
const MAPPING_KSM: u64 = 3;
/// Page of a folio that no page table maps, in `_mapcount`.
const UNMAPPED: i32 = -1;

/// Fetch arguments and the conditions on them, built in step.
#[derive(Default)]
struct Parts {
    fetches: Vec<String>,
    conditions: Vec<String>,
}

impl Parts {
    fn require(&mut self, name: &str, fetch: String, condition: &str) {
        self.fetches.push(format!("{name}={fetch}"));
        self.conditions.push(format!("{name} {condition}"));
    }

    /// A folio is in the swap cache by two flags; one of them missing is enough.
    fn outside_swapcache(&mut self, prefix: &str, folio: Arg, layout: &Layout) {
        for (name, bit) in [("cache", layout.swapcache), ("backed", layout.swapbacked)] {
            self.fetches
                .push(format!("{prefix}{name}={}", flag(layout, folio, bit)));
        }
        self.conditions
            .push(format!("({prefix}cache == 0 || {prefix}backed == 0)"));
    }
}

/// Fetches one of a folio's flags.
fn flag(layout: &Layout, folio: Arg, bit: u8) -> String {
    format!("+{}({folio}):b1@{bit}/64", layout.flags)
}

/// Renders a probe for a kernel of the given layout.
pub(super) fn render(spec: &ProbeSpec, layout: &Layout) -> Probe {
    let folio = spec.folio;
    let mapping = layout.mapping;
    let mut parts = Parts::default();

    if spec.swapcache {
        parts.require("swapcache", flag(layout, folio, layout.swapcache), "== 1");
        parts.require("swapbacked", flag(layout, folio, layout.swapbacked), "== 1");
    } else {
        parts.outside_swapcache("swap", folio, layout);
    }
    let low_bits = format!("+{mapping}({folio}):b2@0/64");
    match spec.mapping {
        Mapping::None => {
            parts.require("mapping", format!("+{mapping}({folio}):u64"), "== 0");
        }
        Mapping::Anon(state) => {
            parts.require("kind", low_bits, &format!("== {MAPPING_ANON}"));
            if let Some(state) = state {
                // The kernel reads without faulting, so that memory given back is safe to ask.
                let refcount = i64::from(layout.anon_vma_refcount) - MAPPING_ANON as i64;
                let condition = match state {
                    AnonVma::Live => "> 0",
                    AnonVma::Freed => "<= 0",
                };
                parts.require(
                    "refs",
                    format!("{refcount:+}(+{mapping}({folio})):s32"),
                    condition,
                );
            }
        }
        Mapping::Ksm => parts.require("kind", low_bits, &format!("== {MAPPING_KSM}")),
    }
    if let Some(large) = spec.large {
        parts.require(
            "head",
            flag(layout, folio, layout.head),
            &format!("== {}", u8::from(large)),
        );
    }
    if let Some(mapped) = spec.mapped {
        let fetch = format!("+{}({folio}):s32", layout.mapcount);
        let condition = if mapped { "!=" } else { "==" };
        parts.require("mapcount", fetch, &format!("{condition} {UNMAPPED}"));
    }
    if let Some(arg) = spec.left_swapcache {
        parts.outside_swapcache("other", arg, layout);
    }
    Probe {
        name: spec.name.to_string(),
        definition: format!("{} {}", spec.function, parts.fetches.join(" ")),
        filter: parts.conditions.join(" && "),
    }
}
