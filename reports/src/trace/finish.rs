// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads a collected report: title, kind, task, stacks, and whether it can be trusted.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::collected::{Collected, What};
use super::formats::{Blame, Ends, FORMATS, Format, Variant};
use super::pattern::compile;
use super::report::{Corruption, Guilty, Role};
use super::stack::Stacks;
use super::{Kind, Report, blame, details, title};

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
    let read = std::mem::take(&mut collected.stacks).finish();
    let mut report = Report {
        title: "unexpected kernel reboot".to_owned(),
        alt_titles: Vec::new(),
        kind: Kind::UnexpectedReboot,
        corrupted: None,
        panicked: collected.panicked,
        span: collected.span.clone(),
        details: details::read(&text),
        stacks: Vec::new(),
        guilty: None,
        text,
    };
    if let What::Report(format) = collected.what {
        describe(&mut report, &collected, format, &read);
    }
    report.stacks = read.stacks;
    report
}

fn describe(report: &mut Report, collected: &Collected, format: &'static Format, read: &Stacks) {
    let from_header = join(&collected.lines[collected.header..], MAX_DETAIL);
    let mut names = Names::new();
    let header = COMPILED.get(format.header);
    if let Some(captures) = header.and_then(|re| re.captures(&collected.lines[collected.header])) {
        take(&mut names, header, &captures);
    }
    let Some(variant) = choose(format, &from_header, &mut names) else {
        return;
    };
    // What the header says of the task precedes what later lines say.
    let header = |name: &str| names.get(name).cloned();
    let who = &mut report.details;
    who.task = header("task").or(who.task.take());
    who.pid = header("pid").and_then(|pid| pid.parse().ok()).or(who.pid);
    who.cpu = header("cpu").and_then(|cpu| cpu.parse().ok()).or(who.cpu);
    report.kind = variant.kind;

    let named = names.get("func").cloned();
    let guilty = blame::guilty(variant, named.as_deref(), &from_header, read);
    report.corrupted = corruption(collected, format, variant, read, guilty.is_some());
    let functions = guilty
        .as_deref()
        .map_or_else(|| vec![CORRUPTED.to_owned()], title::names);
    report.guilty = guilty.is_some().then(|| Guilty {
        function: functions[0].clone(),
        file: None,
    });
    if let Some(named) = &named {
        names.insert("named".to_owned(), title::function(named));
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

fn corruption(
    collected: &Collected,
    format: &'static Format,
    variant: &Variant,
    read: &Stacks,
    guilty: bool,
) -> Option<Corruption> {
    let crash = read
        .stacks
        .iter()
        .any(|stack| stack.role == Role::Crash && !stack.frames.is_empty());
    let cut_short = collected.last
        && !collected.closed
        && !collected.panicked
        && variant.blame != Blame::Nobody
        && (!read.complete || format.ends == Ends::Ruler);
    if !variant.corrupt.is_empty() {
        Some(Corruption::Missing(variant.corrupt))
    } else if collected.mixed {
        Some(Corruption::Mixed)
    } else if cut_short {
        Some(Corruption::CutShort)
    } else if variant.blame == Blame::Nobody || guilty && (crash || variant.blame == Blame::Stalled)
    {
        None
    } else if crash {
        Some(Corruption::NobodyToBlame)
    } else {
        Some(Corruption::NoStack)
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
