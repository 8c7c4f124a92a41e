//! Weighted averages, norms, and whether arrays are close.

use arras_core::{BoxError, Inputs, Kernel, Layer, Value};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use crate::array::{Array, Operand};
use crate::elementwise::operations::Operation;
use crate::engine::blockwise::{BlockOp, block, node, node_layer, value};
use crate::engine::dtype::{Element, Float, Real};
use crate::engine::expr::{Expr, elementwise};
use crate::engine::lower::dot;
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::{Axes, axis_of, cast};
use crate::shape::view::Item;

/// How the length of a vector is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Norm {
    /// The square root of the sum of squares; over two axes, the Frobenius norm.
    #[default]
    Two,
    /// The sum of absolute values.
    One,
    /// The greatest absolute value.
    Infinity,
    /// The least absolute value.
    NegativeInfinity,
    /// How many are not 0.
    Zero,
    /// The `p`th root of the sum of `p`th powers of absolute values.
    Power(i32),
}

impl<T: Real> Array<T>
where
    T::Mean: Float,
{
    /// The average of all elements, 0-d, each counted with its weight: `Σ w x / Σ w`. In `f64`, or `f32` for `f32`; NaN where weights add up to 0. Weights are of the array's shape. Lazy;
    /// two passes over the weights, one over the elements.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0]]), 1)?;
    /// let weights = Array::from_ndarray(ndarray::arr1(&[1.0, 3.0]), 1)?;
    /// assert_eq!(x.average_axis(0, &weights).compute()?, ndarray::arr1(&[2.5, 3.5]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn average(&self, weights: &Array<T::Mean>) -> Array<T::Mean> {
        self.average_over(Axes::all(), weights).0
    }

    /// The averages along an axis. Weights are of the array's shape, or 1-d, of the axis' length. An [`Error::Axis`] if there is no such axis, an [`Error::Argument`] for weights of
    /// another shape.
    pub fn average_axis(&self, axis: isize, weights: &Array<T::Mean>) -> Array<T::Mean> {
        self.average_over(Axes::from(axis), &self.weights_along(axis, weights)).0
    }

    /// Weights of one axis as such of the array's number of axes.
    fn weights_along(&self, axis: isize, weights: &Array<T::Mean>) -> Array<T::Mean> {
        Array::of(|| {
            let (shape, weights) = (self.expr()?.shape(), weights.expr()?);
            let place = axis_of("average", axis, &shape)?;
            if weights.shape().as_slice() != [shape[place]] {
                return Ok(weights);
            }
            let whole = Item::whole(shape[place]);
            simplify::slice(&weights, (0..shape.len()).map(|i| if i == place { whole.clone() } else { Item::NewAxis }).collect())
        })
    }

    /// The averages along an axis, or of all elements, and the sums of the weights, both of one shape: as [`average_axis`](Array::average_axis) and [`average`](Array::average).
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0]]), 1)?;
    /// let (average, sum) = x.average_returned(0, &Array::from_ndarray(ndarray::arr1(&[1.0, 3.0]), 1)?);
    /// assert_eq!((average.compute()?, sum.compute()?), (ndarray::arr1(&[2.5, 3.5]).into_dyn(), ndarray::arr1(&[4.0, 4.0]).into_dyn()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn average_returned(&self, axis: impl Into<Option<isize>>, weights: &Array<T::Mean>) -> (Array<T::Mean>, Array<T::Mean>) {
        let (average, sum) = match axis.into() {
            Some(axis) => self.average_over(Axes::from(axis), &self.weights_along(axis, weights)),
            None => self.average_over(Axes::all(), weights),
        };
        let sum = Array::of(|| {
            let shape = average.expr()?.shape().to_vec();
            if sum.expr()?.shape().as_slice() == shape.as_slice() { sum.expr() } else { sum.broadcast_to(shape).expr() }
        });
        (average, sum)
    }

    /// The averages, and the sums of the weights.
    fn average_over(&self, axes: Axes, weights: &Array<T::Mean>) -> (Array<T::Mean>, Array<T::Mean>) {
        let fits = || -> Result<()> {
            let (shape, own) = (self.expr()?.shape(), weights.expr()?.shape());
            let broadcasts = own.len() == shape.len() && own.iter().zip(&shape).all(|(n, m)| n == m || *n == 1);
            if !broadcasts || (own != shape && own.iter().filter(|n| **n != 1).count() > 1) {
                return Err(Error::argument("average", format!("weights of shape {:?} for shape {:?}", own.as_slice(), shape.as_slice())));
            }
            Ok(())
        };
        if let Err(error) = fits() {
            return (Array::of(|| Err(error.clone())), Array::of(|| Err(error)));
        }
        let x: Array<T::Mean> = self.cast();
        let weighted = cast_to::<_, T::Mean>(&(&x * weights).sum_axis(axes.clone()));
        let total: Array<T::Mean> = cast_to(&weights.sum_axis(axes.clone()));
        let total = Array::of(|| {
            // Weights that are repeated along other reduced axes count as often.
            let (shape, own) = (self.expr()?.shape(), weights.expr()?.shape());
            let reduced = axes.of_shape("average", &shape)?;
            let repeats: usize =
                (0..shape.len()).filter(|&axis| reduced[axis] && own[axis] != shape[axis]).map(|axis| shape[axis]).product();
            let repeats = Operand::Scalar(T::Mean::cast_from(repeats as f64).into_scalar());
            elementwise(Operation::Multiply, vec![Operand::Expr(total.expr()?), repeats])
        });
        let average = Array::of(|| elementwise(Operation::Divide, vec![Operand::Expr(weighted.expr()?), Operand::Expr(total.expr()?)]));
        (average, total)
    }

    /// The norm of all elements as one vector, 0-d: the square root of the sum of squares. In `f64`, or `f32` for `f32`. Lazy; one pass.
    pub fn norm(&self) -> Array<T::Mean> {
        self.norm_axis(Norm::Two, Axes::all())
    }

    /// The norms of vectors along an axis, or of what lies along several as one vector. Lazy; one pass.
    ///
    /// ```
    /// use arras_array::{Array, Norm};
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[3.0, 4.0], [5.0, -12.0]]), 1)?;
    /// assert_eq!(x.norm_axis(Norm::Two, 1).compute()?, ndarray::arr1(&[5.0, 13.0]).into_dyn());
    /// assert_eq!(x.norm_axis(Norm::One, 0).compute()?, ndarray::arr1(&[8.0, 16.0]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`] if there is no such axis, with an [`Error::EmptyReduction`] for the least of nothing, with an [`Error::Argument`] for a power
    /// of 0.
    pub fn norm_axis(&self, norm: Norm, axes: impl Into<Axes>) -> Array<T::Mean> {
        let (x, axes): (Array<T::Mean>, Axes) = (self.cast(), axes.into());
        let root = |sums: Array<T::Mean>, p: i32| {
            Array::of(|| {
                let sums = sums.expr()?;
                let to = <T::Mean as Element>::DTYPE;
                let wide = cast(sums, crate::DType::F64)?;
                cast(node("root", crate::DType::F64, wide.chunks.clone(), RootOp { p }, &[wide]), to)
            })
        };
        match norm {
            Norm::Two => cast_to::<_, T::Mean>(&x.square().sum_axis(axes)).sqrt(),
            Norm::One => cast_to(&x.abs().sum_axis(axes)),
            Norm::Infinity => greatest(&x.abs(), axes),
            Norm::NegativeInfinity => x.abs().min_axis(axes),
            Norm::Zero => cast_to(&x.count_nonzero_axis(axes)),
            Norm::Power(0) => Array::of(|| Err(Error::argument("norm", "a power of 0: Norm::Zero counts what is not 0"))),
            Norm::Power(p) => root(cast_to(&x.abs().powi(p).sum_axis(axes)), p),
        }
    }
}

