//! Arrays whose shape, order or elements change are what NumPy makes of them, under any chunking.

use arras_array::{Array, Element, Indexing, Number, Pad, PadStatistic, Real, block, column_stack, dstack, hstack, s, vstack};

use super::oracle::check;
use super::recorded::{Recorded, chunkings};

fn each_axis<T: Element>(recorded: &Recorded, name: &str, x: &Array<T>) {
    for axis in 0..x.ndim() {
        let n = x.shape()[axis] as isize;
        let negative = axis as isize - x.ndim() as isize;
        let case = |operation: &str, array: Array<T>| recorded.check(&format!("{operation} {name} {axis}"), &array);
        case("take", x.take([n - 1, 0, 0, -2, 1, 1, -n], axis as isize));
        case("take sorted", x.take([0, 1, n - 1], negative));
        case("take none", x.take([], negative));
        case("delete", x.delete([1, -1, 1], negative));
        case("roll", x.roll(2, negative));
        case("roll back", x.roll(-n - 1, negative));
        case("repeat", x.repeat(3, negative));
        case("repeat none", x.repeat(0, negative));
        case("flip", x.flip([negative]));
        case("insert", x.insert(1, &Array::full([], T::cast_from(9u8), 1).unwrap(), negative));
        case("insert end", x.insert(n, &Array::full([], T::cast_from(9u8), 1).unwrap(), negative));
        case("expand", x.expand_dims([axis as isize]));
        case("window", x.sliding_window_view([2], [negative]));
        // What was rolled away comes back, whatever the chunks; a slice of a roll touches what it shows.
        check(&x.roll(2, negative).roll(-2, negative), super::oracle::computed(x));
    }
}

fn whole<T: Real>(recorded: &Recorded, name: &str, x: &Array<T>) {
    let case = |operation: &str, array: Array<T>| recorded.check(&format!("{operation} {name}"), &array);
    case("roll flat", x.roll_flat(5));
    case("ravel", x.ravel());
    case("tile", x.tile([2]));
    case("tile 2 1", x.tile([2, 1]));
    case("tile 2 2 1 3", x.tile([2, 2, 1, 3]));
    let from = |n: u8| T::cast_from(n);
    case("ediff1d", x.ediff1d(&[from(9)], &[from(7), from(8)]));
    let widths = &[(2, 1), (0, 4), (3, 3)][..x.ndim()];
    for (mode, pad) in [("edge", Pad::Edge), ("reflect", Pad::Reflect), ("symmetric", Pad::Symmetric), ("wrap", Pad::Wrap)] {
        case(&format!("pad {mode}"), x.pad(widths, pad));
        if x.ndim() == 1 && mode != "edge" {
            case(&format!("pad long {mode}"), x.pad([(13, 17)], pad));
        }
    }
    case("pad constant", x.pad(widths, Pad::Constant(from(7))));
    case("pad maximum", x.pad_with(widths, PadStatistic::Maximum));
    case("pad minimum", x.pad_with(widths, PadStatistic::Minimum));
    case("pad mean", x.pad_with(widths, PadStatistic::Mean));
    case("pad linear_ramp", x.pad_with(widths, PadStatistic::LinearRamp(-4.0)));
    case("atleast_1d", x.atleast_1d());
    case("atleast_2d", x.atleast_2d());
    case("atleast_3d", x.atleast_3d());
}

fn differences<T: Number>(recorded: &Recorded, name: &str, x: &Array<T>) {
    for axis in 0..x.ndim() {
        recorded.check(&format!("diff {name} {axis}"), &x.diff(1, axis as isize));
        recorded.check(&format!("diff 2 {name} {axis}"), &x.diff(2, axis as isize));
    }
}

#[test]
fn elements_move_as_numpys_do() {
    let recorded = Recorded::shapes();
    for chunks in chunkings() {
        each_axis(&recorded, "v", &recorded.input::<f64>("v", chunks.clone()));
        each_axis(&recorded, "x", &recorded.input::<f64>("x", chunks.clone()));
        each_axis(&recorded, "y", &recorded.input::<i64>("y", chunks));
    }
}

