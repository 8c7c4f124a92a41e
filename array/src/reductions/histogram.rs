//! Histograms: how many elements are in each of some bins.
//!
//! ```text
//!     samples, by block ──► counts of the block, (1, bins..) ──► added up over blocks
//!     edges, in one block ──┘
//! ```

use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Value};
use ndarray::{Array1, ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::engine::blockwise::{BlockOp, block, node, node_layer, value};
use crate::engine::chunks::{Chunking, Chunks, refine};
use crate::engine::dtype::{DType, Element, Integer, Real};
use crate::engine::expr::Expr;
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::{Axes, ReduceOp, cast, reduce};
use crate::shape::view::Item;

/// The bins of a histogram. Each holds its lower edge and not its upper one, but for the last, which holds both.
///
/// ```
/// use arras_array::Bins;
/// let ten_as_wide_as_the_elements = Bins::count(10);
/// let ten_from_0_to_1 = Bins::count(10).range(0.0, 1.0);
/// let these = Bins::edges([0.0, 0.5, 2.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bins(Spec);

#[derive(Debug, Clone, PartialEq)]
enum Spec {
    Count(usize, Option<(f64, f64)>),
    Edges(Vec<f64>),
}

impl Bins {
    /// This many bins of one width, from the least to the greatest element unless a [`range`](Bins::range) is given.
    pub fn count(n: usize) -> Bins {
        Bins(Spec::Count(n, None))
    }

    /// The bins of one width lie in this range; elements outside are left out. No matter for bins given by their edges.
    #[must_use]
    pub fn range(self, low: f64, high: f64) -> Bins {
        match self.0 {
            Spec::Count(n, _) => Bins(Spec::Count(n, Some((low, high)))),
            edges => Bins(edges),
        }
    }

    /// The bins between these edges, in ascending order.
    pub fn edges(edges: impl Into<Vec<f64>>) -> Bins {
        Bins(Spec::Edges(edges.into()))
    }

    /// The number of bins.
    fn len(&self) -> usize {
        match &self.0 {
            Spec::Count(n, _) => *n,
            Spec::Edges(edges) => edges.len().saturating_sub(1),
        }
    }

    /// The edges, as an array of one block: of samples, if they are to lie between those.
    fn of(&self, operation: &'static str, samples: &Arc<Expr>) -> Result<Arc<Expr>> {
        let edges = match &self.0 {
            Spec::Count(0, _) => return Err(Error::argument(operation, "0 bins: there must be one at least")),
            Spec::Count(_, Some((low, high))) if !(low <= high && (high - low).is_finite()) => {
                return Err(Error::argument(operation, format!("the range {low} to {high} is no finite interval")));
            }
            Spec::Count(n, Some((low, high))) => uniform_edges(*n, *low, *high),
            Spec::Count(n, None) if samples.shape().contains(&0) => uniform_edges(*n, 0.0, 1.0),
            Spec::Count(n, None) => {
                let extremes = [reduce(ReduceOp::Min, samples, &Axes::all())?, reduce(ReduceOp::Max, samples, &Axes::all())?];
                return Ok(node("bin-edges", DType::F64, Chunking::new(vec![vec![n + 1]])?, EdgesOp { n: *n }, &extremes));
            }
            Spec::Edges(edges) if edges.len() < 2 || !edges.windows(2).all(|pair| pair[0] <= pair[1]) => {
                return Err(Error::argument(operation, format!("the edges {edges:?} are not two at least in ascending order")));
            }
            Spec::Edges(edges) => edges.clone(),
        };
        Array::from_ndarray(Array1::from(edges), Chunks::one())?.expr()
    }
}

impl From<usize> for Bins {
    fn from(n: usize) -> Bins {
        Bins::count(n)
    }
}

/// Edges of bins of one width.
fn uniform_edges(n: usize, low: f64, high: f64) -> Vec<f64> {
    let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
    let step = (high - low) / n as f64;
    (0..=n).map(|i| if i == n { high } else { low + i as f64 * step }).collect()
}

/// A histogram: counts and edges, both lazy.
#[derive(Debug, Clone)]
pub struct Histogram<T> {
    /// What is in each bin: `(bins..)`, an axis for each axis of the samples. Numbers of samples, or sums of their weights.
    pub counts: Array<T>,
    /// The edges of the bins along each axis, `(bins + 1,)`.
    pub edges: Vec<Array<f64>>,
}

impl<T: Real> Histogram<T> {
    /// The counts divided by their sum and by the size of each bin, so that the integral over all bins is 1.
    pub fn density(&self) -> Array<f64> {
        let n = self.edges.len();
        let mut density = self.counts.cast::<f64>() / self.counts.cast::<f64>().sum();
        for (axis, edges) in self.edges.iter().enumerate() {
            let part = |start: usize| {
                Array::<f64>::of(|| {
                    let edges = edges.expr()?;
                    simplify::slice(&edges, vec![Item::Range { start, step: 1, length: edges.shape()[0] - 1 }])
                })
            };
            let widths = part(1) - part(0);
            // Of shape (.., bins, ..), to broadcast along the axis.
            let widths = Array::<f64>::of(|| {
                let widths = widths.expr()?;
                let whole = Item::whole(widths.shape()[0]);
                let items = (0..n).map(|i| if i == axis { whole.clone() } else { Item::NewAxis });
                simplify::slice(&widths, items.collect())
            });
            density = density / widths;
        }
        density
    }
}

impl<T: Real> Array<T> {
    /// How many elements are in each bin, over all axes. Counts in `i64`, edges in `f64`. Lazy; work: one pass, and a search among the edges for each element; another pass for the
    /// range, if none is given.
    ///
    /// ```
    /// use arras_array::{Array, Bins};
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr1(&[1.0, 2.0, 1.0, 4.0]), 2)?;
    /// let histogram = x.histogram(Bins::edges([0.0, 1.0, 2.0, 3.0]));
    /// assert_eq!(histogram.counts.compute()?, ndarray::arr1(&[0, 2, 1]).into_dyn());
    /// let (counts, edges) = (&x.histogram(3).counts, &x.histogram(3).edges[0]);
    /// assert_eq!((counts, edges).compute()?, (ndarray::arr1(&[2, 1, 1]).into_dyn(), ndarray::arr1(&[1.0, 2.0, 3.0, 4.0]).into_dyn()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// Counts fail with an [`Error::Argument`] for bins that are none.
    pub fn histogram(&self, bins: impl Into<Bins>) -> Histogram<i64> {
        histogram("histogram", &[self], &[bins.into()], None)
    }

    /// The sums of the weights of the elements in each bin; weights are of the array's shape.
    pub fn histogram_weighted(&self, bins: impl Into<Bins>, weights: &Array<f64>) -> Histogram<f64> {
        histogram("histogram", &[self], &[bins.into()], Some(weights))
    }
}

