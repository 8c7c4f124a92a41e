//! Skewness, kurtosis and tests, after `scipy.stats`.
//!
//! ```text
//!     samples ──► moments along the axis, in one pass ──► statistic and p-value of each
//! ```
//! All are lazy. Where there is an axis, `(.., n, ..)` goes in and what is left without it comes out; a negative axis counts from the end. Results are in `f64`; NaN in a sample makes its
//! results NaN. They fail with an [`Error::Axis`] if there is no such axis, and with an [`Error::Argument`] for samples that do not go together.

use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Value};
use ndarray::{ArrayD, IxDyn, Zip};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF, FisherSnedecor, Normal, StudentsT};

use crate::array::Array;
use crate::engine::blockwise::{BlockOp, block, node, node_layer, value};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Real};
use crate::engine::expr::Expr;
use crate::engine::lower::{broadcast_strides, dot};
use crate::engine::moments::{Moments, Statistic, mean_of};
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::histogram::unified;
use crate::reductions::reduce::{Axes, ReduceOp, axis_of, cast, reduce};
use crate::shape::view::Item;

/// What a test finds, for each sample.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// The statistic.
    pub statistic: Array<f64>,
    /// How probable a statistic at least as extreme is if the hypothesis holds; of two sides, where the statistic has two.
    pub pvalue: Array<f64>,
}

/// The skewness over some axes: the third central moment divided by the cube of the standard deviation. NaN of samples that are all alike. Without `bias`, corrected for it, where
/// there are more than two elements.
///
/// ```
/// use arras_array::{Array, stats};
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::arr1(&[1.0, 1.0, 1.0, 5.0]), 2)?;
/// assert!(stats::skew(&x, 0, true).item().compute()? > 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn skew<T: Real>(x: &Array<T>, axes: impl Into<Axes>, bias: bool) -> Array<f64> {
    let axes = axes.into();
    Array::of(|| finished("skew", Finish::Skew { bias }, &[moments("skew", x, 3, &axes)?]))
}

/// The kurtosis over some axes: the fourth central moment divided by the square of the variance, less 3 with `fisher`, so that it is 0 of a normal distribution. NaN of samples that are
/// all alike. Without `bias`, corrected for it, where there are more than three elements.
pub fn kurtosis<T: Real>(x: &Array<T>, axes: impl Into<Axes>, fisher: bool, bias: bool) -> Array<f64> {
    let axes = axes.into();
    Array::of(|| finished("kurtosis", Finish::Kurtosis { fisher, bias }, &[moments("kurtosis", x, 4, &axes)?]))
}

/// Student's t of the mean of each sample against a number.
///
/// ```
/// use arras_array::{Array, stats};
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::arr1(&[4.9, 5.1, 5.3, 4.8]), 2)?;
/// let test = stats::ttest_1samp(&x, 5.0, 0);
/// let (statistic, pvalue) = (test.statistic.item(), test.pvalue.item()).compute()?;
/// assert!((statistic - 0.2256).abs() < 1e-3 && (pvalue - 0.836).abs() < 1e-3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn ttest_1samp<T: Real>(x: &Array<T>, mean: f64, axis: isize) -> TestResult {
    test("ttest_1samp", Test::TOne { mean }, axis, &[x], 2)
}

/// Student's t of the differences of two samples of the same things: of one shape.
pub fn ttest_rel<T: Real>(a: &Array<T>, b: &Array<T>, axis: isize) -> TestResult {
    let differences = Array::<f64>::of(|| {
        unified("ttest_rel", &[a.expr()?, b.expr()?])?;
        (a.cast::<f64>() - b.cast::<f64>()).expr()
    });
    test("ttest_rel", Test::TOne { mean: 0.0 }, axis, &[&differences], 2)
}

/// The t-test of the means of two independent samples: Student's if their variances may be taken to be equal, else Welch's. Their shapes agree but for the axis.
pub fn ttest_ind<T: Real>(a: &Array<T>, b: &Array<T>, axis: isize, equal_var: bool) -> TestResult {
    test("ttest_ind", Test::TTwo { equal_var }, axis, &[a, b], 2)
}

