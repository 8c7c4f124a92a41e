//! One helper runs every case: reference, synchronous and threads, fused and unfused, and compares values, shape and type.

use arras_array::{Array, Element};
use arras_core::{Collection, evaluate};
use arras_scheduler::{Compute, Synchronous, Threads};
use ndarray::ArrayD;

#[allow(clippy::eq_op)]
/// Whether two elements are the same, NaN to NaN.
fn same<T: Element>(a: T, b: T) -> bool {
    a == b || (a != a && b != b)
}

/// Computes an array in every way. Checks that all give the same bits, of the declared shape, and returns them.
pub(super) fn computed<T: Element>(array: &Array<T>) -> ArrayD<T> {
    let result = evaluate(array).unwrap();
    let agree = |other: ArrayD<T>, how: &str| {
        assert_eq!(other.shape(), result.shape(), "{how}");
        assert!(other.iter().zip(&result).all(|(&a, &b)| same(a, b)), "{how}: {other} instead of {result}");
    };
    assert_eq!(result.shape(), array.shape(), "declared shape");
    agree(array.compute_with(&Synchronous).unwrap(), "synchronous");
    agree(array.compute_with(&Threads::new(3)).unwrap(), "threads");
    agree(array.unfused().compute_with(&Threads::new(2)).unwrap(), "unfused");
    // Every block has the shape that the chunks declare.
    let (chunks, values) = (array.chunks(), arras_core::get_values(&array.graph().unwrap(), &array.keys()).unwrap());
    assert_eq!(values.len(), array.npartitions());
    for (key, value) in array.keys().iter().zip(&values) {
        let block = value.get::<arras_array::Block>().unwrap();
        let declared: Vec<usize> = key.index().iter().zip(&chunks).map(|(&i, chunks)| chunks[i as usize]).collect();
        assert_eq!(block.shape(), declared);
        assert_eq!(block.dtype(), array.dtype());
    }
    result
}

/// Checks an array against what it should be.
pub(super) fn check<T: Element, D: ndarray::Dimension>(array: &Array<T>, expected: ndarray::Array<T, D>) {
    let (result, expected) = (computed(array), expected.into_dyn());
    assert_eq!(result.shape(), expected.shape());
    assert!(result.iter().zip(&expected).all(|(&a, &b)| same(a, b)), "{result} instead of {expected}");
}
