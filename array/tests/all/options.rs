//! NumPy's options of gradients, covariances, averages, paddings and ranges; whether arrays are equal; blocks as delayed values.

use arras_array::{Array, Chunks, Closeness, Complex64, Covariance, Float, Norm, Pad, PadStatistic, Real};
use arras_core::evaluate;
use ndarray::{Array1, Array2, arr0, array};

use super::numpy::{Case, Recorded};
use super::oracle::{check, computed};

fn options(case: &Case<'_>, chunks: &Chunks) -> Covariance {
    let mut options = Covariance::default();
    if case.arg("columns").as_bool() == Some(true) {
        options = options.columns();
    }
    if !case.arg("ddof").is_null() {
        options = options.ddof(case.int("ddof"));
    }
    if !case.arg("other").is_null() {
        options = options.with(&case.input::<f64>(case.int("other"), chunks.clone()));
    }
    if !case.arg("fweights").is_null() {
        options = options.fweights(&case.input(case.int("fweights"), 4));
    }
    if !case.arg("aweights").is_null() {
        options = options.aweights(&case.input(case.int("aweights"), 5));
    }
    options
}

fn real<T: Real>(case: &Case<'_>, chunks: &Chunks, tolerance: f64)
where
    T::Mean: Float,
{
    let x = case.input::<T>(0, chunks.clone());
    let quantiles = [0.1, 0.5];
    match case.op() {
        "gradient" => case.check(0, &x.gradient_with(0.5, case.axis().unwrap(), case.int("order")), tolerance),
        "gradient_at" => {
            let places = case.input::<f64>(1, 4);
            case.check(0, &x.gradient_with(&places, case.axis().unwrap(), case.int("order")), tolerance);
        }
        "cov" if case.n_inputs() == 1 && case.arg("columns").is_null() => {
            let ddof = if case.arg("ddof").is_null() { 1 } else { case.int("ddof") };
            case.check(0, &x.cov(ddof), 1e-12);
            case.check(0, &x.cov_with(&options(case, chunks)), 1e-12);
        }
        "corrcoef" if case.n_inputs() == 1 && case.arg("columns").is_null() => {
            case.check(0, &x.corrcoef(), 1e-12);
            case.check(0, &x.corrcoef_with(&options(case, chunks)), 1e-12);
        }
        "cov" => case.check(0, &x.cov_with(&options(case, chunks)), 1e-12),
        "corrcoef" => case.check(0, &x.corrcoef_with(&options(case, chunks)), 1e-12),
        "average" => {
            let (average, sum) = x.average_returned(case.axis(), &case.input(1, 4));
            case.check(0, &average, tolerance);
            case.check(1, &sum, tolerance);
        }
        "pad_median" => case.check(0, &x.pad_with([(2, 1), (0, 3)], PadStatistic::Median), tolerance),
        "median" => case.check(0, &x.median_axis(case.axes()), tolerance),
        "nanmedian" => case.check(0, &x.nanmedian_axis(case.axes()), tolerance),
        "norm_inf" => case.check(0, &x.norm_axis(Norm::Infinity, case.axes()), tolerance),
        "nanquantile" => case.check(0, &x.nanquantile(quantiles), tolerance),
        "nanpercentile" => case.check(0, &x.nanpercentile([10.0, 50.0]), tolerance),
        "nanquantile_axis" => case.check(0, &x.nanquantile_axis(quantiles, 0), tolerance),
        "linspace" => {
            let number = |name: &str| case.arg(name).as_f64().unwrap();
            let endpoint = case.arg("endpoint").as_bool().unwrap();
            let (found, step) = Array::<f64>::linspace_with(number("start"), number("stop"), case.int("n"), endpoint, 2).unwrap();
            case.check(0, &found, tolerance);
            case.check(1, &Array::full((), step, 1).unwrap(), tolerance);
        }
        other => panic!("{other} is not tested"),
    }
}

#[test]
fn options_are_numpys() {
    let recorded = Recorded::read(include_str!("../fixtures/options.json"));
    for case in recorded.cases() {
        for chunks in [Chunks::one(), 4.into(), 2.into(), 1.into()] {
            match case.dtype() {
                "float64" => real::<f64>(&case, &chunks, 1e-12),
                "float32" => real::<f32>(&case, &chunks, 1e-5),
                "int32" => real::<i32>(&case, &chunks, 1e-12),
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_gradient_keeps_the_chunks() {
    let x = Array::<f64>::ones([9, 4], [4, 3]).unwrap();
    assert_eq!(x.gradient_with(1.0, 0, 2).chunks(), x.chunks());
    assert_eq!(x.gradient_with(1.0, -1, 1).chunks(), x.chunks());
    let why = |array: Array<f64>| array.check().unwrap_err().to_string();
    assert_eq!(why(x.gradient_with(1.0, 0, 3)), "gradient: edge_order 3 is neither 1 nor 2");
    assert_eq!(why(x.gradient_with(1.0, 2, 1)), "gradient: axis 2 is out of range for shape [9, 4]");
    assert_eq!(why(x.gradient_with(&Array::ones([4], 2).unwrap(), 0, 1)), "gradient: places of shape [4] for an axis of 9 elements");
    assert!(why(Array::<f64>::ones([2], 2).unwrap().gradient_with(1.0, 0, 2)).contains("has no more than 2 elements"));
}

#[test]
fn options_of_covariances_must_fit() {
    let x = Array::<f64>::ones([3, 4], 2).unwrap();
    let why = |options: Covariance| x.cov_with(&options).check().unwrap_err().to_string();
    let ones = Array::<f64>::ones([3], 2).unwrap();
    assert_eq!(why(Covariance::default().aweights(&ones)), "cov: aweights of shape [3] for 4 observations");
    assert_eq!(why(Covariance::default().fweights(&x.cast())), "cov: fweights of shape [3, 4] for 4 observations");
    assert_eq!(why(Covariance::default().with(&ones)), "cov: 4 observations of some variables, 3 of others");
    assert!(Array::<f64>::ones([1, 2, 3], 2).unwrap().corrcoef_with(&Covariance::default()).check().is_err());
}

#[test]
fn equality_is_of_shapes_too_equivalence_of_what_they_broadcast_to() {
    let data = array![[1.0, f64::NAN], [3.0, 4.0]];
    for chunks in [Chunks::one(), 1.into()] {
        let (x, y) = (Array::from_ndarray(data.clone(), chunks).unwrap(), Array::from_ndarray(data.clone(), 2).unwrap());
        check(&x.array_equal(&y, true), arr0(true));
        check(&x.array_equal(&y, false), arr0(false));
        check(&x.array_equal(&(&y + 1.0), true), arr0(false));
        check(&x.array_equal(&y.ravel(), true), arr0(false));
        let (i, j) = (x.cast::<i64>(), y.slice(arras_array::s![1..]).cast::<i64>());
        check(&j.array_equiv(&y.slice(arras_array::s![1]).cast()), arr0(true));
        check(&i.array_equiv(&j), arr0(false));
        check(&i.array_equiv(&Array::ones([3], 1).unwrap()), arr0(false));
    }
    let none = Array::<f64>::zeros([0, 2], 1).unwrap();
    check(&none.array_equal(&none, false), arr0(true));
    check(&none.array_equal(&none.t(), false), arr0(false));
    let wrong = &none + &Array::zeros([3], 1).unwrap();
    assert!(wrong.array_equal(&none, true).check().is_err() && wrong.array_equiv(&none).check().is_err());
    // Closeness is known of complex numbers, and in the type of the elements.
    let z = Array::from_ndarray(array![Complex64::new(1.0, 2.0)], 1).unwrap();
    check(&z.allclose(&z), arr0(true));
    check(&z.allclose_with(&(&z + Complex64::new(0.0, 0.1)), Closeness { atol: 0.2, ..Closeness::default() }), arr0(true));
    check(&z.allclose(&(&z + Complex64::new(0.0, 0.1))), arr0(false));
    let i = Array::from_ndarray(array![i64::MAX], 1).unwrap();
    check(&i.allclose(&(&i - 1)), arr0(true));
}

#[test]
fn blocks_are_delayed_in_their_grid() {
    let x = Array::from_ndarray(Array2::from_shape_fn((5, 4), |(i, j)| (i * 4 + j) as f64), [2, 3]).unwrap();
    let blocks = (&x + 1.0).to_delayed().unwrap();
    assert_eq!(blocks.shape(), [3, 2]);
    let last = evaluate(&blocks[[2, 1]]).unwrap();
    assert_eq!(last, array![[20.0]].into_dyn().into());
    let zero = Array::full((), 3, 1).unwrap().to_delayed().unwrap();
    assert_eq!(evaluate(zero.first().unwrap()).unwrap().shape(), &[] as &[usize]);
    assert!((&x + &Array::ones([7], 2).unwrap()).to_delayed().is_err());
}

#[test]
fn an_empty_margin_is_zeros() {
    let x = Array::from_ndarray(array![1, 2], 1).unwrap();
    check(&x.pad([(1, 2)], Pad::Empty), array![0, 1, 2, 0, 0]);
    check(&Array::<f64>::zeros([0], 1).unwrap().pad([(1, 0)], Pad::Empty), Array1::zeros(1));
    assert_eq!(computed(&x.pad_with([(0, 1)], PadStatistic::Median)), array![1, 2, 2].into_dyn());
}
