//! Discrete Fourier transforms, by rustfft and realfft.
//!
//! ```text
//!     x ──► cut or filled with zeros to n along the axis ──► one chunk along it ──► every lane of a block transformed, times the norm's factor
//!
//!                  in            out            length of the axis      NumPy's definition for the others
//!     fft, ifft    any           complex        n  → n
//!     rfft         float         complex        n  → n/2 + 1            ihfft(x) = conj(rfft(x)), scaled as an inverse
//!     irfft        any           float          n/2 + 1 → n             hfft(x)  = irfft(conj(x)), scaled as a forward one
//! ```

use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Value};
use ndarray::{ArrayD, IxDyn};
use num_complex::Complex;
use realfft::RealFftPlanner;
use rustfft::{FftNum, FftPlanner};
use serde::{Deserialize, Serialize};

use crate::array::{Array, Operand};
use crate::elementwise::operations::Operation;
use crate::engine::blockwise::{BlockOp, block, node, node_layer, value};
use crate::engine::chunks::{Chunking, Chunks};
use crate::engine::dtype::{Complex32, Complex64, ComplexNumber, DType, Element, Float, Inexact};
use crate::engine::expr::{Expr, elementwise};
use crate::engine::gather::{Run, gather_axis};
use crate::engine::lower::dot;
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::cast;
use crate::shape::axes::axes_of;
use crate::shape::view::Item;

/// What a Fourier transform can be applied to: `f32`, `f64`, [`Complex32`], [`Complex64`]. Cast others.
pub trait Spectral: Inexact {
    /// The complex type of the same precision.
    type Spectrum: ComplexNumber<Part = Self::Part>;
}
impl Spectral for f32 {
    type Spectrum = Complex32;
}
impl Spectral for f64 {
    type Spectrum = Complex64;
}
impl Spectral for Complex32 {
    type Spectrum = Complex32;
}
impl Spectral for Complex64 {
    type Spectrum = Complex64;
}

/// By what a Fourier transform is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FftNorm {
    /// The inverse transform by the number of points, the forward one by nothing.
    #[default]
    Backward,
    /// Both by the root of the number of points.
    Ortho,
    /// The forward transform by the number of points, the inverse one by nothing.
    Forward,
}

/// Which axes are transformed, to which lengths they are brought before, and the norm. An axis, or a list of axes, converts into one; the default are the axes that NumPy takes: the last one
/// for `fft`, the last two for `fft2`, all for `fftn`.
///
/// ```
/// use arras_array::{Array, FftNorm, Transform};
/// let x = Array::<f64>::ones([4, 6], [2, 3])?;
/// assert_eq!(x.fft(Transform::default()).chunks(), [vec![2, 2], vec![6]]);
/// assert_eq!(x.rfft(0).shape(), [3, 6]);
/// assert_eq!(x.fftn(Transform::from([0, 1]).lengths([8, 8]).norm(FftNorm::Ortho)).shape(), [8, 8]);
/// # Ok::<(), arras_array::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transform {
    axes: Option<Vec<isize>>,
    lengths: Option<Vec<usize>>,
    norm: FftNorm,
}

impl Transform {
    /// NumPy's `n` of a transform along one axis: it is cut, or filled with zeros at its end, to this length. For [`irfft`](Array::irfft) and [`hfft`](Array::hfft) the length of the result.
    pub fn length(self, n: usize) -> Transform {
        self.lengths([n])
    }

    /// NumPy's `s`: a length for each axis that is transformed, as [`length`](Transform::length). Without axes these are the last ones.
    pub fn lengths(mut self, lengths: impl Into<Vec<usize>>) -> Transform {
        self.lengths = Some(lengths.into());
        self
    }

    /// By what the transform is divided.
    pub fn norm(mut self, norm: FftNorm) -> Transform {
        self.norm = norm;
        self
    }
}

impl From<isize> for Transform {
    fn from(axis: isize) -> Transform {
        Transform::from([axis])
    }
}

impl<const N: usize> From<[isize; N]> for Transform {
    fn from(axes: [isize; N]) -> Transform {
        Transform::from(axes.to_vec())
    }
}

impl From<Vec<isize>> for Transform {
    fn from(axes: Vec<isize>) -> Transform {
        Transform { axes: Some(axes), ..Transform::default() }
    }
}

/// How many axes a transform has of itself.
#[derive(Clone, Copy)]
enum Rank {
    Last(usize),
    All,
}

