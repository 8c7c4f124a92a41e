//! Expressions: what an array is made of, known by shape, type and chunks before anything is computed.
//!
//! ```text
//!     4.0 * ((x.powi(2) + y.powi(2)).lt(1.0)).sum()
//!
//!     multiply ── 4.0
//!        └ astype f64 ── sum ── less ── 1.0
//!                                 └ add ── square ── x
//!                                    └──── square ── y
//! ```
//! A node's name is the token of its operation, parameters and inputs, so equal expressions are one. Slices, transposes and new chunks are pushed down to where the
//! elements come from as soon as they are asked for (see [`crate::simplify`]).

use std::sync::Arc;

use arras_core::{Name, Token, Tokenizer, Value};
use smallvec::SmallVec;

use crate::array::{Array, Operand};
use crate::creation::iota::Iota;
use crate::creation::law::Law;
use crate::elementwise::operations::Operation;
use crate::engine::blockwise::BlockOp;
use crate::engine::chunks::{Chunking, Shape, refine};
use crate::engine::dtype::{DType, Element, Scalar};
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::ReduceOp;
use crate::shape::view::Item;

/// A node of an expression.
#[derive(Debug)]
pub(crate) struct Expr {
    pub(crate) name: Name,
    pub(crate) dtype: DType,
    pub(crate) chunks: Chunking,
    pub(crate) kind: Kind,
}

/// Where a node's elements come from.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Blocks that are there, in row-major order of the grid.
    Values(Arc<[Value]>),
    /// One scalar everywhere.
    Full(Scalar),
    /// Positions.
    Iota(Iota),
    /// Draws of a counter-based generator.
    Draws(Draws),
    Elementwise {
        operation: Operation,
        operands: SmallVec<[Operand; 2]>,
    },
    Reduce {
        op: ReduceOp,
        axes: SmallVec<[bool; 4]>,
        keepdims: bool,
        /// How many partial results one task combines.
        split_every: usize,
        /// Which elements count, if not all: of the input's chunks.
        mask: Option<Arc<Expr>>,
        input: Arc<Expr>,
    },
    Slice {
        items: Vec<Item>,
        input: Arc<Expr>,
    },
    Transpose {
        axes: SmallVec<[usize; 4]>,
        input: Arc<Expr>,
    },
    Rechunk {
        input: Arc<Expr>,
    },
    /// Blocks made by an operation of its own.
    Blocks {
        op: Arc<dyn BlockOp>,
        inputs: SmallVec<[Arc<Expr>; 2]>,
    },
}

/// Draws: element `i` of the array is draw `start + Σ strides · i` of a stream.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Draws {
    pub(crate) seed: u64,
    pub(crate) stream: u64,
    pub(crate) law: Law,
    pub(crate) start: u64,
    pub(crate) strides: SmallVec<[i64; 4]>,
}

impl Expr {
    /// A node. `parameters` stands for what tells it from other nodes of the operation: its parameters and the names of its inputs.
    pub(crate) fn new(operation: &str, parameters: Token, dtype: DType, chunks: Chunking, kind: Kind) -> Arc<Expr> {
        let mut tokenizer = Tokenizer::new();
        tokenizer.text(operation).text(dtype.name()).token(chunks.token()).token(parameters);
        Arc::new(Expr { name: Name::from_token(operation, tokenizer.finish()), dtype, chunks, kind })
    }

    pub(crate) fn shape(&self) -> Shape {
        self.chunks.shape()
    }

    /// The nodes that this one reads.
    pub(crate) fn inputs(&self) -> SmallVec<[&Arc<Expr>; 2]> {
        match &self.kind {
            Kind::Values(_) | Kind::Full(_) | Kind::Iota(_) | Kind::Draws(_) => SmallVec::new(),
            Kind::Elementwise { operands, .. } => operands
                .iter()
                .filter_map(|operand| match operand {
                    Operand::Expr(expr) => Some(expr),
                    Operand::Scalar(_) => None,
                })
                .collect(),
            Kind::Reduce { input, mask, .. } => [input].into_iter().chain(mask).collect(),
            Kind::Slice { input, .. } | Kind::Transpose { input, .. } | Kind::Rechunk { input } => SmallVec::from_slice(&[input]),
            Kind::Blocks { inputs, .. } => inputs.iter().collect(),
        }
    }
}

impl Drop for Expr {
    /// Takes long rows of operations apart one by one, where the compiler's own code would recurse.
    fn drop(&mut self) {
        fn take(kind: &mut Kind, stack: &mut Vec<Arc<Expr>>) {
            match std::mem::replace(kind, Kind::Full(Scalar::Bool(false))) {
                Kind::Elementwise { operands, .. } => stack.extend(operands.into_iter().filter_map(|operand| match operand {
                    Operand::Expr(expr) => Some(expr),
                    Operand::Scalar(_) => None,
                })),
                Kind::Reduce { input, mask, .. } => stack.extend([input].into_iter().chain(mask)),
                Kind::Slice { input, .. } | Kind::Transpose { input, .. } | Kind::Rechunk { input } => stack.push(input),
                Kind::Blocks { inputs, .. } => stack.extend(inputs),
                Kind::Values(_) | Kind::Full(_) | Kind::Iota(_) | Kind::Draws(_) => {}
            }
        }
        let mut stack = Vec::new();
        take(&mut self.kind, &mut stack);
        while let Some(expr) = stack.pop() {
            if let Some(mut expr) = Arc::into_inner(expr) {
                take(&mut expr.kind, &mut stack);
            }
        }
    }
}

