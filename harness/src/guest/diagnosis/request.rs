// SPDX-License-Identifier: GPL-2.0-or-later
//! What a diagnosis is to look at.

/// What a diagnosis is to look at beside what every guest shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request {
    /// Where the kernel keeps its running tasks; without it samples name none.
    pub layout: Option<TaskLayout>,
    /// Whether the guest's memory is to be written into a file.
    pub dump_memory: bool,
}

/// Where a kernel keeps its running tasks. Addresses and offsets are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskLayout {
    /// Address of the array that says where each CPU's own variables are.
    pub per_cpu_offset: u64,
    /// Offset of the pointer to the running task among a CPU's own variables.
    pub current: u64,
    /// Offset of a task's name, 16 bytes.
    pub comm: u64,
    /// Offset of its number, 4 bytes.
    pub pid: u64,
    /// Offset of the count of its page faults without a disk access, 8 bytes.
    pub min_flt: u64,
    /// Offset of the count of those with one, 8 bytes.
    pub maj_flt: u64,
}
