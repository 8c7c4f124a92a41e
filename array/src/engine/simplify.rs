//! Slices, transposes and new chunks, pushed down to where the elements come from.
//!
//! ```text
//!     (x + y)[2..5]   ⇒   x[2..5] + y[2..5]             nothing is computed that is not asked for, and the operations
//!     (2 * x).T       ⇒   2 * x.T                       above stay one region for one kernel
//!     uniform[::2]    ⇒   every other draw
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use arras_core::{Name, Token, Tokenizer};
use smallvec::SmallVec;

use crate::array::Operand;
use crate::creation::iota::iota;
use crate::engine::chunks::Chunking;
use crate::engine::expr::{Draws, Expr, Kind, elementwise};
use crate::error::Result;
use crate::shape::view::{Item, sliced_chunks};

/// A slice of an array, given as one item for each of its axes, and new axes between.
pub(crate) fn slice(input: &Arc<Expr>, items: Vec<Item>) -> Result<Arc<Expr>> {
    let key = |items: &Vec<Item>| Tokenizer::new().text(&format!("{items:?}")).finish();
    let below = |expr: &Arc<Expr>, items: &Vec<Item>| match &expr.kind {
        Kind::Blocks { op, inputs } => Ok(op.slice(inputs, items).expect("an operation that slices can be pushed below")),
        _ => {
            let shape = expr.shape();
            Ok(expr.inputs().into_iter().map(|operand| (Arc::clone(operand), items_for(operand, items, &shape))).collect())
        }
    };
    push_down(input, items, key, slice_here, below, |expr, items, inputs| match &expr.kind {
        Kind::Blocks { op, .. } => op.sliced(inputs, items),
        _ => rebuild(expr, inputs),
    })
}

