//! Text files as bags of lines, and back.
//!
//! ```text
//!     "logs/2026-*.txt" ──match, sort, look──► files ──cut──► parts, 64 MiB each ──(at run)──► lines, a batch at a time
//! ```
//! At build each file is looked at, not read: its path, size and time of change make the names of the tasks, so equal reads are done once and a file
//! that changed is read anew.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arras_core::{BoxError, Delayed, Func, Inputs};
use serde::{Deserialize, Serialize};

use crate::bag::{Bag, Segment};
use crate::engine::run::cursor_value;
use crate::error::Error;
use crate::io::blocks::{Blocks, LineEnd, Part};
use crate::io::codec::Codec;
use crate::io::encoding::TextEncoding;
use crate::io::lines::{LinesOfParts, LinesWithPath};
use crate::io::paths::FilePaths;
use crate::io::records::{self, BadRecord, BadRecords, Files, Format, Records};
use crate::io::source;
use crate::io::write::{Encode, FileFormat, FileOut, WriteFiles};

/// The size of partitions where nobody asks for another: a second of work or so, and small enough for many to be in memory at once where somebody holds them.
const BLOCKSIZE: u64 = 64 << 20;

/// How files become partitions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// Large files that can be cut, into parts of [`BLOCKSIZE`].
    Default,
    At(u64),
    /// So many whole files together.
    Files(usize),
}

/// Files of lines, and how they become partitions.
#[derive(Debug, Clone)]
pub(crate) struct TextParts {
    patterns: Vec<PathBuf>,
    pub(crate) cut: Cut,
}

impl TextParts {
    pub(crate) fn new(paths: impl FilePaths) -> TextParts {
        TextParts { patterns: paths.into_patterns(), cut: Cut::Default }
    }

    /// The parts of each partition. A file that is compressed cannot be cut, nor one of which somebody else says so.
    pub(crate) fn find(&self, may_be_cut: Result<(), &'static str>) -> Result<Vec<Vec<Part>>, Error> {
        let sources = source::find_all(&self.patterns)?;
        sources.iter().try_for_each(|source| source.codec().check(&source.path))?;
        let mut partitions = Vec::new();
        match self.cut {
            Cut::Default => {
                for source in sources {
                    let is_cut = source.codec() == Codec::Plain && may_be_cut.is_ok() && !source.is_web();
                    let nbytes = if is_cut { BLOCKSIZE } else { u64::MAX };
                    partitions.extend(Part::cut(source, nbytes).into_iter().map(|part| vec![part]));
                }
            }
            Cut::At(0) => return Err(Error::ZeroSize { option: "blocksize" }),
            Cut::At(nbytes) => {
                for source in sources {
                    let why = match source.codec() {
                        Codec::Plain => may_be_cut.err(),
                        _ => Some("it is compressed, and can only be read from its start"),
                    };
                    if let Some(why) = why {
                        return Err(Error::CannotCut { path: source.path, why: why.to_owned() });
                    }
                    partitions.extend(Part::cut(source, nbytes).into_iter().map(|part| vec![part]));
                }
            }
            Cut::Files(0) => return Err(Error::ZeroSize { option: "files_per_partition" }),
            Cut::Files(n) => {
                let mut sources = sources.into_iter().peekable();
                while sources.peek().is_some() {
                    partitions.push(sources.by_ref().take(n).map(Part::whole).collect());
                }
            }
        }
        Ok(partitions)
    }
}

/// How the bytes of a file become lines.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct TextOptions {
    pub(crate) lossy: bool,
    /// Its name, if it is not UTF-8.
    encoding: Option<String>,
    /// What ends a line, if it is not `\n` or `\r\n`.
    pub(crate) delimiter: Option<String>,
}

impl TextOptions {
    pub(crate) fn encoding(&self) -> Result<TextEncoding, Error> {
        self.encoding.as_deref().map_or(Ok(TextEncoding::Utf8), TextEncoding::of_label)
    }

    pub(crate) fn line_end(&self) -> &str {
        self.delimiter.as_deref().unwrap_or("\n")
    }
}

impl Format for TextOptions {
    const OPERATION: &'static str = "read_text";
}

