//! Random choices, permutations and distributions of many into kinds.
//!
//! ```text
//!     choice, replace         one draw an element: a step of the kernel that uses it
//!     choice, no replacement  ┐ one task draws all, as each depends on the others; then it is cut into chunks
//!     permutation             ┘
//!     multinomial             a row of counts from a generator of its own, wherever the row lies
//! ```

use std::borrow::Cow;
use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Value};
use ndarray::{ArrayD, Dimension, IntoDimension, IxDyn};
use rand_chacha::rand_core::Rng as _;
use rand_distr::Distribution;
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::creation::law::{Law, Weights, unit};
use crate::creation::random::{Rng, generator, seek_element};
use crate::engine::blockwise::{BlockOp, node, node_layer, value};
use crate::engine::chunks::{Chunking, Chunks};
use crate::engine::dtype::{DType, Element};
use crate::engine::expr::Expr;
use crate::engine::simplify;
use crate::error::{Error, Result};

impl Rng {
    /// Chooses among the positions `0..n`, in proportion to weights if there are any, `n` of them: NumPy's `choice` of a number. Lazy. [`Array::take`] or indexing turns
    /// positions into what is chosen.
    ///
    /// With `replace` a position can be chosen again: one draw an element, whichever blocks are asked for. Without, the choices are in random order, and each is as likely,
    /// among those that are left, as its weight is: one task makes all of them, `O(n)` work and memory, `O(n log n)` with weights, as the first can depend on none but the last
    /// does on all.
    ///
    /// ```
    /// use arras_array::Rng;
    /// use arras_scheduler::Compute;
    /// let rng = Rng::seed(3);
    /// let winners = rng.choice(100, false, None, 5, 2)?;
    /// assert_eq!(winners.unique().compute()?.len(), 5);
    /// let coin = rng.choice(2, true, Some(&[0.0, 1.0]), [4, 4], 2)?;
    /// assert_eq!(coin.min().item().compute()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] if nothing is there to choose from, if more is to be chosen than there is (of positive weight) without replacement, if there are not `n` weights, or
    /// if they are negative, not finite, or all 0; what is wrong with the chunks.
    pub fn choice(
        &self,
        n: usize,
        replace: bool,
        weights: Option<&[f64]>,
        shape: impl IntoDimension,
        chunks: impl Into<Chunks>,
    ) -> Result<Array<i64>> {
        let (shape, chunks) = (shape.into_dimension(), chunks.into());
        let wanted: usize = shape.slice().iter().product();
        let wrong = |why: String| Err(Error::argument("choice", why));
        if i64::try_from(n).is_err() || (n == 0 && wanted > 0) {
            return wrong(format!("n is {n}, but must be from 1 to 2⁶³ - 1"));
        }
        if let Some(weights) = weights {
            shares("choice", "weights", weights, n)?;
        }
        if replace {
            let law = match weights {
                None => Law::Integers { low: 0, span: n.max(1) as u64 - 1 },
                Some(weights) => {
                    let mut below = 0.0;
                    let mut cumulative: Vec<f64> = weights
                        .iter()
                        .map(|weight| {
                            below += weight;
                            below
                        })
                        .collect();
                    cumulative.iter_mut().for_each(|share| *share /= below);
                    Law::Weighted(Weights(cumulative.into()))
                }
            };
            return self.draws(law, shape.slice(), chunks);
        }
        let there = weights.map_or(n, |weights| weights.iter().filter(|&&weight| weight > 0.0).count());
        if wanted > there {
            return wrong(format!("{wanted} choices without replacement from {there}"));
        }
        self.sample(n, weights, shape.slice(), chunks)
    }

