//! Arrays whose blocks are made by functions, or come from values that are computed elsewhere.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arras_core::{BoxError, Collection, Delayed, Func, Graph, GridBuilder, Inputs, Kernel, Key, Layer, Token, Tokenizer, Value};
use ndarray::{ArrayBase, ArrayD, DataOwned, Dimension, IntoDimension, IxDyn};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::blocks::location::BlockLocation;
use crate::engine::block::Block;
use crate::engine::blockwise::{BlockOp, node, node_layer, value};
use crate::engine::chunks::{Chunking, Chunks};
use crate::engine::dtype::{DType, Element};
use crate::engine::expr::Expr;
use crate::engine::user::{Caller, Calls, wire};
use crate::error::{Error, Result};

impl<S: DataOwned<Elem = T>, D: Dimension, T: Element> From<ArrayBase<S, D>> for Block {
    fn from(array: ArrayBase<S, D>) -> Block {
        T::into_block(array.into_dyn().into_shared())
    }
}

impl<T: Element> Array<T> {
    /// An array whose blocks a function makes: it is called once for each, with the block's place, and returns an ndarray of its shape. Lazy; a function that captures nothing can
    /// run in other processes.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_fn_blocks([3, 4], [2, 2], |block| ndarray::ArrayD::from_elem(block.shape.clone(), block.index[0] as f64))?;
    /// assert_eq!(x.sum().item().compute()?, 4.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A run fails if the function returns another shape.
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn from_fn_blocks<F>(shape: impl IntoDimension, chunks: impl Into<Chunks>, function: F) -> Result<Array<T>>
    where
        F: Fn(&BlockLocation) -> ArrayD<T> + Send + Sync + 'static,
    {
        let func = Func::erased::<F, _>(move |inputs: &Inputs<'_>| Ok(value(function(inputs.get::<BlockLocation>(0)?))));
        made_by::<T>("from_fn_blocks", shape, chunks, func)
    }

    /// An array whose elements a function makes of their indices, as ndarray's. Lazy; work: one call an element, block by block.
    ///
    /// Where array operations can say it, [`fromfunction`](crate::fromfunction) is faster, and fuses.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_shape_fn([2, 3], 2, |index| (10 * index[0] + index[1]) as i64)?;
    /// assert_eq!(x.compute()?, ndarray::arr2(&[[0, 1, 2], [10, 11, 12]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn from_shape_fn<F>(shape: impl IntoDimension, chunks: impl Into<Chunks>, function: F) -> Result<Array<T>>
    where
        F: Fn(&[usize]) -> T + Send + Sync + 'static,
    {
        let func = Func::erased::<F, _>(move |inputs: &Inputs<'_>| {
            let block = inputs.get::<BlockLocation>(0)?;
            let mut index = block.start.clone();
            Ok(value(ArrayD::from_shape_fn(IxDyn(&block.shape), |local| {
                for (axis, index) in index.iter_mut().enumerate() {
                    *index = block.start[axis] + local[axis];
                }
                function(&index)
            })))
        });
        made_by::<T>("from_shape_fn", shape, chunks, func)
    }

    /// The array that a delayed value will be: one block of this shape. Lazy. Several are joined by [`concatenate`](crate::concatenate), [`stack`](crate::stack) or
    /// [`block`](crate::block).
    ///
    /// ```
    /// use arras_array::{Array, Block};
    /// use arras_core::delayed;
    /// use arras_scheduler::Compute;
    /// let later = delayed(|n: usize| Block::from(ndarray::Array1::from_elem(n, 0.5)), (4usize,));
    /// let x = Array::<f64>::from_delayed(&later, [4])?;
    /// assert_eq!((x + 1.0).sum().item().compute()?, 6.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A run fails if the value has another type or shape.
    ///
    /// # Errors
    /// [`Error::Argument`] if the value cannot be computed; [`Error::TooLarge`].
    pub fn from_delayed(delayed: &Delayed<Block>, shape: impl IntoDimension) -> Result<Array<T>> {
        let shape = shape.into_dimension();
        let chunks = Chunks::one().of_dtype(shape.slice(), T::DTYPE, None)?;
        let graph = delayed.graph().map_err(|error| Error::argument("from_delayed", error.to_string()))?;
        let op = FromDelayed { graph, key: delayed.key() };
        Ok(Array::of(|| Ok(node("from_delayed", T::DTYPE, chunks, op, &[]))))
    }
}

