//! Diagonals and triangles.

use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Value};
use ndarray::{ArcArray, Axis, IxDyn, Slice};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::creation::arrays::band;
use crate::elementwise::choose::choose_by;
use crate::elementwise::operations::Operation;
use crate::engine::block::{Block, View};
use crate::engine::blockwise::{BlockOp, node, node_layer};
use crate::engine::chunks::{Chunking, refine};
use crate::engine::dtype::Element;
use crate::engine::expr::Expr;
use crate::engine::gather::{Run, gather_axis, zero};
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::axis_of;
use crate::shape::view::Item;

impl<T: Element> Array<T> {
    /// The elements on a diagonal of two axes, which become the last axis: diagonal 0 is the main one, `k` starts at index `k` of the second axis, `-k` at index `k` of the
    /// first. Lazy; reads the blocks that the diagonal crosses.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[0, 1, 2], [3, 4, 5]]), 2)?;
    /// assert_eq!(x.diagonal(0, 0, 1).compute()?, ndarray::array![0, 4].into_dyn());
    /// assert_eq!(x.diagonal(1, 0, 1).compute()?, ndarray::array![1, 5].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`], or an [`Error::AxisTwice`] if both axes are one.
    pub fn diagonal(&self, k: isize, axis1: isize, axis2: isize) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let (first, second) = (axis_of("diagonal", axis1, &shape)?, axis_of("diagonal", axis2, &shape)?);
            if first == second {
                return Err(Error::AxisTwice { operation: "diagonal", axis: first, axes: vec![axis1, axis2] });
            }
            let mut axes: Vec<usize> = (0..shape.len()).filter(|&axis| axis != first && axis != second).collect();
            axes.extend([first, second]);
            let expr = simplify::transpose(&expr, &axes)?;
            // The part of both axes that the diagonal goes through, from corner to corner.
            let (rows, columns) = (shape[first], shape[second]);
            let (row, column) = if k < 0 { (k.unsigned_abs(), 0) } else { (0, k as usize) };
            let length = rows.saturating_sub(row).min(columns.saturating_sub(column));
            let mut items: Vec<Item> = expr.shape().iter().map(|&n| Item::whole(n)).collect();
            let n = items.len();
            items[n - 2] = Item::Range { start: if length == 0 { 0 } else { row }, step: 1, length };
            items[n - 1] = Item::Range { start: if length == 0 { 0 } else { column }, step: 1, length };
            let square = simplify::slice(&expr, items)?;
            let mut axes = square.chunks.axes().to_vec();
            let (columns, rows) = (axes.pop().expect("the second axis"), axes.pop().expect("the first axis"));
            axes.push(refine(&rows, &columns));
            Ok(node("diagonal", square.dtype, Chunking::new(axes)?, Diagonal, &[square]))
        })
    }

    /// The sums along diagonals, which [`diagonal`](Array::diagonal) shows: of the shape without the two axes, in `i64` or `u64` for integers and `bool`. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1i64, 2, 3], [4, 5, 6]]), 2)?;
    /// assert_eq!(x.trace(0, 0, 1).item().compute()?, 6);
    /// assert_eq!(x.trace(1, 0, 1).item().compute()?, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails as that of [`diagonal`](Array::diagonal).
    pub fn trace(&self, k: isize, axis1: isize, axis2: isize) -> Array<T::Sum> {
        self.diagonal(k, axis1, axis2).sum_axis(-1)
    }

    /// Of an array of one axis, a square one with it on a diagonal and zeros elsewhere; of one with two axes, its [`diagonal`](Array::diagonal). Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1, 2], 2)?;
    /// assert_eq!(x.diag(1).compute()?, ndarray::arr2(&[[0, 1, 0], [0, 0, 2], [0, 0, 0]]).into_dyn());
    /// assert_eq!(x.diag(1).diag(1).compute()?, ndarray::array![1, 2].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for another number of axes.
    pub fn diag(&self, k: isize) -> Array<T> {
        match self.ndim() {
            1 => Array::of(|| {
                let expr = self.expr()?;
                let length = expr.shape()[0];
                let over = k.unsigned_abs();
                if length.checked_add(over).is_none() {
                    return Err(Error::argument("diag", format!("diagonal {k} is further than can be addressed")));
                }
                // The elements as a row, one above its place in each column.
                let own = &expr.chunks.axes()[0];
                let mut chunks = own.clone();
                let mut runs = vec![Run::range(0..length)];
                if over > 0 {
                    let size = own.iter().copied().max().unwrap_or(1).max(1);
                    let margin = crate::engine::chunks::even(over, size);
                    (runs, chunks) = if k > 0 {
                        (vec![Run::Fill(over), runs[0]], [margin, chunks].concat())
                    } else {
                        (vec![runs[0], Run::Fill(over)], [chunks, margin].concat())
                    };
                    chunks.retain(|&n| n > 0);
                }
                let row = if over > 0 { gather_axis("diag", &expr, 0, runs, chunks.clone())? } else { expr };
                let row = simplify::slice(&row, vec![Item::NewAxis, Item::whole(length + over)])?;
                let square = Chunking::new(vec![chunks.clone(), chunks])?;
                let zeros = simplify::full(zero(T::DTYPE), Chunking::new(Vec::new())?);
                choose_by(band(&square, Operation::Equal, k).expr()?, row, zeros)
            }),
            2 => self.diagonal(k, 0, 1),
            _ => Array::of(|| {
                Err(Error::argument("diag", format!("shape {:?} has neither one axis nor two", self.expr()?.shape().as_slice())))
            }),
        }
    }

    /// The array with zeros above a diagonal of its last two axes; diagonals as in [`diagonal`](Array::diagonal). Lazy.
    ///
    /// The result fails with an [`Error::Argument`] for fewer than two axes.
    pub fn tril(&self, k: isize) -> Array<T> {
        self.triangle("tril", Operation::LessEqual, k)
    }

    /// The array with zeros below a diagonal of its last two axes; diagonals as in [`diagonal`](Array::diagonal). Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::<i32>::ones([2, 3], 2)?;
    /// assert_eq!(x.triu(1).compute()?, ndarray::arr2(&[[0, 1, 1], [0, 0, 1]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for fewer than two axes.
    pub fn triu(&self, k: isize) -> Array<T> {
        self.triangle("triu", Operation::GreaterEqual, k)
    }

    fn triangle(&self, operation: &'static str, kept: Operation, k: isize) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let n = expr.chunks.ndim();
            if n < 2 {
                return Err(Error::argument(operation, format!("shape {:?} has fewer than two axes", expr.shape().as_slice())));
            }
            let plane = Chunking::new(expr.chunks.axes()[n - 2..].to_vec())?;
            let zeros = simplify::full(zero(T::DTYPE), Chunking::new(Vec::new())?);
            choose_by(band(&plane, kept, k).expr()?, expr, zeros)
        })
    }
}

