//! Histograms, covariances, averages, norms, moments, tests, and reductions of one's own.

use arras_array::{Array, Axes, Bins, Chunks, Closeness, Error, Histogram, Norm, Real, Rng, histogram2d, histogramdd, stats};
use arras_core::{Collection, Plan, evaluate};
use ndarray::{Array2, ArrayD, ArrayViewD, Axis, arr0, array};

use super::numpy::{Case, Recorded};
use super::oracle::{check, computed};

const EDGES: [f64; 4] = [-1.0, 0.0, 0.25, 2.0];

fn counted<T: Real>(case: &Case<'_>, histogram: &Histogram<T>) {
    case.check(0, &histogram.counts, 1e-12);
    case.check(1, &histogram.edges[0], 1e-14);
}

fn tested(case: &Case<'_>, test: &stats::TestResult) {
    case.check(0, &test.statistic, 1e-9);
    case.check(1, &test.pvalue, 1e-9);
}

fn real<T: arras_array::Real<Mean = f64>>(case: &Case<'_>, chunks: Chunks) {
    let x = case.input::<T>(0, chunks.clone());
    // Other inputs are cut otherwise.
    let other = || case.input::<f64>(1, 2);
    let axes = case.axes();
    match case.op() {
        "histogram" => counted(case, &x.histogram(6)),
        "histogram_range" => counted(case, &x.histogram(Bins::count(5).range(-1.0, 3.0))),
        "histogram_edges" => counted(case, &x.histogram(Bins::edges(EDGES))),
        "histogram_weighted" => counted(case, &x.histogram_weighted(6, &other())),
        "density" => case.check(0, &x.histogram(6).density(), 1e-13),
        "histogram2d" => case.check(0, &histogram2d(&x.cast(), &other(), [3.into(), 4.into()]).counts, 0.0),
        "density2d" => case.check(0, &histogramdd(&[&x.cast(), &other()], &[3.into(), 4.into()]).density(), 1e-13),
        "bincount" => case.check(0, &x.cast::<i32>().bincount(9), 0.0),
        "bincount_weighted" => case.check(0, &x.cast::<u8>().bincount_weighted(9, &other()), 1e-13),
        // Numbers at 1e9 were rounded to 1e-7, their NumPy answers are those of the numbers before.
        "cov" => case.check(0, &x.cov(case.int("ddof")), 1e-6),
        "corrcoef" => case.check(0, &x.corrcoef(), 1e-6),
        "average" => match case.axis() {
            Some(axis) => case.check(0, &x.average_axis(axis, &other()), 1e-13),
            None => case.check(0, &x.average(&other()), 1e-13),
        },
        "norm" => {
            let norm = match case.arg("order").as_str().unwrap() {
                "2" => Norm::Two,
                "1" => Norm::One,
                "inf" => Norm::Infinity,
                "-inf" => Norm::NegativeInfinity,
                "0" => Norm::Zero,
                "3" => Norm::Power(3),
                "-2" => Norm::Power(-2),
                other => panic!("{other}"),
            };
            case.check(0, &x.norm_axis(norm, axes), 1e-13);
        }
        "moment" => case.check(0, &x.moment_axis(case.int("order"), axes), 1e-6),
        "skew" => case.check(0, &stats::skew(&x, axes, case.arg("bias").as_bool().unwrap()), 1e-6),
        "kurtosis" => {
            let (fisher, bias) = (case.arg("fisher").as_bool().unwrap(), case.arg("bias").as_bool().unwrap());
            case.check(0, &stats::kurtosis(&x, axes, fisher, bias), 1e-6);
        }
        "ttest_1samp" => tested(case, &stats::ttest_1samp(&x, 0.25, case.axis().unwrap())),
        "ttest_rel" => tested(case, &stats::ttest_rel(&x.cast(), &other(), case.axis().unwrap())),
        "ttest_ind" => tested(case, &stats::ttest_ind(&x.cast(), &other(), case.axis().unwrap(), case.arg("equal_var").as_bool().unwrap())),
        "chisquare" => tested(case, &stats::chisquare(&x, None, 0, case.axis().unwrap())),
        "f_oneway" => tested(case, &stats::f_oneway(&[&x.cast(), &other(), &case.input(2, 3)], case.axis().unwrap())),
        "power_divergence" => {
            tested(case, &stats::power_divergence(&x, None, 0, case.axis().unwrap(), case.arg("lambda_").as_f64().unwrap()))
        }
        "skewtest" => tested(case, &stats::skewtest(&x, case.axis().unwrap())),
        "kurtosistest" => tested(case, &stats::kurtosistest(&x, case.axis().unwrap())),
        "normaltest" => tested(case, &stats::normaltest(&x, case.axis().unwrap())),
        other => panic!("{other}"),
    }
}

