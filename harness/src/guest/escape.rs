// SPDX-License-Identifier: GPL-2.0-or-later
//! Makes bytes from a guest harmless for people's eyes.

/// Printable ASCII as it is, everything else escaped, cut at `limit` bytes of input.
pub fn escape(bytes: &[u8], limit: usize) -> String {
    let shown = &bytes[..bytes.len().min(limit)];
    let mut text = shown.escape_ascii().to_string();
    if shown.len() < bytes.len() {
        text.push_str(&format!("… ({} bytes in all)", bytes.len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_do_not_survive() {
        assert_eq!(escape(b"\x1b[2Jhi\r\n", 100), "\\x1b[2Jhi\\r\\n");
    }

    #[test]
    fn long_input_is_cut_and_the_cut_is_said() {
        let text = escape(&[b'a'; 1000], 10);
        assert_eq!(text, "aaaaaaaaaa… (1000 bytes in all)");
    }
}
