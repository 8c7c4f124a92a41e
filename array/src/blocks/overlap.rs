//! Functions of blocks that see the elements around them.
//!
//! ```text
//!     map_overlap, depth 1:      ┌───┬───┬───┐         a task reads its block and the blocks around it,
//!                                │  ░│░░░│░  │         copies what is within the depth into one array,
//!                                ├──░╔═══╗░──┤         calls the function on it, and cuts the margin
//!                                │  ░║   ║░  │         off what that returns
//!                                ├──░╚═══╝░──┤
//!                                │  ░│░░░│░  │
//!                                └───┴───┴───┘
//! ```

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arras_core::{BoxError, Func, Inputs, Layer, Token, Tokenizer, Value};
use ndarray::{ArcArray, ArrayD, ArrayViewD, Axis, IxDyn, Slice};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::engine::block::{Block, View};
use crate::engine::blockwise::{BlockOp, block, node, value};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Element, Scalar};
use crate::engine::expr::Expr;
use crate::engine::gather::{GatherKernel, Plan, Run, gather, gather_layer, zero};
use crate::engine::lower::sizes;
use crate::engine::simplify;
use crate::engine::user::{Caller, Calls, wire};
use crate::error::{Error, Result};

/// What a block sees beyond the edges of the array.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Boundary<T> {
    /// Nothing: blocks at an edge have no margin there.
    #[default]
    None,
    /// The elements in reverse, the one at the edge first.
    Reflect,
    /// The elements at the other end.
    Periodic,
    /// The element at the edge.
    Nearest,
    /// One value.
    Constant(T),
}

/// How far blocks see along each axis: as far on both sides, or `(before, after)`.
///
/// ```
/// use arras_array::Depth;
/// assert_eq!(Depth::from(2), Depth::from((2, 2)));
/// assert_ne!(Depth::from([1, 0]), Depth::from([(1, 1), (0, 1)]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depth(Vec<(usize, usize)>);

impl From<usize> for Depth {
    fn from(depth: usize) -> Depth {
        Depth(vec![(depth, depth)])
    }
}

impl From<(usize, usize)> for Depth {
    fn from(depth: (usize, usize)) -> Depth {
        Depth(vec![depth])
    }
}

impl<const N: usize> From<[usize; N]> for Depth {
    fn from(depths: [usize; N]) -> Depth {
        Depth(depths.iter().map(|&depth| (depth, depth)).collect())
    }
}

impl<const N: usize> From<[(usize, usize); N]> for Depth {
    fn from(depths: [(usize, usize); N]) -> Depth {
        Depth(depths.to_vec())
    }
}

impl From<Vec<(usize, usize)>> for Depth {
    fn from(depths: Vec<(usize, usize)>) -> Depth {
        Depth(depths)
    }
}

impl Depth {
    fn of_shape(&self, operation: &'static str, shape: &[usize]) -> Result<Vec<(usize, usize)>> {
        match self.0.as_slice() {
            [all] => Ok(vec![*all; shape.len()]),
            depths if depths.len() == shape.len() => Ok(depths.to_vec()),
            depths => {
                let why = format!("{} depths for shape {shape:?}: one for all axes, or one for each", depths.len());
                Err(Error::argument(operation, why))
            }
        }
    }
}

/// The blocks with their margins, as maps and lengths, and how long the margins are.
struct Halo {
    maps: Vec<Vec<Run>>,
    chunks: Vec<Vec<usize>>,
    /// Before and after, for each axis and block.
    margins: Vec<Vec<(usize, usize)>>,
    fill: Scalar,
}

