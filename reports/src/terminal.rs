// SPDX-License-Identifier: GPL-2.0-or-later
//! A run as plain text, for a terminal or a log.

use owo_colors::Style;

use crate::findings::{self, FindingGroup};
use crate::record::{CellRecord, Class, FrameRecord, KernelRecord, Status};
use crate::run::{Cell, Run};
use crate::styled::Styled;
use crate::summary::{FIXED, Group, Mark, Outcome, Rate, Standing, Summary};
use crate::text::{self, LINE_MAX, count, duration, percent, plural, range};

/// How many frames of a finding's first stack are shown, from the one to blame.
const FRAMES: usize = 8;

/// How many reasons are shown.
const REASONS: usize = 12;

/// The terminal summary of a run; with colours and weights when `styled`.
///
/// Control characters of guests' texts are shown as escapes.
pub fn render(run: &Run, styled: bool) -> String {
    let summary = Summary::of(run);
    let mut out = Styled::new(styled);
    matrix(&mut out, &summary);
    for group in findings::group(run) {
        finding(&mut out, &group);
    }
    counts(&mut out, run, &summary);
    kernels(&mut out, run);
    tried_again(&mut out, run);
    outcome(&mut out, &summary);
    out.text
}

/// A cell of the matrix: what is printed, and how it stands.
struct Verdict {
    text: String,
    style: Style,
}

fn verdict(group: Option<&Group>) -> Verdict {
    let Some(group) = group else {
        return Verdict {
            text: "-".to_owned(),
            style: Style::new().dimmed(),
        };
    };
    let words: Vec<_> = group
        .marks
        .iter()
        .map(|(mark, n)| match mark {
            Mark::NotRun => mark.word().to_owned(),
            _ => format!("{} {n}/{}", mark.word(), group.seeds()),
        })
        .collect();
    let mut text = words.join(", ");
    let style = if group.standing(Standing::Contradicts) > 0 {
        text.push_str(" (unexpected)");
        Style::new().red().bold()
    } else if group.standing(Standing::Broken) > 0 {
        Style::new().magenta()
    } else if group.standing(Standing::AsExpected) < group.seeds() {
        Style::new().yellow()
    } else {
        Style::new().green()
    };
    Verdict { text, style }
}

