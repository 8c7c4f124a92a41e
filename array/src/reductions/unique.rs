//! Distinct elements: sets of values.
//!
//! ```text
//!     block ──► its distinct values, sorted, with how often and where first ──► merged in a tree, 16 at a time ──► one block
//! ```

use std::cmp::Ordering;
use std::sync::Arc;

use arras_core::{BoxError, Func, Inputs, Kernel, Layer, Measure, Sizes, Value};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::engine::block::Block;
use crate::engine::blockwise::{BlockOp, block, layer, node, node_layer, stage, value};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Element, Ordered, with_ordered};
use crate::engine::expr::Expr;
use crate::engine::lower::{SPLIT_EVERY, dot, rounds};
use crate::error::Result;
use crate::indexing::selected::Selected;

/// As NumPy sorts: NaN last.
pub(crate) fn order<T: Ordered>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// The distinct elements of an array, and what goes with them.
#[derive(Debug, Clone)]
pub struct Unique<T> {
    /// The distinct elements, in ascending order; NaN, which counts as one, last.
    pub values: Selected<T>,
    /// Where each is first, in the array as if it had one axis.
    pub index: Selected<i64>,
    /// For each element of the array, the place of its value among the distinct ones: of the array's shape, such that taking them from `values` gives the array.
    pub inverse: Array<i64>,
    /// How often each is there.
    pub counts: Selected<i64>,
}

impl<T: Ordered> Array<T> {
    /// The distinct elements in ascending order, NaN, which counts as one, last. `(n0, .., nk)` in, 1-d of a length not yet known out. Lazy; each block is sorted once, and the
    /// distinct elements of blocks are merged in a tree.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr1(&[3, 1, 3, 2, 1]), 2)?;
    /// assert_eq!(x.unique().compute()?, ndarray::arr1(&[1, 2, 3]).into_dyn());
    /// let unique = x.unique_with();
    /// assert_eq!(unique.counts.compute()?, ndarray::arr1(&[2, 1, 2]).into_dyn());
    /// assert_eq!(unique.inverse.compute()?, ndarray::arr1(&[2, 0, 2, 1, 0]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unique(&self) -> Selected<T> {
        Selected::of(0, || Part::Values.of(&distinct(&[self])?))
    }

    /// The distinct elements, where each is first, how often, and the place of each element among them. Lazy, as [`unique`](Array::unique).
    pub fn unique_with(&self) -> Unique<T> {
        let inverse = Array::of(|| {
            let (input, values) = (self.expr()?, self.unique().expr()?);
            Ok(node("unique-inverse", DType::I64, input.chunks.clone(), PlaceOp { contains: false }, &[input, values]))
        });
        Unique {
            values: self.unique(),
            index: Selected::of(0, || Part::Index.of(&distinct(&[self])?)),
            inverse,
            counts: Selected::of(0, || Part::Counts.of(&distinct(&[self])?)),
        }
    }

    /// The distinct elements of two arrays, in ascending order. Lazy, as [`unique`](Array::unique).
    pub fn union1d(&self, other: &Array<T>) -> Selected<T> {
        Selected::of(0, || Part::Values.of(&distinct(&[self, other])?))
    }

    /// Whether each element is among those of another array; NaN never is. Of the array's shape and chunks. Lazy; the other array's distinct elements are held in one block.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr1(&[3, 1, 2]), 2)?;
    /// let set = Array::from_ndarray(ndarray::arr1(&[2, 3, 5]), 2)?;
    /// assert_eq!(x.isin(&set).compute()?, ndarray::arr1(&[true, false, true]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// NumPy's `invert` is `!x.isin(&set)`, which is part of whatever uses it. Its `assume_unique` would save nothing: the set is sorted once, and each element looked up in it.
    pub fn isin(&self, set: &Array<T>) -> Array<bool> {
        Array::of(|| {
            let (input, values) = (self.expr()?, set.unique().expr()?);
            Ok(node("isin", DType::Bool, input.chunks.clone(), PlaceOp { contains: true }, &[input, values]))
        })
    }
}

/// The distinct elements of arrays together, as one block of [`Distinct`].
fn distinct<T: Ordered>(arrays: &[&Array<T>]) -> Result<Arc<Expr>> {
    let inputs = arrays.iter().map(|array| array.expr()).collect::<Result<Vec<_>>>()?;
    let limit = inputs.iter().map(|input| input.shape().iter().product::<usize>()).sum();
    Ok(node("distinct", T::DTYPE, Chunking::new(vec![vec![limit]])?, DistinctOp, &inputs))
}

/// The distinct values of some elements, sorted; where each is first in the whole array; how often each is there.
#[derive(Debug, Serialize, Deserialize)]
struct Distinct {
    values: Block,
    index: Vec<i64>,
    counts: Vec<i64>,
}

impl Measure for Distinct {
    fn nbytes(&self) -> usize {
        self.values.nbytes() + 16 * self.index.len()
    }
}

#[derive(Debug)]
struct DistinctOp;

impl BlockOp for DistinctOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        // The blocks of all arrays in a row.
        let each: Vec<(usize, u32)> =
            inputs.iter().enumerate().flat_map(|(i, input)| (0..input.chunks.n_blocks() as u32).map(move |flat| (i, flat))).collect();
        let blocks = Chunking::new(vec![vec![1; each.len()]]).expect("as many blocks as the inputs have");
        let name = stage(expr, "block");
        let names: Vec<_> = inputs.iter().map(|input| input.name.clone()).collect();
        let kernel = DistinctKernel { dtype: expr.dtype, chunks: inputs.iter().map(|input| input.chunks.clone()).collect(), merge: false };
        let first = layer(name.clone(), &blocks, &names, kernel, Sizes::Unknown, |index, read| read.push(each[index[0] as usize]));
        let func = |_| Func::kernel(DistinctKernel { dtype: expr.dtype, chunks: Vec::new(), merge: true });
        let mut layers = vec![first];
        layers.extend(rounds(expr, name, &blocks, &[true], SPLIT_EVERY, None, func));
        layers
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct DistinctKernel {
    dtype: DType,
    /// The chunks of the arrays, whose blocks come one after another.
    chunks: Vec<Chunking>,
    merge: bool,
}

