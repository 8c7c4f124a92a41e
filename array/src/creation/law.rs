//! Laws: what becomes of a generator's words.
//!
//! ```text
//!     of one draw   word 0 1 │ 2 3 │ 4 5 │ …       element i is a function of words 2i and 2i + 1: an inverse distribution function
//!     of many       word 0 … │ 2²⁰ … │ 2·2²⁰ … │   element i begins at word i · 2²⁰ and takes as many as it needs: rejection
//! ```
//! Either way an element is a function of seed, stream and its own number alone. A law of many draws takes some tens of words at most in all but a vanishing part of its
//! draws; the million that it has before the next element's words begin are never used up in practice, and if they were, two elements would depend on each other, no more.

use std::fmt;
use std::sync::Arc;

use arras_core::Tokenizer;
use pulp::Arch;
use rand_chacha::ChaCha8Rng;
use rand_distr::Distribution;
use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc_inv;

use crate::engine::dtype::DType;
use crate::error::{Error, Result};

/// The distribution of draws, with its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Law {
    Uniform {
        low: f64,
        high: f64,
    },
    Exponential {
        scale: f64,
    },
    Laplace {
        loc: f64,
        scale: f64,
    },
    Logistic {
        loc: f64,
        scale: f64,
    },
    Gumbel {
        loc: f64,
        scale: f64,
    },
    Cauchy {
        loc: f64,
        scale: f64,
    },
    Normal {
        loc: f64,
        scale: f64,
    },
    LogNormal {
        mean: f64,
        sigma: f64,
    },
    Pareto {
        a: f64,
    },
    Power {
        a: f64,
    },
    Rayleigh {
        scale: f64,
    },
    Triangular {
        left: f64,
        mode: f64,
        right: f64,
    },
    Weibull {
        a: f64,
    },
    Geometric {
        p: f64,
    },
    /// `low + 0..=span`, for spans below 2³².
    Integers {
        low: i64,
        span: u64,
    },
    Weighted(Weights),
    // Those of many draws follow.
    /// As [`Integers`](Law::Integers), for spans of any width.
    WideIntegers {
        low: i64,
        high: i64,
    },
    Gamma {
        shape: f64,
        scale: f64,
    },
    Beta {
        a: f64,
        b: f64,
    },
    ChiSquare {
        df: f64,
    },
    F {
        dfnum: f64,
        dfden: f64,
    },
    StandardT {
        df: f64,
    },
    Wald {
        mean: f64,
        scale: f64,
    },
    VonMises {
        mu: f64,
        kappa: f64,
    },
    Binomial {
        n: u64,
        p: f64,
    },
    NegativeBinomial {
        n: f64,
        p: f64,
    },
    Poisson {
        lam: f64,
    },
    Zipf {
        a: f64,
    },
    Hypergeometric {
        ngood: u64,
        nbad: u64,
        nsample: u64,
    },
}

/// Which part of all weights belongs to each position and those before it. Printed as a token.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Weights(pub(crate) Arc<[f64]>);

impl Weights {
    fn token(&self) -> arras_core::Token {
        let mut tokenizer = Tokenizer::new();
        self.0.iter().for_each(|weight| {
            tokenizer.number(weight.to_bits());
        });
        tokenizer.finish()
    }
}

impl fmt::Debug for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} weights {:032x}", self.0.len(), self.token().bits())
    }
}

/// The words that belong to an element of a law of many draws, as a power of two.
pub(crate) const WORDS: u32 = 20;

/// How an element is drawn by a law of many draws.
pub(crate) enum Sampler {
    Real(Box<dyn Fn(&mut ChaCha8Rng) -> f64>),
    Whole(Box<dyn Fn(&mut ChaCha8Rng) -> i64>),
}

/// The types that laws draw.
pub(crate) trait Drawn: bytemuck::Pod {
    /// Makes draws of words, in place.
    fn of_words(law: &Law, arch: Arch, row: &mut [Self]);
    fn of_sampler(sampler: &Sampler, generator: &mut ChaCha8Rng) -> Self;
}

