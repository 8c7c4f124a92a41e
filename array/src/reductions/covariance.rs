//! Covariances and correlations of variables, in one pass over their observations.
//!
//! ```text
//!     block of observations ──► (n, means, sums of products of distances to the means) ──► merged in a tree ──► divided
//! ```

use std::sync::Arc;

use arras_core::{BoxError, Func, Inputs, Kernel, Layer, Sizes, Value};
use ndarray::{Array2, ArrayD, Axis, IxDyn};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::engine::blockwise::{BlockOp, block, layer, node, stage, value};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Real};
use crate::engine::expr::Expr;
use crate::engine::lower::{SPLIT_EVERY, dot, rounds};
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::{Axes, cast};
use crate::shape::concatenate::concatenate;
use crate::shape::view::Item;

impl<T: Real> Array<T> {
    /// The covariances of variables, the rows, over observations, the columns: `(p, n)` in, `(p, p)` in `f64` out; 0-d of one variable. Divided by `n - ddof`, where NumPy's own choice is a
    /// `ddof` of 1. Transpose an array whose variables are columns. Lazy; one pass over the observations, work `p² n`; the variables are put into one chunk.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]), 2)?;
    /// assert_eq!(x.cov(1).compute()?, ndarray::arr2(&[[1.0, -1.0], [-1.0, 1.0]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for an array of no axes or more than two.
    pub fn cov(&self, ddof: usize) -> Array<f64> {
        Array::of(|| covariance("cov", &self.expr()?, Finish::Covariance { ddof }))
    }

    /// The correlation coefficients of variables, the rows, over observations, the columns: the covariances divided by the standard deviations of both, from -1 to 1. As
    /// [`cov`](Array::cov).
    pub fn corrcoef(&self) -> Array<f64> {
        Array::of(|| covariance("corrcoef", &self.expr()?, Finish::Correlation))
    }
}

/// What [`Array::cov_with`] and [`Array::corrcoef_with`] take into account besides the array: NumPy's options.
///
/// ```
/// use arras_array::{Array, Covariance};
/// let weights = Array::<f64>::ones([10], 5)?;
/// let options = Covariance::default().columns().ddof(0).aweights(&weights);
/// # Ok::<(), arras_array::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Covariance {
    columns: bool,
    other: Option<Array<f64>>,
    ddof: Option<usize>,
    fweights: Option<Array<i64>>,
    aweights: Option<Array<f64>>,
}

impl Covariance {
    /// Variables are columns, observations rows: NumPy's `rowvar=False`.
    #[must_use]
    pub fn columns(mut self) -> Covariance {
        self.columns = true;
        self
    }

    /// More variables, of as many observations: NumPy's `y`.
    #[must_use]
    pub fn with<T: Real>(mut self, other: &Array<T>) -> Covariance {
        self.other = Some(other.cast());
        self
    }

    /// What is taken off the number of observations: 1 unless it is said.
    #[must_use]
    pub fn ddof(mut self, ddof: usize) -> Covariance {
        self.ddof = Some(ddof);
        self
    }

    /// How often each observation counts, `(n)`.
    #[must_use]
    pub fn fweights(mut self, weights: &Array<i64>) -> Covariance {
        self.fweights = Some(weights.clone());
        self
    }

    /// How much each observation counts, relative to others, `(n)`.
    #[must_use]
    pub fn aweights(mut self, weights: &Array<f64>) -> Covariance {
        self.aweights = Some(weights.clone());
        self
    }

    /// The variables as rows.
    fn variables(&self, operation: &'static str, array: &Array<f64>) -> Result<Array<f64>> {
        let rows = |array: &Array<f64>| -> Result<Array<f64>> {
            match array.expr()?.shape().len() {
                1 => Ok(array.expand_dims([0])),
                2 if self.columns => Ok(array.t()),
                2 => Ok(array.clone()),
                _ => Err(Error::argument(operation, format!("shape {:?}: variables and observations are two axes at most", array.shape()))),
            }
        };
        let own = rows(array)?;
        let Some(other) = &self.other else { return Ok(own) };
        let other = rows(other)?;
        if own.shape()[1] != other.shape()[1] {
            let why = format!("{} observations of some variables, {} of others", own.shape()[1], other.shape()[1]);
            return Err(Error::argument(operation, why));
        }
        Ok(concatenate(&[&own, &other], 0))
    }

