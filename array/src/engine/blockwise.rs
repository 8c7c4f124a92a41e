//! Operations that make blocks from blocks in a way of their own: what is neither elementwise, nor a fold, nor a view.
//!
//! ```text
//!     Kind::Blocks { op, inputs } ──► op.layers(node, inputs): one layer or several, the last under the node's name
//! ```
//! Such a node is a boundary: the elementwise operations below it end in blocks, those above it read blocks.

use std::fmt::Debug;
use std::sync::Arc;

use arras_core::{BoxError, Func, GridBuilder, Inputs, Kernel, Layer, Name, Sizes, Tokenizer, Value};
use ndarray::{ArcArray, ArrayD, IxDyn};

use crate::engine::block::Block;
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Element};
use crate::engine::expr::{Expr, Kind};
use crate::engine::lower::{each_block, sizes_of};
use crate::error::Result;
use crate::shape::view::Item;

/// How a node's blocks are made from those of its inputs.
pub(crate) trait BlockOp: Debug + Send + Sync + 'static {
    /// The layers that make the node's blocks, those that others read first. The last has the node's name and the grid of its chunks.
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer>;

    /// What a slice of the node shows of which inputs, for an operation whose slices can be pushed below it.
    fn slice(&self, inputs: &[Arc<Expr>], items: &[Item]) -> Option<Vec<(Arc<Expr>, Vec<Item>)>> {
        let _ = (inputs, items);
        None
    }

    /// The slice, made of those of the inputs that [`slice`](BlockOp::slice) named.
    fn sliced(&self, inputs: Vec<Arc<Expr>>, items: &[Item]) -> Result<Arc<Expr>> {
        let _ = (inputs, items);
        unreachable!("an operation whose slices can be pushed below it says how to put them together")
    }
}

/// A node. What the operation prints as [`Debug`] stands for its parameters: two that print alike are one.
pub(crate) fn node(operation: &str, dtype: DType, chunks: Chunking, op: impl BlockOp, inputs: &[Arc<Expr>]) -> Arc<Expr> {
    let mut parameters = Tokenizer::new();
    parameters.text(&format!("{op:?}"));
    for input in inputs {
        parameters.text(input.name.as_str());
    }
    let parameters = parameters.finish();
    Expr::new(operation, parameters, dtype, chunks, Kind::Blocks { op: Arc::new(op), inputs: inputs.into() })
}

/// A layer of one kernel. `from` says for the block at an index which blocks it reads: the number of the input, and the flat position among that input's blocks.
pub(crate) fn layer(
    name: Name,
    chunks: &Chunking,
    inputs: &[Name],
    kernel: impl Kernel,
    sizes: Sizes,
    mut from: impl FnMut(&[u32], &mut Vec<(usize, u32)>),
) -> Layer {
    let mut layer = GridBuilder::new(name, &chunks.grid());
    let func = layer.func(Func::kernel(kernel));
    let dependencies: Vec<u32> = inputs.iter().map(|input| layer.depends_on(input.clone())).collect();
    let mut read = Vec::new();
    each_block(chunks, |index| {
        read.clear();
        from(index, &mut read);
        layer.call(func, read.iter().map(|&(input, flat)| (dependencies[input], flat)));
    });
    layer.sizes(sizes);
    layer.build()
}

/// The layer of a node whose blocks are made by one kernel: [`layer`] with the node's name, chunks and sizes.
pub(crate) fn node_layer(
    expr: &Expr,
    inputs: &[Arc<Expr>],
    kernel: impl Kernel,
    from: impl FnMut(&[u32], &mut Vec<(usize, u32)>),
) -> Layer {
    let names: Vec<Name> = inputs.iter().map(|input| input.name.clone()).collect();
    layer(expr.name.clone(), &expr.chunks, &names, kernel, sizes_of(&expr.chunks, expr.dtype.size()), from)
}

/// The name of a layer on the way to a node's.
pub(crate) fn stage(expr: &Expr, stage: &str) -> Name {
    let (operation, token) = expr.name.as_str().rsplit_once('-').unwrap_or((expr.name.as_str(), ""));
    Name::new(format!("{operation}-{stage}-{token}"))
}

/// An input's block, of the type that the kernel works on.
pub(crate) fn block<'a, T: Element>(inputs: &Inputs<'a>, i: usize) -> Result<&'a ArcArray<T, IxDyn>, BoxError> {
    let block = inputs.get::<Block>(i)?;
    T::of_block(block).ok_or_else(|| format!("a block of {} where {} is read", block.dtype(), T::DTYPE).into())
}

/// A task's value: a block of these elements.
pub(crate) fn value<T: Element>(array: ArrayD<T>) -> Value {
    Value::measured(T::into_block(array.into_shared()))
}