/// The analysis of variance of one way: whether samples, two at least, have one mean. Their shapes agree but for the axis.
pub fn f_oneway<T: Real>(samples: &[&Array<T>], axis: isize) -> TestResult {
    if samples.len() < 2 {
        let error = Error::argument("f_oneway", format!("{} samples: there must be two at least", samples.len()));
        return TestResult { statistic: Array::of(|| Err(error.clone())), pvalue: Array::of(|| Err(error.clone())) };
    }
    test("f_oneway", Test::F, axis, samples, 2)
}

/// Whether the skewness is that of a normal distribution, after D'Agostino. NaN of less than 8 elements.
pub fn skewtest<T: Real>(x: &Array<T>, axis: isize) -> TestResult {
    test("skewtest", Test::Skew, axis, &[x], 3)
}

/// Whether the kurtosis is that of a normal distribution, after Anscombe and Glynn. NaN of less than 5 elements.
pub fn kurtosistest<T: Real>(x: &Array<T>, axis: isize) -> TestResult {
    test("kurtosistest", Test::Kurtosis, axis, &[x], 4)
}

/// Whether skewness and kurtosis together are those of a normal distribution, after D'Agostino and Pearson.
pub fn normaltest<T: Real>(x: &Array<T>, axis: isize) -> TestResult {
    test("normaltest", Test::Normal, axis, &[x], 4)
}

/// Pearson's χ² of frequencies against others, which are their mean if none are given; `ddof` more degrees of freedom are lost than one.
pub fn chisquare<T: Real>(observed: &Array<T>, expected: Option<&Array<f64>>, ddof: usize, axis: isize) -> TestResult {
    power_divergence(observed, expected, ddof, axis, 1.0)
}

/// The power divergence of frequencies against others, after Cressie and Read: Pearson's χ² for a power of 1, the log-likelihood ratio (G) for 0, Freeman and Tukey's for -1/2, Neyman's
/// for -2, Cressie and Read's own for 2/3. Expected frequencies are of the same shape; their mean if none are given.
///
/// ```
/// use arras_array::{Array, stats};
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::arr1(&[16, 18, 16, 14, 12, 12]), 4)?;
/// let test = stats::power_divergence(&x, None, 0, 0, 1.0);
/// assert!((test.statistic.item().compute()? - 2.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn power_divergence<T: Real>(observed: &Array<T>, expected: Option<&Array<f64>>, ddof: usize, axis: isize, power: f64) -> TestResult {
    let operation = if power == 1.0 { "chisquare" } else { "power_divergence" };
    let observed: Array<f64> = observed.cast();
    let statistic = Array::of(|| {
        let observed = observed.expr()?;
        let place = axis_of(operation, axis, &observed.shape())?;
        let (observed, expected) = match expected {
            Some(expected) => {
                let (both, _) = unified(operation, &[observed, expected.expr()?])?;
                (Arc::clone(&both[0]), Arc::clone(&both[1]))
            }
            None => {
                let mean = Array::<f64>::of(|| Ok(Arc::clone(&observed))).mean_axis(Axes::from(place as isize).keepdims()).expr()?;
                (observed, mean)
            }
        };
        let chunks = observed.chunks.clone();
        let terms = node(operation, DType::F64, chunks, TermOp { power }, &[observed, expected]);
        reduce(ReduceOp::Sum, &terms, &Axes::from(place as isize))
    });
    let pvalue = Array::of(|| {
        let shape = observed.expr()?.shape();
        let freedom = shape[axis_of(operation, axis, &shape)?] as f64 - 1.0 - ddof as f64;
        let statistic = statistic.expr()?;
        let chunks = statistic.chunks.clone();
        Ok(node("chi2-pvalue", DType::F64, chunks, TailOp { freedom }, &[statistic]))
    });
    TestResult { statistic, pvalue }
}

/// The states of moments along axes: `(.., 2 + order)`.
fn moments<T: Real>(operation: &'static str, x: &Array<T>, order: u8, axes: &Axes) -> Result<Arc<Expr>> {
    let input = cast(x.expr()?, DType::F64)?;
    // The operation that the user asked for is that which an error names.
    axes.of_shape(operation, &input.shape())?;
    reduce(ReduceOp::Moments(Moments { order, skip_nan: false, statistic: Statistic::State, to: DType::F64 }), &input, axes)
}

