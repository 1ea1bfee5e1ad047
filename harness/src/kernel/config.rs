// SPDX-License-Identifier: GPL-2.0-or-later
//! Config fragments: what they ask for, and whether the kernel's config gives it.

use std::collections::BTreeMap;
use std::{fmt, fs};

use camino::{Utf8Path, Utf8PathBuf};

use super::error::KernelError;

/// What a line's fragments ask for, later ones over earlier ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// Symbol, with its `CONFIG_`, to value; `n` for one that must not be set.
    wanted: BTreeMap<String, String>,
}

/// A symbol that is not what it was asked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostSymbol {
    /// The symbol, with its `CONFIG_`.
    pub symbol: String,
    /// What was asked for.
    pub wanted: String,
    /// What there is; `n` when it is not set or unknown to the kernel.
    pub got: String,
}

impl fmt::Display for LostSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (wanted {}, got {})",
            self.symbol, self.wanted, self.got
        )
    }
}

impl Requests {
    /// Read and merge fragments.
    pub fn read(paths: &[Utf8PathBuf]) -> Result<Self, KernelError> {
        let mut requests = Self::default();
        for path in paths {
            let text = fs::read_to_string(path).map_err(KernelError::io("read", path))?;
            requests.merge(path, &text)?;
        }
        Ok(requests)
    }

    /// Merge the text of a fragment; `path` is for messages.
    pub fn merge(&mut self, path: &Utf8Path, text: &str) -> Result<(), KernelError> {
        for (index, line) in text.lines().enumerate() {
            match parse(line) {
                Parsed::Assignment(symbol, value) => {
                    self.wanted.insert(symbol.to_owned(), value.to_owned());
                }
                Parsed::Nothing => {}
                Parsed::Bad => {
                    return Err(KernelError::BadConfig {
                        path: path.to_owned(),
                        line: index + 1,
                        text: line.escape_debug().to_string(),
                    });
                }
            }
        }
        Ok(())
    }

    /// A `.config` with these requests in the place of what it says of their symbols.
    pub fn over(&self, config: &str) -> String {
        let is_ours = |line: &&str| match parse(line) {
            Parsed::Assignment(symbol, _) => self.wanted.contains_key(symbol),
            Parsed::Nothing | Parsed::Bad => false,
        };
        let kept = config
            .lines()
            .filter(|line| !is_ours(line))
            .map(|line| format!("{line}\n"));
        kept.chain([self.to_config()]).collect()
    }

    /// The requests as lines of a `.config`, one a symbol, sorted.
    pub fn to_config(&self) -> String {
        self.wanted
            .iter()
            .map(|(symbol, value)| match value.as_str() {
                "n" => format!("# {symbol} is not set\n"),
                value => format!("{symbol}={value}\n"),
            })
            .collect()
    }

    /// Every request that a finished `.config` does not meet.
    pub fn lost(&self, config: &str) -> Vec<LostSymbol> {
        let got: BTreeMap<_, _> = config
            .lines()
            .filter_map(|line| match parse(line) {
                Parsed::Assignment(symbol, value) => Some((symbol, value)),
                Parsed::Nothing | Parsed::Bad => None,
            })
            .collect();
        self.wanted
            .iter()
            .filter_map(|(symbol, wanted)| {
                let got = got.get(symbol.as_str()).copied().unwrap_or("n");
                (got != wanted).then(|| LostSymbol {
                    symbol: symbol.clone(),
                    wanted: wanted.clone(),
                    got: got.to_owned(),
                })
            })
            .collect()
    }
}

enum Parsed<'a> {
    Assignment(&'a str, &'a str),
    Nothing,
    Bad,
}

fn parse(line: &str) -> Parsed<'_> {
    let line = line.trim();
    if let Some(comment) = line.strip_prefix('#') {
        return match comment.trim().strip_suffix(" is not set") {
            Some(symbol) if is_symbol(symbol) => Parsed::Assignment(symbol, "n"),
            _ => Parsed::Nothing,
        };
    }
    match line.split_once('=') {
        Some((symbol, value)) if is_symbol(symbol) && !value.is_empty() => {
            Parsed::Assignment(symbol, value)
        }
        None if line.is_empty() => Parsed::Nothing,
        _ => Parsed::Bad,
    }
}

fn is_symbol(text: &str) -> bool {
    text.strip_prefix("CONFIG_").is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(fragments: &[&str]) -> Requests {
        let mut requests = Requests::default();
        for text in fragments {
            requests.merge(Utf8Path::new("x.config"), text).unwrap();
        }
        requests
    }

    #[test]
    fn names_every_symbol_that_did_not_survive() {
        let asked = requests(&[
            "CONFIG_KASAN=y\nCONFIG_NR_CPUS=8\nCONFIG_GONE=y\nCONFIG_OFF=n\nCONFIG_CREPT=n\n",
            "# CONFIG_UNSET is not set\n# a comment\n\nCONFIG_NAME=\"a=b\"\n",
        ]);
        let config = "CONFIG_NR_CPUS=1\n# CONFIG_KASAN is not set\nCONFIG_CREPT=y\nCONFIG_UNSET=m\nCONFIG_NAME=\"a=b\"\n";
        let lost: Vec<_> = asked.lost(config).iter().map(ToString::to_string).collect();
        assert_eq!(
            lost,
            [
                "CONFIG_CREPT (wanted n, got y)",
                "CONFIG_GONE (wanted y, got n)",
                "CONFIG_KASAN (wanted y, got n)",
                "CONFIG_NR_CPUS (wanted 8, got 1)",
                "CONFIG_UNSET (wanted n, got m)",
            ]
        );
    }

    #[test]
    fn later_fragments_override_earlier_ones() {
        let asked = requests(&[
            "CONFIG_A=y\nCONFIG_B=n\n",
            "CONFIG_A=n\n# CONFIG_B is not set\nCONFIG_B=y\n",
        ]);
        assert_eq!(asked.to_config(), "# CONFIG_A is not set\nCONFIG_B=y\n");
        assert!(asked.lost("CONFIG_B=y\n").is_empty());
        assert_eq!(
            asked.over("# Tiny\nCONFIG_A=m\n# CONFIG_B is not set\nCONFIG_C=y\n"),
            "# Tiny\nCONFIG_C=y\n# CONFIG_A is not set\nCONFIG_B=y\n"
        );
    }

    #[test]
    fn a_line_that_is_no_assignment_is_pointed_at() {
        for bad in [
            "KASAN=y",
            "CONFIG_KASAN",
            "CONFIG_KASAN=",
            "CONFIG_=y",
            "CONFIG_K ASAN=y",
        ] {
            let error = Requests::default()
                .merge(Utf8Path::new("x.config"), &format!("# one\n{bad}\n"))
                .unwrap_err();
            assert!(error.to_string().starts_with("x.config:2: "), "{error}");
        }
    }
}
