//! Conversions between collections, which do not know each other.

use arras_bag::{Bag, Element, Partition};
use arras_core::{Error, Result, with};
use arras_frame::Frame;
use arras_frame::polars::prelude::{DataFrame, IntoColumn, NamedFrom, Schema, Series};

/// A bag as a frame.
pub trait ToFrame {
    /// A frame of one column, which holds the elements; a partition stays a partition. Lazy.
    ///
    /// ```
    /// use arras::prelude::*;
    /// let words = Bag::from_sequence(["to", "be", "or", "not", "to", "be"].map(str::to_owned), 2).to_frame("words")?;
    /// let counts = words.value_counts("words").compute()?;
    /// assert_eq!(counts.height(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What was wrong when the bag was built.
    fn to_frame(&self, column: &str) -> Result<Frame>;
}

impl<T> ToFrame for Bag<T>
where
    T: Element + Clone,
    Series: NamedFrom<Vec<T>, [T]>,
{
    fn to_frame(&self, column: &str) -> Result<Frame> {
        let dtype = Series::new(column.into(), Vec::<T>::new()).dtype().clone();
        let mut schema = Schema::default();
        schema.insert(column.into(), dtype);
        let rows = with(column.to_owned(), |column: &String, part: &Partition<T>| {
            DataFrame::new_infer_height(vec![Series::new(column.as_str().into(), part.0.clone()).into_column()])
        });
        Frame::from_partitions(self.to_delayed()?, schema.into(), rows).map_err(Error::collection)
    }
}