fn test<T: Real>(operation: &'static str, test: Test, axis: isize, samples: &[&Array<T>], order: u8) -> TestResult {
    let both = || -> Result<Arc<Expr>> {
        let states = samples.iter().map(|x| moments(operation, x, order, &Axes::from(axis))).collect::<Result<Vec<_>>>()?;
        let (states, _) = unified(operation, &states)?;
        finished(operation, Finish::Test(test), &states)
    };
    let both = both();
    let part = |i: usize| {
        Array::of(|| {
            let both = both.clone()?;
            let shape = both.shape();
            simplify::slice(&both, [Item::Index(i)].into_iter().chain(shape[1..].iter().map(|&length| Item::whole(length))).collect())
        })
    };
    TestResult { statistic: part(0), pvalue: part(1) }
}

/// What is made of states: for a test, two results along a first axis.
fn finished(operation: &str, finish: Finish, states: &[Arc<Expr>]) -> Result<Arc<Expr>> {
    let mut chunks = states[0].chunks.axes().to_vec();
    chunks.pop();
    if let Finish::Test(_) = finish {
        chunks.insert(0, vec![2]);
    }
    Ok(node(operation, DType::F64, Chunking::new(chunks)?, FinishOp { finish }, states))
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Finish {
    Skew { bias: bool },
    Kurtosis { fisher: bool, bias: bool },
    Test(Test),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Test {
    TOne { mean: f64 },
    TTwo { equal_var: bool },
    F,
    Skew,
    Kurtosis,
    Normal,
}

#[derive(Debug)]
struct FinishOp {
    finish: Finish,
}

impl BlockOp for FinishOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        // The axes that the states add or the results add have one chunk, so blocks correspond in row-major order.
        let mut flats = 0..;
        vec![node_layer(expr, inputs, FinishKernel { finish: self.finish }, |_, read| {
            let flat = flats.next().unwrap_or_default();
            read.extend((0..inputs.len()).map(|i| (i, flat)));
        })]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct FinishKernel {
    finish: Finish,
}

impl Kernel for FinishKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        match self.finish {
            Finish::Skew { .. } => "skew",
            Finish::Kurtosis { .. } => "kurtosis",
            Finish::Test(Test::TOne { .. } | Test::TTwo { .. }) => "ttest",
            Finish::Test(Test::F) => "f_oneway",
            Finish::Test(Test::Skew) => "skewtest",
            Finish::Test(Test::Kurtosis) => "kurtosistest",
            Finish::Test(Test::Normal) => "normaltest",
        }
        .into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let blocks = (0..inputs.len()).map(|i| Ok(block::<f64>(inputs, i)?.as_standard_layout())).collect::<Result<Vec<_>, BoxError>>()?;
        let (width, shape) = (blocks[0].shape()[blocks[0].ndim() - 1], &blocks[0].shape()[..blocks[0].ndim() - 1]);
        let n: usize = shape.iter().product();
        let state = |i: usize, place: usize| Sample(&blocks[i].as_slice().expect("of standard layout")[place * width..(place + 1) * width]);
        Ok(value(match self.finish {
            Finish::Skew { bias } => ArrayD::from_shape_vec(IxDyn(shape), (0..n).map(|at| state(0, at).skew(bias)).collect())?,
            Finish::Kurtosis { fisher, bias } => {
                let less = if fisher { 3.0 } else { 0.0 };
                ArrayD::from_shape_vec(IxDyn(shape), (0..n).map(|at| state(0, at).kurtosis(bias) - less).collect())?
            }
            Finish::Test(test) => {
                let results = (0..n).map(|at| {
                    let samples: Vec<Sample<'_>> = (0..blocks.len()).map(|i| state(i, at)).collect();
                    test.of(&samples)
                });
                let (statistics, pvalues): (Vec<f64>, Vec<f64>) = results.unzip();
                let shape: Vec<usize> = [2].into_iter().chain(shape.iter().copied()).collect();
                ArrayD::from_shape_vec(IxDyn(&shape), [statistics, pvalues].concat())?
            }
        }))
    }
}

