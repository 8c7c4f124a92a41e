//! Functions of the user's on elements and on blocks, choices, and operands of several types.

use arras_array::{Array, Block, Complex64, DType, Element, Error, Mode, Promote, choose, piecewise, promote, select, where_};
use arras_core::{Collection, Func, Inputs, Plan, evaluate, get_values};
use arras_scheduler::{Compute, Synchronous, Threads};
use ndarray::{Array2, ArrayD, ArrayViewD, Axis, array};

use super::oracle::{check, computed};

fn grid(chunks: impl Into<arras_array::Chunks>) -> Array<f64> {
    Array::from_ndarray(Array2::from_shape_fn((5, 7), |(i, j)| (i * 7 + j) as f64 / 2.0 - 6.0), chunks).unwrap()
}

/// Whether all functions of an array's tasks can travel, and whether one is the user's.
fn functions(array: &Array<f64>) -> (bool, bool) {
    let plan = Plan::new(&array.graph().unwrap(), &array.keys()).unwrap();
    let functions = || (0..plan.len() as u32).map(|id| plan.func(id));
    (functions().all(Func::is_portable), functions().any(Func::runs_user_code))
}

#[test]
fn closures_are_steps_of_the_program() {
    let limit = 3.0;
    for chunks in [1, 3, 100] {
        let x = grid(chunks);
        let plain = evaluate(&x).unwrap();
        check(&x.map(|v: f64| v.max(0.0) as i32), plain.mapv(|v| v.max(0.0) as i32));
        check(&(2.0 * &x).map(|v: f64| v > 1.0).logical_not(), plain.mapv(|v| 2.0 * v <= 1.0));
        check(&x.map(move |v: f64| v.min(limit)).map(f64::sqrt).isnan(), plain.mapv(|v| v < 0.0));
        check(&x.map_with(limit, |limit: &f64, v: f64| v.min(*limit)), plain.mapv(|v| v.min(limit)));
        let row = x.slice(ndarray::s![0..1, ..]).cast::<i64>();
        let expected = ndarray::Zip::from(&plain).and_broadcast(&evaluate(&row).unwrap()).map_collect(|&v, &n| v * n as f64);
        check(&x.zip_map(&row, |v: f64, n: i64| v * n as f64), expected);
        check(&x.map(|v: f64| v + 1.0).sum(), ndarray::arr0(plain.iter().map(|v| v + 1.0).sum()));
    }
    check(&grid(4).slice(ndarray::s![1..1, ..]).map(|v: f64| v as u8), Array2::<u8>::zeros((0, 7)));
    check(&Array::from_ndarray(ndarray::arr0(3i64), 1).unwrap().map(|n: i64| n * n), ndarray::arr0(9));
    check(&Array::<i64>::full([3], 2, 2).unwrap().map(|n: i64| n * n), array![4i64, 4, 4]);
}