#[test]
fn measures_are_numpys_and_scipys() {
    let recorded = Recorded::read(include_str!("../fixtures/measures.json"));
    for case in recorded.cases() {
        for chunks in [Chunks::one(), 3.into(), 1.into()] {
            match case.dtype() {
                "float64" => real::<f64>(&case, chunks),
                "int32" => real::<i32>(&case, chunks),
                "int64" => real::<i64>(&case, chunks),
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_large_mean_does_not_harm_a_variance() {
    let small = Rng::seed(5).uniform(-0.5, 0.5, [2_000, 3], [130, 2]).unwrap();
    // Rounded at 1e9, then exact: distances are multiples of 2⁻²³.
    let data = computed(&small).mapv(|x| (x * 8_388_608.0).round() / 8_388_608.0);
    let near = Array::from_ndarray(data.clone(), [130, 2]).unwrap();
    let far = Array::from_ndarray(data + 1e9, [130, 2]).unwrap();
    for axes in [Axes::all(), 0.into(), 1.into()] {
        let (a, b) = (computed(&near.var_axis(axes.clone(), 1)), computed(&far.var_axis(axes, 1)));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-13 * a), "{a} {b}");
    }
    let (a, b) = (computed(&near.t().cov(1)), computed(&far.t().cov(1)));
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-13), "{a} {b}");
}

#[test]
fn closeness_is_that_of_numpy() {
    let x = array![1.0, f64::INFINITY, f64::NAN, 1e-9];
    let close = |a: &[f64], b: &[f64], equal_nan: bool| {
        let array = |x: &[f64]| Array::from_ndarray(ndarray::Array1::from(x.to_vec()), 2).unwrap();
        *computed(&array(a).allclose_with(&array(b), Closeness { equal_nan, ..Closeness::default() })).first().unwrap()
    };
    let x = x.as_slice().unwrap();
    assert!(!close(x, x, false) && close(x, x, true));
    assert!(close(&[1.0, 0.0], &[1.000001, 1e-9], false));
    assert!(
        !close(&[1.0], &[1.1], false) && !close(&[1.0], &[f64::INFINITY], false) && !close(&[f64::INFINITY], &[f64::NEG_INFINITY], false)
    );
}

#[test]
fn a_reduction_of_ones_own_is_portable_and_keeps_shapes() {
    let data = Array2::from_shape_fn((7, 5), |(i, j)| ((i * 31 + j * 17) % 13) as f64);
    let range = |axes: Axes, chunks: usize| {
        let x = Array::from_ndarray(data.clone(), chunks).unwrap();
        x.reduction(
            axes,
            |block: &ArrayViewD<'_, f64>, axes: &[usize]| -> Vec<f64> {
                let mut block = block.to_owned();
                axes.iter()
                    .rev()
                    .for_each(|&axis| block = block.map_axis(Axis(axis), |lane| lane.iter().copied().fold(f64::MIN, f64::max)));
                block.into_iter().collect()
            },
            |parts: &[&Vec<f64>]| {
                (0..parts[0].len()).map(|i| parts.iter().map(|part| part[i]).fold(f64::MIN, f64::max)).collect::<Vec<f64>>()
            },
            |part: &Vec<f64>| ArrayD::from_shape_vec(vec![part.len()], part.clone()).unwrap(),
        )
    };
    for chunks in [1, 2, 100] {
        check(&range(Axes::all(), chunks), arr0(12.0));
        check(&range(Axes::from(0).split_every(2), chunks), data.map_axis(Axis(0), |lane| lane.iter().copied().fold(f64::MIN, f64::max)));
        check(
            &range(Axes::from(1).keepdims(), chunks),
            data.map_axis(Axis(1), |lane| lane.iter().copied().fold(f64::MIN, f64::max)).insert_axis(Axis(1)),
        );
    }
    let array = range(0.into(), 2);
    let plan = Plan::new(&array.graph().unwrap(), &array.keys()).unwrap();
    plan.check_portable().unwrap();
    for id in 0..plan.len() as u32 {
        arras_core::Func::from_wire(&plan.func(id).to_wire().unwrap()).unwrap();
    }
}

