// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether samples prove that a task faults again and again at one address. Pure.
//!
//! Every fault of such a loop ends, so the task neither sleeps nor stays in the kernel, and no
//! detector of the kernel speaks. A workload that is merely busy differs in one of these: its
//! faults are at other addresses, or it is found at other instructions, or it has no faults.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::guest::diagnosis::{Entry, Sample};

/// Samples that a task has to be found in.
const SAMPLES_MIN: usize = 8;
/// Of those, at least so many on the way through a page fault.
const FAULTING_MIN: usize = 2;
/// What lasts less may still get on.
const OVER_MIN: Duration = Duration::from_secs(2);
/// Faults that it has to have had meanwhile.
const FAULTS_MIN: u64 = 100;
/// One in so many samples may show another address: that of a fault of the task that ran before.
const ODD_ONES: usize = 4;
/// The samples have to be spread over at least one part in so many of the time that was watched.
const SPREAD: u32 = 2;
/// What of CR3 is a task's own: user mode and the kernel may have page tables side by side.
const PAGE_TABLE: u64 = !0x1fff;
/// Functions through which every page fault goes.
const FAULT_PATH: [&str; 2] = ["asm_exc_page_fault", "exc_page_fault"];

/// A sample and the functions of its stack, innermost first.
#[derive(Debug, Clone)]
pub struct Named<'a> {
    /// The sample.
    pub sample: &'a Sample,
    /// Functions of its reliable frames.
    pub functions: Vec<String>,
}

/// A task that faults again and again at one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultLoop {
    /// The task's number.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// The address that it touches.
    pub address: u64,
    /// The instruction that does.
    pub user_rip: u64,
    /// Faults that it had between the first and the last sample.
    pub faults: u64,
    /// The time between those.
    pub over: Duration,
    /// Which samples show it.
    pub samples: Vec<usize>,
}

/// What a sample says of a task that may fault for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// At the user's instruction.
    User,
    /// On the way through a page fault.
    Fault,
    /// Elsewhere, such as in an interrupt.
    Other,
}

impl Named<'_> {
    fn place(&self) -> Where {
        if self.sample.registers.in_user_mode() {
            return Where::User;
        }
        let by_exception = self
            .sample
            .left_user
            .is_some_and(|left| left.entry == Entry::Exception);
        let in_fault = self
            .functions
            .iter()
            .any(|function| FAULT_PATH.contains(&function.as_str()));
        match by_exception && in_fault {
            true => Where::Fault,
            false => Where::Other,
        }
    }
}

