//! Conversions between collections, which do not know each other.

#[cfg(feature = "array")]
use arras_array::{Array, Block};
#[cfg(feature = "bag")]
use arras_bag::{Bag, Element, Partition};
use arras_core::{Error, Result, with};
use arras_frame::Frame;
use arras_frame::polars::prelude::{DataFrame, IntoColumn, NamedFrom, Series};

/// A bag as a frame.
#[cfg(feature = "bag")]
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

#[cfg(feature = "bag")]
impl<T> ToFrame for Bag<T>
where
    T: Element + Clone,
    Series: NamedFrom<Vec<T>, [T]>,
{
    fn to_frame(&self, column: &str) -> Result<Frame> {
        let dtype = Series::new(column.into(), Vec::<T>::new()).dtype().clone();
        let mut schema = arras_frame::polars::prelude::Schema::default();
        schema.insert(column.into(), dtype);
        let rows = with(column.to_owned(), |column: &String, part: &Partition<T>| {
            DataFrame::new_infer_height(vec![Series::new(column.as_str().into(), part.0.clone()).into_column()])
        });
        Frame::from_partitions(self.to_delayed()?, schema.into(), rows).map_err(Error::collection)
    }
}

/// An array as a frame.
#[cfg(feature = "array")]
pub trait ArrayToFrame {
    /// A frame with a column for each name: one for an array of the shape `(n,)`, `m` for one of `(n, m)`, whose columns are put into one chunk. Rows keep their order,
    /// each chunk of them is a partition. Lazy.
    ///
    /// ```
    /// use arras::prelude::*;
    /// let x = Array::from_ndarray(ndarray::array![[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]], (2, 1))?;
    /// let rows = x.to_frame(&["a", "b"])?.filter(col("a").gt(lit(1.5))).compute()?;
    /// assert_eq!(rows.column("b")?.f64()?.to_vec(), [Some(20.0), Some(30.0)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What was wrong when the array was built; [`Argument`](arras_array::Error::Argument) for an array of another number of axes, or for more or fewer names than
    /// columns; at build what polars says of names that are given twice.
    fn to_frame(&self, columns: &[&str]) -> Result<Frame>;
}

#[cfg(feature = "array")]
impl<T> ArrayToFrame for Array<T>
where
    T: arras_array::Element,
    Series: NamedFrom<Vec<T>, [T]>,
{
    fn to_frame(&self, columns: &[&str]) -> Result<Frame> {
        self.check().map_err(Error::collection)?;
        let width = match *self.shape() {
            [_] => 1,
            [_, width] => width,
            _ => usize::MAX,
        };
        if width != columns.len() {
            let why = match width {
                usize::MAX => format!("an array of the shape {:?} is no table: it has to have one axis or two", self.shape()),
                _ => format!("the names {columns:?} for {width} columns"),
            };
            return Err(Error::collection(arras_array::Error::Argument { operation: "to_frame", why }));
        }
        let names: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
        let empty = columns.iter().map(|&name| Series::new(name.into(), Vec::<T>::new()).into_column()).collect();
        // Refuses names that are given twice.
        let schema = DataFrame::new(0, empty).map_err(Error::collection)?.schema().as_ref().clone();
        let rows = with(names, |names: &Vec<String>, block: &Block| {
            let block = T::of_block(block).expect("an array's blocks are of its type");
            let mut columns: Vec<Vec<T>> = names.iter().map(|_| Vec::with_capacity(block.len() / names.len())).collect();
            block.iter().enumerate().for_each(|(i, &x)| columns[i % names.len()].push(x));
            let columns = names.iter().zip(columns).map(|(name, x)| Series::new(name.as_str().into(), x).into_column()).collect();
            DataFrame::new_infer_height(columns)
        });
        let tall = if self.chunks().get(1).is_some_and(|chunks| chunks.len() > 1) {
            self.rechunk([self.chunks()[0].clone(), vec![width]])
        } else {
            self.clone()
        };
        let blocks = tall.to_delayed()?.into_iter().collect();
        Frame::from_partitions(blocks, schema.into(), rows).map_err(Error::collection)
    }
}