/// Methods that differ in name and rank only.
macro_rules! transforms {
    ($($(#[$doc:meta])* $name:ident $rank:expr, $build:ident $($inverse:literal)? -> $result:ty;)*) => { $(
        $(#[$doc])*
        ///
        /// The result fails with an [`Error::Axis`] or [`Error::AxisTwice`], and with an [`Error::Argument`] for a length of 0 or not as many lengths as axes.
        pub fn $name(&self, transform: impl Into<Transform>) -> Array<$result> {
            Array::of(|| $build(stringify!($name), self.expr()?, &transform.into(), $rank $(, $inverse)?))
        }
    )* };
}

impl<T: Spectral> Array<T> {
    transforms! {
        /// The discrete Fourier transform along an axis, the last unless one is given: element `k` is `Σ xⱼ exp(-2πi jk/n)`. The axis is put into one chunk, the others stay. Lazy; work `n log n`.
        ///
        /// ```
        /// use arras_array::{Array, Complex64, Transform};
        /// use arras_scheduler::Compute;
        /// let x = Array::from_ndarray(ndarray::array![1.0, 0.0, -1.0, 0.0], 2)?;
        /// let (zero, two) = (Complex64::new(0.0, 0.0), Complex64::new(2.0, 0.0));
        /// assert_eq!(x.fft(-1).compute()?, ndarray::array![zero, two, zero, two].into_dyn());
        /// assert_eq!(x.fft(-1).ifft(Transform::default()).real().compute()?, x.compute()?);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        fft Rank::Last(1), complex false -> T::Spectrum;
        /// The inverse of [`fft`](Array::fft): element `j` is `Σ xₖ exp(2πi jk/n) / n`. Lazy.
        ifft Rank::Last(1), complex true -> T::Spectrum;
        /// [`fft`](Array::fft) along the last two axes, or along those that are given. Lazy.
        fft2 Rank::Last(2), complex false -> T::Spectrum;
        /// The inverse of [`fft2`](Array::fft2). Lazy.
        ifft2 Rank::Last(2), complex true -> T::Spectrum;
        /// [`fft`](Array::fft) along all axes, or along those that are given, the last one first. Lazy.
        fftn Rank::All, complex false -> T::Spectrum;
        /// The inverse of [`fftn`](Array::fftn). Lazy.
        ifftn Rank::All, complex true -> T::Spectrum;
        /// The inverse of [`rfft`](Array::rfft): of `n/2 + 1` elements along the axis the `n` floats that have them as transform. `n` is even unless a length is given. Lazy.
        irfft Rank::Last(1), to_real -> T::Part;
        /// The inverse of [`rfft2`](Array::rfft2). Lazy.
        irfft2 Rank::Last(2), to_real -> T::Part;
        /// The inverse of [`rfftn`](Array::rfftn). Lazy.
        irfftn Rank::All, to_real -> T::Part;
        /// The transform, which is real, of the `n` elements whose first `n/2 + 1` are these, the others their conjugates backwards. `n` is even unless a length is given. Lazy.
        hfft Rank::Last(1), hermitian -> T::Part;
    }
}

impl<T: Float + Spectral> Array<T> {
    transforms! {
        /// The first `n/2 + 1` elements of [`fft`](Array::fft), which of floats tell the others: those are the conjugates of these. Half the work. Lazy.
        ///
        /// ```
        /// use arras_array::{Array, Transform};
        /// use arras_scheduler::Compute;
        /// let x = Array::from_ndarray(ndarray::array![1.0, 2.0, 3.0, 4.0], 2)?;
        /// assert_eq!(x.rfft(0).shape(), [3]);
        /// assert_eq!(x.rfft(0).irfft(0).compute()?, x.compute()?);
        /// # Ok::<(), Box<dyn std::error::Error>>(())
        /// ```
        rfft Rank::Last(1), of_real -> T::Spectrum;
        /// [`rfft`](Array::rfft) along the last of two axes, then [`fft`](Array::fft) along the other. Lazy.
        rfft2 Rank::Last(2), of_real -> T::Spectrum;
        /// [`rfft`](Array::rfft) along the last axis, then [`fft`](Array::fft) along the others. Lazy.
        rfftn Rank::All, of_real -> T::Spectrum;
        /// The inverse of [`hfft`](Array::hfft): the first `n/2 + 1` elements of the inverse transform of floats. Lazy.
        ihfft Rank::Last(1), inverse_hermitian -> T::Spectrum;
    }
}

impl<T: Element> Array<T> {
    /// The array turned along axes so that the frequency 0 of a transform is in the middle: element 0 goes to `n/2`. Lazy.
    ///
    /// ```
    /// use arras_array::{Array, fftfreq};
    /// use arras_scheduler::Compute;
    /// let x = fftfreq(5, 0.2, 5)?;
    /// assert_eq!(x.fftshift([0]).compute()?, ndarray::array![-2.0, -1.0, 0.0, 1.0, 2.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`] or [`Error::AxisTwice`].
    pub fn fftshift(&self, axes: impl AsRef<[isize]>) -> Array<T> {
        self.shifted("fftshift", axes.as_ref(), |n| (n / 2) as isize)
    }

    /// The inverse of [`fftshift`](Array::fftshift): element `n/2` goes to 0. Lazy.
    pub fn ifftshift(&self, axes: impl AsRef<[isize]>) -> Array<T> {
        self.shifted("ifftshift", axes.as_ref(), |n| -((n / 2) as isize))
    }

    fn shifted(&self, operation: &'static str, axes: &[isize], shift: impl Fn(usize) -> isize) -> Array<T> {
        Array::of(|| {
            let shape = self.expr()?.shape();
            let mut array = self.clone();
            for axis in axes_of(operation, axes, &shape)? {
                array = array.roll(shift(shape[axis]), axis as isize);
            }
            array.expr()
        })
    }
}

/// The frequencies of the elements of a transform of `n` points that are `d` apart: `[0, 1, .., (n-1)/2, -n/2, .., -1] / (n d)`. Lazy.
///
/// ```
/// use arras_scheduler::Compute;
/// let x = arras_array::fftfreq(4, 0.5, 2)?;
/// assert_eq!(x.compute()?, ndarray::array![0.0, 0.5, -1.0, -0.5].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::Argument`] for 0 points, and what is wrong with the chunks.
pub fn fftfreq(n: usize, d: f64, chunks: impl Into<Chunks>) -> Result<Array<f64>> {
    let length = points("fftfreq", n)?;
    let places = Array::<i64>::arange(0, length, 1, chunks)?;
    let turned = (places + length / 2).remainder(length) - length / 2;
    Ok(turned.cast::<f64>() * (1.0 / (n as f64 * d)))
}

/// The frequencies of the elements of [`rfft`](Array::rfft) of `n` points that are `d` apart: `[0, 1, .., n/2] / (n d)`. Lazy.
///
/// # Errors
/// As [`fftfreq`].
pub fn rfftfreq(n: usize, d: f64, chunks: impl Into<Chunks>) -> Result<Array<f64>> {
    let places = Array::<i64>::arange(0, points("rfftfreq", n)? / 2 + 1, 1, chunks)?;
    Ok(places.cast::<f64>() * (1.0 / (n as f64 * d)))
}

fn points(operation: &'static str, n: usize) -> Result<i64> {
    let points = i64::try_from(n).ok().filter(|&n| n > 0 && n < i64::MAX / 2);
    points.ok_or_else(|| Error::argument(operation, format!("there is no transform of {n} points")))
}

/// The axes of a transform and the lengths that were given for them.
fn planned(operation: &'static str, input: &Expr, transform: &Transform, rank: Rank) -> Result<Vec<(usize, Option<usize>)>> {
    let (shape, lengths) = (input.shape(), transform.lengths.as_ref());
    let axes = match (&transform.axes, rank) {
        (Some(axes), Rank::Last(1)) if axes.len() != 1 => {
            return Err(Error::argument(operation, format!("axes {axes:?}: it has one, the n-d transform has more")));
        }
        (Some(axes), _) => axes.clone(),
        (None, Rank::Last(n)) => (1..=n as isize).rev().map(|back| -back).collect(),
        (None, Rank::All) => {
            let n = lengths.map_or(shape.len(), Vec::len);
            (1..=n as isize).rev().map(|back| -back).collect()
        }
    };
    if let Some(lengths) = lengths
        && lengths.len() != axes.len()
    {
        return Err(Error::argument(operation, format!("lengths {lengths:?} for axes {axes:?}: there is one for each")));
    }
    if axes.is_empty() {
        return Err(Error::argument(operation, format!("no axes of shape {:?} to transform", shape.as_slice())));
    }
    let axes = axes_of(operation, &axes, &shape)?;
    Ok(axes.into_iter().enumerate().map(|(i, axis)| (axis, lengths.map(|lengths| lengths[i]))).collect())
}

fn spectrum(dtype: DType) -> DType {
    if matches!(dtype, DType::F32 | DType::C32) { DType::C32 } else { DType::C64 }
}

fn complex(operation: &'static str, input: Arc<Expr>, transform: &Transform, rank: Rank, inverse: bool) -> Result<Arc<Expr>> {
    let axes = planned(operation, &input, transform, rank)?;
    let input = cast(Arc::clone(&input), spectrum(input.dtype))?;
    let way = if inverse { Way::Inverse } else { Way::Forward };
    axes.into_iter().rev().try_fold(input, |expr, (axis, n)| along(operation, &expr, axis, n, way, transform.norm))
}

fn of_real(operation: &'static str, input: Arc<Expr>, transform: &Transform, rank: Rank) -> Result<Arc<Expr>> {
    let mut axes = planned(operation, &input, transform, rank)?;
    let (axis, n) = axes.pop().expect("a transform has an axis");
    let half = along(operation, &input, axis, n, Way::OfReal, transform.norm)?;
    axes.into_iter().rev().try_fold(half, |expr, (axis, n)| along(operation, &expr, axis, n, Way::Forward, transform.norm))
}

fn to_real(operation: &'static str, input: Arc<Expr>, transform: &Transform, rank: Rank) -> Result<Arc<Expr>> {
    let mut axes = planned(operation, &input, transform, rank)?;
    let (axis, n) = axes.pop().expect("a transform has an axis");
    let input = cast(Arc::clone(&input), spectrum(input.dtype))?;
    let half = axes.into_iter().try_fold(input, |expr, (axis, n)| along(operation, &expr, axis, n, Way::Inverse, transform.norm))?;
    along(operation, &half, axis, n, Way::ToReal, transform.norm)
}

fn swapped(transform: &Transform) -> Transform {
    let norm = match transform.norm {
        FftNorm::Backward => FftNorm::Forward,
        FftNorm::Ortho => FftNorm::Ortho,
        FftNorm::Forward => FftNorm::Backward,
    };
    transform.clone().norm(norm)
}

fn conjugate(input: Arc<Expr>) -> Result<Arc<Expr>> {
    elementwise(Operation::Conjugate, vec![Operand::Expr(input)])
}

fn hermitian(operation: &'static str, input: Arc<Expr>, transform: &Transform, rank: Rank) -> Result<Arc<Expr>> {
    let input = cast(Arc::clone(&input), spectrum(input.dtype))?;
    to_real(operation, conjugate(input)?, &swapped(transform), rank)
}

fn inverse_hermitian(operation: &'static str, input: Arc<Expr>, transform: &Transform, rank: Rank) -> Result<Arc<Expr>> {
    conjugate(of_real(operation, input, &swapped(transform), rank)?)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    Forward,
    Inverse,
    OfReal,
    ToReal,
}

/// The transform along one axis.
fn along(operation: &'static str, input: &Arc<Expr>, axis: usize, n: Option<usize>, way: Way, norm: FftNorm) -> Result<Arc<Expr>> {
    let shape = input.shape();
    let own = shape[axis];
    let n = n.unwrap_or(if way == Way::ToReal { 2 * own.saturating_sub(1) } else { own });
    if n == 0 {
        return Err(Error::argument(operation, format!("axis {axis} of shape {:?}: there is no transform of 0 points", shape.as_slice())));
    }
    let wanted = if way == Way::ToReal { n / 2 + 1 } else { n };
    let mut fitted = Arc::clone(input);
    if own > wanted {
        let items = shape.iter().enumerate().map(|(i, &length)| Item::whole(if i == axis { wanted } else { length })).collect();
        fitted = simplify::slice(&fitted, items)?;
    } else if own < wanted {
        let runs = if own == 0 { vec![Run::Fill(wanted)] } else { vec![Run::range(0..own), Run::Fill(wanted - own)] };
        fitted = gather_axis(operation, &fitted, axis, runs, vec![wanted])?;
    }
    let mut axes = fitted.chunks.axes().to_vec();
    axes[axis] = vec![wanted];
    let fitted = simplify::rechunk(&fitted, Chunking::new(axes.clone())?)?;
    axes[axis] = vec![if way == Way::OfReal { n / 2 + 1 } else { n }];
    let dtype = match (way, input.dtype) {
        (Way::OfReal, dtype) => spectrum(dtype),
        (Way::ToReal, DType::C32) => DType::F32,
        (Way::ToReal, _) => DType::F64,
        (_, dtype) => dtype,
    };
    let is_forward = matches!(way, Way::Forward | Way::OfReal);
    let scale = match norm {
        FftNorm::Ortho => 1.0 / (n as f64).sqrt(),
        FftNorm::Backward if is_forward => 1.0,
        FftNorm::Forward if !is_forward => 1.0,
        _ => 1.0 / n as f64,
    };
    let kernel =
        FourierKernel { operation: operation.into(), single: spectrum(dtype) == DType::C32 || dtype == DType::F32, axis, n, way, scale };
    Ok(node(operation, dtype, Chunking::new(axes)?, Fourier(kernel), &[fitted]))
}

#[derive(Debug)]
struct Fourier(FourierKernel);

impl BlockOp for Fourier {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let strides = inputs[0].chunks.strides();
        vec![node_layer(expr, inputs, self.0.clone(), |index, read| read.push((0, dot(index, &strides))))]
    }
}

/// Transforms every lane of a block.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct FourierKernel {
    operation: String,
    single: bool,
    axis: usize,
    n: usize,
    way: Way,
    scale: f64,
}

