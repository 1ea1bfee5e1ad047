// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU's monitor: saving and restoring a guest, and the commands that ask why it hangs.

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

    /// What QEMU prints to a command for people, as the given virtual CPU sees it.
    pub(super) async fn human(
        &self,
        command: &str,
        cpu: Option<usize>,
    ) -> Result<String, GuestError> {
        self.execute(qmp::human_monitor_command {
            command_line: command.into(),
            cpu_index: cpu.and_then(|cpu| i64::try_from(cpu).ok()),
        })
        .await
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
        let uri = Some(self.pass(state, STATE).await?);
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
        let uri = Some(self.pass(state, STATE).await?);
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

    /// Gives QEMU an open file under a name; how a migration or a dump is to call it.
    pub(super) async fn pass(&self, file: &File, name: &str) -> Result<String, GuestError> {
        self.send_beside(file)?;
        self.execute(qmp::getfd {
            fdname: name.into(),
        })
        .await?;
        Ok(format!("fd:{name}"))
    }

    /// Gives QEMU an open file; the path under which it opens that.
    pub(super) async fn add_file(&self, file: &File) -> Result<String, GuestError> {
        self.send_beside(file)?;
        let added = self
            .execute(qmp::add_fd {
                fdset_id: None,
                opaque: None,
            })
            .await?;
        Ok(format!("/dev/fdset/{}", added.fdset_id))
    }

    /// Sends an open file, which the next command is to ask for.
    fn send_beside(&self, file: &File) -> Result<(), GuestError> {
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
        Ok(())
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

    pub(super) async fn execute<C: qmp::QmpCommand>(
        &self,
        command: C,
    ) -> Result<C::Ok, GuestError> {
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
