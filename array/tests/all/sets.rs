//! Selections by masks, distinct elements, places in sorted arrays.

use arras_array::{Array, Chunks, Error, Ordered, Rng, Selected, Side};
use arras_core::{Collection, Plan, evaluate};
use arras_scheduler::{Compute, Synchronous, Threads};
use ndarray::{Array1, ArrayD, array};

use super::numpy::{Case, Recorded};
use super::oracle::{check, computed};

/// Computes a selection in every way, directly and by way of its lengths.
fn selected<T: arras_array::Element>(case: &Case<'_>, i: usize, selected: &Selected<T>) {
    let result = evaluate(selected).unwrap();
    case.check_values(i, &result, 0.0);
    case.check_values(i, &selected.compute_with(&Threads::new(3)).unwrap(), 0.0);
    let counted = selected.compute_chunk_sizes(|lengths| lengths.compute_with(&Synchronous)).unwrap();
    case.check_values(i, &computed(&counted), 0.0);
    let length: usize = if selected.ndim() == 1 { result.len() } else { counted.shape()[case.axis().unwrap_or(0) as usize] };
    assert_eq!(evaluate(&selected.len()).unwrap(), length);
}

fn ordered<T: Ordered>(case: &Case<'_>, chunks: Chunks) {
    let x = case.input::<T>(0, chunks.clone());
    let one = T::cast_from(1u8);
    let mask = x.gt(one);
    let picked = x.select(&mask);
    let exact = |wanted: &[f64]| -> Vec<T> { wanted.iter().map(|&x| T::cast_from(x)).collect() };
    let bins = |wanted: &[f64]| Array::from_ndarray(Array1::from(exact(wanted)), 2).unwrap();
    match case.op() {
        "select" => {
            selected(case, 0, &picked);
            selected(case, 0, &x.extract(&mask));
        }
        "flatnonzero" => selected(case, 0, &mask.flatnonzero()),
        "argwhere" => selected(case, 0, &mask.argwhere()),
        "nonzero" => mask.nonzero().iter().enumerate().for_each(|(i, places)| selected(case, i, places)),
        "count" => case.check(0, &picked.count(), 0.0),
        "sum" => case.check(0, &picked.sum(), 1e-13),
        "mean" => case.check(0, &picked.mean(), 1e-13),
        "var" => case.check(0, &picked.var(0), 1e-12),
        "std" => case.check(0, &picked.std(0), 1e-12),
        "any" => case.check(0, &picked.any(), 0.0),
        "all" => case.check(0, &picked.all(), 0.0),
        "min" => case.check(0, &picked.min(), 0.0),
        "max" => case.check(0, &picked.max(), 0.0),
        "unique" => selected(case, 0, &x.unique()),
        "union1d" => {
            let counted = picked.compute_chunk_sizes(|lengths| lengths.compute()).unwrap();
            selected(case, 0, &x.union1d(&counted));
        }
        "isin" => {
            let set: Vec<f64> = if T::DTYPE == arras_array::DType::F64 { vec![1.0, 2.0, f64::NAN] } else { vec![1.0, 2.0] };
            case.check(0, &x.isin(&bins(&set)), 0.0);
        }
        "unique_with" => {
            let unique = x.unique_with();
            selected(case, 0, &unique.values);
            selected(case, 1, &unique.index);
            case.check(2, &unique.inverse, 0.0);
            selected(case, 3, &unique.counts);
        }
        "compress" => {
            let axis = case.axis().unwrap();
            let keep = Array1::from_shape_fn(x.shape()[axis as usize], |i| i % 3 != 1);
            selected(case, 0, &x.compress(&Array::from_ndarray(keep, 2).unwrap(), axis));
        }
        "searchsorted" => {
            let side = if case.arg("side") == "left" { Side::Left } else { Side::Right };
            case.check(0, &bins(&[0.0, 1.0, 1.0, 2.0, 3.0]).searchsorted(&x, side), 0.0);
        }
        "digitize" => case.check(0, &x.digitize(&exact(&[0.0, 1.0, 2.0, 3.0]), case.arg("right").as_bool().unwrap()), 0.0),
        "digitize_falling" => case.check(0, &x.digitize(&exact(&[3.0, 1.0, 1.0, 0.0]), case.arg("right").as_bool().unwrap()), 0.0),
        "topk" => case.check(0, &x.topk(case.arg("k").as_i64().unwrap() as isize, case.axis().unwrap()), 0.0),
        "argtopk" => case.check(0, &x.argtopk(case.arg("k").as_i64().unwrap() as isize, case.axis().unwrap()), 0.0),
        other => panic!("{other}"),
    }
}

