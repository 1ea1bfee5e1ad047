// SPDX-License-Identifier: GPL-2.0-or-later
//! Collects the lines of each report, told apart by who printed them.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::Report;
use super::collected::{Collected, Mixed, What};
use super::console::Line;
use super::finish;
use super::formats::{self, ANNOUNCED, ASIDE, CONTINUATIONS, Ends, FORMATS, INNOCENT, NOISE};
use super::pattern::{compile, lazy};
use super::waiting::Waiting;

/// Reports that may be open at once, one for each caller.
const MAX_OPEN: usize = 16;
/// Lines that may lie between `cut here`, or a page's dump, and the line that says what happened.
const MAX_PREAMBLE: usize = 80;
/// A kernel's first words come within this time, in microseconds.
const UP: u64 = 1_000_000;

lazy!(PANIC = "Kernel panic - not syncing: ");
lazy!(
    CONSEQUENCE = r"not syncing: (?:Fatal exception|(?:[A-Za-z]+: )?panic_on_warn|(?:[a-z]+\.panic|panic_on_[a-z]+) set|kasan|KASAN|kfence|hung_task|softlockup|hardlockup|Hard LOCKUP|Attempted to kill init|Aiee|nmi_panic|RCU Stall|BUG!|Oops|stack overflow)"
);
lazy!(CUT_HERE = r"^-{8,}\[ cut here \]-{8,}$");
// What a page looked like, before the assertion that it breaks; it may hold its owners' stacks.
lazy!(PAGE_DUMP = r"^page: ?(?:[0-9a-fx]+ )?(?:ref)?count:-?\d+ mapcount:");
// A log that was symbolized: what was inlined into the function that the next header names.
lazy!(INLINED = r"(?:BUG|WARNING): .* \[inline\]$");
lazy!(END_TRACE = r"^-{2,}\[ end (?:trace|Kernel panic)");
lazy!(RULER = r"^\s*={10,}$");
lazy!(BOOT = r"^Linux version (?P<release>\d\S{0,63})");
// The kernel's last words when it was told to go.
lazy!(
    LEAVE = r"^(?:reboot: )?(?:Restarting system|machine restart|Power down|System halted)|^kexec(?:_core)?: Starting new kernel|^(?:sysrq|SysRq ?): Resetting"
);
lazy!(BACKTRACE = r"^NMI backtrace for cpu \d+");

static ASIDES: LazyLock<Regex> = LazyLock::new(|| compile(&ASIDE.join("|")));
static HEADERS: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = FORMATS
        .iter()
        .map(|f| compile(f.header).as_str().to_owned());
    #[expect(clippy::expect_used, reason = "each pattern has just compiled alone")]
    RegexSet::new(patterns).expect("the headers compile together")
});
static CONTINUES: LazyLock<Regex> = LazyLock::new(|| compile(&CONTINUATIONS.join("|")));
static INNOCENTS: LazyLock<Regex> = LazyLock::new(|| compile(&INNOCENT.join("|")));
static ANNOUNCEMENTS: LazyLock<Regex> = LazyLock::new(|| compile(&ANNOUNCED.join("|")));
static NOISES: LazyLock<Regex> = LazyLock::new(|| compile(&NOISE.join("|")));

