//! Norms of matrices.

use std::sync::Arc;

use crate::array::Array;
use crate::engine::dtype::{Element, Float, Real};
use crate::engine::expr::Expr;
#[cfg(feature = "linalg")]
use crate::error::Error;
use crate::error::Result;
use crate::reductions::measures::greatest;
use crate::reductions::reduce::{Axes, cast};
use crate::shape::axes::axes_of;

/// How the size of a matrix is measured: NumPy's `ord` of two axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MatrixNorm {
    /// The square root of the sum of squares, `fro`.
    #[default]
    Frobenius,
    /// The sum of the singular values, `nuc`.
    #[cfg(feature = "linalg")]
    Nuclear,
    /// The largest singular value, 2.
    #[cfg(feature = "linalg")]
    Two,
    /// The smallest singular value, -2.
    #[cfg(feature = "linalg")]
    NegativeTwo,
    /// The greatest sum of absolute values of a column, 1.
    One,
    /// The least sum of absolute values of a column, -1.
    NegativeOne,
    /// The greatest sum of absolute values of a row, `inf`.
    Infinity,
    /// The least sum of absolute values of a row, `-inf`.
    NegativeInfinity,
}

impl<T: Real> Array<T>
where
    T::Mean: Float,
{
    /// The norms of the matrices that two axes, of rows and of columns, hold: of the shape without the two, in `f64`, or `f32` for `f32`. Lazy; one pass, or by
    #[cfg_attr(feature = "linalg", doc = "[`svd`](Array::svd)")]
    #[cfg_attr(not(feature = "linalg"), doc = "a singular value decomposition")]
    /// for norms of singular values, which are known of arrays of two axes.
    ///
    /// ```
    /// use arras_array::{Array, MatrixNorm};
    /// use arras_scheduler::Compute;
    /// let x = Array::<f64>::from_ndarray(ndarray::arr2(&[[1.0, -2.0], [3.0, 4.0]]), 1)?;
    /// assert_eq!(x.norm_matrix(MatrixNorm::One, [0, 1], false).item().compute()?, 6.0);
    /// assert_eq!(x.norm_matrix(MatrixNorm::Infinity, [0, 1], false).item().compute()?, 7.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`](crate::Error::Axis) or [`Error::AxisTwice`](crate::Error::AxisTwice), with an [`Error::EmptyReduction`](crate::Error::EmptyReduction) for the least of nothing, with an [`Error::Argument`](crate::Error::Argument) for singular
    /// values of more axes than two.
    pub fn norm_matrix(&self, norm: MatrixNorm, axes: [isize; 2], keepdims: bool) -> Array<T::Mean> {
        Array::of(|| {
            let shape = self.expr()?.shape();
            let places = axes_of("norm_matrix", &axes, &shape)?;
            let (rows, columns) = (places[0] as isize, places[1] as isize);
            let x: Array<T::Mean> = self.cast();
            let own = |axes: Axes| if keepdims { axes.keepdims() } else { axes };
            // Sums along one axis, of which the greatest or least along the other.
            let sums = |along: isize| -> Result<Array<T::Mean>> {
                let sums = x.abs().sum_axis(Axes::from(along).keepdims()).expr()?;
                Ok(Array::of(|| cast(sums, <T::Mean as Element>::DTYPE)))
            };
            let extreme = |along: isize, other: isize, is_greatest: bool| -> Result<Arc<Expr>> {
                let (sums, axes) = (sums(along)?, Axes::from(other).keepdims());
                let found = if is_greatest { greatest(&sums, axes) } else { sums.min_axis(axes) };
                if keepdims { found.expr() } else { found.squeeze_axis([along, other]).expr() }
            };
            match norm {
                MatrixNorm::Frobenius => {
                    let squares = x.square().sum_axis(own(Axes::from([rows, columns]))).expr()?;
                    Array::<T::Mean>::of(|| cast(squares, <T::Mean as Element>::DTYPE)).sqrt().expr()
                }
                MatrixNorm::One => extreme(rows, columns, true),
                MatrixNorm::NegativeOne => extreme(rows, columns, false),
                MatrixNorm::Infinity => extreme(columns, rows, true),
                MatrixNorm::NegativeInfinity => extreme(columns, rows, false),
                #[cfg(feature = "linalg")]
                MatrixNorm::Nuclear | MatrixNorm::Two | MatrixNorm::NegativeTwo => {
                    if shape.len() != 2 {
                        let why =
                            format!("{norm:?} takes singular values, which are known of two axes; the shape is {:?}", shape.as_slice());
                        return Err(Error::argument("norm_matrix", why));
                    }
                    let values = cast(x.svd().1.expr()?, <T::Mean as Element>::DTYPE)?;
                    let values: Array<T::Mean> = Array::of(|| Ok(values));
                    let found: Array<T::Mean> = match norm {
                        MatrixNorm::Nuclear => Array::of(|| cast(values.sum().expr()?, <T::Mean as Element>::DTYPE)),
                        MatrixNorm::Two => greatest(&values, Axes::all()),
                        _ => values.min(),
                    };
                    if keepdims { found.expand_dims([0, 1]).expr() } else { found.expr() }
                }
            }
        })
    }
}
