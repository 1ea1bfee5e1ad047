// SPDX-License-Identifier: GPL-2.0-or-later
//! A report for people: what happened, where, and whom to blame.

use std::fmt::Display;

use owo_colors::Style;

use super::crash::{Crash, direction_word};
use super::frames::{TriageFrame, TriageStack};
use super::source::SourceTree;
use crate::styled::Styled;
use crate::text::{self, LINE_MAX, plural};
use crate::trace::Direction;

/// Longest name that is shown, in characters.
const NAME_MAX: usize = 100;
/// How many frames of a stack are shown.
const FRAMES: usize = 64;
/// How many stacks are shown.
const STACKS: usize = 16;
/// How many alternative titles, and how many locks.
const LINES: usize = 16;
/// How many registers.
const REGISTERS: usize = 48;
/// How many registers stand on a line.
const COLUMNS: usize = 3;

/// A report as text that ends with a newline; with colours and weights when `styled`, with the
/// code to blame where its source tree is given.
///
/// Whatever comes from the log is bounded, and its control characters are shown as escapes.
pub fn render(crash: &Crash, styled: bool, tree: Option<&SourceTree>) -> String {
    let mut out = Styled::new(styled);
    out.facts(crash);
    for stack in crash.stacks.iter().take(STACKS) {
        out.stack(stack, tree);
    }
    if crash.stacks.len() > STACKS {
        let more = plural(crash.stacks.len() - STACKS, "more stack", "more stacks");
        out.line(format_args!("  and {more}"));
    }
    out.locks(crash);
    out.registers(crash);
    out.text
}

impl Styled {
    fn fact(&mut self, name: &str, value: impl Display) {
        let name = self.paint(format_args!("{name:<9}"), Style::new().dimmed());
        self.line(format_args!("  {name} {value}"));
    }

    fn facts(&mut self, crash: &Crash) {
        let title = text::line(&crash.title, LINE_MAX);
        let title = self.paint(title, Style::new().red().bold());
        self.line(title);
        for title in crash.alt_titles.iter().take(LINES) {
            self.fact("or", text::line(title, LINE_MAX));
        }
        if crash.key != crash.title {
            self.fact("key", text::line(&crash.key, LINE_MAX));
        }
        self.fact("type", crash.kind);
        if let Some(why) = &crash.corrupted_reason {
            let why = self.paint(text::line(why, LINE_MAX), Style::new().yellow());
            self.fact("corrupted", why);
        }
        if crash.panicked {
            self.fact("panicked", "yes");
        }
        self.fact("where", place(crash));
        if let Some(kernel) = kernel(crash) {
            self.fact("kernel", kernel);
        }
        if let Some(access) = access(crash) {
            self.fact("access", access);
        }
        if let Some(guilty) = &crash.guilty {
            let function = text::line(&guilty.function, NAME_MAX);
            let function = self.paint(function, Style::new().red());
            match &guilty.file {
                Some(file) => self.fact(
                    "to blame",
                    format_args!("{function} in {}", text::line(file, NAME_MAX)),
                ),
                None => self.fact("to blame", function),
            }
        }
        if let Some(note) = &crash.source_note {
            let note = self.paint(text::line(note, LINE_MAX), Style::new().yellow());
            self.fact("lines", note);
        }
    }

    fn stack(&mut self, stack: &TriageStack, tree: Option<&SourceTree>) {
        self.line(format_args!("\n  {}:", text::line(&stack.role, NAME_MAX)));
        // What the unwinder did not vouch for is noise where it vouched for others.
        let any = stack.frames.iter().any(|frame| frame.reliable);
        let worth = |frame: &&TriageFrame| frame.reliable || !any || frame.guilty;
        let count = stack.frames.iter().filter(worth).count();
        for frame in stack.frames.iter().filter(worth).take(FRAMES) {
            self.frame(frame);
            if frame.guilty {
                self.code(frame, tree);
            }
        }
        if count > FRAMES {
            let more = plural(count - FRAMES, "more frame", "more frames");
            self.line(format_args!("      and {more}"));
        }
    }