/// The task that the most samples show in a loop of faults, if any does.
pub fn fault_loop(samples: &[Named<'_>]) -> Option<FaultLoop> {
    let mut tasks: BTreeMap<(u32, u64), Vec<usize>> = BTreeMap::new();
    for (at, named) in samples.iter().enumerate() {
        if let Some(task) = &named.sample.task {
            let key = (task.pid, named.sample.registers.cr3 & PAGE_TABLE);
            tasks.entry(key).or_default().push(at);
        }
    }
    let times = || samples.iter().map(|named| named.sample.at);
    let watched = times().max()?.saturating_sub(times().min()?);
    tasks
        .values()
        .filter_map(|own| of_task(samples, own, watched))
        .max_by_key(|found| found.samples.len())
}

fn of_task(samples: &[Named<'_>], own: &[usize], watched: Duration) -> Option<FaultLoop> {
    let mut user_rips = own.iter().filter_map(|&at| samples[at].sample.user_rip());
    let user_rip = user_rips.next()?;
    // One that was ever found at another instruction, or in a system call, gets on.
    if user_rips.any(|other| other != user_rip) {
        return None;
    }
    let telling: Vec<usize> = own
        .iter()
        .copied()
        .filter(|&at| samples[at].place() != Where::Other)
        .collect();
    let address = most_common(telling.iter().map(|&at| samples[at].sample.registers.cr2))?;
    let faults_at = |at: usize| samples[at].sample.task.as_ref().map(|task| task.faults);
    let mut agreeing: Vec<usize> = telling
        .iter()
        .copied()
        .filter(|&at| samples[at].sample.registers.cr2 == address)
        .collect();
    let odd = telling.len() - agreeing.len();
    // Samples of one fault count once: a single fault that takes long looks the same but for this,
    // and on a late host two samples may meet a guest that had no time between them.
    agreeing.dedup_by_key(|at| faults_at(*at));
    let faulting = agreeing
        .iter()
        .filter(|&&at| samples[at].place() == Where::Fault)
        .count();
    if agreeing.len() < SAMPLES_MIN || faulting < FAULTING_MIN || odd * ODD_ONES > telling.len() {
        return None;
    }
    let (first, last) = (*agreeing.first()?, *agreeing.last()?);
    let faults = faults_at(last)?.checked_sub(faults_at(first)?)?;
    let (first, last) = (samples[first].sample, samples[last].sample);
    let over = last.at.saturating_sub(first.at);
    if faults < FAULTS_MIN || over < OVER_MIN || over * SPREAD < watched {
        return None;
    }
    let task = first.task.as_ref()?;
    (Sample::is_user_address(address) && Sample::is_user_address(user_rip)).then(|| FaultLoop {
        pid: task.pid,
        comm: task.comm.clone(),
        address,
        user_rip,
        faults,
        over,
        samples: agreeing,
    })
}

fn most_common(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|&(_, count)| count)?;
    Some(most.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::diagnosis::{LeftUser, Registers, TaskSeen};

    const RIP: u64 = 0x7f00_0000_1000;
    const ADDRESS: u64 = 0x7f00_1000_0000;

    /// A task in a loop of faults, seen once a second.
    fn looping(second: u64) -> Sample {
        Sample {
            at: Duration::from_secs(second),
            cpu: 0,
            registers: Registers {
                rip: 0xffff_ffff_8100_0000 + second,
                cr2: ADDRESS,
                cr3: 0x4000,
                ..Registers::default()
            },
            stack: Vec::new(),
            left_user: Some(LeftUser {
                rip: RIP,
                entry: Entry::Exception,
            }),
            task: Some(TaskSeen {
                pid: 7,
                comm: "worker".into(),
                faults: 1000 * second,
            }),
        }
    }

    fn in_user_mode(sample: &mut Sample) {
        sample.registers.cpl = 3;
        sample.registers.rip = RIP;
        sample.left_user = None;
    }

    const IN_FAULT: [&str; 3] = ["do_swap_page", "exc_page_fault", "asm_exc_page_fault"];

    fn judged(samples: &[Sample], functions: &[&str]) -> Option<FaultLoop> {
        let named: Vec<Named<'_>> = samples
            .iter()
            .map(|sample| Named {
                sample,
                functions: match sample.registers.in_user_mode() {
                    true => Vec::new(),
                    false => functions.iter().map(|&f| f.to_owned()).collect(),
                },
            })
            .collect();
        fault_loop(&named)
    }

    /// A dozen samples of the loop, each changed.
    fn with(change: impl Fn(u64, &mut Sample)) -> Option<FaultLoop> {
        let samples: Vec<Sample> = (0..12)
            .map(|second| {
                let mut sample = looping(second);
                change(second, &mut sample);
                sample
            })
            .collect();
        judged(&samples, &IN_FAULT)
    }

    #[test]
    fn a_task_that_faults_at_one_address_for_ever_loops() {
        let found = with(|_, _| {}).unwrap();
        assert_eq!((found.pid, found.comm.as_str()), (7, "worker"));
        assert_eq!((found.address, found.user_rip), (ADDRESS, RIP));
        assert_eq!(found.faults, 11_000);
        assert_eq!(found.over, Duration::from_secs(11));
        assert_eq!(found.samples.len(), 12);
    }

    #[test]
    fn it_may_be_met_in_user_mode_in_interrupts_and_just_after_another_task() {
        let found = with(|second, sample| match second {
            1 | 4 | 9 => in_user_mode(sample),
            // On an interrupt's own stack.
            3 => sample.left_user = None,
            // On the kernel's own page table.
            5 => sample.registers.cr3 |= 0x1000,
            6 => sample.registers.cr2 = ADDRESS + 4096,
            _ => {}
        });
        assert_eq!(found.unwrap().samples.len(), 10);
    }

    #[test]
    fn of_two_loops_the_one_that_was_seen_more_often_is_told() {
        let mut samples: Vec<_> = (0..20).map(looping).collect();
        for sample in samples.iter_mut().take(19).step_by(2) {
            sample.task.as_mut().unwrap().pid = 8;
            sample.registers.cr3 = 0x8000;
        }
        samples.extend((20..23).map(looping));
        assert_eq!(judged(&samples, &IN_FAULT).unwrap().pid, 7);
    }

    #[test]
    fn a_busy_task_that_faults_at_ever_new_addresses_does_not() {
        assert_eq!(
            with(|second, sample| sample.registers.cr2 += 4096 * second),
            None
        );
    }

    #[test]
    fn one_long_fault_is_no_loop() {
        let stuck = |_, sample: &mut Sample| sample.task.as_mut().unwrap().faults = 5;
        assert_eq!(with(stuck), None);
        // Nor is one that ended once, however many there were before and after.
        let once = |second, sample: &mut Sample| {
            sample.task.as_mut().unwrap().faults = 1000 * (second / 6);
        };
        assert_eq!(with(once), None);
        let slow = |second, sample: &mut Sample| sample.task.as_mut().unwrap().faults = second;
        assert_eq!(with(slow), None, "a dozen long faults are no loop either");
    }

    #[test]
    fn samples_of_one_fault_count_once() {
        // On a late host the guest had no time between some of them.
        let some = |second, sample: &mut Sample| {
            sample.task.as_mut().unwrap().faults = 1000 * (second - u64::from(second > 4));
        };
        assert_eq!(with(some).unwrap().samples.len(), 11);
        let most = |second, sample: &mut Sample| {
            sample.task.as_mut().unwrap().faults = 1000 * (second / 2);
        };
        assert_eq!(with(most), None, "six faults were seen");
    }

    #[test]
    fn a_task_that_was_found_at_another_instruction_gets_on() {
        let once = |second, sample: &mut Sample| {
            if second == 5 {
                sample.left_user = Some(LeftUser {
                    rip: RIP + 2,
                    entry: Entry::SystemCall,
                });
            }
        };
        assert_eq!(with(once), None);
        let user = |second, sample: &mut Sample| {
            if second == 5 {
                in_user_mode(sample);
                sample.registers.rip += 4;
            }
        };
        assert_eq!(with(user), None);
    }

    #[test]
    fn a_loop_of_user_code_or_of_system_calls_is_none() {
        let spinning = |_, sample: &mut Sample| in_user_mode(sample);
        assert_eq!(with(spinning), None);
        let samples: Vec<_> = (0..12).map(looping).collect();
        let in_read = ["ksys_read", "do_syscall_64"];
        assert_eq!(judged(&samples, &in_read), None);
        let by_call = |_, sample: &mut Sample| {
            sample.left_user.as_mut().unwrap().entry = Entry::SystemCall;
        };
        assert_eq!(with(by_call), None);
    }

    #[test]
    fn too_few_samples_or_too_short_a_time_prove_nothing() {
        let samples: Vec<_> = (0..7).map(looping).collect();
        assert_eq!(judged(&samples, &IN_FAULT), None);
        // Eight in a row, and then something else for long.
        let mut samples: Vec<_> = (0..8).map(looping).collect();
        let mut idle = looping(30);
        idle.task = None;
        samples.push(idle);
        assert_eq!(judged(&samples, &IN_FAULT), None);
        assert_eq!(judged(&[], &IN_FAULT), None);
    }

    #[test]
    fn samples_that_name_no_task_prove_nothing() {
        assert_eq!(with(|_, sample| sample.task = None), None);
    }

    #[test]
    fn a_fault_at_an_address_of_the_kernel_is_none_of_the_users() {
        let kernels = |_, sample: &mut Sample| sample.registers.cr2 = 0xffff_c900_0000_0000;
        assert_eq!(with(kernels), None);
    }
}