impl Kernel for FourierKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        self.operation.clone().into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        if self.single { self.transform::<f32>(inputs) } else { self.transform::<f64>(inputs) }
    }
}

impl FourierKernel {
    fn transform<T: Float + FftNum>(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError>
    where
        Complex<T>: Element,
    {
        match self.way {
            Way::Forward | Way::Inverse => {
                let mut planner = FftPlanner::<T>::new();
                let fft = if self.way == Way::Forward { planner.plan_fft_forward(self.n) } else { planner.plan_fft_inverse(self.n) };
                let (mut elements, shape) = self.lanes::<Complex<T>>(inputs)?;
                fft.process(&mut elements);
                self.scaled(elements, shape, |x, factor| x.scale(factor), T::cast_from(self.scale))
            }
            Way::OfReal => {
                let fft = RealFftPlanner::<T>::new().plan_fft_forward(self.n);
                let (mut elements, shape) = self.lanes::<T>(inputs)?;
                let (mut scratch, length) = (fft.make_scratch_vec(), self.n / 2 + 1);
                let mut result = vec![Complex::<T>::default(); elements.len() / self.n * length];
                for (lane, result) in elements.chunks_exact_mut(self.n).zip(result.chunks_exact_mut(length)) {
                    fft.process_with_scratch(lane, result, &mut scratch)?;
                }
                self.scaled(result, shape, |x, factor| x.scale(factor), T::cast_from(self.scale))
            }
            Way::ToReal => {
                let fft = RealFftPlanner::<T>::new().plan_fft_inverse(self.n);
                let (mut elements, shape) = self.lanes::<Complex<T>>(inputs)?;
                let (mut scratch, length) = (fft.make_scratch_vec(), self.n / 2 + 1);
                let mut result = vec![T::default(); elements.len() / length * self.n];
                for (lane, result) in elements.chunks_exact_mut(length).zip(result.chunks_exact_mut(self.n)) {
                    // What a transform of floats has no imaginary part in counts as real, as NumPy does.
                    lane[0].im = T::default();
                    if self.n.is_multiple_of(2) {
                        lane[length - 1].im = T::default();
                    }
                    fft.process_with_scratch(lane, result, &mut scratch)?;
                }
                self.scaled(result, shape, |x, factor| x.times(factor), T::cast_from(self.scale))
            }
        }
    }

    /// The elements of the block, lane after lane, and its shape with the axis last.
    fn lanes<T: Element>(&self, inputs: &Inputs<'_>) -> Result<(Vec<T>, Vec<usize>), BoxError> {
        let mut view = block::<T>(inputs, 0)?.view();
        view.swap_axes(self.axis, view.ndim() - 1);
        let shape = view.shape().to_vec();
        Ok((view.iter().copied().collect(), shape))
    }

    /// The block of transformed lanes.
    fn scaled<T: Element, F: Copy>(
        &self,
        mut lanes: Vec<T>,
        mut shape: Vec<usize>,
        scale: impl Fn(T, F) -> T,
        factor: F,
    ) -> Result<Value, BoxError> {
        if self.scale != 1.0 {
            lanes.iter_mut().for_each(|x| *x = scale(*x, factor));
        }
        let last = shape.len() - 1;
        shape[last] = if self.way == Way::OfReal { self.n / 2 + 1 } else { self.n };
        let mut result = ArrayD::from_shape_vec(IxDyn(&shape), lanes)?;
        result.swap_axes(self.axis, last);
        Ok(value(result))
    }
}
