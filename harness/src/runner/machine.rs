// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether a guest is the machine that its plan asks for.
//!
//! A kernel that finds one CPU where the plan wants two races with nobody, and its PASS says
//! less than the plan promises.

use crate::plan::Machine;

/// What a kernel may keep of its memory for itself, KASAN's shadow included, as a part of the whole.
const KEPT_AT_MOST: f64 = 0.5;

/// Says in which way a guest that counts so many CPUs and so much memory, in KiB, is another
/// machine than the one asked for.
pub fn difference(wanted: &Machine, cpus: u32, memory_kib: u64) -> Option<String> {
    if cpus != wanted.cpus {
        return Some(format!(
            "its kernel found {cpus} CPU(s), and the plan asks for {}",
            wanted.cpus
        ));
    }
    let given_kib = u64::from(wanted.memory_mib) * 1024;
    let least_kib = (given_kib as f64 * (1.0 - KEPT_AT_MOST)) as u64;
    let plausible = least_kib..=given_kib;
    (!plausible.contains(&memory_kib)).then(|| {
        format!(
            "its kernel counts {} MiB of memory, and the plan asks for {}",
            memory_kib / 1024,
            wanted.memory_mib
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_asked_for_has_all_cpus_and_most_of_the_memory() {
        let wanted = Machine::default();
        assert_eq!(difference(&wanted, 2, 400_000), None);
        assert!(difference(&wanted, 1, 400_000).is_some_and(|d| d.contains("1 CPU(s)")));
        assert!(difference(&wanted, 3, 400_000).is_some());
        assert!(difference(&wanted, 2, 200_000).is_some_and(|d| d.contains("195 MiB")));
        assert!(difference(&wanted, 2, 600_000).is_some());
    }
}