/// The greatest elements along axes of an array that has none below 0: 0 of nothing.
pub(crate) fn greatest<T: Real>(x: &Array<T>, axes: Axes) -> Array<T> {
    Array::of(|| {
        let shape = x.expr()?.shape();
        let reduced = axes.of_shape("norm", &shape)?;
        let is_empty = shape.iter().zip(&reduced).any(|(&n, &reduced)| reduced && n == 0);
        if is_empty { cast_to::<_, T>(&x.sum_axis(axes)).expr() } else { x.max_axis(axes).expr() }
    })
}

/// An array cast to a type that is its own.
fn cast_to<T: Element, R: Element>(array: &Array<T>) -> Array<R> {
    Array::of(|| cast(array.expr()?, R::DTYPE))
}

#[derive(Debug)]
struct RootOp {
    p: i32,
}

impl BlockOp for RootOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let strides = expr.chunks.strides();
        vec![node_layer(expr, inputs, RootKernel { p: self.p }, |index, read| read.push((0, dot(index, &strides))))]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct RootKernel {
    p: i32,
}

impl Kernel for RootKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "root".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(value(block::<f64>(inputs, 0)?.map(|x| x.powf(1.0 / f64::from(self.p)))))
    }
}

/// How far apart two numbers may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Closeness {
    /// Relative to the second number; 1e-5 is NumPy's.
    pub rtol: f64,
    /// At least; 1e-8 is NumPy's.
    pub atol: f64,
    /// Whether NaN is close to NaN.
    pub equal_nan: bool,
}

