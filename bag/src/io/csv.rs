//! CSV records.

use std::io;
use std::marker::PhantomData;
use std::path::PathBuf;

use arras_core::{BoxError, Delayed};
use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bag::Bag;
use crate::error::Error;
use crate::io::blocks::{Blocks, BlocksReader, LineEnd, Part};
use crate::io::paths::FilePaths;
use crate::io::records::{self, BadRecord, BadRecords, Format, Records};
use crate::io::text::{Cut, TextParts};
use crate::io::write::{Encode, FileFormat, FileOut, WriteFiles};

/// How to read CSV: [`Bag::read_csv`] with its options spelled out.
///
/// ```
/// use arras_bag::ReadCsv;
/// use arras_core::evaluate;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("pets.csv");
/// std::fs::write(&path, "cat;9\ndog;4\n")?;
/// let pets = ReadCsv::new(&path).delimiter(b';').has_headers(false).read::<(String, u32)>()?;
/// assert_eq!(evaluate(&pets.map(|pet| pet.1).sum())?, 13);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ReadCsv {
    parts: TextParts,
    options: CsvOptions,
    skip_bad: bool,
}

/// How the bytes of a file become records.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CsvOptions {
    delimiter: u8,
    quote: u8,
    comment: Option<u8>,
    has_headers: bool,
    flexible: bool,
    trim: bool,
}

impl Format for CsvOptions {
    const OPERATION: &'static str = "read_csv";
}

impl CsvOptions {
    fn reader<R: io::Read>(&self, input: R) -> csv::Reader<R> {
        let mut builder = ReaderBuilder::new();
        builder.delimiter(self.delimiter).quote(self.quote).comment(self.comment).flexible(self.flexible).has_headers(false);
        builder.trim(if self.trim { csv::Trim::All } else { csv::Trim::None }).from_reader(input)
    }
}

impl ReadCsv {
    /// Reads these files: one path, URL or pattern, or several in a vector, array or slice.
    pub fn new(paths: impl FilePaths) -> ReadCsv {
        let options = CsvOptions { delimiter: b',', quote: b'"', comment: None, has_headers: true, flexible: false, trim: false };
        ReadCsv { parts: TextParts::new(paths), options, skip_bad: false }
    }

    /// What lies between two fields: a comma by default.
    pub fn delimiter(mut self, delimiter: u8) -> ReadCsv {
        self.options.delimiter = delimiter;
        self
    }

    /// What is around a field that holds delimiters or line ends: `"` by default.
    pub fn quote(mut self, quote: u8) -> ReadCsv {
        self.options.quote = quote;
        self
    }

    /// What lines begin with that are left out: nothing by default.
    pub fn comment(mut self, comment: u8) -> ReadCsv {
        self.options.comment = Some(comment);
        self
    }

    /// Whether the first record of each file names the fields: yes by default. If not, records are read by position, into tuples or structs.
    pub fn has_headers(mut self, has_headers: bool) -> ReadCsv {
        self.options.has_headers = has_headers;
        self
    }

    /// Takes records that are shorter or longer than the first, where by default they are bad.
    pub fn flexible(mut self) -> ReadCsv {
        self.options.flexible = true;
        self
    }

    /// Leaves out the white space around fields.
    pub fn trim(mut self) -> ReadCsv {
        self.options.trim = true;
        self
    }

    /// Cuts files into partitions of about `nbytes` bytes, at line ends. Only right where no quoted field holds a line end; without this a file is one partition.
    pub fn blocksize(mut self, nbytes: u64) -> ReadCsv {
        self.parts.cut = Cut::At(nbytes);
        self
    }

    /// Puts `n` files into a partition: see [`ReadText::files_per_partition`](crate::ReadText::files_per_partition).
    pub fn files_per_partition(mut self, n: usize) -> ReadCsv {
        self.parts.cut = Cut::Files(n);
        self
    }

    /// Leaves out records that cannot be read, where by default the first ends the run. [`read_counted`](ReadCsv::read_counted) says how many there were.
    pub fn skip_bad(mut self) -> ReadCsv {
        self.skip_bad = true;
        self
    }

