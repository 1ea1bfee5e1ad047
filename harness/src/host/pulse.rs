// SPDX-License-Identifier: GPL-2.0-or-later
//! What the host gave to a guest's QEMU until now.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Counters that only grow, and the state of a QEMU's threads, at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulse {
    /// CPU time that its threads had, all together.
    pub ran: Duration,
    /// How long its threads waited for a CPU, all together.
    pub waited: Duration,
    /// How many of its threads wait for a disk, or for memory that is on one.
    pub blocked: u32,
    /// Whether a signal or a debugger has stopped it.
    pub stopped: bool,
    /// How long a CPU of this host was given to another machine on the same hardware.
    pub stolen: Duration,
    /// How long the host was suspended.
    pub suspended: Duration,
}

impl Pulse {
    /// Looks now; none when the process is not there.
    pub fn of(pid: u32) -> Option<Self> {
        let mut pulse = Self {
            stolen: stolen(&read("/proc/stat")) / u32::try_from(super::cpus()).unwrap_or(1),
            suspended: suspended(),
            ..Self::default()
        };
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            // A thread that has just ended has nothing to tell.
            let state = state(&read(task.path().join("stat"))).unwrap_or(' ');
            let (ran, waited) = times(&read(task.path().join("schedstat"))).unwrap_or_default();
            pulse.ran += ran;
            pulse.waited += waited;
            pulse.blocked += u32::from(state == 'D');
            pulse.stopped |= matches!(state, 'T' | 't');
        }
        Some(pulse)
    }

    /// Whether this host's kernel tells how long a process waits for a CPU.
    pub fn tells_waiting() -> bool {
        times(&read("/proc/self/schedstat")).is_some()
    }
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// A thread's state, from its `stat`. The name before it, in parentheses, may hold anything.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(") ")?.1.chars().next()
}

/// How long a thread ran and waited to run, from its `schedstat`: nanoseconds.
fn times(schedstat: &str) -> Option<(Duration, Duration)> {
    let mut numbers = schedstat.split_whitespace().map(str::parse::<u64>);
    let mut next = || Some(Duration::from_nanos(numbers.next()?.ok()?));
    Some((next()?, next()?))
}

/// Where no hypervisor is above the host's kernel, this is zero.
fn stolen(stat: &str) -> Duration {
    let ticks = stat
        .lines()
        .next()
        .and_then(|all| all.split_whitespace().nth(8)?.parse::<u64>().ok());
    let second = rustix::param::clock_ticks_per_second() as f64;
    Duration::from_secs_f64(ticks.unwrap_or(0) as f64 / second)
}

fn suspended() -> Duration {
    let since = |clock| {
        let time = clock_gettime(clock);
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
    };
    // The one clock goes on while the host sleeps.
    since(ClockId::Boottime).saturating_sub(since(ClockId::Monotonic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_with_an_odd_name_is_read() {
        assert_eq!(state("42 (a) R 1 (b) D 1 1 1 0\n"), Some('D'));
        for cut in ["", "42 (a", "42 (a)"] {
            assert_eq!(state(cut), None, "{cut}");
        }
        let ran = (Duration::from_micros(5), Duration::from_micros(7));
        assert_eq!(times("5000 7000 12\n"), Some(ran));
        assert_eq!(times("5000"), None);
    }

    #[test]
    fn stolen_time_is_read_where_it_is() {
        assert_eq!(
            stolen("cpu  1 2 3 4 5 6 7 200 0 0\n"),
            Duration::from_secs(2)
        );
        assert_eq!(stolen("nothing"), Duration::ZERO);
    }

    #[test]
    fn a_process_that_is_stopped_is_told_from_one_that_works() {
        let mut busy = std::process::Command::new("sh")
            .args(["-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        let until = |wanted: &dyn Fn(Pulse) -> bool| {
            while !wanted(Pulse::of(busy.id()).unwrap()) {
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        until(&|pulse| pulse.ran > Duration::ZERO && !pulse.stopped);
        let pid = rustix::process::Pid::from_child(&busy);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        until(&|pulse| pulse.stopped);
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert_eq!(Pulse::of(0), None);
    }
}
