//! Lazy, partitioned dataframes over polars: many partitions, polars' expressions, one task graph.
//!
//! ```text
//!     Frame ── filter, select, group_by ──► logical plan        schema and errors known at once, by polars itself
//!                                              │ planner
//!                                              ▼
//!                                            Graph              row-local runs are one polars query a partition;
//!                                              │ a scheduler    only exchanges are edges
//!                                              ▼
//!                                           DataFrame           of polars
//! ```
//! Who knows polars' `LazyFrame` knows [`Frame`]: the methods have its names and take its expressions, which this crate re-exports together with all of
//! [`polars`]. A partition's filters and projections reach the scan, so that columns and rows that nobody needs are not parsed.
//!
//! ```
//! use arras_core::evaluate;
//! use arras_frame::{Frame, col, df, lit};
//! let rows = df!("word" => ["the", "cat", "sat", "on", "the", "mat"], "n" => [1, 2, 3, 4, 5, 6])?;
//! let frame = Frame::from_polars(rows, 3)?;
//! let sums = frame.filter(col("n").lt(lit(6))).group_by([col("word")]).agg([col("n").sum()]);
//! assert_eq!(evaluate(&sums)?, df!("word" => ["the", "cat", "sat", "on"], "n" => [6, 2, 3, 4])?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Results are the same on every run: groups come in the order of their first row, partial results are merged along a fixed tree, and polars
//! computes each partition on the thread of its task, off its own pool; files alone are decoded by polars' threads.
//!
//! Frames run in other processes of the same executable as they do here: a task takes its expressions, its schema and the names of its files along. What holds a closure stays
//! (`Expr::map` and its like), and is refused when the graph is submitted.

#![forbid(unsafe_code)]

mod csv;
mod files;
mod frame;
mod group_by;
mod head;
mod scan;
mod sources;
mod steps;

mod error;
mod partition;
mod partition_query;
mod plan;
mod planner;
mod portable;
mod quiet;
mod row_local;
mod split;
mod tasks;
mod tokens;
mod travel;

pub use polars;
pub use polars::df;
pub use polars::prelude::{Expr, col, len, lit, when};

pub use error::{Error, Result};
pub use files::Files;
pub use frame::Frame;
pub use group_by::GroupBy;
pub use partition::Partition;
