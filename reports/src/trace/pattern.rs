// SPDX-License-Identifier: GPL-2.0-or-later
//! Regular expressions known at compile time.

use regex::Regex;

/// Defines a lazily compiled regular expression.
macro_rules! lazy {
    ($name:ident = $pattern:expr) => {
        static $name: std::sync::LazyLock<regex::Regex> =
            std::sync::LazyLock::new(|| crate::trace::pattern::compile($pattern));
    };
}
pub(super) use lazy;

/// Compiles a pattern of this crate's own; every one is compiled by a unit test.
///
/// `{FUNC}` stands for a function printed with or without its offset, captured as `func`.
#[expect(
    clippy::expect_used,
    reason = "the pattern is a constant of this crate"
)]
pub(super) fn compile(pattern: &str) -> Regex {
    let pattern = pattern.replace("{FUNC}", FUNC);
    Regex::new(&pattern).expect("a constant pattern compiles")
}

const FUNC: &str =
    r"(?:\[<[0-9a-f]+>\] +)?(?P<func>[A-Za-z_.$][A-Za-z0-9_.$]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?";