#[test]
fn margins_tiles_and_differences_are_numpys() {
    let recorded = Recorded::shapes();
    for chunks in chunkings() {
        let (v, x) = (recorded.input::<f64>("v", chunks.clone()), recorded.input::<f64>("x", chunks.clone()));
        let y = recorded.input::<i64>("y", chunks.clone());
        whole(&recorded, "v", &v);
        whole(&recorded, "x", &x);
        whole(&recorded, "y", &y);
        differences(&recorded, "v", &v);
        differences(&recorded, "x", &x);
        differences(&recorded, "y", &y);
        for axis in 0..3 {
            recorded.check(&format!("gradient y {axis}"), &y.gradient(0.5, axis));
        }
        for axis in 0..2 {
            recorded.check(&format!("gradient x {axis}"), &x.gradient(0.5, axis));
        }
        recorded.check("gradient v 0", &v.gradient(0.5, -1));
        let i = recorded.input::<i8>("i", chunks);
        recorded.check("pad mean i", &i.pad_with([(2, 1)], PadStatistic::Mean));
        recorded.check("pad linear_ramp i", &i.pad_with([(3, 4)], PadStatistic::LinearRamp(-4.0)));
    }
}

#[test]
fn shapes_change_and_blocks_stay_small() {
    let recorded = Recorded::shapes();
    let x_shapes: [&[isize]; 9] = [&[24], &[2, 12], &[8, 3], &[3, 8], &[6, 4], &[2, 2, 6], &[4, 2, 3], &[1, 4, 1, 6], &[12, 2, 1]];
    let y_shapes: [&[isize]; 10] =
        [&[60], &[12, 5], &[3, 20], &[2, 30], &[6, 10], &[5, 4, 3], &[15, 4], &[3, 2, 2, 5], &[3, 4, 5, 1], &[1, 60]];
    let name =
        |letter: &str, shape: &[isize]| format!("reshape {letter} {}", shape.iter().map(|n| n.to_string()).collect::<Vec<_>>().join("_"));
    let largest = |chunks: &[Vec<usize>]| chunks.iter().map(|chunks| chunks.iter().copied().max().unwrap()).product::<usize>();
    for chunks in chunkings() {
        let (x, y) = (recorded.input::<f64>("x", chunks.clone()), recorded.input::<i64>("y", chunks));
        for shape in x_shapes {
            let reshaped = x.reshape(shape);
            recorded.check(&name("x", shape), &reshaped);
            assert!(largest(&reshaped.chunks()) <= largest(&x.chunks()), "{shape:?}");
            check(&reshaped.reshape([4, -1]), recorded.answer::<f64>("in x"));
        }
        for shape in y_shapes {
            let reshaped = y.reshape(shape);
            recorded.check(&name("y", shape), &reshaped);
            assert!(largest(&reshaped.chunks()) <= largest(&y.chunks()), "{shape:?}");
            check(&(reshaped.reshape([3, -1, 5]) * 2), recorded.answer::<i64>("in y") * 2);
        }
    }
    // An empty array has no elements to move, one of no axes a single one.
    check(&Array::<f64>::zeros([0, 3], 2).unwrap().reshape([3, 0, 2]), ndarray::Array3::zeros((3, 0, 2)));
    check(&Array::<f64>::ones([], 2).unwrap().reshape([1, 1]), ndarray::arr2(&[[1.0]]));
    check(&Array::<f64>::ones([1, 1], 2).unwrap().reshape([]), ndarray::arr0(1.0));
    // Positions stay positions: nothing is cut.
    assert_eq!(Array::<i64>::arange(0, 24, 1, 5).unwrap().reshape([2, -1]).to_string().lines().next(), Some("array    iota"));
}

