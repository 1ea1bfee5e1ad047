// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU's monitor: saving and restoring a guest, and its registers.

use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use qapi::futures::{QapiService, QmpStreamTokio};
use qapi::qmp::{self, MigrationCapability, MigrationCapabilityStatus, MigrationStatus};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::WriteHalf;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::GuestError;

/// The monitor's side that takes commands.
pub(super) type Service = QapiService<QmpStreamTokio<WriteHalf<UnixStream>>>;

/// How often a migration is asked for its state; one takes some ten milliseconds.
const POLL: Duration = Duration::from_millis(2);
/// The name under which QEMU knows the file that was passed to it.
const STATE: &str = "state";
/// Bytes a second to or from a file: no limit.
const UNLIMITED: u64 = 1 << 40;

/// A QEMU that answers.
pub(super) struct Monitor {
    service: Service,
    /// The same socket once more: open files are passed beside the commands.
    socket: StdUnixStream,
    answer_within: Duration,
}

impl Monitor {
    pub(super) fn new(service: Service, socket: StdUnixStream, answer_within: Duration) -> Self {
        Self {
            service,
            socket,
            answer_within,
        }
    }

    /// Registers of every virtual CPU, as QEMU prints them.
    pub(super) async fn registers(&self) -> Option<String> {
        self.execute(qmp::human_monitor_command {
            command_line: "info registers -a".into(),
            cpu_index: None,
        })
        .await
        .ok()
    }

    /// Whether it answers and the machine runs; else a clause that says what is wrong.
    pub(super) async fn runs(&self) -> Result<(), String> {
        let info = self
            .execute(qmp::query_status {})
            .await
            .map_err(|_| format!("its monitor did not answer within {:?}", self.answer_within))?;
        match info.running {
            true => Ok(()),
            false => Err(format!("its machine stands still ({:?})", info.status)),
        }
    }

    /// Stops the guest and writes all of it but its memory, which lies in a file already.
    pub(super) async fn save(&self, state: &File) -> Result<(), GuestError> {
        self.execute(qmp::stop {}).await?;
        self.memory_stays_in_its_file().await?;
        let unlimited = qmp::MigrateSetParameters {
            max_bandwidth: Some(UNLIMITED),
            ..Default::default()
        };
        self.execute(qmp::migrate_set_parameters(unlimited)).await?;
        let uri = Some(self.pass(state).await?);
        self.execute(qmp::migrate {
            channels: None,
            detach: None,
            resume: None,
            uri,
        })
        .await?;
        self.migrated().await
    }

    /// Loads what [`Self::save`] wrote and lets the guest go on.
    pub(super) async fn load(&self, state: &File) -> Result<(), GuestError> {
        self.memory_stays_in_its_file().await?;
        let uri = Some(self.pass(state).await?);
        self.execute(qmp::migrate_incoming {
            channels: None,
            exit_on_error: None,
            uri,
        })
        .await?;
        self.migrated().await?;
        self.execute(qmp::cont {}).await?;
        Ok(())
    }

    async fn memory_stays_in_its_file(&self) -> Result<(), GuestError> {
        let capabilities = vec![MigrationCapabilityStatus {
            capability: MigrationCapability::x_ignore_shared,
            state: true,
        }];
        self.execute(qmp::migrate_set_capabilities { capabilities })
            .await?;
        Ok(())
    }

    /// Gives QEMU an open file, with the command that names it; how a migration is to call it.
    async fn pass(&self, file: &File) -> Result<String, GuestError> {
        let files = [file.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        beside.push(SendAncillaryMessage::ScmRights(&files));
        // QEMU keeps the file until a command asks for it, and takes no notice of the empty line.
        sendmsg(
            &self.socket,
            &[IoSlice::new(b"\n")],
            &mut beside,
            SendFlags::empty(),
        )
        .map_err(|error| GuestError::Qmp(format!("it takes no file: {error}")))?;
        self.execute(qmp::getfd {
            fdname: STATE.into(),
        })
        .await?;
        Ok(format!("fd:{STATE}"))
    }

    async fn migrated(&self) -> Result<(), GuestError> {
        let done = async {
            loop {
                let info = self.execute(qmp::query_migrate {}).await?;
                match info.status {
                    Some(MigrationStatus::completed) => return Ok(()),
                    Some(MigrationStatus::failed | MigrationStatus::cancelled) => {
                        let why = info.error_desc.unwrap_or_default();
                        return Err(GuestError::Qmp(format!(
                            "the guest's state was not moved: {why}"
                        )));
                    }
                    _ => tokio::time::sleep(POLL).await,
                }
            }
        };
        timeout(self.answer_within, done).await.map_err(|_| {
            let within = self.answer_within;
            GuestError::Qmp(format!("the guest's state was not moved within {within:?}"))
        })?
    }

    async fn execute<C: qmp::QmpCommand>(&self, command: C) -> Result<C::Ok, GuestError> {
        timeout(self.answer_within, self.service.execute(command))
            .await
            .map_err(|_| {
                GuestError::Qmp(format!(
                    "no answer to {} in {:?}",
                    C::NAME,
                    self.answer_within
                ))
            })?
            .map_err(|error| GuestError::Qmp(format!("{}: {error}", C::NAME)))
    }
}
