//! Elements that a mask picks: arrays whose length is known only once the mask is computed.
//!
//! ```text
//!     x       │ 3 1 4 │ 1 5 9 │
//!     mask    │ T F T │ F F T │
//!     select  │ 3 4   │ 9     │      by blocks, none longer than the block it is of
//! ```
//! Such an array is no [`Array`], as that has a shape; it becomes one when its lengths are counted. Sums and the like need no lengths, and no selected elements either: they fold
//! what the mask picks as they go.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use arras_core::{BoxError, Collection, Delayed, Func, Graph, GridBuilder, Inputs, Kernel, Key, Layer, Persist, Sizes, Value};
use ndarray::{ArrayD, Axis, IxDyn};
use serde::{Deserialize, Serialize};

use crate::array::{Array, Operand};
use crate::elementwise::operations::Operation;
use crate::engine::block::Block;
use crate::engine::blockwise::{BlockOp, block, node, node_layer, stage};
use crate::engine::chunks::{Chunking, refine};
use crate::engine::dtype::{DType, Element, Ordered, with_dtype};
use crate::engine::expr::{Expr, Kind, elementwise};
use crate::engine::lower::{dot, lower};
use crate::engine::moments::{Moments, Statistic};
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::{Axes, ReduceOp, axis_of, cast, reduce, reduce_where};

/// A lazy array of a length that is known only after running, along one axis, which is the first unless it is said.
///
/// ```
/// use arras_array::Array;
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::arr1(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0]), 3)?;
/// let large = x.select(&x.gt(2.0));
/// assert_eq!(large.compute()?, ndarray::arr1(&[3.0, 4.0, 5.0, 9.0]).into_dyn());
/// assert_eq!(large.len().compute()?, 4);
/// let mean: f64 = large.mean().item().compute()?;
/// assert_eq!(mean, 5.25);
/// let counted = large.compute_chunk_sizes(|lengths| lengths.compute())?;
/// assert_eq!(counted.shape(), [4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Selected<T> {
    /// Its chunks along the axis are upper limits.
    expr: Result<Arc<Expr>>,
    axis: usize,
    /// The elements and the mask, of the same chunks, if it is a selection of elements.
    source: Option<(Arc<Expr>, Arc<Expr>)>,
    marker: PhantomData<fn() -> T>,
}

impl<T> Clone for Selected<T> {
    fn clone(&self) -> Selected<T> {
        Selected { expr: self.expr.clone(), axis: self.axis, source: self.source.clone(), marker: PhantomData }
    }
}

impl<T> fmt::Debug for Selected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.expr {
            Ok(expr) => write!(f, "Selected<{}>({}, at most {:?})", expr.dtype, expr.name, expr.shape()),
            Err(error) => write!(f, "Selected({error})"),
        }
    }
}

impl<T: Element> Selected<T> {
    /// An expression with limits for lengths.
    pub(crate) fn of(axis: usize, build: impl FnOnce() -> Result<Arc<Expr>>) -> Selected<T> {
        Selected { expr: build(), axis, source: None, marker: PhantomData }
    }

    pub(crate) fn expr(&self) -> Result<Arc<Expr>> {
        self.expr.clone()
    }

    /// The same, if nothing was wrong when it was built.
    ///
    /// # Errors
    /// The first thing that was wrong.
    pub fn check(&self) -> Result<&Selected<T>> {
        self.expr.as_ref().map(|_| self).map_err(Clone::clone)
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        T::DTYPE
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.expr.as_ref().map_or(0, |expr| expr.chunks.ndim())
    }

    /// The number of blocks.
    pub fn npartitions(&self) -> usize {
        self.expr.as_ref().map_or(0, |expr| expr.chunks.n_blocks())
    }