#[test]
fn axes_move_as_numpys_do() {
    let recorded = Recorded::shapes();
    for chunks in chunkings() {
        let (x, y, v) =
            (recorded.input::<f64>("x", chunks.clone()), recorded.input::<i64>("y", chunks.clone()), recorded.input::<f64>("v", chunks));
        for k in 0..4 {
            recorded.check(&format!("rot90 {k}"), &x.rot90(k - 4, [0, 1]));
            recorded.check(&format!("rot90 y {k}"), &y.rot90(k, [2, 0]));
        }
        for k in [-7, -2, -1, 0, 1, 3, 8] {
            recorded.check(&format!("diagonal {k}"), &x.diagonal(k, 0, 1));
            recorded.check(&format!("diagonal y {k}"), &y.diagonal(k, -1, 0));
            recorded.check(&format!("diag v {k}"), &v.diag(k));
            recorded.check(&format!("diagonal {k}"), &x.diag(k));
            recorded.check(&format!("tril {k}"), &x.tril(k));
            recorded.check(&format!("triu {k}"), &x.triu(k));
            recorded.check(&format!("tril y {k}"), &y.tril(k));
        }
        recorded.check("moveaxis", &y.moveaxis([0, 2], [1, 0]));
        recorded.check("swapaxes", &y.swapaxes(0, -1));
        for (axis, start) in (0..3).flat_map(|axis| (0..4).map(move |start| (axis, start))) {
            recorded.check(&format!("rollaxis {axis} {start}"), &y.rollaxis(axis, start));
        }
        check(&x.expand_dims([0, -1]).squeeze_axis([-1]).squeeze(), recorded.answer::<f64>("in x"));
        assert_eq!(x.flipud().check().unwrap().shape(), x.fliplr().shape());
    }
}

#[test]
fn arrays_are_put_together_as_numpys_are() {
    let recorded = Recorded::shapes();
    for chunks in chunkings() {
        let (v, x) = (recorded.input::<f64>("v", chunks.clone()), recorded.input::<f64>("x", chunks.clone()));
        let (v1, x1, x2, x3) = (&v + 1.0, &x + 1.0, &x + 2.0, &x + 3.0);
        recorded.check("vstack v", &vstack(&[&v, &v1]));
        recorded.check("hstack v", &hstack(&[&v, &v1]));
        recorded.check("dstack v", &dstack(&[&v, &v1]));
        recorded.check("column_stack v", &column_stack(&[&v, &v1]));
        recorded.check("vstack x", &vstack(&[&x, &x1]));
        recorded.check("hstack x", &hstack(&[&x, &x1]));
        recorded.check("dstack x", &dstack(&[&x, &x1]));
        recorded.check("vstack x", &x.append(&x1, 0));
        recorded.check("block", &block(&[&[&x, &x1], &[&x2, &x3]]));
        let column = Array::from_ndarray(ndarray::array![[1.0], [2.0], [3.0]], chunks.clone()).unwrap();
        recorded.check("insert many", &x.insert_at([1, 3, 1], &column, 0));
        let rows = Array::from_ndarray(ndarray::array![[1.0; 6], [2.0; 6]], chunks).unwrap();
        recorded.check("insert rows", &x.insert(2, &rows, 0));
    }
}

#[test]
fn assigned_elements_are_in_a_new_array() {
    let recorded = Recorded::shapes();
    for chunks in chunkings() {
        let x = recorded.input::<f64>("x", chunks.clone());
        let row = Array::arange(0.0, 6.0, 1.0, chunks.clone()).unwrap();
        let two = Array::arange(1.0, 3.0, 1.0, chunks).unwrap();
        // NumPy's `::-2` starts at the last row, and so does ndarray's.
        let set = x.set(s![1.., ..;2], 50.0).set(s![0, ..], &row).set(s![..;-2, -1], &two);
        recorded.check("set", &set);
        recorded.check("set_where", &x.set_where(&x.gt(5.0), 0.0));
        recorded.check("set_where row", &x.set_where(&x.gt(5.0), &row));
        check(&x, recorded.answer::<f64>("in x"));
        check(&x.set(s![2..2, ..], 1.0), recorded.answer::<f64>("in x"));
    }
    // Blocks that are not touched are the array's own.
    let x = Array::from_ndarray(ndarray::Array1::<u8>::zeros(1000), 100).unwrap();
    check(&x.set(s![150..160], 1).sum(), ndarray::arr0(10u64));
}