impl Default for Closeness {
    fn default() -> Closeness {
        Closeness { rtol: 1e-5, atol: 1e-8, equal_nan: false }
    }
}

impl<T: Element> Array<T> {
    /// Whether all elements are close to those of another array, 0-d: `|x - y| <= atol + rtol |y|`, by NumPy's tolerances; equal infinities are close, NaN is not. Shapes broadcast. Lazy; one
    /// pass.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr1(&[1.0, 1e10]), 1)?;
    /// assert!(x.allclose(&(&x * 1.000001)).item().compute()?);
    /// assert!(!x.allclose(&(&x * 1.001)).item().compute()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn allclose(&self, other: &Array<T>) -> Array<bool> {
        self.allclose_with(other, Closeness::default())
    }

    /// As [`allclose`](Array::allclose), with other tolerances: whether [`isclose`](Array::isclose) holds everywhere.
    pub fn allclose_with(&self, other: &Array<T>, closeness: Closeness) -> Array<bool> {
        self.isclose(other, closeness.rtol, closeness.atol, closeness.equal_nan).all()
    }

    /// Whether two arrays have the same shape and the same elements, 0-d; NaN is the same as NaN if `equal_nan`. Lazy; one pass, or none if the shapes differ.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr1(&[1.0, f64::NAN]), 1)?;
    /// assert!(x.array_equal(&x, true).item().compute()? && !x.array_equal(&x, false).item().compute()?);
    /// assert!(!x.array_equal(&Array::zeros([3], 1)?, true).item().compute()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn array_equal(&self, other: &Array<T>, equal_nan: bool) -> Array<bool> {
        Array::of(|| if self.expr()?.shape() == other.expr()?.shape() { self.equal_everywhere(other, equal_nan).expr() } else { never() })
    }

    /// Whether two arrays broadcast to one shape, and have the same elements there, 0-d. Lazy; one pass, or none if they do not.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let (row, matrix) = (Array::<i64>::ones([3], 2)?, Array::<i64>::ones([2, 3], 2)?);
    /// assert!(row.array_equiv(&matrix).item().compute()? && !row.array_equal(&matrix, false).item().compute()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn array_equiv(&self, other: &Array<T>) -> Array<bool> {
        Array::of(|| {
            let both = [self.expr()?, other.expr()?];
            if crate::engine::expr::broadcast("array_equiv", &both).is_ok() { self.equal_everywhere(other, false).expr() } else { never() }
        })
    }

    fn equal_everywhere(&self, other: &Array<T>, equal_nan: bool) -> Array<bool> {
        let equal = self.eq(other);
        if equal_nan { equal.bitwise_or(self.isnan().bitwise_and(other.isnan())).all() } else { equal.all() }
    }
}

/// `false`, 0-d.
fn never() -> Result<Arc<Expr>> {
    Array::<bool>::full((), false, 1)?.expr()
}
