//! Functions of the user's on whole blocks: `map_blocks`.
//!
//! ```text
//!     x, 2 × 2 blocks    f(block, location)    result, 2 × 2 blocks of the declared chunks
//!     ┌────┬────┐                              ┌──┬──┐
//!     │    │    │        each block by         │  │  │
//!     ├────┼────┤  ──►   itself           ──►  ├──┼──┤
//!     │    │    │                              │  │  │
//!     └────┴────┘                              └──┴──┘
//! ```

use std::sync::Arc;

use arras_core::{Func, Layer};
use ndarray::{ArrayD, ArrayViewD};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::array::Array;
use crate::blocks::blockwise::{BlockwiseKernel, of_views};
use crate::blocks::location::BlockLocation;
use crate::blocks::several::One;
use crate::elementwise::map::Function;
use crate::engine::blockwise::{BlockOp, node, node_layer};
use crate::engine::chunks::{Chunking, Chunks};
use crate::engine::dtype::Element;
use crate::engine::expr::Expr;
use crate::engine::user::Caller;
use crate::error::{Error, Result};

impl<T: Element> Array<T> {
    /// `function` of each block and its [`BlockLocation`]; it returns a block of the same shape, of any element type. Lazy; work: one call a block.
    ///
    /// It runs in another process only if it captures nothing: captures can be spelled out with [`map_blocks_with`](Array::map_blocks_with). A block of another shape ends
    /// the run with an error that names both shapes, and so does a panic.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![3, 1, 2, 9, 8], 3)?;
    /// let sorted = x.map_blocks(|block: ndarray::ArrayViewD<i64>, _| {
    ///     let mut elements = block.iter().copied().collect::<Vec<_>>();
    ///     elements.sort();
    ///     ndarray::Array1::from(elements).into_dyn()
    /// });
    /// assert_eq!(sorted.compute()?, ndarray::array![1, 2, 3, 8, 9].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_blocks<R: Element, F>(&self, function: F) -> Array<R>
    where
        F: Fn(ArrayViewD<'_, T>, &BlockLocation) -> ArrayD<R> + Send + Sync + 'static,
    {
        self.mapped(None, || of_views::<F, One<T>, (), R>((), move |(), block, at| function(block, at)))
    }

    /// [`map_blocks`](Array::map_blocks) for a function that returns blocks of other shapes, which are declared: `chunks` are the lengths of the result's chunks along each of
    /// its axes.
    ///
    /// The result has as many blocks along each axis as the array, except that axes of one block may come and go.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::<f64>::ones([4, 3], [2, 3])?;
    /// let sums = x.map_blocks_to([vec![2, 2]], |block: ndarray::ArrayViewD<f64>, _| block.sum_axis(ndarray::Axis(1)));
    /// assert_eq!(sums.compute()?, ndarray::array![3.0, 3.0, 3.0, 3.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for another number of blocks.
    pub fn map_blocks_to<R: Element, F>(&self, chunks: impl IntoIterator<Item = Vec<usize>>, function: F) -> Array<R>
    where
        F: Fn(ArrayViewD<'_, T>, &BlockLocation) -> ArrayD<R> + Send + Sync + 'static,
    {
        self.mapped(Some(chunks.into_iter().collect()), || of_views::<F, One<T>, (), R>((), move |(), block, at| function(block, at)))
    }

    /// [`map_blocks`](Array::map_blocks) for a function of `&environment`, a block and its location: captures that are spelled out, so that it runs in other processes too.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::<i64>::ones([5], 2)?;
    /// let y = x.map_blocks_with(10, |scale: &i64, block: ndarray::ArrayViewD<i64>, location| &block * (scale * location.start[0] as i64));
    /// assert_eq!(y.compute()?, ndarray::array![0, 0, 20, 20, 40].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_blocks_with<E, R: Element, F>(&self, environment: E, function: F) -> Array<R>
    where
        E: Serialize + DeserializeOwned + Send + Sync + 'static,
        F: Fn(&E, ArrayViewD<'_, T>, &BlockLocation) -> ArrayD<R> + Send + Sync + 'static,
    {
        self.mapped(None, || of_views::<F, One<T>, E, R>(environment, function))
    }

    fn mapped<R: Element>(&self, chunks: Option<Vec<Vec<usize>>>, func: impl FnOnce() -> Func) -> Array<R> {
        Array::of(|| {
            let expr = self.expr()?;
            let chunks = match chunks {
                None => expr.chunks.clone(),
                Some(axes) => declared(&axes, &expr.chunks)?,
            };
            let op = MapBlocks { function: Function::new("map_blocks", func(), R::DTYPE) };
            Ok(node("map_blocks", R::DTYPE, chunks, op, &[expr]))
        })
    }
}

/// The chunks that a result was declared to have, if it has as many blocks as the array along each axis that has several.
fn declared(axes: &[Vec<usize>], own: &Chunking) -> Result<Chunking> {
    let lengths = axes.iter().map(|chunks| chunks.iter().try_fold(0usize, |sum, &n| sum.checked_add(n)).unwrap_or(usize::MAX));
    let chunks = Chunks::explicit(axes.to_vec()).of_shape(&lengths.collect::<Vec<_>>())?;
    let several = |chunks: &Chunking| chunks.grid().iter().copied().filter(|&n| n != 1).collect::<Vec<u32>>();
    if several(&chunks) != several(own) {
        let why = format!("chunks {axes:?} make {:?} blocks, but the array has {:?}", chunks.grid().as_slice(), own.grid().as_slice());
        return Err(Error::argument("map_blocks", why));
    }
    Ok(chunks)
}

#[derive(Debug)]
struct MapBlocks {
    function: Function,
}

impl BlockOp for MapBlocks {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        // Axes of one block aside the grids are the same, so flat positions agree.
        let (place, chunks) = (inputs[0].chunks.clone(), expr.chunks.clone());
        let kernel = BlockwiseKernel { function: self.function.clone(), counts: vec![1], place, chunks };
        let mut flat = 0;
        vec![node_layer(expr, inputs, Caller(kernel), |_, read| {
            read.push((0, flat));
            flat += 1;
        })]
    }
}
