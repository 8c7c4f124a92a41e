//! Axes added, removed, reordered and reversed: other arrangements of the same elements, which cost nothing.

use std::sync::Arc;

use crate::array::Array;
use crate::engine::dtype::Element;
use crate::engine::expr::Expr;
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::axis_of;
use crate::shape::view::Item;

/// The positions of axes that are given once each.
pub(crate) fn axes_of(operation: &'static str, axes: &[isize], shape: &[usize]) -> Result<Vec<usize>> {
    let mut positions = Vec::with_capacity(axes.len());
    for &axis in axes {
        let position = axis_of(operation, axis, shape)?;
        if positions.contains(&position) {
            return Err(Error::AxisTwice { operation, axis: position, axes: axes.to_vec() });
        }
        positions.push(position);
    }
    Ok(positions)
}

/// Axes moved to other places, the others in their order.
pub(crate) fn moveaxis(operation: &'static str, expr: &Arc<Expr>, given: &[isize], wanted: &[isize]) -> Result<Arc<Expr>> {
    let shape = expr.shape();
    if given.len() != wanted.len() {
        return Err(Error::argument(operation, format!("from {given:?} to {wanted:?}: there is one place for each axis")));
    }
    let (from, to) = (axes_of(operation, given, &shape)?, axes_of(operation, wanted, &shape)?);
    let mut rest = (0..shape.len()).filter(|axis| !from.contains(axis));
    let axis = |place| match to.iter().position(|&to| to == place) {
        Some(i) => from[i],
        None => rest.next().expect("as many other axes as other places"),
    };
    let axes: Vec<usize> = (0..shape.len()).map(axis).collect();
    simplify::transpose(expr, &axes)
}

fn wholes(shape: &[usize]) -> Vec<Item> {
    shape.iter().map(|&length| Item::whole(length)).collect()
}

