//! Lazy, partitioned bags of any Rust values.
//!
//! ```text
//!     read_text("logs/*.gz")        from_sequence(items, 8)
//!            │ a file a partition          │ a slice a partition
//!            ▼                             ▼
//!     ┌─ run: one task a partition ───────────────────────────────────────┐
//!     │  read ─► map ─► filter ─► flat_map ─► fold                        │   some hundred elements at a time go through all steps
//!     └───────────────────────────────────────────────────────────────────┘   before the next are read
//!            │ one small value a partition
//!            ▼
//!     tree of combines, eight at a time, in a fixed order  ─►  one value
//! ```
//! A [`Bag<T>`] describes work; nothing is read and no closure is called until it is computed. Steps on single elements and the reduction that
//! consumes them are one task a partition, and a partition is never held whole between steps. Every result is the same each time: partitions are
//! combined in a fixed order, and groups come out in the order in which their keys were first seen.
//!
//! ```
//! use arras_bag::Bag;
//! use arras_core::evaluate;
//! let counts = Bag::from_sequence(["the cat sat on the mat", "the dog sat on the mat"], 2)
//!     .flat_map(|line: &&str| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
//!     .foldby(|word: &String| word.clone(), 0u64, |total, _| total + 1, |a, b| a + b);
//! let expected = [("the", 4), ("cat", 1), ("sat", 2), ("on", 2), ("mat", 2), ("dog", 1)];
//! assert_eq!(evaluate(&counts)?, expected.map(|(word, n)| (word.to_owned(), n)));
//! # Ok::<(), arras_core::Error>(())
//! ```

//! # Files
//!
//! | what | method | feature |
//! |---|---|---|
//! | lines of text | [`Bag::read_text`], [`Bag::to_textfiles`] | |
//! | JSON lines, CSV | [`Bag::read_json_lines`], [`Bag::read_csv`], [`Bag::to_json_lines`], [`Bag::to_csv`] | |
//! | whole files | [`Bag::whole_text_files`], [`Bag::binary_files`] | |
//! | Avro, Parquet | `read_avro`, `read_parquet`, `to_avro`, `to_parquet` | `avro`, `parquet` |
//! | `.gz`, `.bz2`, `.lz4` | all of text, JSON, CSV | |
//! | `.xz`, `.zst` | the same | `xz`, `zstd` |
//! | `s3://`, `gs://`, `az://`, `abfss://`, `https://` | all | `cloud` |
//!
//! `file://` and paths always work. Each has options in a struct of its name ([`ReadText`], [`ReadJsonLines`], [`ReadCsv`], [`WriteFiles`] …). Large files are cut at line ends into partitions, bad
//! records can be [left out and counted](ReadJsonLines::read_counted), and files get their names when they are whole.

#![forbid(unsafe_code)]

mod bag;
mod engine;
mod error;
mod io;
mod keys;
mod pairing;
mod partition;
mod partitions;
mod range;
mod reductions;
mod sequence;
mod steps;

pub use bag::Bag;
pub use error::Error;
#[cfg(feature = "avro")]
pub use io::avro::ReadAvro;
pub use io::csv::ReadCsv;
pub use io::json::ReadJsonLines;
#[cfg(feature = "parquet")]
pub use io::parquet::ReadParquet;
pub use io::paths::{FilePaths, PathPattern};
pub use io::records::{BadRecord, BadRecords};
pub use io::text::ReadText;
pub use io::write::WriteFiles;
pub use partition::{Element, Partition};
pub use range::Integer;
pub use reductions::{Buckets, Histogram, Stats};
pub use steps::elementwise::Environment;
