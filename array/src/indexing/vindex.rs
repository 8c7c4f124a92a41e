//! Elements at points: one index for each of some axes.
//!
//! ```text
//!     x.vindex([rows, columns])      part: of a block, the points      whole: of all parts, the points of
//!                                    in it that go to one block        a block in their order
//!                                    of the result
//! ```
//! Blocks are read one at a time, and only those that hold points; what is handed on is the points.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arras_core::{BoxError, Func, GridBuilder, Inputs, Kernel, Layer, Sizes, Token, Tokenizer, Value};
use ndarray::{ArrayD, Axis};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::engine::blockwise::{BlockOp, block, node, stage, value};
use crate::engine::chunks::{Chunking, even};
use crate::engine::dtype::{DType, Element, with_dtype};
use crate::engine::expr::Expr;
use crate::engine::lower::{each_block, sizes, sizes_of};
use crate::error::{Error, Result};
use crate::indexing::take::position_of;

impl<T: Element> Array<T> {
    /// The elements at points, each given by one index for each of the first axes: lists of `m` indices for axes `0..k` and `(n0, .., nk, ..)` in, `(m, ..)` out. Negative
    /// indices count from the end. Lazy.
    ///
    /// NumPy's `x[rows, columns]` with index arrays. A block of the result has as many elements as one of the array, or fewer.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[0, 1, 2], [3, 4, 5]]), 2)?;
    /// assert_eq!(x.vindex([vec![1, 0, 1], vec![-1, 0, 0]]).compute()?, ndarray::array![5, 0, 3].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for no lists or more than axes, lists of different lengths, and an index beyond its axis.
    pub fn vindex(&self, indices: impl AsRef<[Vec<isize>]>) -> Array<T> {
        Array::of(|| {
            let (expr, indices) = (self.expr()?, indices.as_ref());
            let shape = expr.shape();
            let wrong = |why: String| Error::argument("vindex", why);
            if indices.is_empty() || indices.len() > shape.len() {
                return Err(wrong(format!("{} lists of indices for shape {:?}", indices.len(), shape.as_slice())));
            }
            let n = indices[0].len();
            if let Some(other) = indices.iter().find(|list| list.len() != n) {
                return Err(wrong(format!("lists of {n} and {} indices: points have one of each", other.len())));
            }
            let mut tokenizer = Tokenizer::new();
            let mut points: Vec<Vec<usize>> = Vec::with_capacity(indices.len());
            for (axis, list) in indices.iter().enumerate() {
                let positions =
                    list.iter().map(|&index| position_of("vindex", index, axis, shape[axis])).collect::<Result<Vec<usize>>>()?;
                tokenizer.hashed(positions.as_slice());
                points.push(positions);
            }
            // As many points as make a block of the array's size.
            let size: usize =
                expr.chunks.axes()[..points.len()].iter().map(|chunks| chunks.iter().copied().max().unwrap_or(1).max(1)).product();
            let mut axes = vec![even(n, size.min(n.max(1)))];
            axes.extend_from_slice(&expr.chunks.axes()[points.len()..]);
            let op = Points { points, token: tokenizer.finish() };
            Ok(node("vindex", expr.dtype, Chunking::new(axes)?, op, &[expr]))
        })
    }
}

struct Points {
    /// For each axis, the index of each point.
    points: Vec<Vec<usize>>,
    token: Token,
}

impl fmt::Debug for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Points({:032x})", self.token.bits())
    }
}

/// The points that one block of the array holds of one block of the result.
#[derive(Default)]
struct Part {
    /// Which of the result block's points they are.
    places: Vec<u32>,
    /// Where they are in the array's block: an index for each axis, point by point.
    local: Vec<u32>,
}

