// SPDX-License-Identifier: GPL-2.0-or-later
//! Collects the lines of each report, told apart by who printed them.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::Report;
use super::collected::{Collected, What};
use super::console::Line;
use super::finish;
use super::formats::{self, CONTINUATIONS, Ends, FORMATS, NOISE};
use super::pattern::{compile, lazy};
use super::waiting::Waiting;

/// Reports that may be open at once, one for each caller.
const MAX_OPEN: usize = 16;
/// Lines that may lie between `cut here` and the line that says what happened.
const MAX_PREAMBLE: usize = 24;
/// A report is printed in one go: after such a pause in microseconds it has ended.
const PAUSE: u64 = 20_000_000;

lazy!(PANIC = "Kernel panic - not syncing: ");
lazy!(
    CONSEQUENCE = "not syncing: (?:Fatal exception|panic_on_warn|kasan|KASAN|kfence|hung_task|softlockup|hardlockup|Hard LOCKUP|Attempted to kill init|Aiee|nmi_panic|RCU Stall|BUG!|Oops|stack overflow)"
);
lazy!(CUT_HERE = r"^-{8,}\[ cut here \]-{8,}$");
lazy!(END_TRACE = r"^-{2,}\[ end (?:trace|Kernel panic)");
lazy!(RULER = r"^\s*={10,}$");
lazy!(BOOT = r"^Linux version \d");
lazy!(BACKTRACE = r"^NMI backtrace for cpu \d+");

static HEADERS: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = FORMATS
        .iter()
        .map(|f| compile(f.header).as_str().to_owned());
    #[expect(clippy::expect_used, reason = "each pattern has just compiled alone")]
    RegexSet::new(patterns).expect("the headers compile together")
});
static CONTINUES: LazyLock<Regex> = LazyLock::new(|| compile(&CONTINUATIONS.join("|")));
static NOISES: LazyLock<Regex> = LazyLock::new(|| compile(&NOISE.join("|")));

/// Takes a log's lines one by one and gives its reports in the order in which they began.
#[derive(Default)]
pub(super) struct Collector {
    open: Vec<Collected>,
    waiting: Waiting,
    boots: usize,
    /// The running kernel has panicked.
    panicked: bool,
    /// The running kernel has crashed before.
    reported: bool,
    /// End of the last line that is not empty.
    end: u64,
}

impl Collector {
    /// Takes the log's next line and gives the reports that are settled with it.
    pub(super) fn line(&mut self, line: &Line<'_>, found: &mut dyn FnMut(Report)) {
        if !line.text.trim().is_empty() {
            self.end = line.span.end;
        }
        let at = line.span.end;
        self.finish_paused(line);
        self.take(line);
        if !self.waiting.is_empty() {
            if self.waiting.crowded() {
                self.finish_all();
            }
            let begun = self.open.iter().map(|open| open.span.start).min();
            self.waiting.give(begun, at, found);
        }
    }

    /// The log has ended: gives the reports that are left.
    pub(super) fn end(mut self, found: &mut dyn FnMut(Report)) {
        for open in &mut self.open {
            open.last = open.span.end == self.end;
        }
        self.finish_all();
        self.waiting.give_all(found);
    }

    /// No report is open: lines that are no [`formats::candidates`] change nothing.
    pub(super) fn idle(&self) -> bool {
        self.open.is_empty()
    }

    fn take(&mut self, line: &Line<'_>) {
        if line.foreign {
            return self.add(line);
        }
        if BOOT.is_match(line.text) {
            return self.boot(line);
        }
        if PANIC.is_match(line.text) && self.panic(line) {
            return;
        }
        if CUT_HERE.is_match(line.text) {
            return self.begin(What::Preamble, line);
        }
        match recognise(line.text) {
            Some(_) if self.in_report(line) && CONTINUES.is_match(line.text) => self.add(line),
            Some(what) => self.begin(what, line),
            None => self.add(line),
        }
    }

