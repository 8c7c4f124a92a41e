//! Arrays put next to, onto and into each other: what [`concatenate`](crate::concatenate) does under other names.

use crate::array::Array;
use crate::engine::dtype::Element;
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::indexing::take::position_of;
use crate::reductions::reduce::axis_of;
use crate::shape::concatenate::{concatenate, stack};
use crate::shape::view::Item;

/// Arrays joined along one axis after `raise` gave them enough of them.
fn raised<T: Element>(operation: &'static str, arrays: &[&Array<T>], axis: isize, raise: impl Fn(&Array<T>) -> Array<T>) -> Array<T> {
    if arrays.is_empty() {
        return Array::of(|| Err(Error::argument(operation, "needs at least one array")));
    }
    let raised: Vec<Array<T>> = arrays.iter().map(|array| raise(array)).collect();
    concatenate(&raised.iter().collect::<Vec<_>>(), axis)
}

/// Arrays on top of each other: joined along axis 0, arrays of one axis as rows. Lazy.
///
/// ```
/// use arras_array::{Array, hstack, vstack};
/// use arras_scheduler::Compute;
/// let (a, b) = (Array::arange(0, 2, 1, 2)?, Array::arange(2, 4, 1, 2)?);
/// assert_eq!(vstack(&[&a, &b]).compute()?, ndarray::arr2(&[[0, 1], [2, 3]]).into_dyn());
/// assert_eq!(hstack(&[&a, &b]).compute()?, ndarray::arr1(&[0, 1, 2, 3]).into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The result fails as that of [`concatenate`](crate::concatenate) does.
pub fn vstack<T: Element>(arrays: &[&Array<T>]) -> Array<T> {
    raised("vstack", arrays, 0, Array::atleast_2d)
}

/// Arrays side by side: joined along axis 1, arrays of one axis along that. Lazy.
///
/// The result fails as that of [`concatenate`](crate::concatenate) does.
pub fn hstack<T: Element>(arrays: &[&Array<T>]) -> Array<T> {
    let one_axis = arrays.first().is_some_and(|array| array.ndim() <= 1);
    raised("hstack", arrays, if one_axis { 0 } else { 1 }, Array::atleast_1d)
}

/// Arrays behind each other: joined along axis 2, with as many axes as [`Array::atleast_3d`] gives them. Lazy.
///
/// The result fails as that of [`concatenate`](crate::concatenate) does.
pub fn dstack<T: Element>(arrays: &[&Array<T>]) -> Array<T> {
    raised("dstack", arrays, 2, Array::atleast_3d)
}

/// Arrays put together from rows of blocks: the arrays of a row are joined along the last axis, the rows along the one before it. Lazy.
///
/// ```
/// use arras_array::{Array, block};
/// use arras_scheduler::Compute;
/// let (one, zero) = (Array::<i32>::eye(2, 2, 0, 2)?, Array::<i32>::zeros([2, 1], 2)?);
/// let both = block(&[&[&one, &zero], &[&zero, &one]]);
/// assert_eq!(both.compute()?, ndarray::arr2(&[[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]).into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Arrays of fewer than two axes are rows. The result fails as that of [`concatenate`](crate::concatenate) does.
pub fn block<T: Element>(rows: &[&[&Array<T>]]) -> Array<T> {
    let rows: Vec<Array<T>> = rows.iter().map(|row| raised("block", row, -1, Array::atleast_2d)).collect();
    raised("block", &rows.iter().collect::<Vec<_>>(), -2, Array::clone)
}

/// Arrays of one axis as the columns of an array of two, arrays of two axes side by side. Lazy.
///
/// The result fails as that of [`concatenate`](crate::concatenate) does.
pub fn column_stack<T: Element>(arrays: &[&Array<T>]) -> Array<T> {
    if arrays.iter().all(|array| array.ndim() == 1) && !arrays.is_empty() {
        return stack(arrays, 1);
    }
    raised("column_stack", arrays, 1, |array| if array.ndim() < 2 { array.atleast_1d().expand_dims([1]) } else { array.clone() })
}

impl<T: Element> Array<T> {
    /// The array followed by another along an axis. Lazy. As [`concatenate`](crate::concatenate) of both.
    pub fn append(&self, values: &Array<T>, axis: isize) -> Array<T> {
        concatenate(&[self, values], axis)
    }

    /// The array with other elements inserted along an axis, before the element at an index; the axis' length puts them at the end, and a negative index counts from it.
    /// Lazy.
    ///
    /// `values` has the array's shape but along the axis, or broadcasts to one element along it.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(0, 4, 1, 2)?;
    /// let y = x.insert(1, &Array::arange(7, 9, 1, 2)?, 0);
    /// assert_eq!(y.compute()?, ndarray::array![0, 7, 8, 1, 2, 3].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`], and with an [`Error::Argument`] for an index beyond the axis or values of a shape that does not fit.
    pub fn insert(&self, index: isize, values: &Array<T>, axis: isize) -> Array<T> {
        self.insert_at([index], values, axis)
    }

    /// The array with elements inserted along an axis: element `i` of `values` before the element that is at index `i` in the array as it was. Negative indices count from the
    /// end. With one index, all values go there. Lazy.
    ///
    /// The result fails as that of [`insert`](Array::insert) does.
    pub fn insert_at(&self, indices: impl AsRef<[isize]>, values: &Array<T>, axis: isize) -> Array<T> {
        Array::of(|| {
            let (expr, values) = (self.expr()?, values.expr()?);
            let shape = expr.shape();
            let axis = axis_of("insert", axis, &shape)?;
            let indices = indices.as_ref();
            let length = shape[axis];
            let position = |&index: &isize| if index == length as isize { Ok(length) } else { position_of("insert", index, axis, length) };
            let mut places = indices
                .iter()
                .map(position)
                .collect::<Result<Vec<usize>>>()?
                .into_iter()
                .enumerate()
                .map(|(i, at)| (at, i))
                .collect::<Vec<_>>();
            if places.is_empty() {
                return Ok(expr);
            }
            // The values as pieces of the array's shape but along the axis: one for all, or one for each index.
            let mut fitting = shape.clone();
            let own = values.shape();
            let along = if own.len() == shape.len() { own[axis] } else { 1 };
            fitting[axis] = if places.len() == 1 { along } else { places.len() };
            let fitted = Array::<T>::of(|| Ok(values.clone())).broadcast_to(fitting.as_slice());
            let fitted = fitted.expr().map_err(|_| {
                Error::argument(
                    "insert",
                    format!("values of shape {:?} do not fit where shape {:?} is wanted", own.as_slice(), fitting.as_slice()),
                )
            })?;
            places.sort();
            let part = |from: &std::sync::Arc<crate::engine::expr::Expr>, range: std::ops::Range<usize>| {
                let mut items: Vec<Item> = from.shape().iter().map(|&n| Item::whole(n)).collect();
                items[axis] = Item::Range { start: range.start, step: 1, length: range.len() };
                simplify::slice(from, items)
            };
            let (mut parts, mut done) = (Vec::new(), 0);
            for &(at, i) in &places {
                if at > done {
                    parts.push(part(&expr, done..at)?);
                }
                parts.push(if places.len() == 1 { fitted.clone() } else { part(&fitted, i..i + 1)? });
                done = at;
            }
            if done < length || parts.is_empty() {
                parts.push(part(&expr, done..length)?);
            }
            crate::shape::concatenate::join("insert", &parts, axis)
        })
    }
}
