//! Positions as one number and as one for each axis, against NumPy 2.4.6's answers.

use arras_array::{Array, Chunks, Complex64, Error, ravel_multi_index};
use arras_core::evaluate;
use ndarray::{Array2, array};

use super::oracle::{check, computed};

#[test]
fn positions_become_indices_and_indices_positions() {
    for chunks in [Chunks::one(), 2.into(), 1.into()] {
        let positions = Array::from_ndarray(array![[22i64, 41], [37, 0]], chunks.clone()).unwrap();
        // np.unravel_index([[22, 41], [37, 0]], (7, 3, 2))
        let indices = positions.unravel_index(&[7, 3, 2]).unwrap();
        check(&indices[0], array![[3i64, 6], [6, 0]]);
        check(&indices[1], array![[2i64, 2], [0, 0]]);
        check(&indices[2], array![[0i64, 1], [1, 0]]);
        let back = ravel_multi_index(&indices.iter().collect::<Vec<_>>(), &[7, 3, 2]);
        check(&back, computed(&positions));
        // Indices broadcast: np.ravel_multi_index(([[0], [1]], [0, 1, 2]), (2, 3))
        let row = Array::arange(0i64, 3, 1, chunks.clone()).unwrap();
        let column = Array::arange(0i64, 2, 1, 1).unwrap().reshape([2, 1]);
        check(&ravel_multi_index(&[&column, &row], &[2, 3]), Array2::from_shape_fn((2, 3), |(i, j)| (3 * i + j) as i64));
    }
    let none = Array::<i64>::zeros([0], 1).unwrap();
    check(&none.unravel_index(&[3, 0]).unwrap()[0], ndarray::arr1(&[]));
}

#[test]
fn what_is_beyond_the_shape_is_named() {
    let x = Array::from_ndarray(array![5i64, 6], 1).unwrap();
    let fails = |array: &Array<i64>, part: &str| {
        let error = evaluate(array).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    fails(&x.unravel_index(&[2, 3]).unwrap()[1], "index 6 is out of range");
    fails(&(-&x).unravel_index(&[2, 3]).unwrap()[0], "index -5 is out of range");
    fails(&ravel_multi_index(&[&x, &x], &[7, 6]), "index 6 is out of range");
    assert!(matches!(x.unravel_index(&[]), Err(Error::Argument { operation: "unravel_index", .. })));
    assert!(matches!(x.unravel_index(&[usize::MAX, 2]), Err(Error::TooLarge { .. })));
    assert!(matches!(x.unravel_index(&[1 << 40, 1 << 40]), Err(Error::TooLarge { .. })));
    assert!(matches!(ravel_multi_index(&[&x], &[2, 3]).check(), Err(Error::Argument { operation: "ravel_multi_index", .. })));
    let y = Array::<i64>::zeros([3], 1).unwrap();
    assert!(matches!(ravel_multi_index(&[&x, &y], &[9, 9]).check(), Err(Error::Broadcast { .. })));
}

#[test]
fn elements_with_an_imaginary_part_are_complex() {
    let z = Array::from_ndarray(array![Complex64::new(1.0, 0.0), Complex64::new(0.0, -2.0), Complex64::new(0.0, f64::NAN)], 2).unwrap();
    check(&z.iscomplex(), array![false, true, true]);
    check(&z.isreal(), array![true, false, false]);
    check(&z.real().isreal(), array![true, true, true]);
    check(&Array::<u8>::ones([2], 1).unwrap().iscomplex(), array![false, false]);
}
