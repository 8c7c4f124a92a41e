//! Head: the first rows.

use crate::frame::Frame;
use crate::plan::{Base, Query};

impl Frame {
    /// The first `n` rows, or all if there are fewer, in one partition.
    ///
    /// Looks at the first partition, then, while rows are missing, at the next 4, 16, … of them side by side: files that are not needed are not read.
    ///
    /// # Examples
    /// ```
    /// use arras_core::evaluate;
    /// use arras_frame::{Frame, df};
    /// let frame = Frame::from_polars(df!("x" => [1, 2, 3, 4])?, 3)?;
    /// assert_eq!(evaluate(&frame.head(3))?, df!("x" => [1, 2, 3])?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn head(&self, n: usize) -> Frame {
        self.then(|query| Ok(Query::new(Base::head(query, n))))
    }
}
