//! Avro: records with their schema.

use std::collections::HashMap;
use std::io::{self, Read};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use apache_avro::{DeflateSettings, Reader, Schema, Writer};
use arras_core::{BoxError, Delayed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bag::Bag;
use crate::error::Error;
use crate::io::blocks::Part;
use crate::io::paths::FilePaths;
use crate::io::records::{self, BadRecord, BadRecords, Format, Records};
use crate::io::text::{Cut, TextParts};
use crate::io::write::{Encode, FileFormat, FileOut, WriteFiles};

/// How to read Avro: [`Bag::read_avro`] with its options spelled out.
#[derive(Debug, Clone)]
pub struct ReadAvro {
    parts: TextParts,
    skip_bad: bool,
}

impl ReadAvro {
    /// Reads these files: one path, URL or pattern, or several in a vector, array or slice.
    pub fn new(paths: impl FilePaths) -> ReadAvro {
        ReadAvro { parts: TextParts::new(paths), skip_bad: false }
    }

    /// Puts `n` files into a partition: see [`ReadText::files_per_partition`](crate::ReadText::files_per_partition).
    pub fn files_per_partition(mut self, n: usize) -> ReadAvro {
        self.parts.cut = Cut::Files(n);
        self
    }

    /// Leaves out records that are not of the type that is asked for, where by default the first ends the run. Files that are damaged are errors all the same.
    pub fn skip_bad(mut self) -> ReadAvro {
        self.skip_bad = true;
        self
    }

    fn find(&self) -> Result<Vec<Vec<Part>>, Error> {
        self.parts.find(Err("its blocks are found by reading it from its start"))
    }

    /// The bag of records: see [`Bag::read_avro`].
    ///
    /// # Errors
    /// As for [`Bag::read_avro`].
    pub fn read<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Bag<T>, Error> {
        records::read(&AvroFiles, self.find()?, self.skip_bad)
    }

    /// The records that can be read, and how many cannot, of one pass: see [`ReadJsonLines::read_counted`](crate::ReadJsonLines::read_counted).
    ///
    /// # Errors
    /// As for [`Bag::read_avro`], but for bad records.
    pub fn read_counted<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
    ) -> Result<(Bag<T>, Delayed<BadRecords>), Error> {
        records::read_counted(&AvroFiles, self.find()?)
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Bag<T> {
    /// The records of Avro files as `T`, a type with serde's derive whose fields are the schema's. With the feature `avro`.
    ///
    /// Paths, patterns, URLs: as for [`Bag::read_text`]. A file is a partition. Blocks may be compressed by deflate or snappy.
    ///
    /// # Errors
    /// At build those of [`Bag::read_text`]; at run [`Error::BadRecord`] with the record's number, [`Error::Damaged`], [`Error::MissingFile`] or [`Error::Io`].
    ///
    /// # Examples
    /// See [`Bag::to_avro`].
    pub fn read_avro(paths: impl FilePaths) -> Result<Bag<T>, Error> {
        ReadAvro::new(paths).read()
    }
}

impl<T: Serialize + Send + Sync + 'static> Bag<T> {
    /// Writes the elements as Avro, one file a partition, when the result is computed: see [`Bag::to_textfiles`] for names and errors. `schema` is the JSON of the schema; blocks are compressed by
    /// deflate. With the feature `avro`.
    ///
    /// # Errors
    /// As for [`Bag::to_textfiles`], and [`Error::Schema`] before anything runs; at run [`Error::NotWritable`] for elements that are not of the schema.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    /// struct Pet {
    ///     name: String,
    ///     lives: i32,
    /// }
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// let schema = r#"{"type": "record", "name": "Pet", "fields": [{"name": "name", "type": "string"}, {"name": "lives", "type": "int"}]}"#;
    /// let pets = vec![Pet { name: "cat".to_owned(), lives: 9 }];
    /// let paths = evaluate(&Bag::from_sequence(pets.clone(), 1).to_avro(folder, schema))?;
    /// assert_eq!(evaluate(&Bag::<Pet>::read_avro(paths)?)?, pets);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_avro(&self, target: impl Into<WriteFiles>, schema: &str) -> Delayed<Vec<PathBuf>> {
        match known_schema(schema) {
            Ok(_) => self.write_files(target.into(), &AvroRecords { schema: schema.to_owned() }),
            Err(why) => Delayed::failed(Error::Schema { operation: "to_avro", why }.into()),
        }
    }
}