#[test]
fn how_many_are_combined_changes_no_integer() {
    let x = Array::from_ndarray(ndarray::Array1::from_iter(0..1000i64), 3).unwrap();
    for n in [2, 3, 7, 1000] {
        check(&x.sum_axis(Axes::all().split_every(n)), arr0(499_500));
        check(&x.argmax_axis(Axes::all().split_every(n)), arr0(999));
        assert!((computed(&x.var_axis(Axes::all().split_every(n), 0)).first().unwrap() - 83_333.25).abs() < 1e-8);
    }
}

#[test]
fn what_is_wrong_is_said() {
    let x = Array::<f64>::ones([3, 4], 2).unwrap();
    let error = |array: Array<f64>| array.check().unwrap_err().to_string();
    let counts = |bins: Bins| x.histogram(bins).counts.check().unwrap_err().to_string();
    assert_eq!(counts(0.into()), "histogram: 0 bins: there must be one at least");
    assert!(counts(Bins::edges([1.0, 0.0])).contains("ascending order"));
    assert!(counts(Bins::count(3).range(f64::NAN, 1.0)).contains("no finite interval"));
    let nan = Array::from_ndarray(array![1.0, f64::NAN], 1).unwrap();
    assert!(evaluate(&nan.histogram(3).counts).unwrap_err().to_string().contains("give a range"));
    let ints = Array::from_ndarray(array![1, -1], 1).unwrap();
    assert!(evaluate(&ints.bincount(3)).unwrap_err().to_string().contains("-1 is not in the range"));
    assert!(x.split_every_error().contains("split_every is 1"));
    assert_eq!(error(x.average(&Array::ones([4], 2).unwrap())), "average: weights of shape [4] for shape [3, 4]");
    assert!(matches!(x.norm_axis(Norm::Power(0), 0).check(), Err(Error::Argument { .. })));
    assert!(error(Array::<f64>::ones([2, 2, 2], 1).unwrap().cov(1)).contains("variables are rows"));
    assert_eq!(error(x.moment(99)), "moment: order 99 of f64: orders to 32 of real numbers are known");
    assert_eq!(error(stats::skew(&x, 2, true)), "skew: axis 2 is out of range for shape [3, 4]");
    assert!(error(stats::ttest_rel(&x, &Array::ones([3, 3], 2).unwrap(), 0).pvalue).contains("differ"));
    assert!(error(stats::f_oneway(&[&x], 0).statistic).contains("two at least"));
    let few = x.reduction(
        0,
        |_: &ArrayViewD<'_, f64>, _: &[usize]| 1.0,
        |parts: &[&f64]| *parts[0],
        |&part: &f64| ArrayD::from_elem(vec![1], part),
    );
    assert!(evaluate(&few).unwrap_err().to_string().contains("where [2] is kept"));
}

trait SplitEvery {
    fn split_every_error(&self) -> String;
}

impl SplitEvery for Array<f64> {
    fn split_every_error(&self) -> String {
        self.sum_axis(Axes::all().split_every(1)).check().unwrap_err().to_string()
    }
}
