//! JSON lines: one value a line.

use std::io::Write;
use std::marker::PhantomData;

use arras_core::{BoxError, Delayed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bag::Bag;
use crate::error::Error;
use crate::io::blocks::{Blocks, LineEnd, Part};
use crate::io::paths::FilePaths;
use crate::io::records::{self, BadRecord, BadRecords, Format, Records};
use crate::io::text::{Cut, TextParts};
use crate::io::write::{Encode, FileFormat, FileOut, WriteFiles};

/// How to read JSON lines: [`Bag::read_json_lines`] with its options spelled out.
///
/// ```
/// use arras_bag::{Bag, ReadJsonLines};
/// use arras_core::evaluate;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("log.jsonl");
/// std::fs::write(&path, "{\"n\": 1}\n{\"n\": }\n{\"n\": 3}\n")?;
/// let (rows, bad) = ReadJsonLines::new(&path).read_counted::<serde_json::Value>()?;
/// let (rows, bad) = (evaluate(&rows)?, evaluate(&bad)?);
/// assert_eq!((rows.len(), bad.count, bad.first[0].line), (2, 1, Some(2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReadJsonLines {
    parts: TextParts,
    skip_bad: bool,
}

impl ReadJsonLines {
    /// Reads these files: one path, URL or pattern, or several in a vector, array or slice.
    pub fn new(paths: impl FilePaths) -> ReadJsonLines {
        ReadJsonLines { parts: TextParts::new(paths), skip_bad: false }
    }

    /// Cuts files into partitions of about `nbytes` bytes, where by default it is 64 MiB: see [`ReadText::blocksize`](crate::ReadText::blocksize).
    pub fn blocksize(mut self, nbytes: u64) -> ReadJsonLines {
        self.parts.cut = Cut::At(nbytes);
        self
    }

    /// Puts `n` files into a partition: see [`ReadText::files_per_partition`](crate::ReadText::files_per_partition).
    pub fn files_per_partition(mut self, n: usize) -> ReadJsonLines {
        self.parts.cut = Cut::Files(n);
        self
    }

    /// Leaves out the lines that cannot be read, where by default the first ends the run. [`read_counted`](ReadJsonLines::read_counted) says how many there were.
    pub fn skip_bad(mut self) -> ReadJsonLines {
        self.skip_bad = true;
        self
    }

    /// The bag of values: see [`Bag::read_json_lines`].
    ///
    /// # Errors
    /// As for [`Bag::read_json_lines`].
    pub fn read<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Bag<T>, Error> {
        records::read(&JsonLines, self.parts.find(Ok(()))?, self.skip_bad)
    }

    /// All lines: the value, or what is wrong with it.
    ///
    /// # Errors
    /// As for [`Bag::read_json_lines`], but for bad lines.
    pub fn read_results<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Bag<Result<T, BadRecord>>, Error> {
        records::read_results(&JsonLines, self.parts.find(Ok(()))?)
    }

    /// The values that can be read, and how many lines cannot. Both come from one pass over the files where they are computed together, `compute((bag.count(), bad))`; for that the
    /// values of a partition are held between its two readers.
    ///
    /// # Errors
    /// As for [`Bag::read_json_lines`], but for bad lines.
    pub fn read_counted<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
    ) -> Result<(Bag<T>, Delayed<BadRecords>), Error> {
        records::read_counted(&JsonLines, self.parts.find(Ok(()))?)
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Bag<T> {
    /// The values of files with one JSON value a line, as `T`: a type with serde's derive, or `serde_json::Value`. Lines without anything are left out.
    ///
    /// Paths, patterns, URLs, compression, partitions: as for [`Bag::read_text`].
    ///
    /// # Errors
    /// At build those of [`Bag::read_text`]; at run [`Error::BadRecord`] with line and byte (see [`ReadJsonLines::skip_bad`]), [`Error::Damaged`], [`Error::MissingFile`] or [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// #[derive(serde::Deserialize)]
    /// struct Row {
    ///     n: u64,
    /// }
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("log.jsonl");
    /// std::fs::write(&path, "{\"n\": 1, \"name\": \"a\"}\n{\"n\": 2}\n")?;
    /// assert_eq!(evaluate(&Bag::<Row>::read_json_lines(&path)?.map(|row| row.n).sum())?, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_json_lines(paths: impl FilePaths) -> Result<Bag<T>, Error> {
        ReadJsonLines::new(paths).read()
    }
}