impl BlockOp for Points {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let input = &inputs[0];
        let k = self.points.len();
        let strides = input.chunks.strides();
        let starts = &input.chunks.starts()[..k];
        // For each chunk of the result, its parts by the block that they are in.
        let mut done = 0;
        let chunks: Vec<BTreeMap<u32, Part>> = expr.chunks.axes()[0]
            .iter()
            .map(|&n| {
                let mut parts: BTreeMap<u32, Part> = BTreeMap::new();
                for point in done..done + n {
                    let mut flat = 0;
                    let mut local: smallvec::SmallVec<[u32; 4]> = smallvec::SmallVec::new();
                    for axis in 0..k {
                        let position = self.points[axis][point];
                        let chunk = starts[axis].partition_point(|&first| first <= position) - 1;
                        flat += chunk as u32 * strides[axis];
                        local.push((position - starts[axis][chunk]) as u32);
                    }
                    let part = parts.entry(flat).or_default();
                    part.places.push((point - done) as u32);
                    part.local.extend(local);
                }
                done += n;
                parts
            })
            .collect();
        let rest = Chunking::new(input.chunks.axes()[k..].to_vec()).expect("axes of the array");
        let (rest_blocks, rest_strides) = (rest.n_blocks() as u32, &strides[k..]);
        let name = stage(expr, "part");
        let lengths: Vec<usize> = chunks.iter().flat_map(|parts| parts.values().map(|part| part.places.len())).collect();
        let mut layers = Vec::new();
        if !lengths.is_empty() {
            let mut part_axes = vec![lengths];
            part_axes.extend_from_slice(rest.axes());
            let part_chunks = Chunking::new(part_axes).expect("no more points than the result has");
            let mut layer = GridBuilder::new(name.clone(), &part_chunks.grid());
            let from = layer.depends_on(input.name.clone());
            for (&flat, part) in chunks.iter().flatten() {
                let func = layer.func(Func::kernel(PartKernel { dtype: expr.dtype, axes: k, local: part.local.clone() }));
                each_block(&rest, |index| {
                    let below: u32 = index.iter().zip(rest_strides).map(|(i, stride)| i * stride).sum();
                    layer.call(func, [(from, flat + below)]);
                });
            }
            layer.sizes(sizes_of(&part_chunks, expr.dtype.size()));
            layers.push(layer.build());
        }
        let mut layer = GridBuilder::new(expr.name.clone(), &expr.chunks.grid());
        let from = if layers.is_empty() { None } else { Some(layer.depends_on(name)) };
        let mut first = 0;
        for parts in &chunks {
            let places = parts.values().map(|part| part.places.clone()).collect();
            let func = layer.func(Func::kernel(PointsKernel { dtype: expr.dtype, places, rest: rest.clone() }));
            for block in 0..rest_blocks {
                let reads = (0..parts.len() as u32).map(|part| (from.expect("a part is in a layer"), (first + part) * rest_blocks + block));
                layer.call(func, reads);
            }
            first += parts.len() as u32;
        }
        layer.sizes(if expr.chunks.is_uniform() { sizes(expr) } else { Sizes::Unknown });
        layers.push(layer.build());
        layers
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct PartKernel {
    dtype: DType,
    axes: usize,
    local: Vec<u32>,
}

impl Kernel for PartKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "vindex-part".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        with_dtype!(self.dtype, T => {
            let block = block::<T>(inputs, 0)?;
            let mut shape = vec![self.local.len() / self.axes];
            shape.extend_from_slice(&block.shape()[self.axes..]);
            let mut result = ArrayD::from_elem(shape, T::default());
            for (mut target, point) in result.axis_iter_mut(Axis(0)).zip(self.local.chunks_exact(self.axes)) {
                let mut source = block.view();
                for &i in point {
                    source = source.index_axis_move(Axis(0), i as usize);
                }
                target.assign(&source);
            }
            Ok(value(result))
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct PointsKernel {
    dtype: DType,
    /// For each part, where its points go.
    places: Vec<Vec<u32>>,
    /// The axes that points have no index for.
    rest: Chunking,
}

impl Kernel for PointsKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "vindex".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        if let [_] = self.places[..] {
            // The points of one part are in their order.
            return Ok(inputs.value(0).clone());
        }
        let rest = self.rest.index_of(inputs.block() % self.rest.n_blocks() as u32);
        with_dtype!(self.dtype, T => {
            let mut shape = vec![self.places.iter().map(Vec::len).sum::<usize>()];
            shape.extend_from_slice(&self.rest.block_shape(&rest));
            let mut result = ArrayD::from_elem(shape, T::default());
            for (i, places) in self.places.iter().enumerate() {
                for (source, &place) in block::<T>(inputs, i)?.axis_iter(Axis(0)).zip(places) {
                    result.index_axis_mut(Axis(0), place as usize).assign(&source);
                }
            }
            Ok(value(result))
        })
    }
}
