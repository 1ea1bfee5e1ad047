// SPDX-License-Identifier: GPL-2.0-or-later
//! A cell whose guest follows a script, from its first word to what is read of it.

use std::collections::BTreeMap;
use std::time::Duration;

use camino::Utf8Path;
use indicatif::{InMemoryTerm, ProgressDrawTarget};
use swapmig::event::{CellEvent, Event as RunEvent, Sink};
use swapmig::guest::Signal;
use swapmig::plan::{Limits, Machine, PlannedCell};
use swapmig::probes::{Armed, Layout, Table};
use swapmig::run_dir::RunDir;
use swapmig::runner::cell;
use swapmig::runner::executor::{Task, execute};
use swapmig::runner::hang::Asking;
use swapmig::sinks::{Plain, Store, Terminal};
use swapmig_reports::record::{CellId, CellRecord, Class, Expected, FORMAT, HostRecord, RunRecord};
use swapmig_reports::run::Run;
use swapmig_reports::{page, terminal};
use swapmig_workloads::protocol::{self, Event, Job, Workload};

use crate::fake_guest::{Act, FakeGuest};

/// What a terminal, a page, a file system, a shell and a template would each take amiss.
pub(crate) const HARMFUL: &str = "\x1b]0;owned\x07\x1b[2J\u{9b}31m\u{202e}</title><script>alert(1)</script>\
    ../../etc/passwd\r\n\0;rm -rf ~;$(id)`id`{{ 7 * 7 }}{% raw %}\u{feff}\u{2066}";

/// Fails where text would do to a reader what [`HARMFUL`] is made for.
pub(crate) fn assert_harmless(what: &str, text: &str) {
    let is_harmful = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if let Some(bad) = text.chars().find(|&c| is_harmful(c)) {
        panic!("{what} holds {bad:?}: {text:?}");
    }
}

pub(crate) fn job() -> Job {
    Job {
        version: protocol::VERSION,
        workload: Workload::Orphan,
        seed: 1,
        params: BTreeMap::new(),
        probes: armed().probes().to_vec(),
        sample_ms: 1000,
        wake: None,
        detect_after_seconds: None,
    }
}

fn armed() -> Armed {
    let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../images/probes.toml");
    let layout = Layout {
        flags: 0,
        mapping: 24,
        mapcount: 48,
        anon_vma_refcount: 128,
        swapcache: 8,
        swapbacked: 17,
        head: 6,
    };
    let table = Table::load(Utf8Path::new(table)).unwrap();
    Armed::with_layout(table, &layout, &BTreeMap::new())
}

pub(crate) fn planned(seed: u64) -> PlannedCell {
    PlannedCell {
        id: CellId {
            line: "6.12".into(),
            variant: "fixed".into(),
            workload: "orphan".into(),
            seed,
        },
        workload: Workload::Orphan,
        at_least: BTreeMap::from([(Class::U4, 10)]),
        params: BTreeMap::new(),
    }
}

fn begun() -> Vec<Signal> {
    vec![
        Signal::Event(Event::Ready {
            version: protocol::VERSION,
            release: HARMFUL.into(),
            cpus: 2,
            memory_kib: 400_000,
        }),
        Signal::Console(b"[    2.000000][    T1] swapmig: workload orphan begins\n".to_vec()),
        Signal::Event(Event::Started {
            workload: Workload::Orphan,
            params: BTreeMap::from([(HARMFUL.into(), u64::MAX)]),
        }),
    ]
}

/// A cell whose guest says this, as all who read of it are told.
pub(crate) struct Ran {
    pub(crate) record: CellRecord,
    events: Vec<CellEvent>,
}

/// Runs a guest that begins its workload and then says this.
pub(crate) async fn run(said: impl IntoIterator<Item = Signal>) -> Ran {
    let said = begun().into_iter().chain(said);
    let acts = said.map(|signal| Act::Say(Duration::ZERO, signal));
    let mut guest = FakeGuest::new(acts.chain([Act::Hush]).collect());
    let (job, machine, limits) = (job(), Machine::default(), Limits::default());
    let task = Task {
        asking: Asking::default(),
        job: &job,
        machine: &machine,
        limits: &limits,
        assumed_slowness: 2.0,
        restored: None,
    };
    let mut events = Vec::new();
    let outcome = execute(&mut guest, &task, &mut |event| events.push(event)).await;
    let record = cell::result(
        &planned(1),
        Expected::Clean,
        outcome.observation,
        &armed(),
        None,
    );
    Ran { record, events }
}

impl Ran {
    /// Writes a run of one cell, and reads it as its readers do. Returns all that they see.
    pub(crate) fn seen(&self) -> (Run, String, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("run");
        let run = RunDir::create(path.clone()).unwrap();
        run.fresh_cell(&planned(1).id).unwrap();
        let mut lines = Vec::new();
        // As tall as all that a reader would scroll through.
        let screen = InMemoryTerm::new(200, 150);
        {
            let mut sinks: [Box<dyn Sink + '_>; 3] = [
                Box::new(Store::new(run)),
                Box::new(Plain::new(&mut lines)),
                Box::new(Terminal::on(ProgressDrawTarget::term_like(Box::new(
                    screen.clone(),
                )))),
            ];
            let cell = |what| RunEvent::Cell {
                cell: planned(1).id,
                what,
            };
            let started = RunEvent::RunStarted {
                dir: path.clone(),
                done: 0,
                record: Box::new(run_record()),
            };
            let finished = cell(CellEvent::Finished(Box::new(self.record.clone())));
            let all = [
                started,
                RunEvent::Note(HARMFUL.into()),
                cell(CellEvent::Started),
            ]
            .into_iter()
            .chain(self.events.iter().cloned().map(cell))
            .chain([finished, RunEvent::RunFinished { stopped: false }]);
            for event in all {
                for sink in &mut sinks {
                    sink.event(&event).unwrap();
                }
            }
        }
        let read = Run::read(path.as_std_path()).unwrap();
        let said = terminal::render(&read, false);
        let page = page::render(&read).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        let screen = screen.contents();
        assert!(screen.contains("goes to"), "nothing was drawn: {screen}");
        assert!(screen.lines().count() < 150, "it floods: {screen}");
        assert_harmless("the screen", &screen);
        assert_harmless("the log of the run", &lines);
        assert_harmless("the summary", &said);
        assert_harmless("the page", &page);
        assert!(!page.contains("<script>alert"), "{page}");
        assert!(!page.contains("</title><script"), "{page}");
        (read, lines + &said, page)
    }
}

fn run_record() -> RunRecord {
    let host = HostRecord {
        cpus: 2,
        memory_mib: 1000,
        qemu: "QEMU".into(),
        accelerator: "tcg".into(),
        accelerator_reason: "a test".into(),
    };
    RunRecord {
        format: FORMAT,
        id: "run".into(),
        plan: "hostile".into(),
        seeds: None,
        started: "2026-01-01T00:00:00Z".parse().unwrap(),
        finished: None,
        host,
        kernels: BTreeMap::new(),
        cells: vec![planned(1).id],
    }
}
