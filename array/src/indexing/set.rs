//! Assignment: arrays with some of their elements replaced.

use std::sync::Arc;

use arras_core::{BoxError, Func, GridBuilder, Inputs, Kernel, Layer, Value};
use ndarray::{IxDyn, SliceInfo, SliceInfoElem};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::array::{Array, Operand};
use crate::elementwise::choose::choose_by;
use crate::engine::blockwise::{BlockOp, block, node, value};
use crate::engine::dtype::{DType, Element, with_dtype};
use crate::engine::expr::{Expr, IntoOperand, fit};
use crate::engine::lower::{broadcast_strides, dot, each_block, sizes};
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::shape::view::{Item, cut, items, sliced_chunks};

/// An operand as an array: a scalar is one of no axes.
fn array_of<T: Element>(operand: impl IntoOperand<T>) -> Result<Arc<Expr>> {
    match operand.into_operand()? {
        Operand::Expr(expr) => Ok(expr),
        Operand::Scalar(scalar) => Ok(simplify::full(scalar, crate::engine::chunks::Chunking::new(Vec::new())?)),
    }
}

impl<T: Element> Array<T> {
    /// The array with other elements in a part of it: `x[part] = values` in NumPy, as a new array. Lazy.
    ///
    /// The part is given as for [`slice`](Array::slice), without new axes; `values` is a scalar or an array that broadcasts to the part's shape. Blocks that the part does not
    /// touch are the array's own; others are copied once.
    ///
    /// ```
    /// use arras_array::{Array, s};
    /// use arras_scheduler::Compute;
    /// let x = Array::<i32>::zeros([2, 3], 2)?;
    /// let y = x.set(s![.., 1..], 7).set(s![0, ..;2], &Array::arange(1, 3, 1, 2)?);
    /// assert_eq!(y.compute()?, ndarray::arr2(&[[1, 7, 2], [0, 7, 7]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails as [`slice`](Array::slice) does, with an [`Error::Argument`] for a new axis, and with an [`Error::Broadcast`] for values that do not fit.
    pub fn set(&self, part: impl AsRef<[SliceInfoElem]>, values: impl IntoOperand<T>) -> Array<T> {
        Array::of(|| {
            let (expr, values) = (self.expr()?, array_of(values)?);
            if part.as_ref().iter().any(|elem| matches!(elem, SliceInfoElem::NewAxis)) {
                return Err(Error::argument("set", "a part to be replaced has no new axes"));
            }
            let items = items(part.as_ref(), &expr.shape())?;
            let chunks = sliced_chunks(&expr.chunks, &items)?;
            let (own, wanted) = (values.shape(), chunks.shape());
            let missing = wanted.len().checked_sub(own.len());
            if missing.is_none_or(|missing| own.iter().zip(&wanted[missing..]).any(|(&own, &wanted)| own != wanted && own != 1)) {
                return Err(Error::Broadcast { operation: "set", left: own.to_vec(), right: wanted.to_vec() });
            }
            if wanted.contains(&0) {
                return Ok(expr);
            }
            // Each block of the part is in one block of the array; so are the values for it.
            let values = fit(&values, chunks.axes())?;
            Ok(node("set", expr.dtype, expr.chunks.clone(), Set { items }, &[expr, values]))
        })
    }

    /// The array with other elements where a mask is true: `x[mask] = values` in NumPy, as a new array, for a mask that broadcasts to the array's shape, and a scalar or an array
    /// that does. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1.0, -2.0, 3.0], 2)?;
    /// assert_eq!(x.set_where(&x.lt(0.0), 0.0).compute()?, ndarray::array![1.0, 0.0, 3.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Broadcast`] if mask or values do not fit.
    pub fn set_where(&self, mask: &Array<bool>, values: impl IntoOperand<T>) -> Array<T> {
        Array::of(|| {
            let (expr, mask, values) = (self.expr()?, mask.expr()?, array_of(values)?);
            let shape = expr.shape();
            let changed = choose_by(mask, values, expr)?;
            if changed.shape() != shape {
                return Err(Error::Broadcast { operation: "set_where", left: changed.shape().to_vec(), right: shape.to_vec() });
            }
            Ok(changed)
        })
    }
}

#[derive(Debug)]
struct Set {
    items: Vec<Item>,
}

