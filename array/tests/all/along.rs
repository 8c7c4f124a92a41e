//! Running sums and products, medians and quantiles.

use arras_array::{Array, Chunks, Complex64, DType, Element, Error, Inexact, QuantileMethod, Rng, Scan};
use ndarray::{Array1, arr0, array};

use super::numpy::{Case, Recorded};
use super::oracle::{check, computed};

fn running<T: Element>(case: &Case<'_>, chunks: Chunks) {
    let (x, axis) = (case.input::<T>(0, chunks), case.axis().unwrap());
    let tolerance = if T::DTYPE == DType::F32 { 1e-5 } else { 1e-12 };
    for scan in [Scan::Sequential, Scan::Blelloch] {
        match case.op() {
            "cumsum" => case.check(0, &x.cumsum_with(axis, scan), tolerance),
            _ => case.check(0, &x.cumprod_with(axis, scan), tolerance),
        }
    }
}

fn running_nan<T: Inexact>(case: &Case<'_>, chunks: Chunks) {
    let (x, axis) = (case.input::<T>(0, chunks), case.axis().unwrap());
    match case.op() {
        "nancumsum" => case.check(0, &x.nancumsum(axis), 1e-5),
        _ => case.check(0, &x.nancumprod(axis), 1e-5),
    }
}

fn method(name: &str) -> QuantileMethod {
    use QuantileMethod as M;
    match name {
        "inverted_cdf" => M::InvertedCdf,
        "averaged_inverted_cdf" => M::AveragedInvertedCdf,
        "closest_observation" => M::ClosestObservation,
        "interpolated_inverted_cdf" => M::InterpolatedInvertedCdf,
        "hazen" => M::Hazen,
        "weibull" => M::Weibull,
        "linear" => M::Linear,
        "median_unbiased" => M::MedianUnbiased,
        "normal_unbiased" => M::NormalUnbiased,
        "lower" => M::Lower,
        "higher" => M::Higher,
        "midpoint" => M::Midpoint,
        "nearest" => M::Nearest,
        other => panic!("{other}"),
    }
}

fn quantiles<T: arras_array::Real<Mean: arras_array::Float>>(case: &Case<'_>, chunks: Chunks) {
    let (x, axes) = (case.input::<T>(0, chunks), case.axes());
    let tolerance = if T::DTYPE == DType::F32 { 1e-6 } else { 1e-13 };
    match case.op() {
        "median" => case.check(0, &x.median_axis(axes), tolerance),
        "nanmedian" => case.check(0, &x.nanmedian_axis(axes), tolerance),
        "nanpercentile" => case.check(0, &x.nanpercentile_axis(30.0, axes), tolerance),
        "percentile" => case.check(0, &x.percentile_axis([10.0, 50.0], axes), tolerance),
        "quantile" => {
            let method = method(case.arg("method").as_str().unwrap());
            case.check(0, &x.quantile_with([0.0, 0.1, 0.25, 0.5, 0.6, 0.9, 1.0], axes, method), tolerance);
        }
        "quantile1" => case.check(0, &x.quantile_axis(0.3, axes), tolerance),
        other => panic!("{other}"),
    }
}

#[test]
fn running_sums_and_quantiles_are_numpys() {
    let recorded = Recorded::read(include_str!("../fixtures/along.json"));
    for case in recorded.cases() {
        for chunks in [Chunks::one(), 3.into(), 1.into()] {
            match (case.op(), case.dtype()) {
                ("cumsum" | "cumprod", "float64") => running::<f64>(&case, chunks),
                ("cumsum" | "cumprod", "float32") => running::<f32>(&case, chunks),
                ("cumsum" | "cumprod", "int32") => running::<i32>(&case, chunks),
                ("cumsum" | "cumprod", "int64") => running::<i64>(&case, chunks),
                ("cumsum" | "cumprod", "uint8") => running::<u8>(&case, chunks),
                ("cumsum" | "cumprod", "bool") => running::<bool>(&case, chunks),
                ("cumsum" | "cumprod", _) => running::<Complex64>(&case, chunks),
                ("nancumsum" | "nancumprod", "float32") => running_nan::<f32>(&case, chunks),
                ("nancumsum" | "nancumprod", _) => running_nan::<f64>(&case, chunks),
                (_, "float64") => quantiles::<f64>(&case, chunks),
                (_, "float32") => quantiles::<f32>(&case, chunks),
                (_, "int32") => quantiles::<i32>(&case, chunks),
                _ => quantiles::<i64>(&case, chunks),
            }
        }
    }
}

#[test]
fn a_tree_of_any_number_of_blocks_adds_up() {
    for n in 1..40usize {
        let data = Array1::from_shape_fn(n, |i| (i * 7 % 11) as i64 - 3);
        let mut sums = data.clone();
        sums.accumulate_axis_inplace(ndarray::Axis(0), |&before, x| *x += before);
        let x = Array::from_ndarray(data, 1).unwrap();
        check(&x.cumsum_with(0, Scan::Blelloch), sums.clone());
        check(&x.cumsum(0), sums);
    }
}

#[test]
fn digests_come_near() {
    let x = Rng::seed(3).uniform(0.0, 1.0, 20_000, 1_500).unwrap();
    let q = [0.001, 0.1, 0.5, 0.9, 0.999];
    let (about, exact) = (computed(&x.quantile_approx(q, 100)), computed(&x.quantile(q)));
    assert!(about.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 5e-3), "{about} {exact}");
    let odd = Array::from_ndarray(array![f64::NAN, f64::INFINITY, 1.0], 1).unwrap();
    check(&odd.quantile_approx(0.0, 10), arr0(1.0));
    assert!(computed(&Array::<f64>::zeros(0, 1).unwrap().quantile_approx([0.5, 1.0], 10)).iter().all(|x| x.is_nan()));
}

#[test]
fn what_is_wrong_is_said() {
    let x = Array::<f64>::ones([4, 5], 2).unwrap();
    let error = |array: Array<f64>| array.check().unwrap_err().to_string();
    assert_eq!(error(x.cumsum(2)), "cumsum: axis 2 is out of range for shape [4, 5]");
    assert_eq!(error(x.quantile_axis(0.5, -3)), "quantile: axis -3 is out of range for shape [4, 5]");
    assert_eq!(error(x.quantile([0.5, 1.5])), "quantile: 1.5 is not in the range 0 to 1");
    assert_eq!(error(x.percentile(101.0)), "percentile: 101 is not in the range 0 to 100");
    assert!(matches!(x.quantile(f64::NAN).check(), Err(Error::Argument { .. })));
    assert!(error(x.quantile_approx(0.5, 1)).contains("at least 10"));
}
