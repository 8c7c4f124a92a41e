//! Arrays of any rank meet as NumPy's do.

use arras_array::{Array, Rng};
use ndarray::{Array1, Array2, Array3, ArrayD, IxDyn, arr0};
use proptest::prelude::*;

use super::oracle::{check, computed};

fn count(shape: &[usize]) -> ArrayD<f64> {
    let n = shape.iter().product();
    ArrayD::from_shape_vec(IxDyn(shape), (0..n).map(|i| i as f64).collect()).unwrap()
}

#[test]
fn rows_columns_and_scalars() {
    let (m, row, column) = (count(&[4, 5]), count(&[5]), count(&[4, 1]));
    let array = |data: &ArrayD<f64>, chunks: usize| Array::from_ndarray(data.clone(), chunks).unwrap();
    check(&(array(&m, 2) + array(&row, 3)), &m + &row);
    check(&(array(&row, 2) - array(&m, 3)), &row - &m);
    check(&(array(&column, 3) * array(&row, 2)), &column * &row);
    check(&(array(&m, 3) + Array::from_ndarray(arr0(7.0), 1).unwrap()), &m + 7.0);
}

#[test]
fn an_operation_on_the_smaller_operand_is_done_once_not_for_every_row() {
    let (m, row) = (Array3::from_elem((2, 3, 4), 1.0), Array1::from(vec![1.0, 4.0, 9.0, 16.0]));
    let sum = Array::from_ndarray(m.clone(), 2).unwrap() + Array::from_ndarray(row.clone(), 3).unwrap().sqrt();
    check(&sum, m + row.mapv(f64::sqrt));
}

#[test]
fn standardise_columns() {
    let x = Rng::seed(3).uniform(0.0, 10.0, [50, 7], [8, 3]).unwrap();
    let centred = &x - x.mean_axis(0);
    let means = computed(&centred.mean_axis(0));
    assert!(means.iter().all(|mean| mean.abs() < 1e-12));
    let data = computed(&x).into_dimensionality::<ndarray::Ix2>().unwrap();
    let expected: Array2<f64> = &data - &data.mean_axis(ndarray::Axis(0)).unwrap();
    assert!(computed(&centred).iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn different_chunks_meet_at_every_cut() {
    let data = count(&[10]);
    let x = Array::from_ndarray(data.clone(), [vec![3, 7]]).unwrap();
    let y = Array::from_ndarray(data.clone(), [vec![5, 5]]).unwrap();
    let sum = &x + &y;
    assert_eq!(sum.chunks(), [vec![3, 2, 5]]);
    check(&sum, &data + &data);
    let m = count(&[6, 6]);
    let m_array = Array::from_ndarray(m.clone(), [4, 2]).unwrap();
    check(&(&m_array + m_array.t()), &m + &m.t());
    check(&(&m_array + m_array.t()).mean(), arr0((&m + &m.t()).mean().unwrap()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_shapes_that_broadcast(
        shape in prop::collection::vec(0usize..5, 0..4),
        ones in prop::collection::vec(any::<bool>(), 4),
        drop_left in 0usize..4,
        a in 1usize..4,
        b in 1usize..4,
    ) {
        let left = count(&shape);
        let drop_left = drop_left.min(shape.len());
        let right_shape: Vec<usize> = shape[drop_left..].iter().zip(&ones).map(|(&n, &one)| if one { 1 } else { n }).collect();
        let right = count(&right_shape);
        let sum = Array::from_ndarray(left.clone(), a).unwrap() + Array::from_ndarray(right.clone(), b).unwrap();
        prop_assert_eq!(computed(&sum), &left + &right);
        let swapped = Array::from_ndarray(right.clone(), b).unwrap() - Array::from_ndarray(left.clone(), a).unwrap();
        prop_assert_eq!(computed(&swapped), &right - &left);
    }
}
