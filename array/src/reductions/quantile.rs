//! Medians and quantiles: exact along axes, which are put into one block, and approximate over all elements in one pass.

use std::sync::Arc;

use arras_core::{BoxError, Func, Inputs, Kernel, Layer, Value};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use tdigest::{Centroid, TDigest};

use crate::array::Array;
use crate::engine::block::Block;
use crate::engine::blockwise::{BlockOp, block, layer, node, node_layer, stage};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Element, Float, Real};
use crate::engine::expr::Expr;
use crate::engine::lower::{dot, rounds};
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::{Axes, cast};

/// Where between two elements a quantile lies: NumPy's methods, after Hyndman and Fan, "Sample quantiles in statistical packages" (1996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum QuantileMethod {
    /// Method 1: an element, by the inverse of the empirical distribution function.
    InvertedCdf,
    /// Method 2: as 1, halfway where the function is flat.
    AveragedInvertedCdf,
    /// Method 3: the nearest element.
    ClosestObservation,
    /// Method 4.
    InterpolatedInvertedCdf,
    /// Method 5.
    Hazen,
    /// Method 6.
    Weibull,
    /// Method 7, NumPy's default.
    #[default]
    Linear,
    /// Method 8.
    MedianUnbiased,
    /// Method 9.
    NormalUnbiased,
    /// The lesser of the two elements that [`Linear`](QuantileMethod::Linear) lies between.
    Lower,
    /// The greater of the two.
    Higher,
    /// Halfway between the two.
    Midpoint,
    /// The nearer of the two.
    Nearest,
}

impl QuantileMethod {
    /// The quantile of sorted elements, at least one, none of them NaN.
    fn of(self, sorted: &[f64], q: f64) -> f64 {
        use QuantileMethod as M;
        let n = sorted.len() as f64;
        // The position, counted from 0, as NumPy computes it.
        let virtual_position = |alpha: f64, beta: f64| n * q + (alpha + q * (1.0 - alpha - beta)) - 1.0;
        let position = match self {
            M::Linear | M::Lower | M::Higher | M::Midpoint | M::Nearest => (n - 1.0) * q,
            M::InvertedCdf | M::AveragedInvertedCdf => n * q - 1.0,
            M::ClosestObservation => n * q - 1.0 - 0.5,
            M::InterpolatedInvertedCdf => virtual_position(0.0, 1.0),
            M::Hazen => virtual_position(0.5, 0.5),
            M::Weibull => virtual_position(0.0, 0.0),
            M::MedianUnbiased => virtual_position(1.0 / 3.0, 1.0 / 3.0),
            M::NormalUnbiased => virtual_position(3.0 / 8.0, 3.0 / 8.0),
        };
        let floor = position.floor();
        let fraction = position - floor;
        let weight = match self {
            M::Lower => 0.0,
            M::Higher => f64::from(fraction > 0.0),
            M::Midpoint => 0.5 * f64::from(fraction > 0.0),
            // To the even one, if both are as near.
            M::Nearest => position.round_ties_even() - floor,
            M::InvertedCdf => f64::from(fraction > 0.0),
            M::AveragedInvertedCdf => {
                if fraction > 0.0 {
                    1.0
                } else {
                    0.5
                }
            }
            M::ClosestObservation => f64::from(!(fraction == 0.0 && floor.rem_euclid(2.0) == 1.0)),
            _ => fraction,
        };
        let last = n - 1.0;
        let (lower, upper) = (floor.clamp(0.0, last), (floor + 1.0).clamp(0.0, last));
        let (a, b) = (sorted[lower as usize], sorted[upper as usize]);
        if lower == upper || weight == 0.0 || a == b {
            a
        } else if weight == 1.0 {
            b
        } else if weight >= 0.5 {
            // From the nearer end, so that the result is monotonic.
            b - (b - a) * (1.0 - weight)
        } else {
            a + (b - a) * weight
        }
    }
}

/// Which quantiles: one, or several along a first axis.
///
/// ```
/// use arras_array::{Array, Quantiles};
/// let x = Array::<f64>::zeros([100, 3], 10)?;
/// assert_eq!(x.quantile_axis(0.5, 0).shape(), [3]);
/// assert_eq!(x.quantile_axis([0.25, 0.75], 0).shape(), [2, 3]);
/// # Ok::<(), arras_array::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles {
    q: Vec<f64>,
    one: bool,
}

