//! Reductions: sums, means, minima and maxima over all axes or some.

use std::fmt;
use std::sync::Arc;

use arras_core::Tokenizer;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::array::{Array, Operand};
use crate::chunks::Chunking;
use crate::dtype::{DType, Element, Ordered, with_dtype};
use crate::error::{Error, Result};
use crate::expr::{Expr, Kind, elementwise};
use crate::operations::Operation;

/// How elements are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum ReduceOp {
    Sum,
    Min,
    Max,
}

impl ReduceOp {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ReduceOp::Sum => "sum",
            ReduceOp::Min => "min",
            ReduceOp::Max => "max",
        }
    }

    /// The type of the result.
    pub(crate) fn result(self, dtype: DType) -> DType {
        match self {
            ReduceOp::Sum => with_dtype!(dtype, T => <<T as Element>::Sum as Element>::DTYPE),
            _ => dtype,
        }
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
    keepdims: bool,
}

impl Axes {
    /// All axes.
    pub fn all() -> Axes {
        Axes { axes: None, keepdims: false }
    }

    /// The reduced axes stay, with length 1, so that the result broadcasts against the array.
    #[must_use]
    pub fn keepdims(mut self) -> Axes {
        self.keepdims = true;
        self
    }

    /// Which axes of a shape are meant.
    fn of_shape(&self, operation: &'static str, shape: &[usize]) -> Result<SmallVec<[bool; 4]>> {
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
        write!(f, "Axes({:?}{})", self.axes, if self.keepdims { ", keepdims" } else { "" })
    }
}

impl From<isize> for Axes {
    fn from(axis: isize) -> Axes {
        Axes { axes: Some(vec![axis]), keepdims: false }
    }
}

impl<const N: usize> From<[isize; N]> for Axes {
    fn from(axes: [isize; N]) -> Axes {
        Axes { axes: Some(axes.to_vec()), keepdims: false }
    }
}

impl From<&[isize]> for Axes {
    fn from(axes: &[isize]) -> Axes {
        Axes { axes: Some(axes.to_vec()), keepdims: false }
    }
}

impl From<Vec<isize>> for Axes {
    fn from(axes: Vec<isize>) -> Axes {
        Axes { axes: Some(axes), keepdims: false }
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
            let as_float = elementwise(Operation::Cast(T::Mean::DTYPE), vec![Operand::Expr(expr)])?;
            let sum = reduce(ReduceOp::Sum, &as_float, &axes)?;
            let count = T::Mean::cast_from(count as f64).into_scalar();
            elementwise(Operation::Divide, vec![Operand::Expr(sum), Operand::Scalar(count)])
        })
    }
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
}

fn reduce(op: ReduceOp, input: &Arc<Expr>, axes: &Axes) -> Result<Arc<Expr>> {
    let shape = input.shape();
    let reduced = axes.of_shape(op.name(), &shape)?;
    let empty = shape.iter().zip(&reduced).any(|(&n, &reduced)| reduced && n == 0);
    if empty && op != ReduceOp::Sum {
        return Err(Error::EmptyReduction { operation: op.name(), shape: shape.to_vec() });
    }
    let kept = input.chunks.axes().iter().zip(&reduced).filter(|(_, reduced)| axes.keepdims || !**reduced);
    let chunks = Chunking::new(kept.map(|(chunks, &reduced)| if reduced { vec![1] } else { chunks.clone() }).collect())?;
    let kind = Kind::Reduce { op, axes: reduced.clone(), keepdims: axes.keepdims, input: Arc::clone(input) };
    let parameters = Tokenizer::new().text(&format!("{reduced:?} {}", axes.keepdims)).text(input.name.as_str()).finish();
    Ok(Expr::new(op.name(), parameters, op.result(input.dtype), chunks, kind))
}