    /// The length of each chunk along the axis, later. Computing it computes the blocks, and keeps of each its length.
    pub fn lengths(&self) -> Delayed<Vec<usize>> {
        let built = self.expr().map(|expr| {
            let axis = self.axis;
            let n = expr.chunks.axes()[axis].len() as u32;
            let stride = expr.chunks.strides()[axis];
            let mut graph = lower(&expr, true);
            let (each, all) = (stage(&expr, "length"), stage(&expr, "lengths"));
            let mut lengths = GridBuilder::new(each.clone(), &[n]);
            let (func, from) = (lengths.func(Func::kernel(LengthKernel { axis })), lengths.depends_on(expr.name.clone()));
            (0..n).for_each(|i| lengths.call(func, [(from, i * stride)]));
            lengths.sizes(Sizes::Uniform(8));
            graph.insert_layer(lengths.build());
            let mut gather = GridBuilder::new(all.clone(), &[]);
            let (func, from) = (
                gather.func(Func::of_many(|lengths: &[&usize]| lengths.iter().map(|&&n| n).collect::<Vec<usize>>())),
                gather.depends_on(each),
            );
            gather.call(func, (0..n).map(|i| (from, i)));
            graph.insert_layer(gather.build());
            (graph, Key::from(all))
        });
        match built {
            Ok((graph, key)) => Delayed::from_graph(graph, key),
            Err(error) => Delayed::failed(arras_core::Error::collection(error)),
        }
    }

    /// The length along the axis, later.
    pub fn len(&self) -> Delayed<usize> {
        self.lengths().map(|lengths: &Vec<usize>| lengths.iter().sum::<usize>())
    }

    /// The array, once its chunks are counted: `run` computes the lengths, with whatever scheduler it likes. The elements are selected again when the array is computed; persist the
    /// selection first if that takes long.
    ///
    /// # Errors
    /// What goes wrong in `run`; what was wrong when the selection was built.
    pub fn compute_chunk_sizes(
        &self,
        run: impl FnOnce(&Delayed<Vec<usize>>) -> arras_core::Result<Vec<usize>>,
    ) -> arras_core::Result<Array<T>> {
        self.check().map_err(arras_core::Error::collection)?;
        let lengths = run(&self.lengths())?;
        self.with_chunk_sizes(&lengths).map_err(arras_core::Error::collection)
    }

    /// The array, its chunks along the axis said to have these lengths. A run fails where that is not so.
    ///
    /// # Errors
    /// [`Error::Argument`] for another number of lengths than there are chunks, or a length beyond the limit that is known.
    pub fn with_chunk_sizes(&self, lengths: &[usize]) -> Result<Array<T>> {
        let expr = self.expr()?;
        let limits = &expr.chunks.axes()[self.axis];
        if lengths.len() != limits.len() || lengths.iter().zip(limits).any(|(n, limit)| n > limit) {
            return Err(Error::argument("with_chunk_sizes", format!("lengths {lengths:?} for chunks of at most {limits:?}")));
        }
        // There are no blocks of length 0 among others.
        let mut places: Vec<u32> = (0..lengths.len() as u32).filter(|&i| lengths[i as usize] > 0).collect();
        if places.is_empty() {
            places.push(0);
        }
        let mut axes = expr.chunks.axes().to_vec();
        axes[self.axis] = places.iter().map(|&i| lengths[i as usize]).collect();
        let op = CountedOp { axis: self.axis, places };
        Ok(Array::of(|| Ok(node("counted", T::DTYPE, Chunking::new(axes)?, op, &[expr]))))
    }

    fn masked(&self, operation: &'static str) -> Result<&(Arc<Expr>, Arc<Expr>)> {
        self.check()?;
        let why = "these elements are not those that a mask picks: compute_chunk_sizes first";
        self.source.as_ref().ok_or_else(|| Error::argument(operation, why))
    }

    fn fold<R: Element>(&self, op: ReduceOp, to: impl Fn(DType) -> DType) -> Array<R> {
        Array::of(|| {
            let (input, mask) = self.masked(op.name())?;
            reduce_where(op, &cast(Arc::clone(input), to(input.dtype))?, Some(mask), &Axes::all())
        })
    }

