//! Functions of blocks of several arrays: `blockwise`, `map_blocks`, `apply_gufunc`, and along axes.

use arras_array::{
    Array, BlockAxes, BlockLocation, Chunks, Error, Gufunc, OutputAxes, apply_gufunc, blockwise, blockwise_lists, map_blocks,
};
use arras_core::{Collection, Plan, evaluate};
use ndarray::{Array2, ArrayD, ArrayView1, ArrayViewD, Axis, Ix2, Zip, arr0, arr1, array};

use super::oracle::{check, computed};

fn x() -> Array2<f64> {
    Array2::from_shape_fn((5, 4), |(i, j)| (i * 7 + j * 3) as f64 % 5.0 - 1.0)
}

fn n() -> Array2<i32> {
    Array2::from_shape_fn((4, 3), |(i, j)| (i * 2 + j) as i32 % 4)
}

fn chunkings() -> [Chunks; 4] {
    [Chunks::one(), 3.into(), 2.into(), 1.into()]
}

fn product((a, b): (ArrayViewD<'_, f64>, ArrayViewD<'_, i32>), location: &BlockLocation) -> ArrayD<f64> {
    let (a, b) = (a.into_dimensionality::<Ix2>().unwrap(), b.mapv(f64::from).into_dimensionality::<Ix2>().unwrap());
    let product = a.dot(&b).into_dyn();
    assert_eq!(product.shape(), location.shape);
    product
}

#[test]
fn letters_bring_blocks_together() {
    let wanted = x().dot(&n().mapv(f64::from));
    for left in chunkings() {
        for right in chunkings() {
            let (x, n) = (Array::from_ndarray(x(), left.clone()).unwrap(), Array::from_ndarray(n(), right).unwrap());
            check(&blockwise("ij,jk->ik", (&x, &n), (), product), wanted.clone());
            // In the other order, and with lists of blocks that are added up by hand.
            check(
                &blockwise("ij, jk -> ki", (&x, &n), (), |both: (ArrayViewD<f64>, ArrayViewD<i32>), location: &BlockLocation| {
                    let turned = BlockLocation::clone(location);
                    let (a, b) = both;
                    assert_eq!(turned.shape, [b.shape()[1], a.shape()[0]]);
                    let (a, b) = (a.into_dimensionality::<Ix2>().unwrap(), b.mapv(f64::from).into_dimensionality::<Ix2>().unwrap());
                    a.dot(&b).reversed_axes().into_dyn()
                }),
                wanted.clone().reversed_axes(),
            );
            let listed = blockwise_lists("ij,jk->ik", (&x, &n), (), |(a, b): (Vec<ArrayViewD<f64>>, Vec<ArrayViewD<i32>>), _| {
                assert_eq!(a.len(), b.len());
                let two = |a: &ArrayViewD<f64>| a.to_owned().into_dimensionality::<Ix2>().unwrap();
                let products = a.iter().zip(&b).map(|(a, b)| two(a).dot(&two(&b.mapv(f64::from).view())));
                products.reduce(|a, b| a + b).unwrap().into_dyn()
            });
            check(&listed, wanted.clone());
        }
    }
}

