// SPDX-License-Identifier: GPL-2.0-or-later
//! What the host gave to a guest's QEMU until now.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Counters that only grow, and the state of a QEMU's threads, at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulse {
    /// CPU time that its threads had.
    pub ran: Duration,
    /// How many of its threads run or want to.
    pub wanting: u32,
    /// Whether a signal or a debugger has stopped it.
    pub stopped: bool,
    /// How long something on the host wanted to run and could not, or another machine on the
    /// same hardware had the CPU.
    pub contended: Duration,
    /// How long the host was suspended.
    pub suspended: Duration,
}

impl Pulse {
    /// Looks now; none when the process is not there.
    pub fn of(pid: u32) -> Option<Self> {
        let mut pulse = Self {
            contended: contended(),
            suspended: suspended(),
            ..Self::default()
        };
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            // A thread that has just ended has nothing to tell.
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let Some((state, ran)) = thread(&stat) else {
                continue;
            };
            pulse.ran += ran;
            pulse.wanting += u32::from(state == "R");
            pulse.stopped |= matches!(state, "T" | "t");
        }
        Some(pulse)
    }
}

/// State and CPU time of a thread, from its `stat`.
fn thread(stat: &str) -> Option<(&str, Duration)> {
    // The name in parentheses may hold anything, also parentheses and blanks.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    // utime and stime are fields 14 and 15; the state was field 3.
    let mut ticks = fields.skip(10).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((state, from_ticks(user + system)))
}

fn from_ticks(ticks: u64) -> Duration {
    Duration::from_secs(1).mul_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Where the kernel does not count pressure, or has no hypervisor above it, that part is zero.
fn contended() -> Duration {
    let pressure = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    waited(&pressure) + stolen(&stat) / u32::try_from(super::cpus()).unwrap_or(1)
}

fn waited(pressure: &str) -> Duration {
    let some = pressure.lines().find(|line| line.starts_with("some "));
    let total = some.and_then(|line| line.rsplit_once("total=")?.1.parse().ok());
    Duration::from_micros(total.unwrap_or(0))
}

fn stolen(stat: &str) -> Duration {
    let ticks = stat
        .lines()
        .next()
        .and_then(|all| all.split_whitespace().nth(8)?.parse().ok());
    from_ticks(ticks.unwrap_or(0))
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
        let stat = "42 (a) R 1 (b) R 1 1 1 0 -1 0 0 0 0 0 250 50 0 0 20 0 1 0 9 9 9\n";
        assert_eq!(thread(stat), Some(("R", Duration::from_secs(3))));
        for cut in ["", "42 (a", "42 (a) R 1 1"] {
            assert_eq!(thread(cut), None, "{cut}");
        }
    }

    #[test]
    fn pressure_and_stolen_time_are_read_where_they_are() {
        let pressure =
            "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500\nfull avg10=0.00 total=7\n";
        assert_eq!(waited(pressure), Duration::from_micros(1500));
        assert_eq!(waited(""), Duration::ZERO);
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
        until(&|pulse| pulse.wanting == 1 && pulse.ran > Duration::ZERO);
        let pid = rustix::process::Pid::from_child(&busy);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
        until(&|pulse| pulse.stopped && pulse.wanting == 0);
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert_eq!(Pulse::of(0), None);
    }
}
