//! How arrays are cut, and what that costs.

use arras_array::{Array, Chunks, DType};
use arras_core::Collection;
use arras_scheduler::Compute;
use ndarray::{Array2, Array3};

#[test]
fn one_size_a_size_an_axis_and_every_chunk() {
    let data = || Array2::<f32>::zeros((7, 4));
    let chunks = |chunks: Chunks| Array::from_ndarray(data(), chunks).unwrap().chunks();
    assert_eq!(chunks(3.into()), [vec![3, 3, 1], vec![3, 1]]);
    assert_eq!(chunks((7, 1).into()), [vec![7], vec![1, 1, 1, 1]]);
    assert_eq!(chunks(vec![100, 2].into()), [vec![7], vec![2, 2]]);
    assert_eq!(chunks([vec![1, 6], vec![4]].into()), [vec![1, 6], vec![4]]);
}

#[test]
fn what_is_known_before_anything_runs() {
    let x = Array::from_ndarray(Array3::<i16>::zeros((4, 5, 6)), 2).unwrap();
    let y = (x.cast::<f64>() * 2.0).lt(1.0);
    assert_eq!((y.shape(), y.ndim(), y.size(), y.nbytes(), y.dtype()), (vec![4, 5, 6], 3, 120, 120, DType::Bool));
    assert_eq!((y.numblocks(), y.npartitions()), (vec![2, 3, 3], 18));
    assert_eq!(y.name().unwrap().operation(), "less");
}

#[test]
fn equal_expressions_have_equal_names_and_are_computed_once() {
    let x = Array::from_ndarray(Array2::<f64>::zeros((4, 4)), 2).unwrap();
    let mean = || (&x + 1.0).mean();
    assert_eq!(mean().name(), mean().name());
    assert_ne!(mean().name(), (&x + 2.0).mean().name());
    assert_ne!(x.sum_axis(0).name(), x.sum_axis(1).name());
    let one = mean().graph().unwrap().len();
    assert_eq!((mean(), mean()).graph().unwrap().len(), one);
    let other = Array::from_ndarray(Array2::<f64>::zeros((4, 4)), 2).unwrap();
    assert_ne!(x.name(), other.name());
}

#[test]
fn building_a_million_blocks_lowers_to_a_few_layers() {
    let x = Array::<f64>::ones(1_000_000, 1).unwrap();
    let total = (2.0 * (x + 1.0)).sum();
    let graph = total.graph().unwrap();
    assert!(graph.layers().len() <= 6);
    assert_eq!(total.compute().unwrap()[[]], 4_000_000.0);
}

#[test]
fn persisted_arrays_are_not_computed_again() {
    let x = (Array::<f64>::ones([10, 10], 4).unwrap() + 1.0).persist().unwrap();
    let (sum, report) = x.sum().compute_with_report(&arras_scheduler::Synchronous).unwrap();
    assert_eq!(sum[[]], 200.0);
    assert_eq!(report.tasks, 9 + 1);
}
