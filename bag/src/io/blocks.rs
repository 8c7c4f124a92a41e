//! Complete lines of a file, or of a range of it, a block of bytes at a time.
//!
//! ```text
//!     part:          start                                   end
//!     file:   …… e\n │ f f f\n │ g g\n h h h h h h h h h h h │ h h\n i i\n ……
//!                └┬┘   the lines that start in the part: f, g, h; h is read to its end, i is the next part's
//!                 └── a part looks one line end back, to know whether a line starts at its first byte
//! ```
//! So each line belongs to one part, wherever the cuts are, and a part in the middle of a long line has none.

use std::io::{self, Read};
use std::ops::Range;

use memchr::memmem::{Finder, FinderRev};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::io::source::Source;

/// Bytes that are read at a time. The tests below are of lines that span several.
const BLOCK: usize = if cfg!(test) { 8 } else { 256 * 1024 };

/// A source, or the lines that start in a range of its bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) source: Source,
    pub(crate) range: Option<Range<u64>>,
}

impl Part {
    /// The whole source.
    pub(crate) fn whole(source: Source) -> Part {
        Part { source, range: None }
    }

    /// The source in parts of about `nbytes` bytes, as equal as can be.
    pub(crate) fn cut(source: Source, nbytes: u64) -> Vec<Part> {
        let n = source.nbytes.div_ceil(nbytes.max(1)).clamp(1, u64::from(u32::MAX));
        if n == 1 {
            return vec![Part::whole(source)];
        }
        let bound = |i: u64| (u128::from(source.nbytes) * u128::from(i) / u128::from(n)) as u64;
        (0..n).map(|i| Part { source: source.clone(), range: Some(bound(i)..bound(i + 1)) }).collect()
    }

    /// Where in the file it starts.
    pub(crate) fn start(&self) -> u64 {
        self.range.as_ref().map_or(0, |range| range.start)
    }

    pub(crate) fn is_start(&self) -> bool {
        self.start() == 0
    }
}

/// What ends a line.
#[derive(Debug, Clone)]
pub(crate) struct LineEnd {
    first: Finder<'static>,
    last: FinderRev<'static>,
}

impl LineEnd {
    pub(crate) fn new(bytes: &[u8]) -> LineEnd {
        LineEnd { first: Finder::new(bytes).into_owned(), last: FinderRev::new(bytes).into_owned() }
    }

    fn bytes(&self) -> &[u8] {
        self.first.needle()
    }