impl<T: Element> Array<T> {
    /// The array without its axes of length 1. Lazy.
    pub fn squeeze(&self) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let items = expr.shape().iter().map(|&length| if length == 1 { Item::Index(0) } else { Item::whole(length) }).collect();
            simplify::slice(&expr, items)
        })
    }

    /// The array without these axes, which have length 1; negative ones count from the end. Lazy.
    ///
    /// The result fails with an [`Error::Axis`] or [`Error::AxisTwice`], and with an [`Error::Argument`] if one is longer.
    pub fn squeeze_axis(&self, axes: impl AsRef<[isize]>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let mut items = wholes(&shape);
            for axis in axes_of("squeeze", axes.as_ref(), &shape)? {
                if shape[axis] != 1 {
                    return Err(Error::argument("squeeze", format!("axis {axis} of shape {:?} has not length 1", shape.as_slice())));
                }
                items[axis] = Item::Index(0);
            }
            simplify::slice(&expr, items)
        })
    }

    /// The array with new axes of length 1, which are these axes of the result; negative ones count from its end. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// let x = Array::<f64>::zeros([2, 3], 2)?;
    /// assert_eq!(x.expand_dims([0, -1]).shape(), [1, 2, 3, 1]);
    /// assert_eq!(x.expand_dims([0, -1]).squeeze().shape(), [2, 3]);
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    pub fn expand_dims(&self, axes: impl AsRef<[isize]>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let mut result = shape.clone();
            result.resize(shape.len() + axes.as_ref().len(), 1);
            let new = axes_of("expand_dims", axes.as_ref(), &result)?;
            let mut own = shape.iter();
            let item =
                |axis| if new.contains(&axis) { Item::NewAxis } else { Item::whole(*own.next().expect("the other axes are the array's")) };
            simplify::slice(&expr, (0..result.len()).map(item).collect())
        })
    }

    /// The array with two axes exchanged; negative ones count from the end. Lazy.
    pub fn swapaxes(&self, a: isize, b: isize) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let mut axes: Vec<usize> = (0..shape.len()).collect();
            axes.swap(axis_of("swapaxes", a, &shape)?, axis_of("swapaxes", b, &shape)?);
            simplify::transpose(&expr, &axes)
        })
    }

    /// The array with axes moved to other places, the others in their order. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// let x = Array::<f64>::zeros([2, 3, 4], 2)?;
    /// assert_eq!(x.moveaxis([0], [-1]).shape(), [3, 4, 2]);
    /// assert_eq!(x.moveaxis([0, 1], [-1, 0]).shape(), [3, 4, 2]);
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] if there are not as many places as axes.
    pub fn moveaxis(&self, from: impl AsRef<[isize]>, to: impl AsRef<[isize]>) -> Array<T> {
        Array::of(|| moveaxis("moveaxis", &self.expr()?, from.as_ref(), to.as_ref()))
    }

    /// The array with an axis moved to before the axis that is at `start`; the number of axes moves it to the end. Lazy. [`moveaxis`](Array::moveaxis) is easier to read.
    pub fn rollaxis(&self, axis: isize, start: isize) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let axis = axis_of("rollaxis", axis, &shape)?;
            let mut places = shape.clone();
            places.push(1);
            let start = if start < 0 { start + shape.len() as isize } else { start };
            let start = axis_of("rollaxis", if start < 0 { isize::MAX } else { start }, &places)?;
            let mut axes: Vec<usize> = (0..shape.len()).filter(|&other| other != axis).collect();
            axes.insert(if axis < start { start - 1 } else { start }, axis);
            simplify::transpose(&expr, &axes)
        })
    }

    /// The array with the order of its elements reversed along these axes; negative ones count from the end. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[0, 1], [2, 3]]), 1)?;
    /// assert_eq!(x.flip([0]).compute()?, ndarray::arr2(&[[2, 3], [0, 1]]).into_dyn());
    /// assert_eq!(x.flip([0, 1]).compute()?, ndarray::arr2(&[[3, 2], [1, 0]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flip(&self, axes: impl AsRef<[isize]>) -> Array<T> {
        self.flipped("flip", axes.as_ref())
    }

    fn flipped(&self, operation: &'static str, axes: &[isize]) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let mut items = wholes(&shape);
            for axis in axes_of(operation, axes, &shape)? {
                if shape[axis] > 0 {
                    items[axis] = Item::Range { start: shape[axis] - 1, step: -1, length: shape[axis] };
                }
            }
            simplify::slice(&expr, items)
        })
    }

    /// The array upside down: reversed along axis 0. Lazy.
    pub fn flipud(&self) -> Array<T> {
        self.flipped("flipud", &[0])
    }

    /// The array with left and right exchanged: reversed along axis 1. Lazy.
    pub fn fliplr(&self) -> Array<T> {
        self.flipped("fliplr", &[1])
    }

    /// The array turned by `k` right angles in the plane of two axes, from the first towards the second. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[0, 1], [2, 3]]), 1)?;
    /// assert_eq!(x.rot90(1, [0, 1]).compute()?, ndarray::arr2(&[[1, 3], [0, 2]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rot90(&self, k: isize, axes: [isize; 2]) -> Array<T> {
        let turned = match k.rem_euclid(4) {
            0 => self.clone(),
            1 => self.flipped("rot90", &axes[1..]).swapaxes(axes[0], axes[1]),
            2 => self.flipped("rot90", &axes),
            _ => self.swapaxes(axes[0], axes[1]).flipped("rot90", &axes[1..]),
        };
        Array::of(|| {
            axes_of("rot90", &axes, &self.expr()?.shape())?;
            turned.expr()
        })
    }

    /// The array with at least one axis. Lazy.
    pub fn atleast_1d(&self) -> Array<T> {
        if self.ndim() == 0 { self.expand_dims([0]) } else { self.clone() }
    }

    /// The array with at least two axes; new ones are on the left. Lazy.
    pub fn atleast_2d(&self) -> Array<T> {
        match self.ndim() {
            0 => self.expand_dims([0, 1]),
            1 => self.expand_dims([0]),
            _ => self.clone(),
        }
    }

    /// The array with at least three axes, as NumPy's: `(n)` becomes `(1, n, 1)`, `(m, n)` becomes `(m, n, 1)`. Lazy.
    pub fn atleast_3d(&self) -> Array<T> {
        match self.ndim() {
            0 => self.expand_dims([0, 1, 2]),
            1 => self.expand_dims([0, 2]),
            2 => self.expand_dims([2]),
            _ => self.clone(),
        }
    }
}
