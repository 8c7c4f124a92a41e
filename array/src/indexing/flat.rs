//! Positions in an array as one number, in row-major order, and as one for each axis.

use crate::array::Array;
use crate::elementwise::operations::Operation;
use crate::error::{Error, Result};

/// The axes of a shape, from the first: the length of each, and how far a step along it goes in row-major order.
fn strides(operation: &'static str, shape: &[usize]) -> Result<Vec<(i64, i64)>> {
    let too_large = || Error::TooLarge { shape: shape.to_vec() };
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1i64;
    for &length in shape.iter().rev() {
        let length = i64::try_from(length).map_err(|_| too_large())?;
        strides.push((length, stride));
        stride = stride.checked_mul(length).ok_or_else(too_large)?;
    }
    strides.reverse();
    if shape.is_empty() { Err(Error::argument(operation, "a shape of no axes".to_owned())) } else { Ok(strides) }
}

impl Array<i64> {
    /// The indices along each axis of a shape of positions in row-major order, as NumPy's `unravel_index`: one array of the positions' shape for each axis. Lazy; work: a few steps
    /// an element and axis.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let positions = Array::from_ndarray(ndarray::array![22, 41, 37], 2)?;
    /// let indices = positions.unravel_index(&[7, 6])?;
    /// assert_eq!(indices[0].compute()?, ndarray::array![3, 6, 6].into_dyn());
    /// assert_eq!(indices[1].compute()?, ndarray::array![4, 5, 1].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A run fails if a position is not one of the shape's.
    ///
    /// # Errors
    /// [`Error::Argument`] for a shape of no axes; [`Error::TooLarge`]; what is wrong with the array.
    pub fn unravel_index(&self, shape: &[usize]) -> Result<Vec<Array<i64>>> {
        self.check()?;
        let strides = strides("unravel_index", shape)?;
        let size: i64 = strides[0].0 * strides[0].1;
        let within: Array<i64> = self.apply(Operation::Index(size as u64));
        Ok(strides.into_iter().map(|(length, stride)| within.floor_divide(stride.max(1)).remainder(length)).collect())
    }
}

/// The positions in row-major order of indices along each axis of a shape, as NumPy's function of that name. Shapes of the arrays broadcast. Lazy; work: two steps an element and axis.
///
/// ```
/// use arras_array::{Array, ravel_multi_index};
/// use arras_scheduler::Compute;
/// let rows = Array::from_ndarray(ndarray::array![3, 6, 6], 2)?;
/// let columns = Array::from_ndarray(ndarray::array![4, 5, 1], 2)?;
/// assert_eq!(ravel_multi_index(&[&rows, &columns], &[7, 6]).compute()?, ndarray::array![22, 41, 37].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The result fails with an [`Error::Argument`] for another number of arrays than axes, with an [`Error::TooLarge`] or [`Error::Broadcast`]. A run fails if an index is beyond its
/// axis, or negative.
pub fn ravel_multi_index(indices: &[&Array<i64>], shape: &[usize]) -> Array<i64> {
    Array::of(|| {
        let strides = strides("ravel_multi_index", shape)?;
        if indices.len() != shape.len() {
            let why = format!("{} arrays of indices for shape {shape:?}", indices.len());
            return Err(Error::argument("ravel_multi_index", why));
        }
        let along = |(index, &(length, stride)): (&&Array<i64>, &(i64, i64))| {
            let within: Array<i64> = index.apply(Operation::Index(length as u64));
            within.multiply(stride)
        };
        let parts = indices.iter().zip(&strides).map(along);
        parts.reduce(|a, b| a.add(&b)).expect("one axis at least").expr()
    })
}
