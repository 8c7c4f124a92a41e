//! Every distribution: the same array under any chunking and view, and the moments and the shape that it should have.

use arras_array::{Array, Chunks, Element, Rng, s};
use arras_core::evaluate;
use ndarray::{ArrayD, IxDyn};

use super::oracle::computed;

fn views<T: Element>(name: &str, cut: &Array<T>, whole: &Array<T>) {
    let expected: ArrayD<T> = computed(cut);
    assert_eq!(evaluate(whole).unwrap(), expected, "{name}");
    let transposed = expected.t().to_owned().into_dyn();
    assert_eq!(computed(&cut.t()), transposed, "{name}, transposed");
    let part = expected.slice(s![3..;2, ..;-1]).to_owned().into_dyn();
    assert_eq!(computed(&cut.slice(s![3..;2, ..;-1])), part, "{name}, sliced");
    assert_eq!(computed(&cut.slice(s![.., 2])), expected.slice(s![.., 2]).to_owned().into_dyn(), "{name}, one column");
    assert_eq!(computed(&whole.rechunk([2, 3])), expected, "{name}, in other chunks");
}

#[test]
fn chunks_views_and_schedulers_do_not_change_any_distribution() {
    macro_rules! sweep {
        ($($name:ident($($parameter:expr),*))*) => { $(views(
            stringify!($name),
            &Rng::seed(11).$name($($parameter,)* [9, 5], [4, 2]).unwrap(),
            &Rng::seed(11).$name($($parameter,)* [9, 5], Chunks::one()).unwrap(),
        );)* };
    }
    sweep! {
        random() exponential(2.0) standard_exponential() laplace(1.0, 2.0) logistic(1.0, 2.0) gumbel(1.0, 2.0) standard_cauchy() standard_normal()
        normal(1.0, 2.0) lognormal(0.5, 0.5) pareto(5.0) power(3.0) rayleigh(2.0) triangular(-1.0, 0.0, 3.0) weibull(2.0) geometric(0.3)
        gamma(2.5, 2.0) standard_gamma(0.5) beta(2.0, 3.0) chisquare(3.0) f(5.0, 12.0) standard_t(8.0) wald(1.0, 2.0) vonmises(0.5, 2.0)
        binomial(40, 0.3) negative_binomial(5.0, 0.4) poisson(4.5) zipf(5.0) hypergeometric(30, 20, 12)
    }
    for (low, high) in [(-3, 4), (i64::MIN, i64::MAX)] {
        let draw = |chunks: Chunks| Rng::seed(2).integers(low, high, [9, 5], chunks).unwrap();
        views("integers", &draw([4, 2].into()), &draw(Chunks::one()));
    }
    let draw = |chunks: Chunks| Rng::seed(2).choice(4, true, Some(&[1.0, 0.0, 2.0, 5.0]), [9, 5], chunks).unwrap();
    views("choice", &draw([4, 2].into()), &draw(Chunks::one()));
}

/// The greatest distance of the sample's distribution function from this one.
fn distance(mut sample: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    sample.sort_unstable_by(f64::total_cmp);
    let n = sample.len() as f64;
    sample.iter().enumerate().map(|(i, &x)| (cdf(x) - i as f64 / n).abs().max((cdf(x) - (i + 1) as f64 / n).abs())).fold(0.0, f64::max)
}

const N: usize = 100_000;

/// Checks the distribution function to five standard deviations of Kolmogorov's statistic, and more.
fn follows(name: &str, array: arras_array::Result<Array<f64>>, cdf: impl Fn(f64) -> f64) {
    let sample = evaluate(&array.unwrap()).unwrap().into_raw_vec_and_offset().0;
    let found = distance(sample, cdf);
    // 1.95 / sqrt(n) is exceeded by one seed in a thousand.
    assert!(found < 1.95 / (N as f64).sqrt(), "{name}: {found}");
}

