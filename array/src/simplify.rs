//! Slices, transposes and new chunks, pushed down to where the elements come from.
//!
//! ```text
//!     (x + y)[2..5]   ⇒   x[2..5] + y[2..5]             nothing is computed that is not asked for, and the operations
//!     (2 * x).T       ⇒   2 * x.T                       above stay one region for one kernel
//!     uniform[::2]    ⇒   every other draw
//! ```

use std::sync::Arc;

use arras_core::Tokenizer;
use smallvec::SmallVec;

use crate::array::Operand;
use crate::chunks::Chunking;
use crate::error::Result;
use crate::expr::{Expr, Kind, Uniform, elementwise};
use crate::operations::Operation;
use crate::view::{Item, sliced_chunks};

/// A slice of an array, given as one item for each of its axes, and new axes between.
pub(crate) fn slice(input: &Arc<Expr>, items: Vec<Item>) -> Result<Arc<Expr>> {
    if items.len() == input.chunks.ndim() && items.iter().zip(&input.shape()).all(|(item, &length)| item.is_whole(length)) {
        return Ok(Arc::clone(input));
    }
    let chunks = sliced_chunks(&input.chunks, &items)?;
    match &input.kind {
        Kind::Full(scalar) => return Ok(full(*scalar, chunks)),
        Kind::Uniform(draws) => {
            let mut start = draws.start;
            let mut strides = SmallVec::new();
            let mut axes = draws.strides.iter();
            for item in &items {
                if matches!(item, Item::NewAxis) {
                    strides.push(0);
                    continue;
                }
                let stride = *axes.next().expect("an item for each axis");
                match *item {
                    Item::Range { start: first, step, .. } => {
                        start = start.wrapping_add_signed(stride * first as i64);
                        strides.push(stride * step as i64);
                    }
                    Item::Index(i) => start = start.wrapping_add_signed(stride * i as i64),
                    Item::NewAxis => unreachable!("handled above"),
                }
            }
            return Ok(uniform(Uniform { start, strides, ..draws.clone() }, chunks));
        }
        Kind::Elementwise { operation, operands } => {
            let shape = input.shape();
            return push_down(*operation, operands, |operand| slice(operand, items_for(operand, &items, &shape)));
        }
        _ => {}
    }
    let parameters = Tokenizer::new().text(&format!("{items:?}")).text(input.name.as_str()).finish();
    let kind = Kind::Slice { items, input: Arc::clone(input) };
    Ok(Expr::new("getitem", parameters, input.dtype, chunks, kind))
}

/// The part of a slice that concerns an operand, which may have fewer axes than the result, and axes of length 1 that are repeated.
fn items_for(operand: &Arc<Expr>, items: &[Item], shape: &[usize]) -> Vec<Item> {
    let own = operand.shape();
    let missing = shape.len() - own.len();
    let mut axis = 0;
    let mut kept = Vec::new();
    for item in items {
        if matches!(item, Item::NewAxis) {
            // New axes left of all of a lesser operand's come of themselves when it is broadcast.
            if missing == 0 || axis > missing {
                kept.push(item.clone());
            }
            continue;
        }
        if axis >= missing {
            let repeated = own[axis - missing] == 1 && shape[axis] != 1;
            kept.push(match item {
                Item::Index(_) if repeated => Item::Index(0),
                Item::Range { .. } if repeated => Item::whole(1),
                item => item.clone(),
            });
        }
        axis += 1;
    }
    kept
}

/// An array with its axes in another order.
pub(crate) fn transpose(input: &Arc<Expr>, axes: &[usize]) -> Result<Arc<Expr>> {
    if axes.iter().enumerate().all(|(i, &axis)| i == axis) {
        return Ok(Arc::clone(input));
    }
    let chunks = Chunking::new(axes.iter().map(|&axis| input.chunks.axes()[axis].clone()).collect())?;
    match &input.kind {
        Kind::Full(scalar) => return Ok(full(*scalar, chunks)),
        Kind::Uniform(draws) => {
            let strides = axes.iter().map(|&axis| draws.strides[axis]).collect();
            return Ok(uniform(Uniform { strides, ..draws.clone() }, chunks));
        }
        Kind::Transpose { axes: before, input } => {
            let both: Vec<usize> = axes.iter().map(|&axis| before[axis]).collect();
            return transpose(input, &both);
        }
        Kind::Elementwise { operation, operands } => {
            return push_down(*operation, operands, |operand| {
                // Axes that the operand lacks are given to it, as they may end up between its own.
                let missing = axes.len() - operand.chunks.ndim();
                let mut items = vec![Item::NewAxis; missing];
                items.extend(operand.shape().iter().map(|&length| Item::whole(length)));
                transpose(&slice(operand, items)?, axes)
            });
        }
        _ => {}
    }
    let kind = Kind::Transpose { axes: SmallVec::from_slice(axes), input: Arc::clone(input) };
    let parameters = Tokenizer::new().text(&format!("{axes:?}")).text(input.name.as_str()).finish();
    Ok(Expr::new("transpose", parameters, input.dtype, chunks, kind))
}

/// An array cut into other chunks, which fit its shape.
pub(crate) fn rechunk(input: &Arc<Expr>, chunks: Chunking) -> Result<Arc<Expr>> {
    if input.chunks == chunks {
        return Ok(Arc::clone(input));
    }
    match &input.kind {
        Kind::Full(scalar) => return Ok(full(*scalar, chunks)),
        Kind::Uniform(draws) => return Ok(uniform(draws.clone(), chunks)),
        Kind::Rechunk { input } => return rechunk(input, chunks),
        Kind::Elementwise { operation, operands } => {
            return push_down(*operation, operands, |operand| {
                let missing = chunks.ndim() - operand.chunks.ndim();
                let axes = operand.chunks.axes().iter().zip(&chunks.axes()[missing..]);
                let axes = axes.map(|(own, wanted)| if own == &[1] { own.clone() } else { wanted.clone() });
                rechunk(operand, Chunking::new(axes.collect())?)
            });
        }
        _ => {}
    }
    let kind = Kind::Rechunk { input: Arc::clone(input) };
    Ok(Expr::new("rechunk", Tokenizer::new().text(input.name.as_str()).finish(), input.dtype, chunks, kind))
}

/// The operation on operands that were each changed alike.
fn push_down(operation: Operation, operands: &[Operand], change: impl Fn(&Arc<Expr>) -> Result<Arc<Expr>>) -> Result<Arc<Expr>> {
    let operands = operands.iter().map(|operand| match operand {
        Operand::Expr(expr) => change(expr).map(Operand::Expr),
        scalar => Ok(scalar.clone()),
    });
    elementwise(operation, operands.collect::<Result<_>>()?)
}

/// One scalar everywhere.
pub(crate) fn full(scalar: crate::dtype::Scalar, chunks: Chunking) -> Arc<Expr> {
    let dtype = scalar.dtype();
    Expr::new("full", Tokenizer::new().text(&format!("{scalar:?}")).finish(), dtype, chunks, Kind::Full(scalar))
}

/// Uniform draws.
pub(crate) fn uniform(draws: Uniform, chunks: Chunking) -> Arc<Expr> {
    let Uniform { seed, stream, low, high, start, strides } = &draws;
    let mut parameters = Tokenizer::new();
    parameters.number(*seed).number(*stream).number(low.to_bits()).number(high.to_bits()).number(*start).text(&format!("{strides:?}"));
    let parameters = parameters.finish();
    Expr::new("uniform", parameters, crate::DType::F64, chunks, Kind::Uniform(draws))
}
