// SPDX-License-Identifier: GPL-2.0-or-later
//! Which CPU the host has: a guest that was saved on another one may not go on here.

/// The first CPU's model and features, as the host's kernel names them; empty where it names none.
pub fn host_cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names = |line: &&str| line.starts_with("model name") || line.starts_with("flags");
    let lines: Vec<_> = text
        .split("\n\n")
        .take(1)
        .flat_map(str::lines)
        .filter(names)
        .collect();
    lines.join("\n")
}
