//! The handle.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use arras_core::{Collection, Delayed, Graph, Key, Name, Persist, Token, Value, human_nbytes};
use ndarray::{ArrayBase, ArrayD, Axis, DataOwned, Dimension, IntoDimension, Slice};

use crate::engine::block::{Block, filled};
use crate::engine::chunks::Chunks;
use crate::engine::dtype::{DType, Element, Scalar};
use crate::engine::expr::{Expr, Kind};
use crate::engine::lower::lower;
use crate::engine::simplify;
use crate::error::{Error, Result};

/// An operand of an operation.
#[doc(hidden)]
#[derive(Debug, Clone)]
#[allow(missing_docs, private_interfaces)]
pub enum Operand {
    Expr(Arc<Expr>),
    Scalar(Scalar),
}

impl Operand {
    pub(crate) fn dtype(&self) -> DType {
        match self {
            Operand::Expr(expr) => expr.dtype,
            Operand::Scalar(scalar) => scalar.dtype(),
        }
    }
}

/// A lazy array of any number of axes, cut into blocks.
///
/// Building one does no work on elements: shape, type and chunks of every expression are known at once, and what is wrong with them is kept in the array until the first `?`:
/// [`check`](Array::check), or whatever asks for the graph. Computing gives an `ndarray::ArrayD<T>`. Cloning copies a pointer.
///
/// ```
/// use arras_array::Array;
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::Array1::<f64>::linspace(0.0, 1.0, 1_000), 100)?;
/// let y = (2.0 * &x - 1.0).powi(2);
/// assert_eq!(y.shape(), [1000]);
/// let mean = y.mean().item().compute()?;
/// assert!((mean - 1.0 / 3.0).abs() < 1e-2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Array<T> {
    expr: Result<Arc<Expr>>,
    marker: PhantomData<fn() -> T>,
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Array<T> {
        Array { expr: self.expr.clone(), marker: PhantomData }
    }
}

impl<T: Element> Array<T> {
    /// The array of an expression, or of what went wrong when it was built.
    pub(crate) fn of(build: impl FnOnce() -> Result<Arc<Expr>>) -> Array<T> {
        let expr = build();
        debug_assert!(expr.as_ref().map_or(true, |expr| expr.dtype == T::DTYPE), "an expression of the array's type");
        Array { expr, marker: PhantomData }
    }

    pub(crate) fn expr(&self) -> Result<Arc<Expr>> {
        self.expr.clone()
    }

    /// An array of elements in memory, cut into blocks, which are views: nothing is copied.
    ///
    /// `data` is any owned or shared ndarray; `chunks` one size for all axes, a size an axis, or every chunk ([`Chunks`]).
    ///
    /// # Errors
    /// [`Error::ChunkSum`], [`Error::ChunkZero`], [`Error::ChunkRank`], [`Error::TooManyBlocks`].
    pub fn from_ndarray<S: DataOwned<Elem = T>, D: Dimension>(data: ArrayBase<S, D>, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        let data = data.into_dyn().into_shared();
        let chunks = chunks.into().of_dtype(data.shape(), T::DTYPE, None)?;
        let values = (0..chunks.n_blocks() as u32)
            .map(|flat| {
                let mut block = data.clone();
                for (axis, &i) in chunks.index_of(flat).iter().enumerate() {
                    let start = chunks.starts()[axis][i];
                    block.slice_axis_inplace(Axis(axis), Slice::from(start..start + chunks.axes()[axis][i]));
                }
                Value::measured(T::into_block(block))
            })
            .collect();
        let name = Name::from_token("ndarray", Token::unique());
        Ok(Array::of(|| Ok(Arc::new(Expr { name, dtype: T::DTYPE, chunks, kind: Kind::Values(values) }))))
    }

    /// An array that holds one value everywhere. Lazy, and part of whatever kernel uses it.
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn full(shape: impl IntoDimension, value: T, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        let shape = shape.into_dimension();
        let chunks = chunks.into().of_dtype(Dimension::slice(&shape), T::DTYPE, None)?;
        Ok(Array::of(|| Ok(simplify::full(value.into_scalar(), chunks))))
    }

    /// An array of zeros, or of `false`.
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn zeros(shape: impl IntoDimension, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        Array::full(shape, T::default(), chunks)
    }

