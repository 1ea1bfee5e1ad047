// SPDX-License-Identifier: GPL-2.0-or-later
//! `swapmig kernel`: build kernels ahead of a run, list what there is.

use std::cell::RefCell;
use std::process::ExitCode;

use swapmig_reports::summary::Outcome;
use tokio_util::sync::CancellationToken;

use super::args::KernelCommand;
use super::failure::Failure;
use super::setting::{stop_on_signals, view};
use crate::catalogue::{Images, Line, Variant};
use crate::event::{Event, KernelEvent};
use crate::home::{Cancel, Home};
use crate::kernel::{Kernel, KernelStore};
use crate::runner::kernels::{progress_event, settled, unavailable};

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
    let mut complete = true;
    for variant in variants {
        complete &= ensure(&store, &line, variant, &stop).await?.is_some();
    }
    Ok(if complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(Outcome::HarnessError.exit_code())
    })
}

/// Gets a kernel, showing how the build goes on; [`None`] when it cannot be had, which is then told.
pub(super) async fn ensure(
    store: &KernelStore,
    line: &Line,
    variant: Variant,
    stop: &CancellationToken,
) -> Result<Option<Kernel>, Failure> {
    let cancel = Cancel::default();
    let (store, line, build_cancel) = (store.clone(), line.clone(), cancel.clone());
    let mut build =
        tokio::task::spawn_blocking(move || watched(&store, &line, &variant, &build_cancel));
    let built = tokio::select! {
        built = &mut build => built,
        () = stop.cancelled() => {
            cancel.cancel();
            build.await
        }
    };
    if stop.is_cancelled() {
        return Err(Failure::Host(miette::miette!(
            "The build was stopped; the store is whole. The same command goes on where it stopped."
        )));
    }
    built.map_err(Failure::host)
}

fn watched(store: &KernelStore, line: &Line, variant: &Variant, cancel: &Cancel) -> Option<Kernel> {
    let view = RefCell::new(view());
    let name = format!("{}/{}", line.name, variant.name);
    // A view that cannot be written to is no reason to end a build.
    let tell = |event| drop(view.borrow_mut().event(&event));
    let about = |what| Event::Kernel {
        name: name.clone(),
        what,
    };
    let built = store.ensure(line, variant, cancel, &|progress| {
        tell(about(progress_event(progress)));
    });
    if !cancel.is_cancelled() {
        let record = built.as_ref().map_or_else(unavailable, settled);
        tell(about(KernelEvent::Settled(record)));
    }
    tell(Event::RunFinished { stopped: false });
    built.ok()
}