    /// A boot banner: the first is expected, a later one after a panic too.
    fn boot(&mut self, line: &Line<'_>) {
        self.boots = self.boots.saturating_add(1);
        self.finish_all();
        let unexpected = self.boots > 1 && !self.panicked;
        if unexpected {
            self.begin(What::Reboot, line);
            self.finish_all();
        }
        self.waiting.settle();
        self.panicked = false;
        self.reported = false;
    }

    /// Marks what the panic follows; false when it is a finding of its own.
    fn panic(&mut self, line: &Line<'_>) -> bool {
        self.panicked = true;
        let any = self.reported || self.open.iter().any(Collected::is_report);
        let follows = self.in_report(line) || any && CONSEQUENCE.is_match(line.text);
        for open in &mut self.open {
            open.panicked = true;
        }
        self.waiting.panicked();
        if follows && let Some(at) = self.position(line) {
            self.open[at].push(line);
        }
        follows
    }

    fn begin(&mut self, what: What, line: &Line<'_>) {
        let mut mixed = false;
        if let Some(at) = self.position(line) {
            let open = &mut self.open[at];
            if matches!(open.what, What::Preamble) && matches!(what, What::Report(_)) {
                open.announce(what, line);
                return;
            }
            // Without callers two writers cannot be told apart.
            let midst = line.caller.is_none() && open.stacks.in_crash_stack();
            mixed = midst && matches!(open.what, What::Noise);
            open.mixed |= midst && open.is_report();
            if matches!(what, What::Noise) && midst {
                open.push(line);
                return;
            }
            self.finish(at);
        }
        if self.open.len() >= MAX_OPEN {
            self.finish(0);
        }
        let mut collected = Collected::new(what, line);
        collected.mixed = mixed;
        collected.panicked = self.panicked;
        self.open.push(collected);
    }

    fn add(&mut self, line: &Line<'_>) {
        if let Some(caller) = line.caller
            && BACKTRACE.is_match(line.text)
            && self.position(line).is_none()
            && let Some(open) = self.open.iter_mut().rev().find(|open| open.is_report())
        {
            open.adopt(caller);
        }
        let Some(at) = self.position(line) else {
            return;
        };
        let open = &mut self.open[at];
        open.push(line);
        let ends = match open.what {
            What::Report(format) => format.ends,
            What::Preamble if open.lines.len() > MAX_PREAMBLE => return self.finish(at),
            _ => Ends::Open,
        };
        let ended = match ends {
            Ends::EndTrace => END_TRACE.is_match(line.text),
            Ends::Ruler => RULER.is_match(line.text) && open.lines.len() > open.header + 2,
            Ends::Open => false,
        };
        if ended {
            open.closed = true;
            self.finish(at);
        }
    }

    fn in_report(&self, line: &Line<'_>) -> bool {
        self.position(line)
            .is_some_and(|at| self.open[at].is_report())
    }

    /// The open report that a line belongs to.
    fn position(&self, line: &Line<'_>) -> Option<usize> {
        self.open.iter().position(|open| open.is_of(line.caller))
    }

    fn finish(&mut self, at: usize) {
        let collected = self.open.remove(at);
        if matches!(collected.what, What::Report(_) | What::Reboot) {
            self.reported = true;
            self.waiting.push(finish::report(collected));
        }
    }

    fn finish_paused(&mut self, line: &Line<'_>) {
        let Some(now) = line.time else { return };
        let paused = |open: &Collected| {
            open.time
                .is_some_and(|then| now > then.saturating_add(PAUSE))
        };
        while let Some(at) = self.open.iter().position(paused) {
            self.finish(at);
        }
    }

    fn finish_all(&mut self) {
        while !self.open.is_empty() {
            self.finish(0);
        }
    }
}

/// What a line begins.
fn recognise(text: &str) -> Option<What> {
    if !formats::candidates().is_match(text.as_bytes()) {
        return None;
    }
    if NOISES.is_match(text) {
        return Some(What::Noise);
    }
    let first = HEADERS.matches(text).iter().next()?;
    FORMATS.get(first).copied().map(What::Report)
}
