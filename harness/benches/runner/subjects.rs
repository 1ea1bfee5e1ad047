// SPDX-License-Identifier: GPL-2.0-or-later
//! Which subjects are measured, and how thoroughly.

use crate::figures::{Figures, Result};
use crate::{faults, restore, soak, throughput};

type Subject = fn(&mut Figures, Size) -> Result<()>;

const SUBJECTS: [(&str, Subject); 4] = [
    ("restore", restore::measure),
    ("throughput", throughput::measure),
    ("soak", soak::measure),
    ("faults", faults::measure),
];

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// What the targets ask for.
    Full,
    /// A tenth of it, for trying a change out.
    Tenth,
}

impl Size {
    pub(crate) fn of(self, full: usize) -> usize {
        match self {
            Self::Full => full,
            Self::Tenth => full.div_ceil(10),
        }
    }
}

/// Measures the subjects that the command line names; all of them where it names none.
pub(crate) fn measure(figures: &mut Figures) -> Result<()> {
    // Cargo adds `--bench` of its own.
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let (options, names): (Vec<_>, Vec<_>) = asked.iter().partition(|word| word.starts_with("--"));
    let size = match options.as_slice() {
        [] => Size::Full,
        [option] if *option == "--tenth" => Size::Tenth,
        _ => return Err(format!("there is no {options:?}; choose from: --tenth").into()),
    };
    let known = SUBJECTS.map(|(name, _)| name);
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("there is no `{name}`; choose from: {}", known.join(" ")).into());
    }
    if size == Size::Tenth {
        println!("# --tenth: a tenth of what the targets ask for, so they prove nothing");
    }
    for (name, subject) in SUBJECTS {
        if names.is_empty() || names.iter().any(|asked| *asked == name) {
            println!("# {name}");
            subject(figures, size)?;
        }
    }
    Ok(())
}