/// What of a block is replaced along an axis.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Part {
    /// The first element, the step, and how many.
    Range(usize, isize, usize),
    Index(usize),
}

impl BlockOp for Set {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let part = sliced_chunks(&expr.chunks, &self.items).expect("checked when the node was built");
        let along = broadcast_strides(&inputs[1].chunks, &part);
        let mut kept = along.iter();
        // For each axis and block, the part that is replaced and where its values are.
        let axes: Vec<Vec<Option<(Part, u32)>>> = self
            .items
            .iter()
            .zip(expr.chunks.axes())
            .map(|(item, chunks)| {
                let mut parts = vec![None; chunks.len()];
                match *item {
                    Item::Range { start, step, length } => {
                        let stride = *kept.next().expect("an axis of the part");
                        for (i, (chunk, first, n)) in cut(chunks, start, step, length).into_iter().enumerate() {
                            parts[chunk] = Some((Part::Range(first, step, n), i as u32 * stride));
                        }
                    }
                    Item::Index(i) => {
                        let (chunk, first, _) = cut(chunks, i, 1, 1)[0];
                        parts[chunk] = Some((Part::Index(first), 0));
                    }
                    Item::NewAxis => unreachable!("refused when the node was built"),
                }
                parts
            })
            .collect();
        let mut layer = GridBuilder::new(expr.name.clone(), &expr.chunks.grid());
        let set = layer.func(Func::kernel(SetKernel {
            dtype: expr.dtype,
            grid: expr.chunks.grid(),
            axes: axes.iter().map(|parts| parts.iter().map(|part| part.map(|(part, _)| part)).collect()).collect(),
        }));
        let pass = layer.func(Func::kernel(PassKernel));
        let (array, values) = (layer.depends_on(inputs[0].name.clone()), layer.depends_on(inputs[1].name.clone()));
        let strides = expr.chunks.strides();
        each_block(&expr.chunks, |index| {
            let flat = dot(index, &strides);
            let from = index.iter().zip(&axes).try_fold(0, |from, (&i, parts)| parts[i as usize].map(|(_, place)| from + place));
            match from {
                Some(from) => layer.call(set, [(array, flat), (values, from)]),
                None => layer.call(pass, [(array, flat)]),
            }
        });
        layer.sizes(sizes(expr));
        vec![layer.build()]
    }
}

/// Replaces a part of a block.
#[derive(Debug, Serialize, Deserialize)]
struct SetKernel {
    dtype: DType,
    grid: SmallVec<[u32; 4]>,
    axes: Vec<Vec<Option<Part>>>,
}

impl Kernel for SetKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "set".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let mut flat = inputs.block();
        let mut elems = Vec::with_capacity(self.grid.len());
        for (parts, &n) in self.axes.iter().zip(&self.grid).rev() {
            elems.push(match parts[(flat % n) as usize].ok_or("a block of which nothing is replaced")? {
                Part::Index(i) => SliceInfoElem::Index(i as isize),
                Part::Range(first, step, n) => {
                    let (first, span) = (first as isize, (n as isize - 1) * step);
                    let (start, end) = if step > 0 { (first, first + span + 1) } else { (first + span, first + 1) };
                    SliceInfoElem::Slice { start, end: Some(end), step }
                }
            });
            flat /= n;
        }
        elems.reverse();
        with_dtype!(self.dtype, T => set_block::<T>(inputs, &elems))
    }
}

fn set_block<T: Element>(inputs: &Inputs<'_>, elems: &[SliceInfoElem]) -> Result<Value, BoxError> {
    let mut result = block::<T>(inputs, 0)?.to_owned();
    let info: SliceInfo<_, IxDyn, IxDyn> = SliceInfo::try_from(elems)?;
    let mut part = result.slice_mut(info);
    let values = block::<T>(inputs, 1)?;
    let values = values
        .broadcast(part.raw_dim())
        .ok_or_else(|| format!("values of shape {:?} for a part of shape {:?}", values.shape(), part.shape()))?;
    part.assign(&values);
    Ok(value(result))
}

/// Passes a block on.
#[derive(Debug, Serialize, Deserialize)]
struct PassKernel;

impl Kernel for PassKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "set".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(inputs.value(0).clone())
    }
}
