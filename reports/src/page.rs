// SPDX-License-Identifier: GPL-2.0-or-later
//! A run as one self-contained HTML page.
//!
//! The page holds no script and asks for nothing: its policy forbids both. Every string in it
//! passes [`crate::text`] and the template engine's escaping.

mod cell;
mod chart;
mod finding;
mod matrix;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use crate::record::{CellId, Class, KernelRecord};
use crate::run::{Cell, Run};
use crate::summary::{Outcome, Standing, Summary};
use crate::text::{self, LINE_MAX, count, duration};

const TEMPLATE: &str = include_str!("page.html");

/// Why no page could be made; always a defect of this program.
#[derive(Debug, thiserror::Error)]
#[error("the report page's template failed: {0:#}; report this as a defect of swapmig")]
pub struct PageError(#[from] minijinja::Error);

/// The page of a run, UTF-8 HTML.
///
/// # Errors
/// Only when the template itself is at fault.
pub fn render(run: &Run) -> Result<String, PageError> {
    let mut env = Environment::new();
    env.set_auto_escape_callback(|_| AutoEscape::Html);
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()?,
    );
    env.add_template("page.html", TEMPLATE)?;
    Ok(env
        .get_template("page.html")?
        .render(Serde(View::of(run)))?)
}

#[derive(Serialize)]
struct View {
    id: String,
    plan: String,
    started: String,
    took: String,
    outcome: OutcomeView,
    host: HostView,
    classes: Vec<ClassView>,
    matrices: Vec<matrix::Matrix>,
    findings: Vec<finding::FindingView>,
    cells: Vec<cell::CellView>,
    kernels: Vec<KernelView>,
}

#[derive(Serialize)]
struct OutcomeView {
    css: &'static str,
    words: &'static str,
    sentence: String,
    exit_code: u8,
    because: Vec<String>,
}

#[derive(Serialize)]
struct HostView {
    cpus: usize,
    memory: String,
    qemu: String,
    accelerator: String,
    reason: String,
}

#[derive(Serialize)]
struct ClassView {
    name: &'static str,
    describe: &'static str,
}

#[derive(Serialize)]
struct KernelView {
    name: String,
    /// Why there is none; empty when there is one.
    missing: String,
    source: String,
    release: String,
    key: String,
    build: String,
}

impl View {
    fn of(run: &Run) -> Self {
        let summary = Summary::of(run);
        let findings = crate::findings::group(run);
        let record = &run.record;
        let took = match record
            .finished
            .map(|end| end.duration_since(record.started).as_millis())
        {
            Some(ms) => format!("took {}", duration(u64::try_from(ms).unwrap_or(0))),
            None => "has not ended".to_owned(),
        };
        let results = || run.cells.iter().filter_map(Cell::result);
        Self {
            id: short(&record.id),
            plan: short(&record.plan),
            started: record.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            took,
            outcome: OutcomeView {
                css: match summary.outcome {
                    Outcome::AsExpected => "good",
                    Outcome::Contradiction => "bad",
                    Outcome::Inconclusive => "thin",
                    Outcome::HarnessError => "broken",
                },
                words: summary.outcome.words(),
                sentence: text::line(&summary.sentence, 4 * LINE_MAX),
                exit_code: summary.outcome.exit_code(),
                because: summary
                    .because
                    .iter()
                    .map(|s| text::line(s, LINE_MAX))
                    .collect(),
            },
            host: HostView {
                cpus: record.host.cpus,
                memory: count(record.host.memory_mib),
                qemu: short(&record.host.qemu),
                accelerator: short(&record.host.accelerator),
                reason: short(&record.host.accelerator_reason),
            },
            classes: Class::ALL
                .into_iter()
                .filter(|c| {
                    results().any(|r| r.classes.contains_key(c) || r.at_least.contains_key(c))
                })
                .map(|c| ClassView {
                    name: c.name(),
                    describe: c.describe(),
                })
                .collect(),
            matrices: matrix::all(run, &summary, &findings),
            findings: finding::all(&findings),
            // Seeds of one group stand together, whatever the order in which they ran.
            cells: summary
                .groups
                .iter()
                .flat_map(|g| run.cells.iter().filter(|c| g.holds(&c.id)))
                .map(|c| cell::CellView::of(run, c))
                .collect(),
            kernels: record
                .kernels
                .iter()
                .map(|(name, kernel)| KernelView::of(name, kernel))
                .collect(),
        }
    }
}

impl KernelView {
    fn of(name: &str, kernel: &KernelRecord) -> Self {
        let name = short(name);
        match kernel {
            KernelRecord::Ready {
                key,
                source,
                release,
                vmlinux: _,
                build_seconds,
            } => Self {
                name,
                missing: String::new(),
                source: short(source),
                release: short(release),
                key: short(key),
                build: if *build_seconds > 0.0 {
                    duration((build_seconds * 1000.0) as u64)
                } else {
                    "in the store already".to_owned()
                },
            },
            KernelRecord::Unavailable {
                reason,
                does_not_apply,
            } => {
                let why = if *does_not_apply {
                    "The patch does not apply"
                } else {
                    "No kernel"
                };
                Self {
                    name,
                    missing: format!("{why}: {}", short(reason)),
                    source: String::new(),
                    release: String::new(),
                    key: String::new(),
                    build: String::new(),
                }
            }
        }
    }
}

fn short(s: &str) -> String {
    text::line(s, LINE_MAX)
}

/// The fragment that leads to a cell's details; a name holds what an id may not.
fn anchor(id: &CellId) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '_'
        }
    };
    format!(
        "cell-{}",
        id.name().chars().take(200).map(plain).collect::<String>()
    )
}

fn css(standing: Standing) -> &'static str {
    match standing {
        Standing::AsExpected => "good",
        Standing::Contradicts => "bad",
        Standing::Inconclusive => "thin",
        Standing::Broken => "broken",
        Standing::NotRun => "none",
    }
}

fn words(standing: Standing) -> &'static str {
    match standing {
        Standing::AsExpected => "as expected",
        Standing::Contradicts => "not as expected",
        Standing::Inconclusive => "too little migrated",
        Standing::Broken => "no verdict",
        Standing::NotRun => "no kernel",
    }
}

#[cfg(test)]
mod tests;