/// The state of one sample.
#[derive(Clone, Copy)]
struct Sample<'a>(&'a [f64]);

impl Sample<'_> {
    fn n(self) -> f64 {
        self.0[0]
    }
    fn mean(self) -> f64 {
        mean_of(self.0)
    }
    /// The sum of powers of distances to the mean.
    fn sum(self, order: usize) -> f64 {
        self.0[order + 1]
    }
    fn variance(self) -> f64 {
        self.sum(2) / (self.n() - 1.0)
    }
    /// The second moment; NaN where the elements are alike, as far as can be told.
    fn second(self) -> f64 {
        let second = self.sum(2) / self.n();
        if second <= (1e-15 * self.mean()).powi(2) { f64::NAN } else { second }
    }
    fn skew(self, bias: bool) -> f64 {
        let (n, second) = (self.n(), self.second());
        let skew = self.sum(3) / n / second.powf(1.5);
        if bias || n <= 2.0 { skew } else { ((n - 1.0) * n).sqrt() / (n - 2.0) * skew }
    }
    fn kurtosis(self, bias: bool) -> f64 {
        let (n, second) = (self.n(), self.second());
        let kurtosis = self.sum(4) / n / second.powi(2);
        if bias || n <= 3.0 { kurtosis } else { ((n * n - 1.0) * kurtosis - 3.0 * (n - 1.0).powi(2)) / (n - 2.0) / (n - 3.0) + 3.0 }
    }
    fn skew_z(self) -> f64 {
        let n = self.n();
        if n < 8.0 {
            return f64::NAN;
        }
        let y = self.skew(true) * ((n + 1.0) * (n + 3.0) / (6.0 * (n - 2.0))).sqrt();
        let beta = 3.0 * (n * n + 27.0 * n - 70.0) * (n + 1.0) * (n + 3.0) / ((n - 2.0) * (n + 5.0) * (n + 7.0) * (n + 9.0));
        let w = -1.0 + (2.0 * (beta - 1.0)).sqrt();
        let (delta, alpha) = (1.0 / (0.5 * w.ln()).sqrt(), (2.0 / (w - 1.0)).sqrt());
        let y = if y == 0.0 { 1.0 } else { y };
        delta * (y / alpha + ((y / alpha).powi(2) + 1.0).sqrt()).ln()
    }
    fn kurtosis_z(self) -> f64 {
        let n = self.n();
        if n < 5.0 {
            return f64::NAN;
        }
        let expected = 3.0 * (n - 1.0) / (n + 1.0);
        let variance = 24.0 * n * (n - 2.0) * (n - 3.0) / ((n + 1.0) * (n + 1.0) * (n + 3.0) * (n + 5.0));
        let x = (self.kurtosis(true) - expected) / variance.sqrt();
        let beta =
            6.0 * (n * n - 5.0 * n + 2.0) / ((n + 7.0) * (n + 9.0)) * (6.0 * (n + 3.0) * (n + 5.0) / (n * (n - 2.0) * (n - 3.0))).sqrt();
        let a = 6.0 + 8.0 / beta * (2.0 / beta + (1.0 + 4.0 / (beta * beta)).sqrt());
        let denominator = 1.0 + x * (2.0 / (a - 4.0)).sqrt();
        let second = if denominator == 0.0 { f64::NAN } else { denominator.signum() * ((1.0 - 2.0 / a) / denominator.abs()).cbrt() };
        (1.0 - 2.0 / (9.0 * a) - second) / (2.0 / (9.0 * a)).sqrt()
    }
}