#[test]
fn reals_follow_their_distribution_functions() {
    use statrs::distribution::*;
    let (rng, c) = (Rng::seed(2026), 30_000);
    follows("random", rng.random(N, c), |x| x);
    follows("exponential", rng.exponential(2.0, N, c), |x| 1.0 - (-x / 2.0).exp());
    follows("laplace", rng.laplace(1.0, 2.0, N, c), |x| {
        if x < 1.0 { ((x - 1.0) / 2.0).exp() / 2.0 } else { 1.0 - (-(x - 1.0) / 2.0).exp() / 2.0 }
    });
    follows("logistic", rng.logistic(1.0, 2.0, N, c), |x| 1.0 / (1.0 + (-(x - 1.0) / 2.0).exp()));
    follows("gumbel", rng.gumbel(1.0, 2.0, N, c), |x| (-(-(x - 1.0) / 2.0).exp()).exp());
    follows("standard_cauchy", rng.standard_cauchy(N, c), |x| 0.5 + x.atan() / std::f64::consts::PI);
    follows("standard_normal", rng.standard_normal(N, c), |x| Normal::standard().cdf(x));
    follows("normal", rng.normal(1.0, 2.0, N, c), |x| Normal::new(1.0, 2.0).unwrap().cdf(x));
    follows("lognormal", rng.lognormal(0.5, 0.5, N, c), |x| LogNormal::new(0.5, 0.5).unwrap().cdf(x));
    follows("pareto", rng.pareto(5.0, N, c), |x| 1.0 - (1.0 + x).powi(-5));
    follows("power", rng.power(3.0, N, c), |x| x.powi(3));
    follows("rayleigh", rng.rayleigh(2.0, N, c), |x| 1.0 - (-x * x / 8.0).exp());
    follows("triangular", rng.triangular(-1.0, 0.0, 3.0, N, c), |x| {
        if x < 0.0 { (x + 1.0).powi(2) / 4.0 } else { 1.0 - (3.0 - x).powi(2) / 12.0 }
    });
    follows("weibull", rng.weibull(2.0, N, c), |x| 1.0 - (-x * x).exp());
    for shape in [0.3, 1.0, 2.5] {
        follows("gamma", rng.gamma(shape, 2.0, N, c), |x| Gamma::new(shape, 0.5).unwrap().cdf(x));
    }
    follows("standard_gamma", rng.standard_gamma(4.0, N, c), |x| Gamma::new(4.0, 1.0).unwrap().cdf(x));
    for (a, b) in [(2.0, 3.0), (0.5, 0.7)] {
        follows("beta", rng.beta(a, b, N, c), |x| Beta::new(a, b).unwrap().cdf(x));
    }
    follows("chisquare", rng.chisquare(3.0, N, c), |x| ChiSquared::new(3.0).unwrap().cdf(x));
    follows("f", rng.f(5.0, 12.0, N, c), |x| FisherSnedecor::new(5.0, 12.0).unwrap().cdf(x));
    follows("standard_t", rng.standard_t(8.0, N, c), |x| StudentsT::new(0.0, 1.0, 8.0).unwrap().cdf(x));
    follows("wald", rng.wald(1.0, 2.0, N, c), |x| {
        let (phi, root) = (Normal::standard(), (2.0 / x).sqrt());
        phi.cdf(root * (x - 1.0)) + 4f64.exp() * phi.cdf(-root * (x + 1.0))
    });
}

/// Mean and variance, to five standard errors, the variance's guessed from a kurtosis of 20 at most.
fn moments(name: &str, sample: &[f64], mean: f64, variance: f64) {
    let n = sample.len() as f64;
    let found = sample.iter().sum::<f64>() / n;
    assert!((found - mean).abs() < 5.0 * (variance / n).sqrt() + 1e-12, "{name}: mean {found} instead of {mean}");
    let found = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    assert!((found - variance).abs() < 5.0 * variance * (20.0 / n).sqrt() + 1e-12, "{name}: variance {found} instead of {variance}");
}

