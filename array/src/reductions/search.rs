//! Places in sorted arrays, and the greatest elements along an axis.

use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Value};
use ndarray::{ArrayD, Axis, Dimension};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::engine::blockwise::{BlockOp, block, node, node_layer, value};
use crate::engine::chunks::{Chunking, Chunks};
use crate::engine::dtype::{DType, Ordered, with_ordered};
use crate::engine::expr::Expr;
use crate::engine::lower::dot;
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::axis_of;
use crate::reductions::unique::order;

/// Which of several places for an element among equal ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Side {
    /// Before them.
    #[default]
    Left,
    /// After them.
    Right,
}

impl<T: Ordered> Array<T> {
    /// Where each value would have to be inserted to keep the array, 1-d and in ascending order, in order: of the values' shape. Lazy; the array is put into one block, the values keep
    /// their chunks. Where the array is not in order, so is what comes of it.
    ///
    /// ```
    /// use arras_array::{Array, Side};
    /// use arras_scheduler::Compute;
    /// let sorted = Array::from_ndarray(ndarray::arr1(&[1.0, 2.0, 2.0, 5.0]), 2)?;
    /// let values = Array::from_ndarray(ndarray::arr1(&[0.0, 2.0, 6.0]), 2)?;
    /// assert_eq!(sorted.searchsorted(&values, Side::Left).compute()?, ndarray::arr1(&[0, 1, 4]).into_dyn());
    /// assert_eq!(sorted.searchsorted(&values, Side::Right).compute()?, ndarray::arr1(&[0, 3, 4]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for an array that is not 1-d.
    pub fn searchsorted(&self, values: &Array<T>, side: Side) -> Array<i64> {
        search("searchsorted", self, values, side, None)
    }

    /// The bin that each element is in: `i` with `bins[i - 1] <= x < bins[i]`, or `bins[i - 1] < x <= bins[i]` if the bins are closed on the right; 0 and `bins.len()` for what lies
    /// beyond. Of descending bins `bins[i - 1] > x >= bins[i]`, or
    /// `bins[i - 1] >= x > bins[i]`. Of the array's shape and chunks. Lazy. An [`Error::Argument`] for bins that neither rise nor fall.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr1(&[0.2, 6.4, 3.0]), 2)?;
    /// assert_eq!(x.digitize(&[0.0, 1.0, 3.0], false).compute()?, ndarray::arr1(&[1, 3, 3]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn digitize(&self, bins: &[T], right: bool) -> Array<i64> {
        let rises = bins.windows(2).all(|pair| pair[0] <= pair[1]);
        let falls = bins.windows(2).all(|pair| pair[0] >= pair[1]);
        if !rises && !falls {
            return Array::of(|| Err(Error::argument("digitize", format!("bins {bins:?} neither rise nor fall"))));
        }
        let mut bins = bins.to_vec();
        if !rises {
            bins.reverse();
        }
        let n = (!rises).then_some(bins.len() as i64);
        let side = if right { Side::Left } else { Side::Right };
        match Array::from_ndarray(ndarray::Array1::from(bins), Chunks::one()) {
            Ok(bins) => search("digitize", &bins, self, side, n),
            Err(error) => Array::of(|| Err(error)),
        }
    }

    /// The `k` greatest elements along an axis, in descending order, or for a negative `k` the `-k` least in ascending order: `(.., n, ..)` in, `(.., k, ..)` out, or `n` if there are
    /// no more. NaN counts as the greatest. Lazy; each block is cut down to `k` before blocks meet.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr1(&[5, 1, 3, 6]), 2)?;
    /// assert_eq!(x.topk(2, 0).compute()?, ndarray::arr1(&[6, 5]).into_dyn());
    /// assert_eq!(x.topk(-2, 0).compute()?, ndarray::arr1(&[1, 3]).into_dyn());
    /// assert_eq!(x.argtopk(2, 0).compute()?, ndarray::arr1(&[3, 0]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`] if there is no such axis, and with an [`Error::Argument`] for a `k` of 0.
    pub fn topk(&self, k: isize, axis: isize) -> Array<T> {
        Array::of(|| {
            let mut input = self.expr()?;
            let axis = checked("topk", k, axis, &input)?;
            let n = k.unsigned_abs();
            if input.chunks.axes()[axis].len() > 1 {
                let mut chunks = input.chunks.axes().to_vec();
                chunks[axis].iter_mut().for_each(|length| *length = n.min(*length));
                input = node("topk-block", T::DTYPE, Chunking::new(chunks)?, TopOp { k, axis, positions: false }, &[input]);
            }
            top("topk", T::DTYPE, k, axis, &input, false)
        })
    }

    /// The positions along an axis of the `k` greatest elements, in descending order of these, of equal ones the first first; as [`topk`](Array::topk), but for the axis being put into
    /// one chunk.
    pub fn argtopk(&self, k: isize, axis: isize) -> Array<i64> {
        Array::of(|| {
            let input = self.expr()?;
            let axis = checked("argtopk", k, axis, &input)?;
            top("argtopk", DType::I64, k, axis, &input, true)
        })
    }
}