    fn find(&self) -> Result<Vec<Vec<Part>>, Error> {
        // Whoever asks for a size knows that it can be done.
        self.parts.find(if matches!(self.parts.cut, Cut::At(_)) { Ok(()) } else { Err("a quoted field may hold a line end") })
    }

    /// The bag of records: see [`Bag::read_csv`].
    ///
    /// # Errors
    /// As for [`Bag::read_csv`].
    pub fn read<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Bag<T>, Error> {
        records::read(&self.options, self.find()?, self.skip_bad)
    }

    /// All records: the value, or what is wrong with it.
    ///
    /// # Errors
    /// As for [`Bag::read_csv`], but for bad records.
    pub fn read_results<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Bag<Result<T, BadRecord>>, Error> {
        records::read_results(&self.options, self.find()?)
    }

    /// The records that can be read, and how many cannot, of one pass: see [`ReadJsonLines::read_counted`](crate::ReadJsonLines::read_counted).
    ///
    /// # Errors
    /// As for [`Bag::read_csv`], but for bad records.
    pub fn read_counted<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
    ) -> Result<(Bag<T>, Delayed<BadRecords>), Error> {
        records::read_counted(&self.options, self.find()?)
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Bag<T> {
    /// The records of CSV files as `T`: a struct with serde's derive whose fields are the header's, a tuple, a `Vec<String>`, a map of text to text.
    ///
    /// Paths, patterns, URLs, compression: as for [`Bag::read_text`]. A file is a partition, as quoted fields may hold line ends; see [`ReadCsv::blocksize`].
    ///
    /// # Errors
    /// At build those of [`Bag::read_text`]; at run [`Error::BadRecord`] with line and byte (see [`ReadCsv::skip_bad`]), [`Error::Damaged`], [`Error::MissingFile`] or [`Error::Io`].
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// #[derive(serde::Deserialize)]
    /// struct Pet {
    ///     name: String,
    ///     lives: u32,
    /// }
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("pets.csv");
    /// std::fs::write(&path, "lives,name\n9,cat\n1,\"dog,\nold\"\n")?;
    /// let names = Bag::<Pet>::read_csv(&path)?.filter(|pet| pet.lives == 1).map(|pet| pet.name.clone());
    /// assert_eq!(evaluate(&names)?, ["dog,\nold"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read_csv(paths: impl FilePaths) -> Result<Bag<T>, Error> {
        ReadCsv::new(paths).read()
    }
}

impl<T: Serialize + Send + Sync + 'static> Bag<T> {
    /// Writes the elements as CSV records, one file a partition, when the result is computed: see [`Bag::to_textfiles`] for names, compression and errors. Each file begins with the names
    /// of the fields, if the elements are structs; the file of a partition without elements is empty.
    ///
    /// # Errors
    /// As for [`Bag::to_textfiles`]; at run [`Error::NotWritable`] for elements that are no records, such as structs inside of structs.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// let paths = evaluate(&Bag::from_sequence([(1, "a,b")], 1).to_csv(folder))?;
    /// assert_eq!(std::fs::read_to_string(&paths[0])?, "1,\"a,b\"\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_csv(&self, target: impl Into<WriteFiles>) -> Delayed<Vec<PathBuf>> {
        self.write_files(target.into(), &CsvRecords)
    }
}

pub(crate) struct CsvReader<T> {
    reader: csv::Reader<BlocksReader>,
    headers: Option<ByteRecord>,
    record: ByteRecord,
    n_records: u64,
    part: Part,
    partition: u64,
    marker: PhantomData<fn() -> T>,
}

impl<T> CsvReader<T> {
    /// What is wrong at this place of the reader's text.
    fn bad(&self, position: Option<&csv::Position>, why: String) -> BadRecord {
        let is_start = self.part.is_start();
        BadRecord {
            path: self.part.source.path.clone(),
            partition: self.partition,
            line: position.filter(|_| is_start).map(csv::Position::line),
            offset: position.map(|position| position.byte() + self.reader.get_ref().first()),
            record: self.n_records,
            expected: format!("a CSV record of {}", std::any::type_name::<T>()),
            why,
        }
    }

