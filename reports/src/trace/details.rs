// SPDX-License-Identifier: GPL-2.0-or-later
//! What a report's lines tell beside stacks: task, CPU, taint, release, access, registers, locks.

use super::access;
use super::pattern::lazy;
use super::registers;
use super::report::Details;

/// Locks kept of one report.
const MAX_LOCKS: usize = 64;
/// Bytes kept of a lock's line.
const MAX_LOCK: usize = 256;

// The line that nearly every report has.
lazy!(
    CPU_LINE = r"^CPU: (?P<cpu>\d+) +(?:UID: \d+ +)?(?:PID: (?P<pid>\d+) +Comm: (?P<task>.{1,64}?) +)?(?:Not tainted|Tainted: )"
);
// The same before 3.14.
lazy!(OLD_CPU_LINE = r"^Pid: (?P<pid>\d+), comm: (?P<task>.{1,64}?) +(?:Not tainted|Tainted: )");
// Parentheses stood around it on arm.
lazy!(TAINT = r"(?:Not tainted|Tainted: (?P<flags>[A-Z](?: *[A-Z])*)) +\(?(?P<release>[^ ()]+) #");
// Lockdep puts the release first.
lazy!(
    LOCKDEP_TAINT =
        r"^(?P<release>[^ ]+) #\S+ +(?:Not tainted|Tainted: (?P<flags>[A-Z](?: *[A-Z])*) *)$"
);
// Names may hold slashes: the last one parts the name from its process id.
lazy!(BY_TASK = r" by task (?P<task>.{1,64})/(?P<pid>\d+)(?: |$)");
lazy!(BY_NUMBER = r" bytes by (?:task (?P<pid>\d+)|interrupt) on cpu (?P<cpu>\d+):$");
lazy!(ON_CPU = r"(?:on|,) CPU#(?P<cpu>\d+)[,:] (?P<task>.{1,64})/(?P<pid>\d+)$");
lazy!(STUCK = r" CPU#(?P<cpu>\d+) stuck for \d+s! \[(?P<task>.{1,64}):(?P<pid>\d+)\]");
lazy!(SCHEDULING = r"scheduling while atomic: (?P<task>.{1,64})/(?P<pid>\d+)/0x");
lazy!(PREEMPTIBLE = r"preemptible \[[0-9a-f]+\] code: (?P<task>.{1,64})/(?P<pid>\d+)$");
lazy!(LEAKED = r"leaked lock or atomic: (?P<task>.{1,64})/0x[0-9a-f]+/(?P<pid>\d+)$");
lazy!(TRYING = r"^(?P<task>.{1,64})/(?P<pid>\d+) (?:is trying to|just changed|\[HC\d)");
lazy!(IN_ATOMIC = r"^in_atomic\(\): .* pid: (?P<pid>\d+), name: (?P<task>.{1,64})$");
lazy!(PROCESS = r"^Process (?P<task>.{1,64}) \(pid: (?P<pid>\d+)[,)]");
lazy!(HUNG = r"^(?:INFO: )?task (?P<task>.{1,64}):(?P<pid>\d+) (?:blocked|can't die)");
lazy!(IN_PROCESS = r"^BUG: Bad page (?:state|map) in process (?P<task>.{1,64}?) +(?:pfn|pte|pmd):");
lazy!(RSS = r"^BUG: Bad rss-counter state .* Comm:(?P<task>.{1,64}) Pid:(?P<pid>\d+)$");
lazy!(LEAK = r#"^comm "(?P<task>.{1,64})", pid (?P<pid>\d+)"#);
lazy!(HARD = r"hard LOCKUP on cpu (?P<cpu>\d+)");
// What RCU waits for: `0-...!: (1 GPs behind)`.
lazy!(STALLED = r"^(?:rcu:\s+)?(?P<cpu>\d+)-[^ ]{4}: \(");
lazy!(BANNER = r"^Linux version (?P<release>\d\S*) ");
lazy!(LOCK = r"^#\d+: .*at: ");

/// Reads the lines of a report, prefixes stripped.
pub(super) fn read(text: &str) -> Details {
    let mut details = Details::default();
    let mut access = access::Reader::default();
    let mut registers = registers::Reader::default();
    for line in text.lines() {
        let line = line.trim();
        who(&mut details, line);
        kernel(&mut details, line);
        access.line(line);
        registers.line(line);
        if line.starts_with('#') && details.locks.len() < MAX_LOCKS && LOCK.is_match(line) {
            details.locks.push(line.chars().take(MAX_LOCK).collect());
        }
    }
    details.access = access.finish();
    details.registers = registers.finish();
    details
}

/// Task, process id and CPU: what a line says first counts.
fn who(details: &mut Details, line: &str) {
    if details.pid.is_some() && details.cpu.is_some() && details.task.is_some() {
        return;
    }
    // A word that each pattern needs is looked for first: most lines have none of them.
    let patterns: &[(&str, &std::sync::LazyLock<regex::Regex>)] = &[
        ("CPU: ", &CPU_LINE),
        ("Pid: ", &OLD_CPU_LINE),
        (" by task ", &BY_TASK),
        (" bytes by ", &BY_NUMBER),
        (" CPU#", &ON_CPU),
        (" stuck for ", &STUCK),
        (" is trying to ", &TRYING),
        (" just changed ", &TRYING),
        (" [HC", &TRYING),
        ("scheduling while atomic: ", &SCHEDULING),
        ("preemptible [", &PREEMPTIBLE),
        ("leaked lock or atomic: ", &LEAKED),
        ("in_atomic(): ", &IN_ATOMIC),
        ("Process ", &PROCESS),
        ("task ", &HUNG),
        ("Bad page ", &IN_PROCESS),
        ("Bad rss-counter ", &RSS),
        ("comm \"", &LEAK),
        ("LOCKUP on cpu ", &HARD),
        ("-..", &STALLED),
    ];
    let found = patterns
        .iter()
        .filter(|(word, _)| line.contains(word))
        .find_map(|(_, re)| re.captures(line));
    let Some(found) = found else { return };
    let number = |name: &str| found.name(name)?.as_str().parse().ok();
    let task = found.name("task").map(|task| task.as_str().to_owned());
    // Two lines may speak of two tasks: a name and a number of one line belong together.
    let pid = number("pid");
    if details.pid.is_none() {
        details.pid = pid;
        details.task = task.or(details.task.take());
    } else if details.pid == pid {
        details.task = details.task.take().or(task);
    }
    details.cpu = details.cpu.or_else(|| number("cpu"));
}

/// Taint flags and release.
fn kernel(details: &mut Details, line: &str) {
    if details.release.is_some() {
        return;
    }
    let found = if line.contains("ainted") {
        TAINT
            .captures(line)
            .or_else(|| LOCKDEP_TAINT.captures(line))
    } else if line.starts_with("Linux version ") {
        BANNER.captures(line)
    } else {
        None
    };
    let Some(found) = found else { return };
    details.release = Some(found["release"].to_owned());
    if line.contains("ainted") {
        let flags = found.name("flags").map_or("", |flags| flags.as_str());
        details.taint = Some(flags.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_in_every_form() {
        for (line, task, pid, cpu) in [
            (
                "CPU: 1 UID: 0 PID: 7 Comm: a b/c Not tainted 6.12.0 #1",
                Some("a b/c"),
                Some(7),
                Some(1),
            ),
            ("CPU: 0    Not tainted  (2.6.32 #1)", None, None, Some(0)),
            (
                "Pid: 7, comm: work Not tainted 3.2.0 #1",
                Some("work"),
                Some(7),
                None,
            ),
            (
                "Read of size 8 at addr ffff888012345678 by task swapper/1/0",
                Some("swapper/1"),
                Some(0),
                None,
            ),
            (
                "write to 0xffff888012345678 of 4 bytes by interrupt on cpu 1:",
                None,
                None,
                Some(1),
            ),
            (
                "WARNING: mm/rmap.c:1 at walk+0x1/0x2, CPU#1: work/7",
                Some("work"),
                Some(7),
                Some(1),
            ),
            (
                "BUG: spinlock bad magic on CPU#0, swapper/0/0",
                Some("swapper/0"),
                Some(0),
                Some(0),
            ),
            (
                "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [kworker/1:2:7]",
                Some("kworker/1:2"),
                Some(7),
                Some(1),
            ),
            (
                "BUG: scheduling while atomic: swapper/0/0/0x00000100",
                Some("swapper/0"),
                Some(0),
                None,
            ),
            (
                "BUG: using smp_processor_id() in preemptible [00000000] code: work/7",
                Some("work"),
                Some(7),
                None,
            ),
            (
                "BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000001/7",
                Some("kworker/0:1"),
                Some(7),
                None,
            ),
            (
                "work/7 is trying to acquire lock:",
                Some("work"),
                Some(7),
                None,
            ),
            (
                "work/7 [HC0[0]:SC1[1]:HE1:SE0] takes:",
                Some("work"),
                Some(7),
                None,
            ),
            (
                "in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 7, name: work",
                Some("work"),
                Some(7),
                None,
            ),
            (
                "INFO: task kworker/u8:1:7 blocked for more than 143 seconds.",
                Some("kworker/u8:1"),
                Some(7),
                None,
            ),
            (
                "Process work (pid: 7, stack limit = 0x12345678)",
                Some("work"),
                Some(7),
                None,
            ),
            (
                "comm \"work\", pid 7, jiffies 4294942345 (age 12.340s)",
                Some("work"),
                Some(7),
                None,
            ),
            (
                "rcu: \t1-...!: (1 GPs behind) idle=3a4/1/0x4",
                None,
                None,
                Some(1),
            ),
            (
                "Watchdog detected hard LOCKUP on cpu 1",
                None,
                None,
                Some(1),
            ),
            (
                "allocated by task 7 on cpu 1 at 20.101010s:",
                None,
                None,
                None,
            ),
        ] {
            let details = read(line);
            assert_eq!(
                (details.task.as_deref(), details.pid, details.cpu),
                (task, pid, cpu),
                "{line}"
            );
        }
    }

    #[test]
    fn kernel_in_every_form() {
        for (line, release, taint) in [
            (
                "CPU: 1 PID: 7 Comm: work Not tainted 6.12.0-rc1+ #3 PREEMPT(full)",
                "6.12.0-rc1+",
                Some(""),
            ),
            (
                "CPU: 1 PID: 7 Comm: work Tainted: G        W  O       6.12.0 #1",
                "6.12.0",
                Some("G        W  O"),
            ),
            (
                "      Tainted: G        W           6.12.0 #1",
                "6.12.0",
                Some("G        W"),
            ),
            ("6.12.0+ #1 Not tainted", "6.12.0+", Some("")),
            (
                "6.12.0 #1 Tainted: G        W         ",
                "6.12.0",
                Some("G        W"),
            ),
            ("CPU: 0    Not tainted  (2.6.32 #1)", "2.6.32", Some("")),
            (
                "Linux version 6.12.0 (me@here) (gcc 14.2.0) #1 SMP",
                "6.12.0",
                None,
            ),
        ] {
            let details = read(line);
            assert_eq!(details.release.as_deref(), Some(release), "{line}");
            assert_eq!(details.taint.as_deref(), taint, "{line}");
        }
    }

    #[test]
    fn locks_are_bounded() {
        let held = " #0: ffff888012345678 (&mm->mmap_lock){++++}-{3:3}, at: walk+0x1/0x2\n";
        let details = read(&format!("1 lock held by work/7:\n{}", held.repeat(1000)));
        assert_eq!(details.locks.len(), MAX_LOCKS);
        assert_eq!(details.locks[0], held.trim());
    }
}
