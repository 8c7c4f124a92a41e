//! CSV: how the files of a scan are read, as data.

use std::sync::Arc;

use polars::prelude::{CsvReadOptions, LazyCsvReader, LazyFileListReader, LazyFrame, PolarsError, PolarsResult, SchemaRef};
use polars_plan::dsl::{DslPlan, FileScanDsl, ScanSources, UnifiedScanArgs};
use serde::{Deserialize, Serialize};

use crate::files::File;

/// How CSV files are read: what a function of the user's made of polars' reader.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CsvFormat {
    options: Arc<CsvReadOptions>,
    arguments: Box<UnifiedScanArgs>,
}

impl CsvFormat {
    /// What `set` makes of the reader of a file.
    pub(crate) fn new(file: &File, set: impl FnOnce(LazyCsvReader) -> LazyCsvReader) -> PolarsResult<CsvFormat> {
        let reader = set(LazyCsvReader::new(file.location.clone()));
        // A row's number in its file and the file's path are no columns of the file, which is what schemas are compared by.
        let reader = reader.with_glob(false).with_row_index(None).with_include_file_paths(None);
        // The reader does not tell its options; the scan that it makes does.
        if let DslPlan::Scan { unified_scan_args: arguments, scan_type, .. } = reader.finish()?.logical_plan
            && let FileScanDsl::Csv { options } = *scan_type
        {
            return Ok(CsvFormat { options, arguments });
        }
        Err(PolarsError::ComputeError("polars makes no scan of a CSV reader".into()))
    }

    /// A query over a whole file, whose types are told by its first rows.
    pub(crate) fn open(&self, file: &File) -> LazyFrame {
        self.scan(file, Arc::clone(&self.options))
    }

    /// A query over a whole file, its columns named and typed by position.
    pub(crate) fn open_as(&self, file: &File, schema: SchemaRef) -> LazyFrame {
        self.scan(file, Arc::new(CsvReadOptions { schema: Some(schema), ..(*self.options).clone() }))
    }

    /// The names of the columns as a file itself has them.
    pub(crate) fn header(&self, file: &File) -> PolarsResult<SchemaRef> {
        let options = CsvReadOptions { schema: None, infer_schema_length: Some(0), ..(*self.options).clone() };
        self.scan(file, Arc::new(options)).collect_schema()
    }

    fn scan(&self, file: &File, options: Arc<CsvReadOptions>) -> LazyFrame {
        LazyFrame::from(DslPlan::Scan {
            sources: ScanSources::Paths([file.location.clone()].into_iter().collect()),
            unified_scan_args: self.arguments.clone(),
            scan_type: Box::new(FileScanDsl::Csv { options }),
            cached_ir: Arc::default(),
        })
    }
}