/// How to read text: [`Bag::read_text`] with its options spelled out.
///
/// ```
/// use arras_bag::ReadText;
/// use arras_core::evaluate;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("old.txt");
/// std::fs::write(&path, b"caf\xe9;th\xe9;")?;
/// let words = ReadText::new(&path).encoding("latin1").line_delimiter(";").blocksize(3).read()?;
/// assert_eq!((words.n_partitions(), evaluate(&words)?), (3, vec!["café".to_owned(), "thé".to_owned()]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReadText {
    parts: TextParts,
    options: TextOptions,
    skip_bad: bool,
}

impl ReadText {
    /// Reads these files: one path, URL or pattern, or several in a vector, array or slice.
    pub fn new(paths: impl FilePaths) -> ReadText {
        ReadText { parts: TextParts::new(paths), options: TextOptions::default(), skip_bad: false }
    }

    /// Cuts files into partitions of about `nbytes` bytes, where by default it is 64 MiB: as equal as can be, at line ends. A partition has the lines that start in its part of the file,
    /// so that none is lost or doubled, and one that lies within a long line is empty.
    ///
    /// Asked for explicitly, it is an error where it cannot be: compressed files, encodings that do not show where lines end (UTF-16), and line delimiters that overlap themselves (`"aa"`).
    pub fn blocksize(mut self, nbytes: u64) -> ReadText {
        self.parts.cut = Cut::At(nbytes);
        self
    }

    /// Puts `n` files into a partition, whatever their size; the last gets what is left. For many small files.
    pub fn files_per_partition(mut self, n: usize) -> ReadText {
        self.parts.cut = Cut::Files(n);
        self
    }

    /// The encoding by a name that the web knows, such as `"latin1"`, `"windows-1252"`, `"shift_jis"`, `"gbk"`, `"utf-16le"`; UTF-8 by default. Byte-order marks of UTF-8 and UTF-16 are no
    /// part of the text.
    pub fn encoding(mut self, name: &str) -> ReadText {
        self.options.encoding = Some(name.to_owned());
        self
    }

    /// What ends a line, instead of `\n` or `\r\n`; it may be several characters. It is no part of the line.
    pub fn line_delimiter(mut self, delimiter: &str) -> ReadText {
        self.options.delimiter = Some(delimiter.to_owned());
        self
    }

    /// Puts U+FFFD in place of what is not text of the encoding, where by default it is an error.
    pub fn lossy(mut self) -> ReadText {
        self.options.lossy = true;
        self
    }

    /// Leaves out lines that are not UTF-8, where by default the first ends the run. [`read_counted`](ReadText::read_counted) says how many there were. Not for other encodings.
    pub fn skip_bad(mut self) -> ReadText {
        self.skip_bad = true;
        self
    }

    fn find(&self) -> Result<Vec<Vec<Part>>, Error> {
        let (encoding, line_end) = (self.options.encoding()?, self.options.line_end());
        if line_end.is_empty() {
            return Err(Error::ZeroSize { option: "line_delimiter" });
        }
        self.parts.find(match () {
            () if !encoding.shows_lines(line_end) => Err("its encoding does not show where lines end before it is decoded"),
            () if LineEnd::overlaps_itself(line_end.as_bytes()) => Err("its line delimiter overlaps itself"),
            () => Ok(()),
        })
    }

    fn only_utf8(&self) -> Result<(), Error> {
        match self.options.encoding()? {
            TextEncoding::Utf8 => Ok(()),
            TextEncoding::Other(_) => {
                Err(Error::Option { option: "skip_bad", why: "only lines of UTF-8 can be left out one by one; use `lossy()`".to_owned() })
            }
        }
    }

