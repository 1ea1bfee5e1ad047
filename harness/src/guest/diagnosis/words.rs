// SPDX-License-Identifier: GPL-2.0-or-later
//! Memory, as QEMU's monitor prints it.

/// Reads what `x /NNgx ADDRESS` prints: words in order, up to the first that cannot be read.
pub(super) fn parse(text: &str) -> Vec<u64> {
    let mut words = Vec::new();
    for line in text.lines() {
        let Some((_, values)) = line.split_once(": ") else {
            return words;
        };
        for value in values.split_whitespace() {
            let digits = value.strip_prefix("0x");
            match digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
                Some(word) => words.push(word),
                None => return words,
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_end_where_memory_cannot_be_read() {
        let printed = "ffffc9000032fff0: 0x0000000000000246 0x000000000000002b\r\n\
             ffffc90000330000: Cannot access memory\r\n";
        assert_eq!(parse(printed), [0x246, 0x2b]);
        assert!(parse("unknown command: 'x'\r\n").is_empty());
        assert!(parse("").is_empty());
    }
}