    /// How many elements are selected, 0-d. Lazy; one pass over the mask.
    pub fn count(&self) -> Array<i64> {
        Array::of(|| reduce(ReduceOp::Sum, &self.masked("count")?.1, &Axes::all()))
    }

    /// The sum of the selected elements, 0-d, as [`Array::sum`]. Lazy; one pass, in which nothing is selected before it is added. As for all these reductions, an
    /// [`Error::Argument`] if the elements are not those that a mask picks.
    pub fn sum(&self) -> Array<T::Sum> {
        self.fold(ReduceOp::Sum, |dtype| dtype)
    }

    /// The mean of the selected elements, 0-d, as [`Array::mean`]: NaN of none. Lazy; one pass.
    pub fn mean(&self) -> Array<T::Mean> {
        Array::of(|| {
            let (input, mask) = self.masked("mean")?;
            let sum = reduce_where(ReduceOp::Sum, &cast(Arc::clone(input), T::Mean::DTYPE)?, Some(mask), &Axes::all())?;
            let count = cast(self.count().expr()?, T::Mean::DTYPE)?;
            elementwise(Operation::Divide, vec![Operand::Expr(sum), Operand::Expr(count)])
        })
    }

    /// The variance of the selected elements, 0-d, as [`Array::var_axis`]. Lazy; one pass.
    pub fn var(&self, ddof: usize) -> Array<T::Spread> {
        self.spread(ddof, false)
    }

    /// The standard deviation of the selected elements, 0-d, as [`Array::std_axis`]. Lazy; one pass.
    pub fn std(&self, ddof: usize) -> Array<T::Spread> {
        self.spread(ddof, true)
    }

    fn spread(&self, ddof: usize, root: bool) -> Array<T::Spread> {
        let moments = Moments { order: 2, skip_nan: false, statistic: Statistic::Variance { ddof, root }, to: T::Spread::DTYPE };
        self.fold(ReduceOp::Moments(moments), |dtype| if matches!(dtype, DType::C32 | DType::C64) { DType::C64 } else { DType::F64 })
    }

    /// Whether any selected element is true, or not 0, 0-d. Lazy; one pass.
    pub fn any(&self) -> Array<bool> {
        self.fold(ReduceOp::Any, |_| DType::Bool)
    }

    /// Whether all selected elements are true, or not 0, 0-d. Lazy; one pass.
    pub fn all(&self) -> Array<bool> {
        self.fold(ReduceOp::All, |_| DType::Bool)
    }
}

impl<T: Ordered> Selected<T> {
    /// The least of the selected elements, 0-d; NaN if any is. The run fails with an [`Error::EmptyReduction`] if there are none. Lazy; one pass.
    pub fn min(&self) -> Array<T> {
        self.extreme(ReduceOp::Min)
    }

    /// The greatest of the selected elements, 0-d, as [`min`](Selected::min).
    pub fn max(&self) -> Array<T> {
        self.extreme(ReduceOp::Max)
    }

    fn extreme(&self, op: ReduceOp) -> Array<T> {
        Array::of(|| {
            let found = self.fold::<T>(op, |dtype| dtype).expr()?;
            let count = self.count().expr()?;
            let chunks = found.chunks.clone();
            Ok(node(op.name(), T::DTYPE, chunks, GuardOp { operation: op.name() }, &[found, count]))
        })
    }
}

impl<T: Element> Collection for Selected<T> {
    type Output = ArrayD<T>;

    fn graph(&self) -> arras_core::Result<Graph> {
        self.expr.as_ref().map(|expr| lower(expr, true)).map_err(|error| arras_core::Error::collection(error.clone()))
    }

    fn keys(&self) -> Vec<Key> {
        let Ok(expr) = &self.expr else { return Vec::new() };
        let index = |flat| expr.chunks.index_of(flat).iter().map(|&i| i as u32).collect();
        (0..expr.chunks.n_blocks() as u32).map(|flat| Key::new(expr.name.clone(), index(flat))).collect()
    }

