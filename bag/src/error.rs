//! What can go wrong with a bag, with the file, line or partition it went wrong at.

use std::path::PathBuf;
use std::sync::Arc;

/// What can go wrong when a bag is built or run.
///
/// Bags are built without `Result` where they can be: a bag built on an error carries it, and computing it returns it before anything runs.
/// [`arras_core::Error::find`] gets it out.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A bag of no partitions. Raised at build.
    #[error("{operation}: a bag needs at least one partition, not 0")]
    ZeroPartitions {
        /// The method.
        operation: &'static str,
    },
    /// More steps in a row than one run can take. Raised at build.
    #[error("a bag takes at most {limit} steps in a row: do more in one closure, or persist the bag in between")]
    TooManySteps {
        /// The limit.
        limit: usize,
    },
    /// A file that is not there. Raised at build, and at run if it went away since.
    #[error("{}: no such file", path.display())]
    MissingFile {
        /// The file.
        path: PathBuf,
    },
    /// A folder where a file should be. Raised at build.
    #[error("{} is a folder: name its files, as in {:?}", path.display(), path.join("*"))]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A pattern that no file matches, or an empty list of files. Raised at build.
    #[error("no file matches {pattern:?}")]
    NoMatch {
        /// The pattern, empty for an empty list.
        pattern: String,
    },
    /// A pattern that is not well formed. Raised at build.
    #[error("{pattern:?} is not a pattern: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that could not be read. Raised at build or at run.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: Arc<std::io::Error>,
    },
    /// A compressed file that is cut off or damaged. Raised at run.
    #[error("{}: damaged gzip data after {offset} bytes of text: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Bytes of text that were read before the damage.
        offset: u64,
        /// What the decoder said.
        source: Arc<std::io::Error>,
    },
    /// A file that is not UTF-8. Raised at run.
    #[error(
        "{}: line {line} is not UTF-8, at byte {offset} of the text: read it with `ReadText::new(..).lossy()` to replace what is not",
        path.display()
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The first byte that is not UTF-8, counted from 0, in the text as it is after decompression.
        offset: u64,
    },
    /// More distinct keys in one task than it can number. Raised at run.
    #[error("more than {limit} distinct keys in one partition")]
    TooManyKeys {
        /// The limit.
        limit: usize,
    },
    /// A reduction that has no answer for no elements. Raised at run.
    #[error("{operation}: the bag has no elements; use `fold` with a first value to get an answer for an empty bag")]
    Empty {
        /// The method.
        operation: &'static str,
    },
    /// A probability, a rate or a weight that is none. Raised at build.
    #[error("{operation}: {fraction} is not {expected}")]
    Fraction {
        /// The method.
        operation: &'static str,
        /// What was asked for.
        fraction: f64,
        /// What it may be.
        expected: &'static str,
    },
    /// Two bags that do not have the same number of partitions. Raised at build.
    #[error(
        "{operation}: a bag of {left} partitions and one of {right} have no partitions to pair: `repartition` or `coalesce` one of them"
    )]
    UnequalPartitions {
        /// The method.
        operation: &'static str,
        /// Partitions of the bag.
        left: usize,
        /// Partitions of the other bag.
        right: usize,
    },
    /// Two partitions that do not have the same number of elements. Raised at run.
    #[error("{operation}: partition {partition} has {left} elements in one bag and {right} in the other")]
    UnequalLengths {
        /// The method.
        operation: &'static str,
        /// The partition, counted from 0.
        partition: u32,
        /// Elements of the bag's.
        left: usize,
        /// Elements of the other bag's.
        right: usize,
    },
    /// Too few elements for a statistic. Raised at run.
    #[error("{operation}: {n} elements are too few for ddof {ddof}")]
    TooFew {
        /// The method.
        operation: &'static str,
        /// Elements of the bag.
        n: u64,
        /// What is taken off their number.
        ddof: u64,
    },
    /// Buckets or quantiles that cannot be. Raised at build.
    #[error("{operation}: {why}")]
    Argument {
        /// The method.
        operation: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A number that is not finite, where only finite ones have an answer. Raised at run.
    #[error("{operation}: the bag holds {value}, which is not finite: filter such numbers out first")]
    NotFinite {
        /// The method.
        operation: &'static str,
        /// The number.
        value: f64,
    },
    /// A tree that would combine nothing. Raised at build.
    #[error("{operation}: split_every is {split_every}: a task has to combine at least 2 results")]
    SplitEvery {
        /// The method.
        operation: &'static str,
        /// What was asked for.
        split_every: usize,
    },
    /// A function of the user's that panicked. Raised at run; [`arras_core::Panic`] is inside.
    #[error("{step}{} of partition {partition} {panic}", on_element(.element))]
    Panicked {
        /// The step, with the name of its function.
        step: String,
        /// The partition, counted from 0 in the bag that the run goes through: in a bag put together by `concat`, in the part that it comes from.
        partition: u32,
        /// The element, counted from 0 in what that step was given of the partition. None if the function was given no single element.
        element: Option<u64>,
        /// What the panic said.
        #[source]
        panic: arras_core::Panic,
    },
}

/// ` on element 5`, if it is known which.
fn on_element(element: &Option<u64>) -> String {
    element.map(|element| format!(" on element {element}")).unwrap_or_default()
}

impl From<Error> for arras_core::Error {
    fn from(error: Error) -> arras_core::Error {
        arras_core::Error::collection(error)
    }
}
