//! Arrays made of positions: `arange`, `linspace`, `eye`, `tri`, `indices`, `meshgrid`, functions of the index. All but the closures of an element are operations on
//! [iotas](crate::iota): they take no block of their own, and fuse with what uses them.

use ndarray::{Dimension, IntoDimension};

use crate::array::{Array, Operand};
use crate::creation::iota::{Iota, iota};
use crate::elementwise::operations::Operation;
use crate::engine::chunks::{Chunking, Chunks};
use crate::engine::dtype::{DType, Element, Float, Real};
use crate::engine::expr::elementwise;
use crate::error::{Error, Result};
use crate::shape::concatenate::stack;

/// The positions along each axis of a shape.
fn positions(chunks: &Chunking) -> Vec<Array<i64>> {
    let along = |axis| Array::of(|| Ok(iota(Iota::along(axis, chunks.ndim()), chunks.clone())));
    (0..chunks.ndim()).map(along).collect()
}

impl<T: Real> Array<T> {
    /// The numbers from `start` up to `stop`, which is left out, `step` apart; down to it for a negative step: `(n)`. Lazy.
    ///
    /// There are `ceil((stop - start) / step)`, none if that is negative; element `i` is `start + i · step` in the array's type.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// assert_eq!(Array::arange(0, 10, 3, 2)?.compute()?, ndarray::arr1(&[0, 3, 6, 9]).into_dyn());
    /// assert_eq!(Array::<f64>::arange(1.0, 0.0, -0.25, 2)?.sum().item().compute()?, 2.5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] for a step of 0, or limits that are no numbers; what is wrong with the chunks.
    pub fn arange(start: T, stop: T, step: T, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        let wrong = |why: &str| Error::argument("arange", format!("from {start} to {stop} in steps of {step}: {why}"));
        if step == T::default() {
            return Err(wrong("a step is not 0"));
        }
        let length = match T::DTYPE {
            DType::F32 | DType::F64 => {
                let length = ((stop.to_f64() - start.to_f64()) / step.to_f64()).ceil();
                if !length.is_finite() {
                    return Err(wrong("limits and steps are finite"));
                }
                length.max(0.0) as usize
            }
            dtype => {
                let wide = |x: T| if dtype == DType::U64 { i128::from(x.to_u64()) } else { i128::from(x.to_i64()) };
                let (start, stop, step) = (wide(start), wide(stop), wide(step));
                let span = if step > 0 { stop - start } else { start - stop };
                usize::try_from((span.max(0) + step.abs() - 1) / step.abs()).unwrap_or(usize::MAX)
            }
        };
        let chunks = chunks.into().of_dtype(&[length], T::DTYPE, None)?;
        Ok(match T::DTYPE {
            DType::F32 | DType::F64 => {
                // As NumPy has it: what the first step comes to in the array's type is every step.
                let step = start.plus(step).minus(start);
                let counted = positions(&chunks).remove(0).cast::<T>();
                counted.multiply(step).add(start)
            }
            _ => {
                let positions = Iota { start: start.to_i64(), strides: smallvec::smallvec![step.to_i64()] };
                Array::<i64>::of(|| Ok(iota(positions, chunks))).cast()
            }
        })
    }
}

impl<T: Float> Array<T> {
    /// `n` numbers from `start` to `stop`, both included, equally far apart: `(n)`. Lazy. They are calculated in `f64`; the last is `stop` itself.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// assert_eq!(Array::linspace(0.0, 1.0, 5, 2)?.compute()?, ndarray::arr1(&[0.0, 0.25, 0.5, 0.75, 1.0]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] if a limit is not finite; what is wrong with the chunks.
    pub fn linspace(start: T, stop: T, n: usize, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        Ok(Array::linspace_with(start, stop, n, true, chunks)?.0)
    }