impl Quantiles {
    fn scaled(mut self, scale: f64) -> Quantiles {
        self.q.iter_mut().for_each(|q| *q /= scale);
        self
    }

    fn check(&self, operation: &'static str, limit: f64) -> Result<()> {
        match self.q.iter().find(|q| !(0.0..=1.0).contains(*q)) {
            Some(q) => Err(Error::argument(operation, format!("{} is not in the range 0 to {limit}", q * limit))),
            None => Ok(()),
        }
    }
}

impl From<f64> for Quantiles {
    fn from(q: f64) -> Quantiles {
        Quantiles { q: vec![q], one: true }
    }
}

impl<const N: usize> From<[f64; N]> for Quantiles {
    fn from(q: [f64; N]) -> Quantiles {
        Quantiles { q: q.to_vec(), one: false }
    }
}

impl From<&[f64]> for Quantiles {
    fn from(q: &[f64]) -> Quantiles {
        Quantiles { q: q.to_vec(), one: false }
    }
}

impl From<Vec<f64>> for Quantiles {
    fn from(q: Vec<f64>) -> Quantiles {
        Quantiles { q, one: false }
    }
}

impl<T: Real> Array<T>
where
    T::Mean: Float,
{
    /// The median of all elements, 0-d: in `f64`, or `f32` for `f32`. NaN if any is, or if there are none. Lazy; all elements are put into one block, see
    /// [`quantile_approx`](Array::quantile_approx) where that is too large.
    pub fn median(&self) -> Array<T::Mean> {
        self.median_axis(Axes::all())
    }

    /// The medians over some axes, each of which is put into one chunk. An [`Error::Axis`] if there is no such axis.
    pub fn median_axis(&self, axes: impl Into<Axes>) -> Array<T::Mean> {
        self.quantiles("median", 0.5.into(), axes.into(), QuantileMethod::Linear, false, 1.0)
    }

    /// A quantile of all elements, 0-d, or several, `(q,)`: `q` from 0 to 1. In `f64`, or `f32` for `f32`; NaN if any element is. Lazy; all elements are put into one block.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr1(&[3.0, 1.0, 2.0, 5.0]), 2)?;
    /// assert_eq!(x.quantile([0.0, 0.5, 1.0]).compute()?, ndarray::arr1(&[1.0, 2.5, 5.0]).into_dyn());
    /// assert!(x.quantile(1.5).check().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn quantile(&self, q: impl Into<Quantiles>) -> Array<T::Mean> {
        self.quantile_axis(q, Axes::all())
    }

    /// The quantiles over some axes, each of which is put into one chunk; several quantiles lie along a first axis of the result. An [`Error::Axis`] if there is no such axis, an
    /// [`Error::Argument`] for `q` that is not in 0 to 1.
    pub fn quantile_axis(&self, q: impl Into<Quantiles>, axes: impl Into<Axes>) -> Array<T::Mean> {
        self.quantile_with(q, axes, QuantileMethod::Linear)
    }

    /// As [`quantile_axis`](Array::quantile_axis), by another method.
    pub fn quantile_with(&self, q: impl Into<Quantiles>, axes: impl Into<Axes>, method: QuantileMethod) -> Array<T::Mean> {
        self.quantiles("quantile", q.into(), axes.into(), method, false, 1.0)
    }

    /// As [`quantile_axis`](Array::quantile_axis), with `q` from 0 to 100.
    pub fn percentile_axis(&self, q: impl Into<Quantiles>, axes: impl Into<Axes>) -> Array<T::Mean> {
        self.quantiles("percentile", q.into().scaled(100.0), axes.into(), QuantileMethod::Linear, false, 100.0)
    }

    /// As [`quantile`](Array::quantile), with `q` from 0 to 100.
    pub fn percentile(&self, q: impl Into<Quantiles>) -> Array<T::Mean> {
        self.percentile_axis(q, Axes::all())
    }

    /// The median of all elements that are not NaN, 0-d; NaN if there are none. As [`median`](Array::median).
    pub fn nanmedian(&self) -> Array<T::Mean> {
        self.nanmedian_axis(Axes::all())
    }

    /// A quantile of all elements that are not NaN, 0-d, or several, `(q,)`. As [`quantile`](Array::quantile).
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr1(&[3.0, 1.0, f64::NAN, 2.0]), 2)?;
    /// assert_eq!(x.nanquantile(0.25).item().compute()?, 1.5);
    /// assert_eq!(x.nanmedian().item().compute()?, 2.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nanquantile(&self, q: impl Into<Quantiles>) -> Array<T::Mean> {
        self.nanquantile_axis(q, Axes::all())
    }

    /// The quantiles over some axes of what is not NaN; NaN of nothing. As [`quantile_axis`](Array::quantile_axis).
    pub fn nanquantile_axis(&self, q: impl Into<Quantiles>, axes: impl Into<Axes>) -> Array<T::Mean> {
        self.nanquantile_with(q, axes, QuantileMethod::Linear)
    }

    /// As [`nanquantile`](Array::nanquantile), with `q` from 0 to 100.
    pub fn nanpercentile(&self, q: impl Into<Quantiles>) -> Array<T::Mean> {
        self.nanpercentile_axis(q, Axes::all())
    }

    /// The medians over some axes of what is not NaN; NaN of nothing. As [`median_axis`](Array::median_axis).
    pub fn nanmedian_axis(&self, axes: impl Into<Axes>) -> Array<T::Mean> {
        self.quantiles("nanmedian", 0.5.into(), axes.into(), QuantileMethod::Linear, true, 1.0)
    }

    /// As [`nanquantile_with`](Array::nanquantile_with), by NumPy's own method and with `q` from 0 to 100.
    pub fn nanpercentile_axis(&self, q: impl Into<Quantiles>, axes: impl Into<Axes>) -> Array<T::Mean> {
        self.quantiles("nanpercentile", q.into().scaled(100.0), axes.into(), QuantileMethod::Linear, true, 100.0)
    }

    /// The quantiles over some axes of what is not NaN; NaN of nothing. As [`quantile_with`](Array::quantile_with).
    pub fn nanquantile_with(&self, q: impl Into<Quantiles>, axes: impl Into<Axes>, method: QuantileMethod) -> Array<T::Mean> {
        self.quantiles("nanquantile", q.into(), axes.into(), method, true, 1.0)
    }

    fn quantiles(
        &self,
        operation: &'static str,
        q: Quantiles,
        axes: Axes,
        method: QuantileMethod,
        skip_nan: bool,
        limit: f64,
    ) -> Array<T::Mean> {
        Array::of(|| {
            q.check(operation, limit)?;
            let input = cast(self.expr()?, DType::F64)?;
            let reduced = axes.of_shape(operation, &input.shape())?;
            let whole = input.chunks.axes().iter().zip(&reduced);
            let whole = whole.map(|(chunks, &reduced)| if reduced { vec![chunks.iter().sum()] } else { chunks.clone() });
            let input = simplify::rechunk(&input, Chunking::new(whole.collect())?)?;
            let kept = input.chunks.axes().iter().zip(&reduced).filter(|(_, reduced)| axes.keepdims || !**reduced);
            let mut chunks: Vec<Vec<usize>> = kept.map(|(chunks, &reduced)| if reduced { vec![1] } else { chunks.clone() }).collect();
            if !q.one {
                chunks.insert(0, vec![q.q.len()]);
            }
            let kernel = QuantileKernel {
                operation: operation.to_owned(),
                q: q.q,
                one: q.one,
                reduced,
                keepdims: axes.keepdims,
                method,
                skip_nan,
                is_median: matches!(operation, "median" | "nanmedian"),
                to: T::Mean::DTYPE,
            };
            Ok(node(operation, T::Mean::DTYPE, Chunking::new(chunks)?, QuantileOp(kernel), &[input]))
        })
    }
}

