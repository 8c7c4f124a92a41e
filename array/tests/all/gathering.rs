//! What is picked, joined and cut anew reads no more than it shows; what is wrong is said at once.

use arras_array::{
    Array, Block, Chunks, Error, Indexing, Pad, PadStatistic, Rng, block, broadcast_arrays, concatenate, indices, meshgrid, s, stack,
    unify_chunks, vstack,
};
use arras_core::{Collection, delayed};
use arras_scheduler::{Compute, Synchronous};
use ndarray::{Array1, Array2, ArrayD, IxDyn};
use proptest::prelude::*;

use super::oracle::{check, computed};

fn tasks<T: arras_array::Element>(array: &Array<T>) -> usize {
    array.compute_with_report(&Synchronous).unwrap().1.tasks
}

#[test]
fn only_the_blocks_that_are_touched_are_computed() {
    let x = Rng::seed(3).uniform(0.0, 1.0, [1_000_000, 1_000], 1_000).unwrap();
    let few = x.take([5, 999_999, 6], 0).slice(s![.., ..10]);
    assert_eq!(few.shape(), [3, 10]);
    // Two draws; three rows of them, which lie apart, and of each a part.
    assert_eq!(tasks(&few), 2 + 3 + 3);
    let points = x.vindex([vec![7, 7], vec![3, 4]]);
    assert_eq!(tasks(&points), 3);
    assert_eq!(tasks(&x.blocks(s![17, 0])), 2);
    assert_eq!(x.partitions().len(), 1000);
}

#[test]
fn a_slice_of_a_concatenation_touches_the_arrays_that_it_shows() {
    let parts: Vec<Array<f64>> = (0..50).map(|i| Rng::seed(i).uniform(0.0, 1.0, [10, 4], 5).unwrap()).collect();
    let refs: Vec<&Array<f64>> = parts.iter().collect();
    let all = concatenate(&refs, 0);
    let one = all.slice(s![42..47, ..]);
    assert_eq!(tasks(&one), 2);
    check(&one, computed(&parts[4]).slice(s![2..7, ..]).to_owned());
    // An operation above, one below, steps backwards, an index, a new axis.
    let whole = computed(&all);
    check(&(&all + 1.0).slice(s![3..95;-7, 1..]), (&whole + 1.0).slice(s![3..95;-7, 1..]).to_owned());
    check(&all.slice(s![123, ..]), whole.slice(s![123, ..]).to_owned());
    check(&all.slice(s![.., ndarray::NewAxis, 2]), whole.slice(s![.., ndarray::NewAxis, 2]).to_owned());
    check(&stack(&refs, 1).slice(s![.., 3, ..]), computed(&parts[3]));
    check(&all.slice(s![7..7, ..]), Array2::zeros((0, 4)));
    // Ten thousand nested ones are no recursion.
    let mut nested = parts[0].clone();
    for _ in 0..10_000 {
        nested = concatenate(&[&nested, &parts[1]], 0);
    }
    assert_eq!(tasks(&nested.slice(s![..5, ..])), 1);
}

#[test]
fn rows_become_columns_in_stages_with_the_same_elements() {
    let data = Array2::from_shape_fn((60, 63), |(i, j)| (i * 63 + j) as i32);
    let rows = Array::from_ndarray(data.clone(), [1, 63]).unwrap();
    let columns = rows.rechunk([60, 1]);
    check(&columns, data.clone());
    check(&columns.rechunk([1, 63]), data.clone());
    check(&rows.rechunk([7, 5]), data);
    // Of very many blocks no task reads all.
    let columns =
        Array::<f64>::from_fn_blocks([400, 400], [1, 400], |block| ndarray::ArrayD::zeros(block.shape.clone())).unwrap().rechunk([400, 1]);
    let graph = columns.graph().unwrap();
    let most = graph.iter().map(|(_, task)| task.dependencies().count()).max().unwrap();
    assert!(most <= 20, "{most}");
}

#[test]
fn broadcast_arrays_take_no_room() {
    let row = Array::from_ndarray(Array1::from_iter(0..6), 4).unwrap();
    check(&row.broadcast_to([3, 6]), ndarray::Array1::from_iter(0..6).broadcast((3, 6)).unwrap().to_owned());
    check(&row.expand_dims([1]).broadcast_to([2, 6, 3]).slice(s![1, 2.., ..2]), Array2::from_shape_fn((4, 2), |(i, _)| i as i32 + 2));
    check(&row.broadcast_to([2, 6]).t(), Array2::from_shape_fn((6, 2), |(i, _)| i as i32));
    check(&Array::<bool>::full([], true, 1).unwrap().broadcast_to([2, 0]), Array2::from_elem((2, 0), true));
    let huge = row.broadcast_to([1 << 30, 6]).sum();
    assert_eq!(huge.shape(), [0usize; 0]);
    assert!(row.broadcast_to([1 << 30, 6]).chunks()[0][0] <= 1 << 25);
    let column = Array::from_ndarray(Array1::from_iter(0..3), 2).unwrap().expand_dims([1]);
    for array in broadcast_arrays(&[&row, &column]).unwrap() {
        assert_eq!(array.chunks(), [vec![2, 1], vec![4, 2]]);
        computed(&array);
    }
    let (a, b) = (Array::<f64>::zeros([4, 1], 3).unwrap(), Array::<f64>::zeros([1, 6], 4).unwrap());
    let both = unify_chunks(&[&a, &b]).unwrap();
    assert_eq!((both[0].shape(), both[1].shape()), (vec![4, 1], vec![1, 6]));
    assert!(broadcast_arrays(&[&row, &Array::from_ndarray(Array1::<i32>::zeros(5), 5).unwrap()]).is_err());
}

