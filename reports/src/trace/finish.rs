// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads a collected report: title, kind, task, stacks, and whether it can be trusted.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::blame::Verdict;
use super::collected::{Collected, Mixed, What};
use super::formats::{Blame, FORMATS, Format, Stack as Wanted, Variant};
use super::pattern::compile;
use super::report::{Corruption, Guilty, Stack};
use super::{Kind, Report, blame, details, title, trail};

/// Bytes of text kept of a report.
const MAX_TEXT: usize = 96 * 1024;
/// Bytes in which a report's details are searched.
const MAX_DETAIL: usize = 16 * 1024;
/// Stands for the function that a corrupted report does not give.
const CORRUPTED: &str = "corrupted";

/// Every pattern of the table, compiled once.
static COMPILED: LazyLock<HashMap<&'static str, Regex>> = LazyLock::new(|| {
    FORMATS
        .iter()
        .flat_map(|f| f.variants.iter().map(|v| v.when).chain([f.header]))
        .map(|pattern| (pattern, compile(pattern)))
        .collect()
});

type Names = BTreeMap<String, String>;

/// Makes a report of collected lines.
pub(super) fn report(mut collected: Collected) -> Report {
    let text = join(&collected.lines, MAX_TEXT);
    let stacks = std::mem::take(&mut collected.stacks).finish();
    let mut report = Report {
        title: "unexpected kernel reboot".to_owned(),
        alt_titles: Vec::new(),
        kind: Kind::UnexpectedReboot,
        measures_time: false,
        corrupted: None,
        panicked: collected.panicked,
        span: collected.span.clone(),
        details: details::read(&text),
        stacks,
        guilty: None,
        text,
    };
    if let What::Report(format) = collected.what {
        describe(&mut report, &collected, format);
    }
    report
}

fn describe(report: &mut Report, collected: &Collected, format: &'static Format) {
    let lines = collected.own();
    let from_header = join(lines, MAX_DETAIL);
    let mut names = Names::new();
    let header = COMPILED.get(format.header);
    if let Some(captures) = header.and_then(|re| re.captures(&lines[0])) {
        take(&mut names, header, &captures);
    }
    let variant = choose(format, &from_header, &mut names);
    // What the header says of the task precedes what later lines say.
    let header = |name: &str| names.get(name).cloned();
    let who = &mut report.details;
    who.task = header("task").or(who.task.take());
    who.pid = header("pid").and_then(|pid| pid.parse().ok()).or(who.pid);
    who.cpu = header("cpu").and_then(|cpu| cpu.parse().ok()).or(who.cpu);
    let Some(variant) = variant else {
        return unexplained(report, &lines[0]);
    };
    report.kind = variant.kind;
    report.measures_time = variant.measures_time;

    let verdict = match variant.blame {
        Blame::Named => Verdict::named(names.get("func").cloned()),
        _ => blame::guilty(variant, lines),
    };
    report.corrupted = corruption(collected, variant, &verdict);
    let functions = verdict
        .function
        .as_deref()
        .map_or_else(|| vec![CORRUPTED.to_owned()], title::names);
    report.guilty = verdict.function.is_some().then(|| Guilty {
        function: functions[0].clone(),
        file: file(&names, &verdict, &report.stacks),
    });

    if let Some(named) = names.get("func").map(|named| title::function(named)) {
        names.insert("named".to_owned(), named);
    }
    let fill =
        |template: &str, function: &str| title::normalize(&expand(template, &names, function));
    report.title = fill(variant.title, &functions[0]);
    let mut alt: Vec<String> = variant
        .alt
        .iter()
        .chain(&[variant.title])
        .flat_map(|template| functions.iter().map(|function| fill(template, function)))
        .filter(|title| *title != report.title)
        .collect();
    alt.sort();
    alt.dedup();
    report.alt_titles = alt;
}

/// The source file of the guilty function: the header's, if that is where it struck, or what
/// a frame's own line says.
fn file(names: &Names, verdict: &Verdict, stacks: &[Stack]) -> Option<String> {
    let guilty = title::function(verdict.function.as_deref()?);
    let named = names.get("func").map(|named| title::function(named));
    let header = match named {
        Some(named) => named == guilty,
        None => !verdict.framed,
    };
    let located = || {
        let frames = stacks.iter().flat_map(|stack| &stack.frames);
        let mut own = frames.filter(|frame| title::function(&frame.symbol) == guilty);
        own.find_map(|frame| Some(frame.location.as_ref()?.file.clone()))
    };
    let struck = names.get("file").filter(|_| header).cloned();
    struck
        .filter(|file| !file.starts_with('/'))
        .or_else(located)
}

/// Titles a report that lacks what its format must tell: its header is all that is left.
fn unexplained(report: &mut Report, header: &str) {
    let words = ["BUG: ", "WARNING: ", "INFO: "];
    let start = words.iter().find_map(|word| header.find(word)).unwrap_or(0);
    report.title = title::normalize(&header[start..]);
    report.kind = if report.title.starts_with("WARNING") {
        Kind::Warning
    } else {
        Kind::Unknown
    };
    report.corrupted = Some(Corruption::Missing(
        "the lines that say what happened are missing",
    ));
}

/// The first variant whose pattern the report holds.
fn choose(format: &'static Format, text: &str, names: &mut Names) -> Option<&'static Variant> {
    format.variants.iter().find(|variant| {
        if variant.when.is_empty() {
            return true;
        }
        let re = COMPILED.get(variant.when);
        let Some(captures) = re.and_then(|re| re.captures(text)) else {
            return false;
        };
        take(names, re, &captures);
        true
    })
}

fn take(names: &mut Names, re: Option<&Regex>, captures: &Captures) {
    for name in re.into_iter().flat_map(Regex::capture_names).flatten() {
        if let Some(found) = captures.name(name) {
            names.insert(name.to_owned(), found.as_str().trim().to_owned());
        }
    }
}

fn expand(template: &str, names: &Names, function: &str) -> String {
    let mut title = template.replace("{func}", function);
    for (name, value) in names {
        title = title.replace(&format!("{{{name}}}"), value);
    }
    title
}

fn corruption(collected: &Collected, variant: &Variant, verdict: &Verdict) -> Option<Corruption> {
    let mixed = match collected.mixed {
        Mixed::No => false,
        Mixed::Born => verdict.framed || verdict.function.is_none(),
        Mixed::Noise(_) => verdict.function.is_none(),
        Mixed::Overtaken | Mixed::Report(_) => true,
    };
    let stacks = trail::stacks(&collected.lines[collected.header..]);
    let names = !matches!(variant.blame, Blame::Nobody);
    let cut = (collected.last && !collected.closed && !collected.panicked)
        .then_some(Corruption::CutShort);
    if !variant.corrupt.is_empty() {
        Some(Corruption::Missing(variant.corrupt))
    } else if mixed || verdict.injected {
        Some(Corruption::Mixed)
    } else if variant.stack == Wanted::Needed && stacks == trail::Stacks::None {
        Some(cut.unwrap_or(Corruption::NoStack))
    } else if names && verdict.function.is_none() {
        Some(cut.unwrap_or(Corruption::NobodyToBlame))
    } else if variant.stack == Wanted::Needed && stacks == trail::Stacks::Empty {
        Some(cut.unwrap_or(Corruption::Missing(
            "a stack was to come, and its frames are missing",
        )))
    } else {
        None
    }
}

fn join(lines: &[String], limit: usize) -> String {
    let mut text = String::new();
    for line in lines {
        if text.len() + line.len() >= limit {
            break;
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}