/// How many of the points `(x, y)` are in each of the bins, `(bins of x, bins of y)`; `x` and `y` are of one shape. Lazy, as [`Array::histogram`].
pub fn histogram2d<T: Real>(x: &Array<T>, y: &Array<T>, bins: [Bins; 2]) -> Histogram<i64> {
    histogram("histogram2d", &[x, y], &bins, None)
}

/// How many of the points are in each of the bins, an axis for each array of coordinates; these are of one shape. Lazy, as [`Array::histogram`].
pub fn histogramdd<T: Real>(coordinates: &[&Array<T>], bins: &[Bins]) -> Histogram<i64> {
    histogram("histogramdd", coordinates, bins, None)
}

fn histogram<T: Real, R: Element>(
    operation: &'static str,
    coordinates: &[&Array<T>],
    bins: &[Bins],
    weights: Option<&Array<f64>>,
) -> Histogram<R> {
    let build = || -> Result<(Arc<Expr>, Vec<Arc<Expr>>)> {
        if coordinates.is_empty() || coordinates.len() != bins.len() {
            return Err(Error::argument(operation, format!("bins for {} axes of {}", bins.len(), coordinates.len())));
        }
        let mut samples = coordinates.iter().map(|array| cast(array.expr()?, DType::F64)).collect::<Result<Vec<_>>>()?;
        let edges = bins.iter().zip(&samples).map(|(bins, samples)| bins.of(operation, samples)).collect::<Result<Vec<_>>>()?;
        samples.extend(weights.map(Array::expr).transpose()?);
        let (samples, chunks) = unified(operation, &samples)?;
        let n_blocks = chunks.n_blocks();
        let lengths: Vec<usize> = bins.iter().map(Bins::len).collect();
        let counts = [vec![1; n_blocks]].into_iter().chain(lengths.iter().map(|&n| vec![n])).collect();
        let op = CountOp { coordinates: bins.len(), weighted: weights.is_some() };
        let inputs: Vec<Arc<Expr>> = samples.into_iter().chain(edges.iter().cloned()).collect();
        let counts = node(operation, R::DTYPE, Chunking::new(counts)?, op, &inputs);
        Ok((reduce(ReduceOp::Sum, &counts, &Axes::from(0))?, edges))
    };
    match build() {
        Ok((counts, edges)) => {
            Histogram { counts: Array::of(|| Ok(counts)), edges: edges.into_iter().map(|edges| Array::of(|| Ok(edges))).collect() }
        }
        Err(error) => {
            Histogram { counts: Array::of(|| Err(error.clone())), edges: bins.iter().map(|_| Array::of(|| Err(error.clone()))).collect() }
        }
    }
}

