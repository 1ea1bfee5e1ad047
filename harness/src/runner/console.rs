// SPDX-License-Identifier: GPL-2.0-or-later
//! What a guest's console tells. It is read once, as it comes, and no byte of it is kept: a guest
//! that prints for ever takes no memory, and no trace is lost in what its log leaves out.

use memchr::memmem::{self, Finder};
use swapmig_reports::trace::{Parser, Report};

/// How many traces are kept: the first is the finding, the rest may be its wrecks.
const TRACES_MAX: usize = 20;
/// What the guest's init writes into the kernel's log when it could not send an event.
const EVENT_LOST: &str = "swapmig: an event was lost";
/// What the kernel says of messages that it could not print.
const MESSAGES_DROPPED: &str = "printk messages dropped";

/// A console that goes on.
#[derive(Debug, Clone)]
pub struct Console {
    length: u64,
    /// How much of it was there when the guest said that its workload began.
    started_at: Option<u64>,
    /// What the guest's init writes into the kernel's log when the workload begins and ends.
    begins: Words,
    ends: Words,
    lost: [Words; 2],
    parser: Parser,
    boot: Traces,
    workload: Traces,
}

/// What a console told, split at the moment when the workload began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Printed {
    /// How many bytes it has.
    pub bytes: u64,
    /// Traces from before: all of them when the workload never began.
    pub boot: Vec<Report>,
    /// What the workload is followed by, in order: the first 20.
    pub workload: Vec<Report>,
    /// The title of the first trace that ended in a panic.
    pub panicked: Option<String>,
    /// Whether it holds the workload from its first moment to its last, and no word of a lost
    /// event or message. One that does not may have lost a trace: to a full disk, or to a kernel
    /// that no longer prints.
    pub whole: bool,
}

impl Console {
    /// The console of a guest that is to run the workload of this name.
    pub fn of(workload: &str) -> Self {
        let mark = |what| Words::new(&format!("swapmig: workload {workload} {what}"));
        Self {
            length: 0,
            started_at: None,
            begins: mark("begins"),
            ends: mark("ends"),
            lost: [Words::new(EVENT_LOST), Words::new(MESSAGES_DROPPED)],
            parser: Parser::default(),
            boot: Traces::default(),
            workload: Traces::default(),
        }
    }

    /// Takes the next bytes, wherever they end.
    pub fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        for words in &mut self.lost {
            words.look(bytes);
        }
        let mut rest = bytes;
        if let Some(end) = self.begins.look(bytes) {
            self.parser
                .push(&bytes[..end], &mut |trace| self.boot.keep(trace));
            std::mem::take(&mut self.parser).finish(&mut |trace| self.boot.keep(trace));
            rest = &bytes[end..];
        }
        let traces = match self.begins.found {
            false => &mut self.boot,
            true => {
                self.ends.look(rest);
                &mut self.workload
            }
        };
        self.parser.push(rest, &mut |trace| traces.keep(trace));
    }

    /// How many bytes it has so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The guest has said that its workload began. Where its kernel loses its word of it, this is
    /// when it did.
    pub fn started(&mut self) {
        self.started_at.get_or_insert(self.length);
    }

    /// What it told so far, reports that are still being printed included.
    pub fn so_far(&self) -> Printed {
        self.clone().finish()
    }

    /// What it told. There is no more of it.
    pub fn finish(mut self) -> Printed {
        let traces = match self.begins.found {
            false => &mut self.boot,
            true => &mut self.workload,
        };
        self.parser.finish(&mut |trace| traces.keep(trace));
        let panicked = self.boot.panicked.or(self.workload.panicked);
        let (mut boot, mut workload) = (self.boot.kept, self.workload.kept);
        match self.started_at {
            None => boot.append(&mut workload),
            Some(at) if !self.begins.found => {
                workload = boot.split_off(boot.partition_point(|trace| trace.span.start < at));
            }
            Some(_) => {}
        }
        Printed {
            bytes: self.length,
            boot,
            workload,
            panicked,
            whole: self.ends.found && !self.lost.iter().any(|words| words.found),
        }
    }
}

