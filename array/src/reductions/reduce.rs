//! Reductions: sums, means, minima and maxima over all axes or some.

use std::fmt;
use std::sync::Arc;

use arras_core::Tokenizer;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::array::{Array, Operand};
use crate::elementwise::operations::Operation;
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Element, Float, Inexact, Number, Ordered, with_dtype};
use crate::engine::expr::{Expr, Kind, elementwise};
use crate::engine::lower::SPLIT_EVERY;
use crate::engine::moments::{Moments, Statistic};
use crate::error::{Error, Result};

/// How elements are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum ReduceOp {
    Sum,
    /// Of elements of the result's type.
    Product,
    Min,
    Max,
    /// Of `bool`.
    Any,
    /// Of `bool`.
    All,
    /// Of floats and complex numbers, as [`NanProduct`](ReduceOp::NanProduct).
    NanSum,
    NanProduct,
    /// Of floats, as [`NanMax`](ReduceOp::NanMax).
    NanMin,
    NanMax,
    /// Where the least or greatest is. Of `i64`, `u64` or `f64`.
    Position {
        greatest: bool,
        skip_nan: bool,
    },
    /// Of `f64` or [`Complex64`](crate::Complex64).
    Moments(Moments),
}

/// A partial result: its type, and how many of them an element has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Partial {
    pub(crate) dtype: DType,
    width: usize,
}

impl Partial {
    /// The bytes of an element.
    pub(crate) fn size(&self) -> usize {
        self.dtype.size() * self.width
    }
}

impl ReduceOp {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ReduceOp::Sum => "sum",
            ReduceOp::Product => "prod",
            ReduceOp::Min => "min",
            ReduceOp::Max => "max",
            ReduceOp::Any => "any",
            ReduceOp::All => "all",
            ReduceOp::NanSum => "nansum",
            ReduceOp::NanProduct => "nanprod",
            ReduceOp::NanMin => "nanmin",
            ReduceOp::NanMax => "nanmax",
            ReduceOp::Position { greatest: false, skip_nan: false } => "argmin",
            ReduceOp::Position { greatest: true, skip_nan: false } => "argmax",
            ReduceOp::Position { greatest: false, skip_nan: true } => "nanargmin",
            ReduceOp::Position { greatest: true, skip_nan: true } => "nanargmax",
            ReduceOp::Moments(moments) => moments.name(),
        }
    }

    /// The type of the result.
    pub(crate) fn result(self, dtype: DType) -> DType {
        match self {
            ReduceOp::Sum => with_dtype!(dtype, T => <<T as Element>::Sum as Element>::DTYPE),
            ReduceOp::Position { .. } => DType::I64,
            ReduceOp::Moments(moments) => moments.to,
            _ => dtype,
        }
    }

    /// Whether an element is folded into a state of several numbers, which lie along an axis of their own.
    pub(crate) fn is_stateful(self) -> bool {
        matches!(self, ReduceOp::Position { .. } | ReduceOp::Moments(_))
    }

    /// What blocks are folded into.
    pub(crate) fn partial(self, dtype: DType) -> Partial {
        match self {
            ReduceOp::Position { .. } => Partial { dtype: DType::I64, width: 2 },
            ReduceOp::Moments(moments) => Partial { dtype: DType::F64, width: moments.width(dtype) },
            _ => Partial { dtype: self.result(dtype), width: 1 },
        }
    }

    /// Whether there is no result of no elements.
    fn needs_elements(self) -> bool {
        use ReduceOp::{Max, Min, NanMax, NanMin, Position};
        matches!(self, Min | Max | NanMin | NanMax | Position { .. })
    }
}

/// The axes of a reduction, and whether they stay with length 1. Negative axes count from the end.
///
/// ```
/// use arras_array::{Array, Axes};
/// let x = Array::<f64>::zeros([4, 5, 6], 3)?;
/// assert_eq!(x.sum_axis(0).shape(), [5, 6]);
/// assert_eq!(x.sum_axis([0, -1]).shape(), [5]);
/// assert_eq!(x.sum_axis(Axes::from(1).keepdims()).shape(), [4, 1, 6]);
/// # Ok::<(), arras_array::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Axes {
    axes: Option<Vec<isize>>,
    pub(crate) keepdims: bool,
    pub(crate) split_every: usize,
}