#[test]
fn one_letter_alone_is_an_outer_product_and_one_twice_a_diagonal() {
    let (a, b) = (arr1(&[1.0, 2.0, 3.0]), arr1(&[1i64, 10]));
    for chunks in chunkings() {
        let (a, b) = (Array::from_ndarray(a.clone(), chunks.clone()).unwrap(), Array::from_ndarray(b.clone(), 1).unwrap());
        let outer = blockwise("i,j->ij", (&a, &b), (), |(a, b): (ArrayViewD<f64>, ArrayViewD<i64>), location: &BlockLocation| {
            ArrayD::from_shape_fn(location.shape.clone(), |index| a[index[0]] * b[index[1]] as f64)
        });
        check(&outer, array![[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]);
    }
    let square = Array::from_ndarray(Array2::from_shape_fn((4, 4), |(i, j)| (10 * i + j) as i64), 2).unwrap();
    let diagonal = blockwise("ii->i", &square, (), |block: ArrayViewD<i64>, _| {
        block.into_dimensionality::<Ix2>().unwrap().diag().to_owned().into_dyn()
    });
    check(&diagonal, arr1(&[0, 11, 22, 33]));
}

#[test]
fn new_axes_and_other_chunks_are_declared() {
    let x = Array::from_ndarray(arr1(&[1.0, 2.0, 3.0]), 2).unwrap();
    let axes = BlockAxes::default().new_axis('k', [2, 1]);
    let repeated = blockwise("i->ik", &x, axes, |block: ArrayViewD<f64>, location: &BlockLocation| {
        ArrayD::from_shape_fn(location.shape.clone(), |index| block[index[0]] + 10.0 * (location.start[1] + index[1]) as f64)
    });
    assert_eq!(repeated.chunks(), [vec![2, 1], vec![2, 1]]);
    check(&repeated, array![[1.0, 11.0, 21.0], [2.0, 12.0, 22.0], [3.0, 13.0, 23.0]]);
    let firsts = blockwise("i->i", &x, BlockAxes::default().chunks('i', [1, 1]), |block: ArrayViewD<f64>, _| arr1(&[block[0]]).into_dyn());
    check(&firsts, arr1(&[1.0, 3.0]));
    // An axis of length 1 goes with every block, also of an axis that is put together.
    let one = Array::from_ndarray(array![[5]], 1).unwrap();
    let sums =
        blockwise("i,ij->i", (&x, &one), (), |(x, one): (ArrayViewD<f64>, ArrayViewD<i32>), _| x.mapv(|x| x + f64::from(one[[0, 0]])));
    check(&sums, arr1(&[6.0, 7.0, 8.0]));
}

#[test]
fn blocks_of_several_types_and_shapes_are_mapped() {
    let row = arr1(&[1i32, 2, 0, 3]);
    let wanted = Array2::from_shape_fn((5, 4), |(i, j)| x()[[i, j]].powi(row[j]));
    for chunks in chunkings() {
        let (x, n) = (Array::from_ndarray(x(), chunks).unwrap(), Array::from_ndarray(row.clone(), 3).unwrap());
        let powers = map_blocks((&x, &n), (), |(x, n): (ArrayViewD<f64>, ArrayViewD<i32>), _| {
            Zip::from(&x).and_broadcast(&n).map_collect(|x, &n| x.powi(n))
        });
        check(&powers, wanted.clone());
        let all = [&x, &x, &x];
        let three = map_blocks(all.as_slice(), (), |blocks: Vec<ArrayViewD<f64>>, _| {
            blocks.iter().fold(ArrayD::zeros(blocks[0].shape()), |sum, block| sum + block)
        });
        check(&three, 3.0 * computed(&x));
        let dropped = map_blocks(&x, OutputAxes::default().drop_axis([-1]), |block: ArrayViewD<f64>, _| block.sum_axis(Axis(1)));
        check(&dropped, computed(&x).sum_axis(Axis(1)));
        let moved = map_blocks(&x, OutputAxes::default().drop_axis([0]).new_axis([1]), |block: ArrayViewD<f64>, _| {
            block.sum_axis(Axis(0)).insert_axis(Axis(1))
        });
        check(&moved, computed(&x).sum_axis(Axis(0)).insert_axis(Axis(1)));
        let n_blocks = x.numblocks();
        let sizes = map_blocks(
            &x,
            OutputAxes::default().chunks(n_blocks.iter().map(|&n| vec![1; n])),
            |block: ArrayViewD<f64>, location: &BlockLocation| {
                assert_eq!(location.index, location.start);
                ArrayD::from_elem(vec![1, 1], block.len() as i64)
            },
        );
        assert_eq!(computed(&sizes).sum(), 20);
    }
    // Of no axes, and of no elements.
    let none = Array::from_ndarray(arr0(2.0), 1).unwrap();
    check(&map_blocks(&none, (), |block: ArrayViewD<f64>, _| block.mapv(|x| x + 1.0)), arr0(3.0));
    let empty = Array::<f64>::zeros([0, 3], 2).unwrap();
    check(&map_blocks((&empty, &none), (), |(x, y): (ArrayViewD<f64>, ArrayViewD<f64>), _| &x + &y), Array2::zeros((0, 3)));
}

#[test]
fn functions_of_blocks_that_capture_nothing_are_portable() {
    let (x, n) = (Array::from_ndarray(x(), 2).unwrap(), Array::from_ndarray(n(), 2).unwrap());
    let gufunc: Array<f64> =
        apply_gufunc("(n)->()", &x, Gufunc::default().vectorize().allow_rechunk(), |row: ArrayViewD<f64>| arr0(row.sum()).into_dyn());
    for array in [blockwise("ij,jk->ik", (&x, &n), (), product), gufunc] {
        let plan = Plan::new(&array.graph().unwrap(), &array.keys()).unwrap();
        plan.check_portable().unwrap();
        for id in 0..plan.len() as u32 {
            arras_core::Func::from_wire(&plan.func(id).to_wire().unwrap()).unwrap();
        }
    }
    let captured = 3.0;
    let array = map_blocks(&x, (), move |x: ArrayViewD<f64>, _| &x * captured);
    let plan = Plan::new(&array.graph().unwrap(), &array.keys()).unwrap();
    assert!(plan.check_portable().is_err());
}

#[test]
fn signatures_say_what_a_function_takes_and_makes() {
    let (left, right) =
        (Array2::from_shape_fn((3, 2), |(i, j)| (i + 2 * j) as f64), Array2::from_shape_fn((2, 4), |(i, j)| (i * j) as f64 - 1.0));
    let wanted = left.dot(&right);
    for loops in [1, 2, 5] {
        // A batch of matrices times one.
        let batch = ndarray::Array3::from_shape_fn((5, 3, 2), |(b, i, j)| left[[i, j]] + b as f64);
        let (batched, single) =
            (Array::from_ndarray(batch.clone(), [loops, 3, 2]).unwrap(), Array::from_ndarray(right.clone(), 5).unwrap());
        let products: Array<f64> = apply_gufunc(
            "(m,n),(n,p)->(m,p)",
            (&batched, &single),
            Gufunc::default().vectorize(),
            |(a, b): (ArrayViewD<f64>, ArrayViewD<f64>)| {
                a.into_dimensionality::<Ix2>().unwrap().dot(&b.into_dimensionality::<Ix2>().unwrap()).into_dyn()
            },
        );
        let found = computed(&products);
        assert_eq!(found.shape(), [5, 3, 4]);
        for (b, matrix) in batch.outer_iter().enumerate() {
            assert_eq!(found.index_axis(Axis(0), b), matrix.dot(&right).into_dyn());
        }
        assert_eq!(found.index_axis(Axis(0), 0), wanted.clone().into_dyn());
        // Loop axes broadcast in both directions.
        let columns = batched.sum_axis([1, 2]).expand_dims([1]);
        let pairs: Array<f64> =
            apply_gufunc("(),()->()", (&columns, &single.sum_axis(0)), (), |(a, b): (ArrayViewD<f64>, ArrayViewD<f64>)| &a + &b);
        check(&pairs, computed(&columns) + computed(&single.sum_axis(0)));
    }
}

#[test]
fn several_results_share_one_call() {
    let x = Array::from_ndarray(x(), [2, 4]).unwrap();
    let (mean, range, sorted) = apply_gufunc("(n)->(),(),(n)", &x, (), |x: ArrayViewD<f64>| {
        let last = Axis(x.ndim() - 1);
        let mut sorted = x.to_owned();
        sorted.lanes_mut(last).into_iter().for_each(|mut lane| lane.as_slice_mut().unwrap().sort_by(f64::total_cmp));
        let range = x.map_axis(last, |lane| lane.iter().map(|&x| x as i64).max().unwrap());
        (x.mean_axis(last).unwrap(), range, sorted)
    });
    check(&mean, computed(&x).mean_axis(Axis(1)).unwrap());
    assert_eq!(range.shape(), [5]);
    assert_eq!(computed(&sorted).sum(), computed(&x).sum());
    let both = mean.add(range.cast::<f64>());
    let calls = both.graph().unwrap().layers().filter(|layer| layer.name().as_str().contains("gufunc-all")).count();
    assert_eq!(calls, 1);
    let sizes = Gufunc::default().output_size("k", 3).vectorize();
    let powers: Array<f64> = apply_gufunc("()->(k)", &x, sizes, |x: ArrayViewD<f64>| arr1(&[1.0, x[[]], x[[]] * x[[]]]).into_dyn());
    check(&powers.slice(arras_array::s![.., .., 2]), computed(&x.square()));
    let empty = Array::<f64>::zeros([0, 4], 4).unwrap();
    let none: Array<f64> = apply_gufunc("(n)->()", &empty, Gufunc::default().vectorize(), |x: ArrayViewD<f64>| arr0(x.sum()).into_dyn());
    check(&none, arr1(&[]));
}

#[test]
fn core_axes_may_be_anywhere_and_stay() {
    let data = ndarray::Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (i * 100 + j * 10 + k) as f64);
    let last = |x: ArrayViewD<f64>| x.sum_axis(Axis(x.ndim() - 1));
    for chunks in chunkings() {
        let x = Array::from_ndarray(data.clone(), chunks).unwrap();
        let how = || Gufunc::default().allow_rechunk();
        for axis in -3..3isize {
            let expected = data.sum_axis(Axis(axis.rem_euclid(3) as usize)).into_dyn();
            let sum: Array<f64> = apply_gufunc("(n)->()", &x, how().axis(axis), last);
            check(&sum, expected.clone());
            let kept: Array<f64> = apply_gufunc("(n)->()", &x, how().axes([vec![axis]]).keepdims(), last);
            check(&kept, expected.clone().insert_axis(Axis(axis.rem_euclid(3) as usize)));
            let elsewhere: Array<f64> = apply_gufunc("(n)->()", &x, how().axes([vec![axis], vec![0]]).keepdims(), last);
            check(&elsewhere, expected.insert_axis(Axis(0)));
            // A result of the core axis has it where the array has.
            let same: Array<f64> = apply_gufunc("(n)->(n)", &x, how().axis(axis), |x: ArrayViewD<f64>| x.to_owned());
            check(&same, data.clone());
            let moved: Array<f64> = apply_gufunc("(n)->(n)", &x, how().axes([vec![axis], vec![0]]), |x: ArrayViewD<f64>| x.to_owned());
            check(&moved, computed(&x.moveaxis([axis], [0])));
        }
        // NumPy 2.4.6: np.matmul(x, y, axes=[(0, 2), (1, 0), (2, 0)]).
        let y = Array::from_ndarray(ndarray::Array2::from_shape_fn((5, 4), |(i, j)| (i + j) as f64), 2).unwrap();
        let product: Array<f64> = apply_gufunc(
            "(m,n),(n,p)->(m,p)",
            (&x, &y),
            how().axes([vec![0, 2], vec![1, 0], vec![2, 0]]).vectorize(),
            |(x, y): (ArrayViewD<f64>, ArrayViewD<f64>)| {
                x.into_dimensionality::<ndarray::Ix2>().unwrap().dot(&y.into_dimensionality::<ndarray::Ix2>().unwrap()).into_dyn()
            },
        );
        check(&product, computed(&x.transpose([1, 0, 2]).matmul(&y.transpose([1, 0])).moveaxis([-2, -1], [2, 0])));
    }
    let x = Array::<f64>::ones([2, 3], 3).unwrap();
    let fails = |signature: &str, how: Gufunc, part: &str| {
        let found: Array<f64> = apply_gufunc(signature, (&x, &x), how, |(x, _): (ArrayViewD<f64>, ArrayViewD<f64>)| x.to_owned());
        let error = found.check().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let how = Gufunc::default;
    fails("(n),(n)->()", how().axis(0).axes([vec![0], vec![0]]), "axis and axes are given");
    fails("(n),(m)->()", how().axis(0), "axis is for one core axis, which all arrays share");
    fails("(n),()->()", how().axis(0), "axis is for one core axis");
    fails("(n),(n)->(k)", how().axis(0).output_size("k", 2), "axis is for one core axis");
    fails("(n),(n)->()", how().axes([vec![0]]), "axes of 1 arrays and results, but there are 2 and 1");
    fails("(n),(n)->(n)", how().axes([vec![0], vec![0]]), "axes of 2 arrays and results, but there are 2 and 1");
    fails("(n),(n)->()", how().axes([vec![0], vec![0, 1]]), "axes [0, 1] at place 1, where there are 1 core axes");
    fails("(n),(n)->()", how().axes([vec![0], vec![2]]), "apply_gufunc: axis 2 is out of range");
    fails("(n,m),(n,m)->()", how().axes([vec![0, 0], vec![0, 1]]), "axis 0");
    fails("(n),(n,m)->()", how().keepdims(), "keepdims is for arrays of as many core axes");
    fails("(n),(n)->(n)", how().keepdims(), "keepdims is for arrays of as many core axes");
}

#[test]
fn lanes_are_mapped_along_any_axis() {
    let data = ndarray::Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (i * 100 + j * 10 + k) as i64);
    for chunks in chunkings() {
        let x = Array::from_ndarray(data.clone(), chunks).unwrap();
        for axis in 0..3isize {
            check(&x.apply_along_axis(axis - 3, &[], |lane| arr0(lane.sum()).into_dyn()), data.sum_axis(Axis(axis as usize)));
            let doubled = x.apply_along_axis(axis, &[2, 1], |lane: ArrayView1<i64>| array![[lane[0]], [lane.sum()]].into_dyn());
            let found = computed(&doubled);
            let mut wanted: Vec<usize> = data.shape().to_vec();
            wanted.splice(axis as usize..=axis as usize, [2, 1]);
            assert_eq!(found.shape(), wanted);
            assert_eq!(
                found.index_axis(Axis(axis as usize), 1).index_axis(Axis(axis as usize), 0),
                data.sum_axis(Axis(axis as usize)).into_dyn()
            );
        }
        check(
            &x.apply_over_axes([0, -1], |x, axis| x.sum_axis(axis)),
            data.sum_axis(Axis(2)).sum_axis(Axis(0)).insert_axis(Axis(0)).insert_axis(Axis(2)),
        );
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let (x, y) = (Array::from_ndarray(x(), 2).unwrap(), Array::from_ndarray(n(), 2).unwrap());
    let why = |array: Array<f64>, part: &str| match array.check() {
        Err(error) => assert!(error.to_string().contains(part), "{error}"),
        Ok(_) => panic!("no error where {part}"),
    };
    let of = |letters: &str, axes: BlockAxes| blockwise(letters, (&x, &y), axes, product);
    why(of("ij,jk", ().into()), "-> stands before");
    why(of("ij->i", ().into()), "letters for 1 arrays, but there are 2");
    why(of("i,jk->i", ().into()), "1 letters for array 0, whose shape is [5, 4]");
    why(of("i1,jk->i", ().into()), "'1' is no letter");
    why(of("ij,ik->jk", ().into()), "axis 'i' has lengths 5 and 4");
    why(of("ij,jk->iik", ().into()), "axis 'i' is twice in the result");
    why(of("ij,jk->il", ().into()), "axis 'l' of the result is of no array");
    why(of("ij,jk->ik", BlockAxes::default().new_axis('i', [1])), "axis 'i' is said to be new");
    why(of("ij,jk->ik", BlockAxes::default().new_axis('z', [1])), "axis 'z' is given chunks, but the result has it not");
    why(of("ij,jk->ik", BlockAxes::default().chunks('i', [5])), "chunks [5] for axis 'i', which is cut into 3 blocks");
    let mapped = |axes: OutputAxes| map_blocks(&x, axes, |x: ArrayViewD<f64>, _| x.to_owned());
    why(mapped(OutputAxes::default().drop_axis([2])), "map_blocks: axis 2 is out of range");
    why(mapped(OutputAxes::default().new_axis([3])), "map_blocks: axis 3 is out of range");
    why(mapped(OutputAxes::default().chunks([vec![5]])), "chunks of 1 axes for a result of 2");
    why(map_blocks((&x, &y), (), |(x, _): (ArrayViewD<f64>, ArrayViewD<i32>), _| x.to_owned()), "map_blocks");
    let gufunc = |signature: &str, how: Gufunc| -> Array<f64> {
        apply_gufunc(signature, (&x, &y), how, |(x, _): (ArrayViewD<f64>, ArrayViewD<i32>)| x.to_owned())
    };
    why(gufunc("(n),(n)", ().into()), "-> stands before");
    why(gufunc("n,(n)->()", ().into()), "parentheses");
    why(gufunc("(n,(n)->()", ().into()), "\"(n\" is no name");
    why(gufunc("(n)->()", ().into()), "axes of 1 arrays, but there are 2");
    why(gufunc("(n),()->(),()", ().into()), "2 results, but the function returns 1");
    why(gufunc("(n,n),()->()", ().into()), "\"n\" is twice in one array");
    why(gufunc("(a,b,c),()->()", ().into()), "3 core axes for array 0, whose shape is [5, 4]");
    why(gufunc("(n),(m)->()", ().into()), "core axis \"n\" of array 0 is cut into 2 chunks");
    why(gufunc("(n),(n)->()", Gufunc::default().allow_rechunk()), "core axis \"n\" has length 4, but 3 in array 1");
    why(gufunc("(n),(m)->(k)", Gufunc::default().allow_rechunk()), "no array has core axis \"k\"");
    why(gufunc("(n),(m)->()", Gufunc::default().allow_rechunk().output_size("n", 3)), "core axis \"n\" has length 4, not 3");
    assert!(matches!(
        gufunc("(n),(m)->()", Gufunc::default().allow_rechunk()).check(),
        Err(Error::Broadcast { operation: "apply_gufunc", .. })
    ));
    let runs = |array: Array<f64>, part: &str| {
        let error = evaluate(&array).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    runs(mapped(OutputAxes::default().drop_axis([0])), "is to have shape [2], but the function returned one of shape [5, 2]");
    runs(
        apply_gufunc("(n)->()", &x.rechunk(5), (), |x: ArrayViewD<f64>| x.to_owned()),
        "is to have shape [5], but the function returned [5, 4]",
    );
    runs(
        apply_gufunc("(n)->()", &x.rechunk(5), Gufunc::default().vectorize(), |x: ArrayViewD<f64>| x.to_owned()),
        "is to have shape [], but the function returned [4]",
    );
    why(x.apply_along_axis(2, &[], |_| arr0(0.0).into_dyn()), "apply_along_axis: axis 2 is out of range");
    why(x.apply_over_axes([0], |x, _| x.ravel().sum()), "the function made 0 axes of 2");
}