#[derive(Debug)]
struct QuantileOp(QuantileKernel);

impl BlockOp for QuantileOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        // The reduced axes have one chunk, so blocks correspond in row-major order.
        let mut flat = 0..;
        vec![node_layer(expr, inputs, self.0.clone(), |_, read| read.extend(flat.next().map(|flat| (0, flat))))]
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct QuantileKernel {
    operation: String,
    q: Vec<f64>,
    one: bool,
    reduced: SmallVec<[bool; 4]>,
    keepdims: bool,
    method: QuantileMethod,
    skip_nan: bool,
    /// The mean of the two in the middle, which may be infinite, rather than a place between them.
    is_median: bool,
    to: DType,
}

impl Kernel for QuantileKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        self.operation.clone().into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let input = block::<f64>(inputs, 0)?;
        let axes = |reduced: bool| (0..input.ndim()).filter(move |&axis| self.reduced[axis] == reduced);
        let order: Vec<usize> = axes(false).chain(axes(true)).collect();
        let rows: usize = axes(false).map(|axis| input.shape()[axis]).product();
        let length: usize = axes(true).map(|axis| input.shape()[axis]).product();
        let view = input.view().permuted_axes(IxDyn(&order));
        let elements = view.as_standard_layout();
        let elements = elements.as_slice().expect("of standard layout");
        let mut results = vec![f64::NAN; rows * self.q.len()];
        let mut row: Vec<f64> = Vec::with_capacity(length);
        for i in 0..rows {
            row.clear();
            row.extend(elements[i * length..(i + 1) * length].iter().filter(|x| !x.is_nan()));
            if row.is_empty() || (row.len() < length && !self.skip_nan) {
                continue;
            }
            row.sort_unstable_by(f64::total_cmp);
            if self.is_median {
                let (low, high) = (row[(row.len() - 1) / 2], row[row.len() / 2]);
                results[i] = if row.len() % 2 == 1 { high } else { (low + high) / 2.0 };
                continue;
            }
            for (nth, &q) in self.q.iter().enumerate() {
                results[nth * rows + i] = self.method.of(&row, q);
            }
        }
        let kept = (0..input.ndim()).filter(|&axis| self.keepdims || !self.reduced[axis]);
        let kept = kept.map(|axis| if self.reduced[axis] { 1 } else { input.shape()[axis] });
        let shape: Vec<usize> = (!self.one).then_some(self.q.len()).into_iter().chain(kept).collect();
        Ok(Value::measured(floats(&shape, results, self.to)?))
    }
}