impl Axes {
    /// All axes.
    pub fn all() -> Axes {
        Axes { axes: None, keepdims: false, split_every: SPLIT_EVERY }
    }

    /// The reduced axes stay, with length 1, so that the result broadcasts against the array.
    #[must_use]
    pub fn keepdims(mut self) -> Axes {
        self.keepdims = true;
        self
    }

    /// How many partial results one task combines, 2 at least; 16 unless it is said. More makes fewer rounds, less makes smaller tasks. Sums of floats depend on it in
    /// their last bits, as they do on the chunks.
    ///
    /// ```
    /// use arras_array::{Array, Axes};
    /// let x = Array::<f64>::ones([1_000], 10)?;
    /// let sum = x.sum_axis(Axes::all().split_every(4));
    /// assert!(x.sum_axis(Axes::all().split_every(1)).check().is_err());
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    #[must_use]
    pub fn split_every(mut self, n: usize) -> Axes {
        self.split_every = n;
        self
    }

    pub(crate) fn checked_split_every(&self, operation: &'static str) -> Result<usize> {
        match self.split_every {
            n @ 0..2 => Err(Error::argument(operation, format!("split_every is {n}: at least two partial results are combined at once"))),
            n => Ok(n),
        }
    }

    /// Which axes of a shape are meant.
    pub(crate) fn of_shape(&self, operation: &'static str, shape: &[usize]) -> Result<SmallVec<[bool; 4]>> {
        let Some(axes) = &self.axes else { return Ok(SmallVec::from_elem(true, shape.len())) };
        let mut chosen = SmallVec::from_elem(false, shape.len());
        for &axis in axes {
            let position = axis_of(operation, axis, shape)?;
            if std::mem::replace(&mut chosen[position], true) {
                return Err(Error::AxisTwice { operation, axis: position, axes: axes.clone() });
            }
        }
        Ok(chosen)
    }
}

/// The position of an axis that may count from the end.
pub(crate) fn axis_of(operation: &'static str, axis: isize, shape: &[usize]) -> Result<usize> {
    let position = if axis < 0 { axis.checked_add_unsigned(shape.len()) } else { Some(axis) };
    let position = position.and_then(|position| usize::try_from(position).ok()).filter(|&position| position < shape.len());
    position.ok_or_else(|| Error::Axis { operation, axis, shape: shape.to_vec() })
}

impl fmt::Debug for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keepdims = if self.keepdims { ", keepdims" } else { "" };
        write!(f, "Axes({:?}{keepdims}", self.axes)?;
        if self.split_every != SPLIT_EVERY {
            write!(f, ", split_every {}", self.split_every)?;
        }
        f.write_str(")")
    }
}

impl From<isize> for Axes {
    fn from(axis: isize) -> Axes {
        Axes { axes: Some(vec![axis]), keepdims: false, split_every: SPLIT_EVERY }
    }
}

impl<const N: usize> From<[isize; N]> for Axes {
    fn from(axes: [isize; N]) -> Axes {
        Axes { axes: Some(axes.to_vec()), keepdims: false, split_every: SPLIT_EVERY }
    }
}

impl From<&[isize]> for Axes {
    fn from(axes: &[isize]) -> Axes {
        Axes { axes: Some(axes.to_vec()), keepdims: false, split_every: SPLIT_EVERY }
    }
}

impl From<Vec<isize>> for Axes {
    fn from(axes: Vec<isize>) -> Axes {
        Axes { axes: Some(axes), keepdims: false, split_every: SPLIT_EVERY }
    }
}

impl<T: Element> Array<T> {
    /// The sum of all elements, 0-d: in `i64` for `bool` and signed integers, `u64` for unsigned ones, wrapping. 0 of no elements. Lazy; work: one pass, fused with the
    /// operations that make the elements.
    ///
    /// The order of additions depends on shape and chunks alone, so every scheduler gives the same bits.
    pub fn sum(&self) -> Array<T::Sum> {
        self.sum_axis(Axes::all())
    }

    /// The sums over some axes. An [`Error::Axis`] if there is no such axis.
    pub fn sum_axis(&self, axes: impl Into<Axes>) -> Array<T::Sum> {
        Array::of(|| reduce(ReduceOp::Sum, &self.expr()?, &axes.into()))
    }

