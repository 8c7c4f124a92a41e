//! Group-by: rows with equal keys, aggregated.
//!
//! ```text
//!     partitions      partial aggregates a partition          merged along a tree         finished
//!     ──────────      ──────────────────────────────          ───────────────────         ────────
//!      rows 0   ────►  key, sum, count                 ──╮
//!      rows 1   ────►  key, sum, count                 ──┼──►  key, sum, count   ────►    key, mean
//!      rows 2   ────►  key, sum, count                 ──╯
//! ```
//! Groups come in the order of their first row, at every level, whatever the partitions: the result is that of polars' `group_by_stable` on all rows.

use polars::prelude::{Expr, PlSmallStr, len};

use crate::frame::Frame;
use crate::plan::{Base, Query};
use crate::split::{Grouping, Split};
use crate::steps::known_column;

/// A frame and the keys to group it by: what [`Frame::group_by`] returns.
#[derive(Debug, Clone)]
#[must_use = "a group-by does nothing until it is told what to aggregate, by `agg`"]
pub struct GroupBy {
    frame: Frame,
    keys: Vec<Expr>,
}

impl Frame {
    /// Groups the rows by columns or row-local expressions; [`GroupBy::agg`] says what to make of each group.
    ///
    /// Nulls are a key of their own, and so is NaN, as in polars.
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::{Frame, col, df, lit};
    /// let frame = Frame::from_polars(df!("x" => [1, 5, 2, 7], "y" => [1.0, 2.0, 3.0, 4.0])?, 3)?;
    /// let sums = frame.group_by([col("x").gt(lit(3)).alias("large")]).agg([col("y").sum(), col("y").max().alias("largest")]);
    /// assert_eq!(evaluate(&sums)?, df!("large" => [false, true], "y" => [4.0, 6.0], "largest" => [3.0, 4.0])?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group_by<E: AsRef<[IE]>, IE: Into<Expr> + Clone>(&self, by: E) -> GroupBy {
        GroupBy { frame: self.clone(), keys: by.as_ref().iter().cloned().map(Into::into).collect() }
    }

    /// How often each value of a column occurs, nulls too: columns `column` and `"count"`, in one partition, the most frequent first, equally frequent ones in
    /// the order of their first row.
    ///
    /// # Errors
    /// In the frame: [`Error::UnknownColumn`](crate::Error::UnknownColumn), and [`Error::Step`](crate::Error::Step) for a column that is itself called `"count"`.
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::{Frame, df};
    /// let frame = Frame::from_polars(df!("word" => ["a", "the", "cat", "the"])?, 2)?;
    /// assert_eq!(evaluate(&frame.value_counts("word"))?, df!("word" => ["the", "a", "cat"], "count" => [2u32, 1, 1])?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn value_counts(&self, column: &str) -> Frame {
        self.then(|query| {
            known_column("value_counts", &query.schema, column)?;
            let count = PlSmallStr::from_static("count");
            let split = Split::new(Grouping::ValueCounts, &query.schema, &[Expr::Column(column.into())], &[len().alias(count.clone())])?;
            Ok(Query::new(Base::group_by(query, split.sorted_by(count))))
        })
    }
}

impl GroupBy {
    /// One row for each group, in one partition: the keys, and what these expressions give. Groups come in the order of their first row.
    ///
    /// Takes what can be put together from partial aggregates: `sum`, `mean`, `min`, `max`, `count` (of values that are not null), `len`, each of a row-local expression
    /// (or of one filtered by a row-local predicate), and row-local expressions over them. Types and names are polars' own. Sums of floating-point numbers
    /// are added up partition by partition, so the last digits may differ from those of one partition; for the same partitions they are always the same.
    ///
    /// Work: each partition is aggregated in the task that reads it; partial results are merged 8 at a time.
    ///
    /// # Errors
    /// In the frame: [`Error::UnsupportedAggregate`](crate::Error::UnsupportedAggregate) for others (`median`, `std`, `n_unique`, a list of the group's values, …),
    /// [`Error::NotRowLocal`](crate::Error::NotRowLocal) for a key, [`Error::NoKeys`](crate::Error::NoKeys), [`Error::Step`](crate::Error::Step).
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::{Error, Frame, col, df, len};
    /// let frame = Frame::from_polars(df!("k" => ["a", "b", "a"], "x" => [1, 2, 4])?, 2)?;
    /// let spread = frame.group_by([col("k")]).agg([(col("x").max() - col("x").min()).alias("spread")]);
    /// assert_eq!(evaluate(&spread)?, df!("k" => ["a", "b"], "spread" => [3, 0])?);
    /// let median = frame.group_by([col("k")]).agg([col("x").median()]);
    /// assert!(matches!(median.schema(), Err(Error::UnsupportedAggregate { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn agg<E: AsRef<[Expr]>>(self, aggregates: E) -> Frame {
        self.frame.then(|query| {
            let split = Split::new(Grouping::GroupBy, &query.schema, &self.keys, aggregates.as_ref())?;
            Ok(Query::new(Base::group_by(query, split)))
        })
    }
}
