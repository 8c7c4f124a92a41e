//! Slices and transposes of arrays are slices and transposes of their results, and compute no more than they show.

use arras_array::{Array, Rng, s};
use arras_scheduler::{Compute, Synchronous};
use ndarray::{ArrayD, Dimension, IxDyn, SliceInfo, SliceInfoElem, array};
use proptest::prelude::*;

use super::oracle::{check, computed};

#[test]
fn ranges_are_clipped_as_numpys_are() {
    let x = Array::from_ndarray(array![0, 1, 2, 3, 4, 5, 6], 3).unwrap();
    check(&x.slice(s![2..100]), array![2, 3, 4, 5, 6]);
    check(&x.slice(s![-100..2]), array![0, 1]);
    check(&x.slice(s![-3..-1]), array![4, 5]);
    check(&x.slice([SliceInfoElem::Slice { start: 5, end: Some(2), step: 1 }]), ndarray::Array1::<i32>::zeros(0));
    check(&x.slice(s![..;-2]), array![6, 4, 2, 0]);
    check(&x.slice(s![1..6;3]), array![1, 4]);
    check(&x.slice(s![-1]), ndarray::arr0(6));
    assert_eq!(x.slice(s![1..]).chunks(), [vec![2, 3, 1]]);
}

#[test]
fn new_axes_and_fewer_indices_than_axes() {
    let data = ArrayD::from_shape_fn(IxDyn(&[3, 4]), |i| i[0] * 4 + i[1]).mapv(|x| x as i64);
    let x = Array::from_ndarray(data.clone(), 2).unwrap();
    check(&x.slice(s![ndarray::NewAxis, 1..]), data.slice(s![ndarray::NewAxis, 1.., ..]).to_owned());
    check(&x.slice(s![2]), data.slice(s![2, ..]).to_owned());
    check(&(&x + x.slice(s![.., 0, ndarray::NewAxis])), &data + &data.slice(s![.., 0..1]));
}

#[test]
fn only_the_blocks_that_are_shown_are_computed() {
    let x = Rng::seed(5).uniform(0.0, 1.0, 1_000_000_000_000u64 as usize, 1_000_000).unwrap();
    let few = (2.0 * &x + 1.0).slice(s![123_456_789_000_isize..123_456_789_005]);
    let (values, report) = few.compute_with_report(&Synchronous).unwrap();
    assert_eq!((values.len(), report.tasks), (5, 1));
    assert_eq!(report.peak_live_nbytes, 40);
}

#[test]
fn a_block_within_a_block_is_a_view() {
    let x = Array::from_ndarray(ndarray::Array1::<u8>::zeros(1_000_000), 500_000).unwrap();
    let part = x.slice(s![10..400_000]);
    let (_, report) = part.compute_with_report(&Synchronous).unwrap();
    assert_eq!(report.tasks, 1);
}

#[test]
fn transposes_of_any_axes() {
    let data = ArrayD::from_shape_fn(IxDyn(&[2, 3, 4]), |i| (i[0] * 100 + i[1] * 10 + i[2]) as f64);
    let x = Array::from_ndarray(data.clone(), 2).unwrap();
    check(&x.t(), data.t().to_owned());
    check(&x.transpose([1, -1, 0]), data.view().permuted_axes(IxDyn(&[1, 2, 0])).to_owned());
    check(&(x.t().t() + &x), &data * 2.0);
    let row = Array::from_ndarray(array![1.0, 2.0, 3.0, 4.0], 3).unwrap();
    check(&(&x + &row).t(), (&data + &array![1.0, 2.0, 3.0, 4.0]).t().to_owned());
    let random = Rng::seed(1).uniform(0.0, 1.0, [5, 6], [2, 4]).unwrap();
    check(&(2.0 * random.t()), 2.0 * &computed(&random).t());
}

#[test]
fn new_chunks_hold_the_same_elements() {
    let data = ArrayD::from_shape_fn(IxDyn(&[7, 9]), |i| (i[0] * 9 + i[1]) as u16);
    let x = Array::from_ndarray(data.clone(), [3, 4]).unwrap();
    for chunks in [[7, 9], [1, 1], [2, 5], [7, 1]] {
        let y = x.rechunk(chunks);
        check(&y, data.clone());
        check(&y.rechunk([3, 4]), data.clone());
        check(&y.sum_axis(0), data.mapv(u64::from).sum_axis(ndarray::Axis(0)));
    }
}

fn range(length: usize) -> impl Strategy<Value = SliceInfoElem> {
    let n = length as isize;
    prop_oneof![
        4 => (-n - 2..n + 3, prop::option::of(-n - 2..n + 3), prop_oneof![1isize..4, -3isize..0])
            .prop_map(|(start, end, step)| SliceInfoElem::Slice { start, end, step }),
        1 => (-n..n).prop_map(SliceInfoElem::Index),
    ]
}

/// ndarray refuses ranges beyond the axis; NumPy and we clip them.
fn clipped(info: &[SliceInfoElem], shape: &[usize]) -> Vec<SliceInfoElem> {
    let mut axis = 0;
    info.iter()
        .map(|elem| {
            let SliceInfoElem::Slice { start, end, step } = *elem else {
                axis += usize::from(matches!(elem, SliceInfoElem::Index(_)));
                return *elem;
            };
            let n = shape[axis] as isize;
            axis += 1;
            let clip = |i: isize| if i < 0 { (i + n).max(0) } else { i.min(n) };
            let (start, end) = (clip(start), end.map_or(n, clip));
            SliceInfoElem::Slice { start: start.min(end), end: Some(end), step }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn slices_of_expressions_are_slices_of_results(
        (shape, info) in prop::collection::vec(1usize..9, 1..4).prop_flat_map(|shape| {
            let info: Vec<_> = shape.iter().map(|&n| (prop::bool::weighted(0.2), range(n))).collect();
            (Just(shape), info)
        }),
        chunk in 1usize..5,
    ) {
        // New axes stand before some of the others.
        let info: Vec<SliceInfoElem> =
            info.into_iter().flat_map(|(new, elem)| new.then_some(SliceInfoElem::NewAxis).into_iter().chain([elem])).collect();
        let used = info.iter().filter(|elem| !matches!(elem, SliceInfoElem::NewAxis)).count();
        let whole = SliceInfoElem::Slice { start: 0, end: None, step: 1 };
        let all: Vec<_> = info.iter().copied().chain(std::iter::repeat_n(whole, shape.len() - used)).collect();
        let data = ArrayD::from_shape_fn(IxDyn(&shape), |i| i.as_array_view().iter().fold(1.0, |n, &i| n * 10.0 + i as f64));
        let row = ArrayD::from_shape_fn(IxDyn(&shape[shape.len() - 1..]), |i| i[0] as f64);
        let x = Array::from_ndarray(data.clone(), chunk).unwrap() * 2.0 + Array::from_ndarray(row.clone(), chunk + 1).unwrap();
        let expected = &data * 2.0 + &row;
        let info_dyn: SliceInfo<_, IxDyn, IxDyn> = SliceInfo::try_from(clipped(&all, &shape)).unwrap();
        prop_assert_eq!(computed(&x.slice(&info)), expected.slice(info_dyn).to_owned());
        let random = Rng::seed(9).uniform(0.0, 1.0, IxDyn(&shape), chunk).unwrap();
        let info_dyn: SliceInfo<_, IxDyn, IxDyn> = SliceInfo::try_from(clipped(&all, &shape)).unwrap();
        prop_assert_eq!(computed(&random.slice(&info)), computed(&random).slice(info_dyn).to_owned());
    }
}
