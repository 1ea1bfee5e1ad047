// SPDX-License-Identifier: GPL-2.0-or-later
//! Waits until the host has room for one more guest: others use it, too.

use std::time::Duration;

use camino::Utf8Path;
use tokio::time::Instant;

use crate::host::{Claim, HostError, Resources};

/// How often the host is measured.
const POLL: Duration = Duration::from_secs(1);

/// Waits; `tell` gets what is lacking, once, if anything is.
///
/// # Errors
/// What is still lacking after `patience`.
pub(super) async fn room(
    claim: &Claim,
    dir: &Utf8Path,
    patience: Duration,
    tell: impl FnOnce(&HostError),
) -> Result<(), HostError> {
    let until = Instant::now() + patience;
    let mut tell = Some(tell);
    loop {
        let Some(lack) = claim.lacks(&Resources::measure(dir)?) else {
            return Ok(());
        };
        if Instant::now() >= until {
            return Err(lack);
        }
        if let Some(tell) = tell.take() {
            tell(&lack);
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Machine;

    async fn asked(machine: Machine) -> (Result<(), HostError>, u32) {
        let mut told = 0;
        let claim = Claim::of(&machine);
        let patience = Duration::from_secs(90);
        let got = room(&claim, "/".into(), patience, |_| told += 1).await;
        (got, told)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_is_had_at_once_and_what_is_not_is_waited_for_and_told_once() {
        let small = Machine {
            memory_mib: 1,
            swap_mib: 1,
            ..Machine::default()
        };
        assert!(matches!(asked(small).await, (Ok(()), 0)));
        let began = Instant::now();
        let vast = Machine {
            memory_mib: u32::MAX,
            ..Machine::default()
        };
        let (got, told) = asked(vast).await;
        assert!(matches!(got, Err(HostError::NoRoom { .. })), "{got:?}");
        assert_eq!(told, 1);
        assert!(began.elapsed() >= Duration::from_secs(90));
    }
}
