//! Sums, means, minima and maxima, over all axes and some.

use arras_array::{Array, Axes, Chunks, Rng};
use arras_core::{Collection, evaluate};
use arras_scheduler::Compute;
use ndarray::{Array1, ArrayD, Axis, IxDyn, arr0, array};
use proptest::prelude::*;

use super::oracle::{check, computed};

#[test]
fn types_of_sums_follow_numpy() {
    let bools = Array::from_ndarray(array![true, false, true, true], 3).unwrap();
    check(&bools.sum(), arr0(3i64));
    check(&bools.mean(), arr0(0.75));
    let bytes = Array::from_ndarray(array![200u8, 100, 50], 2).unwrap();
    check(&bytes.sum(), arr0(350u64));
    check(&bytes.max(), arr0(200u8));
    check(&bytes.mean(), arr0(350.0 / 3.0));
    let ints = Array::from_ndarray(array![i64::MAX, 1], 1).unwrap();
    check(&ints.sum(), arr0(i64::MIN));
    let singles = Array::from_ndarray(array![0.5f32, 0.25], 1).unwrap();
    check(&singles.sum(), arr0(0.75f32));
    check(&singles.mean(), arr0(0.375f32));
}

#[test]
fn nan_wins_every_minimum_and_maximum() {
    for at in 0..40 {
        let mut data = Array1::linspace(-1.0, 1.0, 40);
        data[at] = f64::NAN;
        let x = Array::from_ndarray(data, 7).unwrap();
        check(&x.min(), arr0(f64::NAN));
        check(&x.max(), arr0(f64::NAN));
        check(&x.sum(), arr0(f64::NAN));
    }
    let infinite = Array::from_ndarray(array![f64::INFINITY, f64::INFINITY], 1).unwrap();
    check(&infinite.min(), arr0(f64::INFINITY));
}

#[test]
fn of_nothing() {
    let empty = Array::from_ndarray(ndarray::Array2::<f64>::zeros((3, 0)), 2).unwrap();
    check(&empty.sum(), arr0(0.0));
    check(&empty.sum_axis(1), ndarray::Array1::zeros(3));
    check(&empty.mean(), arr0(f64::NAN));
    assert_eq!(
        evaluate(&empty.min()).unwrap_err().to_string(),
        "min of no elements: shape [3, 0] has length 0 where it is reduced, and min has no identity"
    );
    // Nothing is reduced where nothing is: the result is as empty.
    check(&empty.max_axis(0), ndarray::Array1::zeros(0));
}

#[test]
fn kept_axes_broadcast_back() {
    let data = ArrayD::from_shape_fn(IxDyn(&[4, 5, 6]), |i| (i[0] * 30 + i[1] * 6 + i[2]) as f64);
    let x = Array::from_ndarray(data.clone(), 3).unwrap();
    let kept = x.sum_axis(Axes::from([0, -1]).keepdims());
    assert_eq!(kept.shape(), [1, 5, 1]);
    check(&(&x - kept), &data - &data.sum_axis(Axis(2)).sum_axis(Axis(0)).insert_axis(Axis(0)).insert_axis(Axis(2)));
    check(&x.sum_axis(Axes::all().keepdims()), ArrayD::from_elem(IxDyn(&[1, 1, 1]), data.sum()));
}

#[test]
fn a_thousand_blocks_are_combined_in_a_tree() {
    let data = Array1::from_shape_fn(5_000, |i| i as i64);
    let x = Array::from_ndarray(data, 5).unwrap();
    check(&x.sum(), arr0(5_000 * 4_999 / 2));
    check(&x.max(), arr0(4_999));
    let m = Rng::seed(1).uniform(0.0, 1.0, [300, 40], [1, 7]).unwrap();
    let data = computed(&m);
    let sums = computed(&m.sum_axis(0));
    assert!(sums.iter().zip(&data.sum_axis(Axis(0))).all(|(a, b)| (a - b).abs() < 1e-10));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn over_any_axes_under_any_chunks(
        shape in prop::collection::vec(1usize..7, 1..4),
        chosen in prop::collection::vec(any::<bool>(), 4),
        chunk in 1usize..5,
        keepdims in any::<bool>(),
    ) {
        let n: usize = shape.iter().product();
        let data = ArrayD::from_shape_vec(IxDyn(&shape), (0..n as i64).map(|i| (i * 7919) % 101 - 50).collect()).unwrap();
        let axes: Vec<isize> = (0..shape.len()).filter(|&axis| chosen[axis]).map(|axis| axis as isize).collect();
        let (mut sum, mut min) = (data.clone(), data.clone());
        for &axis in axes.iter().rev() {
            let axis = Axis(axis as usize);
            sum = sum.sum_axis(axis);
            min = min.map_axis(axis, |lane| *lane.iter().min().unwrap());
            if keepdims {
                sum = sum.insert_axis(axis);
                min = min.insert_axis(axis);
            }
        }
        let axes = if keepdims { Axes::from(axes).keepdims() } else { Axes::from(axes) };
        for chunks in [Chunks::from(chunk), Chunks::one()] {
            let x = Array::from_ndarray(data.clone(), chunks).unwrap();
            prop_assert_eq!(computed(&x.sum_axis(axes.clone())), sum.clone());
            prop_assert_eq!(computed(&x.min_axis(axes.clone())), min.clone());
            prop_assert_eq!(computed(&(-&x).max_axis(axes.clone())), min.mapv(|x| -x));
        }
    }
}

#[test]
fn reductions_of_the_same_elements_share_one_pass_and_keep_their_bits() {
    let data = ndarray::Array2::from_shape_fn((9, 7), |(i, j)| ((i * 7 + j) as f64).sin());
    let x = Array::from_ndarray(data, [4, 3]).unwrap();
    let (mean, std) = (x.mean_axis(0), x.std_axis(0, 0));
    let both = (&x - &mean) / &std;
    let names: Vec<String> = both.graph().unwrap().layers().map(|layer| layer.name().to_string()).collect();
    assert_eq!(names.iter().filter(|name| name.contains("partial")).count(), 1, "{names:?}");
    // Alone each has a pass of its own; beside the other, whichever graph comes first.
    let alone = (mean.compute().unwrap(), std.compute().unwrap(), both.compute().unwrap());
    assert_eq!((mean.clone(), std.clone(), both.clone()).compute().unwrap(), alone);
    let (again, m, s) = (both, mean, std).compute().unwrap();
    assert_eq!((m, s, again), alone);
}