    /// An array of ones, or of `true`.
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn ones(shape: impl IntoDimension, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        Array::full(shape, T::cast_from(1u8), chunks)
    }

    /// The array, if nothing was wrong when it was built.
    ///
    /// ```
    /// use arras_array::{Array, Error};
    /// let x = Array::<f64>::ones([3], 2)?;
    /// let y = Array::<f64>::ones([4], 2)?;
    /// let sum = (&x + &y).sqrt().sum();
    /// assert!(matches!(sum.check(), Err(Error::Broadcast { operation: "add", .. })));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// The first thing that was wrong.
    pub fn check(&self) -> Result<&Array<T>> {
        match &self.expr {
            Ok(_) => Ok(self),
            Err(error) => Err(error.clone()),
        }
    }

    /// The number of elements along each axis. Empty for an array that failed [`check`](Array::check), as for a 0-d one.
    pub fn shape(&self) -> Vec<usize> {
        self.expr.as_ref().map(|expr| expr.shape().to_vec()).unwrap_or_default()
    }

    /// The number of axes.
    pub fn ndim(&self) -> usize {
        self.expr.as_ref().map_or(0, |expr| expr.chunks.ndim())
    }

    /// The number of elements.
    pub fn size(&self) -> usize {
        self.expr.as_ref().map_or(0, |expr| expr.shape().iter().product())
    }

    /// The bytes that the elements take once computed.
    pub fn nbytes(&self) -> usize {
        self.size() * T::DTYPE.size()
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        T::DTYPE
    }

    /// The lengths of the chunks along each axis.
    pub fn chunks(&self) -> Vec<Vec<usize>> {
        self.expr.as_ref().map(|expr| expr.chunks.axes().to_vec()).unwrap_or_default()
    }

    /// The number of blocks along each axis.
    pub fn numblocks(&self) -> Vec<usize> {
        self.expr.as_ref().map(|expr| expr.chunks.axes().iter().map(Vec::len).collect()).unwrap_or_default()
    }

    /// The number of blocks.
    pub fn npartitions(&self) -> usize {
        self.expr.as_ref().map_or(0, |expr| expr.chunks.n_blocks())
    }

    /// The name that the keys of the blocks share; none if something was wrong.
    pub fn name(&self) -> Option<Name> {
        self.expr.as_ref().ok().map(|expr| expr.name.clone())
    }

    /// The one element of an array that has one, as a delayed value.
    ///
    /// If there is not exactly one, computing it is an [`Error::NotOneElement`].
    pub fn item(&self) -> Delayed<T> {
        let graph = self.expr().and_then(|expr| {
            let size: usize = expr.shape().iter().product();
            if size != 1 {
                return Err(Error::NotOneElement { shape: expr.shape().to_vec(), size });
            }
            Ok((lower(&expr, true), Key::new(expr.name.clone(), expr.chunks.grid().iter().map(|_| 0).collect())))
        });
        match graph {
            Ok((graph, key)) => Delayed::<Block>::from_graph(graph, key).try_map(|block: &Block| {
                let element = T::of_block(block).and_then(|block| block.first().copied());
                element.ok_or_else(|| format!("a block of {} and shape {:?}", block.dtype(), block.shape()))
            }),
            Err(error) => Delayed::failed(arras_core::Error::collection(error)),
        }
    }

    /// The same array, each of its operations a layer of its own: what fusion is tested against.
    #[doc(hidden)]
    pub fn unfused(&self) -> Unfused<'_, T> {
        Unfused(self)
    }

    fn graph_with(&self, fuse: bool) -> arras_core::Result<Graph> {
        match &self.expr {
            Ok(expr) => Ok(lower(expr, fuse)),
            Err(error) => Err(arras_core::Error::collection(error.clone())),
        }
    }
}

impl<T: Element> Collection for Array<T> {
    type Output = ArrayD<T>;

    fn graph(&self) -> arras_core::Result<Graph> {
        self.graph_with(true)
    }

    fn keys(&self) -> Vec<Key> {
        let Ok(expr) = &self.expr else { return Vec::new() };
        (0..expr.chunks.n_blocks() as u32)
            .map(|flat| Key::new(expr.name.clone(), expr.chunks.index_of(flat).iter().map(|&i| i as u32).collect()))
            .collect()
    }

