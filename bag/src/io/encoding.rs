//! Text that is not UTF-8, made UTF-8.
//!
//! ```text
//!     latin1, windows-1252, gbk, shift_jis …   lines are cut in the bytes, then a block of lines is decoded at a time
//!     utf-16, iso-2022-jp                      decoded as a stream first: their line ends cannot be told from other bytes
//! ```

use std::io::{self, Read};
use std::path::PathBuf;

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use crate::error::Error;

/// What bytes stand for which text.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TextEncoding {
    Utf8,
    Other(&'static Encoding),
}

impl TextEncoding {
    pub(crate) fn of_label(label: &str) -> Result<TextEncoding, Error> {
        match Encoding::for_label(label.as_bytes()) {
            Some(encoding) if encoding == UTF_8 => Ok(TextEncoding::Utf8),
            Some(encoding) => Ok(TextEncoding::Other(encoding)),
            None => Err(Error::Encoding { label: label.to_owned() }),
        }
    }

    /// Whether lines can be found before the text is decoded: no byte of a line end is part of anything else.
    pub(crate) fn shows_lines(self, line_end: &str) -> bool {
        match self {
            TextEncoding::Utf8 => true,
            TextEncoding::Other(encoding) => {
                // The second bytes of two-byte characters begin at 0x30.
                line_end.is_ascii() && encoding.is_ascii_compatible() && (encoding.is_single_byte() || line_end.bytes().all(|c| c < 0x30))
            }
        }
    }
}

/// Decodes a stream.
pub(crate) struct Decoding<R> {
    input: R,
    decoder: Decoder,
    encoding: &'static Encoding,
    path: PathBuf,
    lossy: bool,
    bytes: Vec<u8>,
    used: usize,
    /// Bytes that were decoded.
    offset: u64,
    text: Vec<u8>,
    given: usize,
    at_end: bool,
}

const BLOCK: usize = 64 * 1024;

impl<R: Read> Decoding<R> {
    pub(crate) fn new(input: R, encoding: &'static Encoding, path: PathBuf, lossy: bool) -> Decoding<R> {
        let decoder = encoding.new_decoder_with_bom_removal();
        Decoding { input, decoder, encoding, path, lossy, bytes: Vec::new(), used: 0, offset: 0, text: Vec::new(), given: 0, at_end: false }
    }

    fn decode(&mut self) -> io::Result<()> {
        if self.used == self.bytes.len() {
            self.bytes.clear();
            self.used = 0;
            self.input.by_ref().take(BLOCK as u64).read_to_end(&mut self.bytes)?;
        }
        let is_last = self.bytes.is_empty();
        self.given = 0;
        self.text.resize(3 * BLOCK, 0);
        let bytes = &self.bytes[self.used..];
        let (read, written) = if self.lossy {
            let (result, read, written, _) = self.decoder.decode_to_utf8(bytes, &mut self.text, is_last);
            self.at_end = is_last && result == encoding_rs::CoderResult::InputEmpty;
            (read, written)
        } else {
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(bytes, &mut self.text, is_last);
            self.at_end = is_last && result == DecoderResult::InputEmpty;
            if let DecoderResult::Malformed(length, after) = result {
                let offset = (self.offset + read as u64).saturating_sub(u64::from(length) + u64::from(after));
                let (path, encoding) = (self.path.clone(), self.encoding.name());
                return Err(io::Error::other(Error::NotDecodable { path, encoding, line: None, offset }));
            }
            (read, written)
        };
        self.used += read;
        self.offset += read as u64;
        self.text.truncate(written);
        Ok(())
    }
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() {
            if self.at_end {
                return Ok(0);
            }
            self.decode()?;
        }
        let n = buffer.len().min(self.text.len() - self.given);
        buffer[..n].copy_from_slice(&self.text[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}
