//! Matrix products, tensor products and Einstein's notation.

use arras_array::{Array, Chunks, Complex64, Error, Number, Rng, einsum};
use arras_core::Collection;
use ndarray::{Array2, ArrayD, IxDyn, array};

use super::numpy::{Case, Recorded};
use super::oracle::{check, computed};

fn list(value: &serde_json::Value) -> Vec<isize> {
    value.as_array().unwrap().iter().map(|axis| axis.as_i64().unwrap() as isize).collect()
}

fn product<T: Number>(case: &Case<'_>, chunks: [&Chunks; 2], tolerance: f64) {
    // Inputs are cut in different ways.
    let inputs: Vec<Array<T>> = (0..case.n_inputs()).map(|i| case.input(i, chunks[i % 2].clone())).collect();
    let x = &inputs[0];
    let result = match case.op() {
        "matmul" => x.matmul(&inputs[1]),
        "dot" => x.dot(&inputs[1]),
        "vdot" => x.vdot(&inputs[1]),
        "outer" => x.outer(&inputs[1]),
        "tensordot" => x.tensordot(&inputs[1], list(case.arg("left")), list(case.arg("right"))),
        "einsum" => einsum(case.arg("notation").as_str().unwrap(), &inputs.iter().collect::<Vec<_>>()),
        other => panic!("{other} is not tested"),
    };
    case.check(0, &result, tolerance);
}

#[test]
fn products_are_numpys() {
    let recorded = Recorded::read(include_str!("../fixtures/linear.json"));
    let mut n = 0;
    for case in recorded.cases() {
        for chunks in [[Chunks::one(), Chunks::one()], [3.into(), 2.into()], [1.into(), Chunks::one()]] {
            let chunks = [&chunks[0], &chunks[1]];
            match case.dtype() {
                "float64" => product::<f64>(&case, chunks, 1e-12),
                "float32" => product::<f32>(&case, chunks, 1e-5),
                "int32" => product::<i32>(&case, chunks, 0.0),
                "uint8" => product::<u8>(&case, chunks, 0.0),
                "complex128" => product::<Complex64>(&case, chunks, 1e-12),
                other => panic!("{other}"),
            }
        }
        n += 1;
    }
    assert!(n > 200, "{n}");
}

#[test]
fn many_blocks_along_the_summed_axis_are_added_in_a_tree() {
    let n = 700;
    let x: Array2<i64> = Array2::from_shape_fn((3, n), |(i, j)| (i * 31 + j * 7) as i64 % 11 - 5);
    let a = Array::from_ndarray(x.clone(), [2, 2]).unwrap();
    let product = a.matmul(&a.t());
    // 350 blocks in groups of 16 are 22, in rounds of 16 then 1.
    assert!(product.graph().unwrap().layers().count() >= 4);
    check(&product, x.dot(&x.t()));
    let floats = Rng::seed(3).uniform(-1.0, 1.0, [5, n], [2, 3]).unwrap();
    let whole = computed(&floats).into_dimensionality::<ndarray::Ix2>().unwrap();
    let found = computed(&floats.matmul(&floats.t()));
    assert!(found.iter().zip(&whole.dot(&whole.t())).all(|(a, b)| (a - b).abs() < 1e-11));
}

#[test]
fn larger_blocks_are_multiplied_alike_whatever_their_layout() {
    let x = Rng::seed(5).uniform(-1.0, 1.0, [70, 90], [40, 33]).unwrap();
    let shifted = &x + 1.0;
    let whole = computed(&shifted).into_dimensionality::<ndarray::Ix2>().unwrap();
    let expected = whole.t().dot(&whole);
    let found = computed(&shifted.t().matmul(&shifted));
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-11 * b.abs().max(1.0)));
    let row = shifted.slice(arras_array::s![3, ..]);
    let found = computed(&shifted.matmul(&row));
    let expected = whole.dot(&whole.row(3));
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-11 * b.abs().max(1.0)));
    let found = computed(&row.matmul(&shifted.t()));
    assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-11 * b.abs().max(1.0)));
}

