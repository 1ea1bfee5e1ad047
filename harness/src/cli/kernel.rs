// SPDX-License-Identifier: GPL-2.0-or-later
//! `swapmig kernel`: build kernels ahead of a run, list what there is.

use std::io::IsTerminal;
use std::process::ExitCode;

use swapmig_reports::summary::Outcome;

use super::args::KernelCommand;
use super::failure::Failure;
use super::setting::stop_on_signals;
use crate::catalogue::{Images, Line, Variant};
use crate::event::{Event, KernelEvent, Sink};
use crate::home::{Cancel, Home};
use crate::kernel::KernelStore;
use crate::runner::dispatch::{progress_event, settled, unavailable};
use crate::sinks;

/// Builds or lists.
pub(super) async fn kernel(command: KernelCommand) -> Result<ExitCode, Failure> {
    let images = Images::locate().map_err(Failure::host)?;
    let store = KernelStore::new(Home::from_env().map_err(Failure::usage)?);
    match command {
        KernelCommand::List => list(&images, &store),
        KernelCommand::Build { line, variants } => {
            let line = images.line(&line).map_err(Failure::usage)?;
            let variants = match variants.as_slice() {
                [] => images.variants(&line),
                named => named
                    .iter()
                    .map(|name| images.variant(&line, name))
                    .collect(),
            }
            .map_err(Failure::usage)?;
            build(store, line, variants).await
        }
    }
}

fn list(images: &Images, store: &KernelStore) -> Result<ExitCode, Failure> {
    for name in images.line_names().map_err(Failure::host)? {
        let line = images.line(&name).map_err(Failure::usage)?;
        for variant in images.variants(&line).map_err(Failure::usage)? {
            let state = match store.lookup(&line, &variant) {
                Ok(Some(kernel)) => format!("in the store: {}", kernel.dir),
                Ok(None) => "not built yet".into(),
                Err(error) => error.to_string(),
            };
            anstream::println!("{name:<6} {:<20} {state}", variant.name.as_str());
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn build(
    store: KernelStore,
    line: Line,
    variants: Vec<Variant>,
) -> Result<ExitCode, Failure> {
    let stop = stop_on_signals()?;
    let cancel = Cancel::default();
    let build_cancel = cancel.clone();
    let mut work =
        tokio::task::spawn_blocking(move || build_all(&store, &line, &variants, &build_cancel));
    let complete = tokio::select! {
        done = &mut work => done,
        () = stop.cancelled() => {
            cancel.cancel();
            work.await
        }
    }
    .map_err(Failure::host)?;
    if stop.is_cancelled() {
        return Err(Failure::Host(miette::miette!(
            "The build was stopped; the store is whole. The same command goes on where it stopped."
        )));
    }
    Ok(if complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Outcome::HarnessError.exit_code())
    })
}

/// Builds one after the other; whether all could be had.
fn build_all(store: &KernelStore, line: &Line, variants: &[Variant], cancel: &Cancel) -> bool {
    let view: Box<dyn Sink> = match std::io::stderr().is_terminal() {
        true => Box::new(sinks::Terminal::default()),
        false => Box::new(sinks::Plain::new(std::io::stderr())),
    };
    let view = std::cell::RefCell::new(view);
    let mut complete = true;
    for variant in variants {
        let name = format!("{}/{}", line.name, variant.name);
        let tell = |what| {
            // A view that cannot be written to is no reason to end a build.
            let _ = view.borrow_mut().event(&Event::Kernel {
                name: name.clone(),
                what,
            });
        };
        let record = match store.ensure(line, variant, cancel, &|p| tell(progress_event(p))) {
            Ok(kernel) => settled(&kernel),
            Err(_) if cancel.is_cancelled() => return false,
            Err(error) => {
                complete = false;
                unavailable(&error)
            }
        };
        tell(KernelEvent::Settled(record));
    }
    let _ = view
        .borrow_mut()
        .event(&Event::RunFinished { stopped: false });
    complete
}