#[test]
fn positions_are_part_of_the_kernel_that_uses_them() {
    let x = Array::<f64>::arange(0.0, 1e6, 1.0, 1_000).unwrap();
    let total = (2.0 * &x + 1.0).slice(s![10..20]).sum();
    assert_eq!(tasks(&total), 1);
    check(&total, ndarray::arr0((10..20).map(|i| 2.0 * i as f64 + 1.0).sum::<f64>()));
    let identity = Array::<f64>::eye(1000, 1000, 0, 500).unwrap();
    assert_eq!(tasks(&identity.sum()), 5);
    check(&Array::<u8>::arange(250, 255, 2, 2).unwrap(), ndarray::array![250u8, 252, 254]);
    check(&Array::arange(u64::MAX - 3, u64::MAX, 2, 2).unwrap(), ndarray::array![u64::MAX - 3, u64::MAX - 1]);
    check(&Array::<i8>::arange(127, -128, -100, 2).unwrap(), ndarray::array![127i8, 27, -73]);
    check(&Array::<f64>::eye(6, 6, 2, 4).unwrap().t().slice(s![1.., ..;-2]), {
        let eye = Array2::from_shape_fn((6, 6), |(i, j)| f64::from(u8::from(i == j + 2)));
        eye.slice(s![1.., ..;-2]).to_owned()
    });
}

#[test]
fn blocks_are_sized_by_bytes() {
    let chunks = |shape: [usize; 2], chunks: Chunks| Array::<f64>::zeros(shape, chunks).unwrap().chunks();
    assert_eq!(chunks([10, 10], Chunks::auto()), [vec![10], vec![10]]);
    assert_eq!(chunks([100_000, 10], Chunks::bytes(80 * 50_000)), [vec![50_000, 50_000], vec![10]]);
    assert_eq!(chunks([100, 100], Chunks::bytes(1))[0].len(), 100);
    assert!(matches!(Array::<f64>::zeros([1 << 20, 1 << 20], Chunks::bytes(1)), Err(Error::TooManyBlocks { .. })));
    assert_eq!(chunks([0, 5], Chunks::auto()), [vec![0], vec![5]]);
    for (rows, columns) in [(10_000, 10_000), (123, 9_999_999), (1 << 30, 2)] {
        let all = Array::<f32>::zeros([rows, columns], Chunks::auto()).unwrap().chunks();
        let largest: usize = all.iter().map(|axis| axis.iter().max().unwrap()).product::<usize>() * 4;
        assert!((32 << 20..=128 << 20).contains(&largest), "{rows} {columns}: {largest}");
    }
    // Whole chunks of the array, where they are small enough.
    let x = Array::<f64>::zeros([1000, 1000], [90, 1000]).unwrap();
    let y = x.rechunk(Chunks::bytes(8 * 200_000));
    assert!(y.chunks()[0].iter().rev().skip(1).all(|n| n % 90 == 0), "{:?}", y.chunks());
}