    /// The weights of observations, if there are any.
    fn weights(&self, operation: &'static str, n: usize) -> Result<Option<Array<f64>>> {
        let fits = |shape: Vec<usize>, name: &str| match shape.as_slice() {
            [own] if *own == n => Ok(()),
            shape => Err(Error::argument(operation, format!("{name} of shape {shape:?} for {n} observations"))),
        };
        let often =
            self.fweights.as_ref().map(|weights| fits(weights.expr()?.shape().to_vec(), "fweights").map(|()| weights.cast::<f64>()));
        let much = self.aweights.as_ref().map(|weights| fits(weights.expr()?.shape().to_vec(), "aweights").map(|()| weights.clone()));
        Ok(match (often.transpose()?, much.transpose()?) {
            (Some(often), Some(much)) => Some(often * much),
            (often, much) => often.or(much),
        })
    }
}

impl<T: Real> Array<T> {
    /// The covariances of variables as [`cov`](Array::cov), with NumPy's options: variables in columns, more variables, weights of observations. Lazy; two passes over the observations if
    /// they have weights.
    ///
    /// ```
    /// use arras_array::{Array, Covariance};
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]]), 2)?;
    /// let twice = Array::from_ndarray(ndarray::arr1(&[1, 2, 1]), 2)?;
    /// let found = x.cov_with(&Covariance::default().columns().fweights(&twice).ddof(0));
    /// assert_eq!(found.compute()?, ndarray::arr2(&[[0.5, -0.5], [-0.5, 0.5]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for more than two axes, another number of observations, and weights of another length.
    pub fn cov_with(&self, options: &Covariance) -> Array<f64> {
        Array::of(|| {
            let (x, ddof) = (options.variables("cov", &self.cast())?, options.ddof.unwrap_or(1));
            let (p, n) = (x.shape()[0], x.shape()[1]);
            let found = match options.weights("cov", n)? {
                None => x.cov(ddof),
                Some(weights) => {
                    let sum = weights.sum();
                    let along = || Axes::from(1).keepdims();
                    let mean = (&x * &weights).sum_axis(along()) / &sum;
                    let distances = &x - &mean;
                    let freedom = match &options.aweights {
                        None => &sum - ddof as f64,
                        Some(much) => &sum - (&weights * much).sum() * ddof as f64 / &sum,
                    };
                    (&distances * &weights).matmul(&distances.t()) / freedom.maximum(0.0)
                }
            };
            if p == 1 { found.squeeze().expr() } else { found.expr() }
        })
    }

    /// The correlation coefficients of variables as [`corrcoef`](Array::corrcoef), with options as [`cov_with`](Array::cov_with).
    pub fn corrcoef_with(&self, options: &Covariance) -> Array<f64> {
        let covariances = self.cov_with(options);
        Array::of(|| {
            if covariances.expr()?.chunks.ndim() == 0 {
                return covariances.divide(&covariances).expr();
            }
            let spread = covariances.diagonal(0, 0, 1).sqrt();
            (covariances / spread.expand_dims([1]) / spread.expand_dims([0])).clip(-1.0, 1.0).expr()
        })
    }
}

fn covariance(operation: &'static str, input: &Arc<Expr>, finish: Finish) -> Result<Arc<Expr>> {
    let mut input = cast(Arc::clone(input), DType::F64)?;
    let shape = input.shape();
    let one = match shape.as_slice() {
        &[n] => {
            input = simplify::slice(&input, vec![Item::NewAxis, Item::whole(n)])?;
            true
        }
        &[rows, _] => rows == 1,
        shape => return Err(Error::argument(operation, format!("shape {shape:?}: variables are rows, observations columns"))),
    };
    let p = input.shape()[0];
    let input = simplify::rechunk(&input, Chunking::new(vec![vec![p], input.chunks.axes()[1].clone()])?)?;
    let chunks = Chunking::new(if one { Vec::new() } else { vec![vec![p], vec![p]] })?;
    Ok(node(operation, DType::F64, chunks, CovarianceOp { finish }, &[input]))
}

/// What is made of the sums of products.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Finish {
    Covariance { ddof: usize },
    Correlation,
}

#[derive(Debug)]
struct CovarianceOp {
    finish: Finish,
}

