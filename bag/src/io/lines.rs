//! Lines of one file, a block of text at a time.
//!
//! ```text
//!     file ─(gz)─► [ carried over | 256 KiB … last '\n' | start of a line ]
//!                  └──── checked to be UTF-8, once ─────┘└─ carried over ─┘
//! ```
//! The strings of a batch are filled again and again as long as no step takes them away, so reading allocates little.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::Arc;

use arras_core::{BoxError, Value};
use flate2::read::MultiGzDecoder;
use memchr::{memchr, memchr_iter, memrchr};

use crate::engine::batch::{Batch, lock};
use crate::engine::run::Cursor;
use crate::error::Error;
use crate::io::text::{TextFile, io_error};

/// Bytes that are read at a time.
const BLOCK: usize = 256 * 1024;

pub(crate) struct Lines {
    path: PathBuf,
    lossy: bool,
    compressed: bool,
    input: Box<dyn Read + Send>,
    /// Complete lines.
    block: String,
    /// Where in the block the next line starts.
    position: usize,
    /// The start of the line after the block.
    carried: Vec<u8>,
    at_end: bool,
    /// Bytes of text before the block, and lines.
    offset: u64,
    line: u64,
}

impl Lines {
    pub(crate) fn open(text: &TextFile) -> Result<Lines, Error> {
        let file = File::open(&text.path).map_err(|error| io_error(&text.path, error))?;
        let compressed = text.path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
        let input: Box<dyn Read + Send> = match compressed {
            true => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(BLOCK, file))),
            false => Box::new(file),
        };
        Ok(Lines {
            path: text.path.clone(),
            lossy: text.lossy,
            compressed,
            input,
            block: String::new(),
            position: 0,
            carried: Vec::new(),
            at_end: false,
            offset: 0,
            line: 0,
        })
    }

    /// Reads the next block of complete lines. False at the end of the file.
    fn read_block(&mut self) -> Result<bool, Error> {
        self.offset += self.block.len() as u64;
        self.position = 0;
        let mut bytes = std::mem::take(&mut self.block).into_bytes();
        bytes.clear();
        bytes.append(&mut self.carried);
        // What was carried over holds no line end, so only what is read now is searched.
        while !self.at_end {
            let searched = bytes.len();
            let read = self.input.by_ref().take(BLOCK as u64).read_to_end(&mut bytes);
            if let Err(error) = read {
                return Err(self.read_error(error, searched));
            }
            self.at_end = bytes.len() == searched;
            if let Some(end) = memrchr(b'\n', &bytes[searched..]) {
                self.carried.extend_from_slice(&bytes[searched + end + 1..]);
                bytes.truncate(searched + end + 1);
                break;
            }
        }
        let block = String::from_utf8(bytes);
        self.block = match block {
            Ok(block) => block,
            Err(error) if self.lossy => {
                let bytes = error.into_bytes();
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Err(error) => {
                // Damaged archives often decode to something before their checksum tells, so that is asked first.
                if self.compressed
                    && let Err(damage) = io::copy(&mut self.input, &mut io::sink())
                {
                    return Err(self.read_error(damage, 0));
                }
                let valid = error.utf8_error().valid_up_to();
                let line = self.line + memchr_iter(b'\n', &error.as_bytes()[..valid]).count() as u64 + 1;
                return Err(Error::NotUtf8 { path: self.path.clone(), line, offset: self.offset + valid as u64 });
            }
        };
        Ok(!self.block.is_empty())
    }

    fn read_error(&self, error: io::Error, read_before: usize) -> Error {
        match error.kind() {
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof if self.compressed => {
                Error::Damaged { path: self.path.clone(), offset: self.offset + read_before as u64, source: Arc::new(error) }
            }
            _ => io_error(&self.path, error),
        }
    }
}

impl Cursor for Lines {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError> {
        let mut slot = lock::<Batch<String>>(slot)?;
        let lines = slot.owned();
        let mut n = 0;
        while n < limit {
            if self.position == self.block.len() && !self.read_block()? {
                break;
            }
            let rest = &self.block[self.position..];
            let (line, length) = match memchr(b'\n', rest.as_bytes()) {
                Some(end) => {
                    let line = &rest[..end];
                    (line.strip_suffix('\r').unwrap_or(line), end + 1)
                }
                None => (rest, rest.len()),
            };
            match lines.get_mut(n) {
                Some(used) => {
                    used.clear();
                    used.push_str(line);
                }
                None => lines.push(line.to_owned()),
            }
            self.position += length;
            n += 1;
        }
        self.line += n as u64;
        lines.truncate(n);
        Ok(n > 0)
    }
}