/// The format, for reading.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AvroFiles;

impl Format for AvroFiles {
    const OPERATION: &'static str = "read_avro";
}

pub(crate) struct AvroReader<T> {
    reader: Reader<'static, Box<dyn Read + Send>>,
    part: Part,
    partition: u64,
    record: u64,
    marker: PhantomData<fn() -> T>,
}

/// An error of the file system that lies within another.
pub(crate) fn io_inside(error: &(dyn std::error::Error + 'static)) -> Option<io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && let Some(code) = error.raw_os_error()
        {
            return Some(io::Error::from_raw_os_error(code));
        }
        next = error.source();
    }
    None
}

fn damaged(part: &Part, record: u64, error: apache_avro::Error) -> Error {
    match io_inside(&error) {
        Some(error) => part.source.read_error(error, 0),
        None => {
            let source = io::Error::new(io::ErrorKind::InvalidData, format!("after {record} records: {error}"));
            Error::Damaged { path: part.source.path.clone(), format: "Avro", offset: 0, source: source.into() }
        }
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Records<T> for AvroFiles {
    type Reader = AvroReader<T>;

    fn open(&self, part: &Part, partition: u64) -> Result<AvroReader<T>, Error> {
        let input: Box<dyn Read + Send> = Box::new(io::BufReader::with_capacity(256 * 1024, part.source.open_decoded()?));
        let reader = Reader::new(input).map_err(|error| damaged(part, 0, error))?;
        Ok(AvroReader { reader, part: part.clone(), partition, record: 0, marker: PhantomData })
    }

    fn next(reader: &mut AvroReader<T>) -> Result<Option<Result<T, BadRecord>>, Error> {
        let value = match reader.reader.next() {
            None => return Ok(None),
            Some(Ok(value)) => value,
            Some(Err(error)) => return Err(damaged(&reader.part, reader.record, error)),
        };
        reader.record += 1;
        Ok(Some(apache_avro::from_value(&value).map_err(|error| BadRecord {
            path: reader.part.source.path.clone(),
            partition: reader.partition,
            line: None,
            offset: None,
            record: reader.record,
            expected: std::any::type_name::<T>().to_owned(),
            why: error.to_string(),
        })))
    }

    fn check_rest(_: &mut AvroReader<T>) -> Result<(), Error> {
        Ok(())
    }
}

/// The format, for writing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AvroRecords {
    schema: String,
}

/// The schema of a text. Writers borrow theirs for as long as they live, so each text's is kept until the process ends: programs have few.
fn known_schema(text: &str) -> Result<&'static Schema, String> {
    static SCHEMAS: Mutex<Option<HashMap<String, &'static Schema>>> = Mutex::new(None);
    let mut schemas = SCHEMAS.lock().unwrap_or_else(PoisonError::into_inner);
    let schemas = schemas.get_or_insert_default();
    if let Some(schema) = schemas.get(text) {
        return Ok(schema);
    }
    let schema: &'static Schema = Box::leak(Box::new(Schema::parse_str(text).map_err(|error| error.to_string())?));
    schemas.insert(text.to_owned(), schema);
    Ok(schema)
}

fn boxed(error: apache_avro::Error) -> BoxError {
    io_inside(&error).map_or_else(|| error.into(), BoxError::from)
}

impl FileFormat for AvroRecords {
    const OPERATION: &'static str = "to_avro";
    const ENDING: &'static str = "avro";
}

impl<T: Serialize + Send + Sync + 'static> Encode<T> for AvroRecords {
    type State = Writer<'static, FileOut>;
    fn open(&self, out: FileOut) -> Result<Self::State, BoxError> {
        let codec = apache_avro::Codec::Deflate(DeflateSettings::default());
        let mut writer = Writer::with_codec(known_schema(&self.schema)?, out, codec).map_err(boxed)?;
        // The header, which a file without records has too.
        writer.flush().map_err(boxed)?;
        Ok(writer)
    }
    fn write<'a>(writer: &mut Self::State, mut items: impl Iterator<Item = &'a T>) -> Result<(), BoxError> {
        items.try_for_each(|item| writer.append_ser(item).map(drop)).map_err(boxed)
    }
    fn finish(writer: Self::State) -> Result<FileOut, BoxError> {
        writer.into_inner().map_err(boxed)
    }
}
