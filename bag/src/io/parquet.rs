//! Parquet: columns in row groups, a row group a partition.
//!
//! ```text
//!     file ──footer, at build──► row group 0, 1, …  ──(at run)──► some hundred rows of Arrow ──serde──► T, T, …
//! ```

use std::collections::VecDeque;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::sync::Arc;

use arras_core::{BoxError, Delayed};
use arrow_schema::{FieldRef, Schema};
use bytes::Bytes;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaDataReader;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, Length};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_arrow::schema::{SchemaLike, SerdeArrowSchema, TracingOptions};

use crate::bag::Bag;
use crate::engine::batch::BATCH;
use crate::error::Error;
use crate::io::blocks::Part;
use crate::io::paths::FilePaths;
use crate::io::records::{self, BadRecord, BadRecords, Format, Records};
use crate::io::source::{self, Source};
use crate::io::write::{Encode, FileFormat, FileOut, WriteFiles};
use crate::partition::Element;

/// How to read Parquet: [`Bag::read_parquet`] with its options spelled out.
#[derive(Debug, Clone)]
pub struct ReadParquet {
    patterns: Vec<PathBuf>,
    files: ParquetFiles,
    skip_bad: bool,
}

impl ReadParquet {
    /// Reads these files: one path, URL or pattern, or several in a vector, array or slice.
    pub fn new(paths: impl FilePaths) -> ReadParquet {
        ReadParquet { patterns: paths.into_patterns(), files: ParquetFiles { columns: None }, skip_bad: false }
    }

    /// Reads these columns only, where by default all are read: those that the type has. A name with points is a field of a struct.
    pub fn columns(mut self, columns: impl IntoIterator<Item = impl Into<String>>) -> ReadParquet {
        self.files.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }

    /// Leaves out rows that are not of the type that is asked for, where by default the first ends the run. Files that are damaged are errors all the same.
    pub fn skip_bad(mut self) -> ReadParquet {
        self.skip_bad = true;
        self
    }

    /// The row groups of all files. The number of the group stands where other formats have a range of bytes.
    fn find(&self) -> Result<Vec<Vec<Part>>, Error> {
        let mut partitions = Vec::new();
        for source in source::find_all(&self.patterns)? {
            let read = ParquetMetaDataReader::new().parse_and_finish(&Chunks(source.clone()));
            let n = read.map_err(|error| damaged(&source, error))?.num_row_groups() as u64;
            // A file without rows is a partition without elements.
            partitions.extend((0..n.max(1)).map(|i| vec![Part { source: source.clone(), range: Some(i..i + 1) }]));
        }
        Ok(partitions)
    }

