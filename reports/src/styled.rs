// SPDX-License-Identifier: GPL-2.0-or-later
//! Text for a terminal or a log, made line by line.

use std::fmt::{Display, Write};

use owo_colors::Style;

/// Lines, with colours and weights when `styled`.
pub(crate) struct Styled {
    pub(crate) text: String,
    styled: bool,
}

impl Styled {
    pub(crate) fn new(styled: bool) -> Self {
        Self {
            text: String::new(),
            styled,
        }
    }

    pub(crate) fn line(&mut self, line: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    pub(crate) fn paint(&self, text: impl Display, style: Style) -> String {
        if self.styled {
            style.style(text).to_string()
        } else {
            text.to_string()
        }
    }

    /// A heading, set off from what is above.
    pub(crate) fn head(&mut self, text: &str) {
        let head = self.paint(text, Style::new().bold());
        self.line(format_args!("\n{head}"));
    }
}
