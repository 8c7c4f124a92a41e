//! Missing elements filled with the last that was there.
//!
//! ```text
//!     blocks      1 _ _ │ _ _ _ │ 4 _ 5
//!     last            1 │     _ │     5       of each block
//!     carried         1 │     1 │     5       the last of all blocks so far: in rounds, from 1, 2, 4, .. blocks before
//!     filled      1 1 1 │ 1 1 1 │ 4 4 5       each block with what was carried to it
//! ```

use std::sync::Arc;

use arras_core::{BoxError, Func, GridBuilder, Inputs, Kernel, Layer, Name, Value, with};
use ndarray::{ArrayD, ArrayViewD, Axis, Zip};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::blocks::overlap::{Boundary, Depth, map_overlap};
use crate::engine::block::Block;
use crate::engine::blockwise::{BlockOp, block, layer, node, stage, value};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Element, Float, with_float};
use crate::engine::expr::Expr;
use crate::engine::lower::{dot, each_block, sizes, sizes_of};
use crate::reductions::reduce::axis_of;

impl<T: Float> Array<T> {
    /// The array with each NaN along an axis replaced by the last element before it that is none; NaN stays where there is no such element. With a limit, at most so many NaN
    /// after an element are replaced. Shape stays. Lazy; work: two passes, or one with a limit.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let nan = f64::NAN;
    /// let x = Array::from_ndarray(ndarray::array![1.0, nan, nan, nan, 5.0], 2)?;
    /// assert_eq!(x.push(0, None).compute()?, ndarray::array![1.0, 1.0, 1.0, 1.0, 5.0].into_dyn());
    /// assert!(x.push(0, Some(2)).compute()?[[3]].is_nan());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`](crate::Error::Axis) if there is no such axis.
    pub fn push(&self, axis: isize, limit: Option<usize>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let axis = axis_of("push", axis, &shape)?;
            match limit {
                Some(limit) if limit < shape[axis].saturating_sub(1) => {
                    let mut depths = vec![(0, 0); shape.len()];
                    depths[axis].0 = limit;
                    let fill = with((axis, limit), |&(axis, limit): &(usize, usize), block: &Block| fill_block(block, axis, limit));
                    map_overlap::<T>("push", &expr, &Depth::from(depths), Boundary::None, Func::new(fill), T::DTYPE)
                }
                _ => Ok(node("push", T::DTYPE, expr.chunks.clone(), Push { axis }, &[expr])),
            }
        })
    }
}

/// A block with NaN filled from within.
fn fill_block(block: &Block, axis: usize, limit: usize) -> Block {
    let fill = |block: &Block| -> Option<Block> {
        with_float!(block.dtype(), T => {
            let mut filled = T::of_block(block)?.to_owned();
            fill_forward(&mut filled, axis, limit, None);
            Some(T::into_block(filled.into_shared()))
        }, None)
    };
    fill(block).unwrap_or_else(|| block.clone())
}

/// Fills NaN along an axis, at most `limit` after each element; `before` is what comes before the first.
fn fill_forward<T: Float>(array: &mut ArrayD<T>, axis: usize, limit: usize, before: Option<ArrayViewD<'_, T>>) {
    let nan = <T as num_traits::Float>::nan();
    let mut lasts = before.into_iter().flat_map(|before| before.into_iter().copied().collect::<Vec<T>>());
    for lane in array.lanes_mut(Axis(axis)) {
        let (mut last, mut filled) = (lasts.next().unwrap_or(nan), 0);
        for element in lane {
            if !num_traits::Float::is_nan(*element) {
                (last, filled) = (*element, 0);
            } else if filled < limit {
                (*element, filled) = (last, filled + 1);
            }
        }
    }
}

#[derive(Debug)]
struct Push {
    axis: usize,
}