impl Kernel for DistinctKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "unique".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let other = || Err(format!("{} has no order", self.dtype).into());
        with_ordered!(self.dtype, T => if self.merge { merge::<T>(inputs) } else { self.distinct::<T>(inputs) }, other())
    }
}

impl DistinctKernel {
    fn distinct<T: Ordered>(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let (mut flat, mut chunks) = (inputs.block() as usize, self.chunks.as_slice());
        while let [first, rest @ ..] = chunks
            && flat >= first.n_blocks()
        {
            (flat, chunks) = (flat - first.n_blocks(), rest);
        }
        let chunks = chunks.first().ok_or("a block of no array")?;
        let (index, shape) = (chunks.index_of(flat as u32), chunks.shape());
        let start = chunks.block_start(&index);
        let place = |at: &IxDyn| (0..shape.len()).fold(0, |place, axis| place * shape[axis] + start[axis] + at[axis]) as i64;
        let input = block::<T>(inputs, 0)?;
        let mut elements: Vec<(T, i64)> = input.indexed_iter().map(|(at, &x)| (x, place(&at))).collect();
        elements.sort_unstable_by(|a, b| order(a.0, b.0).then(a.1.cmp(&b.1)));
        gather(elements.into_iter().map(|(x, place)| (x, place, 1)))
    }
}

fn merge<T: Ordered>(inputs: &Inputs<'_>) -> Result<Value, BoxError> {
    let mut elements: Vec<(T, i64, i64)> = Vec::new();
    for i in 0..inputs.len() {
        let part = inputs.get::<Distinct>(i)?;
        let values = T::of_block(&part.values).ok_or("distinct values of another type")?;
        elements.extend(values.iter().zip(part.index.iter().zip(&part.counts)).map(|(&x, (&place, &n))| (x, place, n)));
    }
    // Runs that are sorted are merged by a stable sort in one pass.
    elements.sort_by(|a, b| order(a.0, b.0).then(a.1.cmp(&b.1)));
    gather(elements.into_iter())
}

/// Neighbours that are equal made one.
fn gather<T: Ordered>(elements: impl Iterator<Item = (T, i64, i64)>) -> Result<Value, BoxError> {
    let (mut values, mut index, mut counts): (Vec<T>, Vec<i64>, Vec<i64>) = Default::default();
    for (x, place, n) in elements {
        match (values.last(), counts.last_mut()) {
            (Some(&last), Some(count)) if order(last, x).is_eq() => *count += n,
            _ => {
                values.push(x);
                index.push(place);
                counts.push(n);
            }
        }
    }
    let values = T::into_block(ArrayD::from_shape_vec(IxDyn(&[values.len()]), values)?.into_shared());
    Ok(Value::measured(Distinct { values, index, counts }))
}

/// What is taken of distinct elements.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Part {
    Values,
    Index,
    Counts,
}

impl Part {
    fn of(self, distinct: &Arc<Expr>) -> Result<Arc<Expr>> {
        let (name, dtype) = match self {
            Part::Values => ("unique", distinct.dtype),
            Part::Index => ("unique-index", DType::I64),
            Part::Counts => ("unique-counts", DType::I64),
        };
        Ok(node(name, dtype, distinct.chunks.clone(), PartOp { part: self }, std::slice::from_ref(distinct)))
    }
}

#[derive(Debug)]
struct PartOp {
    part: Part,
}

impl BlockOp for PartOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        vec![node_layer(expr, inputs, PartKernel { part: self.part }, |_, read| read.push((0, 0)))]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct PartKernel {
    part: Part,
}

impl Kernel for PartKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "unique".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let distinct = inputs.get::<Distinct>(0)?;
        let numbers =
            |numbers: &[i64]| value(ArrayD::from_shape_vec(IxDyn(&[numbers.len()]), numbers.to_vec()).expect("as many as there are"));
        Ok(match self.part {
            Part::Values => Value::measured(distinct.values.clone()),
            Part::Index => numbers(&distinct.index),
            Part::Counts => numbers(&distinct.counts),
        })
    }
}

/// Looks elements up among sorted values in one block.
#[derive(Debug)]
struct PlaceOp {
    /// Whether they are there, rather than where.
    contains: bool,
}

impl BlockOp for PlaceOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let strides = expr.chunks.strides();
        let kernel = PlaceKernel { dtype: inputs[0].dtype, contains: self.contains };
        vec![node_layer(expr, inputs, kernel, |index, read| read.extend([(0, dot(index, &strides)), (1, 0)]))]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct PlaceKernel {
    dtype: DType,
    contains: bool,
}

impl Kernel for PlaceKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        if self.contains { "isin".into() } else { "unique".into() }
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        with_ordered!(self.dtype, T => {
            let values: Vec<T> = block::<T>(inputs, 1)?.iter().copied().collect();
            let find = |x: T| values.binary_search_by(|&y| order(y, x));
            let input = block::<T>(inputs, 0)?;
            Ok(match self.contains {
                true => value(input.map(|&x| !x.is_nan() && find(x).is_ok())),
                false => value(input.map(|&x| find(x).map_or(-1, |place| place as i64))),
            })
        }, Err(format!("{} has no order", self.dtype).into()))
    }
}
