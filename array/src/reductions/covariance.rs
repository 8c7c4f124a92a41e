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
use crate::reductions::reduce::cast;
use crate::shape::view::Item;

impl<T: Real> Array<T> {
    /// The covariances of variables, the rows, over observations, the columns: `(p, n)` in, `(p, p)` in `f64` out; 0-d of 1-d. Divided by `n - ddof`, where NumPy's own choice is a
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

fn covariance(operation: &'static str, input: &Arc<Expr>, finish: Finish) -> Result<Arc<Expr>> {
    let mut input = cast(Arc::clone(input), DType::F64)?;
    let shape = input.shape();
    let one = match shape.as_slice() {
        &[n] => {
            input = simplify::slice(&input, vec![Item::NewAxis, Item::whole(n)])?;
            true
        }
        [_, _] => false,
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