#[test]
fn selections_sets_and_searches_are_numpys() {
    let recorded = Recorded::read(include_str!("../fixtures/sets.json"));
    for case in recorded.cases() {
        for chunks in [Chunks::one(), 3.into(), 1.into()] {
            match case.dtype() {
                "float64" => ordered::<f64>(&case, chunks),
                "int32" => ordered::<i32>(&case, chunks),
                "int64" => ordered::<i64>(&case, chunks),
                "uint8" => ordered::<u8>(&case, chunks),
                other => panic!("{other}"),
            }
        }
    }
}

#[test]
fn reductions_of_what_a_mask_picks_are_one_kernel() {
    let x = Rng::seed(1).uniform(0.0, 1.0, 10_000, 1_000).unwrap();
    let picked = x.square().select(&x.gt(0.5));
    // Ten blocks are drawn, squared, compared and folded, and one task ends the mean.
    let sum = picked.sum();
    assert_eq!(sum.graph().unwrap().len(), 11);
    let data = computed(&x);
    let wanted: f64 = data.iter().filter(|&&x| x > 0.5).map(|x| x * x).sum();
    assert!((computed(&sum).first().unwrap() - wanted).abs() < 1e-9);
}

#[test]
fn nothing_may_be_picked() {
    let x = Array::from_ndarray(array![1.0, 2.0, 3.0], 2).unwrap();
    let none = x.select(&x.gt(5.0));
    assert_eq!(evaluate(&none).unwrap().shape(), [0]);
    check(&none.sum(), ndarray::arr0(0.0));
    check(&none.mean(), ndarray::arr0(f64::NAN));
    let error = evaluate(&none.min()).unwrap_err();
    assert!(matches!(error.find::<Error>(), Some(Error::EmptyReduction { operation: "min", .. })), "{error}");
    assert_eq!(none.compute_chunk_sizes(|lengths| lengths.compute()).unwrap().shape(), [0]);
}

#[test]
fn what_is_wrong_is_said() {
    let x = Array::from_ndarray(ndarray::Array2::<f64>::zeros((3, 4)), 2).unwrap();
    let mask = |n: usize| Array::<bool>::ones([n], 2).unwrap();
    let say = |selected: Selected<f64>| selected.check().unwrap_err().to_string();
    assert_eq!(say(x.select(&mask(3))), "select: a mask of shape [3] for shape [3, 4]");
    assert_eq!(say(x.compress(&mask(4), 0)), "compress: a mask of shape [4] for an axis of length 3");
    assert_eq!(say(x.compress(&mask(4), 2)), "compress: axis 2 is out of range for shape [3, 4]");
    assert!(x.unique().sum().check().unwrap_err().to_string().contains("compute_chunk_sizes first"));
    assert!(x.unique().with_chunk_sizes(&[1, 2]).is_err());
    assert!(x.topk(0, 0).check().unwrap_err().to_string().contains("k is 0"));
    assert_eq!(x.topk(1, 5).check().unwrap_err().to_string(), "topk: axis 5 is out of range for shape [3, 4]");
    assert!(x.digitize(&[1.0, 0.0, 2.0], false).check().unwrap_err().to_string().contains("neither rise nor fall"));
    assert!(x.searchsorted(&x, Side::Left).check().unwrap_err().to_string().contains("1-d"));
    // Lengths that are not those of a run end it.
    let wrong = x.unique().with_chunk_sizes(&[5]).unwrap();
    assert!(evaluate(&wrong).unwrap_err().to_string().contains("was counted"));
}

#[test]
fn all_of_it_can_travel() {
    let x = Array::from_ndarray(ArrayD::<f64>::zeros(ndarray::IxDyn(&[6, 6])), 2).unwrap();
    let picked = x.select(&x.gt(0.0));
    let portable = |graph: arras_core::Graph, keys: Vec<arras_core::Key>| Plan::new(&graph, &keys).unwrap().check_portable().unwrap();
    portable(picked.graph().unwrap(), picked.keys());
    portable(picked.lengths().graph().unwrap(), picked.lengths().keys());
    let unique = x.unique_with().inverse;
    portable(unique.graph().unwrap(), unique.keys());
    for array in [x.topk(2, 0), x.quantile_approx(0.5, 50), x.cumsum(1), picked.var(1), x.nanvar_axis(0, 1)] {
        portable(array.graph().unwrap(), array.keys());
    }
}
