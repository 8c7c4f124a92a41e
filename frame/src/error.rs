//! What can go wrong with a frame: when it is built wherever schema and expressions can tell, when it runs for what only the data can tell.

use std::path::PathBuf;
use std::sync::Arc;

use polars::prelude::{PolarsError, SchemaRef};

/// The result of building a frame.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a frame.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// polars refuses a step on a frame of this schema: an unknown column, a type that does not fit. Raised when the frame is built.
    #[error("{step}: {source}; the columns are [{}]", names(.schema))]
    Step {
        /// The step: `select`, `filter`, `group_by`, …
        step: &'static str,
        /// The schema of the frame that the step was asked of.
        schema: SchemaRef,
        /// What polars says.
        source: PolarsError,
    },
    /// A column that the frame does not have. Raised when the frame is built.
    #[error("{step}: no column {column:?}; the columns are [{}]", names(.schema))]
    UnknownColumn {
        /// The step.
        step: &'static str,
        /// The column asked for.
        column: String,
        /// The schema of the frame.
        schema: SchemaRef,
    },
    /// An expression whose rows depend on other rows, where each partition is computed alone. Raised when the frame is built.
    #[error(
        "{step}: {expression} is not row-local: {why}. Each partition is computed alone, so the result would depend on where the rows were cut; \
         use `group_by(..).agg(..)`, or compute the frame and go on in polars"
    )]
    NotRowLocal {
        /// The step.
        step: &'static str,
        /// The expression, as polars shows it.
        expression: String,
        /// What makes it depend on other rows.
        why: String,
    },
    /// An aggregate that cannot be put together from the aggregates of partitions. Raised when the frame is built.
    #[error(
        "group_by(..).agg: {expression}: {why}. Supported are sum, mean, min, max, count and len of row-local expressions (filtered, if need \
         be), and row-local expressions over them"
    )]
    UnsupportedAggregate {
        /// The expression, as polars shows it.
        expression: String,
        /// What is wrong with it.
        why: String,
    },
    /// A `group_by` without keys. Raised when the frame is built.
    #[error("group_by: no keys: name at least one column or expression to group by")]
    NoKeys,
    /// A frame of no partitions. Raised when the frame is built.
    #[error("{constructor}: a frame has at least one partition")]
    ZeroPartitions {
        /// The constructor.
        constructor: &'static str,
    },
    /// A frame of more partitions than a graph can number. Raised when the frame is built.
    #[error("{constructor}: {n_partitions} partitions are too many, the limit is {}", u32::MAX)]
    TooManyPartitions {
        /// The constructor.
        constructor: &'static str,
        /// The partitions asked for.
        n_partitions: usize,
    },
    /// What was wrong with the parts that a frame's partitions are made of. Raised when the frame is built.
    #[error("the parts of a frame: {source}")]
    Parts {
        /// What was wrong.
        source: arras_core::Error,
    },
    /// No file of this name. Raised when the frame is built.
    #[error("{}: no such file", path.display())]
    MissingFile {
        /// The path.
        path: PathBuf,
    },
    /// A directory where a file should be. Raised when the frame is built.
    #[error("{}: is a directory: name its files, as in {:?}", path.display(), path.join("*"))]
    Directory {
        /// The path.
        path: PathBuf,
    },
    /// A pattern that no file matches, or an empty list of files. Raised when the frame is built.
    #[error("no file matches {pattern:?}")]
    NoFiles {
        /// The pattern, or an empty text for an empty list.
        pattern: String,
    },
    /// A pattern that is none. Raised when the frame is built.
    #[error("{pattern:?} is not a file pattern: {source}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Where it goes wrong.
        source: Arc<glob::PatternError>,
    },
    /// A path that is no UTF-8, which polars cannot open. Raised when the frame is built.
    #[error("{}: the path is not UTF-8: rename the file", path.display())]
    PathEncoding {
        /// The path.
        path: PathBuf,
    },
    /// The operating system does not let us look at a file. Raised when the frame is built.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: Arc<std::io::Error>,
    },
    /// A file whose content polars cannot read: not of its format, not UTF-8, values that are not of their column's type. Raised when the frame is built if
    /// it is found in the first file's schema, else at run.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What polars says.
        source: PolarsError,
    },
    /// A partition whose columns differ from those of the frame. Raised at run.
    #[error("{place}: the columns are [{}], expected [{}]", fields(.found), fields(.expected))]
    SchemaMismatch {
        /// The partition: its file, or its number.
        place: String,
        /// The frame's schema.
        expected: SchemaRef,
        /// The partition's.
        found: SchemaRef,
    },
    /// A partition's query failed on its data: a strict cast, a user's function. Raised at run.
    #[error("{place}: {source}")]
    Partition {
        /// The partition and the steps.
        place: String,
        /// What polars says.
        source: PolarsError,
    },
}

impl Error {
    pub(crate) fn file(path: impl Into<PathBuf>, source: PolarsError) -> Error {
        Error::File { path: path.into(), source: plain(source) }
    }

    pub(crate) fn partition(place: String, source: PolarsError) -> Error {
        Error::Partition { place, source: plain(source) }
    }

    pub(crate) fn step(step: &'static str, schema: &SchemaRef) -> impl FnOnce(PolarsError) -> Error {
        let schema = Arc::clone(schema);
        move |source| Error::Step { step, schema, source: plain(source) }
    }
}

/// What went wrong, without the plan that polars shows around it: which step it is, our error says in a word.
fn plain(error: PolarsError) -> PolarsError {
    error.remove_context().wrap_msg(|text| text.split("\n\nResolved plan until failure").next().unwrap_or_default().to_owned())
}

fn names(schema: &SchemaRef) -> String {
    schema.iter_names().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}

fn fields(schema: &SchemaRef) -> String {
    schema.iter().map(|(name, dtype)| format!("{name}: {dtype}")).collect::<Vec<_>>().join(", ")
}