/// A block of `f64`, or of `f32`.
pub(crate) fn floats(shape: &[usize], elements: Vec<f64>, to: DType) -> Result<Block, BoxError> {
    Ok(match to {
        DType::F32 => {
            f32::into_block(ArrayD::from_shape_vec(IxDyn(shape), elements.into_iter().map(|x| x as f32).collect())?.into_shared())
        }
        _ => f64::into_block(ArrayD::from_shape_vec(IxDyn(shape), elements)?.into_shared()),
    })
}

impl<T: Real> Array<T> {
    /// About the quantiles of all elements, `(q,)` in `f64`, in one pass and little memory: `q` from 0 to 1. The error is least near 0 and 1. NaN is left out, and infinities count
    /// as the largest finite numbers; NaN of nothing.
    ///
    /// Each block is made a t-digest of at most `centroids` means and weights, 100 to 1,000 being usual, and those are merged in a tree: Dunning, "The t-digest: efficient estimates of
    /// distributions" (2021).
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::Array1::linspace(0.0, 1.0, 10_001), 1_000)?;
    /// let q = x.quantile_approx([0.01, 0.5], 100).compute()?;
    /// assert!((q[0] - 0.01).abs() < 1e-3 && (q[1] - 0.5).abs() < 1e-2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn quantile_approx(&self, q: impl Into<Quantiles>, centroids: usize) -> Array<f64> {
        Array::of(|| {
            let q: Quantiles = q.into();
            q.check("quantile_approx", 1.0)?;
            if centroids < 10 {
                return Err(Error::argument(
                    "quantile_approx",
                    format!("{centroids} centroids: at least 10 tell something of a distribution"),
                ));
            }
            let input = cast(self.expr()?, DType::F64)?;
            let chunks = Chunking::new(if q.one { Vec::new() } else { vec![vec![q.q.len()]] })?;
            let op = DigestOp { q: q.q, one: q.one, centroids };
            Ok(node("quantile_approx", DType::F64, chunks, op, &[input]))
        })
    }
}