/// The upper 53 bits of a word as a multiple of 2⁻⁵³ below 1.
#[inline(always)]
pub(crate) fn unit(word: u64) -> f64 {
    // 52 of them as the fraction of a number from 1 to 2, and the last as what it adds: all exact, and vectorised where no instruction turns words into floats.
    let upper = f64::from_bits((word >> 12) | 1f64.to_bits()) - 1.0;
    let last = f64::from_bits(((word >> 11) & 1).wrapping_neg() & (1.0 / (1u64 << 53) as f64).to_bits());
    upper + last
}

/// The upper 52 bits as an odd multiple of 2⁻⁵³: neither 0 nor 1, and as far from the one as from the other.
#[inline(always)]
fn inner(word: u64) -> f64 {
    (f64::from_bits((word >> 12) | 1f64.to_bits()) - 1.0) + 1.0 / (1u64 << 53) as f64
}

/// The exponential distribution of mean 1.
#[inline(always)]
fn exponential(word: u64) -> f64 {
    -(-unit(word)).ln_1p()
}

/// The normal distribution of mean 0 and variance 1.
#[inline(always)]
fn normal(word: u64) -> f64 {
    -std::f64::consts::SQRT_2 * erfc_inv(2.0 * inner(word))
}

impl Drawn for f64 {
    fn of_words(law: &Law, arch: Arch, row: &mut [f64]) {
        fn each(row: &mut [f64], draw: impl Fn(u64) -> f64) {
            row.iter_mut().for_each(|x| *x = draw(u64::from_le(x.to_bits())));
        }
        match *law {
            Law::Uniform { low, high } => {
                let width = high - low;
                arch.dispatch(
                    #[inline(always)]
                    || row.iter_mut().for_each(|x| *x = low + width * unit(u64::from_le(x.to_bits()))),
                );
            }
            Law::Exponential { scale } => each(row, |word| scale * exponential(word)),
            Law::Laplace { loc, scale } => each(row, |word| {
                let u = inner(word);
                if u < 0.5 { loc + scale * (2.0 * u).ln() } else { loc - scale * (2.0 * (1.0 - u)).ln() }
            }),
            Law::Logistic { loc, scale } => each(row, |word| {
                let u = inner(word);
                loc + scale * (u / (1.0 - u)).ln()
            }),
            Law::Gumbel { loc, scale } => each(row, |word| loc - scale * (-inner(word).ln()).ln()),
            Law::Cauchy { loc, scale } => each(row, |word| loc + scale * (std::f64::consts::PI * (inner(word) - 0.5)).tan()),
            Law::Normal { loc, scale } => each(row, |word| loc + scale * normal(word)),
            Law::LogNormal { mean, sigma } => each(row, |word| (mean + sigma * normal(word)).exp()),
            Law::Pareto { a } => each(row, |word| (exponential(word) / a).exp_m1()),
            Law::Power { a } => each(row, |word| unit(word).powf(1.0 / a)),
            Law::Rayleigh { scale } => each(row, |word| scale * (2.0 * exponential(word)).sqrt()),
            Law::Triangular { left, mode, right } => {
                let (width, below) = (right - left, (mode - left) / (right - left));
                each(row, |word| {
                    let u = unit(word);
                    if u < below { left + (u * width * (mode - left)).sqrt() } else { right - ((1.0 - u) * width * (right - mode)).sqrt() }
                });
            }
            Law::Weibull { a } => each(row, |word| exponential(word).powf(1.0 / a)),
            _ => unreachable!("a law of one draw of f64"),
        }
    }

    fn of_sampler(sampler: &Sampler, generator: &mut ChaCha8Rng) -> f64 {
        match sampler {
            Sampler::Real(draw) => draw(generator),
            Sampler::Whole(_) => unreachable!("a law of f64"),
        }
    }
}

impl Drawn for i64 {
    fn of_words(law: &Law, _: Arch, row: &mut [i64]) {
        fn each(row: &mut [i64], draw: impl Fn(u64) -> i64) {
            row.iter_mut().for_each(|x| *x = draw(u64::from_le(*x as u64)));
        }
        match law {
            Law::Geometric { p } => {
                // Minus infinity for 1, which makes every quotient 0.
                let rate = -(-p).ln_1p();
                each(row, |word| ((exponential(word) / rate).ceil() as i64).max(1));
            }
            Law::Integers { low, span } => {
                let n = u128::from(*span) + 1;
                each(row, |word| low.wrapping_add(((u128::from(word) * n) >> 64) as i64));
            }
            Law::Weighted(weights) => each(row, |word| {
                let u = unit(word);
                weights.0.partition_point(|&below| below <= u) as i64
            }),
            _ => unreachable!("a law of one draw of i64"),
        }
    }