/// Takes a log's lines one by one and gives its reports in the order in which they began.
#[derive(Default, Clone)]
pub(super) struct Collector {
    open: Vec<Collected>,
    waiting: Waiting,
    /// A kernel has said its banner.
    booted: bool,
    /// A kernel has been up for long enough that the next banner is another boot's.
    ran: bool,
    /// The running kernel has been told to go.
    leaving: bool,
    /// The running kernel's release, as its banner tells.
    release: Option<String>,
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
        self.finish_over(line);
        self.take(line);
        self.ran |= line.time.is_some_and(|time| time > UP);
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
            return;
        }
        // Most lines begin nothing: they are told by one cheap look.
        if !formats::candidates().is_match(line.text.as_bytes()) {
            return self.add(line);
        }
        if let Some(banner) = BOOT.captures(line.text) {
            return self.boot(line, &banner["release"]);
        }
        self.leaving |= LEAVE.is_match(line.text);
        if PANIC.is_match(line.text) && self.panic(line) {
            return;
        }
        if [&CUT_HERE, &PAGE_DUMP, &INLINED]
            .iter()
            .any(|introduction| introduction.is_match(line.text))
        {
            return match self.position(line) {
                // Already before its header, or it stumbled while it was being printed.
                Some(at) if self.open[at].introduces(line) => self.add(line),
                _ => self.begin(What::Preamble, line),
            };
        }
        let carries_on = |line: &Line<'_>| {
            self.report_of(line).is_some_and(|at| {
                let announced = || ANNOUNCEMENTS.is_match(line.text);
                CONTINUES.is_match(line.text) || self.open[at].just_begun() && announced()
            })
        };
        match recognise(line.text) {
            Some(_) if carries_on(line) => self.add(line),
            Some(what) => self.begin(what, line),
            None => self.add(line),
        }
    }

    /// A boot banner: the first is expected, unless a kernel ran before; so is one after a
    /// panic, or after words of farewell.
    fn boot(&mut self, line: &Line<'_>, release: &str) {
        self.finish_all();
        let unexpected = (self.booted || self.ran) && !self.panicked && !self.leaving;
        self.booted = true;
        self.ran = false;
        self.leaving = false;
        self.release = Some(release.to_owned());
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
        let follows = self.report_of(line).is_some() || any && CONSEQUENCE.is_match(line.text);
        for open in &mut self.open {
            open.panicked = true;
        }
        self.waiting.panicked();
        if follows {
            self.each_of(line, |open| open.push(line));
        }
        follows
    }

    fn begin(&mut self, what: What, line: &Line<'_>) {
        let mut mixed = Mixed::No;
        let mut nested = false;
        while let Some(at) = self.position(line).filter(|_| !nested) {
            let open = &mut self.open[at];
            if matches!((open.what, what), (What::Preamble, What::Report(_))) {
                return open.announce(what, line);
            }
            // Without callers two writers cannot be told apart.
            let anyone = line.caller.is_none();
            let midst = open.stacks.in_crash_stack();
            match (open.what, what) {
                (What::Report(_), What::Noise) if anyone && !open.stacks.complete() => {
                    open.mix(Mixed::Noise);
                    return open.push(line);
                }
                (What::Report(_), What::Aside) if anyone && !open.stacks.complete() => {
                    open.aside = true;
                    return open.push(line);
                }
                (What::Noise | What::Aside, _) if anyone && midst => mixed = Mixed::Born,
                (What::Report(_), What::Report(_)) if !anyone && !open.has_stack() => {
                    // A crash on the way to telling of a crash: the first has no stack of its own.
                    self.each_of(line, |open| open.push(line));
                    nested = true;
                    continue;
                }
                (What::Report(format), _) if format.ends != Ends::Next => {
                    if anyone && midst {
                        mixed = Mixed::Born;
                    } else if anyone && open.awaits_stack() {
                        mixed = Mixed::Overtaken;
                    }
                    if anyone && midst || format.ends == Ends::Ruler && !anyone {
                        open.mix(Mixed::Report);
                    }
                }
                _ => {}
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
        self.each_of(line, |open| {
            open.push(line);
            open.closed = match open.what {
                What::Report(format) => match format.ends {
                    Ends::EndTrace => END_TRACE.is_match(line.text),
                    Ends::Ruler => {
                        let ruler = RULER.is_match(line.text) || END_TRACE.is_match(line.text);
                        // One right below what was accessed is SLUB's, which tells more.
                        ruler && open.lines.len() > open.header + 3
                    }
                    Ends::Open | Ends::Next => false,
                },
                What::Preamble => open.lines.len() > MAX_PREAMBLE,
                What::Noise | What::Aside | What::Reboot => false,
            };
        });
        while let Some(at) = self.open.iter().position(|open| open.closed) {
            self.finish(at);
        }
    }

    fn each_of(&mut self, line: &Line<'_>, with: impl Fn(&mut Collected)) {
        let caller = line.caller;
        self.open
            .iter_mut()
            .filter(|open| open.is_of(caller))
            .for_each(with);
    }

    /// The open report that a line belongs to.
    fn report_of(&self, line: &Line<'_>) -> Option<usize> {
        self.position(line).filter(|&at| self.open[at].is_report())
    }

    /// What is open and takes a line, a report or not.
    fn position(&self, line: &Line<'_>) -> Option<usize> {
        let caller = line.caller;
        self.open.iter().rposition(|open| open.is_of(caller))
    }

    fn finish(&mut self, at: usize) {
        let collected = self.open.remove(at);
        if matches!(collected.what, What::Report(_) | What::Reboot) {
            self.reported = true;
            let mut report = finish::report(collected);
            let release = &mut report.details.release;
            *release = release.take().or_else(|| self.release.clone());
            self.waiting.push(report);
        }
    }

    fn finish_over(&mut self, line: &Line<'_>) {
        while let Some(at) = self.open.iter().position(|open| open.over(line)) {
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
    if NOISES.is_match(text) {
        return Some(What::Noise);
    }
    if ASIDES.is_match(text) {
        return Some(What::Aside);
    }
    let first = HEADERS.matches(text).iter().next()?;
    let format = FORMATS.get(first).copied()?;
    let innocent = formats::in_words(format) && INNOCENTS.is_match(text);
    (!innocent).then_some(What::Report(format))
}
