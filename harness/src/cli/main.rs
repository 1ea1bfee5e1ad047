// SPDX-License-Identifier: GPL-2.0-or-later
//! From the arguments to an exit code.

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use super::args::{Cli, Command};
use super::failure::{self, Failure};
use super::{doctor, kernel, report, run, shell, triage};
use crate::guest::confinement::Confinement;
use crate::guest::launcher;

/// The whole command.
pub fn main() -> ExitCode {
    failure::keep_words_whole();
    let cli = Cli::parse();
    // Before any thread is started: this process becomes another program.
    if let Command::ExecWithParent {
        confined,
        read,
        write,
        inherit,
        parent,
        program,
    } = &cli.command
    {
        let confinement = confined.then(|| Confinement {
            reads: read.clone(),
            writes: write.clone(),
            inherits: inherit.clone(),
        });
        return match program.split_first() {
            Some((program, arguments)) => Failure::host(launcher::exec(
                *parent,
                confinement.as_ref(),
                program,
                arguments,
            ))
            .tell(),
            None => ExitCode::from(2),
        };
    }
    if let Ok(wanted) = std::env::var("SWAPMIG_LOG") {
        let filter = match EnvFilter::try_new(&wanted) {
            Ok(filter) => filter,
            Err(error) => {
                return Failure::Usage(miette::miette!(
                    "SWAPMIG_LOG is `{wanted}`, which is no filter: {error}. Set it to debug, or to swapmig=trace."
                ))
                .tell();
            }
        };
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .init();
    }
    match dispatch(cli.command) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

/// How long work that cannot be stopped may hold up the end.
const LAST_WORK: std::time::Duration = std::time::Duration::from_secs(2);

fn dispatch(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Doctor => doctor::doctor(),
        Command::Report { run, out } => report::report(&run, out),
        Command::Triage(options) => triage::triage(options),
        command => {
            // Threads of this runtime start the guests and so must outlive them: they do.
            let runtime = tokio::runtime::Runtime::new().map_err(Failure::host)?;
            let ended = runtime.block_on(dispatch_async(command));
            // What still works at this moment, such as putting a dump in order, is for nobody.
            runtime.shutdown_timeout(LAST_WORK);
            ended
        }
    }
}

async fn dispatch_async(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Check { options } => run::check(options).await,
        Command::Run {
            plan,
            resume,
            options,
        } => run::run(&plan, resume, options).await,
        Command::Kernel(command) => kernel::kernel(command).await,
        Command::Shell {
            line,
            variant,
            fetch,
            command,
        } => shell::shell(&line, &variant, &fetch, &command).await,
        Command::Doctor
        | Command::Report { .. }
        | Command::Triage(_)
        | Command::ExecWithParent { .. } => {
            unreachable!("handled before the runtime is started")
        }
    }
}