#[test]
fn angles_crowd_about_their_mean() {
    // Means and variances of the sine and cosine of the angle, from ratios of Bessel functions: I1(κ) / I0(κ) and I2(κ) / I0(κ).
    for (kappa, a1, a2) in [(0.0, 0.0, 0.0), (2.0, 0.697_774_657_964_007_8, 0.302_225_342_035_992_2), (1e-6, 5e-7, 1.25e-13)] {
        let x = evaluate(&Rng::seed(5).vonmises(0.5, kappa, N, 30_000).unwrap()).unwrap().into_raw_vec_and_offset().0;
        assert!(x.iter().all(|x| x.abs() <= std::f64::consts::PI));
        let of = |f: fn(f64) -> f64| x.iter().map(|x| f(x - 0.5)).collect::<Vec<f64>>();
        moments("cosine", &of(f64::cos), a1, (1.0 + a2) / 2.0 - a1 * a1);
        moments("sine", &of(f64::sin), 0.0, (1.0 - a2) / 2.0);
    }
    let narrow = evaluate(&Rng::seed(5).vonmises(0.5, 1e8, N, 30_000).unwrap()).unwrap().into_raw_vec_and_offset().0;
    moments("narrow", &narrow, 0.5, 1e-8);
}

/// Checks the share of each of these numbers.
fn counted(name: &str, array: arras_array::Result<Array<i64>>, range: std::ops::Range<i64>, share: impl Fn(i64) -> f64) {
    let sample = evaluate(&array.unwrap()).unwrap();
    let n = sample.len() as f64;
    let mut total = 0.0;
    for k in range {
        let (found, share) = (sample.iter().filter(|&&x| x == k).count() as f64, share(k));
        assert!(
            (found - n * share).abs() < 5.0 * (n * share * (1.0 - share)).sqrt() + 3.0,
            "{name}: {k} {found} times instead of {}",
            n * share
        );
        total += found;
    }
    assert!(total > 0.95 * n, "{name}: {total} of {n} where almost all should be");
}

#[test]
fn counts_have_their_shares() {
    use statrs::distribution::*;
    let (rng, c) = (Rng::seed(77), 30_000);
    counted("integers", rng.integers(-3, 4, N, c), -3..4, |_| 1.0 / 7.0);
    counted("geometric", rng.geometric(0.3, N, c), 0..40, |k| if k < 1 { 0.0 } else { 0.3 * 0.7f64.powi(k as i32 - 1) });
    counted("geometric", rng.geometric(1.0, 1000, c), 1..2, |_| 1.0);
    for (n, p) in [(40, 0.3), (5, 0.5), (1000, 0.02), (300, 0.9)] {
        let law = Binomial::new(p, n).unwrap();
        counted("binomial", rng.binomial(n, p, N, c), 0..n as i64 + 1, |k| law.pmf(k as u64));
    }
    for lam in [0.5, 4.5, 60.0] {
        let law = Poisson::new(lam).unwrap();
        counted("poisson", rng.poisson(lam, N, c), 0..120, |k| law.pmf(k as u64));
    }
    counted("poisson", rng.poisson(0.0, 1000, c), 0..1, |_| 1.0);
    let law = NegativeBinomial::new(5.0, 0.4).unwrap();
    counted("negative_binomial", rng.negative_binomial(5.0, 0.4, N, c), 0..60, |k| law.pmf(k as u64));
    counted("negative_binomial", rng.negative_binomial(5.0, 1.0, 1000, c), 0..1, |_| 1.0);
    counted("zipf", rng.zipf(2.0, N, c), 1..100, |k| 6.0 / (std::f64::consts::PI * k as f64).powi(2));
    let law = Hypergeometric::new(50, 30, 12).unwrap();
    counted("hypergeometric", rng.hypergeometric(30, 20, 12, N, c), 0..13, |k| law.pmf(k as u64));
    counted("choice", rng.choice(4, true, Some(&[1.0, 0.0, 2.0, 5.0]), N, c), 0..4, |k| [0.125, 0.0, 0.25, 0.625][k as usize]);
    counted("choice", rng.choice(5, true, None, N, c), 0..5, |_| 0.2);
}