    fn frame(&mut self, frame: &TriageFrame) {
        let place = match (&frame.file, frame.line) {
            (Some(file), Some(line)) => Some(format!("{}:{line}", text::line(file, NAME_MAX))),
            (Some(file), None) => Some(text::line(file, NAME_MAX)),
            (None, _) => None,
        };
        // Without a place in the source, the offset is all that tells where in the function it is.
        let name = match (&place, &frame.printed) {
            (None, Some(printed)) => printed,
            _ => &frame.function,
        };
        let unsure = if frame.reliable { "" } else { "? " };
        let name = format!("{unsure}{}", text::line(name, NAME_MAX));
        let module = match &frame.module {
            Some(module) if place.is_some() => format!(" [{}]", text::line(module, NAME_MAX)),
            _ => String::new(),
        };
        let inlined = if frame.inlined { " (inlined)" } else { "" };
        let place = format!("{}{module}{inlined}", place.unwrap_or_default());
        let (mark, weight) = if frame.guilty {
            ("  > ", Style::new().red().bold())
        } else {
            ("    ", Style::new())
        };
        let gap = " ".repeat(34_usize.saturating_sub(name.chars().count()));
        let name = self.paint(format_args!("{mark}{name}"), weight);
        if place.is_empty() {
            self.line(format_args!("  {name}"));
        } else {
            let place = self.paint(place, Style::new().cyan());
            self.line(format_args!("  {name}{gap} {place}"));
        }
    }

    fn code(&mut self, frame: &TriageFrame, tree: Option<&SourceTree>) {
        let (Some(tree), Some(file), Some(line)) = (tree, &frame.file, frame.line) else {
            return;
        };
        for code in tree.around(file, line) {
            let text = text::block(code.text.trim_end(), LINE_MAX);
            let (mark, style) = if code.number == line {
                (">", Style::new().bold())
            } else {
                (" ", Style::new().dimmed())
            };
            let text = self.paint(format_args!("{mark} {:>6} | {text}", code.number), style);
            self.line(format_args!("        {text}"));
        }
    }

    fn locks(&mut self, crash: &Crash) {
        if crash.locks.is_empty() {
            return;
        }
        self.line("\n  locks held:");
        for lock in crash.locks.iter().take(LINES) {
            self.line(format_args!("      {}", text::line(lock.trim(), LINE_MAX)));
        }
        if crash.locks.len() > LINES {
            let more = plural(crash.locks.len() - LINES, "more lock", "more locks");
            self.line(format_args!("      and {more}"));
        }
    }

    fn registers(&mut self, crash: &Crash) {
        if crash.registers.is_empty() {
            return;
        }
        self.line("\n  registers:");
        let shown = &crash.registers[..crash.registers.len().min(REGISTERS)];
        for row in shown.chunks(COLUMNS) {
            let row: Vec<_> = row
                .iter()
                .map(|r| format!("{:<8} {}", text::line(&r.name, 16), r.value))
                .collect();
            self.line(format_args!("      {}", row.join("  ")));
        }
    }
}

fn place(crash: &Crash) -> String {
    let mut place = format!("bytes {} to {}", crash.start, crash.end);
    if let Some(task) = &crash.task {
        place.push_str(&format!(", task {}", text::line(task, NAME_MAX)));
    }
    if let Some(pid) = crash.pid {
        place.push_str(&format!(", pid {pid}"));
    }
    if let Some(cpu) = crash.cpu {
        place.push_str(&format!(", CPU {cpu}"));
    }
    place
}

fn kernel(crash: &Crash) -> Option<String> {
    let taint = crash.taint.as_deref().map(|taint| match taint.trim() {
        "" => "not tainted".to_owned(),
        flags => format!("tainted {}", text::line(flags, NAME_MAX)),
    });
    let release = crash
        .release
        .as_deref()
        .map(|release| text::line(release, NAME_MAX));
    let known: Vec<_> = [release, taint].into_iter().flatten().collect();
    (!known.is_empty()).then(|| known.join(", "))
}

