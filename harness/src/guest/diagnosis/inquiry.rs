// SPDX-License-Identifier: GPL-2.0-or-later
//! The steps of a diagnosis, taken on a guest in QEMU.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;
use qapi::qmp;

use super::request::Request;
use super::steps::{Diagnosis, Step, Take};
use super::{memory, proc, sysrq, vcpus};
use crate::guest::monitor::Monitor;
use crate::guest::ssh::SshKeys;
use crate::plan::Machine;

/// All that the steps need of a guest.
pub(crate) struct Inquiry<'a> {
    pub(crate) request: &'a Request,
    pub(crate) monitor: &'a Monitor,
    pub(crate) machine: &'a Machine,
    /// The folder of its files.
    pub(crate) dir: &'a Utf8Path,
    /// The file of its console.
    pub(crate) console: &'a Utf8Path,
    /// The host's end of the ssh channel, or why there is none.
    pub(crate) ssh: Result<(UnixStream, Arc<SshKeys>), String>,
    pub(crate) answer_within: Duration,
}

impl Take for Inquiry<'_> {
    async fn take(&mut self, step: Step, found: &mut Diagnosis) -> Result<String, String> {
        let within = self.answer_within;
        match step {
            Step::Vcpus => vcpus::sample(self.monitor, self.request.layout, within, found).await,
            Step::Sysrq => {
                // The limit of the step before may have passed while the guest was stopped. One that
                // cannot go on will not answer, and that is told.
                let _ = self.monitor.execute(qmp::cont {}).await;
                // A kernel that answers one key answers the next ones: half of the time for each.
                sysrq::ask(self.monitor, self.console, within / 2, found).await
            }
            Step::Proc => {
                let taken = std::mem::replace(&mut self.ssh, Err("it was asked already".into()));
                let (stream, keys) = taken?;
                proc::ask(stream, keys, within, found).await
            }
            Step::Memory if !self.request.dump_memory => {
                Ok("not asked for; `--dump-memory` asks for it".into())
            }
            Step::Memory => memory::dump(self.monitor, self.machine, self.dir).await,
        }
    }
}