fn made_by<T: Element>(operation: &'static str, shape: impl IntoDimension, chunks: impl Into<Chunks>, func: Func) -> Result<Array<T>> {
    let shape = shape.into_dimension();
    let chunks = chunks.into().of_dtype(shape.slice(), T::DTYPE, None)?;
    let token = Tokenizer::new().token(func.token().unwrap_or_else(Token::unique)).finish();
    Ok(Array::of(|| Ok(node(operation, T::DTYPE, chunks, MadeBy { operation, func, token }, &[]))))
}

struct MadeBy {
    operation: &'static str,
    func: Func,
    token: Token,
}

impl fmt::Debug for MadeBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MadeBy({:032x})", self.token.bits())
    }
}

impl BlockOp for MadeBy {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let (operation, func) = (self.operation.to_owned(), self.func.clone());
        let kernel = MadeByKernel { operation, func, dtype: expr.dtype, chunks: expr.chunks.clone() };
        vec![node_layer(expr, inputs, Caller(kernel), |_, _| {})]
    }
}

#[derive(Serialize, Deserialize)]
struct MadeByKernel {
    operation: String,
    #[serde(with = "wire")]
    func: Func,
    dtype: DType,
    chunks: Chunking,
}

impl Calls for MadeByKernel {
    fn func(&self) -> &Func {
        &self.func
    }
    fn label(&self) -> Cow<'static, str> {
        format!("{}({})", self.operation, self.func.short_name()).into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let location = Value::new(BlockLocation::of(&self.chunks, inputs.block()));
        let made = self.func.call(&Inputs::new(&[&location], inputs.block()))?;
        let wanted = &location.get::<BlockLocation>()?.shape;
        checked(made, self.dtype, wanted)
    }
}

/// A block, if it is of this type and shape.
fn checked(made: Value, dtype: DType, shape: &[usize]) -> Result<Value, BoxError> {
    let block = made.get::<Block>()?;
    if block.dtype() != dtype || block.shape() != shape {
        let (found, of) = (block.shape(), block.dtype());
        return Err(format!("the function returned a block of {of} and shape {found:?} where {dtype} and {shape:?} were wanted").into());
    }
    Ok(made)
}

struct FromDelayed {
    graph: Graph,
    key: Key,
}

impl fmt::Debug for FromDelayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FromDelayed({})", self.key)
    }
}

impl BlockOp for FromDelayed {
    fn layers(&self, expr: &Expr, _: &[Arc<Expr>]) -> Vec<Layer> {
        let mut layers: Vec<Layer> = self.graph.layers().map(|layer| Layer::clone(layer)).collect();
        let mut layer = GridBuilder::new(expr.name.clone(), &expr.chunks.grid());
        let func = layer.func(Func::kernel(DelayedKernel { dtype: expr.dtype, shape: expr.shape().to_vec() }));
        let from = layer.depends_on(self.key.name().clone());
        // The position of the value in its layer: in row-major order of a grid, by its one number else.
        let grid = match self.graph.layer(self.key.name()) {
            Some(Layer::Grid(grid)) => grid.grid(),
            _ => &[],
        };
        let index = self.key.index();
        let flat = if grid.len() == index.len() {
            index.iter().zip(grid).fold(0, |flat, (&i, &n)| flat * n + i)
        } else {
            index.first().copied().unwrap_or(0)
        };
        layer.call(func, [(from, flat)]);
        layer.sizes(crate::engine::lower::sizes(expr));
        layers.push(layer.build());
        layers
    }
}

/// Passes a value on, if it is the block that was promised.
#[derive(Debug, Serialize, Deserialize)]
struct DelayedKernel {
    dtype: DType,
    shape: Vec<usize>,
}

impl Kernel for DelayedKernel {
    fn name(&self) -> Cow<'static, str> {
        "from_delayed".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let made = checked(inputs.value(0).clone(), self.dtype, &self.shape)?;
        Ok(Value::measured(made.get::<Block>()?.clone()))
    }
}
