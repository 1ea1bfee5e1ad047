// SPDX-License-Identifier: GPL-2.0-or-later
//! What loggers, mailers and terminals put around a kernel message, and how to take it off.

use std::sync::LazyLock;

use regex::{Captures, Regex, RegexSet};

use super::console::{Caller, Line, Raw};
use super::pattern::{compile, lazy};

/// Bytes of a message that are looked at; what follows cannot matter to a title or a frame.
const MAX_TEXT: usize = 1024;
/// Wrappings within wrappings that are taken off.
const MAX_LAYERS: usize = 8;

/// Lines after which a log is taken to mark no line as the kernel's.
const MARKED_BY: usize = 256;

/// Date and time of day as loggers write them; `{DATE}` in the table.
const DATE: &str = r"(?:(?:[A-Z][a-z]{2} )?(?:[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?(?: \d{4})?|\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)|\d{10}\.\d{6})";

/// A time zone that stands for itself; `{ZONE}` in the table. Only where a host and a writer
/// follow: a message's first word may look the same.
const ZONE: &str = r"(?: (?:[A-Z]{3,5}|[+-]\d\d(?::?\d\d)?)(?: \S+))";

/// First words of the kernel's messages that begin as `host program: ` does; `{OWN}` in the table.
const OWN: &str = r"(?:[Cc]all|stack|Internal|Hardware|Krnl|Failing|Last|Pointer|value|divide|invalid|double|page|general|illegal|monitor|addressing|specification|protection|data|operand|translation|Unhandled|Alignment|Kernel|Uninit|Local|machine|memory|Machine) [A-Za-z-]+ ?:";

/// Wrappings by what they look like, the more telling first.
///
/// The group `kernel` says that the kernel wrote the line, `program` that something else did;
/// `us` is the kernel's clock and `caller` who printed it. `text` is the message's already.
const WRAPPINGS: &[&str] = &[
    // A reply quotes, as often as it was replied to. KASAN's `>ffff…` is no quote.
    r"(?:>+ )+|>+$|>+\t",
    r">+(?P<text>[^>\s0-9a-f]|[0-9a-f]{1,7}[^0-9a-f])",
    // RFC 5424: priority, version, date, host, program, process, message, data.
    r"<\d{1,3}>1 {DATE} \S+ (?:(?P<kernel>kernel)|(?P<program>\S+)) \S+ \S+ (?:-|\[[^\]]*\]) ?(?:\x{feff})?",
    // RFC 3164 and the journal: date, host, perhaps facility and level, program, process.
    r"{DATE}(?:{ZONE}| \S+)? (?:[a-z0-9]+\.[a-z]+ )?(?:(?P<kernel>kernel(?:\[\d+\])?)|(?P<program>[^\s:\[\]]+\[\d+\])): ?",
    // dmesg -T, perhaps with a delay.
    r"(?P<kernel>\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}(?: < *\d+\.\d+ *>)?\])(?: ?\[ *(?P<caller>[TC]\d{1,9})\])* ?",
    // dmesg -e, and -d without the clock.
    r"(?P<kernel>\[(?:[A-Z][a-z]{2} ?\d{1,2} \d\d:\d\d| *\+\d+\.\d{6}| *< *\d+\.\d{6} *>)\]) ?",
    // dmesg -x.
    r"(?:(?P<kernel>kern)|(?P<program>user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local\d)) *:(?:emerg|alert|crit|err|warn|notice|info|debug) *: ",
    // /dev/kmsg and netconsole: level, number, microseconds, flags, more.
    r"(?P<kernel>\d{1,3}),\d+,(?P<us>\d{1,18}),[-c+](?:,caller=(?P<caller>[TC]\d{1,9}))?[^;\s]*;",
    // Android's logcat; the kernel is process 0.
    r"\d\d-\d\d \d\d:\d\d:\d\d\.\d{3,9} +(?:(?P<kernel>0)|(?P<program>\d+)) +\d+ [VDIWEF] [^:]*: ",
    r"[VDIWEF]/[^(\s]* *\( *(?:(?P<kernel>0)|(?P<program>\d+))\): ",
    // Anyone who dates lines, and the level that raw dmesg shows.
    r"\[{DATE}\] ?",
    r"{DATE} (?P<text>{OWN})",
    // A program that gives no process id.
    r"{DATE} [A-Za-z0-9][\w.-]* (?P<program>[\w.-]+): ",
    r"{DATE} (?:(?:UTC|GMT) )?",
    r"<\d{1,3}>",
    // Callers without a clock.
    r"(?P<kernel>)\[ *(?P<caller>[TC]\d{1,9})\] ?",
];