/// Whether a console tells of an event or a message that was lost.
pub fn lost_messages(console: &[u8]) -> bool {
    [EVENT_LOST, MESSAGES_DROPPED]
        .iter()
        .any(|lost| memmem::find(console, lost.as_bytes()).is_some())
}

/// The first traces of a part of the console.
#[derive(Debug, Clone, Default)]
struct Traces {
    kept: Vec<Report>,
    /// The title of the first that ended in a panic, kept or not.
    panicked: Option<String>,
}

impl Traces {
    fn keep(&mut self, trace: Report) {
        if trace.panicked && self.panicked.is_none() {
            self.panicked = Some(trace.title.clone());
        }
        // What only measures time may be the host's doing: it does not push out the first that
        // cannot be.
        let sure = !trace.measures_time && self.kept.iter().all(|kept| kept.measures_time);
        if sure && self.kept.len() == TRACES_MAX {
            self.kept.pop();
        }
        if self.kept.len() < TRACES_MAX {
            self.kept.push(trace);
        }
    }
}

/// Words that are looked for until they have come, also where they come in pieces.
#[derive(Debug, Clone)]
struct Words {
    finder: Finder<'static>,
    found: bool,
    /// The last bytes that passed: too few to hold the words.
    passed: Vec<u8>,
}

impl Words {
    fn new(words: &str) -> Self {
        Self {
            finder: Finder::new(words).into_owned(),
            found: false,
            passed: Vec::new(),
        }
    }

