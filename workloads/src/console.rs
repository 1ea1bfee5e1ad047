// SPDX-License-Identifier: GPL-2.0-or-later
//! Lines on the guest's console, by way of the kernel's log.

use std::fs::OpenOptions;
use std::io::Write;

/// Longest text in bytes; the kernel refuses a record of more than 1,024.
const TEXT_MAX: usize = 900;

/// Prints one line on the console.
///
/// Through the kernel's log, so that it is ordered among the kernel's own
/// lines and cannot be mixed into one of them.
pub(crate) fn say(text: &str) {
    if let Ok(mut log) = OpenOptions::new().write(true).open("/dev/kmsg") {
        // One write is one record. Nobody is left to hear of a failure.
        let _ = log.write_all(format!("<4>swapmig: {}\n", one_line(text)).as_bytes());
    }
}

/// The text as one line, cut to [`TEXT_MAX`] bytes.
fn one_line(text: &str) -> String {
    let mut line = text.replace(['\n', '\r'], " ");
    let mut end = line.len().min(TEXT_MAX);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line
}

/// Makes a panic of any thread end its process with the reason on the console.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        say(&format!("the guest program broke: {panic}"));
        std::process::exit(101);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_line_of_bounded_bytes() {
        assert_eq!(one_line("a\nb\r"), "a b ");
        assert_eq!(one_line(&"x".repeat(2000)).len(), TEXT_MAX);
        // Three bytes each after one: the limit lies within a character.
        let cut = one_line(&format!("x{}", "\u{20ac}".repeat(500)));
        assert_eq!(cut.len(), TEXT_MAX - 2);
    }
}
