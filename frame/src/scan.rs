//! Scans: files that are read partition by partition, when they are needed.
//!
//! ```text
//!     scan_csv("logs/*.csv")      at build    which files there are; the schema, from the first of them
//!                                 at run      file i ─► partition i, its columns held to the schema; what the steps
//!                                             after it do not use is never parsed
//! ```

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;

use arras_core::{Token, Tokenizer};
use polars::prelude::{LazyCsvReader, LazyFileListReader, LazyFrame, PolarsError, PolarsResult, ScanArgsParquet, SchemaRef};

use crate::error::{Error, Result};
use crate::files::{self, File, Files};
use crate::frame::Frame;
use crate::plan::{Base, Kind};

/// Files of one format and one schema, a partition each.
#[derive(Debug)]
pub(crate) struct Scan {
    files: Vec<File>,
    format: Format,
    schema: SchemaRef,
    /// The columns as the first file itself names them: for a CSV file, the schema's names can be others by the user's wish.
    header: SchemaRef,
}

enum Format {
    Csv(CsvOptions),
    Parquet,
}

type CsvOptions = Arc<dyn Fn(LazyCsvReader) -> LazyCsvReader + Send + Sync>;

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Format {
    /// The constructor.
    fn name(&self) -> &'static str {
        match self {
            Format::Csv(_) => "scan_csv",
            Format::Parquet => "scan_parquet",
        }
    }

    /// A query over a whole file of whatever schema it has.
    fn open(&self, file: &File) -> PolarsResult<LazyFrame> {
        match self {
            Format::Csv(options) => reader(options, file).finish(),
            Format::Parquet => {
                let options = ScanArgsParquet { glob: false, ..ScanArgsParquet::default() };
                LazyFrame::scan_parquet(file.location.clone(), options)
            }
        }
    }
}

fn reader(options: &CsvOptions, file: &File) -> LazyCsvReader {
    // A row's number in its file and the file's path are no columns of the file, which is what schemas are compared by.
    options(LazyCsvReader::new(file.location.clone())).with_glob(false).with_row_index(None).with_include_file_paths(None)
}

/// The names of the columns as a CSV file itself has them.
fn header(options: &CsvOptions, file: &File) -> PolarsResult<SchemaRef> {
    reader(options, file).with_schema(None).with_infer_schema_length(Some(0)).finish()?.collect_schema()
}

impl Scan {
    fn new(files: &(impl Files + ?Sized), format: Format) -> Result<Scan> {
        let files = files::find(files)?;
        let first = &files[0];
        let failed = |source| Error::file(&first.path, source);
        let schema = format.open(first).and_then(|mut query| query.collect_schema()).map_err(failed)?;
        let header = match &format {
            Format::Csv(options) => header(options, first).map_err(failed)?,
            Format::Parquet => schema.clone(),
        };
        Ok(Scan { files, format, schema, header })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.format.name()
    }

    pub(crate) fn file(&self, partition: u32) -> &File {
        &self.files[partition as usize]
    }

    /// A query over one file, held to the schema of the first.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be opened, [`Error::SchemaMismatch`].
    pub(crate) fn open(&self, partition: u32) -> Result<LazyFrame> {
        let file = self.file(partition);
        let failed = |source| Error::file(&file.path, source);
        match &self.format {
            Format::Csv(options) => {
                // polars gives columns the names of a schema by position, whatever the file's header says, so the headers are compared first. The types are
                // then those of the first file: a value that does not fit is an error of this file.
                let found = header(options, file).map_err(failed)?;
                if !found.iter_names().eq(self.header.iter_names()) {
                    return Err(self.mismatch(file, found));
                }
                reader(options, file).with_schema(Some(self.schema.clone())).finish().map_err(failed)
            }
            Format::Parquet => {
                let mut query = self.format.open(file).map_err(failed)?;
                let found = query.collect_schema().map_err(failed)?;
                // The order of columns counts: partitions are stacked by position.
                if !found.iter().eq(self.header.iter()) {
                    return Err(self.mismatch(file, found));
                }
                Ok(query)
            }
        }
    }