#[test]
fn points_and_windows() {
    let recorded = Recorded::shapes();
    for chunks in chunkings() {
        let (v, x, y) =
            (recorded.input::<f64>("v", chunks.clone()), recorded.input::<f64>("x", chunks.clone()), recorded.input::<i64>("y", chunks));
        recorded.check("vindex x", &x.vindex([vec![0, 3, -1, 2, 0], vec![5, 0, -6, 1, 5]]));
        recorded.check("vindex y", &y.vindex([vec![2, 0, 1, -1], vec![3, 0, -2, 1]]));
        recorded.check("vindex v", &v.vindex([vec![6, 0, 3, 3, -1]]));
        recorded.check("window y", &y.sliding_window_view([2, 3], [2, 0]));
        recorded.check("coarsen mean", &x.coarsen([(0, 2), (1, 3)], false, |x, axes| x.mean_axis(axes)));
        recorded.check("coarsen sum trim", &y.coarsen([(1, 2), (2, 2)], true, |y, axes| y.sum_axis(axes)));
    }
}

#[test]
fn arrays_of_positions_are_numpys() {
    let recorded = Recorded::shapes();
    for chunks in chunkings() {
        recorded.check("arange i", &Array::<i64>::arange(3, 20, 4, chunks.clone()).unwrap());
        recorded.check("arange down", &Array::<i64>::arange(20, 3, -4, chunks.clone()).unwrap());
        recorded.check("arange none", &Array::<i64>::arange(5, 3, 1, chunks.clone()).unwrap());
        recorded.check("arange f", &Array::<f64>::arange(0.1, 2.0, 0.3, chunks.clone()).unwrap());
        recorded.check("arange f32", &Array::<f32>::arange(0.1, 2.0, 0.3, chunks.clone()).unwrap());
        recorded.check("linspace", &Array::<f64>::linspace(-1.3, 2.9, 11, chunks.clone()).unwrap());
        recorded.check("linspace f32", &Array::<f64>::linspace(-1.3, 2.9, 11, chunks.clone()).unwrap().cast::<f32>());
        recorded.check("linspace same", &Array::<f64>::linspace(2.5, 2.5, 3, chunks.clone()).unwrap());
        recorded.check("linspace 1", &Array::<f64>::linspace(2.5, 3.5, 1, chunks.clone()).unwrap());
        recorded.check("linspace 0", &Array::<f64>::linspace(2.5, 3.5, 0, chunks.clone()).unwrap());
        recorded.check("indices", &arras_array::indices([2, 3, 2], chunks.clone()).unwrap());
        let table = arras_array::fromfunction([3, 4], chunks.clone(), |index| &index[0] * 10 + &index[1]).unwrap();
        recorded.check("fromfunction", &table);
        recorded.check(
            "fromfunction",
            &Array::<i64>::from_shape_fn([3, 4], chunks.clone(), |index| (index[0] * 10 + index[1]) as i64).unwrap(),
        );
        let v = recorded.input::<f64>("v", chunks.clone());
        let parts = [&v.slice(s![..2]), &v.slice(s![2..5]), &v.slice(s![5..])];
        for (i, array) in arras_array::meshgrid(&parts, Indexing::Xy).unwrap().iter().enumerate() {
            recorded.check(&format!("meshgrid xy {i}"), array);
        }
        for (i, array) in arras_array::meshgrid(&parts, Indexing::Ij).unwrap().iter().enumerate() {
            recorded.check(&format!("meshgrid ij {i}"), array);
        }
        for k in [-7, -2, -1, 0, 1, 3, 8] {
            recorded.check(&format!("eye {k}"), &Array::<f64>::eye(5, 4, k, chunks.clone()).unwrap());
            recorded.check(&format!("tri {k}"), &Array::<f64>::tri(5, 4, k, chunks.clone()).unwrap());
        }
    }
}
