//! Row-local steps, as methods: select, with_columns, filter, rename, drop.
//!
//! Each adds to the query of every partition. What they accept is what [`row_local`](crate::row_local) finds to be so.

use polars::prelude::{Expr, SchemaRef};

use crate::error::{Error, Result};
use crate::frame::Frame;
use crate::row_local::Step;

impl Frame {
    /// The columns that these expressions give, for every row: as polars' `select`, of row-local expressions.
    ///
    /// # Errors
    /// In the frame: [`Error::Step`]; [`Error::NotRowLocal`] for aggregates, windows, shifts, sorts, and for constants alone.
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::{Error, Frame, col, df, lit};
    /// let frame = Frame::from_polars(df!("x" => [1, 2, 3])?, 2)?;
    /// let doubled = frame.select([(col("x") * lit(2)).alias("double")]);
    /// assert_eq!(evaluate(&doubled)?, df!("double" => [2, 4, 6])?);
    /// assert!(matches!(frame.select([col("x").shift(lit(1))]).schema(), Err(Error::NotRowLocal { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn select<E: AsRef<[Expr]>>(&self, exprs: E) -> Frame {
        self.then(|query| query.then(Step::Select(exprs.as_ref().to_vec())))
    }

    /// All columns, and those that these expressions give added or replaced: as polars' `with_columns`, of row-local expressions.
    ///
    /// # Errors
    /// In the frame: as for [`select`](Frame::select).
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::{Frame, col, df, lit};
    /// let frame = Frame::from_polars(df!("x" => [1, 2])?, 2)?.with_columns([(col("x") + lit(1)).alias("next")]);
    /// assert_eq!(evaluate(&frame)?, df!("x" => [1, 2], "next" => [2, 3])?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_columns<E: AsRef<[Expr]>>(&self, exprs: E) -> Frame {
        self.then(|query| query.then(Step::WithColumns(exprs.as_ref().to_vec())))
    }

    /// The rows for which a row-local predicate is true; a null is not.
    ///
    /// # Errors
    /// In the frame: as for [`select`](Frame::select).
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::{Frame, col, df};
    /// let frame = Frame::from_polars(df!("x" => [Some(1), None, Some(3)])?, 2)?.filter(col("x").gt(1));
    /// assert_eq!(evaluate(&frame)?, df!("x" => [Some(3)])?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn filter(&self, predicate: Expr) -> Frame {
        self.then(|query| query.then(Step::Filter(predicate)))
    }

    /// The same rows, some columns under other names; the columns keep their order.
    ///
    /// # Errors
    /// In the frame: [`Error::UnknownColumn`], and [`Error::Step`] if two columns end up with one name.
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::{Frame, df};
    /// let frame = Frame::from_polars(df!("x" => [1], "y" => [2])?, 1)?.rename(["x", "y"], ["y", "x"]);
    /// assert_eq!(evaluate(&frame)?, df!("y" => [1], "x" => [2])?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn rename<I, J, S, T>(&self, existing: I, new: J) -> Frame
    where
        I: IntoIterator<Item = S>,
        J: IntoIterator<Item = T>,
        S: AsRef<str>,
        T: AsRef<str>,
    {
        self.then(|query| {
            let pairs: Vec<(S, T)> = existing.into_iter().zip(new).collect();
            for (old, _) in &pairs {
                known_column("rename", &query.schema, old.as_ref())?;
            }
            let renamed = query.schema.iter_names().map(|name| {
                let column = Expr::Column(name.clone());
                match pairs.iter().find(|(old, _)| old.as_ref() == name.as_str()) {
                    Some((_, new)) => column.alias(new.as_ref()),
                    None => column,
                }
            });
            query.then(Step::Rename(renamed.collect()))
        })
    }

    /// The same rows without these columns.
    ///
    /// # Errors
    /// In the frame: [`Error::UnknownColumn`].
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::{Frame, df};
    /// let frame = Frame::from_polars(df!("x" => [1], "y" => [2])?, 1)?.drop(["x"]);
    /// assert_eq!(evaluate(&frame)?, df!("y" => [2])?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn drop<I, S>(&self, columns: I) -> Frame
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        self.then(|query| {
            let dropped: Vec<S> = columns.into_iter().collect();
            for column in &dropped {
                known_column("drop", &query.schema, column.as_ref())?;
            }
            let kept = query.schema.iter_names().filter(|name| !dropped.iter().any(|column| column.as_ref() == name.as_str()));
            query.then(Step::Drop(kept.cloned().map(Expr::Column).collect()))
        })
    }
}

/// # Errors
/// [`Error::UnknownColumn`].
pub(crate) fn known_column(step: &'static str, schema: &SchemaRef, column: &str) -> Result<()> {
    if schema.contains(column) {
        return Ok(());
    }
    Err(Error::UnknownColumn { step, column: column.to_owned(), schema: schema.clone() })
}