    /// As [`linspace`](Array::linspace), with `stop` left out if it is not to be the `endpoint`, and with the distance of the numbers: NaN if there is none.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let (x, step) = Array::linspace_with(0.0, 1.0, 4, false, 2)?;
    /// assert_eq!((x.compute()?, step), (ndarray::arr1(&[0.0, 0.25, 0.5, 0.75]).into_dyn(), 0.25));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`linspace`](Array::linspace).
    pub fn linspace_with(start: T, stop: T, n: usize, endpoint: bool, chunks: impl Into<Chunks>) -> Result<(Array<T>, T)> {
        let (first, last) = (start.to_f64(), stop.to_f64());
        if !(last - first).is_finite() {
            return Err(Error::argument("linspace", format!("from {start} to {stop}: the limits, and what is between them, are finite")));
        }
        let chunks = chunks.into().of_dtype(&[n], T::DTYPE, None)?;
        let counted = positions(&chunks).remove(0);
        let steps = if endpoint { n.saturating_sub(1) } else { n };
        if steps == 0 {
            return Ok((counted.cast::<f64>().multiply(0.0).add(first).cast(), T::cast_from(f64::NAN)));
        }
        let step = (last - first) / steps as f64;
        let x = counted.cast::<f64>();
        let x = if step == 0.0 { x.divide(steps as f64).multiply(last - first) } else { x.multiply(step) };
        let x = x.add(first);
        if !endpoint {
            return Ok((x.cast(), T::cast_from(step)));
        }
        // The last one is multiplied by 0 and `stop` added, all others by 1 and 0 added.
        let is_last = counted.eq(n as i64 - 1).cast::<f64>();
        Ok(((x * (1.0 - &is_last) + is_last * last).cast(), T::cast_from(step)))
    }
}

impl<T: Element> Array<T> {
    /// Ones on a diagonal, zeros elsewhere: `(rows, columns)`. Diagonal 0 is the main one, `k` is `k` columns to its right. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// assert_eq!(Array::<i32>::eye(2, 3, 1, 2)?.compute()?, ndarray::arr2(&[[0, 1, 0], [0, 0, 1]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn eye(rows: usize, columns: usize, k: isize, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        let chunks = chunks.into().of_dtype(&[rows, columns], T::DTYPE, None)?;
        Ok(band(&chunks, Operation::Equal, k).cast())
    }

    /// Ones on a diagonal and below, zeros above: `(rows, columns)`. Diagonals as in [`eye`](Array::eye). Lazy.
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn tri(rows: usize, columns: usize, k: isize, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        let chunks = chunks.into().of_dtype(&[rows, columns], T::DTYPE, None)?;
        Ok(band(&chunks, Operation::LessEqual, k).cast())
    }

    /// An array of this one's shape and chunks that holds one value everywhere. Lazy.
    pub fn full_like(&self, value: T) -> Array<T> {
        Array::of(|| Ok(crate::engine::simplify::full(value.into_scalar(), self.expr()?.chunks.clone())))
    }

    /// An array of this one's shape and chunks, of zeros or `false`. Lazy.
    pub fn zeros_like(&self) -> Array<T> {
        self.full_like(T::default())
    }

    /// An array of this one's shape and chunks, of ones or `true`. Lazy.
    pub fn ones_like(&self) -> Array<T> {
        self.full_like(T::cast_from(1u8))
    }

    /// An array of any elements: of zeros, as memory is never read before it is written. For code that comes from NumPy.
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn empty(shape: impl IntoDimension, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        Array::zeros(shape, chunks)
    }

    /// [`empty`](Array::empty) with this array's shape and chunks.
    pub fn empty_like(&self) -> Array<T> {
        self.zeros_like()
    }
}

/// Where column and row, along the last two axes, compare so: `column operation row + k`.
pub(crate) fn band(chunks: &Chunking, operation: Operation, k: isize) -> Array<bool> {
    let n = chunks.ndim();
    Array::of(|| {
        let columns = iota(Iota::along(n - 1, n), chunks.clone());
        let rows = iota(Iota { start: k as i64, ..Iota::along(n - 2, n) }, chunks.clone());
        elementwise(operation, vec![Operand::Expr(columns), Operand::Expr(rows)])
    })
}