    /// The bag of lines: see [`Bag::read_text`].
    ///
    /// # Errors
    /// As for [`Bag::read_text`].
    pub fn read(&self) -> Result<Bag<String>, Error> {
        if self.skip_bad && !self.options.lossy {
            self.only_utf8()?;
            return records::read(&self.options, self.find()?, true);
        }
        let open = Func::erased::<ReadText, _>(|inputs: &Inputs<'_>| {
            let files = inputs.get::<Files<TextOptions>>(0)?;
            Ok(cursor_value(LinesOfParts::open(&files.parts, &files.format)))
        });
        Ok(Bag::new(vec![Segment::of_open::<String>(records::base(&self.options, self.find()?)?, open)]))
    }

    /// The lines, each with the path or URL of its file. Dask's `include_path=True`.
    ///
    /// # Errors
    /// As for [`Bag::read_text`].
    ///
    /// # Examples
    /// ```
    /// use arras_bag::ReadText;
    /// use arras_core::evaluate;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("a.txt");
    /// std::fs::write(&path, "one\n")?;
    /// let lines = evaluate(&ReadText::new(&path).read_with_path()?)?;
    /// assert!(lines[0].0 == "one" && lines[0].1.ends_with("a.txt"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_with_path(&self) -> Result<Bag<(String, Arc<str>)>, Error> {
        if self.skip_bad && !self.options.lossy {
            return Err(Error::Option {
                option: "skip_bad",
                why: "lines with their paths cannot be left out one by one; use `lossy()`".to_owned(),
            });
        }
        let open = Func::erased::<LinesWithPath, _>(|inputs: &Inputs<'_>| {
            let files = inputs.get::<Files<TextOptions>>(0)?;
            Ok(cursor_value(LinesWithPath::open(&files.parts, &files.format)))
        });
        Ok(Bag::new(vec![Segment::of_open::<(String, Arc<str>)>(records::base(&self.options, self.find()?)?, open)]))
    }

    /// The lines that are UTF-8, and how many are not. Both come from one pass over the files where they are computed together; for that the lines of a partition are held between its
    /// two readers.
    ///
    /// # Errors
    /// As for [`Bag::read_text`], but for lines that are not UTF-8; [`Error::Option`] with another encoding.
    pub fn read_counted(&self) -> Result<(Bag<String>, Delayed<BadRecords>), Error> {
        self.only_utf8()?;
        records::read_counted(&self.options, self.find()?)
    }
}

impl Bag<String> {
    /// The lines of text files, without their line ends (`\n` or `\r\n`).
    ///
    /// `paths` is one path, URL or pattern (`"logs/*.txt"`, `"logs/**/*.gz"`, `"s3://bucket/logs/*.txt"`), or several in a vector, array or slice, whose order is kept; the files of one
    /// pattern are sorted, its folders left out. A file that names itself like a pattern is taken by its name. URLs of object stores and web servers need the feature `cloud`; web
    /// servers cannot list, so patterns do not work there.
    ///
    /// A partition is a file, or 64 MiB of a larger one (see [`ReadText::blocksize`]). Files whose names end in `.gz`, `.bz2`, `.lz4`, and with the features `xz` and `zstd` in `.xz` and `.zst`, are
    /// decompressed, and are one partition each; so are files of web servers, as not all of those hand out parts. The files are looked at now, and read when the bag is computed, in pieces of 256 KiB: the text is never held whole, but for a line.
    /// The order of the lines is kept. A byte-order mark at the start is left out.
    ///
    /// # Errors
    /// At build [`Error::MissingFile`], [`Error::NoMatch`], [`Error::Pattern`], [`Error::IsFolder`], [`Error::Url`], [`Error::Feature`] or [`Error::Io`]; at run [`Error::NotUtf8`] (see
    /// [`ReadText::lossy`]), [`Error::Damaged`], [`Error::MissingFile`], [`Error::Shrunk`] or [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("corpus.txt");
    /// std::fs::write(&path, "one\ntwo\r\n\nvier ä")?;
    /// assert_eq!(evaluate(&Bag::read_text(&path)?)?, ["one", "two", "", "vier ä"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_text(paths: impl FilePaths) -> Result<Bag<String>, Error> {
        ReadText::new(paths).read()
    }

    /// The lines of one text at a URL: [`read_text`](Bag::read_text) by the name that Dask gives it.
    ///
    /// # Errors
    /// As for [`read_text`](Bag::read_text).
    ///
    /// # Examples
    /// ```no_run
    /// # use arras_bag::Bag;
    /// let lines = Bag::from_url(["https://example.com/a.txt", "https://example.com/b.txt.gz"])?;
    /// # Ok::<(), arras_bag::Error>(())
    /// ```
    pub fn from_url(urls: impl FilePaths) -> Result<Bag<String>, Error> {
        Bag::read_text(urls)
    }
}