/// The slice of a node that is no operation, or that the slice leaves as it is.
fn slice_here(input: &Arc<Expr>, items: &Vec<Item>) -> Result<Option<Arc<Expr>>> {
    if items.len() == input.chunks.ndim() && items.iter().zip(&input.shape()).all(|(item, &length)| item.is_whole(length)) {
        return Ok(Some(Arc::clone(input)));
    }
    match &input.kind {
        Kind::Elementwise { .. } => return Ok(None),
        Kind::Blocks { op, inputs } if op.slice(inputs, items).is_some() => return Ok(None),
        _ => {}
    }
    let chunks = sliced_chunks(&input.chunks, items)?;
    Ok(Some(match &input.kind {
        Kind::Full(scalar) => full(*scalar, chunks),
        Kind::Iota(positions) => iota(positions.slice(items), chunks),
        Kind::Draws(draws) => {
            let mut start = draws.start;
            let mut strides = SmallVec::new();
            let mut axes = draws.strides.iter();
            for item in items {
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
            random(Draws { start, strides, ..draws.clone() }, chunks)
        }
        _ => {
            let parameters = Tokenizer::new().text(&format!("{items:?}")).text(input.name.as_str()).finish();
            let kind = Kind::Slice { items: items.clone(), input: Arc::clone(input) };
            Expr::new("getitem", parameters, input.dtype, chunks, kind)
        }
    }))
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
    let key = |axes: &Vec<usize>| Tokenizer::new().text(&format!("{axes:?}")).finish();
    let below = |operand: &Arc<Expr>, axes: &Vec<usize>| {
        let missing = axes.len() - operand.chunks.ndim();
        if missing == 0 {
            return Ok((Arc::clone(operand), axes.clone()));
        }
        // Axes that the operand lacks are given to it, as they may end up between its own.
        let mut items = vec![Item::NewAxis; missing];
        items.extend(operand.shape().iter().map(|&length| Item::whole(length)));
        Ok((slice(operand, items)?, axes.clone()))
    };
    let below = |expr: &Arc<Expr>, axes: &Vec<usize>| expr.inputs().into_iter().map(|operand| below(operand, axes)).collect();
    push_down(input, axes.to_vec(), key, transpose_here, below, |expr, _, inputs| rebuild(expr, inputs))
}

/// The transpose of a node that is no operation, or that the transpose leaves as it is.
fn transpose_here(input: &Arc<Expr>, axes: &Vec<usize>) -> Result<Option<Arc<Expr>>> {
    if axes.iter().enumerate().all(|(i, &axis)| i == axis) {
        return Ok(Some(Arc::clone(input)));
    }
    let chunks = Chunking::new(axes.iter().map(|&axis| input.chunks.axes()[axis].clone()).collect())?;
    Ok(Some(match &input.kind {
        Kind::Elementwise { .. } => return Ok(None),
        Kind::Full(scalar) => full(*scalar, chunks),
        Kind::Iota(positions) => iota(positions.transpose(axes), chunks),
        // Draws come in rows: those of columns, each from another place in the stream, would take many times as long as turning a block around.
        Kind::Draws(draws) if axes.last() == Some(&(axes.len() - 1)) => {
            let strides = axes.iter().map(|&axis| draws.strides[axis]).collect();
            random(Draws { strides, ..draws.clone() }, chunks)
        }
        Kind::Transpose { axes: before, input } => {
            // What stands below a transpose is no operation, as the first was pushed down to it.
            let both = axes.iter().map(|&axis| before[axis]).collect();
            return transpose_here(input, &both);
        }
        _ => {
            let parameters = Tokenizer::new().text(&format!("{axes:?}")).text(input.name.as_str()).finish();
            let kind = Kind::Transpose { axes: SmallVec::from_slice(axes), input: Arc::clone(input) };
            Expr::new("transpose", parameters, input.dtype, chunks, kind)
        }
    }))
}

/// An array cut into other chunks, which fit its shape.
pub(crate) fn rechunk(input: &Arc<Expr>, chunks: Chunking) -> Result<Arc<Expr>> {
    let below = |operand: &Arc<Expr>, chunks: &Chunking| {
        let missing = chunks.ndim() - operand.chunks.ndim();
        let axes = operand.chunks.axes().iter().zip(&chunks.axes()[missing..]);
        let axes = axes.map(|(own, wanted)| if own == &[1] { own.clone() } else { wanted.clone() });
        Ok((Arc::clone(operand), Chunking::new(axes.collect())?))
    };
    let below = |expr: &Arc<Expr>, chunks: &Chunking| expr.inputs().into_iter().map(|operand| below(operand, chunks)).collect();
    push_down(input, chunks, Chunking::token, rechunk_here, below, |expr, _, inputs| rebuild(expr, inputs))
}

/// An operation of other operands.
fn rebuild(expr: &Arc<Expr>, inputs: Vec<Arc<Expr>>) -> Result<Arc<Expr>> {
    let Kind::Elementwise { operation, operands } = &expr.kind else { unreachable!("only operations are rebuilt") };
    let mut inputs = inputs.into_iter();
    let operands = operands.iter().map(|operand| match operand {
        Operand::Expr(_) => Operand::Expr(inputs.next().expect("one for each operand")),
        scalar => scalar.clone(),
    });
    elementwise(operation.clone(), operands.collect())
}

/// A node that is no operation, or that has these chunks, cut into them.
fn rechunk_here(input: &Arc<Expr>, chunks: &Chunking) -> Result<Option<Arc<Expr>>> {
    if input.chunks == *chunks {
        return Ok(Some(Arc::clone(input)));
    }
    Ok(Some(match &input.kind {
        Kind::Elementwise { .. } => return Ok(None),
        Kind::Full(scalar) => full(*scalar, chunks.clone()),
        Kind::Iota(positions) => iota(positions.clone(), chunks.clone()),
        Kind::Draws(draws) => random(draws.clone(), chunks.clone()),
        // What stands below new chunks is no operation either.
        Kind::Rechunk { input } => return rechunk_here(input, chunks),
        _ => {
            let parameters = Tokenizer::new().text(input.name.as_str()).finish();
            Expr::new("rechunk", parameters, input.dtype, chunks.clone(), Kind::Rechunk { input: Arc::clone(input) })
        }
    }))
}

/// Changes an expression below its operations: `here` changes a node that is no operation, `below` says what becomes of the operands of one that is, and `rebuild` makes it of
/// the changed ones. Each node is changed once for each way in which it is asked for, and none by recursion: expressions can be deep, and share much.
fn push_down<P>(
    root: &Arc<Expr>,
    change: P,
    key: impl Fn(&P) -> Token,
    here: impl Fn(&Arc<Expr>, &P) -> Result<Option<Arc<Expr>>>,
    below: impl Fn(&Arc<Expr>, &P) -> Result<Vec<(Arc<Expr>, P)>>,
    rebuild: impl Fn(&Arc<Expr>, &P, Vec<Arc<Expr>>) -> Result<Arc<Expr>>,
) -> Result<Arc<Expr>> {
    type Id = (Name, Token);
    enum Visit<P> {
        Change(Id, Arc<Expr>, P),
        /// The operands are done: these, where they are no scalars.
        Rebuild(Id, Arc<Expr>, P, Vec<Id>),
    }
    let id = |expr: &Arc<Expr>, change: &P| -> Id { (expr.name.clone(), key(change)) };
    let mut done: HashMap<Id, Arc<Expr>> = HashMap::new();
    let root_id = id(root, &change);
    let mut stack = vec![Visit::Change(root_id.clone(), Arc::clone(root), change)];
    while let Some(visit) = stack.pop() {
        match visit {
            Visit::Change(id, ..) if done.contains_key(&id) => {}
            Visit::Change(own, expr, change) => {
                if let Some(changed) = here(&expr, &change)? {
                    done.insert(own, changed);
                    continue;
                }
                let operands = below(&expr, &change)?;
                let ids: Vec<Id> = operands.iter().map(|(operand, change)| id(operand, change)).collect();
                stack.push(Visit::Rebuild(own, expr, change, ids.clone()));
                stack.extend(ids.into_iter().zip(operands).map(|(id, (operand, change))| Visit::Change(id, operand, change)));
            }
            Visit::Rebuild(own, expr, change, ids) => {
                let changed = rebuild(&expr, &change, ids.iter().map(|id| Arc::clone(&done[id])).collect())?;
                done.insert(own, changed);
            }
        }
    }
    Ok(done.remove(&root_id).expect("the root was visited"))
}

/// One scalar everywhere.
pub(crate) fn full(scalar: crate::engine::dtype::Scalar, chunks: Chunking) -> Arc<Expr> {
    let dtype = scalar.dtype();
    Expr::new("full", Tokenizer::new().text(&format!("{scalar:?}")).finish(), dtype, chunks, Kind::Full(scalar))
}

/// Draws of a counter-based generator.
pub(crate) fn random(draws: Draws, chunks: Chunking) -> Arc<Expr> {
    let Draws { seed, stream, law, start, strides } = &draws;
    let mut parameters = Tokenizer::new();
    parameters.number(*seed).number(*stream).text(&format!("{law:?}")).number(*start).text(&format!("{strides:?}"));
    let parameters = parameters.finish();
    Expr::new(law.name(), parameters, law.dtype(), chunks, Kind::Draws(draws))
}
