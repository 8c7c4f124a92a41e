//! Arrays joined along an axis.

use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Value};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::engine::blockwise::{BlockOp, node, node_layer};
use crate::engine::chunks::{Chunking, refine};
use crate::engine::dtype::Element;
use crate::engine::expr::Expr;
use crate::engine::lower::dot;
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::axis_of;
use crate::shape::view::{Item, cut};

/// Arrays one after another along an axis they have; a negative axis counts from the end. Lazy; the blocks of the result are those of the arrays, not copies.
///
/// Along the other axes their lengths must agree; where their chunks differ, all are cut at every place where one of them is.
///
/// ```
/// use arras_array::{Array, concatenate};
/// use arras_scheduler::Compute;
/// let (a, b) = (Array::<i64>::zeros([2, 3], 2)?, Array::<i64>::ones([1, 3], 2)?);
/// let both = concatenate(&[&a, &b], 0);
/// assert_eq!(both.chunks(), [vec![2, 1], vec![2, 1]]);
/// assert_eq!(both.compute()?, ndarray::arr2(&[[0, 0, 0], [0, 0, 0], [1, 1, 1]]).into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The result fails with an [`Error::Argument`] for no arrays or ones of different shapes, and with an [`Error::Axis`] for an axis that they lack.
pub fn concatenate<T: Element>(arrays: &[&Array<T>], axis: isize) -> Array<T> {
    Array::of(|| {
        let inputs = arrays.iter().map(|array| array.expr()).collect::<Result<Vec<_>>>()?;
        let Some(first) = inputs.first() else { return Err(Error::argument("concatenate", "needs at least one array")) };
        let axis = axis_of("concatenate", axis, &first.shape())?;
        join("concatenate", &inputs, axis)
    })
}

/// Arrays of one shape along a new axis: axis `axis` of the result; a negative one counts from the result's end. Lazy, as [`concatenate`].
///
/// ```
/// use arras_array::{Array, stack};
/// let a = Array::<f64>::zeros([4, 3], 2)?;
/// assert_eq!(stack(&[&a, &a], 0).shape(), [2, 4, 3]);
/// assert_eq!(stack(&[&a, &a], -1).shape(), [4, 3, 2]);
/// # Ok::<(), arras_array::Error>(())
/// ```
pub fn stack<T: Element>(arrays: &[&Array<T>], axis: isize) -> Array<T> {
    Array::of(|| {
        let inputs = arrays.iter().map(|array| array.expr()).collect::<Result<Vec<_>>>()?;
        let Some(first) = inputs.first() else { return Err(Error::argument("stack", "needs at least one array")) };
        let mut shape = first.shape();
        shape.push(1);
        let axis = axis_of("stack", axis, &shape)?;
        let raise = |input: &Arc<Expr>| {
            let mut items: Vec<Item> = input.shape().iter().map(|&length| Item::whole(length)).collect();
            items.insert(axis.min(items.len()), Item::NewAxis);
            simplify::slice(input, items)
        };
        join("stack", &inputs.iter().map(raise).collect::<Result<Vec<_>>>()?, axis)
    })
}

/// Arrays, at least one, joined along an axis that the first has.
pub(crate) fn join(operation: &'static str, inputs: &[Arc<Expr>], axis: usize) -> Result<Arc<Expr>> {
    let shape = inputs[0].shape();
    let fits = |other: &[usize]| -> bool { other.len() == shape.len() && (0..shape.len()).all(|i| i == axis || other[i] == shape[i]) };
    if let Some((i, other)) = inputs.iter().enumerate().find(|(_, input)| !fits(&input.shape())) {
        let (first, other) = (shape.as_slice(), other.shape());
        return Err(Error::argument(
            operation,
            format!("array {i} has shape {:?}, which differs from {first:?} beyond axis {axis}", other.as_slice()),
        ));
    }
    // What has no elements adds none; without it there is no block of length 0 among others.
    let mut filled: Vec<Arc<Expr>> = inputs.iter().filter(|input| input.shape()[axis] > 0).cloned().collect();
    if filled.is_empty() {
        filled.push(Arc::clone(&inputs[0]));
    }
    let mut inputs = filled;
    if inputs.len() == 1 {
        return Ok(inputs.remove(0));
    }
    let mut axes = inputs[0].chunks.axes().to_vec();
    for input in &inputs[1..] {
        for (mine, chunks) in axes.iter_mut().zip(input.chunks.axes()) {
            *mine = refine(mine, chunks);
        }
    }
    let cut = |input: &Arc<Expr>| {
        let mut own = axes.clone();
        own[axis].clone_from(&input.chunks.axes()[axis]);
        simplify::rechunk(input, Chunking::new(own)?)
    };
    let inputs = inputs.iter().map(cut).collect::<Result<Vec<_>>>()?;
    axes[axis] = inputs.iter().flat_map(|input| &input.chunks.axes()[axis]).copied().collect();
    Ok(node(operation, inputs[0].dtype, Chunking::new(axes)?, Join { operation, axis }, &inputs))
}

#[derive(Debug)]
struct Join {
    operation: &'static str,
    axis: usize,
}

impl BlockOp for Join {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        // For each chunk along the axis, the array that it comes from, and its number there.
        let places: Vec<(usize, u32)> =
            inputs.iter().enumerate().flat_map(|(i, input)| (0..input.chunks.grid()[self.axis]).map(move |chunk| (i, chunk))).collect();
        let strides: Vec<_> = inputs.iter().map(|input| input.chunks.strides()).collect();
        vec![node_layer(expr, inputs, JoinKernel, |index, read| {
            let (input, chunk) = places[index[self.axis] as usize];
            let flat = dot(index, &strides[input]) - (index[self.axis] - chunk) * strides[input][self.axis];
            read.push((input, flat));
        })]
    }

    /// Of each array, in the order of the slice, what it shows of it; of others nothing.
    fn slice(&self, inputs: &[Arc<Expr>], items: &[Item]) -> Option<Vec<(Arc<Expr>, Vec<Item>)>> {
        let lengths: Vec<usize> = inputs.iter().map(|input| input.shape()[self.axis]).collect();
        let place = item_of(items, self.axis);
        let pieces = match items[place] {
            Item::Range { start, step, length } => cut(&lengths, start, step, length),
            Item::Index(i) => cut(&lengths, i, 1, 1),
            Item::NewAxis => return None,
        };
        let piece = |(input, first, n): (usize, usize, usize)| {
            let mut items = items.to_vec();
            items[place] = match items[place] {
                Item::Range { step, .. } => Item::Range { start: first, step, length: n },
                _ => Item::Index(first),
            };
            (Arc::clone(&inputs[input]), items)
        };
        Some(pieces.into_iter().map(piece).collect())
    }

    fn sliced(&self, mut inputs: Vec<Arc<Expr>>, items: &[Item]) -> Result<Arc<Expr>> {
        if inputs.len() == 1 {
            return Ok(inputs.remove(0));
        }
        // Where the axis is among those of the slice.
        let axis = items[..item_of(items, self.axis)].iter().filter(|item| !matches!(item, Item::Index(_))).count();
        join(self.operation, &inputs, axis)
    }
}

/// Where a slice says what becomes of an axis.
fn item_of(items: &[Item], axis: usize) -> usize {
    let axes = items.iter().enumerate().filter(|(_, item)| !matches!(item, Item::NewAxis));
    axes.map(|(place, _)| place).nth(axis).expect("an item for each axis")
}

/// Passes a block on.
#[derive(Debug, Serialize, Deserialize)]
struct JoinKernel;

impl Kernel for JoinKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "concatenate".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(inputs.value(0).clone())
    }
}