    /// The mean of all elements, 0-d: in `f64`, or `f32` for `f32`. NaN of no elements. Lazy.
    pub fn mean(&self) -> Array<T::Mean> {
        self.mean_axis(Axes::all())
    }

    /// The means over some axes. An [`Error::Axis`] if there is no such axis.
    pub fn mean_axis(&self, axes: impl Into<Axes>) -> Array<T::Mean> {
        Array::of(|| {
            let expr = self.expr()?;
            let axes = axes.into();
            let reduced = axes.of_shape("mean", &expr.shape())?;
            let count: usize = expr.shape().iter().zip(&reduced).filter(|(_, reduced)| **reduced).map(|(&n, _)| n).product();
            let as_float = cast(expr, T::Mean::DTYPE)?;
            let sum = reduce(ReduceOp::Sum, &as_float, &axes)?;
            let count = T::Mean::cast_from(count as f64).into_scalar();
            elementwise(Operation::Divide, vec![Operand::Expr(sum), Operand::Scalar(count)])
        })
    }

    /// The product of all elements, 0-d: in `i64` for `bool` and signed integers, `u64` for unsigned ones, wrapping. 1 of no elements. Lazy; one pass, as [`sum`](Array::sum).
    pub fn prod(&self) -> Array<T::Sum> {
        self.prod_axis(Axes::all())
    }

    /// The products over some axes. An [`Error::Axis`] if there is no such axis.
    pub fn prod_axis(&self, axes: impl Into<Axes>) -> Array<T::Sum> {
        Array::of(|| reduce(ReduceOp::Product, &cast(self.expr()?, T::Sum::DTYPE)?, &axes.into()))
    }

    /// Whether any element is true, or not 0 (NaN is not), 0-d. False of no elements. Lazy; one pass.
    pub fn any(&self) -> Array<bool> {
        self.any_axis(Axes::all())
    }

    /// Whether any element is true along some axes. An [`Error::Axis`] if there is no such axis.
    pub fn any_axis(&self, axes: impl Into<Axes>) -> Array<bool> {
        Array::of(|| reduce(ReduceOp::Any, &cast(self.expr()?, DType::Bool)?, &axes.into()))
    }

    /// Whether all elements are true, or not 0, 0-d. True of no elements. Lazy; one pass.
    pub fn all(&self) -> Array<bool> {
        self.all_axis(Axes::all())
    }

    /// Whether all elements are true along some axes. An [`Error::Axis`] if there is no such axis.
    pub fn all_axis(&self, axes: impl Into<Axes>) -> Array<bool> {
        Array::of(|| reduce(ReduceOp::All, &cast(self.expr()?, DType::Bool)?, &axes.into()))
    }

    /// How many elements are true, or not 0, 0-d. Lazy; one pass.
    pub fn count_nonzero(&self) -> Array<i64> {
        self.count_nonzero_axis(Axes::all())
    }

    /// How many elements are true, or not 0, along some axes. An [`Error::Axis`] if there is no such axis.
    pub fn count_nonzero_axis(&self, axes: impl Into<Axes>) -> Array<i64> {
        Array::of(|| reduce(ReduceOp::Sum, &cast(self.expr()?, DType::Bool)?, &axes.into()))
    }

