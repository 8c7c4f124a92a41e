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

/// How far apart elements are: all as far, or each at a place of its own, 1-d of the axis' length.
#[derive(Debug, Clone)]
pub enum Spacing {
    /// This far.
    Even(f64),
    /// At these places.
    At(Array<f64>),
}

impl From<f64> for Spacing {
    fn from(distance: f64) -> Spacing {
        Spacing::Even(distance)
    }
}

impl From<&Array<f64>> for Spacing {
    fn from(places: &Array<f64>) -> Spacing {
        Spacing::At(places.clone())
    }
}

impl<T: Element> Array<T>
where
    T::Mean: Float,
{
    /// The slope along an axis as [`gradient`](Array::gradient), for elements at places of their own too, and with an `edge_order` of 1 or 2: by one difference at the edges, or by a
    /// parabola through three elements. Within the axis it is exact to the second order whatever the places.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let places = Array::from_ndarray(ndarray::array![0.0, 1.0, 3.0, 4.0], 2)?;
    /// let slope = places.square().gradient_with(&places, 0, 2);
    /// assert!((slope - 2.0 * &places).abs().max().item().compute()? < 1e-12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`], and with an [`Error::Argument`] for another `edge_order`, no more elements than that, and places that are not one for each.
    pub fn gradient_with(&self, spacing: impl Into<Spacing>, axis: isize, edge_order: usize) -> Array<T::Mean> {
        Array::of(|| {
            let x: Array<T::Mean> = self.cast();
            let expr = x.expr()?;
            let shape = expr.shape();
            let axis = axis_of("gradient", axis, &shape)?;
            let n = shape[axis];
            if !(1..=2).contains(&edge_order) {
                return Err(Error::argument("gradient", format!("edge_order {edge_order} is neither 1 nor 2")));
            }
            if n <= edge_order {
                let why = format!("axis {axis} of shape {:?} has no more than {edge_order} elements", shape.as_slice());
                return Err(Error::argument("gradient", why));
            }
            let own = expr.chunks.axes()[axis].clone();
            let spacing = spacing.into();
            let even = if let Spacing::Even(distance) = spacing { Some(distance) } else { None };
            let distances = match spacing {
                Spacing::Even(distance) => Array::<f64>::full(n - 1, distance, crate::Chunks::one())?,
                Spacing::At(places) if places.expr()?.shape().as_slice() == [n] => {
                    places.rechunk(crate::Chunks::explicit([own.clone()])).diff(1, 0)
                }
                Spacing::At(places) => {
                    let why = format!("places of shape {:?} for an axis of {n} elements", places.shape());
                    return Err(Error::argument("gradient", why));
                }
            };
            // Distances along the axis, in the type of the result.
            let wide = shape.len();
            let along = |from: usize, length: usize| -> Result<Array<T::Mean>> {
                let part = shifted(&distances.expr()?, 0, from, length, None)?;
                let items = (0..wide).map(|i| if i == axis { Item::whole(length) } else { Item::NewAxis }).collect();
                let part = simplify::slice(&part, items)?;
                Ok(Array::<f64>::of(|| Ok(part)).cast())
            };
            let element = |from: usize, length: usize, like: Option<&Chunking>| -> Result<Array<T::Mean>> {
                let part = shifted(&expr, axis, from, length, like)?;
                Ok(Array::of(|| Ok(part)))
            };
            let mut parts = vec![edge(&element, &along, n, edge_order, false)?];
            if n > 2 {
                let middle = element(1, n - 2, None)?;
                let like = middle.expr()?.chunks.clone();
                let (before, after) = (element(0, n - 2, Some(&like))?, element(2, n - 2, Some(&like))?);
                parts.push(match even {
                    Some(distance) => after.subtract(before).divide(T::Mean::cast_from(2.0 * distance)),
                    None => {
                        let (left, right) = (along(0, n - 2)?, along(1, n - 2)?);
                        let both = left.add(&right);
                        // Weights of the three neighbours.
                        let a = right.divide(left.multiply(&both)).negative();
                        let b = right.subtract(&left).divide(left.multiply(&right));
                        let c = left.divide(right.multiply(&both));
                        a.multiply(before).add(b.multiply(middle)).add(c.multiply(after))
                    }
                });
            }
            parts.push(edge(&element, &along, n, edge_order, true)?);
            let joined = concatenate(&parts.iter().collect::<Vec<_>>(), axis as isize).expr()?;
            let mut chunks = joined.chunks.axes().to_vec();
            chunks[axis] = own;
            simplify::rechunk(&joined, Chunking::new(chunks)?)
        })
    }

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

/// The slope at the first or the last element.
#[allow(clippy::type_complexity)]
fn edge<R: Float>(
    element: &dyn Fn(usize, usize, Option<&Chunking>) -> Result<Array<R>>,
    along: &dyn Fn(usize, usize) -> Result<Array<R>>,
    n: usize,
    order: usize,
    is_last: bool,
) -> Result<Array<R>> {
    if order == 1 {
        let from = if is_last { n - 2 } else { 0 };
        return Ok(element(from + 1, 1, None)?.subtract(element(from, 1, None)?).divide(along(from, 1)?));
    }
    // The edge, the next and the one after; their distances change sign when they are counted backwards.
    let at = |i: usize| element(if is_last { n - 1 - i } else { i }, 1, None);
    let (near, far) = if is_last { (along(n - 2, 1)?.negative(), along(n - 3, 1)?.negative()) } else { (along(0, 1)?, along(1, 1)?) };
    let both = near.add(&far);
    let a = near.add(&both).divide(near.multiply(&both)).negative();
    let b = both.divide(near.multiply(&far));
    let c = near.divide(far.multiply(&both)).negative();
    Ok(a.multiply(at(0)?).add(b.multiply(at(1)?)).add(c.multiply(at(2)?)))
}