    fn finish(&self, values: Vec<Value>) -> arras_core::Result<ArrayD<T>> {
        let expr = self.expr.as_ref().map_err(|error| arras_core::Error::collection(error.clone()))?;
        let mut lengths = vec![0; expr.chunks.axes()[self.axis].len()];
        for (flat, value) in values.iter().enumerate() {
            lengths[expr.chunks.index_of(flat as u32)[self.axis]] = value.get::<Block>()?.shape()[self.axis];
        }
        let mut axes = expr.chunks.axes().to_vec();
        axes[self.axis] = lengths;
        let chunks = Chunking::new(axes).map_err(arras_core::Error::collection)?;
        let array: Array<T> =
            Array::of(|| Ok(Arc::new(Expr { name: expr.name.clone(), dtype: T::DTYPE, chunks, kind: Kind::Values(Vec::new().into()) })));
        array.finish(values)
    }

    fn describe(&self) -> String {
        self.expr.as_ref().map(crate::display::tree).unwrap_or_default()
    }
}

impl<T: Element> Persist for Selected<T> {
    fn persisted(&self, values: Vec<Value>) -> arras_core::Result<Self> {
        let expr = self.expr.as_ref().map_err(|error| arras_core::Error::collection(error.clone()))?;
        let kind = Kind::Values(values.into());
        let persisted = Expr { name: expr.name.clone(), dtype: T::DTYPE, chunks: expr.chunks.clone(), kind };
        Ok(Selected { expr: Ok(Arc::new(persisted)), ..self.clone() })
    }
}

impl<T: Element> Array<T> {
    /// The elements where a mask of the array's shape is true, in row-major order: NumPy's `x[mask]`. `(n0, .., nk)` in, 1-d of a length not yet known out. Lazy.
    ///
    /// Axes but the first are put into one chunk, to keep the order. See [`Selected`] for what can be done without knowing the length. An [`Error::Argument`] for a mask of another
    /// shape.
    pub fn select(&self, mask: &Array<bool>) -> Selected<T> {
        self.selected("select", mask)
    }

    /// As [`select`](Array::select), by NumPy's other name.
    pub fn extract(&self, mask: &Array<bool>) -> Selected<T> {
        self.selected("extract", mask)
    }

    fn selected(&self, operation: &'static str, mask: &Array<bool>) -> Selected<T> {
        let build = || {
            let (input, mask) = (self.expr()?, mask.expr()?);
            if input.shape() != mask.shape() {
                let (mask, shape) = (mask.shape(), input.shape());
                return Err(Error::argument(operation, format!("a mask of shape {:?} for shape {:?}", mask.as_slice(), shape.as_slice())));
            }
            let mut axes: Vec<Vec<usize>> = input.chunks.axes().iter().zip(mask.chunks.axes()).map(|(a, b)| refine(a, b)).collect();
            let source =
                (simplify::rechunk(&input, Chunking::new(axes.clone())?)?, simplify::rechunk(&mask, Chunking::new(axes.clone())?)?);
            axes.iter_mut().skip(1).for_each(|axis| *axis = vec![axis.iter().sum()]);
            let rows = Chunking::new(axes)?;
            let inputs = [simplify::rechunk(&input, rows.clone())?, simplify::rechunk(&mask, rows.clone())?];
            let limits = rows.axes().first().map_or(vec![1], |first| {
                let row: usize = rows.axes()[1..].iter().map(|axis| axis[0]).product();
                first.iter().map(|n| n * row).collect()
            });
            let expr = node(operation, T::DTYPE, Chunking::new(vec![limits])?, SelectOp { axis: None }, &inputs);
            Ok((expr, source))
        };
        match build() {
            Ok((expr, source)) => Selected { source: Some(source), ..Selected::of(0, || Ok(expr)) },
            Err(error) => Selected::of(0, || Err(error)),
        }
    }

