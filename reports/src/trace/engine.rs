// SPDX-License-Identifier: GPL-2.0-or-later
//! Collects the lines of each report, told apart by who printed them.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use super::Report;
use super::console::Line;
use super::finish;
use super::formats::{CONTINUATIONS, Ends, FORMATS, Format, NOISE};
use super::pattern::{compile, lazy};
use super::stack::Reader;

/// Reports kept of one console; the first one counts, hundreds of wrecks do not.
const MAX_REPORTS: usize = 64;
/// Reports that may be open at once, one for each caller.
const MAX_OPEN: usize = 16;
/// Lines kept of one report.
const MAX_LINES: usize = 1500;
/// Lines that may lie between `cut here` and the line that says what happened.
const MAX_PREAMBLE: usize = 24;
/// A report is printed in one go: after such a pause in microseconds it has ended.
const PAUSE: u64 = 20_000_000;
/// Callers whose backtraces one report may take in.
const MAX_ADOPTED: usize = 8;

lazy!(PANIC = "Kernel panic - not syncing: ");
lazy!(
    CONSEQUENCE = "not syncing: (?:Fatal exception|panic_on_warn|kasan|KASAN|kfence|hung_task|softlockup|hardlockup|Hard LOCKUP|Attempted to kill init|Aiee|nmi_panic|RCU Stall|BUG!|Oops|stack overflow)"
);
lazy!(CUT_HERE = r"^-{8,}\[ cut here \]-{8,}$");
lazy!(END_TRACE = r"^-{2,}\[ end (?:trace|Kernel panic)");
lazy!(RULER = r"^\s*={10,}$");
lazy!(BOOT = r"^Linux version \d");
lazy!(BACKTRACE = r"^NMI backtrace for cpu \d+");
// Only lines with one of these words are tried against the whole table.
lazy!(
    CANDIDATE = r"BUG|WARNING|INFO|panic|PANIC|fault|error|LOCKUP|UBSAN|lock state|Unable|VFS|FAULT_INJ|sysrq|oom-killer|failure"
);

static HEADERS: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = FORMATS
        .iter()
        .map(|f| compile(f.header).as_str().to_owned());
    #[expect(clippy::expect_used, reason = "each pattern has just compiled alone")]
    RegexSet::new(patterns).expect("the headers compile together")
});
static CONTINUES: LazyLock<Regex> = LazyLock::new(|| compile(&CONTINUATIONS.join("|")));
static NOISES: LazyLock<Regex> = LazyLock::new(|| compile(&NOISE.join("|")));

/// A report whose lines are still being collected.
pub(super) struct Collected {
    pub(super) what: What,
    pub(super) lines: Vec<String>,
    /// Index of the header in `lines`.
    pub(super) header: usize,
    pub(super) span: std::ops::Range<u64>,
    pub(super) stacks: Reader,
    pub(super) mixed: bool,
    pub(super) panicked: bool,
    /// Its end was marked.
    pub(super) closed: bool,
    /// The console ended with it.
    pub(super) last: bool,
    caller: Option<String>,
    adopted: Vec<String>,
    time: Option<u64>,
    order: usize,
}

/// What is being collected.
#[derive(Clone, Copy)]
pub(super) enum What {
    Report(&'static Format),
    /// `cut here` was seen; what happened comes next.
    Preamble,
    /// A stack without a crash.
    Noise,
    /// A second boot that nothing announced.
    Reboot,
}

#[derive(Default)]
pub(super) struct Collector {
    open: Vec<Collected>,
    done: Vec<Collected>,
    begun: usize,
    boots: usize,
    panicked: bool,
    /// The kernel prints its clock: a line without it is a program's.
    stamped: bool,
    /// End of the last line that is not empty.
    end: u64,
}

impl Collector {
    /// Takes the log's next line.
    pub(super) fn line(&mut self, line: Line) {
        if !line.text.trim().is_empty() {
            self.end = line.span.end;
        }
        self.stamped |= line.time.is_some();
        self.finish_paused(&line);
        if self.stamped && line.time.is_none() {
            return self.add(line);
        }
        if BOOT.is_match(&line.text) {
            return self.boot(line);
        }
        if PANIC.is_match(&line.text) && self.panic(&line) {
            return;
        }
        if CUT_HERE.is_match(&line.text) {
            return self.begin(What::Preamble, line);
        }
        match recognise(&line.text) {
            Some(_) if self.in_report(&line) && CONTINUES.is_match(&line.text) => self.add(line),
            Some(what) => self.begin(what, line),
            None => self.add(line),
        }
    }

    /// A boot banner: the first is expected, a later one after a panic too.
    fn boot(&mut self, line: Line) {
        self.boots += 1;
        self.finish_all();
        let unexpected = self.boots > 1 && !self.panicked;
        self.panicked = false;
        if unexpected {
            self.begin(What::Reboot, line);
            self.finish_all();
        }
    }