    /// Where the first line end is.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self.bytes() {
            [byte] => memchr::memchr(*byte, bytes),
            _ => self.first.find(bytes),
        }
    }

    fn find_last(&self, bytes: &[u8]) -> Option<usize> {
        match self.bytes() {
            [byte] => memchr::memrchr(*byte, bytes),
            _ => self.last.rfind(bytes),
        }
    }

    pub(crate) fn count(&self, bytes: &[u8]) -> u64 {
        match self.bytes() {
            [byte] => memchr::memchr_iter(*byte, bytes).count() as u64,
            _ => self.first.find_iter(bytes).count() as u64,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether two of them can share bytes, so that where lines end depends on where reading began.
    pub(crate) fn overlaps_itself(bytes: &[u8]) -> bool {
        (1..bytes.len()).any(|n| bytes.starts_with(&bytes[n..]))
    }
}

/// Reads blocks of complete lines of a part.
pub(crate) struct Blocks {
    part: Part,
    input: Box<dyn Read + Send>,
    line_end: LineEnd,
    /// The start of the line after the block that was read last.
    carried: Vec<u8>,
    /// Where the next block starts, in bytes of text.
    offset: u64,
    /// Where what is read next comes from, in bytes of text.
    position: u64,
    /// Whether the start of the part may be in the middle of a line.
    in_line: bool,
    /// Nothing is left to be read.
    at_end: bool,
    /// Nothing is left to be handed out.
    is_done: bool,
    /// Whether a byte-order mark at the start of the file is left out.
    skips_mark: bool,
}

/// The byte-order mark of UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

impl Blocks {
    /// Opens a part, decoding what is compressed. `wrap` decodes further.
    pub(crate) fn open(
        part: &Part,
        line_end: LineEnd,
        wrap: impl FnOnce(Box<dyn Read + Send>) -> Box<dyn Read + Send>,
    ) -> Result<Blocks, Error> {
        let back = match &part.range {
            Some(range) => range.start.saturating_sub(line_end.len() as u64),
            None => 0,
        };
        let input = match &part.range {
            Some(range) => part.source.open_from(back, range.end)?,
            None => wrap(part.source.open_decoded()?),
        };
        let in_line = !part.is_start();
        Ok(Blocks {
            part: part.clone(),
            input,
            line_end,
            carried: Vec::new(),
            offset: back,
            position: back,
            in_line,
            at_end: false,
            is_done: false,
            skips_mark: true,
        })
    }

    /// Takes the bytes as they are, with those that look like a byte-order mark.
    pub(crate) fn keep_mark(mut self) -> Blocks {
        self.skips_mark = false;
        self
    }

    pub(crate) fn part(&self) -> &Part {
        &self.part
    }

    pub(crate) fn line_end(&self) -> &LineEnd {
        &self.line_end
    }

    /// Reads some bytes: no further than to the end of the part, unless that is reached already.
    fn read_more(&mut self, bytes: &mut Vec<u8>) -> Result<usize, Error> {
        let end = self.part.range.as_ref().map_or(u64::MAX, |range| range.end);
        let most = if self.position < end { (end - self.position).min(BLOCK as u64) } else { BLOCK as u64 / 4 };
        let before = bytes.len();
        let read = self.input.by_ref().take(most).read_to_end(bytes);
        let n = bytes.len() - before;
        if let Err(error) = read {
            return Err(self.part.source.read_error(error, self.position + n as u64));
        }
        self.position += n as u64;
        self.at_end = n == 0;
        Ok(n)
    }

    /// Puts the next complete lines into `block`, in place of what is there, and gives the position of their first byte. None at the end.
    pub(crate) fn next(&mut self, block: &mut Vec<u8>) -> Result<Option<u64>, Error> {
        block.clear();
        block.append(&mut self.carried);
        let end = self.part.range.as_ref().map_or(u64::MAX, |range| range.end);
        let started = !self.in_line || self.find_start(block, end)?;
        let start = self.offset;
        if !started || self.is_done || start >= end {
            self.is_done = true;
            block.clear();
            return Ok(None);
        }
        let length = self.line_end.len();
        // A line end may begin among what was searched already, in its last bytes.
        let mut searched = 0;
        loop {
            if start + block.len() as u64 >= end {
                // All bytes of the part are there: its last line ends with the first line end that does not end before the part does.
                let from = ((end - start) as usize).saturating_sub(length).max(searched);
                let found = self.line_end.find(&block[from..]);
                if let Some(at) = found {
                    block.truncate(from + at + length);
                }
                if found.is_some() || self.at_end {
                    self.is_done = true;
                    break;
                }
            } else if let Some(at) = self.line_end.find_last(&block[searched..]) {
                let cut = searched + at + length;
                self.carried.extend_from_slice(&block[cut..]);
                block.truncate(cut);
                self.offset = start + cut as u64;
                break;
            } else if self.at_end {
                self.is_done = true;
                break;
            }
            searched = block.len().saturating_sub(length - 1);
            self.read_more(block)?;
        }
        if start == 0 && self.skips_mark && block.starts_with(MARK) {
            block.drain(..MARK.len());
            return Ok((!block.is_empty()).then_some(MARK.len() as u64));
        }
        Ok((!block.is_empty()).then_some(start))
    }

    /// Reads to the first line that starts in the part. False if none does.
    fn find_start(&mut self, block: &mut Vec<u8>, end: u64) -> Result<bool, Error> {
        let overlap = self.line_end.len() - 1;
        loop {
            if let Some(at) = self.line_end.find(block) {
                let cut = at + self.line_end.len();
                block.drain(..cut);
                self.offset += cut as u64;
                self.in_line = false;
                return Ok(self.offset < end);
            }
            let skip = block.len().saturating_sub(overlap);
            block.drain(..skip);
            self.offset += skip as u64;
            // A line end that is complete only beyond the part's end has no line of the part's after it.
            if self.at_end || self.position >= end {
                return Ok(false);
            }
            self.read_more(block)?;
        }
    }

    /// What is wrong with the rest of the file, if it cannot be read: damaged archives often decode to something before their checksum tells.
    pub(crate) fn check_rest(&mut self) -> Result<(), Error> {
        match io::copy(&mut self.input, &mut io::sink()) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.part.source.read_error(error, self.position)),
        }
    }
}