/// The margins of blocks of these chunks.
fn halo<T: Element>(operation: &'static str, chunks: &Chunking, depths: &[(usize, usize)], boundary: Boundary<T>) -> Result<Halo> {
    let mut halo = Halo {
        maps: Vec::new(),
        chunks: Vec::new(),
        margins: Vec::new(),
        fill: match boundary {
            Boundary::Constant(value) => value.into_scalar(),
            _ => zero(T::DTYPE),
        },
    };
    for (axis, (own, &(before, after))) in chunks.axes().iter().zip(depths).enumerate() {
        let length: usize = own.iter().sum();
        let beyond = !matches!(boundary, Boundary::None | Boundary::Constant(_) | Boundary::Nearest);
        if beyond && before.max(after) > length {
            let why =
                format!("depth {} is more than axis {axis} of length {length} has elements to show beyond its edge", before.max(after));
            return Err(Error::argument(operation, why));
        }
        let (mut map, mut lengths, mut margins) = (Vec::new(), Vec::new(), Vec::new());
        for (&start, &n) in chunks.starts()[axis].iter().zip(own) {
            if length == 0 {
                lengths.push(0);
                margins.push((0, 0));
                continue;
            }
            let end = start + n;
            // What lies within the array, and what is left beyond its edges.
            let (first, last) = (start.saturating_sub(before), end.saturating_add(after).min(length));
            let (left, right) = (before - (start - first), after - (last - end));
            let outer = |left: usize, right: usize| match boundary {
                Boundary::None => (None, None),
                Boundary::Constant(_) => (Some(Run::Fill(left)), Some(Run::Fill(right))),
                Boundary::Nearest => (Some(Run::repeated(0, left)), Some(Run::repeated(length - 1, right))),
                Boundary::Reflect => (Some(Run::backwards(0..left)), Some(Run::backwards(length - right..length))),
                Boundary::Periodic => (Some(Run::range(length - left..length)), Some(Run::range(0..right))),
            };
            let (low, high) = outer(left, right);
            let runs = [low, Some(Run::range(first..last)), high];
            let runs: Vec<Run> = runs.into_iter().flatten().filter(|run| run.len() > 0).collect();
            let total = runs.iter().map(Run::len).sum::<usize>();
            let shown = if low.is_some() { before } else { start - first };
            margins.push((shown, total - shown - n));
            lengths.push(total);
            map.extend(runs);
        }
        halo.maps.push(map);
        halo.chunks.push(lengths);
        halo.margins.push(margins);
    }
    Ok(halo)
}

/// Chunks none of which, but for a single one, is shorter than the depth: shorter ones are joined with their neighbours.
fn deep_enough(chunks: &Chunking, depths: &[(usize, usize)]) -> Result<Chunking> {
    let join = |(own, &(before, after)): (&Vec<usize>, &(usize, usize))| {
        let least = before.max(after);
        let mut joined: Vec<usize> = Vec::new();
        for &n in own {
            match joined.last_mut() {
                Some(last) if *last < least => *last += n,
                _ => joined.push(n),
            }
        }
        if let [.., before, last] = joined[..]
            && last < least
        {
            joined.truncate(joined.len() - 2);
            joined.push(before + last);
        }
        joined
    };
    Chunking::new(chunks.axes().iter().zip(depths).map(join).collect())
}