/// The position along each axis, for every element of a shape `(n1, .., nk)`: `(k, n1, .., nk)`. Lazy. The chunks are those of the shape.
///
/// ```
/// use arras_array::indices;
/// use arras_scheduler::Compute;
/// let grid = indices([2, 3], 2)?;
/// assert_eq!(grid.slice(arras_array::s![1, .., ..]).compute()?, ndarray::arr2(&[[0, 1, 2], [0, 1, 2]]).into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Argument`] for a shape of no axes; what is wrong with the chunks.
pub fn indices(shape: impl IntoDimension, chunks: impl Into<Chunks>) -> Result<Array<i64>> {
    let shape = shape.into_dimension();
    let chunks = chunks.into().of_dtype(shape.slice(), DType::I64, None)?;
    if chunks.ndim() == 0 {
        return Err(Error::argument("indices", "a shape of no axes has no positions"));
    }
    let positions = positions(&chunks);
    let all = stack(&positions.iter().collect::<Vec<_>>(), 0);
    all.check()?;
    Ok(all)
}

/// What a function makes of the positions along each axis: it is called once, with an array for each axis, and its operations are the result's. Lazy.
///
/// For a function of single elements there is [`Array::from_shape_fn`].
///
/// ```
/// use arras_array::{Array, fromfunction};
/// use arras_scheduler::Compute;
/// let table = fromfunction([3, 3], 2, |index| (&index[0] + 1) * (&index[1] + 1))?;
/// assert_eq!(table.compute()?, ndarray::arr2(&[[1, 2, 3], [2, 4, 6], [3, 6, 9]]).into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// What is wrong with the chunks, or with the array that the function returns.
pub fn fromfunction<R: Element>(
    shape: impl IntoDimension,
    chunks: impl Into<Chunks>,
    function: impl FnOnce(&[Array<i64>]) -> Array<R>,
) -> Result<Array<R>> {
    let shape = shape.into_dimension();
    let chunks = chunks.into().of_dtype(shape.slice(), DType::I64, None)?;
    let result = function(&positions(&chunks));
    result.check()?;
    Ok(result)
}

/// The order of the axes that [`meshgrid`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Indexing {
    /// As on paper: the first array runs along axis 1, the second along axis 0, the others in their order. NumPy's default.
    #[default]
    Xy,
    /// As matrices: array `i` runs along axis `i`.
    Ij,
}

/// Coordinate arrays of a grid: each one-dimensional array along an axis of its own, repeated along all others. Lazy.
///
/// ```
/// use arras_array::{Array, Indexing, meshgrid};
/// let (x, y) = (Array::arange(0, 3, 1, 2)?, Array::arange(0, 2, 1, 2)?);
/// let grid = meshgrid(&[&x, &y], Indexing::Xy)?;
/// assert_eq!((grid[0].shape(), grid[1].shape()), (vec![2, 3], vec![2, 3]));
/// # Ok::<(), arras_array::Error>(())
/// ```
///
/// # Errors
/// [`Error::Argument`] if an array has not exactly one axis.
pub fn meshgrid<T: Element>(arrays: &[&Array<T>], indexing: Indexing) -> Result<Vec<Array<T>>> {
    let n = arrays.len();
    let place = |i: usize| if indexing == Indexing::Xy && n > 1 && i < 2 { 1 - i } else { i };
    let mut axes = vec![Vec::new(); n];
    for (i, array) in arrays.iter().enumerate() {
        let expr = array.expr()?;
        let [chunks] = expr.chunks.axes() else {
            return Err(Error::argument("meshgrid", format!("array {i} has shape {:?}: arrays of one axis are wanted", array.shape())));
        };
        axes[place(i)].clone_from(chunks);
    }
    let chunks = Chunking::new(axes)?;
    let along = |(i, array): (usize, &&Array<T>)| {
        let mut items = vec![crate::shape::view::Item::NewAxis; n];
        items[place(i)] = crate::shape::view::Item::whole(array.size());
        let spread = crate::engine::simplify::slice(&array.expr()?, items)?;
        let spread = crate::shape::broadcast::to_chunks(&spread, &chunks)?;
        Ok(Array::of(|| Ok(spread)))
    };
    arrays.iter().enumerate().map(along).collect()
}
