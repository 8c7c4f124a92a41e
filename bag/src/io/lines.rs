//! Lines of text, a block of them at a time.
//!
//! ```text
//!     bytes ──► [ complete lines, some 256 KiB ] ──decoded, once──► line, line, …
//! ```
//! The strings of a batch are filled again and again as long as no step takes them away, so reading allocates little.

use std::collections::VecDeque;
use std::sync::Arc;

use arras_core::{BoxError, Value};

use crate::engine::batch::{Batch, lock};
use crate::engine::run::Cursor;
use crate::error::Error;
use crate::io::blocks::{Blocks, LineEnd, Part};
use crate::io::encoding::{Decoding, TextEncoding};
use crate::io::text::TextOptions;

/// Reads the lines of one part.
pub(crate) struct Lines {
    blocks: Blocks,
    encoding: TextEncoding,
    lossy: bool,
    /// What ends a line in the decoded text, and whether `\r` before it belongs to it.
    line_end: LineEnd,
    is_default_end: bool,
    /// Complete lines.
    block: String,
    /// Where in the block the next line starts.
    position: usize,
    /// Lines before the block's.
    lines: u64,
}

impl Lines {
    pub(crate) fn open(part: &Part, options: &TextOptions) -> Result<Lines, Error> {
        let encoding = options.encoding()?;
        let text_end = options.line_end();
        let line_end = LineEnd::new(text_end.as_bytes());
        let (path, lossy) = (part.source.path.clone(), options.lossy);
        let (blocks, encoding) = match encoding {
            TextEncoding::Other(other) if !encoding.shows_lines(text_end) => {
                let wrap = |bytes| Box::new(Decoding::new(bytes, other, path, lossy)) as Box<_>;
                (Blocks::open(part, line_end.clone(), wrap)?, TextEncoding::Utf8)
            }
            TextEncoding::Other(_) => (Blocks::open(part, line_end.clone(), |bytes| bytes)?.keep_mark(), encoding),
            TextEncoding::Utf8 => (Blocks::open(part, line_end.clone(), |bytes| bytes)?, encoding),
        };
        let is_default_end = options.delimiter.is_none();
        Ok(Lines { blocks, encoding, lossy, line_end, is_default_end, block: String::new(), position: 0, lines: 0 })
    }

    /// Reads the next block of complete lines. False at the end of the part.
    fn read_block(&mut self) -> Result<bool, Error> {
        self.position = 0;
        let mut bytes = std::mem::take(&mut self.block).into_bytes();
        let Some(start) = self.blocks.next(&mut bytes)? else { return Ok(false) };
        self.block = match self.encoding {
            TextEncoding::Utf8 => match String::from_utf8(bytes) {
                Ok(block) => block,
                Err(error) if self.lossy => String::from_utf8_lossy(error.as_bytes()).into_owned(),
                Err(error) => {
                    self.blocks.check_rest()?;
                    let valid = error.utf8_error().valid_up_to();
                    let (line, offset) = (self.line_at(error.as_bytes(), valid), start + valid as u64);
                    return Err(Error::NotUtf8 { path: self.blocks.part().source.path.clone(), line, offset });
                }
            },
            TextEncoding::Other(encoding) if self.lossy => encoding.decode_without_bom_handling(&bytes).0.into_owned(),
            TextEncoding::Other(encoding) => match encoding.decode_without_bom_handling_and_without_replacement(&bytes) {
                Some(block) => block.into_owned(),
                None => {
                    self.blocks.check_rest()?;
                    // The first line that cannot be decoded.
                    let mut at = 0;
                    while let Some(end) = self.line_end.find(&bytes[at..]) {
                        let next = at + end + self.line_end.len();
                        if encoding.decode_without_bom_handling_and_without_replacement(&bytes[at..next]).is_none() {
                            break;
                        }
                        at = next;
                    }
                    let (line, offset) = (self.line_at(&bytes, at), start + at as u64);
                    let (path, encoding) = (self.blocks.part().source.path.clone(), encoding.name());
                    return Err(Error::NotDecodable { path, encoding, line, offset });
                }
            },
        };
        Ok(!self.block.is_empty())
    }

    /// The number of the line at a position in the block, if the lines before the part are known.
    fn line_at(&self, block: &[u8], position: usize) -> Option<u64> {
        self.blocks.part().is_start().then(|| self.lines + self.blocks.line_end().count(&block[..position]) + 1)
    }

    /// Hands out at most `limit` lines.
    fn read(&mut self, limit: usize, mut take: impl FnMut(usize, &str)) -> Result<usize, Error> {
        let mut n = 0;
        while n < limit {
            if self.position == self.block.len() && !self.read_block()? {
                break;
            }
            let rest = &self.block[self.position..];
            let (line, length) = match self.line_end.find(rest.as_bytes()) {
                Some(end) => {
                    let line = &rest[..end];
                    (if self.is_default_end { line.strip_suffix('\r').unwrap_or(line) } else { line }, end + self.line_end.len())
                }
                None => (rest, rest.len()),
            };
            take(n, line);
            self.position += length;
            self.lines += 1;
            n += 1;
        }
        Ok(n)
    }
}

/// Reads the lines of several parts, one part after another.
pub(crate) struct LinesOfParts {
    parts: VecDeque<Part>,
    options: TextOptions,
    now: Option<Lines>,
}

impl LinesOfParts {
    pub(crate) fn open(parts: &[Part], options: &TextOptions) -> LinesOfParts {
        LinesOfParts { parts: parts.iter().cloned().collect(), options: options.clone(), now: None }
    }

    /// Hands out some lines, all of one part, whose path comes with them. 0 at the end of all.
    fn read(&mut self, limit: usize, mut take: impl FnMut(usize, &str)) -> Result<usize, Error> {
        loop {
            if let Some(lines) = &mut self.now {
                let n = lines.read(limit, &mut take)?;
                if n > 0 {
                    return Ok(n);
                }
            }
            match self.parts.pop_front() {
                Some(part) => self.now = Some(Lines::open(&part, &self.options)?),
                None => return Ok(0),
            }
        }
    }
}

impl Cursor for LinesOfParts {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError> {
        let mut slot = lock::<Batch<String>>(slot)?;
        let lines = slot.owned();
        let n = self.read(limit, |i, line| match lines.get_mut(i) {
            Some(used) => {
                used.clear();
                used.push_str(line);
            }
            None => lines.push(line.to_owned()),
        })?;
        lines.truncate(n);
        Ok(n > 0)
    }
}

/// Lines with the path that they come from.
pub(crate) struct LinesWithPath {
    lines: LinesOfParts,
    path: Option<Arc<str>>,
}

impl LinesWithPath {
    pub(crate) fn open(parts: &[Part], options: &TextOptions) -> LinesWithPath {
        LinesWithPath { lines: LinesOfParts::open(parts, options), path: None }
    }
}

impl Cursor for LinesWithPath {
    fn fill(&mut self, slot: &Value, limit: usize) -> Result<bool, BoxError> {
        let mut slot = lock::<Batch<(String, Arc<str>)>>(slot)?;
        let lines = slot.owned();
        lines.clear();
        let n = self.lines.read(limit, |_, line| lines.push((line.to_owned(), Arc::default())))?;
        if let Some(now) = &self.lines.now {
            let path = now.blocks.part().source.path.to_string_lossy();
            let path = match &self.path {
                Some(known) if **known == *path => Arc::clone(known),
                _ => Arc::from(&*path),
            };
            lines.iter_mut().for_each(|line| line.1 = Arc::clone(&path));
            self.path = Some(path);
        }
        Ok(n > 0)
    }
}