fn checked(operation: &'static str, k: isize, axis: isize, input: &Expr) -> Result<usize> {
    if k == 0 {
        return Err(Error::argument(operation, "k is 0: it says how many elements to find"));
    }
    axis_of(operation, axis, &input.shape())
}

fn top(operation: &str, dtype: DType, k: isize, axis: usize, input: &Arc<Expr>, positions: bool) -> Result<Arc<Expr>> {
    let mut chunks = input.chunks.axes().to_vec();
    chunks[axis] = vec![chunks[axis].iter().sum()];
    let input = simplify::rechunk(input, Chunking::new(chunks.clone())?)?;
    chunks[axis] = vec![chunks[axis][0].min(k.unsigned_abs())];
    Ok(node(operation, dtype, Chunking::new(chunks)?, TopOp { k, axis, positions }, &[input]))
}

#[derive(Debug)]
struct TopOp {
    k: isize,
    axis: usize,
    positions: bool,
}

impl BlockOp for TopOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let strides = expr.chunks.strides();
        let kernel = TopKernel { k: self.k, axis: self.axis, positions: self.positions, dtype: inputs[0].dtype };
        vec![node_layer(expr, inputs, kernel, |index, read| read.push((0, dot(index, &strides))))]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct TopKernel {
    k: isize,
    axis: usize,
    positions: bool,
    dtype: DType,
}

impl Kernel for TopKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        if self.positions { "argtopk".into() } else { "topk".into() }
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        with_ordered!(self.dtype, T => self.top::<T>(inputs), Err(format!("{} has no order", self.dtype).into()))
    }
}

impl TopKernel {
    fn top<T: Ordered>(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let (input, axis) = (block::<T>(inputs, 0)?, Axis(self.axis));
        let k = self.k.unsigned_abs().min(input.len_of(axis));
        let mut shape = input.raw_dim();
        shape.slice_mut()[self.axis] = k;
        let mut values = ArrayD::from_elem(shape.clone(), T::default());
        let mut positions = ArrayD::from_elem(if self.positions { shape } else { ndarray::IxDyn(&[0; 1]) }, 0i64);
        let compare = |a: &(T, i64), b: &(T, i64)| {
            let by_value = if self.k > 0 { order(b.0, a.0) } else { order(a.0, b.0) };
            by_value.then(a.1.cmp(&b.1))
        };
        let mut lane: Vec<(T, i64)> = Vec::with_capacity(input.len_of(axis));
        let mut places = positions.lanes_mut(if self.positions { axis } else { Axis(0) }).into_iter();
        for (from, mut to) in input.lanes(axis).into_iter().zip(values.lanes_mut(axis)) {
            lane.clear();
            lane.extend(from.iter().zip(0..).map(|(&x, i)| (x, i)));
            if k < lane.len() {
                lane.select_nth_unstable_by(k - 1, compare);
                lane.truncate(k);
            }
            lane.sort_unstable_by(compare);
            to.iter_mut().zip(&lane).for_each(|(to, &(x, _))| *to = x);
            if let (true, Some(mut to)) = (self.positions, places.next()) {
                to.iter_mut().zip(&lane).for_each(|(to, &(_, i))| *to = i);
            }
        }
        drop(places);
        Ok(if self.positions { value(positions) } else { value(values) })
    }
}

/// The places of values in a sorted array; with `from_end`, counted from there.
fn search<T: Ordered>(operation: &'static str, sorted: &Array<T>, values: &Array<T>, side: Side, from_end: Option<i64>) -> Array<i64> {
    Array::of(|| {
        let (sorted, values) = (sorted.expr()?, values.expr()?);
        let shape = sorted.shape();
        let &[length] = shape.as_slice() else {
            return Err(Error::argument(operation, format!("the sorted array has shape {:?}, and should be 1-d", shape.as_slice())));
        };
        let sorted = simplify::rechunk(&sorted, Chunking::new(vec![vec![length]])?)?;
        Ok(node(operation, DType::I64, values.chunks.clone(), SearchOp { side, from_end }, &[values, sorted]))
    })
}

#[derive(Debug)]
struct SearchOp {
    side: Side,
    from_end: Option<i64>,
}

impl BlockOp for SearchOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let strides = expr.chunks.strides();
        let kernel = SearchKernel { side: self.side, from_end: self.from_end, dtype: inputs[0].dtype };
        vec![node_layer(expr, inputs, kernel, |index, read| read.extend([(0, dot(index, &strides)), (1, 0)]))]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct SearchKernel {
    side: Side,
    from_end: Option<i64>,
    dtype: DType,
}

impl Kernel for SearchKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "searchsorted".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        with_ordered!(self.dtype, T => {
            let sorted = block::<T>(inputs, 1)?.as_standard_layout();
            let sorted = sorted.as_slice().expect("of standard layout");
            let place = |x: T| match self.side {
                Side::Left => sorted.partition_point(|&y| order(y, x).is_lt()),
                Side::Right => sorted.partition_point(|&y| order(y, x).is_le()),
            } as i64;
            Ok(value(block::<T>(inputs, 0)?.map(|&x| self.from_end.map_or(place(x), |n| n - place(x)))))
        }, Err(format!("{} has no order", self.dtype).into()))
    }
}