#[test]
fn wide_integers_reach_both_ends() {
    let x = Rng::seed(1).integers(i64::MIN, i64::MAX, N, 30_000).unwrap();
    let scaled: Vec<f64> = evaluate(&x).unwrap().iter().map(|&x| (x as f64 / 2f64.powi(63) + 1.0) / 2.0).collect();
    assert!(distance(scaled, |u| u) < 1.95 / (N as f64).sqrt());
    // Where a multiplication of one word would make some twice as likely as others.
    let three = 3i64 << 61;
    let x = evaluate(&Rng::seed(4).integers(0, three, N, 30_000).unwrap()).unwrap();
    assert!(x.iter().all(|x| (0..three).contains(x)));
    moments("parity", &x.iter().map(|x| (x % 2) as f64).collect::<Vec<_>>(), 0.5, 0.25);
}

#[test]
fn choices_without_replacement_are_distinct_and_fair() {
    let draw = |seed, chunks: usize| computed(&Rng::seed(seed).choice(10, false, None, 4, chunks).unwrap());
    let mut at = [[0.0f64; 10]; 4];
    for seed in 0..2_000 {
        let x = evaluate(&Rng::seed(seed).choice(10, false, None, 4, 4).unwrap()).unwrap();
        x.iter().enumerate().for_each(|(place, &i)| at[place][i as usize] += 1.0);
        let mut sorted = x.iter().copied().collect::<Vec<_>>();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 4);
    }
    assert!(at.iter().flatten().all(|count| (count - 200.0).abs() < 5.0 * (200.0f64 * 0.9).sqrt()), "{at:?}");
    assert_eq!(draw(3, 4), draw(3, 3));
    // By weight: the first is 1 with 0.75; the second is then 0 for sure, as 2 weighs nothing.
    let first =
        (0..2_000).filter(|&seed| evaluate(&Rng::seed(seed).choice(3, false, Some(&[1.0, 3.0, 0.0]), 2, 2).unwrap()).unwrap()[[0]] == 1);
    assert!((first.count() as f64 - 1_500.0).abs() < 5.0 * (1_500.0f64 * 0.25).sqrt());
    assert_eq!(computed(&Rng::seed(0).choice(5, false, None, [0, 2], 1).unwrap()).shape(), [0, 2]);
}

#[test]
fn permutations_hold_everything_once() {
    let mut x = computed(&Rng::seed(8).permutation(1_000, 300).unwrap()).into_raw_vec_and_offset().0;
    assert_eq!(x, computed(&Rng::seed(8).permutation(1_000, 1_000).unwrap()).into_raw_vec_and_offset().0);
    assert_ne!(x[..10], (0..10).collect::<Vec<_>>());
    x.sort_unstable();
    assert_eq!(x, (0..1_000).collect::<Vec<_>>());
    assert_eq!(computed(&Rng::seed(8).permutation(0, 1).unwrap()).len(), 0);
    let rows = Array::arange(0, 20, 1, 6).unwrap().reshape([10, 2]);
    let (a, b) = (computed(&Rng::seed(9).permuted_rows(&rows)), computed(&Rng::seed(9).permuted_rows(&rows.rechunk(3))));
    assert_eq!(a, b);
    assert!(a.outer_iter().all(|row| row[[1]] == row[[0]] + 1 && row[[0]] % 2 == 0));
    let error = Rng::seed(9).permuted_rows(&Array::full(IxDyn(&[]), 1i64, 1).unwrap()).check().unwrap_err();
    assert!(error.to_string().contains("take"), "{error}");
}

