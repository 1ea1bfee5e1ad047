// SPDX-License-Identifier: GPL-2.0-or-later
//! Which reports tell of the same crash.
//!
//! A title names the function that the compiler left at the crash. Another build of the same
//! source may have inlined it, or have left a helper of it out of line, and the title is another.
//! Inlining, and a last call made a jump, take frames away and add none, so a key may rest on
//! nothing that can vanish:
//!
//! - not on the number of frames, their offsets or sizes, nor on suffixes such as `.isra.0`;
//! - not on how the function was reached: one crash is met from a system call in one boot and
//!   from a kernel thread in the next;
//! - of an assertion, on the place in the source that it prints: no compiler moves it. Only a
//!   shared checker, such as `lib/refcount.c`, prints its own place whoever called it; there, as
//!   in every other report, the function has to do;
//! - of a function, on the outermost one of those that are its parts by name. `__rmap_walk`,
//!   `rmap_walk_slow` and `rmap_walk`, when one calls the other, are one place; that is how
//!   the kernel calls what it splits off, and what compilers most often put back together. The
//!   wrappers of a system call are one place too.
//!
//! What is left to chance: a helper with a name of its own, inlined in one build and not in the
//! other, gives two keys to one crash. The other way, two callers of one assertion in a header
//! share a key, and only their titles differ. Editing the source may move an assertion, which
//! makes its key new.
//!
//! Measured on `mm/` and two drivers as the project builds them, with `-O2`, and with hardly any
//! inlining: eleven crashes have one key each in every build where they were met; two of them
//! have two titles.

use super::pattern::lazy;
use super::report::{Frame, Pc, Report, Role};
use super::title;

// What the kernel prints of an assertion's place, by the three macros that print one.
lazy!(
    ASSERTION = r"(?m)(?:^kernel BUG at |WARNING: (?:CPU: \d+ )?(?:PID: \d+ )?(?:at )?(?:\[[^\n]{1,200}\] )?|UBSAN: [^\n]{1,80}? in )(?:\./)?(?P<place>(?P<file>[A-Za-z0-9_./-]{1,120}\.[chS]):\d+)"
);
lazy!(
    SYSTEM_CALL = r"^(?:__(?:x64|ia32|arm64|riscv|s390x?|se|do)_)?(?P<name>(?:compat_)?sys_\w+)$"
);

/// Names a crash: equal for the same crash in every boot and build, unequal for different ones.
///
/// It is readable, one line, and bounded as titles are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl Report {
    /// The key by which reports of the same crash are brought together.
    pub fn key(&self) -> Key {
        let Some(guilty) = &self.guilty else {
            return Key(self.title.clone());
        };
        let named = format!(" in {}", guilty.function);
        let Some((before, after)) = self.title.rsplit_once(&named) else {
            return Key(self.title.clone());
        };
        Key(match self.assertion(&guilty.function) {
            Some(place) => format!("{before}{after} at {place}"),
            None => format!("{before} in {}{after}", self.place_of(&guilty.function)),
        })
    }

    /// Where the assertion that failed stands, unless a shared checker made it for its caller.
    fn assertion(&self, guilty: &str) -> Option<&str> {
        let undefined = self.title.starts_with("UBSAN: ");
        let plain = ["kernel BUG in ", "WARNING in "]
            .iter()
            .any(|class| self.title.starts_with(class));
        if !undefined && !plain {
            return None;
        }
        let place = ASSERTION.captures(&self.text)?.name("place")?.as_str();
        let made_by_guilty = || {
            let mut exact = self.crash_frames().filter(|frame| frame.pc == Pc::Exact);
            exact.next().is_none_or(|frame| is_named(frame, guilty))
        };
        (undefined || place.contains(".h:") || made_by_guilty()).then_some(place)
    }

    /// The function that the guilty one is a part of.
    fn place_of(&self, guilty: &str) -> String {
        let mut frames = self.crash_frames();
        let mut place = match frames.find(|frame| is_named(frame, guilty)) {
            Some(frame) => title::function(&frame.symbol),
            None => guilty.to_owned(),
        };
        for caller in frames.map(|frame| title::function(&frame.symbol)) {
            if !is_part(&place, &caller) {
                break;
            }
            place = caller;
        }
        match SYSTEM_CALL.captures(&place) {
            Some(captures) => captures["name"].to_owned(),
            None => place,
        }
    }

    /// Frames of the crash that every unwinder would print: reliable and not inlined.
    fn crash_frames(&self) -> impl Iterator<Item = &Frame> {
        self.stacks
            .iter()
            .filter(|stack| stack.role == Role::Crash)
            .flat_map(|stack| &stack.frames)
            .filter(|frame| frame.reliable && frame.location.as_ref().is_none_or(|l| !l.inlined))
    }
}

/// Whether a title would call the frame's function so.
fn is_named(frame: &Frame, function: &str) -> bool {
    title::names(&frame.symbol)
        .first()
        .is_some_and(|name| name == function)
}

/// Whether a function is, by its name, a part of the one that called it.
fn is_part(function: &str, caller: &str) -> bool {
    fn bare(name: &str) -> &str {
        let name = name.trim_start_matches('_');
        name.strip_prefix("do_").unwrap_or(name)
    }
    let (function, caller) = (bare(function), bare(caller));
    !caller.is_empty()
        && function
            .strip_prefix(caller)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}
