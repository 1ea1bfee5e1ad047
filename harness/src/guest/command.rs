// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU's command line.

use camino::Utf8Path;

use super::confinement::Confinement;
use crate::accel::Accelerator;
use crate::plan::Machine;
use swapmig_workloads::protocol::{JOB_PORT, SSH_PORT};

/// Numbers under which QEMU inherits its sockets and its disk: none of them
/// has a name on the host, so none can collide, be guessed or be left behind.
#[derive(Debug, Clone, Copy)]
pub struct Descriptors {
    /// QMP.
    pub qmp: i32,
    /// The job channel.
    pub job: i32,
    /// The ssh channel.
    pub ssh: i32,
    /// The swap disk, a file without a name.
    pub swap: i32,
    /// The file that holds a saved guest's memory.
    pub memory: i32,
}

/// The numbers that every guest uses.
pub const DESCRIPTORS: Descriptors = Descriptors {
    qmp: 10,
    job: 11,
    ssh: 12,
    swap: 13,
    memory: 14,
};

/// How a guest comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It boots.
    Boot,
    /// It boots with its memory in a file, and can be saved.
    BootToSave,
    /// It goes on where a saved one was stopped, with a private copy of that one's memory.
    Restore,
}

/// Everything that QEMU's command line depends on.
#[derive(Debug, Clone, Copy)]
pub struct CommandLine<'a> {
    /// Accelerator.
    pub accelerator: Accelerator,
    /// CPUs, memory, disk.
    pub machine: &'a Machine,
    /// bzImage.
    pub kernel: &'a Utf8Path,
    /// Initramfs.
    pub initramfs: &'a Utf8Path,
    /// The file to whose end QEMU writes the serial console.
    pub console: &'a Utf8Path,
    /// How the guest comes to be.
    pub start: Start,
}

/// What a guest's kernel is told.
///
/// `panic=-1` with `-no-reboot` makes a panic end QEMU at once. The detectors'
/// times are long enough for an emulated guest; a slower one gets longer ones with its job.
/// Slabs are not merged, so that the anon_vma's are its own. Interrupts of PCI devices are
/// routed without ACPI, whose interpreter takes six seconds a device under KASAN and emulation.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 panic=-1 rdinit=/init pci=noacpi slab_nomerge page_owner=on mitigations=off \
     random.trust_cpu=on watchdog_thresh=30 sysctl.kernel.hung_task_timeout_secs=60 \
     rcupdate.rcu_cpu_stall_timeout=60 workqueue.watchdog_thresh=60";

impl CommandLine<'_> {
    /// The arguments, without the program.
    pub fn arguments(&self) -> Vec<String> {
        let machine = self.machine;
        let mut arguments: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| arguments.extend(words.iter().map(|&w| w.to_owned()));
        add(&self.accelerator.qemu_arguments());
        add(&[
            "-smp",
            &machine.cpus.to_string(),
            "-m",
            &format!("{}M", machine.memory_mib),
        ]);
        add(&[
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
        ]);
        add(&[
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
        ]);
        add(&[
            "-kernel",
            self.kernel.as_str(),
            "-initrd",
            self.initramfs.as_str(),
        ]);
        add(&["-append", KERNEL_ARGUMENTS]);
        add(&[
            "-chardev",
            &format!(
                "file,id=console,append=on,path={}",
                option_value(self.console)
            ),
        ]);
        add(&["-serial", "chardev:console"]);
        add(&["-chardev", &format!("socket,id=qmp,fd={}", DESCRIPTORS.qmp)]);
        add(&["-mon", "chardev=qmp,mode=control"]);
        add(&["-device", "virtio-serial-pci"]);
        for (id, fd, name) in [
            ("job", DESCRIPTORS.job, JOB_PORT),
            ("ssh", DESCRIPTORS.ssh, SSH_PORT),
        ] {
            add(&["-chardev", &format!("socket,id={id},fd={fd}")]);
            add(&[
                "-device",
                &format!("virtserialport,chardev={id},name={name}"),
            ]);
        }
        add(&[
            "-object",
            "rng-builtin,id=rng",
            "-device",
            "virtio-rng-pci,rng=rng",
        ]);
        let throttle = match machine.swap_iops {
            0 => String::new(),
            iops => format!(",throttling.iops-total={iops}"),
        };
        add(&[
            "-drive",
            &format!(
                "if=none,id=swap,file=/proc/self/fd/{},format=raw,cache=unsafe{throttle}",
                DESCRIPTORS.swap
            ),
        ]);
        add(&["-device", "virtio-blk-pci,drive=swap"]);
        let shared = match self.start {
            Start::Boot => return arguments,
            Start::BootToSave => "on",
            Start::Restore => "off",
        };
        add(&[
            "-object",
            &format!(
                "memory-backend-file,id=ram,size={}M,mem-path=/proc/self/fd/{},share={shared}",
                machine.memory_mib, DESCRIPTORS.memory
            ),
            "-machine",
            "memory-backend=ram",
        ]);
        if self.start == Start::Restore {
            add(&["-incoming", "defer"]);
        }
        arguments
    }

    /// All that QEMU may open of the host, its own program and libraries apart.
    pub fn files(&self) -> Confinement {
        // Without a memory file, that number may be anything that swapmig was started with.
        let memory = (self.start != Start::Boot).then_some(DESCRIPTORS.memory);
        let device = match self.accelerator {
            Accelerator::Kvm => Some("/dev/kvm".into()),
            Accelerator::Tcg => None,
        };
        Confinement {
            reads: [self.kernel, self.initramfs].map(Utf8Path::to_owned).into(),
            writes: std::iter::once(DESCRIPTORS.swap)
                .chain(memory)
                .map(|fd| format!("/proc/self/fd/{fd}").into())
                .chain([self.console.to_owned()])
                .chain(device)
                .collect(),
            inherits: Vec::new(),
        }
    }
}

/// QEMU splits an option's value at commas; a doubled one stands for itself.
fn option_value(path: &Utf8Path) -> String {
    path.as_str().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(machine: &Machine, start: Start) -> CommandLine<'_> {
        CommandLine {
            accelerator: Accelerator::Tcg,
            machine,
            kernel: "k".into(),
            initramfs: "i".into(),
            console: "run,1/console.log".into(),
            start,
        }
    }

    fn line(machine: &Machine) -> String {
        of(machine, Start::Boot).arguments().join(" ")
    }

    #[test]
    fn a_guest_without_a_memory_file_may_not_open_what_has_its_number() {
        let machine = Machine::default();
        let may_write = |start, fd| {
            let files = of(&machine, start).files();
            files.writes.contains(&format!("/proc/self/fd/{fd}").into())
        };
        assert!(!may_write(Start::Boot, DESCRIPTORS.memory));
        for start in [Start::Boot, Start::BootToSave, Start::Restore] {
            assert!(may_write(start, DESCRIPTORS.swap));
            assert!(start == Start::Boot || may_write(start, DESCRIPTORS.memory));
        }
    }

    #[test]
    fn a_comma_in_a_path_does_not_end_the_option() {
        assert!(line(&Machine::default()).contains("path=run,,1/console.log"));
    }

    #[test]
    fn an_unthrottled_disk_has_no_throttle() {
        assert!(line(&Machine::default()).contains("throttling.iops-total=60"));
        assert!(
            !line(&Machine {
                swap_iops: 0,
                ..Machine::default()
            })
            .contains("throttling")
        );
    }
}