    fn of_sampler(sampler: &Sampler, generator: &mut ChaCha8Rng) -> i64 {
        match sampler {
            Sampler::Whole(draw) => draw(generator),
            Sampler::Real(_) => unreachable!("a law of i64"),
        }
    }
}

/// A draw from the circular normal distribution about 0, by D. J. Best and N. I. Fisher, Applied Statistics 28 (1979), 152-157.
fn von_mises(kappa: f64, generator: &mut ChaCha8Rng) -> f64 {
    use std::f64::consts::PI;
    let mut draw = || unit(rand_chacha::rand_core::Rng::next_u64(generator));
    if kappa < 1e-8 {
        return PI * (2.0 * draw() - 1.0);
    }
    // Where the cosine's distribution is flat or all at 1, what the quotient below would cancel is its series.
    let s = if kappa < 1e-5 {
        1.0 / kappa + kappa
    } else {
        let r = 1.0 + (1.0 + 4.0 * kappa * kappa).sqrt();
        let rho = (r - (2.0 * r).sqrt()) / (2.0 * kappa);
        (1.0 + rho * rho) / (2.0 * rho)
    };
    if kappa > 1e6 {
        // A wrapped normal distribution of variance 1/κ, as in NumPy.
        let x = normal(rand_chacha::rand_core::Rng::next_u64(generator)) / kappa.sqrt();
        return if x < -PI {
            x + 2.0 * PI
        } else if x > PI {
            x - 2.0 * PI
        } else {
            x
        };
    }
    loop {
        let z = (PI * draw()).cos();
        let w = (1.0 + s * z) / (s + z);
        let y = kappa * (s - w);
        let v = draw();
        if y * (2.0 - y) - v >= 0.0 || (y / v).ln() + 1.0 - y >= 0.0 {
            let angle = w.clamp(-1.0, 1.0).acos();
            return if draw() < 0.5 { -angle } else { angle };
        }
    }
}

