//! What is wrong is said before anything runs, with the values.

use arras_array::{Array, Chunks, Error, Rng, s};
use arras_core::{Collection, evaluate};
use ndarray::Array2;

fn ones(shape: [usize; 2]) -> Array<f64> {
    Array::ones(shape, 2).unwrap()
}

#[test]
fn chunks_that_do_not_fit() {
    let cut = |chunks: Chunks| Array::from_ndarray(Array2::<f64>::zeros((7, 4)), chunks).unwrap_err().to_string();
    assert_eq!(cut(0.into()), "axis 0 is to be cut into chunks of size 0: a chunk has at least one element");
    assert_eq!(cut([3].into()), "chunks for 1 axes, but the shape [7, 4] has 2");
    assert_eq!(cut([vec![3, 3], vec![4]].into()), "chunks [3, 3] add up to 6, but axis 0 has length 7");
    assert!(cut([vec![usize::MAX, 8], vec![4]].into()).contains("add up to"));
    assert!(Rng::seed(0).uniform(0.0, 1.0, [1 << 40, 1 << 20], 10).unwrap_err().to_string().contains("use larger chunks"));
}

#[test]
fn arrays_that_nobody_can_count() {
    let huge = 1usize << 40;
    assert!(matches!(Array::<f64>::ones([huge, huge], huge), Err(Error::TooLarge { .. })));
    assert!(matches!(Rng::seed(0).uniform(0.0, 1.0, [1 << 30, 1 << 30, 1 << 30], 1 << 30), Err(Error::TooLarge { .. })));
    let (row, column) = (Array::<f64>::ones([1, huge], huge).unwrap(), Array::<f64>::ones([huge, 1], huge).unwrap());
    assert!(matches!((row + column).check(), Err(Error::TooLarge { .. })));
    assert_eq!(Array::<f64>::ones([huge, 0], huge).unwrap().size(), 0);
}

#[test]
fn shapes_that_do_not_broadcast_are_carried_to_the_first_question() {
    let sum = (ones([3, 4]) + ones([4, 3])).sqrt().sum_axis(0).lt(1.0);
    let message = "add: shapes [3, 4] and [4, 3] do not broadcast: axes, counted from the last, must be equal or 1";
    assert_eq!(sum.check().unwrap_err().to_string(), message);
    let error = evaluate(&sum).unwrap_err();
    assert_eq!(error.to_string(), message);
    assert!(matches!(error.find::<Error>(), Some(Error::Broadcast { operation: "add", .. })));
    assert!(sum.graph().is_err() && sum.keys().is_empty());
    assert_eq!(sum.to_string(), format!("array that cannot be computed: {message}"));
    assert_eq!(evaluate(&sum.cast::<f64>().sum().item()).unwrap_err().to_string(), message);
}

#[test]
fn axes_that_are_not_there() {
    let error = |array: Array<f64>| array.check().unwrap_err().to_string();
    assert_eq!(error(ones([10, 20]).sum_axis(3)), "sum: axis 3 is out of range for shape [10, 20]");
    assert_eq!(error(ones([10, 20]).mean_axis(-3)), "mean: axis -3 is out of range for shape [10, 20]");
    assert_eq!(error(ones([10, 20]).max_axis([1, -1])), "max: axis 1 is named twice in [1, -1]");
    assert_eq!(error(ones([1, 2]).transpose([0])), "transpose: [0] does not name every axis of shape [1, 2] once");
    assert_eq!(error(ones([1, 2]).transpose([0, 0])), "transpose: [0, 0] does not name every axis of shape [1, 2] once");
}

#[test]
fn indices_that_are_not_there() {
    let error = |array: Array<f64>| array.check().unwrap_err().to_string();
    assert_eq!(error(ones([3, 4]).slice(s![.., 4])), "slice: index 4 is out of range for axis 1 of length 4");
    assert_eq!(error(ones([3, 4]).slice(s![-4, ..])), "slice: index -4 is out of range for axis 0 of length 3");
    assert_eq!(error(ones([3, 4]).slice(s![0, 0, 0])), "slice: 3 indices for shape [3, 4]");
    let zero = ndarray::SliceInfoElem::Slice { start: 0, end: None, step: 0 };
    assert_eq!(error(ones([3, 4]).slice([zero])), "slice: the step on axis 0 is 0");
}

#[test]
fn one_element_of_many_and_negative_powers_of_integers() {
    let error = evaluate(&ones([3, 4]).item()).unwrap_err();
    assert_eq!(error.to_string(), "item: shape [3, 4] has 12 elements, not one");
    let ints = Array::from_ndarray(ndarray::array![1, 2], 1).unwrap();
    assert_eq!(ints.powi(-1).check().unwrap_err(), Error::NegativePower { dtype: arras_array::DType::I32, exponent: -1 });
}