impl BlockOp for CovarianceOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let chunks = &inputs[0].chunks;
        let (strides, p) = (chunks.strides(), chunks.axes()[0][0]);
        let kernel = |step| CovarianceKernel { step, scalar: expr.chunks.ndim() == 0 };
        let (name, size) = (stage(expr, "block"), 8 * (p * p + p + 1));
        let first =
            layer(name.clone(), chunks, &[inputs[0].name.clone()], kernel(Step::Block), Sizes::Uniform(size as u64), |index, read| {
                read.push((0, dot(index, &strides)));
            });
        let func = |is_last: bool| Func::kernel(kernel(if is_last { Step::Finish(self.finish) } else { Step::Merge }));
        let mut layers = vec![first];
        layers.extend(rounds(expr, name, chunks, &[true, true], SPLIT_EVERY, None, func));
        layers
    }
}

/// How many observations, an observation, the means of the distances to it, and the sums of the products of distances to the means, `(p, p)`. Means are told apart by what they are from
/// observations, so large ones do no harm.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    n: f64,
    shifts: Vec<f64>,
    means: Vec<f64>,
    products: Vec<f64>,
}

impl State {
    fn of(block: &ndarray::ArrayViewD<'_, f64>) -> Result<State, BoxError> {
        let block: ndarray::ArrayView2<'_, f64> = block.view().into_dimensionality()?;
        let (p, n) = block.dim();
        if n == 0 {
            return Ok(State { n: 0.0, shifts: vec![0.0; p], means: vec![0.0; p], products: vec![0.0; p * p] });
        }
        let shifts = block.index_axis(Axis(1), 0).to_vec();
        let distances = &block - &Array2::from_shape_vec((p, 1), shifts.clone())?;
        let means: Vec<f64> = distances.rows().into_iter().map(|row| row.sum() / n as f64).collect();
        let distances = distances - &Array2::from_shape_vec((p, 1), means.clone())?;
        let products = distances.dot(&distances.t());
        Ok(State { n: n as f64, shifts, means, products: products.iter().copied().collect() })
    }

    fn merge(&mut self, other: &State) {
        if other.n == 0.0 {
            return;
        }
        if self.n == 0.0 {
            self.clone_from(other);
            return;
        }
        let n = self.n + other.n;
        let shifts = self.shifts.iter().zip(&other.shifts).map(|(a, b)| b - a);
        let delta: Vec<f64> = shifts.zip(self.means.iter().zip(&other.means)).map(|(shift, (a, b))| shift + (b - a)).collect();
        let (weight, p) = (self.n * other.n / n, delta.len());
        for (place, (product, theirs)) in self.products.iter_mut().zip(&other.products).enumerate() {
            *product += theirs + delta[place / p] * delta[place % p] * weight;
        }
        self.means.iter_mut().zip(&delta).for_each(|(mean, delta)| *mean += delta * (other.n / n));
        self.n = n;
    }

    fn finish(&self, finish: Finish) -> Vec<f64> {
        let p = self.means.len();
        match finish {
            Finish::Covariance { ddof } => {
                let freedom = (self.n - ddof as f64).max(0.0);
                self.products.iter().map(|product| product / freedom).collect()
            }
            Finish::Correlation => {
                let spread = |i: usize| self.products[i * p + i].sqrt();
                let one = |place: usize| (self.products[place] / spread(place / p) / spread(place % p)).clamp(-1.0, 1.0);
                (0..p * p).map(one).collect()
            }
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
enum Step {
    Block,
    Merge,
    Finish(Finish),
}

#[derive(Debug, Serialize, Deserialize)]
struct CovarianceKernel {
    step: Step,
    scalar: bool,
}

impl Kernel for CovarianceKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "cov".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        if let Step::Block = self.step {
            return Ok(Value::new(State::of(&block::<f64>(inputs, 0)?.view())?));
        }
        let mut state = inputs.get::<State>(0)?.clone();
        for i in 1..inputs.len() {
            state.merge(inputs.get::<State>(i)?);
        }
        let Step::Finish(finish) = self.step else { return Ok(Value::new(state)) };
        let p = state.means.len();
        let result = ArrayD::from_shape_vec(IxDyn(&[p, p]), state.finish(finish))?;
        Ok(value(if self.scalar { result.index_axis_move(Axis(0), 0).index_axis_move(Axis(0), 0) } else { result }))
    }
}
