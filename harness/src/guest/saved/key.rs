// SPDX-License-Identifier: GPL-2.0-or-later
//! The key of a saved guest: everything that a restored one must have in common with it, hashed.

use serde::{Deserialize, Serialize};
use swapmig_workloads::protocol;

use crate::accel::Accelerator;
use crate::guest::command::{CommandLine, Start};
use crate::plan::Machine;

/// Raised whenever the way from ingredients to a saved guest changes.
const RECIPE: u32 = 2;

/// Everything that a restored guest must have in common with the saved one.
#[derive(Debug, Clone, Copy)]
pub struct Ingredients<'a> {
    /// `qemu-system-x86_64 --version`, first line.
    pub qemu: &'a str,
    /// The accelerator.
    pub accelerator: Accelerator,
    /// What of the host the guest can tell, such as its CPU; see [`crate::accel::host`].
    pub host: &'a str,
    /// CPUs, memory, disk.
    pub machine: &'a Machine,
    /// Key of its kernel.
    pub kernel: &'a str,
    /// Digest of its image.
    pub image: &'a str,
}

/// The key of a saved guest: 32 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The key of a guest made of these.
    pub fn of(of: &Ingredients<'_>) -> Self {
        // The command line as it would be, but for the names of files.
        let arguments = CommandLine {
            accelerator: of.accelerator,
            machine: of.machine,
            kernel: "kernel".into(),
            initramfs: "initramfs".into(),
            console: "console".into(),
            start: Start::Restore,
        }
        .arguments()
        .join("\0");
        // Named one by one, so that a new field cannot be forgotten: not all are on that line.
        let Machine {
            cpus,
            memory_mib,
            swap_mib,
            swap_iops,
        } = of.machine;
        let numbers = format!(
            "{RECIPE} {} {cpus} {memory_mib} {swap_mib} {swap_iops}",
            protocol::VERSION
        );
        let mut hasher = blake3::Hasher::new_derive_key("swapmig saved guest key");
        for field in [
            &numbers,
            of.qemu,
            of.accelerator.name(),
            of.host,
            of.kernel,
            of.image,
            &arguments,
        ] {
            // The length keeps two fields from being read as one.
            hasher.update(&(field.len() as u64).to_le_bytes());
            hasher.update(field.as_bytes());
        }
        let mut hex = hasher.finalize().to_hex().to_string();
        hex.truncate(32);
        Self(hex)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_makes_another_guest() {
        let machine = Machine::default();
        let base = Ingredients {
            qemu: "7.2",
            accelerator: Accelerator::Tcg,
            host: "host",
            machine: &machine,
            kernel: "kernel",
            image: "image",
        };
        let other = |change: fn(&mut Machine)| {
            let mut machine = Machine::default();
            change(&mut machine);
            machine
        };
        let machines = [
            other(|m| m.cpus += 1),
            other(|m| m.memory_mib += 1),
            other(|m| m.swap_mib += 1),
            other(|m| m.swap_iops += 1),
        ];
        let mut all = vec![
            base,
            Ingredients { qemu: "8", ..base },
            Ingredients {
                accelerator: Accelerator::Kvm,
                ..base
            },
            Ingredients { host: "", ..base },
            Ingredients {
                kernel: "other",
                ..base
            },
            Ingredients {
                image: "other",
                ..base
            },
        ];
        all.extend(
            machines
                .iter()
                .map(|machine| Ingredients { machine, ..base }),
        );
        let keys: std::collections::BTreeSet<_> = all
            .iter()
            .map(|of| Key::of(of).as_str().to_owned())
            .collect();
        assert_eq!(keys.len(), all.len());
        assert_eq!(Key::of(&base), Key::of(&base));
    }
}
