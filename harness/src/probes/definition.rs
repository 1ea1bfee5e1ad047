// SPDX-License-Identifier: GPL-2.0-or-later
//! A probe's text, as the kernel takes it.

use swapmig_workloads::protocol::Probe;

use super::{AnonVma, Layout, Mapping, ProbeSpec};

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
}

/// Renders a probe for a kernel of the given layout.
pub(super) fn render(spec: &ProbeSpec, layout: &Layout) -> Probe {
    let folio = spec.folio;
    let flag = |arg, bit| format!("+{}({arg}):b1@{bit}/64", layout.flags);
    let mapping = layout.mapping;
    let mut parts = Parts::default();

    if spec.swapcache {
        parts.require("swapcache", flag(folio, layout.swapcache), "== 1");
        parts.require("swapbacked", flag(folio, layout.swapbacked), "== 1");
    } else {
        parts
            .fetches
            .push(format!("swapcache={}", flag(folio, layout.swapcache)));
        parts
            .fetches
            .push(format!("swapbacked={}", flag(folio, layout.swapbacked)));
        parts
            .conditions
            .push("(swapcache == 0 || swapbacked == 0)".into());
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
            flag(folio, layout.head),
            &format!("== {}", u8::from(large)),
        );
    }
    if let Some(mapped) = spec.mapped {
        let fetch = format!("+{}({folio}):s32", layout.mapcount);
        let condition = if mapped { "!=" } else { "==" };
        parts.require("mapcount", fetch, &format!("{condition} {UNMAPPED}"));
    }
    if let Some(arg) = spec.left_swapcache {
        parts
            .fetches
            .push(format!("othercache={}", flag(arg, layout.swapcache)));
        parts
            .fetches
            .push(format!("otherbacked={}", flag(arg, layout.swapbacked)));
        parts
            .conditions
            .push("(othercache == 0 || otherbacked == 0)".into());
    }
    Probe {
        name: spec.name.to_string(),
        definition: format!("{} {}", spec.function, parts.fetches.join(" ")),
        filter: parts.conditions.join(" && "),
    }
}
