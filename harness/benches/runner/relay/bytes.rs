// SPDX-License-Identifier: GPL-2.0-or-later
//! Bytes that nobody sent.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// Bytes by how they come about: the relay is told of them in a variable, which holds little.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Bytes {
    /// So many zeros.
    Zeros(usize),
    /// These.
    Text(String),
    /// A line of up to so many bytes: any, printable ones, or half of what might be an event.
    Garbage { seed: u64, most: usize },
}

impl Bytes {
    /// The bytes themselves.
    pub(super) fn make(&self) -> Vec<u8> {
        match self {
            Self::Zeros(length) => vec![0; *length],
            Self::Text(text) => text.clone().into_bytes(),
            Self::Garbage { seed, most } => garbage(&mut Rng::with_seed(*seed), *most),
        }
    }
}

fn garbage(rng: &mut Rng, most: usize) -> Vec<u8> {
    const HALF: &[u8] = b"{\"event\": {\"nothing\": [\x1b[2J";
    let length = rng.usize(1..=most);
    let mut bytes: Vec<u8> = match rng.u8(0..3) {
        0 => (0..length).map(|_| rng.u8(..)).collect(),
        1 => (0..length).map(|_| rng.u8(b' '..=b'~')).collect(),
        _ => HALF.iter().copied().cycle().take(length).collect(),
    };
    bytes.push(b'\n');
    bytes
}