    /// The variance of all elements, 0-d: the mean of the squared distances to the mean. In `f64`, or `f32` for `f32` and [`Complex32`](crate::Complex32). NaN of no elements.
    /// Lazy; one pass, fused as [`sum`](Array::sum), which a mean that is large against the spread does not harm.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1e9 + 1.0, 2.0], [1e9 + 3.0, 6.0]]), 1)?;
    /// assert_eq!(x.var_axis(0, 0).compute()?, ndarray::arr1(&[1.0, 4.0]).into_dyn());
    /// assert_eq!(x.var_axis(0, 1).compute()?, ndarray::arr1(&[2.0, 8.0]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn var(&self) -> Array<T::Spread> {
        self.var_axis(Axes::all(), 0)
    }

    /// The variances over some axes: the sum of the squared distances to the mean, divided by the number of elements less `ddof`. An [`Error::Axis`] if there is no such axis.
    pub fn var_axis(&self, axes: impl Into<Axes>, ddof: usize) -> Array<T::Spread> {
        self.statistic(2, false, Statistic::Variance { ddof, root: false }, &axes.into())
    }

    /// The standard deviation of all elements, 0-d: the square root of [`var`](Array::var). Lazy.
    pub fn std(&self) -> Array<T::Spread> {
        self.std_axis(Axes::all(), 0)
    }

    /// The standard deviations over some axes: the square roots of [`var_axis`](Array::var_axis).
    pub fn std_axis(&self, axes: impl Into<Axes>, ddof: usize) -> Array<T::Spread> {
        self.statistic(2, false, Statistic::Variance { ddof, root: true }, &axes.into())
    }

    /// The central moment of an order over some axes: the mean of that power of the distances to the mean. 0 of order 1, 1 of order 0. An [`Error::Axis`] if there is no such axis, an
    /// [`Error::Argument`] for an order beyond 32 and for complex numbers. Lazy; one pass.
    pub fn moment_axis(&self, order: usize, axes: impl Into<Axes>) -> Array<T::Spread> {
        let axes = axes.into();
        if order > 32 || matches!(T::DTYPE, DType::C32 | DType::C64) {
            return Array::of(|| {
                Err(Error::argument("moment", format!("order {order} of {}: orders to 32 of real numbers are known", T::DTYPE)))
            });
        }
        if order == 0 {
            let ones = self.statistic::<T::Spread>(1, false, Statistic::Moment { ddof: 0 }, &axes);
            return Array::of(|| {
                let one = Operand::Scalar(T::Spread::cast_from(1u8).into_scalar());
                elementwise(Operation::Add, vec![Operand::Expr(ones.expr()?), one])
            });
        }
        self.statistic(order as u8, false, Statistic::Moment { ddof: 0 }, &axes)
    }

    /// The central moment of all elements, 0-d, as [`moment_axis`](Array::moment_axis).
    pub fn moment(&self, order: usize) -> Array<T::Spread> {
        self.moment_axis(order, Axes::all())
    }

    pub(crate) fn statistic<R: Element>(&self, order: u8, skip_nan: bool, statistic: Statistic, axes: &Axes) -> Array<R> {
        Array::of(|| {
            let wide = if matches!(T::DTYPE, DType::C32 | DType::C64) { DType::C64 } else { DType::F64 };
            reduce(ReduceOp::Moments(Moments { order, skip_nan, statistic, to: R::DTYPE }), &cast(self.expr()?, wide)?, axes)
        })
    }
}

/// An expression with its elements cast.
pub(crate) fn cast(expr: Arc<Expr>, to: DType) -> Result<Arc<Expr>> {
    elementwise(Operation::Cast(to), vec![Operand::Expr(expr)])
}

impl<T: Ordered> Array<T> {
    /// The least of all elements, 0-d; NaN if any is. An [`Error::EmptyReduction`] if there are none. Lazy.
    pub fn min(&self) -> Array<T> {
        self.min_axis(Axes::all())
    }

    /// The least elements along some axes. An [`Error::Axis`] if there is no such axis.
    pub fn min_axis(&self, axes: impl Into<Axes>) -> Array<T> {
        Array::of(|| reduce(ReduceOp::Min, &self.expr()?, &axes.into()))
    }

    /// The greatest of all elements, 0-d; NaN if any is. An [`Error::EmptyReduction`] if there are none. Lazy.
    pub fn max(&self) -> Array<T> {
        self.max_axis(Axes::all())
    }

    /// The greatest elements along some axes. An [`Error::Axis`] if there is no such axis.
    pub fn max_axis(&self, axes: impl Into<Axes>) -> Array<T> {
        Array::of(|| reduce(ReduceOp::Max, &self.expr()?, &axes.into()))
    }

    /// The greatest element less the least, 0-d: `peak to peak`. NaN if any is; integers wrap. An [`Error::EmptyReduction`] of no elements. Lazy; two passes.
    pub fn ptp(&self) -> Array<T>
    where
        T: Number,
    {
        self.ptp_axis(Axes::all())
    }

    /// The greatest elements less the least along some axes. An [`Error::Axis`] if there is no such axis.
    pub fn ptp_axis(&self, axes: impl Into<Axes>) -> Array<T>
    where
        T: Number,
    {
        let axes = axes.into();
        self.max_axis(axes.clone()) - self.min_axis(axes)
    }