impl<T: Serialize + Send + Sync + 'static> Bag<T> {
    /// Writes the elements as JSON, one a line, one file a partition, when the result is computed: see [`Bag::to_textfiles`] for names, compression and errors.
    ///
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// let paths = evaluate(&Bag::from_sequence([(1, "a"), (2, "b")], 2).to_json_lines(folder.join("out-*.jsonl")))?;
    /// assert_eq!(std::fs::read_to_string(&paths[1])?, "[2,\"b\"]\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_json_lines(&self, target: impl Into<WriteFiles>) -> Delayed<Vec<std::path::PathBuf>> {
        self.write_files::<JsonLines>(target.into(), &JsonLines)
    }
}

/// The format.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct JsonLines;

impl Format for JsonLines {
    const OPERATION: &'static str = "read_json_lines";
}

pub(crate) struct JsonReader<T> {
    blocks: Blocks,
    block: Vec<u8>,
    start: u64,
    position: usize,
    line: u64,
    partition: u64,
    marker: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned + Send + Sync + 'static> Records<T> for JsonLines {
    type Reader = JsonReader<T>;

    fn open(&self, part: &Part, partition: u64) -> Result<JsonReader<T>, Error> {
        let blocks = Blocks::open(part, LineEnd::new(b"\n"), |bytes| bytes)?;
        Ok(JsonReader { blocks, block: Vec::new(), start: 0, position: 0, line: 0, partition, marker: PhantomData })
    }

    fn next(reader: &mut JsonReader<T>) -> Result<Option<Result<T, BadRecord>>, Error> {
        loop {
            if reader.position == reader.block.len() {
                reader.position = 0;
                match reader.blocks.next(&mut reader.block)? {
                    Some(start) => reader.start = start,
                    None => return Ok(None),
                }
            }
            let rest = &reader.block[reader.position..];
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let (line, start) = (&rest[..length], reader.position);
            reader.position = (start + length + 1).min(reader.block.len());
            reader.line += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let error = match serde_json::from_slice(line) {
                Ok(record) => return Ok(Some(Ok(record))),
                Err(error) => error,
            };
            // The message ends with a line that is always the first.
            let said = error.to_string();
            let why = match said.rsplit_once(" at line ") {
                Some((why, _)) => format!("{why} at column {}", error.column()),
                None => said,
            };
            let part = reader.blocks.part();
            return Ok(Some(Err(BadRecord {
                path: part.source.path.clone(),
                partition: reader.partition,
                line: part.is_start().then_some(reader.line),
                offset: Some(reader.start + start as u64),
                record: reader.line,
                expected: format!("JSON of {}", std::any::type_name::<T>()),
                why,
            })));
        }
    }

    fn check_rest(reader: &mut JsonReader<T>) -> Result<(), Error> {
        reader.blocks.check_rest()
    }
}

impl FileFormat for JsonLines {
    const OPERATION: &'static str = "to_json_lines";
    const ENDING: &'static str = "jsonl";
}

impl<T: Serialize + Send + Sync + 'static> Encode<T> for JsonLines {
    type State = FileOut;
    fn open(&self, out: FileOut) -> Result<FileOut, BoxError> {
        Ok(out)
    }
    fn write<'a>(out: &mut FileOut, items: impl Iterator<Item = &'a T>) -> Result<(), BoxError> {
        for item in items {
            serde_json::to_writer(&mut *out, item)
                .map_err(|error| if error.is_io() { std::io::Error::from(error).into() } else { BoxError::from(error) })?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
    fn finish(out: FileOut) -> Result<FileOut, BoxError> {
        Ok(out)
    }
}