impl<T: AsRef<str> + Send + Sync + 'static> Bag<T> {
    /// Writes the elements as lines of text, one file a partition, when the result is computed. It gives the paths, in the order of the partitions.
    ///
    /// `target` is a folder, whose files are then `part-00000.txt`, `part-00001.txt` and so on, or a path whose last part has a `*`, which stands for the number (`"out/lines-*.txt.gz"`), padded so that
    /// names sort in order; or the URL of one of these, with the feature `cloud`. Names that end in `.gz`, `.bz2`, `.lz4`, `.xz` or `.zst` are compressed, as in [`Bag::read_text`]. Folders that are not there are
    /// made. [`WriteFiles`] has options.
    ///
    /// Elements stream into the files: a partition is never held. A file gets its name when *all* are whole: a run that fails leaves none, and takes away what it wrote, unless the
    /// process was killed, or tasks ran in several processes: then hidden files may stay, whose names begin with `.arras-`, and objects. Objects get their names one by one, whole, and those of
    /// a failed run are deleted again.
    ///
    /// # Errors
    /// The result carries [`Error::Exists`] if a file is there already (see [`WriteFiles::overwrite`]), [`Error::Target`], [`Error::Url`] or [`Error::Feature`], before anything runs. At run [`Error::Exists`] or [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// let lines = Bag::from_sequence(["a", "b", "c"], 2);
    /// let paths = evaluate(&lines.to_textfiles(folder.join("lines-*.txt.gz")))?;
    /// assert_eq!(paths, [folder.join("lines-0.txt.gz"), folder.join("lines-1.txt.gz")]);
    /// assert_eq!(evaluate(&Bag::read_text(folder.join("*.gz"))?)?, ["a", "b", "c"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_textfiles(&self, target: impl Into<WriteFiles>) -> Delayed<Vec<PathBuf>> {
        self.write_files(target.into(), &TextLines)
    }
}

/// Lines as records, of which some may be bad. (Where none may be, [`LinesOfParts`] is faster.)
pub(crate) struct Utf8Lines {
    blocks: Blocks,
    strips: bool,
    block: Vec<u8>,
    start: u64,
    position: usize,
    line: u64,
    partition: u64,
}

impl Records<String> for TextOptions {
    type Reader = Utf8Lines;

    fn open(&self, part: &Part, partition: u64) -> Result<Utf8Lines, Error> {
        let blocks = Blocks::open(part, LineEnd::new(self.line_end().as_bytes()), |bytes| bytes)?;
        Ok(Utf8Lines { blocks, strips: self.delimiter.is_none(), block: Vec::new(), start: 0, position: 0, line: 0, partition })
    }

    fn next(reader: &mut Utf8Lines) -> Result<Option<Result<String, BadRecord>>, Error> {
        if reader.position == reader.block.len() {
            reader.position = 0;
            match reader.blocks.next(&mut reader.block)? {
                Some(start) => reader.start = start,
                None => return Ok(None),
            }
        }
        let rest = &reader.block[reader.position..];
        let line_end = reader.blocks.line_end();
        let (mut line, length) = match line_end.find(rest) {
            Some(end) => (&rest[..end], end + line_end.len()),
            None => (rest, rest.len()),
        };
        if reader.strips && length > line.len() {
            line = line.strip_suffix(b"\r").unwrap_or(line);
        }
        let start = reader.start + reader.position as u64;
        reader.position += length;
        reader.line += 1;
        let why = match str::from_utf8(line) {
            Ok(line) => return Ok(Some(Ok(line.to_owned()))),
            Err(why) => why.to_string(),
        };
        let part = reader.blocks.part();
        Ok(Some(Err(BadRecord {
            path: part.source.path.clone(),
            partition: reader.partition,
            line: part.is_start().then_some(reader.line),
            offset: Some(start),
            record: reader.line,
            expected: "UTF-8".to_owned(),
            why,
        })))
    }

    fn check_rest(reader: &mut Utf8Lines) -> Result<(), Error> {
        reader.blocks.check_rest()
    }
}

/// One element a line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TextLines;

impl FileFormat for TextLines {
    const OPERATION: &'static str = "to_textfiles";
    const ENDING: &'static str = "txt";
}

impl<T: AsRef<str> + Send + Sync + 'static> Encode<T> for TextLines {
    type State = FileOut;
    fn open(&self, out: FileOut) -> Result<FileOut, BoxError> {
        Ok(out)
    }
    fn write<'a>(out: &mut FileOut, items: impl Iterator<Item = &'a T>) -> Result<(), BoxError> {
        for item in items {
            out.write_all(item.as_ref().as_bytes())?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
    fn finish(out: FileOut) -> Result<FileOut, BoxError> {
        Ok(out)
    }
}
