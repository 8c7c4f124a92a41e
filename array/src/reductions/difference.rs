//! Differences of neighbours: `diff`, `ediff1d`, `gradient`.

use std::sync::Arc;

use crate::array::{Array, Operand};
use crate::creation::iota::{Iota, iota};
use crate::elementwise::operations::Operation;
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{Element, Float, Number};
use crate::engine::expr::{Expr, elementwise};
use crate::engine::gather::{Run, gather_axis};
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::axis_of;
use crate::shape::concatenate::concatenate;
use crate::shape::view::Item;

/// The array without its first `from` elements along an axis, and no more than `length` of them, in the chunks of `like`, if given.
fn shifted(input: &Arc<Expr>, axis: usize, from: usize, length: usize, like: Option<&Chunking>) -> Result<Arc<Expr>> {
    let mut items: Vec<Item> = input.shape().iter().map(|&n| Item::whole(n)).collect();
    items[axis] = Item::Range { start: if length == 0 { 0 } else { from }, step: 1, length };
    let part = simplify::slice(input, items)?;
    // Cut alike, neighbours are subtracted block by block; cut where both are, most blocks would hold one element.
    like.map_or_else(|| Ok(Arc::clone(&part)), |like| simplify::rechunk(&part, like.clone()))
}

impl<T: Number> Array<T> {
    /// The differences of neighbours along an axis, `n` times over: `(.., m, ..)` in, `(.., m - n, ..)` out, at least 0. Integers wrap. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1, 4, 9, 16], 2)?;
    /// assert_eq!(x.diff(1, 0).compute()?, ndarray::array![3, 5, 7].into_dyn());
    /// assert_eq!(x.diff(2, -1).compute()?, ndarray::array![2, 2].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`] if there is no such axis.
    pub fn diff(&self, n: usize, axis: isize) -> Array<T> {
        Array::of(|| {
            let mut expr = self.expr()?;
            let axis = axis_of("diff", axis, &expr.shape())?;
            for _ in 0..n {
                let length = expr.shape()[axis].saturating_sub(1);
                let left = shifted(&expr, axis, 0, length, None)?;
                let right = shifted(&expr, axis, 1, length, Some(&left.chunks))?;
                expr = elementwise(Operation::Subtract, vec![Operand::Expr(right), Operand::Expr(left)])?;
                if length == 0 {
                    break;
                }
            }
            Ok(expr)
        })
    }

    /// The differences of neighbours in row-major order, between what is to stand before and after them: one axis. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1, 4, 9], 2)?;
    /// assert_eq!(x.ediff1d(&[0], &[-1, -2]).compute()?, ndarray::array![0, 3, 5, -1, -2].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ediff1d(&self, before: &[T], after: &[T]) -> Array<T> {
        let ends = |values: &[T]| match Array::from_ndarray(ndarray::Array1::from(values.to_vec()), usize::MAX) {
            Ok(array) => array,
            Err(error) => Array::of(|| Err(error)),
        };
        let mut parts = vec![self.ravel().diff(1, 0)];
        if !before.is_empty() {
            parts.insert(0, ends(before));
        }
        if !after.is_empty() {
            parts.push(ends(after));
        }
        concatenate(&parts.iter().collect::<Vec<_>>(), 0)
    }
}

impl<T: Element> Array<T>
where
    T::Mean: Float,
{
    /// The slope along an axis, for elements `spacing` apart: half the difference of both neighbours, at the edges the difference to the one there is. Shape stays; integers
    /// become `f64`. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1.0, 4.0, 9.0, 16.0], 2)?;
    /// assert_eq!(x.gradient(1.0, 0).compute()?, ndarray::array![3.0, 4.0, 6.0, 7.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`], and with an [`Error::Argument`] for fewer than two elements along the axis.
    pub fn gradient(&self, spacing: f64, axis: isize) -> Array<T::Mean> {
        Array::of(|| {
            let expr = self.cast::<T::Mean>().expr()?;
            let shape = expr.shape();
            let axis = axis_of("gradient", axis, &shape)?;
            let length = shape[axis];
            if length < 2 {
                let why = format!("axis {axis} of shape {:?} has fewer than two elements", shape.as_slice());
                return Err(Error::argument("gradient", why));
            }
            // The neighbours on either side; at an edge the element is its own.
            let own = expr.chunks.axes()[axis].clone();
            let left = gather_axis("gradient", &expr, axis, vec![Run::repeated(0, 1), Run::range(0..length - 1)], own.clone())?;
            let right = gather_axis("gradient", &expr, axis, vec![Run::range(1..length), Run::repeated(length - 1, 1)], own.clone())?;
            let mut axes = vec![vec![1]; shape.len()];
            axes[axis] = own;
            let positions = Array::<i64>::of(|| Ok(iota(Iota::along(axis, shape.len()), Chunking::new(axes)?)));
            let at_edge = (positions.eq(0).cast::<T::Mean>()).add(positions.eq(length as i64 - 1).cast::<T::Mean>());
            let spacing = T::Mean::cast_from(spacing);
            let distance = Array::of(|| Ok(simplify::full(spacing.plus(spacing).into_scalar(), at_edge.expr()?.chunks.clone())));
            let distance: Array<T::Mean> = distance.subtract(at_edge.multiply(spacing));
            let difference = elementwise(Operation::Subtract, vec![Operand::Expr(right), Operand::Expr(left)])?;
            elementwise(Operation::Divide, vec![Operand::Expr(difference), Operand::Expr(distance.expr()?)])
        })
    }
}