    /// The positions `0..n` in random order, each order as likely: `(n)`. Lazy; one task makes all of them, `O(n)` work and memory.
    ///
    /// ```
    /// use arras_array::Rng;
    /// use arras_scheduler::Compute;
    /// let x = Rng::seed(3).permutation(1_000, 100)?;
    /// assert_eq!(x.sum().item().compute()?, 499_500);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn permutation(&self, n: usize, chunks: impl Into<Chunks>) -> Result<Array<i64>> {
        self.sample(n, None, &[n], chunks.into())
    }

    /// An array with what lies along its first axis in random order, under the same order for all of it: NumPy's `permutation` of an array. The order is drawn now, `O(n)` for an
    /// axis of `n`, so that the tasks can be laid out by it; the elements move when they are computed, as for [`Array::take`].
    ///
    /// ```
    /// use arras_array::{Array, Rng};
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(0i64, 10, 1, 3)?;
    /// let y = Rng::seed(5).permuted_rows(&x);
    /// assert_ne!(y.compute()?, x.compute()?);
    /// assert_eq!(y.sum().item().compute()?, 45);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result carries [`Error::Axis`] for an array of no axes.
    pub fn permuted_rows<T: Element>(&self, array: &Array<T>) -> Array<T> {
        let n = array.shape().first().copied().unwrap_or(0);
        let (seed, stream) = self.stream();
        let order: Vec<isize> = Sample { seed, stream, n, wanted: n, weights: None }.draw().into_iter().map(|i| i as isize).collect();
        array.take(order, 0)
    }

    /// How many of `n` draws fall to each of some kinds, in proportion to `pvals`: `(.., k)` for a shape `(..)` and `k` kinds, each row of counts adding up to `n`. Lazy; the new
    /// axis is one chunk; work: `k` binomial draws a row.
    ///
    /// ```
    /// use arras_array::Rng;
    /// use arras_scheduler::Compute;
    /// let dice = Rng::seed(3).multinomial(60, &[1.0 / 6.0; 6], 100, 10)?;
    /// assert_eq!(dice.shape(), [100, 6]);
    /// assert_eq!(dice.sum().item().compute()?, 6_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] if `n` is beyond `i64`, or unless the `pvals` are finite, not negative, and not all 0: they are divided by their sum; what is wrong with the chunks.
    pub fn multinomial(&self, n: u64, pvals: &[f64], shape: impl IntoDimension, chunks: impl Into<Chunks>) -> Result<Array<i64>> {
        shares("multinomial", "pvals", pvals, pvals.len())?;
        if i64::try_from(n).is_err() {
            return Err(Error::argument("multinomial", format!("n is {n}, but must be at most 2⁶³ - 1")));
        }
        let shape = shape.into_dimension();
        let mut axes = chunks.into().of_dtype(shape.slice(), DType::I64, None)?.axes().to_vec();
        let rows = shape.slice().iter().product::<usize>();
        if rows.checked_mul(8 * pvals.len()).is_none_or(|nbytes| nbytes > isize::MAX as usize) || rows > 1 << 48 {
            return Err(Error::TooLarge { shape: shape.slice().iter().copied().chain([pvals.len()]).collect() });
        }
        axes.push(vec![pvals.len()]);
        // What is left for a kind and all behind it, and thus its share of the draws that are left.
        let mut left = 0.0;
        let mut shares: Vec<f64> = pvals
            .iter()
            .rev()
            .map(|&p| {
                left += p;
                if p > 0.0 { (p / left).min(1.0) } else { 0.0 }
            })
            .collect();
        shares.reverse();
        let (seed, stream) = self.stream();
        let op = Multinomial { seed, stream, n, shares: Weights(shares.into()) };
        Ok(Array::of(|| Ok(node("multinomial", DType::I64, Chunking::new(axes)?, op, &[]))))
    }

    fn sample(&self, n: usize, weights: Option<&[f64]>, shape: &[usize], chunks: Chunks) -> Result<Array<i64>> {
        let chunks = chunks.of_dtype(shape, DType::I64, None)?;
        let whole = Chunks::one().of_dtype(shape, DType::I64, None)?;
        let (seed, stream) = self.stream();
        let op = Sample { seed, stream, n, wanted: shape.iter().product(), weights: weights.map(|weights| Weights(weights.into())) };
        Ok(Array::of(|| simplify::rechunk(&node("choice", DType::I64, whole, op, &[]), chunks)))
    }
}