#[test]
fn integers_wrap_and_nothing_is_zero() {
    let x = Array::from_ndarray(array![[200u8, 100], [3, 4]], 1).unwrap();
    check(&x.matmul(&x), array![[108u8, 176], [100, 60]]);
    let none = Array::<f64>::zeros([0, 3], 2).unwrap();
    check(&none.matmul(&Array::ones([3, 2], 2).unwrap()), ArrayD::zeros(IxDyn(&[0, 2])));
    check(&none.t().matmul(&none), ArrayD::zeros(IxDyn(&[3, 3])));
    check(&none.t().vdot(&none), ndarray::arr0(0.0));
    check(&Array::full([2], 3i64, 1).unwrap().dot(&Array::full((), 2i64, 1).unwrap()), array![6i64, 6]);
    let nan = Array::from_ndarray(array![[f64::NAN, 1.0], [0.0, 1.0]], 1).unwrap();
    check(&nan.matmul(&nan), array![[f64::NAN, f64::NAN], [f64::NAN, 1.0]]);
}

#[test]
fn shapes_that_do_not_fit_are_named() {
    let x = Array::<f64>::ones([2, 3], 2).unwrap();
    let scalar = Array::<f64>::ones((), 1).unwrap();
    let why = |array: Array<f64>, part: &str| match array.check() {
        Err(error @ Error::Argument { .. }) => assert!(error.to_string().contains(part), "{error}"),
        other => panic!("{other:?} where {part}"),
    };
    why(x.matmul(&x), "matmul: shapes [2, 3] and [2, 3]: axis 1 of the left has length 3, axis 0 of the right 2");
    why(x.matmul(&scalar), "scalar");
    why(x.dot(&x), "dot: shapes");
    why(x.vdot(&Array::ones(5, 2).unwrap()), "6 and 5 elements");
    why(x.tensordot(&x, [0], [1]), "tensordot: shapes");
    why(x.tensordot(&x, [0], [0, 1]), "one of each side");
    assert!(matches!(x.tensordot(&x, [2], [0]).check(), Err(Error::Axis { operation: "tensordot", axis: 2, .. })));
    assert!(matches!(x.tensordot(&x, [0, -2], [0, 1]).check(), Err(Error::AxisTwice { operation: "tensordot", axis: 0, .. })));
    let (many, few) = (Array::<f64>::ones([2, 2, 3], 2).unwrap(), Array::<f64>::ones([3, 3, 2], 2).unwrap());
    assert!(matches!(many.matmul(&few).check(), Err(Error::Broadcast { operation: "matmul", .. })));
    for (notation, arrays, part) in [
        ("ij,jk", vec![&x], "letters for 2 arrays"),
        ("ijk", vec![&x], "3 letters for array 0"),
        ("i", vec![&x], "1 letters for array 0"),
        ("i1", vec![&x], "no letter"),
        ("ij->k", vec![&x], "in no array"),
        ("ij->ii", vec![&x], "twice in the result"),
        ("ii", vec![&x], "not one length"),
        ("ij,jk", vec![&x, &x], "lengths"),
        ("...j->j", vec![&x], "not in the result"),
    ] {
        why(einsum(notation, &arrays), part);
    }
}

#[test]
fn a_product_is_one_node_whatever_its_name() {
    let (x, y) = (Array::<f64>::ones([4, 4], 2).unwrap(), Array::<f64>::full([4, 4], 2.0, 2).unwrap());
    assert_eq!(x.matmul(&y).name(), x.matmul(&y).name());
    assert_ne!(x.matmul(&y).name(), y.matmul(&x).name());
    // The shared operand is computed once.
    let both = x.matmul(&y).matmul(&x.matmul(&y));
    check(&both, Array2::from_elem((4, 4), 256.0));
}