    /// The parts along an axis where a 1-d mask of the axis' length is true: `(.., n, ..)` in, a length not yet known in the place of `n` out. Lazy. An [`Error::Axis`] if there is no
    /// such axis, an [`Error::Argument`] for a mask of another shape.
    pub fn compress(&self, mask: &Array<bool>, axis: isize) -> Selected<T> {
        let place = self.expr().and_then(|expr| axis_of("compress", axis, &expr.shape()));
        Selected::of(place.clone().unwrap_or(0), || {
            let (input, mask, axis) = (self.expr()?, mask.expr()?, place?);
            let length = input.shape()[axis];
            if mask.shape().as_slice() != [length] {
                return Err(Error::argument(
                    "compress",
                    format!("a mask of shape {:?} for an axis of length {length}", mask.shape().as_slice()),
                ));
            }
            let mask = simplify::rechunk(&mask, Chunking::new(vec![input.chunks.axes()[axis].clone()])?)?;
            Ok(node("compress", T::DTYPE, input.chunks.clone(), SelectOp { axis: Some(axis) }, &[input, mask]))
        })
    }

    /// The positions of the elements that are not 0, in the array as if it had one axis, in row-major order. Lazy.
    pub fn flatnonzero(&self) -> Selected<i64> {
        self.positions("flatnonzero", Positions::Flat)
    }

    /// The positions of the elements that are not 0: for each axis, those along it, in row-major order of the elements. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[0, 1], [2, 0], [0, 3]]), 2)?;
    /// let places = x.nonzero().compute()?;
    /// assert_eq!(places, [ndarray::arr1(&[0, 1, 2]).into_dyn(), ndarray::arr1(&[1, 0, 1]).into_dyn()]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nonzero(&self) -> Vec<Selected<i64>> {
        (0..self.ndim()).map(|axis| self.positions("nonzero", Positions::Along(axis))).collect()
    }

    /// The positions of the elements that are not 0, `(n, axes)`: a row for each, in row-major order. Lazy.
    pub fn argwhere(&self) -> Selected<i64> {
        self.positions("argwhere", Positions::Rows)
    }

    fn positions(&self, operation: &'static str, positions: Positions) -> Selected<i64> {
        Selected::of(0, || {
            let input = cast(self.expr()?, DType::Bool)?;
            let mut axes = input.chunks.axes().to_vec();
            axes.iter_mut().skip(1).for_each(|axis| *axis = vec![axis.iter().sum()]);
            let input = simplify::rechunk(&input, Chunking::new(axes)?)?;
            let row: usize = input.shape().iter().skip(1).product();
            let mut chunks = vec![input.chunks.axes().first().map_or(vec![1], |first| first.iter().map(|n| n * row).collect())];
            if let Positions::Rows = positions {
                chunks.push(vec![input.chunks.ndim()]);
            }
            Ok(node(operation, DType::I64, Chunking::new(chunks)?, PositionsOp { positions }, &[input]))
        })
    }
}

#[derive(Debug)]
struct SelectOp {
    /// The axis of a mask for parts along it; none for a mask of the array's shape.
    axis: Option<usize>,
}

impl BlockOp for SelectOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let strides = expr.chunks.strides();
        vec![node_layer(expr, inputs, SelectKernel { dtype: expr.dtype, axis: self.axis }, |index, read| {
            read.push((0, dot(index, &strides)));
            read.push((1, index[self.axis.unwrap_or(0)]));
        })]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct SelectKernel {
    dtype: DType,
    axis: Option<usize>,
}

impl Kernel for SelectKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "select".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let mask = block::<bool>(inputs, 1)?;
        with_dtype!(self.dtype, T => {
            let input = block::<T>(inputs, 0)?;
            let array = match self.axis {
                Some(axis) => {
                    let places: Vec<usize> = mask.iter().enumerate().filter(|(_, picked)| **picked).map(|(i, _)| i).collect();
                    input.select(Axis(axis), &places)
                }
                None => {
                    let picked: Vec<T> = input.iter().zip(mask).filter(|(_, picked)| **picked).map(|(&x, _)| x).collect();
                    ArrayD::from_shape_vec(IxDyn(&[picked.len()]), picked)?
                }
            };
            Ok(crate::engine::blockwise::value(array))
        })
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Positions {
    Flat,
    Along(usize),
    Rows,
}