    /// The bag of rows: see [`Bag::read_parquet`].
    ///
    /// # Errors
    /// As for [`Bag::read_parquet`].
    pub fn read<T: DeserializeOwned + Send + Sync + 'static>(&self) -> Result<Bag<T>, Error> {
        records::read(&self.files, self.find()?, self.skip_bad)
    }

    /// The rows that can be read, and how many cannot, of one pass: see [`ReadJsonLines::read_counted`](crate::ReadJsonLines::read_counted).
    ///
    /// # Errors
    /// As for [`Bag::read_parquet`], but for bad rows.
    pub fn read_counted<T: Serialize + DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
    ) -> Result<(Bag<T>, Delayed<BadRecords>), Error> {
        records::read_counted(&self.files, self.find()?)
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Bag<T> {
    /// The rows of Parquet files as `T`, a type with serde's derive whose fields are columns. With the feature `parquet`.
    ///
    /// Paths, patterns, URLs: as for [`Bag::read_text`]. A row group is a partition: the footers of the files are read now, the rows when the bag is computed, some hundred at a time.
    /// All columns are read: see [`ReadParquet::columns`].
    ///
    /// # Errors
    /// At build those of [`Bag::read_text`], and [`Error::Damaged`] for a file without a good footer; at run [`Error::BadRecord`] with the row's number in its group, [`Error::Damaged`], [`Error::MissingFile`] or
    /// [`Error::Io`].
    ///
    /// # Examples
    /// See [`Bag::to_parquet`].
    pub fn read_parquet(paths: impl FilePaths) -> Result<Bag<T>, Error> {
        ReadParquet::new(paths).read()
    }
}

impl<T: Element> Bag<T> {
    /// Writes the elements as rows of Parquet, one file a partition, when the result is computed: see [`Bag::to_textfiles`] for names and errors. The columns are the fields of `T`, which serde tells
    /// before anything runs, so that all files have the same; pages are compressed by snappy; a row group holds up to 64 MiB. With the feature `parquet`.
    ///
    /// # Errors
    /// As for [`Bag::to_textfiles`], and [`Error::Schema`], before anything runs, for a type that has no fields or whose fields depend on its values, such as `serde_json::Value`.
    ///
    /// # Examples
    /// ```
    /// use arras_bag::Bag;
    /// use arras_core::evaluate;
    /// #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    /// struct Pet {
    ///     name: String,
    ///     lives: Option<u32>,
    /// }
    /// # let folder = tempfile::tempdir()?;
    /// # let folder = folder.path();
    /// let pets = vec![Pet { name: "cat".to_owned(), lives: Some(9) }, Pet { name: "stone".to_owned(), lives: None }];
    /// let paths = evaluate(&Bag::from_sequence(pets.clone(), 2).to_parquet(folder))?;
    /// assert_eq!(evaluate(&Bag::<Pet>::read_parquet(paths)?)?, pets);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_parquet(&self, target: impl Into<WriteFiles>) -> Delayed<Vec<PathBuf>> {
        let options =
            TracingOptions::default().enums_without_data_as_strings(true).strings_as_large_utf8(false).sequence_as_large_list(false);
        match SerdeArrowSchema::from_type::<T>(options) {
            Ok(schema) => self.write_files(target.into(), &ParquetRows { schema }),
            Err(error) => Delayed::failed(Error::Schema { operation: "to_parquet", why: error.to_string() }.into()),
        }
    }
}

/// The bytes of a source, as Parquet asks for them.
struct Chunks(Source);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.nbytes
    }
}

impl Chunks {
    fn open(&self, start: u64, end: u64) -> Result<Box<dyn Read + Send>, ParquetError> {
        self.0.open_from(start, end).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Box<dyn Read + Send>>;
    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(self.open(start, (start + 64 * 1024).min(self.0.nbytes))?))
    }
    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let mut bytes = Vec::new();
        self.open(start, start + length as u64)?.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} go beyond the end")));
        }
        Ok(bytes.into())
    }
}

fn damaged(source: &Source, error: ParquetError) -> Error {
    if let ParquetError::External(inner) = &error {
        if let Some(error) = inner.downcast_ref::<Error>() {
            return error.clone();
        }
        if let Some(error) = inner.downcast_ref::<io::Error>()
            && let Some(code) = error.raw_os_error()
        {
            return source.read_error(io::Error::from_raw_os_error(code), 0);
        }
    }
    let said = io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    Error::Damaged { path: source.path.clone(), format: "Parquet", offset: 0, source: said.into() }
}

/// The format, for reading.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ParquetFiles {
    columns: Option<Vec<String>>,
}

impl Format for ParquetFiles {
    const OPERATION: &'static str = "read_parquet";
}

pub(crate) struct ParquetReader<T> {
    batches: Option<ParquetRecordBatchReader>,
    rows: VecDeque<Result<T, BadRecord>>,
    part: Part,
    partition: u64,
    row: u64,
}

