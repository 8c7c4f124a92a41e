//! The distributions of NumPy's `Generator`, one row each.
//!
//! ```text
//!     rng.normal(0.0, 2.0, [1000, 1000], 100)  ──►  Draws { law: Normal, stream, start, strides }
//! ```
//! A row says what is drawn and by which [law](crate::law). An array of draws is a step of the kernel that uses it and takes no block of its own; a slice or a transpose of one
//! draws what it shows and nothing else. Parameters are numbers; where NumPy takes arrays of them, arithmetic does: `&loc + rng.standard_normal(shape, chunks)? * &scale`.

use ndarray::{Dimension, IntoDimension};

use crate::array::Array;
use crate::creation::law::Law;
use crate::creation::random::Rng;
use crate::engine::chunks::Chunks;
use crate::error::{Error, Result};

macro_rules! distributions {
    ($($(#[doc = $doc:literal])* $name:ident($($parameter:ident: $type:ty = $example:literal),*) -> $t:ident, $law:expr;)*) => {
        impl Rng {
            $(
                $(#[doc = $doc])*
                ///
                /// Lazy; the array has the shape that is given.
                ///
                /// ```
                /// use arras_array::Rng;
                /// use arras_scheduler::Compute;
                #[doc = concat!("let draw = |chunks: usize| Rng::seed(7).", stringify!($name), "(", $(stringify!($example), ", ",)* "[20, 3], chunks);")]
                /// assert_eq!(draw(3)?.compute()?, draw(7)?.compute()?);
                /// # Ok::<(), Box<dyn std::error::Error>>(())
                /// ```
                ///
                /// # Errors
                /// [`Error::Argument`], which names the parameter that is out of its range; what is wrong with the chunks.
                #[allow(clippy::redundant_field_names)]
                pub fn $name(&self, $($parameter: $type,)* shape: impl IntoDimension, chunks: impl Into<Chunks>) -> Result<Array<$t>> {
                    self.draws($law, shape.into_dimension().slice(), chunks.into())
                }
            )*
        }
    };
}

distributions! {
    /// Draws from the uniform distribution over `0..1`, in steps of 2⁻⁵³.
    random() -> f64, Law::Uniform { low: 0.0, high: 1.0 };
    /// Draws from the exponential distribution of mean `scale`, not negative.
    exponential(scale: f64 = 2.0) -> f64, Law::Exponential { scale };
    /// Draws from the exponential distribution of mean 1.
    standard_exponential() -> f64, Law::Exponential { scale: 1.0 };
    /// Draws from the Laplace distribution about `loc`, of variance `2 scale²`; `scale` is not negative.
    laplace(loc: f64 = 1.0, scale: f64 = 2.0) -> f64, Law::Laplace { loc, scale };
    /// Draws from the logistic distribution about `loc`, of variance `scale² π² / 3`; `scale` is not negative.
    logistic(loc: f64 = 1.0, scale: f64 = 2.0) -> f64, Law::Logistic { loc, scale };
    /// Draws from the Gumbel distribution of mode `loc`, of variance `scale² π² / 6`; `scale` is not negative.
    gumbel(loc: f64 = 1.0, scale: f64 = 2.0) -> f64, Law::Gumbel { loc, scale };
    /// Draws from the Cauchy distribution about 0, which has no mean.
    standard_cauchy() -> f64, Law::Cauchy { loc: 0.0, scale: 1.0 };
    /// Draws from the normal distribution of mean 0 and variance 1: one inverse of the distribution function each, so that none is beyond 8.21.
    standard_normal() -> f64, Law::Normal { loc: 0.0, scale: 1.0 };
    /// Draws from the normal distribution of mean `loc` and standard deviation `scale`, not negative.
    normal(loc: f64 = 1.0, scale: f64 = 2.0) -> f64, Law::Normal { loc, scale };
    /// Draws whose logarithms are normal, of mean `mean` and standard deviation `sigma`, not negative.
    lognormal(mean: f64 = 0.5, sigma: f64 = 0.5) -> f64, Law::LogNormal { mean, sigma };
    /// Draws from the Pareto distribution of shape `a` above 0 that starts at 0 (Lomax), as NumPy's: add 1 for the classical one.
    pareto(a: f64 = 5.0) -> f64, Law::Pareto { a };
    /// Draws from `0..1` with density `a x^(a - 1)`, for `a` above 0.
    power(a: f64 = 3.0) -> f64, Law::Power { a };
    /// Draws from the Rayleigh distribution of mode `scale`, not negative.
    rayleigh(scale: f64 = 2.0) -> f64, Law::Rayleigh { scale };
    /// Draws between `left` and `right` with a density that rises up to `mode` and falls from there.
    triangular(left: f64 = -1.0, mode: f64 = 0.0, right: f64 = 3.0) -> f64, Law::Triangular { left, mode, right };
    /// Draws from the Weibull distribution of shape `a` above 0 and scale 1.
    weibull(a: f64 = 2.0) -> f64, Law::Weibull { a };
    /// How many trials of success `p`, above 0 and at most 1, it takes to succeed once: 1 at least.
    geometric(p: f64 = 0.3) -> i64, Law::Geometric { p };
    /// Draws from the gamma distribution of shape `shape_parameter` and scale `scale`, both above 0.
    gamma(shape_parameter: f64 = 2.5, scale: f64 = 2.0) -> f64, Law::Gamma { shape: shape_parameter, scale };
    /// Draws from the gamma distribution of shape `shape_parameter` above 0 and scale 1.
    standard_gamma(shape_parameter: f64 = 0.5) -> f64, Law::Gamma { shape: shape_parameter, scale: 1.0 };
    /// Draws from the beta distribution over `0..=1`, of parameters above 0.
    beta(a: f64 = 2.0, b: f64 = 3.0) -> f64, Law::Beta { a, b };
    /// Sums of the squares of `df` standard normal draws; `df`, above 0, need not be whole.
    chisquare(df: f64 = 3.0) -> f64, Law::ChiSquare { df };
    /// Draws from Fisher's F distribution of `dfnum` and `dfden` degrees of freedom, both above 0.
    f(dfnum: f64 = 5.0, dfden: f64 = 12.0) -> f64, Law::F { dfnum, dfden };
    /// Draws from Student's t distribution of `df` degrees of freedom, above 0.
    standard_t(df: f64 = 8.0) -> f64, Law::StandardT { df };
    /// Draws from Wald's, the inverse Gaussian, distribution, of mean `mean` and variance `mean³ / scale`, both parameters above 0.
    wald(mean: f64 = 1.0, scale: f64 = 2.0) -> f64, Law::Wald { mean, scale };
    /// Angles from −π to π that crowd about `mu`: the von Mises distribution, with `kappa`, not negative, for the reciprocal of a variance.
    vonmises(mu: f64 = 0.5, kappa: f64 = 2.0) -> f64, Law::VonMises { mu, kappa };
    /// How many of `n` trials succeed, each with `p`, from 0 to 1.
    binomial(n: u64 = 40, p: f64 = 0.3) -> i64, Law::Binomial { n, p };
    /// How many trials of success `p`, above 0 and at most 1, fail before `n` succeed; `n`, above 0, need not be whole.
    negative_binomial(n: f64 = 5.0, p: f64 = 0.4) -> i64, Law::NegativeBinomial { n, p };
    /// How often what happens `lam` times on average happens: the Poisson distribution, for `lam` from 0 to 9.2e18.
    poisson(lam: f64 = 4.5) -> i64, Law::Poisson { lam };
    /// Draws from 1, 2, … in proportion to `k^-a`, for `a` above 1. What is beyond `i64` is its greatest number.
    zipf(a: f64 = 5.0) -> i64, Law::Zipf { a };
    /// How many of `nsample` taken out of `ngood + nbad` without replacement are among the first `ngood`; both kinds are below 10⁹.
    hypergeometric(ngood: u64 = 30, nbad: u64 = 20, nsample: u64 = 12) -> i64, Law::Hypergeometric { ngood, nbad, nsample };
}

impl Rng {
    /// Draws whole numbers from `low` to `high - 1`, each as likely as the other: to 2⁻³² where there are up to 2³² of them, exactly where there are more. Lazy.
    ///
    /// ```
    /// use arras_array::Rng;
    /// use arras_scheduler::Compute;
    /// let dice = Rng::seed(1).integers(1, 7, 6_000, 1_000)?;
    /// assert_eq!(dice.min().item().compute()?, 1);
    /// assert_eq!(dice.max().item().compute()?, 6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] unless `low < high`; what is wrong with the chunks.
    pub fn integers(&self, low: i64, high: i64, shape: impl IntoDimension, chunks: impl Into<Chunks>) -> Result<Array<i64>> {
        if low >= high {
            return Err(Error::argument("integers", format!("low is {low}, but must be below high, which is {high}")));
        }
        let span = high.abs_diff(low) - 1;
        let law = if span < 1 << 32 { Law::Integers { low, span } } else { Law::WideIntegers { low, high } };
        self.draws(law, shape.into_dimension().slice(), chunks.into())
    }
}