/// What an operation can take on its right: an array of the same type, or a scalar of it.
pub trait IntoOperand<T: Element> {
    #[doc(hidden)]
    fn into_operand(self) -> Result<Operand>;
}

impl<T: Element> IntoOperand<T> for T {
    fn into_operand(self) -> Result<Operand> {
        Ok(Operand::Scalar(self.into_scalar()))
    }
}

impl<T: Element> IntoOperand<T> for &Array<T> {
    fn into_operand(self) -> Result<Operand> {
        Ok(Operand::Expr(self.expr()?))
    }
}

impl<T: Element> IntoOperand<T> for Array<T> {
    fn into_operand(self) -> Result<Operand> {
        (&self).into_operand()
    }
}

/// An elementwise operation. Shapes broadcast; where chunks differ, both sides are cut at every place where one of them is.
pub(crate) fn elementwise(operation: Operation, operands: Vec<Operand>) -> Result<Arc<Expr>> {
    let exprs = |operands: &[Operand]| -> Vec<Arc<Expr>> {
        operands
            .iter()
            .filter_map(|operand| match operand {
                Operand::Expr(expr) => Some(Arc::clone(expr)),
                Operand::Scalar(_) => None,
            })
            .collect()
    };
    let inputs = exprs(&operands);
    if operation == Operation::Cast(inputs.first().expect("an operation has an array among its operands").dtype) {
        return Ok(Arc::clone(&inputs[0]));
    }
    let dtypes: SmallVec<[DType; 2]> = operands.iter().map(Operand::dtype).collect();
    let dtype = operation.result(&dtypes);
    let axes = broadcast(operation.name(), &inputs)?;
    let operands: SmallVec<[Operand; 2]> = operands
        .into_iter()
        .map(|operand| match operand {
            Operand::Expr(expr) => fit(&expr, &axes).map(Operand::Expr),
            scalar => Ok(scalar),
        })
        .collect::<Result<_>>()?;
    let chunks = match exprs(&operands).into_iter().find(|expr| expr.chunks.axes() == axes) {
        Some(expr) => expr.chunks.clone(),
        None => Chunking::new(axes)?,
    };
    let mut parameters = Tokenizer::new();
    parameters.text(&format!("{operation:?}"));
    for operand in &operands {
        match operand {
            Operand::Expr(expr) => parameters.text(expr.name.as_str()),
            Operand::Scalar(scalar) => parameters.text(&format!("{scalar:?}")),
        };
    }
    let parameters = parameters.finish();
    Ok(Expr::new(operation.name(), parameters, dtype, chunks, Kind::Elementwise { operation, operands }))
}

/// The chunks of the axes of what arrays broadcast to.
pub(crate) fn broadcast(operation: &'static str, inputs: &[Arc<Expr>]) -> Result<Vec<Vec<usize>>> {
    let mut axes: Vec<Vec<usize>> = Vec::new();
    for input in inputs {
        let theirs = input.chunks.axes();
        if theirs == axes {
            continue;
        }
        // Axes correspond from the last one on.
        let missing = theirs.len().saturating_sub(axes.len());
        axes.splice(0..0, std::iter::repeat_n(vec![1], missing));
        let offset = axes.len() - theirs.len();
        for (axis, chunks) in theirs.iter().enumerate() {
            let mine = &mut axes[offset + axis];
            let (left, right): (usize, usize) = (mine.iter().sum(), chunks.iter().sum());
            match (left, right) {
                _ if left == right => *mine = refine(mine, chunks),
                (1, _) => mine.clone_from(chunks),
                (_, 1) => {}
                _ => {
                    let left = inputs[0].shape().to_vec();
                    return Err(Error::Broadcast { operation, left, right: input.shape().to_vec() });
                }
            }
        }
    }
    Ok(axes)
}

/// The array with the chunks that it has in a broadcast result: those of the result, or one chunk where it is repeated.
pub(crate) fn fit(expr: &Arc<Expr>, axes: &[Vec<usize>]) -> Result<Arc<Expr>> {
    let offset = axes.len() - expr.chunks.ndim();
    let fits = |own: &Vec<usize>, wanted: &Vec<usize>| own == wanted || own == &[1];
    if expr.chunks.axes().iter().zip(&axes[offset..]).all(|(own, wanted)| fits(own, wanted)) {
        return Ok(Arc::clone(expr));
    }
    let chunks = expr.chunks.axes().iter().zip(&axes[offset..]).map(|(own, wanted)| if own == &[1] { own.clone() } else { wanted.clone() });
    simplify::rechunk(expr, Chunking::new(chunks.collect())?)
}