impl<T: Element> Array<T> {
    /// What a function makes of each block with the elements around it, the margin cut off again: `(.., n, ..)` in, the same shape out, of the type that the function returns.
    ///
    /// The function gets a block of shape `(.., before + n + after, ..)`, less at the edges under [`Boundary::None`], and returns one of the same shape. Chunks shorter than
    /// the depth are joined with their neighbours first. Lazy: one task a block, which reads the block and those around it, and copies what it needs of them once. A function
    /// that captures nothing can run in other processes.
    ///
    /// ```
    /// use arras_array::{Array, Boundary};
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1.0, 2.0, 4.0, 7.0], 2)?;
    /// // The mean of both neighbours.
    /// let mean = x.map_overlap(1, Boundary::Periodic, |block| {
    ///     let n = block.len();
    ///     ndarray::Array::from_shape_fn(block.raw_dim(), |i| if i[0] == 0 || i[0] == n - 1 { 0.0 } else { (block[i[0] - 1] + block[i[0] + 1]) / 2.0 })
    /// });
    /// assert_eq!(mean.compute()?, ndarray::array![4.5, 2.5, 4.5, 2.5].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for another number of depths than axes, or more elements beyond an edge than the axis has to show there; a run fails if the
    /// function returns another shape.
    pub fn map_overlap<R, F>(&self, depth: impl Into<Depth>, boundary: Boundary<T>, function: F) -> Array<R>
    where
        R: Element,
        F: Fn(ArrayViewD<'_, T>) -> ArrayD<R> + Send + Sync + 'static,
    {
        let func = Func::erased::<F, _>(move |inputs: &Inputs<'_>| Ok(value(function(block::<T>(inputs, 0)?.view()))));
        Array::of(|| map_overlap("map_overlap", &self.expr()?, &depth.into(), boundary, func, R::DTYPE))
    }

    /// [`map_overlap`](Array::map_overlap) for a function of `&environment` and a block: captures that are spelled out, so that it runs in other processes too.
    ///
    /// ```
    /// use arras_array::{Array, Boundary};
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(0, 6, 1, 2)?;
    /// let offset = 10;
    /// let y = x.map_overlap_with(1, Boundary::None, offset, |offset: &i64, block: ndarray::ArrayViewD<i64>| &block + *offset);
    /// assert_eq!(y.compute()?, ndarray::array![10, 11, 12, 13, 14, 15].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map_overlap_with<E, R, F>(&self, depth: impl Into<Depth>, boundary: Boundary<T>, environment: E, function: F) -> Array<R>
    where
        E: Serialize + DeserializeOwned + Send + Sync + 'static,
        R: Element,
        F: Fn(&E, ArrayViewD<'_, T>) -> ArrayD<R> + Send + Sync + 'static,
    {
        let call = move |environment: &E, inputs: &Inputs<'_>| Ok(value(function(environment, block::<T>(inputs, 0)?.view())));
        let func = Func::erased_with::<F, _, _>(environment, call);
        Array::of(|| map_overlap("map_overlap", &self.expr()?, &depth.into(), boundary, func, R::DTYPE))
    }

    /// The array of all blocks with their margins: blocks of shape `(.., before + n + after, ..)`, next to each other. Lazy. [`trim`](Array::trim) cuts the margins off again.
    ///
    /// The result fails as that of [`map_overlap`](Array::map_overlap) does.
    pub fn overlap(&self, depth: impl Into<Depth>, boundary: Boundary<T>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let depths = depth.into().of_shape("overlap", &expr.shape())?;
            let expr = simplify::rechunk(&expr, deep_enough(&expr.chunks, &depths)?)?;
            let halo = halo("overlap", &expr.chunks, &depths, boundary)?;
            gather("overlap", &expr, halo.maps, halo.chunks, halo.fill)
        })
    }

    /// The array without the margins of its blocks: what [`overlap`](Array::overlap) with this depth and boundary added. Lazy; the blocks are views.
    ///
    /// ```
    /// use arras_array::{Array, Boundary};
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(0, 4, 1, 2)?;
    /// let y = x.overlap(1, Boundary::Nearest);
    /// assert_eq!(y.compute()?, ndarray::array![0, 0, 1, 2, 1, 2, 3, 3].into_dyn());
    /// assert_eq!(y.trim(1, Boundary::Nearest).compute()?, ndarray::array![0, 1, 2, 3].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] if a block is shorter than its margins.
    pub fn trim(&self, depth: impl Into<Depth>, boundary: Boundary<T>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let depths = depth.into().of_shape("trim", &expr.shape())?;
            let (mut maps, mut axes) = (Vec::new(), Vec::new());
            for (axis, (own, &(before, after))) in expr.chunks.axes().iter().zip(&depths).enumerate() {
                let (mut map, mut lengths) = (Vec::new(), Vec::new());
                for (i, (&start, &n)) in expr.chunks.starts()[axis].iter().zip(own).enumerate() {
                    let none = boundary == Boundary::None;
                    let before = if none && i == 0 { 0 } else { before };
                    let after = if none && i + 1 == own.len() { 0 } else { after };
                    let Some(kept) = n.checked_sub(before).and_then(|n| n.checked_sub(after)) else {
                        return Err(Error::argument(
                            "trim",
                            format!("block {i} of axis {axis}, of length {n}, is shorter than its margins {:?}", (before, after)),
                        ));
                    };
                    if kept > 0 {
                        map.push(Run::range(start + before..start + before + kept));
                        lengths.push(kept);
                    }
                }
                axes.push(if lengths.is_empty() { vec![0] } else { lengths });
                maps.push(map);
            }
            gather("trim", &expr, maps, axes, zero(T::DTYPE))
        })
    }
}

