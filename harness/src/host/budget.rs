// SPDX-License-Identifier: GPL-2.0-or-later
//! How much of the host guests may take, and how many fit into it.

use super::resources::{HostError, Resources};
use crate::plan::Machine;

/// What QEMU needs beside its guest's memory, in MiB.
const QEMU_MIB: u64 = 256;
/// What a cell's logs may take beside its swap disk, in MiB.
const LOGS_MIB: u64 = 64;
/// Disk that is left to others whatever happens, in MiB.
pub const DISK_RESERVE_MIB: u64 = 1024;

/// What one guest takes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// CPUs of the host. Half of the guest's: its workloads wait for the disk half of their time.
    pub cpus: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disk in MiB.
    pub disk_mib: u64,
}

impl Claim {
    /// Of a guest of this machine.
    pub fn of(machine: &Machine) -> Self {
        Self {
            cpus: usize::try_from(machine.cpus.div_ceil(2)).unwrap_or(usize::MAX),
            memory_mib: u64::from(machine.memory_mib) + QEMU_MIB,
            disk_mib: u64::from(machine.swap_mib) + LOGS_MIB,
        }
    }

    /// The part that has to be measured again before each guest, and the reserve of the disk with
    /// it: what the user has set is theirs to answer for.
    pub fn beside(self, shares: &Shares) -> Self {
        let unless = |set: Option<u64>, claim| if set.is_some() { 0 } else { claim };
        Self {
            cpus: self.cpus,
            memory_mib: unless(shares.memory_mib, self.memory_mib),
            disk_mib: unless(shares.disk_mib, self.disk_mib + DISK_RESERVE_MIB),
        }
    }

    /// What stands in the way of one more guest, if anything does.
    pub fn lacks(&self, there: &Resources) -> Option<HostError> {
        let no_room = |what, needed, there, option| HostError::NoRoom {
            what,
            needed,
            there,
            option,
        };
        if self.memory_mib > there.memory_mib {
            let (needed, there) = (self.memory_mib, there.memory_mib);
            return Some(no_room("memory", needed, there, "--host-memory"));
        }
        (self.disk_mib > there.disk_mib)
            .then(|| no_room("disk", self.disk_mib, there.disk_mib, "--host-disk"))
    }
}

/// What the user says that guests may take; what is absent is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shares {
    /// CPUs.
    pub cpus: Option<usize>,
    /// Memory in MiB.
    pub memory_mib: Option<u64>,
    /// Disk in MiB.
    pub disk_mib: Option<u64>,
}

/// What guests may take, all together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostBudget {
    /// CPUs.
    pub cpus: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Disk in MiB.
    pub disk_mib: u64,
}

impl HostBudget {
    /// What the user allows, and what is there where the user says nothing.
    pub fn new(shares: Shares, there: &Resources) -> Self {
        let disk = there.disk_mib.saturating_sub(DISK_RESERVE_MIB);
        Self {
            cpus: shares.cpus.unwrap_or(there.cpus),
            memory_mib: shares.memory_mib.unwrap_or(there.memory_mib),
            disk_mib: shares.disk_mib.unwrap_or(disk),
        }
    }

    /// How many guests fit at once; the first one gets its CPUs even if they are more than there are.
    ///
    /// # Errors
    /// When memory or disk have no room for one.
    pub fn guests(&self, claim: &Claim) -> Result<usize, HostError> {
        let room = Resources {
            cpus: self.cpus,
            memory_total_mib: self.memory_mib,
            memory_mib: self.memory_mib,
            disk_mib: self.disk_mib,
        };
        if let Some(lack) = claim.lacks(&room) {
            return Err(lack);
        }
        let by_cpus = (self.cpus / claim.cpus.max(1)).max(1) as u64;
        let by_memory = self.memory_mib / claim.memory_mib.max(1);
        let by_disk = self.disk_mib / claim.disk_mib.max(1);
        let guests = by_cpus.min(by_memory).min(by_disk);
        Ok(usize::try_from(guests).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THERE: Resources = Resources {
        cpus: 8,
        memory_total_mib: 16_384,
        memory_mib: 8_192,
        disk_mib: 100_000,
    };

    fn guests(shares: Shares) -> Result<usize, HostError> {
        HostBudget::new(shares, &THERE).guests(&Claim::of(&Machine::default()))
    }

    #[test]
    fn the_scarcest_of_all_decides() {
        assert_eq!(guests(Shares::default()).unwrap(), 8);
        let few = |cpus, memory_mib, disk_mib| Shares {
            cpus,
            memory_mib,
            disk_mib,
        };
        assert_eq!(guests(few(Some(3), None, None)).unwrap(), 3);
        assert_eq!(guests(few(None, Some(4 * 768), None)).unwrap(), 4);
        assert_eq!(guests(few(None, None, Some(2 * 576 + 1))).unwrap(), 2);
    }

    #[test]
    fn a_guest_that_does_not_fit_is_refused_with_the_way_out() {
        let error = guests(Shares {
            memory_mib: Some(700),
            ..Shares::default()
        })
        .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("768 MiB of memory"), "{text}");
        assert!(text.contains("--host-memory"), "{text}");
        let error = guests(Shares {
            disk_mib: Some(1),
            ..Shares::default()
        })
        .unwrap_err();
        assert!(error.to_string().contains("--host-disk"));
    }

    #[test]
    fn what_the_user_has_set_is_not_measured_again() {
        let set = Shares {
            memory_mib: Some(4096),
            ..Shares::default()
        };
        let none = Resources {
            memory_mib: 0,
            ..THERE
        };
        let claim = Claim::of(&Machine::default());
        assert!(claim.lacks(&none).is_some());
        assert!(claim.beside(&set).lacks(&none).is_none());
        let full = Resources {
            disk_mib: 0,
            ..THERE
        };
        assert!(claim.beside(&set).lacks(&full).is_some());
    }

    #[test]
    fn a_guest_with_more_cpus_than_the_host_runs_alone() {
        let machine = Machine {
            cpus: 64,
            ..Machine::default()
        };
        let budget = HostBudget::new(Shares::default(), &THERE);
        assert_eq!(budget.guests(&Claim::of(&machine)).unwrap(), 1);
    }
}