fn access(crash: &Crash) -> Option<String> {
    let access = crash.access.as_ref()?;
    let mut words = match access.direction {
        Direction::Unknown => "access",
        direction => direction_word(direction),
    }
    .to_owned();
    if let Some(size) = access.size {
        let unit = if size == 1 { "byte" } else { "bytes" };
        words.push_str(&format!(" of {size} {unit}"));
    }
    if let Some(address) = &access.address {
        words.push_str(&format!(" at {address}"));
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::parse;
    use crate::triage::RegisterRecord;

    const LOG: &str = "\
[    1.000000][    T1] BUG: KASAN: slab-use-after-free in walk+0x10/0x40 mm/a.c:2
[    1.000000][    T1] Read of size 8 at addr ffff888018474150 by task init/1
[    1.000000][    T1] CPU: 0 UID: 0 PID: 1 Comm: init Not tainted 6.12.117 #1
[    1.000000][    T1] Call Trace:
[    1.000000][    T1]  <TASK>
[    1.000000][    T1]  kasan_report+0xba/0xdc
[    1.000000][    T1]  ? stale+0x1/0x2
[    1.000000][    T1]  walk+0x10/0x40
[    1.000000][    T1]  caller+0x20/0x90 [some_module]
[    1.000000][    T1]  </TASK>
";

    fn crash() -> Crash {
        Crash::of(parse(LOG.as_bytes()).remove(0), None).unwrap()
    }

    fn guilty(crash: &mut Crash) -> &mut TriageFrame {
        let frames = crash.stacks.iter_mut().flat_map(|stack| &mut stack.frames);
        frames.into_iter().find(|frame| frame.guilty).unwrap()
    }

    #[test]
    fn a_report_reads_so() {
        let mut crash = crash();
        crash.alt_titles = vec!["bad-access in walk".to_owned()];
        crash.key = "KASAN: slab-use-after-free Read in walk_all".to_owned();
        crash.corrupted_reason = Some("cut short: the log ends within it".to_owned());
        (crash.release, crash.taint) = (Some("6.12.117".to_owned()), Some("G        W".to_owned()));
        crash.source_note = Some("2 of the trace's 4 functions differ".to_owned());
        crash.locks = vec!["1 lock held by init/1:".to_owned()];
        crash.registers = ["RAX", "RBX", "RCX", "RDX"]
            .map(|name| RegisterRecord {
                name: name.to_owned(),
                value: "0x0000000000000001".to_owned(),
            })
            .to_vec();
        (crash.start, crash.end) = (0, 518);
        insta::assert_snapshot!(render(&crash, false, None));
    }

    #[test]
    fn the_code_to_blame_is_shown_where_its_tree_is_given() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("mm")).unwrap();
        std::fs::write(
            folder.path().join("mm/a.c"),
            "void walk(void)\n\tuse(freed);\x1b[2J\n}\n",
        )
        .unwrap();
        let tree = SourceTree::open(folder.path()).unwrap();
        let mut crash = crash();
        let frame = guilty(&mut crash);
        (frame.file, frame.line) = (Some("mm/a.c".to_owned()), Some(2));
        let text = render(&crash, false, Some(&tree));
        assert!(
            text.contains("walk                               mm/a.c:2"),
            "{text}"
        );
        assert!(
            text.contains(">      2 | \tuse(freed);\\u{1b}[2J\n"),
            "{text}"
        );
        assert!(text.contains("       3 | }\n"), "{text}");
    }

    #[test]
    fn names_of_a_log_are_escaped() {
        let mut crash = crash();
        crash.title = "a\x1b[2J\u{202e}".to_owned();
        crash.task = Some("b\u{9b}".to_owned());
        crash.locks = vec!["c\r".to_owned()];
        crash.text = "\x1b".to_owned();
        let frame = guilty(&mut crash);
        (frame.function, frame.file, frame.line) =
            ("d\x07".to_owned(), Some("e\n".to_owned()), Some(1));
        let text = render(&crash, false, None);
        let hidden = |c: char| c != '\n' && text::is_invisible(c);
        assert!(!text.contains(hidden), "{text:?}");
        for escaped in ["a\\u{1b}[2J\\u{202e}", "b\\u{9b}", "c", "d\\u{7}", "e\\n:1"] {
            assert!(text.contains(escaped), "no `{escaped}`: {text}");
        }
    }
}