fn matrix(out: &mut Styled, summary: &Summary) {
    for line in summary.lines() {
        let workloads = summary.workloads(line);
        let variants = summary.variants(line);
        let name = |s: &str| text::line(s, 40);
        let head = format!("Linux {}", name(line));
        let first = variants
            .iter()
            .map(|v| width(&name(v)))
            .chain([width(&head)])
            .max()
            .unwrap_or(0);
        let columns: Vec<(String, Vec<Verdict>, usize)> = workloads
            .iter()
            .map(|workload| {
                let cells: Vec<_> = variants
                    .iter()
                    .map(|v| verdict(summary.group(line, v, workload)))
                    .collect();
                let title = name(workload);
                let wide = cells
                    .iter()
                    .map(|c| width(&c.text))
                    .chain([width(&title)])
                    .max()
                    .unwrap_or(0);
                (title, cells, wide)
            })
            .collect();
        let titles: String = columns
            .iter()
            .map(|(title, _, wide)| format!("  {title:<wide$}"))
            .collect();
        out.head(format!("{head:<first$}{titles}").trim_end());
        for (row, variant) in variants.iter().enumerate() {
            let mut text = format!("{:<first$}", name(variant));
            for (_, cells, wide) in &columns {
                if let Some(cell) = cells.get(row) {
                    let gap = " ".repeat(wide - width(&cell.text));
                    text.push_str(&format!("  {}{gap}", out.paint(&cell.text, cell.style)));
                }
            }
            out.line(text.trim_end());
        }
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn finding(out: &mut Styled, group: &FindingGroup<'_>) {
    out.head(&text::line(&group.sample.title, LINE_MAX));
    let times = range(group.occurrences.iter().filter_map(|o| o.finding.at_ms));
    let when = match (
        times,
        group
            .occurrences
            .iter()
            .filter_map(|o| o.finding.at_ms)
            .min(),
    ) {
        (Some(_), Some(first)) => format!(", first {} after the workload began", duration(first)),
        _ => String::new(),
    };
    let expected = if group.occurrences.iter().all(|o| o.as_expected) {
        "as expected"
    } else {
        "not as expected"
    };
    let mut places: Vec<_> = group
        .occurrences
        .iter()
        .map(|o| format!("{}/{}", o.cell.variant, o.cell.workload))
        .collect();
    places.dedup();
    let places = text::line(&places.join(", "), LINE_MAX);
    out.line(format_args!(
        "  {expected}, in {} of {places}{when}",
        plural(group.occurrences.len(), "cell", "cells")
    ));
    if let Some(reason) = group.reason() {
        out.line(format_args!("    {}", text::line(reason, LINE_MAX)));
    }
    let Some(stack) = group.sample.stacks.first() else {
        return;
    };
    let from = blamed(&stack.frames);
    let shown = &stack.frames[from..];
    for frame in shown.iter().take(FRAMES) {
        let function = text::line(&frame.function, 60);
        let place = match (&frame.file, frame.line) {
            (Some(file), Some(line)) => format!("{}:{line}", text::line(file, 100)),
            (Some(file), None) => text::line(file, 100),
            (None, _) => String::new(),
        };
        let inlined = if frame.inlined { " (inlined)" } else { "" };
        let place = out.paint(format_args!("{place}{inlined}"), Style::new().dimmed());
        out.line(format!("    {function:<34} {place}").trim_end());
    }
    if shown.len() > FRAMES {
        out.line(format_args!(
            "    and {}",
            plural(shown.len() - FRAMES, "more frame", "more frames")
        ));
    }
}

/// Where the frames begin that a reader wants first: at the function to blame,
/// or at what was inlined into it; at the top where nobody is to blame.
fn blamed(frames: &[FrameRecord]) -> usize {
    let Some(guilty) = frames.iter().position(|frame| frame.guilty) else {
        return 0;
    };
    let inlined = frames[..guilty]
        .iter()
        .rev()
        .take_while(|frame| frame.inlined)
        .count();
    guilty - inlined
}

fn counts(out: &mut Styled, run: &Run, summary: &Summary) {
    out.head("What ran, least and most over the seeds");
    for group in &summary.groups {
        let ended: Vec<_> = run
            .cells
            .iter()
            .filter(|c| group.holds(&c.id))
            .filter_map(Cell::result)
            .collect();
        if ended.iter().all(|r| r.status == Status::Error) {
            continue;
        }
        let mut facts = Vec::new();
        for class in Class::ALL {
            let counted = || ended.iter().filter_map(|r| r.classes.get(&class));
            let wanted = ended.iter().filter_map(|r| r.at_least.get(&class)).max();
            let Some(moved) = range(counted().map(|c| c.moved)) else {
                if wanted.is_some() {
                    facts.push(format!("{class} not counted"));
                }
                continue;
            };
            // A class that never came up and that nobody asked for is no news.
            if wanted.is_none() && counted().all(|c| c.attempted == 0 && c.moved == 0) {
                continue;
            }
            let attempted = range(counted().map(|c| c.attempted)).unwrap_or_default();
            let wanted = wanted
                .map(|n| format!(", wanted {}", count(*n)))
                .unwrap_or_default();
            facts.push(format!("{class} moved {moved} (tried {attempted}{wanted})"));
        }
        facts.extend(
            range(ended.iter().map(|r| r.pages_verified)).map(|n| format!("{n} pages verified")),
        );
        let name = text::line(&format!("{}/{}", group.variant, group.workload), LINE_MAX);
        out.line(format_args!("  {name}: {}", facts.join("; ")));
        if let Some(rate) = rate(group) {
            out.line(format_args!("    {rate}"));
        }
    }
}

fn rate(group: &Group) -> Option<String> {
    match group.rate {
        Rate::Detection {
            detected,
            total,
            interval: (low, high),
        } => Some(format!(
            "caught {detected} of {}: a rate of {} to {} at 95\u{a0}%",
            plural(total, "seed", "seeds"),
            percent(low),
            percent(high)
        )),
        Rate::Clean {
            passed,
            missed_at_most: Some(missed),
            ..
        } if group.variant == FIXED => Some(format!(
            "{} clean: a defect that shows in up to {} of seeds could have been missed, at 95\u{a0}%",
            plural(passed, "seed", "seeds"),
            percent(missed)
        )),
        Rate::Clean { .. } | Rate::Unknown => None,
    }
}

fn kernels(out: &mut Styled, run: &Run) {
    for (name, kernel) in &run.record.kernels {
        if let KernelRecord::Unavailable { reason, .. } = kernel {
            let name = text::line(name, LINE_MAX);
            out.line(format_args!(
                "\nNo kernel {name}: {}",
                text::line(reason, LINE_MAX)
            ));
        }
    }
}

/// Cells that had to be tried again, with all that became of them.
fn tried_again(out: &mut Styled, run: &Run) {
    let records = run.cells.iter().filter_map(Cell::result);
    let again: Vec<_> = records.filter(|r| !r.attempts.is_empty()).collect();
    if again.is_empty() {
        return;
    }
    out.head("Tried again");
    for record in again.iter().take(REASONS) {
        let flaky = if record.is_flaky() { "flaky: " } else { "" };
        out.line(format_args!(
            "  {}: {flaky}{}",
            text::line(&record.cell.name(), LINE_MAX),
            text::line(&outcomes(record), LINE_MAX)
        ));
    }
    if again.len() > REASONS {
        out.line(format_args!(
            "  and {} more; the page has them all",
            again.len() - REASONS
        ));
    }
}

/// What each try of a cell ended with, the last one last.
pub(crate) fn outcomes(record: &CellRecord) -> String {
    let tries = record
        .attempts
        .iter()
        .map(|attempt| format!("{} ({})", attempt.status, attempt.reason));
    let all: Vec<_> = tries.chain([record.status.to_string()]).collect();
    all.join(", then ")
}

fn outcome(out: &mut Styled, summary: &Summary) {
    if !summary.because.is_empty() {
        out.head("In the way");
        for reason in summary.because.iter().take(REASONS) {
            out.line(format_args!("  {}", text::line(reason, LINE_MAX)));
        }
        if summary.because.len() > REASONS {
            out.line(format_args!(
                "  and {} more; the page has them all",
                summary.because.len() - REASONS
            ));
        }
    }
    let style = match summary.outcome {
        Outcome::AsExpected => Style::new().green().bold(),
        Outcome::Contradiction => Style::new().red().bold(),
        Outcome::Inconclusive => Style::new().yellow().bold(),
        Outcome::HarnessError => Style::new().magenta().bold(),
    };
    let words = out.paint(summary.outcome.words(), style);
    out.line(format_args!(
        "\n{words}: {}",
        text::line(&summary.sentence, 2 * LINE_MAX)
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::record::Attempt;

    #[test]
    fn a_cell_that_was_tried_again_is_shown_with_all_its_outcomes() {
        let died = Attempt {
            status: Status::Error,
            reason: "QEMU\u{1b} died.".to_owned(),
        };
        let attempts = vec![died.clone(), died];
        let run = fixture::Build::new()
            .cell("fixed", "orphan", 1, |cell| {
                cell.edit(|record| record.attempts = attempts)
            })
            .run();
        let text = render(&run, false);
        let line = text.lines().find(|line| line.contains("flaky")).unwrap();
        assert_eq!(
            line,
            "  6.12.fixed.orphan.1: flaky: ERROR (QEMU\\u{1b} died.), then ERROR (QEMU\\u{1b} died.), then PASS"
        );
    }

    #[test]
    fn a_good_run_reads_so() {
        insta::assert_snapshot!(render(&fixture::as_expected(), false));
    }

    #[test]
    fn an_unfinished_run_reads_so() {
        insta::assert_snapshot!(render(&fixture::unfinished(), false));
    }

    #[test]
    fn guests_cannot_drive_the_terminal() {
        for styled in [false, true] {
            let text = render(&fixture::hostile(), styled);
            assert!(!text.contains(['\u{202e}', '\x07']), "{text:?}");
            assert!(
                !text.contains("\x1b[2J") && !text.contains("\x1b]"),
                "{text:?}"
            );
            assert!(
                text.contains(r"\u{1b}[2J") && text.contains(r"\u{202e}gnp.exe"),
                "{text}"
            );
            assert!(text.len() < 20_000);
        }
        assert!(!render(&fixture::hostile(), false).contains('\x1b'));
    }

    #[test]
    fn style_changes_no_word() {
        let run = fixture::unfinished();
        let styled = render(&run, true);
        let sgr = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap();
        assert!(styled.contains('\x1b'));
        // A padded column may end in styled text, so trailing blanks may differ.
        let trim = |s: &str| s.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        assert_eq!(
            trim(&sgr.replace_all(&styled, "")),
            trim(&render(&run, false))
        );
    }
}