#[derive(Debug)]
struct DigestOp {
    q: Vec<f64>,
    one: bool,
    centroids: usize,
}

impl BlockOp for DigestOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let chunks = &inputs[0].chunks;
        let strides = chunks.strides();
        let digests = stage(expr, "digest");
        let kernel = |step| DigestKernel { step, centroids: self.centroids, one: self.one };
        let names = [inputs[0].name.clone()];
        let sizes = arras_core::Sizes::Uniform(16 * self.centroids as u64);
        let first =
            layer(digests.clone(), chunks, &names, kernel(DigestStep::Block), sizes, |index, read| read.push((0, dot(index, &strides))));
        let reduced = vec![true; chunks.ndim()];
        let func = |is_last: bool| Func::kernel(kernel(if is_last { DigestStep::Quantiles(self.q.clone()) } else { DigestStep::Merge }));
        let mut layers = vec![first];
        layers.extend(rounds(expr, digests, chunks, &reduced, crate::engine::lower::SPLIT_EVERY, None, func));
        layers
    }
}

/// A t-digest on its way, which has no serde of its own here.
#[derive(Debug, Serialize, Deserialize)]
struct Digest {
    /// Means and weights.
    centroids: Vec<(f64, f64)>,
    sum: f64,
    count: f64,
    /// The least and the greatest; none of nothing.
    limits: Option<(f64, f64)>,
    size: usize,
}

impl Digest {
    fn of(digest: &TDigest) -> Digest {
        let centroids = digest.centroids().iter().map(|centroid| (centroid.mean(), centroid.weight())).collect();
        let limits = digest.min().zip(digest.max());
        Digest { centroids, sum: digest.sum(), count: digest.count(), limits, size: digest.max_size() }
    }

    fn whole(&self) -> TDigest {
        let (min, max) = self.limits.unzip();
        let centroids = self.centroids.iter().map(|&(mean, weight)| Centroid::new(mean, weight)).collect();
        TDigest::new(centroids, self.sum, self.count, max, min, self.size)
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum DigestStep {
    Block,
    Merge,
    Quantiles(Vec<f64>),
}

#[derive(Debug, Serialize, Deserialize)]
struct DigestKernel {
    step: DigestStep,
    centroids: usize,
    one: bool,
}

impl Kernel for DigestKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "t-digest".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        if let DigestStep::Block = self.step {
            let mut elements: Vec<f64> =
                block::<f64>(inputs, 0)?.iter().copied().filter(|x| !x.is_nan()).map(|x| x.clamp(f64::MIN, f64::MAX)).collect();
            elements.sort_unstable_by(f64::total_cmp);
            return Ok(Value::new(Digest::of(&TDigest::new_with_size(self.centroids).merge_sorted(elements))));
        }
        let digests = (0..inputs.len()).map(|i| Ok(inputs.get::<Digest>(i)?.whole())).collect::<Result<Vec<TDigest>, BoxError>>()?;
        let filled: Vec<TDigest> = digests.iter().filter(|digest| !digest.is_empty()).cloned().collect();
        let merged = if filled.is_empty() { digests[0].clone() } else { TDigest::merge_digests(filled) };
        let DigestStep::Quantiles(q) = &self.step else { return Ok(Value::new(Digest::of(&merged))) };
        let results = q.iter().map(|&q| merged.estimate_quantile(q).unwrap_or(f64::NAN)).collect();
        let shape: &[usize] = if self.one { &[] } else { &[q.len()] };
        Ok(Value::measured(floats(shape, results, DType::F64)?))
    }
}

#[cfg(test)]
mod tests {
    use super::QuantileMethod;

    #[test]
    fn methods_meet_at_the_ends() {
        let sorted = [1.0, 2.0, 4.0, 8.0];
        for method in [QuantileMethod::Linear, QuantileMethod::Hazen, QuantileMethod::InvertedCdf, QuantileMethod::Nearest] {
            assert_eq!((method.of(&sorted, 0.0), method.of(&sorted, 1.0)), (1.0, 8.0));
        }
    }
}
