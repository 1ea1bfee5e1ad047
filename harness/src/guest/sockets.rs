// SPDX-License-Identifier: GPL-2.0-or-later
//! Keeps a program from sockets that it did not inherit, by seccomp.
//!
//! Landlock leaves open what is named in the file system, such as the sockets of an ssh agent, of
//! D-Bus or of Docker, and UDP.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

/// The part of a socket's type that is not a flag.
const KIND: u64 = 0xf;

/// Denies this thread, for ever, and all that it becomes or starts, to make or connect a socket.
pub(super) fn forbid() -> Result<(), seccompiler::Error> {
    // Streams of a pair are connected for good; other pairs send to whom they like.
    let strays = [libc::SOCK_DGRAM, libc::SOCK_RAW].map(|kind| {
        let kind = u64::from(kind.unsigned_abs());
        let is_such = SeccompCmpOp::MaskedEq(KIND);
        let second = SeccompCondition::new(1, SeccompCmpArgLen::Dword, is_such, kind)?;
        SeccompRule::new(vec![second])
    });
    let strays = strays.into_iter().collect::<Result<Vec<_>, _>>()?;
    // No rule means whatever the arguments are.
    let denied = BTreeMap::from([
        (libc::SYS_socket, Vec::new()),
        (libc::SYS_connect, Vec::new()),
        (libc::SYS_socketpair, strays),
        // It makes and connects sockets that no filter sees; QEMU does without.
        (libc::SYS_io_uring_setup, Vec::new()),
    ]);
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let here = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(denied, SeccompAction::Allow, refuse, here)?;
    apply_filter(&BpfProgram::try_from(filter)?)
}
