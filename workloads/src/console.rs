// SPDX-License-Identifier: GPL-2.0-or-later
//! Lines on the guest's console, by way of the kernel's log.

use std::fs::OpenOptions;
use std::io::Write;

/// Longest line in bytes that the kernel's log takes in one record.
const LINE_MAX: usize = 900;

/// Prints one line on the console.
///
/// Through the kernel's log, so that it is ordered among the kernel's own
/// lines and cannot be mixed into one of them.
pub(crate) fn say(text: &str) {
    let text: String = text
        .replace(['\n', '\r'], " ")
        .chars()
        .take(LINE_MAX)
        .collect();
    if let Ok(mut log) = OpenOptions::new().write(true).open("/dev/kmsg") {
        // One write is one record. Nobody is left to hear of a failure.
        let _ = log.write_all(format!("<4>swapmig: {text}\n").as_bytes());
    }
}

/// Makes a panic of any thread end its process with the reason on the console.
pub(crate) fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        say(&format!("the guest program broke: {panic}"));
        std::process::exit(101);
    }));
}