impl Test {
    /// The statistic and its p-value.
    fn of(self, samples: &[Sample<'_>]) -> (f64, f64) {
        let a = samples[0];
        match self {
            Test::TOne { mean } => {
                let t = (a.mean() - mean) / (a.variance() / a.n()).sqrt();
                (t, both_tails(StudentsT::new(0.0, 1.0, a.n() - 1.0), t))
            }
            Test::TTwo { equal_var } => {
                let b = samples[1];
                let (u, v) = (a.variance() / a.n(), b.variance() / b.n());
                let (freedom, variance) = if equal_var {
                    let freedom = a.n() + b.n() - 2.0;
                    (freedom, (a.sum(2) + b.sum(2)) / freedom * (1.0 / a.n() + 1.0 / b.n()))
                } else {
                    ((u + v).powi(2) / (u * u / (a.n() - 1.0) + v * v / (b.n() - 1.0)), u + v)
                };
                let t = (a.mean() - b.mean()) / variance.sqrt();
                (t, both_tails(StudentsT::new(0.0, 1.0, freedom), t))
            }
            Test::F => {
                let (k, n) = (samples.len() as f64, samples.iter().map(|x| x.n()).sum::<f64>());
                // Means are taken from the first one's, so that large ones do no harm.
                let distance = |x: &Sample<'_>| x.mean() - a.mean();
                let mean = samples.iter().map(|x| x.n() * distance(x)).sum::<f64>() / n;
                let between: f64 = samples.iter().map(|x| x.n() * (distance(x) - mean).powi(2)).sum();
                let within: f64 = samples.iter().map(|x| x.sum(2)).sum();
                let f = (between / (k - 1.0)) / (within / (n - k));
                (f, upper_tail(FisherSnedecor::new(k - 1.0, n - k), f))
            }
            Test::Skew => (a.skew_z(), both_tails(Normal::new(0.0, 1.0), a.skew_z())),
            Test::Kurtosis => (a.kurtosis_z(), both_tails(Normal::new(0.0, 1.0), a.kurtosis_z())),
            Test::Normal => {
                let sum = a.skew_z().powi(2) + a.kurtosis_z().powi(2);
                (sum, upper_tail(ChiSquared::new(2.0), sum))
            }
        }
    }
}

/// The probability of more; NaN where there is no such distribution.
fn upper_tail<D: ContinuousCDF<f64, f64>, E>(distribution: Result<D, E>, x: f64) -> f64 {
    match distribution {
        Ok(distribution) if !x.is_nan() => distribution.sf(x),
        _ => f64::NAN,
    }
}

/// The probability of more on both sides of a distribution about 0.
fn both_tails<D: ContinuousCDF<f64, f64>, E>(distribution: Result<D, E>, x: f64) -> f64 {
    2.0 * upper_tail(distribution, x.abs())
}

/// What each frequency adds to a power divergence.
#[derive(Debug)]
struct TermOp {
    power: f64,
}

impl BlockOp for TermOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let strides: Vec<_> = inputs.iter().map(|input| broadcast_strides(&input.chunks, &expr.chunks)).collect();
        vec![node_layer(expr, inputs, TermKernel { power: self.power }, |index, read| {
            read.extend(strides.iter().enumerate().map(|(i, strides)| (i, dot(index, strides))));
        })]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct TermKernel {
    power: f64,
}

impl Kernel for TermKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "power_divergence".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let (observed, expected, power) = (block::<f64>(inputs, 0)?, block::<f64>(inputs, 1)?, self.power);
        let expected = expected.broadcast(observed.raw_dim()).ok_or("expected frequencies of another shape")?;
        // x log y, which is 0 where x is.
        let xlogy = |x: f64, y: f64| if x == 0.0 && !y.is_nan() { 0.0 } else { x * y.ln() };
        let term = |&o: &f64, &e: &f64| {
            if power == 1.0 {
                (o - e).powi(2) / e
            } else if power == 0.0 {
                2.0 * xlogy(o, o / e)
            } else if power == -1.0 {
                2.0 * xlogy(e, e / o)
            } else {
                o * ((o / e).powf(power) - 1.0) / (0.5 * power * (power + 1.0))
            }
        };
        Ok(value(Zip::from(observed).and(expected).map_collect(term)))
    }
}

/// The upper tail of χ².
#[derive(Debug)]
struct TailOp {
    freedom: f64,
}

impl BlockOp for TailOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let strides = expr.chunks.strides();
        vec![node_layer(expr, inputs, TailKernel { freedom: self.freedom }, |index, read| read.push((0, dot(index, &strides))))]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct TailKernel {
    freedom: f64,
}

impl Kernel for TailKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "chi2-pvalue".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(value(block::<f64>(inputs, 0)?.map(|&x| upper_tail(ChiSquared::new(self.freedom), x))))
    }
}
