//! Scans: files that are read partition by partition, when they are needed.
//!
//! ```text
//!     scan_csv("logs/*.csv")      at build    which files there are; the schema, from the first of them
//!                                 at run      file i ─► partition i, its columns held to the schema; what the steps
//!                                             after it do not use is never parsed
//! ```

use std::io::Read as _;
use std::sync::Arc;

use arras_core::{Token, Tokenizer};
use polars::prelude::{LazyCsvReader, LazyFrame, PolarsError, PolarsResult, ScanArgsParquet, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::csv::CsvFormat;
use crate::error::{Error, Result};
use crate::files::{self, File, Files};
use crate::frame::Frame;
use crate::plan::{Base, Kind};

/// Files of one format and one schema, a partition each.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Scan {
    files: Vec<File>,
    format: Format,
    schema: SchemaRef,
    /// The columns as the first file itself names them: for a CSV file, the schema's names can be others by the user's wish.
    header: SchemaRef,
}

#[derive(Debug, Serialize, Deserialize)]
enum Format {
    Csv(CsvFormat),
    Parquet,
}

impl Format {
    /// A query over a whole file of whatever schema it has.
    fn open(&self, file: &File) -> PolarsResult<LazyFrame> {
        match self {
            Format::Csv(format) => Ok(format.open(file)),
            Format::Parquet => {
                let options = ScanArgsParquet { glob: false, ..ScanArgsParquet::default() };
                LazyFrame::scan_parquet(file.location.clone(), options)
            }
        }
    }
}

impl Scan {
    fn new(files: &(impl Files + ?Sized), format: impl FnOnce(&File) -> PolarsResult<Format>) -> Result<Scan> {
        let files = files::find(files)?;
        let first = &files[0];
        let failed = |source| Error::file(&first.path, source);
        let format = format(first).map_err(failed)?;
        let schema = format.open(first).and_then(|mut query| query.collect_schema()).map_err(failed)?;
        let header = match &format {
            Format::Csv(format) => format.header(first).map_err(failed)?,
            Format::Parquet => schema.clone(),
        };
        Ok(Scan { files, format, schema, header })
    }

    fn csv(files: &(impl Files + ?Sized), options: impl FnOnce(LazyCsvReader) -> LazyCsvReader) -> Result<Scan> {
        Scan::new(files, |first| CsvFormat::new(first, options).map(Format::Csv))
    }

    /// The constructor.
    fn name(&self) -> &'static str {
        match self.format {
            Format::Csv(_) => "scan_csv",
            Format::Parquet => "scan_parquet",
        }
    }

    pub(crate) fn first(&self) -> &File {
        &self.files[0]
    }

    /// The file of a partition.
    pub(crate) fn file(&self, partition: u32) -> Option<&File> {
        self.files.get(partition as usize)
    }

    /// A query over one of the files, held to the schema of the first.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be opened, [`Error::SchemaMismatch`].
    pub(crate) fn open(&self, file: &File) -> Result<LazyFrame> {
        let failed = |source| Error::file(&file.path, source);
        match &self.format {
            Format::Csv(format) => {
                // polars gives columns the names of a schema by position, whatever the file's header says, so the headers are compared first. The types are
                // then those of the first file: a value that does not fit is an error of this file.
                let found = format.header(file).map_err(failed)?;
                if !found.iter_names().eq(self.header.iter_names()) {
                    return Err(self.mismatch(file, found));
                }
                Ok(format.open_as(file, self.schema.clone()))
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

    /// The token of the files as they are now and of how they are read; none for options that serde cannot write.
    fn token(&self) -> Option<Token> {
        let mut tokenizer = Tokenizer::new();
        tokenizer.text(self.name()).number(self.files.len() as u64);
        self.files.iter().for_each(|file| file.tokenize(&mut tokenizer));
        Some(tokenizer.value(&self.format).ok()?.finish())
    }

    fn into_frame(self) -> Result<Frame> {
        let token = self.token().unwrap_or_else(Token::unique);
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
        let scan = Scan::csv(&files, |reader| reader)?;
        scan.check_header()?;
        scan.into_frame()
    }

    /// As [`scan_csv`](Frame::scan_csv), with polars' options of a CSV reader: separator, header, types, null values, …
    ///
    /// The function is called once, and its options hold for each file: `with_n_rows` counts in each. Row numbers and paths as columns are left out, as they belong to no
    /// file. `with_encoding(CsvEncoding::LossyUtf8)` reads files that are not UTF-8. Equal files with equal options give equal work.
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
    pub fn scan_csv_with(files: impl Files, options: impl FnOnce(LazyCsvReader) -> LazyCsvReader) -> Result<Frame> {
        Scan::csv(&files, options)?.into_frame()
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
        Scan::new(&files, |_| Ok(Format::Parquet))?.into_frame()
    }
}
