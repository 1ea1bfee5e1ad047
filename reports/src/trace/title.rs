// SPDX-License-Identifier: GPL-2.0-or-later
//! Normalisation: what differs between two prints of one crash must not be in its title.

use super::pattern::lazy;

/// Characters kept of a title.
const MAX_TITLE: usize = 160;

lazy!(
    ADDRESS =
        r"\b(?:0x[0-9a-fA-F]{5,}|[0-9a-f]*(?:[0-9][a-f]|[a-f][0-9])[0-9a-f]{6,}|[0-9a-f]{12,})\b"
);
lazy!(OFFSET = r"\+0x[0-9a-fA-F]+(?:/0x[0-9a-fA-F]+)?");
// Also at a name's end, if it is longer than any name's own number.
lazy!(NUMBER = r"\b(?:0x[0-9a-fA-F]+|[0-9]+)\b|[0-9]{6,}\b");
lazy!(SUFFIX = r"\.(?:isra|part|constprop|cold|llvm|lto_priv)(?:\.[0-9A-F]+)*\b");
lazy!(SPACE = r"\s+");

/// Normalises a title: addresses become `ADDR`, numbers `NUM`; offsets and compiler suffixes go.
///
/// Normalising a normalised title changes nothing.
pub fn normalize(title: &str) -> String {
    let printable: String = title
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let mut title = printable;
    // What one step removes may join what another step recognises.
    loop {
        let next = once(&title);
        if next == title {
            return title;
        }
        title = next;
    }
}

fn once(title: &str) -> String {
    let title = OFFSET.replace_all(title, "");
    let title = SUFFIX.replace_all(&title, "");
    let title = ADDRESS.replace_all(&title, "ADDR");
    let title = NUMBER.replace_all(&title, "NUM");
    let title = SPACE.replace_all(&title, " ");
    let short: String = title.chars().take(MAX_TITLE).collect();
    short.trim().to_owned()
}

/// A function's name without compiler suffixes; a Rust one as its source spells it.
pub(super) fn function(symbol: &str) -> String {
    if let Some(rust) = symbol
        .starts_with("_R")
        .then(|| rustc_demangle::try_demangle(symbol).ok())
        .flatten()
    {
        // The alternate form leaves out the hashes, which each build has its own of.
        return format!("{rust:#}").chars().take(MAX_TITLE).collect();
    }
    // A name that is all suffix must not vanish.
    let stripped = SUFFIX.replace_all(symbol, "");
    if stripped.is_empty() {
        symbol.to_owned()
    } else {
        stripped.into_owned()
    }
}

/// The names that one function is known by, the preferred one first.
///
/// A system call's entry has a name for each architecture and wrapper.
pub(super) fn names(symbol: &str) -> Vec<String> {
    let name = function(symbol);
    // An architecture's entry keeps the name of the call; every other wrapper goes.
    for architecture in [
        "__x64_", "__ia32_", "__arm64_", "__riscv_", "__s390x_", "__s390_",
    ] {
        if let Some(call) = name
            .strip_prefix(architecture)
            .filter(|rest| rest.starts_with("sys_") || rest.starts_with("compat_sys_"))
        {
            return vec![call.to_owned(), name.clone()];
        }
    }
    if let Some(entry) = name.strip_prefix("__se_") {
        let call = entry.strip_prefix("sys_").unwrap_or(entry);
        return vec![call.to_owned(), name.clone(), entry.to_owned()];
    }
    let wrappers = [
        "____sys_",
        "___sys_",
        "__sys_",
        "__do_sys_",
        "ksys_",
        "sys_",
        "compat_SyS_",
        "compat_SYSC_",
        "C_SYSC_",
        "SyS_",
        "SYSC_",
    ];
    for wrapper in wrappers {
        if let Some(call) = name.strip_prefix(wrapper).filter(|call| !call.is_empty()) {
            return vec![call.to_owned(), name.clone()];
        }
    }
    for family in ["smp_call_function", "synchronize_rcu"] {
        if name.len() > family.len() && name.starts_with(family) {
            return vec![family.to_owned(), name];
        }
    }
    if name == "synchronize_sched" {
        return vec!["synchronize_rcu".to_owned(), name];
    }
    vec![name]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_differs_between_prints_goes() {
        assert_eq!(
            normalize("WARNING in foo.isra.0+0x12/0x34"),
            "WARNING in foo"
        );
        assert_eq!(
            normalize("bad page at ffff888012345678 (pid 42)"),
            "bad page at ADDR (pid NUM)"
        );
        assert_eq!(normalize("a\x1b[0m\tb"), "a [0m b");
        assert_eq!(normalize("x86_64 udp6_lib"), "x86_64 udp6_lib");
    }

    #[test]
    fn suffixes() {
        assert_eq!(function("a.constprop.0.isra.0"), "a");
        assert_eq!(function("b.part.12.cold"), "b");
        assert_eq!(function("c.llvm.123456"), "c");
    }

    #[test]
    fn system_calls() {
        assert_eq!(names("__x64_sys_read"), ["sys_read", "__x64_sys_read"]);
        assert_eq!(
            names("__se_sys_read"),
            ["read", "__se_sys_read", "sys_read"]
        );
        assert_eq!(names("read_pages"), ["read_pages"]);
    }

    proptest! {
        #[test]
        fn idempotent(title in r"([ -~]|\.isra\.0|\+0x1f/0x2|0x[0-9a-f]{1,12}|\.cold|\PC){0,60}") {
            let once = normalize(&title);
            prop_assert_eq!(normalize(&once), once);
        }
    }
}