    /// Checks that the first file's header is UTF-8: polars checks values alone and puts a sign in place of what it cannot read in a name.
    ///
    /// # Errors
    /// [`Error::File`].
    fn check_header(&self) -> Result<()> {
        const SIGN: char = char::REPLACEMENT_CHARACTER;
        /// No header is longer.
        const MOST: u64 = 1 << 20;
        if !self.header.iter_names().any(|name| name.contains(SIGN)) {
            return Ok(());
        }
        let path = &self.files[0].path;
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes));
        read.map_err(|source| Error::Io { path: path.clone(), source: Arc::new(source) })?;
        let header = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        match std::str::from_utf8(header) {
            // The sign may stand in the file itself.
            Ok(_) => Ok(()),
            Err(error) => Err(Error::file(path, PolarsError::ComputeError(format!("the header is not UTF-8: {error}").into()))),
        }
    }

    fn mismatch(&self, file: &File, found: SchemaRef) -> Error {
        Error::SchemaMismatch { place: file.path.display().to_string(), expected: self.header.clone(), found }
    }

    fn tokenize(&self) -> Tokenizer {
        let mut tokenizer = Tokenizer::new();
        tokenizer.text(self.name()).number(self.files.len() as u64);
        self.files.iter().for_each(|file| file.tokenize(&mut tokenizer));
        tokenizer
    }

    fn into_frame(self, token: Token) -> Result<Frame> {
        let schema = self.schema.clone();
        let n_partitions = self.files.len();
        let base = Base::new(self.name(), Kind::Scan(Arc::new(self)), schema, n_partitions, token)?;
        Ok(Frame::from_base(base))
    }
}

impl Frame {
    /// The rows of CSV files: one partition a file. Names and types are those of the first file, its first 100 rows telling the types as in polars.
    ///
    /// Lazy: reads the beginning of the first file only. Takes a path, a pattern, or a list of them (see [`Files`]). Equal files, by path, size and time of
    /// modification, give equal work.
    ///
    /// # Errors
    /// At build [`Error::MissingFile`], [`Error::NoFiles`], [`Error::Directory`], [`Error::Pattern`], and [`Error::File`] if the first file's columns cannot be told.
    /// At run [`Error::SchemaMismatch`] for a file with other column names, [`Error::File`] for one that is malformed, not UTF-8, or holds values that are not
    /// of their column's type.
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::{Frame, col};
    /// let folder = tempfile::tempdir()?;
    /// std::fs::write(folder.path().join("a.csv"), "town,rain\nBern,3\nThun,4\n")?;
    /// std::fs::write(folder.path().join("b.csv"), "town,rain\nBern,5\n")?;
    /// let rain = Frame::scan_csv(folder.path().join("*.csv"))?;
    /// assert_eq!(rain.n_partitions()?, 2);
    /// let wet = evaluate(&rain.filter(col("rain").gt(3)).select([col("town")]))?;
    /// assert_eq!(wet.height(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scan_csv(files: impl Files) -> Result<Frame> {
        let scan = Scan::new(&files, Format::Csv(Arc::new(|reader| reader)))?;
        scan.check_header()?;
        let token = scan.tokenize().finish();
        scan.into_frame(token)
    }

    /// As [`scan_csv`](Frame::scan_csv), with polars' options of a CSV reader: separator, header, types, null values, …
    ///
    /// The function is called for each file, so that `with_n_rows` counts in each. Row numbers and paths as columns are left out, as they belong to no file. A frame made
    /// with options has a name of its own, for nobody can see into the function. `with_encoding(CsvEncoding::LossyUtf8)` reads files that are not UTF-8.
    ///
    /// # Errors
    /// As for [`scan_csv`](Frame::scan_csv).
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::Frame;
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("rain.csv");
    /// std::fs::write(&path, "Bern;3\nThun;4\n")?;
    /// let rain = Frame::scan_csv_with(&path, |reader| reader.with_separator(b';').with_has_header(false))?;
    /// assert_eq!(rain.columns()?, ["column_1", "column_2"]);
    /// assert_eq!(evaluate(&rain)?.height(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scan_csv_with(files: impl Files, options: impl Fn(LazyCsvReader) -> LazyCsvReader + Send + Sync + 'static) -> Result<Frame> {
        Scan::new(&files, Format::Csv(Arc::new(options)))?.into_frame(Token::unique())
    }

    /// The rows of Parquet files: one partition a file. The schema is that of the first file.
    ///
    /// Lazy: reads the first file's footer only. Takes a path, a pattern, or a list of them (see [`Files`]). Equal files, by path, size and time of
    /// modification, give equal work.
    ///
    /// # Errors
    /// At build as for [`scan_csv`](Frame::scan_csv). At run [`Error::SchemaMismatch`] for a file with other columns, types or order of columns, and
    /// [`Error::File`] for one that is no Parquet file.
    ///
    /// # Examples
    /// ```no_run
    /// use arras_core::evaluate;
    /// use arras_frame::{Frame, col};
    /// let trips = Frame::scan_parquet("trips/2026-*.parquet")?;
    /// let fares = evaluate(&trips.group_by([col("town")]).agg([col("fare").mean()]))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scan_parquet(files: impl Files) -> Result<Frame> {
        let scan = Scan::new(&files, Format::Parquet)?;
        let token = scan.tokenize().finish();
        scan.into_frame(token)
    }
}