/// The bytes of a part's lines, one after another.
pub(crate) struct BlocksReader {
    blocks: Blocks,
    block: Vec<u8>,
    position: usize,
    first: Option<u64>,
}

impl BlocksReader {
    pub(crate) fn new(blocks: Blocks) -> BlocksReader {
        BlocksReader { blocks, block: Vec::new(), position: 0, first: None }
    }

    /// Where in the file its first byte is.
    pub(crate) fn first(&self) -> u64 {
        self.first.unwrap_or_default()
    }

    /// See [`Blocks::check_rest`].
    pub(crate) fn check_rest(&mut self) -> Result<(), Error> {
        self.blocks.check_rest()
    }
}

impl Read for BlocksReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.block.len() {
            self.position = 0;
            match self.blocks.next(&mut self.block).map_err(io::Error::other)? {
                Some(start) => self.first = self.first.or(Some(start)),
                None => return Ok(0),
            }
        }
        let n = buffer.len().min(self.block.len() - self.position);
        buffer[..n].copy_from_slice(&self.block[self.position..self.position + n]);
        self.position += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(part: &Part, end: &[u8]) -> (Vec<Vec<u8>>, Vec<u64>) {
        let mut blocks = Blocks::open(part, LineEnd::new(end), |bytes| bytes).unwrap();
        let (mut block, mut lines, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(start) = blocks.next(&mut block).unwrap() {
            let mut at = 0;
            while at < block.len() {
                let length = blocks.line_end().find(&block[at..]).map_or(block.len() - at, |found| found + end.len());
                lines.push(block[at..at + length].to_vec());
                starts.push(start + at as u64);
                at += length;
            }
        }
        assert_eq!(blocks.next(&mut block).unwrap(), None, "the end stays the end");
        (lines, starts)
    }

    /// All the ways to cut a text in two or three, and each line with its position.
    #[test]
    fn wherever_a_file_is_cut_each_line_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let texts: [(&[u8], &[u8]); 9] = [
            (b"", b"\n"),
            (b"\n", b"\n"),
            (b"\n\n\na\n\n", b"\n"),
            (b"one\r\ntwo\r\n\r\nthree", b"\n"),
            (b"no line end at all in here", b"\n"),
            (b"a\na line of more than two blocks\nb\n", b"\n"),
            (b"a||b||||c|d||a longer piece of text||", b"||"),
            (b"||<>|<|>a<|><|>and something longer<|", b"<|>"),
            (b"\r\n\n\r\na\r\nb\r\n\r", b"\r\n"),
        ];
        for (i, (text, end)) in texts.iter().enumerate() {
            // `|||` is `||` and `|` if read from its first byte, and `|` and `||` from its second: files of such lines are not cut.
            let path = folder.path().join(i.to_string());
            std::fs::write(&path, text).unwrap();
            let source = Source::look(&path).unwrap();
            let (expected, starts) = lines_of(&Part::whole(source.clone()), end);
            assert_eq!(expected.concat(), *text);
            if LineEnd::overlaps_itself(end) {
                continue;
            }
            let n = text.len() as u64;
            for first in 0..=n {
                for second in first..=n {
                    let ranges = [0..first, first..second, second..n];
                    let parts = ranges.clone().map(|range| lines_of(&Part { source: source.clone(), range: Some(range) }, end));
                    assert_eq!(parts.clone().map(|part| part.0).concat(), expected, "{text:?} cut at {first} and {second}");
                    assert_eq!(parts.clone().map(|part| part.1).concat(), starts);
                    for (range, part) in ranges.iter().zip(&parts) {
                        assert!(part.1.iter().all(|start| range.contains(start)), "{range:?} has lines at {:?}", part.1);
                    }
                }
            }
        }
    }

    #[test]
    fn parts_are_as_equal_as_can_be_and_cover_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, [0; 10]).unwrap();
        let source = Source::look(&path).unwrap();
        let cuts = |nbytes| Part::cut(source.clone(), nbytes).into_iter().map(|part| part.range).collect::<Vec<_>>();
        assert_eq!(cuts(10), [None]);
        assert_eq!(cuts(9), [Some(0..5), Some(5..10)]);
        assert_eq!(cuts(4), [Some(0..3), Some(3..6), Some(6..10)]);
        assert_eq!(cuts(1).len(), 10);
    }
}
