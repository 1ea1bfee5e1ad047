// SPDX-License-Identifier: GPL-2.0-or-later
//! What of its host a guest can tell: one that was saved on another host may not go on here.

use super::Accelerator;

/// Under KVM the host's first CPU, its model and features, and the host's kernel, which decides
/// what of them a guest gets to see. Under emulation nothing.
pub fn host(accelerator: Accelerator) -> String {
    if accelerator == Accelerator::Tcg {
        return String::new();
    }
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names = |line: &&str| line.starts_with("model name") || line.starts_with("flags");
    let cpu = text
        .split("\n\n")
        .take(1)
        .flat_map(str::lines)
        .filter(names);
    let kernel = rustix::system::uname();
    let kernel = kernel.release().to_string_lossy();
    cpu.chain([kernel.as_ref()]).collect::<Vec<_>>().join("\n")
}