    /// The position of the least element in row-major order, 0-d: the first of several, and the first NaN if there is one. An [`Error::EmptyReduction`] of no elements. Lazy; one
    /// pass, fused as [`sum`](Array::sum).
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[3, 1, 2], [0, 5, 0]]), 2)?;
    /// assert_eq!(x.argmin().item().compute()?, 3);
    /// assert_eq!(x.argmax_axis(1).compute()?, ndarray::arr1(&[0, 1]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn argmin(&self) -> Array<i64> {
        self.argmin_axis(Axes::all())
    }

    /// The positions of the least elements along an axis. Over several, positions count in row-major order of these axes, where NumPy takes one axis or all. An [`Error::Axis`]
    /// if there is no such axis.
    pub fn argmin_axis(&self, axes: impl Into<Axes>) -> Array<i64> {
        self.position(false, false, &axes.into())
    }

    /// The position of the greatest element in row-major order, 0-d, as [`argmin`](Array::argmin).
    pub fn argmax(&self) -> Array<i64> {
        self.argmax_axis(Axes::all())
    }

    /// The positions of the greatest elements along an axis, as [`argmin_axis`](Array::argmin_axis).
    pub fn argmax_axis(&self, axes: impl Into<Axes>) -> Array<i64> {
        self.position(true, false, &axes.into())
    }

    fn position(&self, greatest: bool, skip_nan: bool, axes: &Axes) -> Array<i64> {
        Array::of(|| {
            let wide = match T::DTYPE {
                DType::F32 | DType::F64 => DType::F64,
                DType::U64 => DType::U64,
                _ => DType::I64,
            };
            reduce(ReduceOp::Position { greatest, skip_nan }, &cast(self.expr()?, wide)?, axes)
        })
    }
}

impl<T: Inexact> Array<T> {
    /// The sum of all elements that are not NaN, 0-d. 0 of none. Lazy; one pass.
    pub fn nansum(&self) -> Array<T> {
        self.nansum_axis(Axes::all())
    }

    /// The sums of what is not NaN over some axes. An [`Error::Axis`] if there is no such axis.
    pub fn nansum_axis(&self, axes: impl Into<Axes>) -> Array<T> {
        Array::of(|| reduce(ReduceOp::NanSum, &self.expr()?, &axes.into()))
    }

    /// The product of all elements that are not NaN, 0-d. 1 of none. Lazy; one pass.
    pub fn nanprod(&self) -> Array<T> {
        self.nanprod_axis(Axes::all())
    }

    /// The products of what is not NaN over some axes. An [`Error::Axis`] if there is no such axis.
    pub fn nanprod_axis(&self, axes: impl Into<Axes>) -> Array<T> {
        Array::of(|| reduce(ReduceOp::NanProduct, &self.expr()?, &axes.into()))
    }

    /// The variance of all elements that are not NaN, 0-d. NaN of none. Lazy; one pass.
    pub fn nanvar(&self) -> Array<T::Spread> {
        self.nanvar_axis(Axes::all(), 0)
    }

    /// The variances of what is not NaN over some axes: NaN where no more than `ddof` elements are left. An [`Error::Axis`] if there is no such axis.
    pub fn nanvar_axis(&self, axes: impl Into<Axes>, ddof: usize) -> Array<T::Spread> {
        self.statistic(2, true, Statistic::Variance { ddof, root: false }, &axes.into())
    }

    /// The standard deviation of all elements that are not NaN, 0-d. Lazy; one pass.
    pub fn nanstd(&self) -> Array<T::Spread> {
        self.nanstd_axis(Axes::all(), 0)
    }

    /// The standard deviations of what is not NaN over some axes: the square roots of [`nanvar_axis`](Array::nanvar_axis).
    pub fn nanstd_axis(&self, axes: impl Into<Axes>, ddof: usize) -> Array<T::Spread> {
        self.statistic(2, true, Statistic::Variance { ddof, root: true }, &axes.into())
    }
}

impl<T: Float> Array<T> {
    /// The mean of all elements that are not NaN, 0-d. NaN of none. Lazy; one pass.
    pub fn nanmean(&self) -> Array<T> {
        self.nanmean_axis(Axes::all())
    }

    /// The means of what is not NaN over some axes. An [`Error::Axis`] if there is no such axis.
    pub fn nanmean_axis(&self, axes: impl Into<Axes>) -> Array<T> {
        self.statistic(1, true, Statistic::Mean, &axes.into())
    }