static ANY: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = LAYERS.iter().map(Regex::as_str);
    #[expect(clippy::expect_used, reason = "each pattern has just compiled alone")]
    RegexSet::new(patterns).expect("the wrappings compile together")
});
static LAYERS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    WRAPPINGS
        .iter()
        .map(|pattern| {
            let pattern = pattern.replace("{DATE}", DATE).replace("{ZONE}", ZONE);
            compile(&format!("^(?:{})", pattern.replace("{OWN}", OWN)))
        })
        .collect()
});

// The clock that printk shows; dmesg -d adds a delay, and old ones the log level.
lazy!(
    STAMP = r"^\[ *(?P<s>\d{1,9})\.(?P<us>\d{6})(?: < *\d+\.\d{6} *>)?\](?:(?: ?\[ *(?P<caller>[TC]\d{1,9})\])+|\([0-9]\))? ?"
);
// A mail's header names these, in any order.
lazy!(MAIL = r"(?i)^(?:from|subject|message-id|in-reply-to): \S");
// journalctl -o short-monotonic goes on so.
lazy!(HOST = r"^[^\s:]+ kernel: ?");
lazy!(
    ESCAPE = r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-Z]|[0-9=>]|[@-Z\\-_])"
);

/// Takes off what stands around the messages of one log.
#[derive(Debug, Default, Clone)]
pub(super) struct Unwrapper {
    /// The last line, cleaned.
    clean: String,
    /// Lines seen.
    lines: usize,
    /// Lines of the kernel are marked as such: others are not its.
    marked: bool,
    /// It began as a mail does, before any line of a kernel's: what was pasted from a console
    /// need not bear the marks that another paste bears.
    mail: bool,
    /// So are they after the clock, which the journal puts before any line: as the first one told.
    journal: Option<bool>,
    /// Blanks that stand before each line, as of the last one that may begin a report.
    indent: String,
}

impl Unwrapper {
    /// True when it is known whether the log marks the kernel's lines.
    pub(super) fn knows(&self) -> bool {
        self.marked || self.lines >= MARKED_BY
    }

    /// The message of a line. `may_begin`: no report is open that it could belong to.
    pub(super) fn line(&mut self, raw: &Raw<'_>, may_begin: bool) -> Line<'_> {
        clean(raw.bytes, &mut self.clean);
        let message = unwrap(&self.clean);
        self.lines = self.lines.saturating_add(1);
        self.marked |= message.kernel;
        self.mail |= !self.marked && MAIL.is_match(message.text);
        if message.time.is_some() {
            self.journal.get_or_insert(message.hosted);
        }
        let foreign = message.program
            || self.marked && !message.kernel && !self.mail
            || self.journal == Some(true) && message.time.is_some() && !message.hosted;
        let mut text = message.text;
        if !message.kernel {
            if may_begin {
                let blanks = text.len() - text.trim_ascii_start().len();
                self.indent.clear();
                self.indent.push_str(&text[..blanks]);
            }
            text = &text[common(&self.indent, text)..];
        }
        Line {
            span: raw.span.clone(),
            caller: message.caller,
            time: message.time,
            foreign,
            text: bounded(text),
        }
    }
}

/// A message, and what its wrapping told.
#[derive(Debug, Default)]
struct Message<'a> {
    text: &'a str,
    /// The kernel wrote it.
    kernel: bool,
    /// Something else did.
    program: bool,
    /// A host's name stands between the kernel's clock and it.
    hosted: bool,
    caller: Option<Caller>,
    time: Option<u64>,
}