impl<T: DeserializeOwned> ParquetReader<T> {
    fn bad(&self, row: u64, why: String) -> BadRecord {
        BadRecord {
            path: self.part.source.path.clone(),
            partition: self.partition,
            line: None,
            offset: None,
            record: row,
            expected: std::any::type_name::<T>().to_owned(),
            why,
        }
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Records<T> for ParquetFiles {
    type Reader = ParquetReader<T>;

    fn open(&self, part: &Part, partition: u64) -> Result<ParquetReader<T>, Error> {
        let opened = || -> Result<Option<ParquetRecordBatchReader>, ParquetError> {
            let mut builder = ParquetRecordBatchReaderBuilder::try_new(Chunks(part.source.clone()))?;
            if builder.metadata().num_row_groups() == 0 {
                return Ok(None);
            }
            if let Some(columns) = &self.columns {
                let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().map(String::as_str));
                builder = builder.with_projection(mask);
            }
            Ok(Some(builder.with_row_groups(vec![part.start() as usize]).with_batch_size(BATCH).build()?))
        };
        let batches = opened().map_err(|error| damaged(&part.source, error))?;
        Ok(ParquetReader { batches, rows: VecDeque::new(), part: part.clone(), partition, row: 0 })
    }

    fn next(reader: &mut ParquetReader<T>) -> Result<Option<Result<T, BadRecord>>, Error> {
        while reader.rows.is_empty() {
            let Some(batches) = &mut reader.batches else { return Ok(None) };
            let batch = match batches.next() {
                None => return Ok(None),
                Some(Ok(batch)) => batch,
                Some(Err(error)) => return Err(damaged(&reader.part.source, error.into())),
            };
            let n = batch.num_rows() as u64;
            let mut rows = VecDeque::with_capacity(n as usize);
            match serde_arrow::Deserializer::from_record_batch(&batch) {
                Ok(deserializer) => {
                    for (i, row) in deserializer.iter().enumerate() {
                        rows.push_back(T::deserialize(row).map_err(|error| reader.bad(reader.row + i as u64 + 1, error.to_string())));
                    }
                }
                // A column of a type that serde has no form for: no row can be read.
                Err(error) => rows.extend((0..n).map(|i| Err(reader.bad(reader.row + i + 1, error.to_string())))),
            }
            reader.rows = rows;
            reader.row += n;
        }
        Ok(reader.rows.pop_front())
    }

    fn check_rest(_: &mut ParquetReader<T>) -> Result<(), Error> {
        Ok(())
    }
}

/// The format, for writing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ParquetRows {
    schema: SerdeArrowSchema,
}

/// So many bytes of rows wait in memory for their row group to be whole.
const ROW_GROUP: usize = 64 << 20;

pub(crate) struct ParquetWriter {
    fields: Vec<FieldRef>,
    writer: ArrowWriter<FileOut>,
}

fn boxed(error: ParquetError) -> BoxError {
    match error {
        ParquetError::External(inner) => inner,
        error => error.into(),
    }
}

impl FileFormat for ParquetRows {
    const OPERATION: &'static str = "to_parquet";
    const ENDING: &'static str = "parquet";
}

impl<T: Element> Encode<T> for ParquetRows {
    type State = ParquetWriter;
    fn open(&self, out: FileOut) -> Result<ParquetWriter, BoxError> {
        let fields = Vec::<FieldRef>::try_from(&self.schema)?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = ArrowWriter::try_new(out, Arc::new(Schema::new(fields.clone())), Some(properties)).map_err(boxed)?;
        Ok(ParquetWriter { fields, writer })
    }
    fn write<'a>(state: &mut ParquetWriter, items: impl Iterator<Item = &'a T>) -> Result<(), BoxError> {
        let items: Vec<&T> = items.collect();
        if items.is_empty() {
            return Ok(());
        }
        let batch = serde_arrow::to_record_batch(&state.fields, &items)?;
        state.writer.write(&batch).map_err(boxed)?;
        if state.writer.in_progress_size() > ROW_GROUP {
            state.writer.flush().map_err(boxed)?;
        }
        Ok(())
    }
    fn finish(state: ParquetWriter) -> Result<FileOut, BoxError> {
        state.writer.into_inner().map_err(boxed)
    }
}