/// Arrays of one shape, cut alike.
pub(crate) fn unified(operation: &'static str, inputs: &[Arc<Expr>]) -> Result<(Vec<Arc<Expr>>, Chunking)> {
    let shape = inputs[0].shape();
    let mut axes = inputs[0].chunks.axes().to_vec();
    for input in &inputs[1..] {
        if input.shape() != shape {
            return Err(Error::argument(operation, format!("shapes {:?} and {:?} differ", shape.as_slice(), input.shape().as_slice())));
        }
        axes.iter_mut().zip(input.chunks.axes()).for_each(|(mine, theirs)| *mine = refine(mine, theirs));
    }
    let chunks = Chunking::new(axes)?;
    Ok((inputs.iter().map(|input| simplify::rechunk(input, chunks.clone())).collect::<Result<_>>()?, chunks))
}

#[derive(Debug)]
struct EdgesOp {
    n: usize,
}

impl BlockOp for EdgesOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        vec![node_layer(expr, inputs, EdgesKernel { n: self.n }, |_, read| read.extend([(0, 0), (1, 0)]))]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct EdgesKernel {
    n: usize,
}

impl Kernel for EdgesKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "bin-edges".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let one = |i| -> Result<f64, BoxError> { Ok(*block::<f64>(inputs, i)?.first().ok_or("an extreme of no elements")?) };
        let (low, high) = (one(0)?, one(1)?);
        if !(high - low).is_finite() {
            return Err(format!("histogram: the elements range from {low} to {high}, which is no finite interval: give a range").into());
        }
        Ok(value(ArrayD::from_shape_vec(IxDyn(&[self.n + 1]), uniform_edges(self.n, low, high))?))
    }
}

#[derive(Debug)]
struct CountOp {
    coordinates: usize,
    weighted: bool,
}

impl BlockOp for CountOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let samples = self.coordinates + usize::from(self.weighted);
        let kernel = CountKernel { coordinates: self.coordinates, weighted: self.weighted };
        // The samples are cut alike, so blocks correspond in row-major order.
        vec![node_layer(expr, inputs, kernel, |index, read| {
            read.extend((0..samples).map(|i| (i, index[0])));
            read.extend((samples..inputs.len()).map(|i| (i, 0)));
        })]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct CountKernel {
    coordinates: usize,
    weighted: bool,
}