    /// Marks what the panic follows; false when it is a finding of its own.
    fn panic(&mut self, line: &Line) -> bool {
        self.panicked = true;
        let reports = |of: &[Collected]| of.iter().any(|c| matches!(c.what, What::Report(_)));
        let any = reports(&self.open) || reports(&self.done);
        let follows = self.in_report(line) || any && CONSEQUENCE.is_match(&line.text);
        for collected in self.open.iter_mut().chain(&mut self.done) {
            collected.panicked = true;
        }
        if follows && let Some(at) = self.position(line) {
            push(&mut self.open[at], line);
        }
        follows
    }

    fn begin(&mut self, what: What, line: Line) {
        let mut mixed = false;
        if let Some(at) = self.position(&line) {
            let open = &mut self.open[at];
            if matches!(open.what, What::Preamble) && matches!(what, What::Report(_)) {
                open.what = what;
                open.header = open.lines.len();
                push(open, &line);
                return;
            }
            // Without callers two writers cannot be told apart.
            let midst = line.caller.is_none() && open.stacks.in_crash_stack();
            if midst && matches!(open.what, What::Noise) {
                mixed = true;
            }
            if midst && matches!(open.what, What::Report(_)) {
                open.mixed = true;
            }
            if matches!(what, What::Noise) && midst {
                push(open, &line);
                return;
            }
            self.finish(at);
        }
        if self.begun >= MAX_REPORTS {
            return;
        }
        if self.open.len() >= MAX_OPEN {
            self.finish(0);
        }
        let mut collected = Collected {
            what,
            lines: Vec::new(),
            header: 0,
            span: line.span.clone(),
            stacks: Reader::default(),
            mixed,
            panicked: self.panicked,
            closed: false,
            last: false,
            caller: line.caller.clone(),
            adopted: Vec::new(),
            time: line.time,
            order: self.begun,
        };
        push(&mut collected, &line);
        self.open.push(collected);
        self.begun += 1;
    }

    fn add(&mut self, line: Line) {
        if BACKTRACE.is_match(&line.text)
            && let Some(caller) = &line.caller
            && self.position(&line).is_none()
            && let Some(open) = self
                .open
                .iter_mut()
                .rev()
                .find(|open| matches!(open.what, What::Report(_)))
            && open.adopted.len() < MAX_ADOPTED
        {
            open.adopted.push(caller.clone());
        }
        let Some(at) = self.position(&line) else {
            return;
        };
        let open = &mut self.open[at];
        push(open, &line);
        let ends = match open.what {
            What::Report(format) => format.ends,
            What::Preamble if open.lines.len() > MAX_PREAMBLE => return self.finish(at),
            _ => Ends::Open,
        };
        let ended = match ends {
            Ends::EndTrace => END_TRACE.is_match(&line.text),
            Ends::Ruler => RULER.is_match(&line.text) && open.lines.len() > open.header + 2,
            Ends::Open => false,
        };
        if ended {
            open.closed = true;
            self.finish(at);
        }
    }

    fn in_report(&self, line: &Line) -> bool {
        self.position(line)
            .is_some_and(|at| matches!(self.open[at].what, What::Report(_)))
    }

    /// The open report that a line belongs to.
    fn position(&self, line: &Line) -> Option<usize> {
        self.open.iter().position(|open| {
            open.caller == line.caller
                || line
                    .caller
                    .as_ref()
                    .is_some_and(|caller| open.adopted.contains(caller))
        })
    }

    fn finish(&mut self, at: usize) {
        let collected = self.open.remove(at);
        match collected.what {
            What::Preamble | What::Noise => self.begun -= 1,
            What::Report(_) | What::Reboot => self.done.push(collected),
        }
    }

    fn finish_paused(&mut self, line: &Line) {
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

    /// The log has ended: all its reports.
    pub(super) fn end(mut self) -> Vec<Report> {
        for open in &mut self.open {
            open.last = open.span.end == self.end;
        }
        self.finish_all();
        self.done
            .sort_by_key(|collected| (collected.span.start, collected.order));
        self.done.into_iter().map(finish::report).collect()
    }
}

fn push(collected: &mut Collected, line: &Line) {
    collected.time = line.time.or(collected.time);
    if collected.lines.len() < MAX_LINES {
        collected.stacks.line(&line.text);
        collected.lines.push(line.text.clone());
        collected.span.end = line.span.end;
    }
}

/// What a line begins.
fn recognise(text: &str) -> Option<What> {
    if !CANDIDATE.is_match(text) {
        return None;
    }
    if NOISES.is_match(text) {
        return Some(What::Noise);
    }
    let first = HEADERS.matches(text).iter().next()?;
    FORMATS.get(first).copied().map(What::Report)
}
