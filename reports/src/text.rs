// SPDX-License-Identifier: GPL-2.0-or-later
//! Makes text from a guest safe to show: bounded, and without characters that
//! move a cursor, reorder a line or cannot be seen.

/// Longest title, reason or name that a report shows, in characters.
pub const LINE_MAX: usize = 400;

/// Longest raw report that a page shows, in characters.
pub const BLOCK_MAX: usize = 32 * 1024;

/// One line: every control, format and bidirectional character becomes a visible escape.
///
/// Text longer than `max` characters is cut, and says so.
pub fn line(text: &str, max: usize) -> String {
    bounded(text, max, |_| false)
}

/// Several lines: as [`line()`], but line feeds and tabs stay.
pub fn block(text: &str, max: usize) -> String {
    bounded(&text.replace("\r\n", "\n"), max, |c| {
        matches!(c, '\n' | '\t')
    })
}

fn bounded(text: &str, max: usize, keep: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    let mut rest = text.chars();
    for c in rest.by_ref().take(max) {
        if keep(c) || !is_invisible(c) {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    let cut = rest.count();
    if cut > 0 {
        out.push_str(&format!("… ({cut} more characters)"));
    }
    out
}

/// A control, format or bidirectional character.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A count with its thousands set apart, such as `12,345`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// The range of some counts, such as `7` or `1,204–1,433`; nothing for none.
pub fn range(counts: impl IntoIterator<Item = u64>) -> Option<String> {
    let mut counts = counts.into_iter();
    let first = counts.next()?;
    let (low, high) = counts.fold((first, first), |(low, high), n| (low.min(n), high.max(n)));
    Some(if low == high {
        count(low)
    } else {
        format!("{}–{}", count(low), count(high))
    })
}

/// A time in milliseconds as a reader takes it in: `340 ms`, `1.4 s`, `2 min 3 s`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000 + u64::from(ms % 1000 >= 500);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        _ if seconds < 3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A share as a percentage; never rounded to 0 or 100 unless it is exactly that.
/// Number and sign do not part at a line break.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        p if p > 0.0 && p < 0.1 => "under 0.1\u{a0}%".to_owned(),
        p if p < 100.0 && p > 99.9 => "over 99.9\u{a0}%".to_owned(),
        p if p == p.round() => format!("{p:.0}\u{a0}%"),
        p => format!("{p:.1}\u{a0}%"),
    }
}

/// `one` for 1, `many` otherwise, after the number.
pub fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_become_visible() {
        assert_eq!(
            line("a\x1b[31mb\u{202e}c\nd\u{9b}\u{7f}", 99),
            r"a\u{1b}[31mb\u{202e}c\nd\u{9b}\u{7f}"
        );
        assert_eq!(block("a\r\n\tb\rc\0", 99), "a\n\tb\\rc\\u{0}");
        assert_eq!(line("Größe 大", 99), "Größe 大");
    }

    #[test]
    fn long_text_is_cut_and_says_so() {
        assert_eq!(line("abcdef", 4), "abcd… (2 more characters)");
        assert_eq!(line("abcd", 4), "abcd");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [count(0), count(999), count(1000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(range([3, 1, 2]), Some("1–3".to_owned()));
        assert_eq!(range([]), None);
        assert_eq!(
            [duration(340), duration(1449), duration(123_400)],
            ["340 ms", "1.4 s", "2 min 3 s"]
        );
        assert_eq!(
            [percent(0.0), percent(1.0), percent(0.99999), percent(0.632)],
            ["0\u{a0}%", "100\u{a0}%", "over 99.9\u{a0}%", "63.2\u{a0}%"]
        );
    }
}