#[derive(Debug)]
struct PositionsOp {
    positions: Positions,
}

impl BlockOp for PositionsOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let input = &inputs[0];
        let rows = input.chunks.starts().first().cloned().unwrap_or_else(|| vec![0]);
        let kernel = PositionsKernel { positions: self.positions, shape: input.shape().to_vec(), rows };
        vec![node_layer(expr, inputs, kernel, |index, read| read.push((0, index[0])))]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct PositionsKernel {
    positions: Positions,
    shape: Vec<usize>,
    /// The first row of each block.
    rows: Vec<usize>,
}

impl Kernel for PositionsKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "nonzero".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let row: usize = self.shape.iter().skip(1).product();
        let first = self.rows[inputs.block() as usize] * row;
        let along = |flat: usize, axis: usize| {
            let inner: usize = self.shape[axis + 1..].iter().product();
            (flat / inner % self.shape[axis]) as i64
        };
        let mut positions: Vec<i64> = Vec::new();
        let picked = block::<bool>(inputs, 0)?.iter().enumerate().filter(|(_, picked)| **picked).map(|(i, _)| first + i);
        match self.positions {
            Positions::Flat => positions.extend(picked.map(|flat| flat as i64)),
            Positions::Along(axis) => positions.extend(picked.map(|flat| along(flat, axis))),
            Positions::Rows => {
                let mut n = 0;
                for flat in picked {
                    n += 1;
                    positions.extend((0..self.shape.len()).map(|axis| along(flat, axis)));
                }
                return Ok(crate::engine::blockwise::value(ArrayD::from_shape_vec(IxDyn(&[n, self.shape.len()]), positions)?));
            }
        }
        Ok(crate::engine::blockwise::value(ArrayD::from_shape_vec(IxDyn(&[positions.len()]), positions)?))
    }
}

/// Blocks whose lengths were counted.
#[derive(Debug)]
struct CountedOp {
    axis: usize,
    /// Which chunks along the axis are not empty.
    places: Vec<u32>,
}

impl BlockOp for CountedOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let strides = inputs[0].chunks.strides();
        vec![node_layer(expr, inputs, CountedKernel { chunks: expr.chunks.clone() }, |index, read| {
            let flat = dot(index, &strides) - (index[self.axis] * strides[self.axis])
                + self.places[index[self.axis] as usize] * strides[self.axis];
            read.push((0, flat));
        })]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct CountedKernel {
    chunks: Chunking,
}

impl Kernel for CountedKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "counted".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let declared = self.chunks.block_shape(&self.chunks.index_of(inputs.block()));
        let found = inputs.get::<Block>(0)?.shape();
        if found != declared.as_slice() {
            return Err(format!("a block of shape {found:?} where {:?} was counted", declared.as_slice()).into());
        }
        Ok(inputs.value(0).clone())
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct LengthKernel {
    axis: usize,
}

impl Kernel for LengthKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "len".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(Value::new(inputs.get::<Block>(0)?.shape()[self.axis]))
    }
}

/// Passes on what was found among a number of elements, if there are any.
#[derive(Debug)]
struct GuardOp {
    operation: &'static str,
}

impl BlockOp for GuardOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        vec![node_layer(expr, inputs, GuardKernel { operation: self.operation.to_owned() }, |_, read| read.extend([(0, 0), (1, 0)]))]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct GuardKernel {
    operation: String,
}

impl Kernel for GuardKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        self.operation.clone().into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        if block::<i64>(inputs, 1)?.iter().all(|&n| n == 0) {
            let operation = if self.operation == "min" { "min" } else { "max" };
            return Err(Error::EmptyReduction { operation, shape: vec![0] }.into());
        }
        Ok(inputs.value(0).clone())
    }
}
