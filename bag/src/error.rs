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
    #[error("{}: damaged {format} data after {offset} bytes of text: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it is compressed.
        format: &'static str,
        /// Bytes of text that were read before the damage.
        offset: u64,
        /// What the decoder said.
        source: Arc<std::io::Error>,
    },
    /// A file that is not UTF-8. Raised at run.
    #[error(
        "{}: {}not UTF-8 at byte {offset} of the text: read it with `ReadText::new(..).lossy()` to replace what is not",
        path.display(), in_line(*line)
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1, where it is known: not in the later partitions of a file that is read in several.
        line: Option<u64>,
        /// The first byte that is not UTF-8, counted from 0, in the text as it is after decompression.
        offset: u64,
    },
    /// A file that is not text of the encoding that was asked for. Raised at run.
    #[error("{}: {}not {encoding} at or after byte {offset}", path.display(), in_line(*line))]
    NotDecodable {
        /// The file.
        path: PathBuf,
        /// The encoding.
        encoding: &'static str,
        /// The line, counted from 1, where it is known.
        line: Option<u64>,
        /// The start of the line, or of what is not text, in bytes from 0.
        offset: u64,
    },
    /// A name that no encoding has. Raised at build.
    #[error("there is no encoding {label:?}: it should be a name as in `Content-Type`, such as \"latin1\"")]
    Encoding {
        /// The name.
        label: String,
    },
    /// A record that cannot be read. Raised at run; the readers' `skip_bad` and `read_counted` leave such records out.
    #[error("{0}")]
    BadRecord(crate::io::records::BadRecord),
    /// A size that was asked for in bytes, in a file that cannot be cut. Raised at build.
    #[error("{}: it cannot be read in blocks: {why}; leave `blocksize` out", path.display())]
    CannotCut {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// An option that must not be 0 or empty. Raised at build.
    #[error("{option}: it must not be zero or empty")]
    ZeroSize {
        /// The option.
        option: &'static str,
    },
    /// An option that does not go with the others. Raised at build.
    #[error("{option}: {why}")]
    Option {
        /// The option.
        option: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A file that only a build with another feature can read or write. Raised at build.
    #[error("{}: to read and write such files, turn the feature `{feature}` on", path.display())]
    Feature {
        /// The file.
        path: PathBuf,
        /// The feature.
        feature: &'static str,
    },
    /// A URL that cannot be read or written. Raised at build.
    #[error("{url}: {why}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that is shorter than it was when the bag was built. Raised at run.
    #[error("{}: it had {before} bytes when the bag was built, and has {after} now", path.display())]
    Shrunk {
        /// The file.
        path: PathBuf,
        /// Its size then.
        before: u64,
        /// Its size now.
        after: u64,
    },
    /// More partitions than a graph can number, or one exchange can make. Raised at build.
    #[error("{operation}: {n_partitions} partitions are too many: at most {limit} are possible here, so use larger ones")]
    TooManyPartitions {
        /// The method.
        operation: &'static str,
        /// How many.
        n_partitions: usize,
        /// The limit.
        limit: usize,
    },
    /// A file that is there already. Raised when files are to be written, before anything runs.
    #[error("{}: it is there already: use `WriteFiles::to(..).overwrite()` to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A place that files cannot be written to. Raised at build.
    #[error("{}: no files can be written there: {why}", path.display())]
    Target {
        /// The folder or pattern.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// An element that a format of files has no form for. Raised at run.
    #[error("{}: partition {partition} cannot be written: {why}", path.display())]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// The partition, counted from 0.
        partition: u64,
        /// Why not.
        why: String,
    },
    /// A schema that is none, or a type that has none. Raised at build.
    #[error("{operation}: {why}")]
    Schema {
        /// The method.
        operation: &'static str,
        /// What is wrong.
        why: String,
    },
    /// More distinct keys in one task than it can number. Raised at run.
    #[error("more than {limit} distinct keys in one partition")]
    TooManyKeys {
        /// The limit.
        limit: usize,
    },
    /// A function that names the partition of a key named one that is not there. Raised at run.
    #[error("partition_by: the function names partition {partition}, of {n_partitions}")]
    NoSuchPartition {
        /// What the function gave.
        partition: usize,
        /// How many there are.
        n_partitions: usize,
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

fn in_line(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!("line {line}: "))
}

impl From<Error> for arras_core::Error {
    fn from(error: Error) -> arras_core::Error {
        arras_core::Error::collection(error)
    }
}
