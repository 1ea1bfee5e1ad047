// SPDX-License-Identifier: GPL-2.0-or-later
//! Figures of a bench: a line each, `figure value unit target`, and whether all reached theirs.

use std::error::Error;
use std::process::ExitCode;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The figures printed so far and whether each reached its target.
#[derive(Default)]
pub(crate) struct Figures {
    short: Vec<String>,
}

impl Figures {
    pub(crate) fn at_most(&mut self, figure: &str, value: f64, unit: &str, target: f64) {
        self.line(figure, value, unit, &format!("<={target}"), value <= target);
    }

    pub(crate) fn at_least(&mut self, figure: &str, value: f64, unit: &str, target: f64) {
        self.line(figure, value, unit, &format!(">={target}"), value >= target);
    }

    fn line(&mut self, figure: &str, value: f64, unit: &str, target: &str, reached: bool) {
        println!("{figure} {value:.2} {unit} {target}");
        if !reached {
            self.short.push(figure.to_owned());
        }
    }
}

/// Runs a bench; exits 0 when every target was reached, 1 when not, 4 when it could not measure.
pub(crate) fn main(bench: impl FnOnce(&mut Figures) -> Result<()>) -> ExitCode {
    let mut figures = Figures::default();
    match bench(&mut figures) {
        Ok(()) if figures.short.is_empty() => ExitCode::SUCCESS,
        Ok(()) => {
            println!("short of the target: {}", figures.short.join(", "));
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("the measurement itself failed: {error}");
            ExitCode::from(4)
        }
    }
}