    fn error(&self, error: csv::Error) -> Result<BadRecord, Error> {
        let position = error.position().cloned();
        match error.into_kind() {
            ErrorKind::Io(error) => Err(self.part.source.read_error(error, self.reader.position().byte())),
            ErrorKind::UnequalLengths { expected_len, len, .. } => {
                Ok(self.bad(position.as_ref(), format!("it has {len} fields, and the first record has {expected_len}")))
            }
            ErrorKind::Deserialize { err, .. } => {
                let field = err.field().map(|i| {
                    let name = self.headers.as_ref().and_then(|headers| headers.get(i as usize));
                    name.map_or_else(|| format!("field {i}: "), |name| format!("field {:?}: ", String::from_utf8_lossy(name)))
                });
                Ok(self.bad(position.as_ref(), format!("{}{}", field.unwrap_or_default(), err.kind())))
            }
            kind => Ok(self.bad(position.as_ref(), format!("{kind:?}"))),
        }
    }
}

fn blocks(part: &Part) -> Result<BlocksReader, Error> {
    Ok(BlocksReader::new(Blocks::open(part, LineEnd::new(b"\n"), |bytes| bytes)?))
}

impl<T: DeserializeOwned + Send + Sync + 'static> Records<T> for CsvOptions {
    type Reader = CsvReader<T>;

    fn open(&self, part: &Part, partition: u64) -> Result<CsvReader<T>, Error> {
        let mut reader = CsvReader {
            reader: self.reader(blocks(part)?),
            headers: None,
            record: ByteRecord::new(),
            n_records: 0,
            part: part.clone(),
            partition,
            marker: PhantomData,
        };
        if self.has_headers {
            let mut headers = ByteRecord::new();
            let read = if part.is_start() {
                reader.reader.read_byte_record(&mut headers)
            } else {
                // The names are at the start of the file, which is another part's.
                self.reader(blocks(&Part::whole(part.source.clone()))?).read_byte_record(&mut headers)
            };
            if let Err(error) = read {
                return Err(Error::BadRecord(reader.error(error)?));
            }
            headers.trim();
            reader.headers = Some(headers);
        }
        Ok(reader)
    }

    fn next(reader: &mut CsvReader<T>) -> Result<Option<Result<T, BadRecord>>, Error> {
        reader.n_records += 1;
        match reader.reader.read_byte_record(&mut reader.record) {
            Ok(false) => Ok(None),
            Ok(true) => match reader.record.deserialize(reader.headers.as_ref()) {
                Ok(record) => Ok(Some(Ok(record))),
                Err(error) => reader.error(error).map(|bad| Some(Err(bad))),
            },
            Err(error) => reader.error(error).map(|bad| Some(Err(bad))),
        }
    }

    fn check_rest(reader: &mut CsvReader<T>) -> Result<(), Error> {
        reader.reader.get_mut().check_rest()
    }
}

/// The format, for writing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CsvRecords;

impl FileFormat for CsvRecords {
    const OPERATION: &'static str = "to_csv";
    const ENDING: &'static str = "csv";
}

fn boxed(error: csv::Error) -> BoxError {
    match error.into_kind() {
        ErrorKind::Io(error) => error.into(),
        ErrorKind::Serialize(why) => why.into(),
        kind => format!("{kind:?}").into(),
    }
}

impl<T: Serialize + Send + Sync + 'static> Encode<T> for CsvRecords {
    type State = csv::Writer<FileOut>;
    fn open(&self, out: FileOut) -> Result<Self::State, BoxError> {
        Ok(csv::Writer::from_writer(out))
    }
    fn write<'a>(writer: &mut Self::State, mut items: impl Iterator<Item = &'a T>) -> Result<(), BoxError> {
        items.try_for_each(|item| writer.serialize(item)).map_err(boxed)
    }
    fn finish(writer: Self::State) -> Result<FileOut, BoxError> {
        writer.into_inner().map_err(|error| BoxError::from(error.into_error()))
    }
}