#[test]
fn a_region_with_a_closure_is_one_kernel_that_travels_if_it_captures_nothing() {
    let x = grid(3);
    let fused = |y: &Array<f64>| y.graph().unwrap().layers().filter(|layer| !layer.is_values()).count();
    let y = (2.0 * &x).map(|v: f64| v + 1.0) * 3.0;
    assert_eq!(fused(&y), 1);
    assert_eq!(functions(&y), (true, true));
    let scale = 2.0;
    assert_eq!(functions(&x.map(move |v: f64| v * scale)), (false, true));
    assert_eq!(functions(&x.map_with(scale, |scale: &f64, v: f64| v * scale)), (true, true));
    assert_eq!(functions(&(&x * 2.0)), (true, false));
    assert_eq!(functions(&x.map_blocks(|block: ArrayViewD<'_, f64>, _| block.to_owned())), (true, true));
    assert_eq!(functions(&x.map_blocks(move |block: ArrayViewD<'_, f64>, _| &block * scale)), (false, true));
    // It arrives as it was sent.
    for y in [
        y,
        x.map_with(scale, |scale: &f64, v: f64| v * scale),
        x.map_blocks_with(scale, |scale: &f64, block: ArrayViewD<'_, f64>, _| &block * *scale),
    ] {
        let plan = Plan::new(&y.graph().unwrap(), &y.keys()[..1]).unwrap();
        let sent = Func::from_wire(&plan.func(0).to_wire().unwrap()).unwrap();
        let block = get_values(&x.graph().unwrap(), &x.keys()).unwrap().remove(0);
        let result = sent.call(&Inputs::new(&[&block], 0)).unwrap();
        let expected = computed(&y).slice(ndarray::s![..3, ..3]).to_owned().into_dyn();
        assert_eq!(result.get::<Block>().unwrap(), &Block::F64(expected.into_shared()));
    }
}

#[test]
fn equal_closures_make_equal_names_and_captures_make_new_ones() {
    let x = grid(3);
    let double = |v: f64| v * 2.0;
    assert_eq!(x.map(double).name(), x.map(double).name());
    assert_ne!(x.map(|v: f64| v * 2.0).name(), x.map(|v: f64| v * 3.0).name());
    let with = |scale: f64| x.map_with(scale, |scale: &f64, v: f64| v * scale).name();
    assert_eq!(with(2.0), with(2.0));
    assert_ne!(with(2.0), with(3.0));
    let scale = 2.0;
    let captures = move |v: f64| v * scale;
    assert_ne!(x.map(captures).name(), x.map(captures).name());
}

#[test]
fn a_panic_in_a_closure_is_an_error_of_its_task() {
    let x = grid(3).map(|v: f64| if v > 8.0 { panic!("too large") } else { v });
    let error = x.compute_with(&Threads::new(2)).unwrap_err().to_string();
    assert!(error.contains("too large") && error.contains("map("), "{error}");
}

#[test]
fn blocks_are_mapped_where_they_are() {
    for chunks in [1, 3, 100] {
        let x = grid(chunks);
        let plain = evaluate(&x).unwrap();
        let negated = (&x * 2.0).map_blocks(|block: ArrayViewD<'_, f64>, _| -&block);
        check(&(negated + 1.0), plain.mapv(|v| -2.0 * v + 1.0));
        // Every element is told its place.
        let places = x.map_blocks(|block: ArrayViewD<'_, f64>, location| {
            ArrayD::from_shape_fn(block.raw_dim(), |i| ((location.start[0] + i[0]) * 7 + location.start[1] + i[1]) as u32)
        });
        check(&places, Array2::from_shape_fn((5, 7), |(i, j)| (i * 7 + j) as u32));
        let rows = x.rechunk([2, 7]).map_blocks_to([vec![2, 2, 1]], |block: ArrayViewD<'_, f64>, _| block.sum_axis(Axis(1)));
        check(&rows, plain.sum_axis(Axis(1)));
    }
    let widened = grid([5, 3]).map_blocks_to([vec![1], vec![5], vec![1, 1, 1]], |block: ArrayViewD<'_, f64>, location| {
        assert_eq!(location.shape, [1, 5, 1]);
        block.slice_axis(Axis(1), (..1).into()).insert_axis(Axis(0)).to_owned()
    });
    assert_eq!(widened.shape(), [1, 5, 3]);
    assert_eq!(computed(&widened)[[0, 2, 1]], 2.5);
    check(
        &Array::from_ndarray(ndarray::arr0(2.0), 1).unwrap().map_blocks(|block: ArrayViewD<'_, f64>, _| block.mapv(|v| v as i8)),
        ndarray::arr0(2i8),
    );
}

#[test]
fn a_block_of_another_shape_than_declared_names_both() {
    let x = grid(3).map_blocks(
        |block: ArrayViewD<'_, f64>, location| {
            if location.index == [1, 2] { block.t().to_owned() } else { block.to_owned() }
        },
    );
    let error = x.compute_with(&Synchronous).unwrap_err().to_string();
    assert!(error.contains("[1, 2]") && error.contains("[2, 1]"), "{error}");
    let wrong = grid(3).map_blocks_to([vec![5], vec![7]], |block: ArrayViewD<'_, f64>, _| block.to_owned());
    assert!(matches!(wrong.check(), Err(Error::Argument { operation: "map_blocks", .. })), "{wrong:?}");
}

#[test]
fn where_takes_arrays_and_scalars_of_any_shape() {
    for chunks in [1, 3, 100] {
        let x = grid(chunks);
        let plain = evaluate(&x).unwrap();
        let positive = x.gt(0.0);
        check(&where_(&positive, &x, -&x), plain.mapv(f64::abs));
        check(&where_(&positive, &x, 0.0), plain.mapv(|v| if v > 0.0 { v } else { 0.0 }));
        check(&where_(&positive, 0.0, &x), plain.mapv(|v| if v > 0.0 { 0.0 } else { v }));
        check(&where_(&positive, 1i8, 2i8), plain.mapv(|v| if v > 0.0 { 1i8 } else { 2 }));
        // A column of conditions against a row and a scalar.
        let column = positive.slice(ndarray::s![.., 3..4]);
        let expected = ndarray::Array2::from_shape_fn((5, 7), |(i, j)| if plain[[i, 3]] > 0.0 { plain[[0, j]] } else { 7.5 });
        check(&where_(&column, x.slice(ndarray::s![0, ..]), 7.5), expected);
        let always = Array::<bool>::ones([5, 7], chunks).unwrap();
        check(&where_(&always, &x, 0.0), plain.clone());
        let pieces = piecewise(&x, &[(&x.lt(1.0), &|x| -x), (&x.lt(-2.0), &|x| x.square())], 9.0);
        check(
            &pieces,
            plain.mapv(|v| {
                if v < -2.0 {
                    v * v
                } else if v < 1.0 {
                    -v
                } else {
                    9.0
                }
            }),
        );
        let chosen = select(&[(&x.lt(-2.0), &x.square()), (&x.lt(1.0), &-&x)], 9.0);
        check(
            &chosen,
            plain.mapv(|v| {
                if v < -2.0 {
                    v * v
                } else if v < 1.0 {
                    -v
                } else {
                    9.0
                }
            }),
        );
    }
    assert!(matches!(select::<f64>(&[], 0.0).check(), Err(Error::Argument { operation: "select", .. })));
    assert!(matches!(piecewise::<f64, f64>(&grid(3), &[], 0.0).check(), Err(Error::Argument { operation: "piecewise", .. })));
    let wrong = where_(&Array::<bool>::ones([4], 2).unwrap(), grid(3), 0.0);
    assert!(matches!(wrong.check(), Err(Error::Broadcast { operation: "where", .. })));
}

#[test]
fn choose_raises_wraps_or_clips() {
    let index = Array::from_ndarray(array![0i64, 1, 2, -1, 5], 2).unwrap();
    let choices: Vec<Array<i32>> = (0..3).map(|n| Array::from_ndarray(array![10, 11, 12, 13, 14] * (n + 1), 3).unwrap()).collect();
    let choices: Vec<&Array<i32>> = choices.iter().collect();
    check(&choose(&index, &choices, Mode::Wrap), array![10, 22, 36, 39, 42]);
    check(&choose(&index, &choices, Mode::Clip), array![10, 22, 36, 13, 42]);
    let inside = index.slice(ndarray::s![..3]);
    let row: Vec<Array<i32>> = choices.iter().map(|choice| choice.slice(ndarray::s![..3])).collect();
    check(&choose(&inside, &row.iter().collect::<Vec<_>>(), Mode::Raise), array![10, 22, 36]);
    let error = choose(&index, &choices, Mode::Raise).compute_with(&Synchronous).unwrap_err().to_string();
    assert!(error.contains("index -1") && error.contains("there are 3"), "{error}");
    assert!(matches!(choose::<f64>(&index, &[], Mode::Clip).check(), Err(Error::Argument { operation: "choose", .. })));
}

#[test]
fn types_are_promoted_as_numpy_2_has_it() {
    fn common<T: Promote<U>, U: Element>() -> DType {
        T::Output::DTYPE
    }
    assert_eq!(common::<bool, i8>(), DType::I8);
    assert_eq!(common::<u8, i8>(), DType::I16);
    assert_eq!(common::<i64, u64>(), DType::F64);
    assert_eq!(common::<i32, f32>(), DType::F64);
    assert_eq!(common::<u16, f32>(), DType::F32);
    assert_eq!(common::<f64, arras_array::Complex32>(), DType::C64);
    let (x, n) = promote(&Array::from_ndarray(array![1u8, 255], 1).unwrap(), &Array::from_ndarray(array![-1i8, 2], 2).unwrap());
    check(&(x + n), array![0i16, 257]);
}

#[test]
fn operators_for_bits_remainders_and_complex_scalars() {
    let n = Array::from_ndarray(array![-7i32, 6, 5], 2).unwrap();
    check(&(&n % 4), array![1, 2, 1]);
    check(&(20 % &n), array![-1, 2, 0]);
    check(&(&n % 2.5), array![0.5, 1.0, 0.0]);
    check(&((&n & 3) | 8), array![9, 10, 9]);
    check(&(1 << (&n & 3)), array![2, 4, 2]);
    check(&(&n >> 1), array![-4, 3, 2]);
    check(&(!&n ^ n.clone()), array![-1, -1, -1]);
    let truth = n.gt(0);
    check(&(!&truth & true | false), array![true, false, false]);
    let i = Complex64::i();
    check(&(1.0 + (&n * i) * 2.0), array![Complex64::new(1.0, -14.0), Complex64::new(1.0, 12.0), Complex64::new(1.0, 10.0)]);
    check(&(i - n.cast::<f64>()).real(), array![7.0, -6.0, -5.0]);
}

#[test]
fn negative_powers_of_integers_are_refused() {
    let n = Array::from_ndarray(array![2i64, 3], 1).unwrap();
    assert!(matches!(n.power(-2).check(), Err(Error::NegativePower { exponent: -2, .. })));
    let error = n.power(&(&n - 3)).compute_with(&Synchronous).unwrap_err().to_string();
    assert!(error.contains("-1"), "{error}");
    check(&n.power(&n), array![4i64, 27]);
    check(&n.float_power(-1.0), array![0.5, 1.0 / 3.0]);
}

#[test]
fn rounding_of_integers_goes_to_powers_of_ten() {
    let n = Array::from_ndarray(array![15i32, 25, -149, 7], 3).unwrap();
    check(&n.round(2), array![15, 25, -149, 7]);
    check(&n.round(-1), array![20, 20, -150, 10]);
    check(&n.round(-2), array![0, 0, -100, 0]);
}