fn unwrap(line: &str) -> Message<'_> {
    let mut message = Message {
        text: line,
        ..Message::default()
    };
    for _ in 0..MAX_LAYERS {
        if message.program || message.stamp(0) || !ANY.is_match(message.text) {
            break;
        }
        let text = message.text;
        if let Some(layer) = LAYERS.iter().find_map(|layer| layer.captures(text)) {
            message.take(&layer, 0);
        }
    }
    // A program's output may stand unfinished before a message.
    if message.time.is_none() && !message.program {
        let text = message.text;
        memchr::memchr_iter(b'[', text.as_bytes()).find(|&at| message.stamp(at));
    }
    if message.time.is_some()
        && let Some(host) = HOST.find(message.text)
    {
        message.hosted = true;
        message.text = &message.text[host.end()..];
        message.stamp(0);
    }
    message
}

impl<'a> Message<'a> {
    /// Takes off the kernel's clock, if it stands at `at`.
    fn stamp(&mut self, at: usize) -> bool {
        let text = self.text;
        let stamp = STAMP.captures(&text[at..]);
        if let Some(stamp) = &stamp {
            self.kernel = true;
            self.take(stamp, at);
        }
        stamp.is_some()
    }

    fn take(&mut self, layer: &Captures<'a>, at: usize) {
        let number = |name: &str| layer.name(name)?.as_str().parse::<u64>().ok();
        self.kernel |= layer.name("kernel").is_some();
        self.program |= layer.name("program").is_some();
        self.caller = layer
            .name("caller")
            .and_then(|m| caller(m.as_str()))
            .or(self.caller);
        if let Some(us) = number("us") {
            self.time = Some(number("s").unwrap_or(0) * 1_000_000 + us);
        }
        let text = layer.name("text").map(|text| text.start());
        self.text = &self.text[at + text.unwrap_or(layer.get_match().end())..];
    }
}

fn caller(printed: &str) -> Option<Caller> {
    let number = printed.get(1..)?.parse().ok()?;
    Some(if printed.starts_with('T') {
        Caller::Task(number)
    } else {
        Caller::Cpu(number)
    })
}