/// [`Array::map_overlap`] with a function of a block's value.
pub(crate) fn map_overlap<T: Element>(
    operation: &'static str,
    input: &Arc<Expr>,
    depth: &Depth,
    boundary: Boundary<T>,
    func: Func,
    result: DType,
) -> Result<Arc<Expr>> {
    let depths = depth.of_shape(operation, &input.shape())?;
    let input = simplify::rechunk(input, deep_enough(&input.chunks, &depths)?)?;
    let halo = halo(operation, &input.chunks, &depths, boundary)?;
    let token = func.token().unwrap_or_else(Token::unique);
    let parameters = Tokenizer::new().text(&format!("{depths:?} {boundary:?}")).token(token).finish();
    let chunks = input.chunks.clone();
    Ok(node(operation, result, chunks, MapOverlap { operation, halo, func, parameters }, &[input]))
}

struct MapOverlap {
    operation: &'static str,
    halo: Halo,
    func: Func,
    parameters: Token,
}

impl fmt::Debug for MapOverlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MapOverlap({:032x})", self.parameters.bits())
    }
}

impl BlockOp for MapOverlap {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let Halo { maps, chunks, margins, fill } = &self.halo;
        let margins = Arc::new(margins.clone());
        let plan = Plan { operation: self.operation, maps, chunks, fill: *fill };
        let kernel = |gather| {
            Func::kernel(Caller(OverlapKernel { gather, func: self.func.clone(), dtype: expr.dtype, margins: Arc::clone(&margins) }))
        };
        vec![gather_layer(expr.name.clone(), &inputs[0], &plan, &expr.chunks.grid(), sizes(expr), &kernel)]
    }
}

/// Gathers a block with its margin, calls a function on it, and cuts the margin off.
#[derive(Serialize, Deserialize)]
struct OverlapKernel {
    gather: GatherKernel,
    #[serde(with = "wire")]
    func: Func,
    dtype: DType,
    margins: Arc<Vec<Vec<(usize, usize)>>>,
}

impl Calls for OverlapKernel {
    fn func(&self) -> &Func {
        &self.func
    }
    fn label(&self) -> Cow<'static, str> {
        format!("{}({})", self.gather.operation(), self.func.short_name()).into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let block = Value::measured(self.gather.block(inputs)?);
        let made = self.func.call(&Inputs::new(&[&block], inputs.block()))?;
        let (block, made) = (block.get::<Block>()?, made.get::<Block>()?);
        if made.dtype() != self.dtype || made.shape() != block.shape() {
            let (wanted, found) = (block.shape(), made.shape());
            return Err(format!(
                "the function returned a block of {} and shape {found:?} where {} and {wanted:?} were wanted",
                made.dtype(),
                self.dtype
            )
            .into());
        }
        let index = self.gather.index_of(inputs.block());
        let margins: Vec<(usize, usize)> = self.margins.iter().zip(&index).map(|(margins, &i)| margins[i]).collect();
        Ok(Value::measured(made.map_view(&Trim(&margins))))
    }
}

struct Trim<'a>(&'a [(usize, usize)]);

impl View for Trim<'_> {
    fn apply<T: Element>(&self, mut array: ArcArray<T, IxDyn>) -> ArcArray<T, IxDyn> {
        if self.0.iter().all(|&margin| margin == (0, 0)) {
            return array;
        }
        let whole = array.len();
        for (axis, &(before, after)) in self.0.iter().enumerate() {
            let end = array.shape()[axis] - after;
            array.slice_axis_inplace(Axis(axis), Slice::from(before..end));
        }
        // A view keeps the margins in memory: where they are little, that costs less than a copy.
        if array.len() >= whole - whole / 8 {
            return array;
        }
        if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned().into_shared() }
    }
}