#[test]
fn multinomial_rows_add_up_and_have_binomial_columns() {
    let draw = |chunks: usize| Rng::seed(8).multinomial(20, &[0.2, 0.0, 0.3, 0.5], [50, 40], chunks).unwrap();
    let x = computed(&draw(17));
    assert_eq!(x, computed(&draw(50)));
    assert_eq!(x.shape(), [50, 40, 4]);
    assert!(x.sum_axis(ndarray::Axis(2)).iter().all(|&total| total == 20));
    for (k, p) in [0.2, 0.0, 0.3, 0.5].into_iter().enumerate() {
        let column: Vec<f64> = x.index_axis(ndarray::Axis(2), k).iter().map(|&x| x as f64).collect();
        moments("multinomial", &column, 20.0 * p, 20.0 * p * (1.0 - p));
    }
}

#[test]
fn parameters_out_of_range_are_named_when_the_array_is_built() {
    let rng = Rng::seed(0);
    let errors = [
        ("exponential: scale is -1", rng.exponential(-1.0, 3, 1).err()),
        ("laplace: loc is NaN", rng.laplace(f64::NAN, 1.0, 3, 1).err()),
        ("normal: scale is -2", rng.normal(0.0, -2.0, 3, 1).err()),
        ("lognormal: sigma is inf", rng.lognormal(0.0, f64::INFINITY, 3, 1).err()),
        ("pareto: a is 0", rng.pareto(0.0, 3, 1).err()),
        ("power: a is -1", rng.power(-1.0, 3, 1).err()),
        ("weibull: a is NaN", rng.weibull(f64::NAN, 3, 1).err()),
        ("triangular: mode is 4", rng.triangular(0.0, 4.0, 3.0, 3, 1).err()),
        ("triangular: right is 0", rng.triangular(0.0, 0.0, 0.0, 3, 1).err()),
        ("geometric: p is 0", rng.geometric(0.0, 3, 1).err()),
        ("gamma: shape is 0", rng.gamma(0.0, 1.0, 3, 1).err()),
        ("beta: b is -1", rng.beta(1.0, -1.0, 3, 1).err()),
        ("chisquare: df is 0", rng.chisquare(0.0, 3, 1).err()),
        ("f: dfden is 0", rng.f(1.0, 0.0, 3, 1).err()),
        ("standard_t: df is 0", rng.standard_t(0.0, 3, 1).err()),
        ("wald: mean is 0", rng.wald(0.0, 1.0, 3, 1).err()),
        ("vonmises: kappa is -1", rng.vonmises(0.0, -1.0, 3, 1).err()),
        ("binomial: p is 1.5", rng.binomial(3, 1.5, 3, 1).err()),
        ("negative_binomial: p is 0", rng.negative_binomial(3.0, 0.0, 3, 1).err()),
        ("poisson: lam is NaN", rng.poisson(f64::NAN, 3, 1).err()),
        ("zipf: a is 1", rng.zipf(1.0, 3, 1).err()),
        ("hypergeometric: nsample is 6", rng.hypergeometric(3, 2, 6, 3, 1).err()),
        ("integers: low is 3", rng.integers(3, 3, 3, 1).err()),
        ("choice: n is 0", rng.choice(0, true, None, 3, 1).err()),
        ("choice: 4 choices without replacement from 3", rng.choice(3, false, None, 4, 1).err()),
        ("choice: 2 choices without replacement from 1", rng.choice(2, false, Some(&[0.0, 1.0]), 2, 1).err()),
        ("choice: 1 weights for 2 positions", rng.choice(2, true, Some(&[1.0]), 2, 1).err()),
        ("choice: weights[1] is -1", rng.choice(2, true, Some(&[1.0, -1.0]), 2, 1).err()),
        ("multinomial: pvals add up to 0", rng.multinomial(2, &[0.0, 0.0], 2, 1).err()),
    ];
    for (expected, error) in errors {
        let error = error.unwrap_or_else(|| panic!("{expected}")).to_string();
        assert!(error.starts_with(expected), "{error} instead of {expected}");
    }
}