impl Law {
    /// NumPy's name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Law::Uniform { .. } => "uniform",
            Law::Exponential { .. } => "exponential",
            Law::Laplace { .. } => "laplace",
            Law::Logistic { .. } => "logistic",
            Law::Gumbel { .. } => "gumbel",
            Law::Cauchy { .. } => "standard_cauchy",
            Law::Normal { .. } => "normal",
            Law::LogNormal { .. } => "lognormal",
            Law::Pareto { .. } => "pareto",
            Law::Power { .. } => "power",
            Law::Rayleigh { .. } => "rayleigh",
            Law::Triangular { .. } => "triangular",
            Law::Weibull { .. } => "weibull",
            Law::Geometric { .. } => "geometric",
            Law::Integers { .. } | Law::WideIntegers { .. } => "integers",
            Law::Weighted(_) => "choice",
            Law::Gamma { .. } => "gamma",
            Law::Beta { .. } => "beta",
            Law::ChiSquare { .. } => "chisquare",
            Law::F { .. } => "f",
            Law::StandardT { .. } => "standard_t",
            Law::Wald { .. } => "wald",
            Law::VonMises { .. } => "vonmises",
            Law::Binomial { .. } => "binomial",
            Law::NegativeBinomial { .. } => "negative_binomial",
            Law::Poisson { .. } => "poisson",
            Law::Zipf { .. } => "zipf",
            Law::Hypergeometric { .. } => "hypergeometric",
        }
    }

    pub(crate) fn dtype(&self) -> DType {
        match self {
            Law::Geometric { .. }
            | Law::Integers { .. }
            | Law::WideIntegers { .. }
            | Law::Weighted(_)
            | Law::Binomial { .. }
            | Law::NegativeBinomial { .. }
            | Law::Poisson { .. }
            | Law::Zipf { .. }
            | Law::Hypergeometric { .. } => DType::I64,
            _ => DType::F64,
        }
    }

    /// How a law of many draws makes them; nothing for one of one draw.
    ///
    /// # Errors
    /// [`Error::Argument`], if rand_distr refuses parameters that [`check`](Law::check) lets pass.
    pub(crate) fn sampler(&self) -> Result<Option<Sampler>> {
        let name = self.name();
        let refused = |why: &dyn fmt::Display| Error::argument(name, format!("{self:?}: {why}"));
        macro_rules! real {
            ($distribution:expr) => {{
                let distribution = $distribution.map_err(|error| refused(&error))?;
                Sampler::Real(Box::new(move |generator| distribution.sample(generator)))
            }};
        }
        macro_rules! whole {
            ($distribution:expr) => {{
                let distribution = $distribution.map_err(|error| refused(&error))?;
                // What lies beyond i64 is its greatest number.
                Sampler::Whole(Box::new(move |generator| distribution.sample(generator) as i64))
            }};
        }
        Ok(Some(match *self {
            Law::WideIntegers { low, high } => whole!(rand_distr::Uniform::new(low, high)),
            Law::Gamma { shape, scale } => real!(rand_distr::Gamma::new(shape, scale)),
            Law::Beta { a, b } => real!(rand_distr::Beta::new(a, b)),
            Law::ChiSquare { df } => real!(rand_distr::ChiSquared::new(df)),
            Law::F { dfnum, dfden } => real!(rand_distr::FisherF::new(dfnum, dfden)),
            Law::StandardT { df } => real!(rand_distr::StudentT::new(df)),
            Law::Wald { mean, scale } => real!(rand_distr::InverseGaussian::new(mean, scale)),
            Law::VonMises { mu, kappa } => Sampler::Real(Box::new(move |generator| {
                use std::f64::consts::PI;
                (mu + von_mises(kappa, generator) + PI).rem_euclid(2.0 * PI) - PI
            })),
            Law::Binomial { n, p } => whole!(rand_distr::Binomial::new(n, p)),
            Law::NegativeBinomial { p: 1.0, .. } => Sampler::Whole(Box::new(|_| 0)),
            Law::NegativeBinomial { n, p } => {
                let rate = rand_distr::Gamma::new(n, (1.0 - p) / p).map_err(|error| refused(&error))?;
                Sampler::Whole(Box::new(move |generator| {
                    // A rate of 0 or beyond what can be counted comes of extreme parameters only.
                    let rate: f64 = rate.sample(generator);
                    rand_distr::Poisson::new(rate).map_or(if rate > 1.0 { i64::MAX } else { 0 }, |poisson| poisson.sample(generator) as i64)
                }))
            }
            Law::Poisson { lam: 0.0 } => Sampler::Whole(Box::new(|_| 0)),
            Law::Poisson { lam } => whole!(rand_distr::Poisson::new(lam)),
            Law::Zipf { a } => whole!(rand_distr::Zeta::new(a)),
            Law::Hypergeometric { ngood, nbad, nsample } => whole!(rand_distr::Hypergeometric::new(ngood + nbad, ngood, nsample)),
            _ => return Ok(None),
        }))
    }

    /// Checks the parameters as NumPy does.
    ///
    /// # Errors
    /// [`Error::Interval`] for limits of a uniform distribution, [`Error::Argument`] for every other.
    pub(crate) fn check(&self) -> Result<()> {
        let name = self.name();
        let require = |parameter: &str, value: f64, holds: bool, what: &str| {
            if holds { Ok(()) } else { Err(Error::argument(name, format!("{parameter} is {value}, but must be {what}"))) }
        };
        let finite = |parameter, value: f64| require(parameter, value, value.is_finite(), "finite");
        let scaled = |parameter, value: f64| require(parameter, value, value.is_finite() && value >= 0.0, "finite and not negative");
        let positive = |parameter, value: f64| require(parameter, value, value.is_finite() && value > 0.0, "finite and above 0");
        let share = |value: f64| require("p", value, value > 0.0 && value <= 1.0, "above 0 and at most 1");
        match *self {
            Law::Uniform { low, high } => {
                if !(low < high && (high - low).is_finite()) {
                    return Err(Error::Interval { low: low.to_string(), high: high.to_string() });
                }
                Ok(())
            }
            Law::Exponential { scale } | Law::Rayleigh { scale } => scaled("scale", scale),
            Law::Laplace { loc, scale } | Law::Logistic { loc, scale } | Law::Gumbel { loc, scale } | Law::Normal { loc, scale } => {
                finite("loc", loc)?;
                scaled("scale", scale)
            }
            Law::LogNormal { mean, sigma } => {
                finite("mean", mean)?;
                scaled("sigma", sigma)
            }
            Law::Pareto { a } | Law::Power { a } | Law::Weibull { a } => positive("a", a),
            Law::Triangular { left, mode, right } => {
                finite("left", left)?;
                finite("right", right)?;
                require("right", right, right > left && (right - left).is_finite(), &format!("above left, which is {left}"))?;
                require("mode", mode, left <= mode && mode <= right, &format!("from left to right, {left} to {right}"))
            }
            Law::Geometric { p } => share(p),
            Law::Gamma { shape, scale } => {
                positive("shape", shape)?;
                positive("scale", scale)
            }
            Law::Beta { a, b } => {
                positive("a", a)?;
                positive("b", b)
            }
            Law::ChiSquare { df } | Law::StandardT { df } => positive("df", df),
            Law::F { dfnum, dfden } => {
                positive("dfnum", dfnum)?;
                positive("dfden", dfden)
            }
            Law::Wald { mean, scale } => {
                positive("mean", mean)?;
                positive("scale", scale)
            }
            Law::VonMises { mu, kappa } => {
                finite("mu", mu)?;
                scaled("kappa", kappa)
            }
            Law::Binomial { n, p } => {
                require("n", n as f64, i64::try_from(n).is_ok(), "at most 2⁶³ - 1")?;
                require("p", p, (0.0..=1.0).contains(&p), "from 0 to 1")
            }
            Law::NegativeBinomial { n, p } => {
                positive("n", n)?;
                share(p)
            }
            Law::Poisson { lam } => require("lam", lam, (0.0..9.2e18).contains(&lam), "from 0 to 9.2e18"),
            Law::Zipf { a } => require("a", a, a > 1.0 && a.is_finite(), "finite and above 1"),
            Law::Hypergeometric { ngood, nbad, nsample } => {
                // NumPy's limits.
                require("ngood", ngood as f64, ngood < 1_000_000_000, "below 10⁹")?;
                require("nbad", nbad as f64, nbad < 1_000_000_000, "below 10⁹")?;
                require("nsample", nsample as f64, nsample <= ngood + nbad, &format!("at most ngood + nbad, {}", ngood + nbad))
            }
            Law::Cauchy { .. } | Law::Integers { .. } | Law::WideIntegers { .. } | Law::Weighted(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{inner, normal, unit};

    #[test]
    fn a_unit_is_the_upper_53_bits_scaled() {
        let mut word = 0x9e37_79b9_7f4a_7c15u64;
        for special in [0, 1 << 11, (1 << 12) - 1, 1 << 63, u64::MAX, u64::MAX - (1 << 11)] {
            assert_eq!(unit(special), (special >> 11) as f64 / (1u64 << 53) as f64);
        }
        for _ in 0..100_000 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            assert_eq!(unit(word), (word >> 11) as f64 / (1u64 << 53) as f64);
        }
        assert!(unit(u64::MAX) < 1.0);
    }

    #[test]
    fn inner_points_are_symmetric_and_never_an_end() {
        for word in [0u64, 1 << 12, 0x1234_5678_9abc_def0, 1 << 63, u64::MAX] {
            let u = inner(word);
            assert!(u > 0.0 && u < 1.0 && 1.0 - u == inner(!word), "{word}");
        }
    }

    #[test]
    fn normal_draws_are_quantiles_to_full_precision() {
        // Python's statistics.NormalDist().inv_cdf, to within the rounding of the probabilities.
        let word = |p: f64| (p * (1u64 << 52) as f64) as u64 * 4096;
        for (p, z) in [
            (0.975, 1.959_963_984_540_054),
            (0.999, 3.090_232_306_167_813),
            (1e-10, -6.361_340_902_404_056),
            (0.25, -0.674_489_750_196_081_7),
        ] {
            let found = normal(word(p));
            // Ends of the distribution react to the rounding of p itself.
            assert!((found - z).abs() < if p == 1e-10 { 1e-6 } else { 4e-15 }, "{p}: {found} instead of {z}");
        }
        assert!((normal(0) + 8.209_536_151_601_387).abs() < 1e-13, "{}", normal(0));
        assert_eq!(normal(0), -normal(u64::MAX));
    }
}
