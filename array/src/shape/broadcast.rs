//! Arrays repeated to a larger shape, and arrays brought to common chunks.

use std::sync::Arc;

use ndarray::{Dimension, IntoDimension};

use crate::array::{Array, Operand};
use crate::elementwise::operations::Operation;
use crate::engine::chunks::Chunking;
use crate::engine::dtype::Element;
use crate::engine::expr::{Expr, broadcast, elementwise, fit};
use crate::engine::gather::zero;
use crate::engine::simplify;
use crate::error::{Error, Result};

/// The array repeated to these chunks, to whose shape it broadcasts.
pub(crate) fn to_chunks(input: &Arc<Expr>, chunks: &Chunking) -> Result<Arc<Expr>> {
    if input.shape() == chunks.shape() {
        return simplify::rechunk(input, chunks.clone());
    }
    let input = fit(input, chunks.axes())?;
    elementwise(
        Operation::Broadcast,
        vec![Operand::Expr(Arc::clone(&input)), Operand::Expr(simplify::full(zero(input.dtype), chunks.clone()))],
    )
}

impl<T: Element> Array<T> {
    /// The array repeated to a shape: axes of length 1 to any length, and new axes on the left. Lazy; part of the kernel that uses it, where it is not stored.
    ///
    /// Axes that are repeated have chunks as large as the array's largest, and at most one block's worth of elements each.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let row = Array::arange(0, 3, 1, 2)?;
    /// assert_eq!(row.broadcast_to([2, 3]).compute()?, ndarray::arr2(&[[0, 1, 2], [0, 1, 2]]).into_dyn());
    /// assert!(row.broadcast_to([3, 2]).check().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Broadcast`] if the array does not broadcast to the shape.
    pub fn broadcast_to(&self, shape: impl IntoDimension) -> Array<T> {
        Array::of(|| {
            let (expr, shape) = (self.expr()?, shape.into_dimension());
            let (own, shape) = (expr.shape(), shape.slice());
            let wrong = || Error::Broadcast { operation: "broadcast_to", left: own.to_vec(), right: shape.to_vec() };
            let missing = shape.len().checked_sub(own.len()).ok_or_else(wrong)?;
            if own.iter().zip(&shape[missing..]).any(|(&own, &wanted)| own != wanted && own != 1) {
                return Err(wrong());
            }
            // Repeated axes are cut so that a block stays within the usual size.
            let stays = |axis: usize| axis >= missing && own[axis - missing] == shape[axis];
            let kept: usize = (0..shape.len())
                .filter(|&axis| stays(axis))
                .map(|axis| expr.chunks.axes()[axis - missing].iter().copied().max().unwrap_or(1).max(1))
                .product();
            let mut room = (crate::engine::chunks::AUTO_NBYTES / T::DTYPE.size() / kept).max(1);
            let mut axes = vec![Vec::new(); shape.len()];
            for axis in (0..shape.len()).rev() {
                axes[axis] = if stays(axis) {
                    expr.chunks.axes()[axis - missing].clone()
                } else {
                    let size = room.min(shape[axis].max(1));
                    room = (room / size).max(1);
                    let n = shape[axis].div_ceil(size).max(1);
                    crate::engine::chunks::even(shape[axis], shape[axis].div_ceil(n).max(1))
                };
            }
            to_chunks(&expr, &Chunking::new(axes)?)
        })
    }
}

/// Arrays repeated to the shape that they broadcast to together. Lazy, as [`Array::broadcast_to`].
///
/// # Errors
/// [`Error::Broadcast`] if they do not broadcast.
pub fn broadcast_arrays<T: Element>(arrays: &[&Array<T>]) -> Result<Vec<Array<T>>> {
    let inputs = arrays.iter().map(|array| array.expr()).collect::<Result<Vec<_>>>()?;
    let chunks = Chunking::new(broadcast("broadcast_arrays", &inputs)?)?;
    inputs.iter().map(|input| to_chunks(input, &chunks)).map(|expr| expr.map(|expr| Array::of(|| Ok(expr)))).collect()
}

/// Arrays, whose shapes broadcast, cut at every place where one of them is: what elementwise operations do before they combine them. Axes of length 1 stay. Lazy.
///
/// ```
/// use arras_array::{Array, unify_chunks};
/// let (a, b) = (Array::<f64>::zeros(10, 4)?, Array::<f64>::zeros(10, 5)?);
/// let both = unify_chunks(&[&a, &b])?;
/// assert_eq!(both[0].chunks(), [vec![4, 1, 3, 2]]);
/// assert_eq!(both[0].chunks(), both[1].chunks());
/// # Ok::<(), arras_array::Error>(())
/// ```
///
/// # Errors
/// [`Error::Broadcast`] if they do not broadcast.
pub fn unify_chunks<T: Element>(arrays: &[&Array<T>]) -> Result<Vec<Array<T>>> {
    let inputs = arrays.iter().map(|array| array.expr()).collect::<Result<Vec<_>>>()?;
    let axes = broadcast("unify_chunks", &inputs)?;
    inputs.iter().map(|input| fit(input, &axes)).map(|expr| expr.map(|expr| Array::of(|| Ok(expr)))).collect()
}
