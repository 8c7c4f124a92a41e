//! Compression by the ending of a file's name.
//!
//! ```text
//!     .gz .gzip   .bz2   .lz4        always here
//!     .xz         .zst .zstd         with the features `xz` and `zstd`, which compile libraries in C
//! ```
//! Files of several parts, one after another, are read to the end of the last, whatever the format.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use bzip2::read::MultiBzDecoder;
use bzip2::write::BzEncoder;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Codec {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Lz4,
}

/// Bytes that are read from a compressed file at a time.
const BUFFER: usize = 256 * 1024;

impl Codec {
    pub(crate) fn of_path(path: &Path) -> Codec {
        // The path of a URL ends before its query.
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
        match extension.split(['?', '#']).next().unwrap_or_default() {
            "gz" | "gzip" => Codec::Gzip,
            "bz2" => Codec::Bzip2,
            "xz" => Codec::Xz,
            "zst" | "zstd" => Codec::Zstd,
            "lz4" => Codec::Lz4,
            _ => Codec::Plain,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Codec::Plain => "plain",
            Codec::Gzip => "gzip",
            Codec::Bzip2 => "bzip2",
            Codec::Xz => "xz",
            Codec::Zstd => "zstd",
            Codec::Lz4 => "lz4",
        }
    }

    /// Whether this build can read and write it.
    pub(crate) fn check(self, path: &Path) -> Result<(), Error> {
        let missing = match self {
            Codec::Xz if cfg!(not(feature = "xz")) => "xz",
            Codec::Zstd if cfg!(not(feature = "zstd")) => "zstd",
            _ => return Ok(()),
        };
        Err(Error::Feature { path: path.to_owned(), feature: missing })
    }

    /// What the compressed bytes stand for.
    pub(crate) fn decoder(self, bytes: Box<dyn Read + Send>, path: &Path) -> Result<Box<dyn Read + Send>, Error> {
        self.check(path)?;
        let buffered = |bytes| BufReader::with_capacity(BUFFER, bytes);
        Ok(match self {
            Codec::Plain => bytes,
            Codec::Gzip => Box::new(MultiGzDecoder::new(buffered(bytes))),
            Codec::Bzip2 => Box::new(MultiBzDecoder::new(buffered(bytes))),
            Codec::Lz4 => Box::new(Lz4Frames::new(buffered(bytes))),
            #[cfg(feature = "xz")]
            Codec::Xz => Box::new(liblzma::read::XzDecoder::new_multi_decoder(buffered(bytes))),
            #[cfg(feature = "zstd")]
            Codec::Zstd => Box::new(zstd::Decoder::with_buffer(buffered(bytes)).map_err(|error| crate::io::source::io_error(path, error))?),
            #[cfg(not(feature = "xz"))]
            Codec::Xz => unreachable!("checked above"),
            #[cfg(not(feature = "zstd"))]
            Codec::Zstd => unreachable!("checked above"),
        })
    }

    /// Compresses what is written into it.
    pub(crate) fn encoder<W: Write + Send + 'static>(self, out: W, path: &Path) -> Result<Encoder<W>, Error> {
        self.check(path)?;
        Ok(match self {
            Codec::Plain => Encoder::Plain(out),
            Codec::Gzip => Encoder::Gzip(GzEncoder::new(out, flate2::Compression::default())),
            Codec::Bzip2 => Encoder::Bzip2(BzEncoder::new(out, bzip2::Compression::default())),
            Codec::Lz4 => Encoder::Lz4(Box::new(FrameEncoder::new(out))),
            #[cfg(feature = "xz")]
            Codec::Xz => Encoder::Xz(liblzma::write::XzEncoder::new(out, 6)),
            #[cfg(feature = "zstd")]
            Codec::Zstd => {
                let mut encoder = zstd::Encoder::new(out, 0).map_err(|error| crate::io::source::io_error(path, error))?;
                encoder.include_checksum(true).map_err(|error| crate::io::source::io_error(path, error))?;
                Encoder::Zstd(encoder)
            }
            #[cfg(not(feature = "xz"))]
            Codec::Xz => unreachable!("checked above"),
            #[cfg(not(feature = "zstd"))]
            Codec::Zstd => unreachable!("checked above"),
        })
    }
}

/// A compressor around a writer.
pub(crate) enum Encoder<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Bzip2(BzEncoder<W>),
    Lz4(Box<FrameEncoder<W>>),
    #[cfg(feature = "xz")]
    Xz(liblzma::write::XzEncoder<W>),
    #[cfg(feature = "zstd")]
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Encoder<W> {
    /// Ends the compressed data.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Encoder::Plain(out) => Ok(out),
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Bzip2(encoder) => encoder.finish(),
            Encoder::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
            #[cfg(feature = "xz")]
            Encoder::Xz(encoder) => encoder.finish(),
            #[cfg(feature = "zstd")]
            Encoder::Zstd(encoder) => encoder.finish(),
        }
    }

    fn inner(&mut self) -> &mut dyn Write {
        match self {
            Encoder::Plain(out) => out,
            Encoder::Gzip(encoder) => encoder,
            Encoder::Bzip2(encoder) => encoder,
            Encoder::Lz4(encoder) => encoder,
            #[cfg(feature = "xz")]
            Encoder::Xz(encoder) => encoder,
            #[cfg(feature = "zstd")]
            Encoder::Zstd(encoder) => encoder,
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner().flush()
    }
}

/// Frames of LZ4, one after another. The decoder ends with each of them, and takes one that is cut between two blocks for one that has ended.
struct Lz4Frames {
    frames: FrameDecoder<Watched>,
    at_end: bool,
}

/// Remembers whether somebody has read up to the end and wanted more.
struct Watched {
    bytes: BufReader<Box<dyn Read + Send>>,
    is_empty: bool,
    wanted_more: bool,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.bytes.read(buffer)?;
        self.is_empty &= n == 0;
        self.wanted_more |= n == 0 && !buffer.is_empty();
        Ok(n)
    }
}

impl Lz4Frames {
    fn new(bytes: BufReader<Box<dyn Read + Send>>) -> Lz4Frames {
        Lz4Frames { frames: FrameDecoder::new(Watched { bytes, is_empty: true, wanted_more: false }), at_end: false }
    }
}

impl Read for Lz4Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.at_end && !buffer.is_empty() {
            let n = self.frames.read(buffer)?;
            if n > 0 {
                return Ok(n);
            }
            let input = self.frames.get_mut();
            if input.wanted_more && !input.is_empty {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the last frame is cut off"));
            }
            self.at_end = input.wanted_more || input.bytes.fill_buf()?.is_empty();
        }
        Ok(0)
    }
}