impl BlockOp for Push {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let (axis, dtype) = (self.axis, expr.dtype);
        let n = expr.chunks.axes()[axis].len();
        let mut axes = expr.chunks.axes().to_vec();
        axes[axis] = vec![1; n];
        let lasts = Chunking::new(axes).expect("as many blocks as the node has");
        let strides = expr.chunks.strides();
        let input = inputs[0].name.clone();
        let mut layers = Vec::new();
        let mut carried = stage(expr, "last");
        if n > 1 {
            let kernel = LastKernel { axis, dtype };
            let sizes = sizes_of(&lasts, dtype.size());
            layers.push(layer(carried.clone(), &lasts, std::slice::from_ref(&input), kernel, sizes, |index, read| {
                read.push((0, dot(index, &strides)))
            }));
            let mut distance = 1;
            while distance < n - 1 {
                let name = stage(expr, &format!("carry-{distance}"));
                let sizes = sizes_of(&lasts, dtype.size());
                layers.push(layer(name.clone(), &lasts, std::slice::from_ref(&carried), CarryKernel { dtype }, sizes, |index, read| {
                    let flat = dot(index, &strides);
                    read.push((0, flat));
                    if index[axis] as usize >= distance {
                        read.push((0, flat - distance as u32 * strides[axis]));
                    }
                }));
                carried = name;
                distance *= 2;
            }
        }
        layers.push(filled(expr, axis, input, (n > 1).then_some(carried)));
        layers
    }
}

/// The layer of filled blocks.
fn filled(expr: &Expr, axis: usize, input: Name, carried: Option<Name>) -> Layer {
    let strides = expr.chunks.strides();
    let mut layer = GridBuilder::new(expr.name.clone(), &expr.chunks.grid());
    let func = layer.func(Func::kernel(FillKernel { axis, dtype: expr.dtype }));
    let input = layer.depends_on(input);
    let carried = carried.map(|name| layer.depends_on(name));
    each_block(&expr.chunks, |index| {
        let flat = dot(index, &strides);
        let before = carried.filter(|_| index[axis] > 0).map(|carried| (carried, flat - strides[axis]));
        layer.call(func, std::iter::once((input, flat)).chain(before));
    });
    layer.sizes(sizes(expr));
    layer.build()
}

/// The last element along an axis that is not NaN.
#[derive(Debug, Serialize, Deserialize)]
struct LastKernel {
    axis: usize,
    dtype: DType,
}

impl Kernel for LastKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "push-last".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        with_float!(self.dtype, T => {
            let nan = <T as num_traits::Float>::nan();
            let last = |lane: ndarray::ArrayView1<'_, T>| lane.iter().rev().copied().find(|x| !x.is_nan()).unwrap_or(nan);
            let lasts = block::<T>(inputs, 0)?.map_axis(Axis(self.axis), last);
            Ok(value(lasts.insert_axis(Axis(self.axis))))
        }, Err("push of elements that have no NaN".into()))
    }
}

/// The elements of one block, where they are NaN those of another, if there is one.
#[derive(Debug, Serialize, Deserialize)]
struct CarryKernel {
    dtype: DType,
}

impl Kernel for CarryKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "push-carry".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        if inputs.len() == 1 {
            return Ok(inputs.value(0).clone());
        }
        with_float!(self.dtype, T => {
            let mut own = block::<T>(inputs, 0)?.to_owned();
            Zip::from(&mut own).and(block::<T>(inputs, 1)?).for_each(|own, &before| {
                if own.is_nan() {
                    *own = before;
                }
            });
            Ok(value(own))
        }, Err("push of elements that have no NaN".into()))
    }
}

/// A block with NaN filled, the first ones from what was carried to it.
#[derive(Debug, Serialize, Deserialize)]
struct FillKernel {
    axis: usize,
    dtype: DType,
}

impl Kernel for FillKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "push".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        with_float!(self.dtype, T => {
            let mut own = block::<T>(inputs, 0)?.to_owned();
            let before = if inputs.len() > 1 { Some(block::<T>(inputs, 1)?.view()) } else { None };
            fill_forward(&mut own, self.axis, usize::MAX, before);
            Ok(value(own))
        }, Err("push of elements that have no NaN".into()))
    }
}