/// The main diagonal of the last two axes, which are as long as each other.
#[derive(Debug)]
struct Diagonal;

impl BlockOp for Diagonal {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let n = expr.chunks.ndim();
        let chunks = &inputs[0].chunks;
        let (rows, columns) = (&chunks.starts()[n - 1], &chunks.starts()[n]);
        let place = |starts: &[usize], position: usize| {
            let chunk = starts.partition_point(|&first| first <= position) - 1;
            (chunk as u32, position - starts[chunk])
        };
        let own = &expr.chunks.axes()[n - 1];
        let places: Vec<_> = expr.chunks.starts()[n - 1].iter().map(|&start| (place(rows, start), place(columns, start))).collect();
        let strides = inputs[0].chunks.strides();
        let kernel = DiagonalKernel { parts: places.iter().zip(own).map(|(place, &length)| (place.0.1, place.1.1, length)).collect() };
        vec![node_layer(expr, inputs, kernel, |index, read| {
            let (row, column) = places[index[n - 1] as usize];
            let flat: u32 = (0..n - 1).map(|axis| index[axis] * strides[axis]).sum();
            read.push((0, flat + row.0 * strides[n - 1] + column.0 * strides[n]));
        })]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct DiagonalKernel {
    /// Of each block along the diagonal, the first row and column in the block that it crosses, and how many.
    parts: Vec<(usize, usize, usize)>,
}

impl Kernel for DiagonalKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "diagonal".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let part = self.parts[inputs.block() as usize % self.parts.len()];
        Ok(Value::measured(inputs.get::<Block>(0)?.map_view(&DiagonalView(part))))
    }
}

struct DiagonalView((usize, usize, usize));

impl View for DiagonalView {
    fn apply<T: Element>(&self, mut array: ArcArray<T, IxDyn>) -> ArcArray<T, IxDyn> {
        let (row, column, length) = self.0;
        let n = array.ndim();
        array.slice_axis_inplace(Axis(n - 2), Slice::from(row..row + length));
        array.slice_axis_inplace(Axis(n - 1), Slice::from(column..column + length));
        let shape: Vec<usize> = array.shape()[..n - 1].to_vec();
        let mut result = ndarray::ArrayD::from_elem(shape, T::default());
        for i in 0..length {
            let place = array.index_axis(Axis(n - 1), i);
            result.index_axis_mut(Axis(n - 2), i).assign(&place.index_axis(Axis(n - 2), i));
        }
        result.into_shared()
    }
}