/// The text's first [`MAX_TEXT`] bytes, or fewer where they would part a character.
fn bounded(text: &str) -> &str {
    let end = (0..=MAX_TEXT.min(text.len())).rfind(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

/// Bytes that both begin with.
fn common(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

/// Valid UTF-8 without escape sequences and control characters, tabs kept.
fn clean(raw: &[u8], to: &mut String) {
    to.clear();
    let text = String::from_utf8_lossy(raw);
    let text = if text.contains('\x1b') {
        ESCAPE.replace_all(&text, "").into_owned().into()
    } else {
        text
    };
    let unwanted = |c: char| c.is_control() && c != '\t';
    if text.contains(unwanted) {
        to.extend(text.chars().filter(|&c| !unwanted(c)));
    } else {
        to.push_str(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> (Option<Caller>, Option<u64>, String) {
        let raw = Raw {
            span: 0..line.len() as u64,
            bytes: line.as_bytes(),
        };
        let mut unwrapper = Unwrapper::default();
        let line = unwrapper.line(&raw, false);
        (line.caller, line.time, line.text.to_owned())
    }

    #[test]
    fn clock_and_caller_are_parted() {
        for (line, caller, time, text) in [
            (
                "[    1.234567][   T42] hello",
                Some(Caller::Task(42)),
                Some(1_234_567),
                "hello",
            ),
            (
                "[    1.234567][    C0]  spaced",
                Some(Caller::Cpu(0)),
                Some(1_234_567),
                " spaced",
            ),
            ("[    1.234567]  spaced", None, Some(1_234_567), " spaced"),
            // A program's unfinished line precedes.
            (
                "login: [    1.234567][    C0] late",
                Some(Caller::Cpu(0)),
                Some(1_234_567),
                "late",
            ),
            (
                "[   T42] no clock",
                Some(Caller::Task(42)),
                None,
                "no clock",
            ),
            // A number that is no process id.
            (
                "[    1.000000][ T99999999999] x",
                None,
                Some(1_000_000),
                "[ T99999999999] x",
            ),
        ] {
            assert_eq!(message(line), (caller, time, text.to_owned()));
        }
    }

    #[test]
    fn a_message_is_not_taken_for_a_wrapping() {
        for line in [
            "------------[ cut here ]------------",
            "---[ end trace 0000000000000000 ]---",
            " [<ffffffff81234567>] func+0x1/0x2",
            "[<ffffffff81234567>] (func) from [<ffffffff81234568>] (caller+0x1/0x2)",
            "[ffff800012345678] pgd=0000000000000000",
            ">ffff888012345600: fa fb fb fb fb fb fb fb",
            " <TASK>",
            "<IRQ>",
            "Call Trace:",
            "  func+0x1/0x2",
            "      Not tainted 6.12.0 #1",
            "\tindented",
            "kernel BUG at mm/rmap.c:1!",
            "traps: work[7] general protection fault",
            "task:kworker/u8:1 state:D stack:0 pid:42",
            "R10: 0000000000000000 R11: 0000000000000000",
            "[drm] a driver's own mark",
            "Internal error: Oops: 96000004 [#1] SMP",
            "3 locks held by work/7:",
            ">c0123400: fa fb fb fb",
            "INFO: task work:7 blocked for more than 143 seconds.",
        ] {
            assert_eq!(message(line), (None, None, line.to_owned()));
        }
    }

    #[test]
    fn what_follows_a_date_is_not_taken_for_its_zone() {
        let date = "2026-11-03 10:00:00";
        for text in [
            "BUG kmalloc-64 (Not tainted): Right Redzone overwritten",
            "NIP [c0000000004d2a58] func+0x1/0x2",
            "Call Trace:",
            "Internal error: Oops: 5 [#1] SMP ARM",
            "Krnl PSW : 0704c00180000000 0000000a1b2c3d4e (func+0x1/0x2)",
            "divide error: 0000 [#1] SMP",
            "func mm/rmap.c:12 [inline]",
            "kernel BUG at mm/rmap.c:1!",
        ] {
            assert_eq!(message(&format!("{date} {text}")).2, text);
            for host in ["host", "UTC host", "CEST host", "+0530 host", "+05 host"] {
                assert_eq!(message(&format!("{date} {host} kernel: {text}")).2, text);
            }
        }
    }

    #[test]
    fn quotes_need_no_blank() {
        for text in [
            "BUG: x",
            "<TASK>",
            "func+0x1/0x2",
            "add+0x1/0x2",
            "Call Trace:",
        ] {
            for mark in [">", ">>", "> ", ">> ", "> > ", "> >", ">\t"] {
                assert_eq!(message(&format!("{mark}{text}")).2, text, "{mark}");
            }
        }
    }

    #[test]
    fn garbage_is_cleaned_and_length_bounded() {
        let raw = |bytes| Raw { span: 0..1, bytes };
        let mut unwrapper = Unwrapper::default();
        let line = unwrapper.line(&raw(b"\x1b[1;31mred\x1b[0m\0\xff\x07"), true);
        assert_eq!(line.text, "red\u{fffd}");
        let long = "ä".repeat(MAX_TEXT);
        let long = unwrapper.line(&raw(long.as_bytes()), true).text.len();
        assert!((MAX_TEXT - 1..=MAX_TEXT).contains(&long));
    }

    #[test]
    fn what_was_pasted_with_an_indent_loses_it() {
        let mut unwrapper = Unwrapper::default();
        let mut text = |line: &str, may_begin| {
            let raw = Raw {
                span: 0..1,
                bytes: line.as_bytes(),
            };
            unwrapper.line(&raw, may_begin).text.to_owned()
        };
        assert_eq!(text("  BUG: x", true), "BUG: x");
        assert_eq!(text("   func+0x1/0x2", false), " func+0x1/0x2");
        assert_eq!(text(" less", false), "less");
        assert_eq!(text("WARNING: y", true), "WARNING: y");
        assert_eq!(text(" func+0x1/0x2", false), " func+0x1/0x2");
    }
}