    /// The least of all elements that are not NaN, 0-d. NaN if all are. An [`Error::EmptyReduction`] of no elements. Lazy; one pass.
    pub fn nanmin(&self) -> Array<T> {
        self.nanmin_axis(Axes::all())
    }

    /// The least elements that are not NaN along some axes. An [`Error::Axis`] if there is no such axis.
    pub fn nanmin_axis(&self, axes: impl Into<Axes>) -> Array<T> {
        Array::of(|| reduce(ReduceOp::NanMin, &self.expr()?, &axes.into()))
    }

    /// The greatest of all elements that are not NaN, 0-d. NaN if all are. An [`Error::EmptyReduction`] of no elements. Lazy; one pass.
    pub fn nanmax(&self) -> Array<T> {
        self.nanmax_axis(Axes::all())
    }

    /// The greatest elements that are not NaN along some axes. An [`Error::Axis`] if there is no such axis.
    pub fn nanmax_axis(&self, axes: impl Into<Axes>) -> Array<T> {
        Array::of(|| reduce(ReduceOp::NanMax, &self.expr()?, &axes.into()))
    }

    /// The position of the least element that is not NaN, 0-d, as [`argmin`](Array::argmin). The run fails if all are NaN.
    pub fn nanargmin(&self) -> Array<i64> {
        self.nanargmin_axis(Axes::all())
    }

    /// The positions of the least elements that are not NaN along an axis, as [`argmin_axis`](Array::argmin_axis). The run fails if all of a row are NaN.
    pub fn nanargmin_axis(&self, axes: impl Into<Axes>) -> Array<i64> {
        self.position(false, true, &axes.into())
    }

    /// The position of the greatest element that is not NaN, 0-d, as [`nanargmin`](Array::nanargmin).
    pub fn nanargmax(&self) -> Array<i64> {
        self.nanargmax_axis(Axes::all())
    }

    /// The positions of the greatest elements that are not NaN along an axis, as [`nanargmin_axis`](Array::nanargmin_axis).
    pub fn nanargmax_axis(&self, axes: impl Into<Axes>) -> Array<i64> {
        self.position(true, true, &axes.into())
    }
}

/// A reduction over some axes of an expression.
pub(crate) fn reduce(op: ReduceOp, input: &Arc<Expr>, axes: &Axes) -> Result<Arc<Expr>> {
    reduce_where(op, input, None, axes)
}

/// As [`reduce`], of the elements that a mask picks, which has the shape and chunks of the input. All axes are reduced then.
pub(crate) fn reduce_where(op: ReduceOp, input: &Arc<Expr>, mask: Option<&Arc<Expr>>, axes: &Axes) -> Result<Arc<Expr>> {
    let shape = input.shape();
    let reduced = axes.of_shape(op.name(), &shape)?;
    let split_every = axes.checked_split_every(op.name())?;
    let empty = shape.iter().zip(&reduced).any(|(&n, &reduced)| reduced && n == 0);
    if empty && op.needs_elements() && mask.is_none() {
        return Err(Error::EmptyReduction { operation: op.name(), shape: shape.to_vec() });
    }
    let kept = input.chunks.axes().iter().zip(&reduced).filter(|(_, reduced)| axes.keepdims || !**reduced);
    let mut kept: Vec<Vec<usize>> = kept.map(|(chunks, &reduced)| if reduced { vec![1] } else { chunks.clone() }).collect();
    if let ReduceOp::Moments(moments @ Moments { statistic: Statistic::State, .. }) = op {
        kept.push(vec![moments.width(input.dtype)]);
    }
    let chunks = Chunking::new(kept)?;
    let mut parameters = Tokenizer::new();
    parameters.text(&format!("{op:?} {reduced:?} {} {split_every}", axes.keepdims)).text(input.name.as_str());
    if let Some(mask) = mask {
        parameters.text(mask.name.as_str());
    }
    let parameters = parameters.finish();
    let (input_dtype, mask) = (input.dtype, mask.cloned());
    let kind = Kind::Reduce { op, axes: reduced.clone(), keepdims: axes.keepdims, split_every, mask, input: Arc::clone(input) };
    Ok(Expr::new(op.name(), parameters, op.result(input_dtype), chunks, kind))
}
