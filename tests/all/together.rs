//! Collections of different crates in one run, and inside each other.

use arras::prelude::*;

#[test]
fn a_tuple_of_collections_is_computed_in_one_run() {
    let x = Array::from_ndarray(ndarray::Array1::<f64>::linspace(0.0, 1.0, 1_001), 100).unwrap();
    let words = Bag::from_sequence(["a b", "b c"], 2).flat_map(|line: &&str| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
    let ((mean, count, sum), report) =
        (x.mean().item(), words.count(), delayed(|a: i64, b: i64| a + b, (2, 3))).compute_with_report(&Threads::new(2)).unwrap();
    assert!((mean - 0.5).abs() < 1e-12);
    assert_eq!((count, sum), (4, 5));
    assert!(report.tasks > 10);
}

#[test]
fn every_scheduler_gives_the_same_bits() {
    let x = Rng::seed(11).uniform(-1.0, 1.0, [300, 200], [70, 33]).unwrap();
    let y = (&x - x.mean_axis(0)) / (1.0 + x.square().sum_axis(arras::array::Axes::from(1).keepdims()).sqrt());
    let both = (y.sum(), y.max_axis(0));
    let bits =
        |(sum, max): (ndarray::ArrayD<f64>, ndarray::ArrayD<f64>)| -> Vec<u64> { sum.iter().chain(&max).map(|x| x.to_bits()).collect() };
    let expected = bits(both.compute_with(&Synchronous).unwrap());
    for n in [1, 2, 3, 5] {
        assert_eq!(bits(both.compute_with(&Threads::new(n)).unwrap()), expected, "{n} threads");
    }
}

#[test]
fn collections_inside_parallel_calls_inside_tasks() {
    let sums = Parallel::new()
        .n_jobs(2)
        .map(1..=4u64, |k| {
            let inner = Parallel::new()
                .n_jobs(2)
                .map(0..3u64, move |i| Bag::from_sequence(0..=i, 2).map(move |x: &u64| x * k).sum().compute().unwrap());
            inner.unwrap().iter().sum::<u64>()
        })
        .unwrap();
    assert_eq!(sums, [4, 8, 12, 16]);
}

#[test]
fn an_array_error_keeps_its_type_on_the_way_through_a_tuple() {
    let bad = Array::<f64>::ones([3], 2).unwrap() + Array::<f64>::ones([4], 2).unwrap();
    let error = (delayed(|| 1, ()), bad.sum()).compute().unwrap_err();
    assert!(matches!(error.find::<arras::array::Error>(), Some(arras::array::Error::Broadcast { .. })));
}