    fn finish(&self, mut values: Vec<Value>) -> arras_core::Result<ArrayD<T>> {
        let expr = self.expr.as_ref().map_err(|error| arras_core::Error::collection(error.clone()))?;
        let wrong = |block: &Block| arras_core::Error::WrongType { expected: T::DTYPE.name(), found: block.dtype().name() };
        if values.len() == 1 {
            let block: Block = values.remove(0).into_inner()?;
            let array = T::of_block(&block).ok_or_else(|| wrong(&block))?.clone();
            // With the block gone the array may be the only owner, which then is moved.
            drop(block);
            return Ok(array.into_owned());
        }
        let mut result = filled(&expr.shape(), T::default());
        for (flat, value) in values.into_iter().enumerate() {
            let index = expr.chunks.index_of(flat as u32);
            let block = value.get::<Block>()?;
            let array = T::of_block(block).ok_or_else(|| wrong(block))?;
            let mut target = result.view_mut();
            for (axis, &i) in index.iter().enumerate() {
                let start = expr.chunks.starts()[axis][i];
                target.slice_axis_inplace(Axis(axis), Slice::from(start..start + expr.chunks.axes()[axis][i]));
            }
            target.assign(array);
        }
        Ok(result)
    }

    fn describe(&self) -> String {
        self.expr.as_ref().map(crate::display::tree).unwrap_or_default()
    }
}

impl<T: Element> Persist for Array<T> {
    fn persisted(&self, values: Vec<Value>) -> arras_core::Result<Self> {
        let expr = self.expr.as_ref().map_err(|error| arras_core::Error::collection(error.clone()))?;
        let (name, chunks) = (expr.name.clone(), expr.chunks.clone());
        Ok(Array::of(|| Ok(Arc::new(Expr { name, dtype: T::DTYPE, chunks, kind: Kind::Values(values.into()) }))))
    }
}

/// An array that is computed without fusion.
#[doc(hidden)]
#[derive(Debug)]
pub struct Unfused<'a, T>(&'a Array<T>);

impl<T: Element> Collection for Unfused<'_, T> {
    type Output = ArrayD<T>;
    fn graph(&self) -> arras_core::Result<Graph> {
        self.0.graph_with(false)
    }
    fn keys(&self) -> Vec<Key> {
        self.0.keys()
    }
    fn finish(&self, values: Vec<Value>) -> arras_core::Result<ArrayD<T>> {
        self.0.finish(values)
    }
}

impl<T> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.expr {
            Ok(expr) => write!(f, "Array<{}>({}, shape {:?})", expr.dtype, expr.name, expr.shape()),
            Err(error) => write!(f, "Array({error})"),
        }
    }
}

impl<T: Element> fmt::Display for Array<T> {
    /// A table of what a person asks of an array.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expr = match &self.expr {
            Ok(expr) => expr,
            Err(error) => return write!(f, "array that cannot be computed: {error}"),
        };
        let shape = expr.shape();
        let first: Vec<usize> = expr.chunks.axes().iter().map(|chunks| chunks.iter().copied().max().unwrap_or(0)).collect();
        let (nbytes, block) = (self.nbytes() as u64, (first.iter().product::<usize>() * T::DTYPE.size()) as u64);
        let graph = lower(expr, true);
        let n_values: usize = graph.layers().filter(|layer| layer.is_values()).map(|layer| layer.len()).sum();
        writeln!(f, "array    {}", expr.name.operation())?;
        writeln!(f, "         whole            block")?;
        writeln!(f, "shape    {:<16} {}", tuple(&shape), tuple(&first))?;
        writeln!(f, "bytes    {:<16} {}", human_nbytes(nbytes), human_nbytes(block))?;
        writeln!(f, "count    {:<16} {}", format!("{} tasks", graph.len() - n_values), format_args!("{} blocks", self.npartitions()))?;
        write!(f, "type     {}", T::DTYPE)
    }
}

/// A shape as NumPy writes it.
pub(crate) fn tuple(shape: &[usize]) -> String {
    match shape {
        [n] => format!("({n},)"),
        _ => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    }
}