#[test]
fn blocks_come_from_functions_and_delayed_values() {
    let x = Array::<i64>::from_fn_blocks([5, 4], [2, 3], |block| {
        ArrayD::from_shape_fn(IxDyn(&block.shape), |i| {
            ((block.start[0] + i[0]) * 10 + block.start[1] + i[1]) as i64 + 100 * block.index[1] as i64
        })
    })
    .unwrap();
    check(&x, Array2::from_shape_fn((5, 4), |(i, j)| (i * 10 + j) as i64 + if j >= 3 { 100 } else { 0 }));
    let wrong = Array::<i64>::from_fn_blocks([5], 2, |_| ArrayD::zeros(IxDyn(&[3]))).unwrap();
    assert!(format!("{:?}", wrong.compute().unwrap_err()).contains("shape [3]"));
    let part = |n: usize| delayed(move |n: usize| Block::from(Array1::<f64>::from_elem(n, n as f64)), (n,));
    let parts = [Array::<f64>::from_delayed(&part(2), [2]).unwrap(), Array::from_delayed(&part(3), [3]).unwrap()];
    let joined: Array<f64> = concatenate(&[&parts[0], &parts[1]], 0) + 1.0;
    check(&joined, ndarray::array![3.0, 3.0, 4.0, 4.0, 4.0]);
    let lied = Array::<f64>::from_delayed(&part(2), [3]).unwrap();
    assert!(format!("{:?}", lied.compute().unwrap_err()).contains("[2]"));
    let other = Array::<f32>::from_delayed(&part(2), [2]).unwrap();
    assert!(format!("{:?}", other.compute().unwrap_err()).contains("f64"));
    let grid = Array::from_delayed(&part(4), [4]).unwrap();
    check(
        &grid.map_overlap(0, arras_array::Boundary::None, |block: ndarray::ArrayViewD<'_, f64>| block.mapv(|x| x * 2.0)),
        Array1::from_elem(4, 8.0),
    );
}

#[test]
fn the_grid_of_blocks_is_a_picture() {
    for shape in [&[][..], &[7], &[100, 60], &[10, 20, 30], &[2, 3, 4, 5], &[0, 3]] {
        let svg = Array::<f64>::zeros(IxDyn(shape), 7).unwrap().to_svg().unwrap();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"), "{svg}");
        assert_eq!(svg.matches("<polygon").count(), if shape.len() < 3 { 1 } else { 3 });
        assert!(shape.iter().rev().take(3).all(|n| svg.contains(&format!(">{n}<"))), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
    assert!(Array::<f64>::zeros(1 << 20, 1).unwrap().to_svg().unwrap().len() < 10_000);
    assert!(Array::<f64>::zeros([2], 1).unwrap().diagonal(0, 0, 1).to_svg().is_err());
}

#[test]
fn what_is_wrong_is_said_at_once() {
    let x = || Array::<f64>::ones([3, 4], 2).unwrap();
    let error = |array: Array<f64>| array.check().unwrap_err().to_string();
    assert_eq!(error(x().take([0, 4], 1)), "take: index 4 is out of range for axis 1 of length 4");
    assert_eq!(error(x().take([-4], 0)), "take: index -4 is out of range for axis 0 of length 3");
    assert_eq!(error(x().take([0], 2)), "take: axis 2 is out of range for shape [3, 4]");
    assert_eq!(error(x().delete([3], 0)), "delete: index 3 is out of range for axis 0 of length 3");
    assert_eq!(error(x().shuffle([vec![0, 9]], 0)), "shuffle: index 9 is out of range for axis 0 of length 3");
    assert_eq!(error(x().repeat(usize::MAX, 0)), format!("repeat: 3 elements {} times are more than can be addressed", usize::MAX));
    assert_eq!(error(x().roll(1, 5)), "roll: axis 5 is out of range for shape [3, 4]");
    assert_eq!(error(x().reshape([5, -1])), "reshape: shape [3, 4] to [5, -1]: 12 elements are no multiple of 5");
    assert_eq!(error(x().reshape([5, 2])), "reshape: shape [3, 4] to [5, 2]: 12 elements are not 10");
    assert_eq!(error(x().reshape([-1, -1])), "reshape: shape [3, 4] to [-1, -1]: only one length may be -1");
    assert!(error(x().reshape([-2, 6])).contains("not negative"));
    assert_eq!(
        error(x().broadcast_to([2, 4])),
        "broadcast_to: shapes [3, 4] and [2, 4] do not broadcast: axes, counted from the last, must be equal or 1"
    );
    assert_eq!(error(x().squeeze_axis([0])), "squeeze: axis 0 of shape [3, 4] has not length 1");
    assert_eq!(error(x().expand_dims([0, 0])), "expand_dims: axis 0 is named twice in [0, 0]");
    assert_eq!(error(x().expand_dims([5])), "expand_dims: axis 5 is out of range for shape [3, 4, 1]");
    assert_eq!(error(x().moveaxis([0, 1], [0])), "moveaxis: from [0, 1] to [0]: there is one place for each axis");
    assert_eq!(error(x().flip([2])), "flip: axis 2 is out of range for shape [3, 4]");
    assert_eq!(error(x().rot90(1, [1, 1])), "rot90: axis 1 is named twice in [1, 1]");
    assert!(error(x().rollaxis(0, 3)).starts_with("rollaxis: axis 3 is out of range"));
    assert!(error(x().rollaxis(0, -3)).starts_with("rollaxis: axis"));
    assert_eq!(error(x().pad([(1, 1); 3], Pad::Edge)), "pad: 3 pairs of widths for shape [3, 4]: one for all axes, or one for each");
    assert!(error(Array::zeros([0, 2], 2).unwrap().pad([(1, 1)], Pad::Reflect)).contains("axis 0 has no elements"));
    assert!(error(Array::zeros([0, 2], 2).unwrap().pad_with([(1, 1)], PadStatistic::Mean)).contains("has no elements"));
    assert_eq!(error(x().diagonal(0, 1, -1)), "diagonal: axis 1 is named twice in [1, -1]");
    assert!(error(x().expand_dims([0]).diag(0)).contains("neither one axis nor two"));
    assert!(error(x().slice(s![0, ..]).tril(0)).contains("fewer than two axes"));
    assert!(error(x().set(s![ndarray::NewAxis, ..], 0.0)).contains("no new axes"));
    assert!(error(x().set(s![.., ..], Array::ones([2, 4], 2).unwrap())).starts_with("set: shapes [2, 4] and [3, 4]"));
    assert!(error(x().set_where(&Array::full([2, 3, 4], true, 2).unwrap(), 0.0)).starts_with("set_where: shapes [2, 3, 4] and [3, 4]"));
    assert!(error(x().vindex([vec![0], vec![0, 1]])).contains("lists of 1 and 2 indices"));
    assert!(error(x().vindex([])).contains("0 lists of indices"));
    assert!(error(x().vindex([vec![3]])).contains("index 3 is out of range for axis 0"));
    assert!(error(x().sliding_window_view([4], [0])).contains("a window of 4 on axis 0 of length 3"));
    assert!(error(x().sliding_window_view([1, 2], [0])).contains("one for each"));
    assert!(error(x().coarsen([(0, 2)], false, |x, axes| x.sum_axis(axes))).contains("windows of 2 on axis 0 of length 3"));
    assert!(error(x().coarsen([(0, 1), (0, 1)], false, |x, axes| x.sum_axis(axes))).contains("named twice"));
    assert!(error(x().gradient(1.0, 3)).starts_with("gradient: axis 3"));
    assert!(error(x().slice(s![..1, ..]).gradient(1.0, 0)).contains("fewer than two elements"));
    assert!(error(x().insert(4, &x(), 0)).starts_with("insert: index 4"));
    assert!(error(x().insert(0, &Array::ones([1, 3], 2).unwrap(), 0)).contains("do not fit"));
    assert!(error(x().blocks(s![ndarray::NewAxis, ..])).contains("no new axes"));
    assert_eq!(error(x().blocks(s![2, ..])), "slice: index 2 is out of range for axis 0 of length 2");
    assert_eq!(error(vstack::<f64>(&[])), "vstack: needs at least one array");
    assert_eq!(error(block::<f64>(&[&[]])), "block: needs at least one array");
    assert!(error(x().push(2, None)).starts_with("push: axis 2"));
    assert_eq!(Array::arange(0, 1, 0, 1).unwrap_err().to_string(), "arange: from 0 to 1 in steps of 0: a step is not 0");
    assert!(Array::arange(0.0, f64::INFINITY, 1.0, 1).unwrap_err().to_string().contains("finite"));
    assert!(Array::linspace(0.0, f64::NAN, 3, 1).unwrap_err().to_string().contains("finite"));
    assert!(indices([0usize; 0], 1).unwrap_err().to_string().contains("no axes"));
    assert!(meshgrid(&[&x()], Indexing::Ij).unwrap_err().to_string().contains("array 0 has shape [3, 4]"));
    assert!(matches!(Array::<f64>::arange(0.0, 1e30, 1.0, usize::MAX), Err(Error::TooLarge { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn any_indices_of_any_chunks(
        (shape, axis) in prop::collection::vec(1usize..7, 1..4).prop_flat_map(|shape| { let n = shape.len(); (Just(shape), 0..n) }),
        picks in prop::collection::vec(0usize..100, 0..30),
        chunk in 1usize..5,
    ) {
        let data = ArrayD::from_shape_fn(IxDyn(&shape), |i| ndarray::Dimension::as_array_view(&i).iter().fold(1.0, |n, &i| n * 10.0 + i as f64));
        let x = Array::from_ndarray(data.clone(), chunk).unwrap() * 2.0;
        let n = shape[axis];
        let picked: Vec<usize> = picks.iter().map(|pick| pick % n).collect();
        let given: Vec<isize> = picks.iter().map(|&pick| (pick % n) as isize - if pick >= 50 { n as isize } else { 0 }).collect();
        prop_assert_eq!(computed(&x.take(&given, axis as isize)), data.select(ndarray::Axis(axis), &picked) * 2.0);
        let groups: Vec<Vec<isize>> = given.chunks(3).map(<[isize]>::to_vec).collect();
        prop_assert_eq!(computed(&x.shuffle(&groups, axis as isize)), data.select(ndarray::Axis(axis), &picked) * 2.0);
        prop_assert_eq!(computed(&x.ravel()).into_raw_vec_and_offset().0, (&data * 2.0).iter().copied().collect::<Vec<_>>());
    }
}