    /// Where in `bytes` the words end, if they come for the first time.
    fn look(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.found {
            return None;
        }
        let length = self.finder.needle().len();
        let before = self.passed.len();
        self.passed
            .extend_from_slice(&bytes[..bytes.len().min(length - 1)]);
        let across = self
            .finder
            .find(&self.passed)
            .map(|at| at + length - before);
        let end = across.or_else(|| self.finder.find(bytes).map(|at| at + length));
        self.found = end.is_some();
        if bytes.len() >= length {
            self.passed.clear();
            self.passed
                .extend_from_slice(&bytes[bytes.len() + 1 - length..]);
        } else {
            let surplus = self.passed.len().saturating_sub(length - 1);
            self.passed.drain(..surplus);
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGINS: &str = "[    2.000000][    T1] swapmig: workload tmpfs begins\n";
    const ENDS: &str = "[    9.000000][    T1] swapmig: workload tmpfs ends\n";

    /// A trace of its own function.
    fn trace(function: &str) -> String {
        format!(
            "[    3.000000][   T42] ------------[ cut here ]------------\n\
             [    3.000001][   T42] WARNING: CPU: 0 PID: 42 at mm/rmap.c:100 {function}+0x10/0x20\n\
             [    3.000002][   T42] CPU: 0 UID: 0 PID: 42 Comm: swapmig-guest Not tainted 6.12.0 #1\n\
             [    3.000003][   T42] RIP: 0010:{function}+0x10/0x20\n\
             [    3.000004][   T42] Call Trace:\n\
             [    3.000005][   T42]  <TASK>\n\
             [    3.000006][   T42]  migrate_pages_batch+0x10/0x20\n\
             [    3.000007][   T42]  </TASK>\n\
             [    3.000008][   T42] ---[ end trace 0000000000000000 ]---\n"
        )
    }

    fn titles(traces: &[Report]) -> Vec<&str> {
        traces.iter().map(|trace| trace.title.as_str()).collect()
    }

    /// What a console tells that comes in pieces of this size, its workload begun when all of
    /// `before` was there.
    fn printed(before: &str, after: &str, size: usize) -> Printed {
        let mut console = Console::of("tmpfs");
        before
            .as_bytes()
            .chunks(size)
            .for_each(|piece| console.push(piece));
        console.started();
        after
            .as_bytes()
            .chunks(size)
            .for_each(|piece| console.push(piece));
        console.finish()
    }

    #[test]
    fn it_does_not_matter_where_pieces_end() {
        let text = [&trace("early"), BEGINS, &trace("late"), ENDS].concat();
        for size in 1..200 {
            let printed = printed("", &text, size);
            assert_eq!(titles(&printed.boot), ["WARNING in early"], "{size}");
            assert_eq!(titles(&printed.workload), ["WARNING in late"], "{size}");
            assert!(printed.whole);
            assert_eq!(printed.bytes, text.len() as u64);
        }
    }

    #[test]
    fn the_kernels_word_of_the_begin_counts_more_than_the_guests() {
        // The guest's own overtook it.
        let after = [&trace("early"), BEGINS, &trace("late")].concat();
        let printed = printed("", &after, 100);
        assert_eq!(titles(&printed.boot), ["WARNING in early"]);
        assert_eq!(titles(&printed.workload), ["WARNING in late"]);
    }

    #[test]
    fn where_the_kernels_word_is_lost_the_guests_counts() {
        let printed = printed(&trace("early"), &trace("late"), 100);
        assert_eq!(titles(&printed.boot), ["WARNING in early"]);
        assert_eq!(titles(&printed.workload), ["WARNING in late"]);
        assert!(!printed.whole);
    }

    #[test]
    fn a_guest_whose_workload_never_began_has_only_boot_traces() {
        let mut console = Console::of("tmpfs");
        console.push(
            [&trace("early"), BEGINS, &trace("late")]
                .concat()
                .as_bytes(),
        );
        let printed = console.finish();
        let all = ["WARNING in early", "WARNING in late"];
        assert_eq!(titles(&printed.boot), all);
        assert_eq!(printed.workload, []);
    }

    #[test]
    fn a_console_without_the_end_is_told_from_a_whole_one() {
        let whole = [BEGINS, "x\n", ENDS].concat();
        let is_whole = |text: &str| printed("", text, 7).whole;
        assert!(is_whole(&whole));
        assert!(!is_whole(&whole.replace("tmpfs", "orphan")));
        assert!(!is_whole(&whole[..60]));
        for lost in [EVENT_LOST, MESSAGES_DROPPED] {
            assert!(!is_whole(&[&whole, lost].concat()));
            assert!(!is_whole(&[lost, &whole].concat()));
        }
        assert!(!is_whole(ENDS));
        assert!(!is_whole(&[ENDS, BEGINS].concat()));
    }

    #[test]
    fn a_report_that_is_still_being_printed_is_known() {
        let mut console = Console::of("tmpfs");
        console.started();
        console.push(BEGINS.as_bytes());
        assert_eq!(console.so_far().workload, []);
        let trace = trace("late");
        let (first, rest) = trace.split_at(trace.find("RIP").unwrap());
        console.push(first.as_bytes());
        assert_eq!(console.so_far().workload.len(), 1);
        console.push(rest.as_bytes());
        assert_eq!(titles(&console.finish().workload), ["WARNING in late"]);
    }

    #[test]
    fn hangs_do_not_push_out_what_no_host_can_cause() {
        let hang =
            "[    9.000000][   T9] watchdog: BUG: soft lockup - CPU#0 stuck for 60s! [swapmig:9]\n";
        let after = [BEGINS, &hang.repeat(2 * TRACES_MAX), &trace("late")].concat();
        let printed = printed("", &after, 4096);
        assert_eq!(printed.workload.len(), TRACES_MAX);
        assert!(printed.workload[0].measures_time);
        assert_eq!(printed.workload[TRACES_MAX - 1].title, "WARNING in late");
    }

    #[test]
    fn traces_for_ever_are_bounded_and_the_panic_behind_them_is_known() {
        let mut console = Console::of("tmpfs");
        console.started();
        console.push(BEGINS.as_bytes());
        for _ in 0..20_000 {
            console.push(trace("late").as_bytes());
        }
        console
            .push(b"[   99.000000][    T1] Kernel panic - not syncing: Attempted to kill init!\n");
        let printed = console.finish();
        assert_eq!(printed.workload.len(), TRACES_MAX);
        assert!(printed.panicked.is_some());
    }
}
