// SPDX-License-Identifier: GPL-2.0-or-later
//! Logs to read, and their reports one by one.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use swapmig_reports::symbolize;
use swapmig_reports::trace::{Parser, Report};

/// Bytes that are read at once, and so how much of a log is in memory.
const CHUNK: usize = 256 << 10;

/// Why an input could not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// It cannot be opened.
    #[error("cannot open {name}: {source}; name a log file, or - for standard input")]
    Open { name: String, source: io::Error },
    /// It is a folder.
    #[error("{name} is a folder: name the log files in it")]
    Folder { name: String },
    /// Reading failed; what had been read was searched.
    #[error(
        "cannot read on in {name}: {source}; what came before was searched: copy the log to a sound disk and read it again"
    )]
    Read { name: String, source: io::Error },
    /// The vmlinux that was given is another kernel's.
    #[error("{name}: {source}")]
    Kernel {
        name: String,
        source: symbolize::Error,
    },
}

/// A log to read.
pub(super) struct Input {
    /// The file as it was named, or `-`.
    pub(super) name: String,
    source: Box<dyn Read>,
}

impl Input {
    /// Opens a file, or standard input for `-`.
    pub(super) fn open(path: &Path) -> Result<Self, InputError> {
        let name = path.display().to_string();
        if name == "-" {
            let source = Box::new(io::stdin().lock());
            return Ok(Self { name, source });
        }
        let open = |source| InputError::Open {
            name: name.clone(),
            source,
        };
        let file = File::open(path).map_err(open)?;
        if file.metadata().map_err(open)?.is_dir() {
            return Err(InputError::Folder { name });
        }
        let source = Box::new(file);
        Ok(Self { name, source })
    }

    /// Its reports, each as soon as it is complete; the rest of the log is read when the next
    /// one is asked for. An error is the last item.
    pub(super) fn reports(self) -> Reports {
        Reports {
            input: self,
            parser: Some(Parser::default()),
            found: VecDeque::new(),
            error: None,
            chunk: vec![0; CHUNK],
        }
    }
}

/// The reports of a log.
pub(super) struct Reports {
    input: Input,
    /// Absent when the log has ended.
    parser: Option<Parser>,
    found: VecDeque<Report>,
    error: Option<InputError>,
    chunk: Vec<u8>,
}

impl Reports {
    /// Reads a chunk; an end, wanted or not, completes the reports that are open.
    fn read(&mut self, mut parser: Parser) {
        let found = &mut self.found;
        match self.input.source.read(&mut self.chunk) {
            Ok(0) => parser.finish(&mut |report| found.push_back(report)),
            Ok(length) => {
                parser.push(&self.chunk[..length], &mut |report| found.push_back(report));
                self.parser = Some(parser);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.parser = Some(parser);
            }
            Err(source) => {
                parser.finish(&mut |report| found.push_back(report));
                self.error = Some(InputError::Read {
                    name: self.input.name.clone(),
                    source,
                });
            }
        }
    }
}

impl Iterator for Reports {
    type Item = Result<Report, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(report) = self.found.pop_front() {
                return Some(Ok(report));
            }
            match self.parser.take() {
                Some(parser) => self.read(parser),
                None => return self.error.take().map(Err),
            }
        }
    }
}