/// Checks that these are `n` numbers to draw in proportion to.
fn shares(operation: &'static str, parameter: &str, weights: &[f64], n: usize) -> Result<()> {
    let wrong = |why: String| Err(Error::argument(operation, why));
    if weights.len() != n {
        return wrong(format!("{} {parameter} for {n} positions", weights.len()));
    }
    if let Some((i, weight)) = weights.iter().enumerate().find(|(_, weight)| !weight.is_finite() || **weight < 0.0) {
        return wrong(format!("{parameter}[{i}] is {weight}, but must be finite and not negative"));
    }
    let total = weights.iter().fold(0.0, |total, weight| total + weight);
    if total <= 0.0 || !total.is_finite() {
        return wrong(format!("{parameter} add up to {total}, but must to a finite number above 0"));
    }
    Ok(())
}

/// Some of `0..n` in random order, none twice.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sample {
    seed: u64,
    stream: u64,
    n: usize,
    wanted: usize,
    weights: Option<Weights>,
}

impl Sample {
    fn draw(&self) -> Vec<i64> {
        let mut generator = generator(self.seed, self.stream);
        if let Some(Weights(weights)) = &self.weights {
            // Whoever waits for exponential times of these rates sees the first come in this order: P. S. Efraimidis, P. G. Spirakis, Weighted random sampling with a reservoir, 2006.
            let mut times: Vec<(f64, i64)> = weights
                .iter()
                .enumerate()
                .map(|(i, &weight)| (-(-unit(generator.next_u64())).ln_1p() / weight, i as i64))
                .filter(|&(_, i)| weights[i as usize] > 0.0)
                .collect();
            times.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            return times.into_iter().take(self.wanted).map(|(_, i)| i).collect();
        }
        // Fisher and Yates's shuffle, as far as it is needed.
        let mut positions: Vec<i64> = (0..self.n as i64).collect();
        for i in 0..self.wanted {
            let other = rand_distr::Uniform::new(i, self.n).expect("no more is wanted than there is").sample(&mut generator);
            positions.swap(i, other);
        }
        positions.truncate(self.wanted);
        positions
    }
}

impl BlockOp for Sample {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let kernel = SampleKernel { sample: self.clone(), shape: expr.shape().to_vec() };
        vec![node_layer(expr, inputs, kernel, |_, _| {})]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct SampleKernel {
    sample: Sample,
    shape: Vec<usize>,
}

impl Kernel for SampleKernel {
    fn name(&self) -> Cow<'static, str> {
        "choice".into()
    }
    fn run(&self, _: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(value(ArrayD::from_shape_vec(IxDyn(&self.shape), self.sample.draw())?))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Multinomial {
    seed: u64,
    stream: u64,
    n: u64,
    shares: Weights,
}

impl BlockOp for Multinomial {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        vec![node_layer(expr, inputs, MultinomialKernel { draws: self.clone(), chunks: expr.chunks.clone() }, |_, _| {})]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct MultinomialKernel {
    draws: Multinomial,
    chunks: Chunking,
}

impl Kernel for MultinomialKernel {
    fn name(&self) -> Cow<'static, str> {
        "multinomial".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let Multinomial { seed, stream, n, shares } = &self.draws;
        let index = self.chunks.index_of(inputs.block());
        let (block_shape, shape) = (self.chunks.block_shape(&index), self.chunks.shape());
        let start = self.chunks.block_start(&index);
        let mut generator = generator(*seed, *stream);
        let axes = block_shape.len() - 1;
        let mut counts = Vec::with_capacity(block_shape.iter().product());
        for row in ndarray::indices(&block_shape[..axes]) {
            let element = (0..axes).fold(0, |element, axis| element * shape[axis] + start[axis] + row[axis]);
            seek_element(&mut generator, element as u64);
            let mut left = *n;
            for &share in shares.0.iter() {
                let count = rand_distr::Binomial::new(left, share)?.sample(&mut generator);
                counts.push(count as i64);
                left -= count;
            }
        }
        Ok(value(ArrayD::from_shape_vec(IxDyn(&block_shape), counts)?))
    }
}