impl Kernel for CountKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "histogram".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let samples = self.coordinates + usize::from(self.weighted);
        let edges: Vec<Vec<f64>> =
            (samples..inputs.len()).map(|i| Ok(block::<f64>(inputs, i)?.iter().copied().collect())).collect::<Result<_, BoxError>>()?;
        let shape: Vec<usize> = [1].into_iter().chain(edges.iter().map(|edges| edges.len() - 1)).collect();
        let total: usize = shape.iter().product();
        let first = block::<f64>(inputs, 0)?;
        // The place of each sample, one axis after another; none for those outside.
        let mut places: Vec<Option<usize>> = vec![Some(0); first.len()];
        for (axis, edges) in edges.iter().enumerate() {
            let (bins, last) = (edges.len() - 1, edges[edges.len() - 1]);
            for (place, &x) in places.iter_mut().zip(block::<f64>(inputs, axis)?) {
                *place = place.and_then(|place| {
                    let bin = match edges.partition_point(|&edge| edge <= x) {
                        _ if x == last => bins,
                        n if n > bins => return None,
                        n => n,
                    };
                    // NaN is not at or above any edge.
                    Some(place * bins + bin.checked_sub(1)?)
                });
            }
        }
        if self.weighted {
            let mut sums = vec![0.0; total];
            for (place, &weight) in places.into_iter().zip(block::<f64>(inputs, self.coordinates)?) {
                if let Some(place) = place {
                    sums[place] += weight;
                }
            }
            return Ok(value(ArrayD::from_shape_vec(IxDyn(&shape), sums)?));
        }
        let mut counts = vec![0i64; total];
        places.into_iter().flatten().for_each(|place| counts[place] += 1);
        Ok(value(ArrayD::from_shape_vec(IxDyn(&shape), counts)?))
    }
}

impl<T: Integer> Array<T> {
    /// How often each of the numbers `0..n` is there, over all axes: `(n,)` in `i64`. The run fails if there is another number. NumPy finds `n` in the elements; here it is given, as
    /// shapes are known before anything runs. Lazy; one pass.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr1(&[0, 3, 3, 1]), 2)?;
    /// assert_eq!(x.bincount(5).compute()?, ndarray::arr1(&[1, 1, 0, 2, 0]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bincount(&self, n: usize) -> Array<i64> {
        self.binned(n, None)
    }

    /// The sums of the weights of each of the numbers `0..n`: `(n,)` in `f64`; weights are of the array's shape. As [`bincount`](Array::bincount).
    pub fn bincount_weighted(&self, n: usize, weights: &Array<f64>) -> Array<f64> {
        self.binned(n, Some(weights))
    }

    fn binned<R: Element>(&self, n: usize, weights: Option<&Array<f64>>) -> Array<R> {
        Array::of(|| {
            let mut inputs = vec![cast(self.expr()?, DType::I64)?];
            inputs.extend(weights.map(Array::expr).transpose()?);
            let (inputs, chunks) = unified("bincount", &inputs)?;
            let counts = Chunking::new(vec![vec![1; chunks.n_blocks()], vec![n]])?;
            let counts = node("bincount", R::DTYPE, counts, BincountOp { n }, &inputs);
            reduce(ReduceOp::Sum, &counts, &Axes::from(0))
        })
    }
}

#[derive(Debug)]
struct BincountOp {
    n: usize,
}

impl BlockOp for BincountOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        vec![node_layer(expr, inputs, BincountKernel { n: self.n }, |index, read| read.extend((0..inputs.len()).map(|i| (i, index[0]))))]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct BincountKernel {
    n: usize,
}

impl Kernel for BincountKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "bincount".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let numbers = block::<i64>(inputs, 0)?;
        let place = |&x: &i64| {
            let place = usize::try_from(x).ok().filter(|&place| place < self.n);
            place.ok_or_else(|| format!("bincount: {x} is not in the range 0 to {} that is counted", self.n))
        };
        let shape = IxDyn(&[1, self.n]);
        if inputs.len() > 1 {
            let mut sums = vec![0.0; self.n];
            for (x, weight) in numbers.iter().zip(block::<f64>(inputs, 1)?) {
                sums[place(x)?] += weight;
            }
            return Ok(value(ArrayD::from_shape_vec(shape, sums)?));
        }
        let mut counts = vec![0i64; self.n];
        for x in numbers {
            counts[place(x)?] += 1;
        }
        Ok(value(ArrayD::from_shape_vec(shape, counts)?))
    }
}
