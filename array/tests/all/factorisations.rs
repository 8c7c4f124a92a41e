//! Factorisations and solutions of linear equations.

use arras_array::{Array, Chunks, Complex32, Complex64, Error, Inexact, MatrixNorm, Rng, concatenate};
use arras_core::{Collection, evaluate};
use ndarray::{Array2, array};

use super::oracle::{check, computed};

/// A matrix of which nothing is special.
fn matrix<T: Inexact>(m: usize, n: usize) -> Array2<T> {
    let x = |i: usize, j: usize| ((i * 7 + j * 13 + i * j) % 17) as f64 / 4.0 - 2.0 + if i == j { 3.0 } else { 0.0 };
    Array2::from_shape_fn((m, n), |(i, j)| T::cast_from(Complex64::new(x(i, j), x(j + 1, i + 2) / 2.0)))
}

fn conjugate_transpose<T: Inexact>(x: &Array<T>) -> Array<T> {
    let turned: Array2<T> = computed(&x.t()).into_dimensionality().unwrap();
    let flipped = turned.mapv(|z| T::cast_from(Complex64::new(z.to_f64(), -z.imaginary())));
    Array::from_ndarray(flipped, 100).unwrap()
}

fn near<T: Inexact>(found: &Array<T>, wanted: &Array<T>, tolerance: f64) {
    let (found, wanted) = (computed(found), computed(wanted));
    assert_eq!(found.shape(), wanted.shape());
    // `max` would pass over NaN.
    let far = |a: T, b: T| {
        let parts = [(a.to_f64() - b.to_f64()).abs(), (a.imaginary() - b.imaginary()).abs()];
        if parts.iter().any(|part| part.is_nan()) { f64::INFINITY } else { parts[0].max(parts[1]) }
    };
    let worst = found.iter().zip(&wanted).map(|(&a, &b)| far(a, b)).fold(0.0, f64::max);
    assert!(worst <= tolerance, "{worst}: {found} instead of {wanted}");
}

fn identity<T: Inexact>(n: usize) -> Array<T> {
    let one = |i, j| T::cast_from(u8::from(i == j));
    Array::from_ndarray(Array2::from_shape_fn((n, n), |(i, j)| one(i, j)), 100).unwrap()
}

fn factorised<T: Inexact>(tolerance: f64) {
    for (m, n) in [(9, 3), (3, 9), (4, 4), (20, 2), (1, 1), (5, 1), (1, 5)] {
        let data: Array2<T> = matrix(m, n);
        for chunks in [Chunks::one(), 4.into(), 1.into(), Chunks::from([m, 1])] {
            let x = Array::from_ndarray(data.clone(), chunks).unwrap();
            let k = m.min(n);
            let (q, r) = x.qr();
            assert_eq!((q.shape(), r.shape()), (vec![m, k], vec![k, n]));
            near(&q.matmul(&r), &x, tolerance);
            near(&conjugate_transpose(&q).matmul(&q), &identity(k), tolerance);
            assert!(computed(&r).indexed_iter().all(|(index, &x)| index[0] <= index[1] || x == T::default()));

            let (u, s, vh) = x.svd();
            assert_eq!((u.shape(), s.shape(), vh.shape()), (vec![m, k], vec![k], vec![k, n]));
            let values: Vec<f64> = computed(&s).iter().map(|s| arras_array::Element::to_f64(*s)).collect();
            assert!(values.windows(2).all(|pair| pair[0] >= pair[1]) && values[k - 1] >= 0.0);
            let scaled =
                Array::from_ndarray(Array2::from_shape_fn((k, k), |(i, j)| T::cast_from(if i == j { values[i] } else { 0.0 })), 100)
                    .unwrap();
            near(&u.matmul(&scaled).matmul(&vh), &x, tolerance);
            near(&conjugate_transpose(&u).matmul(&u), &identity(k), tolerance);
            near(&vh.matmul(&conjugate_transpose(&vh)), &identity(k), tolerance);
        }
    }
}

#[test]
fn factors_multiply_to_the_matrix() {
    factorised::<f64>(1e-12);
    factorised::<f32>(1e-5);
    factorised::<Complex64>(1e-12);
    factorised::<Complex32>(1e-5);
}

fn square<T: Inexact>(tolerance: f64) {
    // Heavy on the diagonal, so that blocks can do without rows of others.
    let mut data: Array2<T> = matrix(7, 7);
    data.diag_mut().iter_mut().for_each(|x| *x = x.plus(T::cast_from(12u8)));
    let right: Array2<T> = matrix(7, 5);
    for cut in [
        Chunks::one(),
        3.into(),
        2.into(),
        1.into(),
        Chunks::explicit([vec![1, 4, 2], vec![7]]),
        Chunks::explicit([vec![5, 2], vec![2, 5]]),
    ] {
        let x = Array::from_ndarray(data.clone(), cut.clone()).unwrap();
        near(&x.inv().matmul(&x), &identity(7), tolerance);
        let (p, l, u) = x.lu();
        near(&p.matmul(&l).matmul(&u), &x, tolerance);
        let (p, l, u) = (computed(&p), computed(&l), computed(&u));
        assert!(
            p.lanes(ndarray::Axis(0))
                .into_iter()
                .chain(p.lanes(ndarray::Axis(1)))
                .all(|lane| lane.iter().map(|p| p.to_f64()).sum::<f64>() == 1.0)
        );
        assert!(l.indexed_iter().all(|(i, &l)| i[0] > i[1] || l == T::cast_from(u8::from(i[0] == i[1]))));
        assert!(u.indexed_iter().all(|(i, &u)| i[0] <= i[1] || u == T::default()));
        for chunks in [Chunks::one(), 4.into(), 1.into()] {
            let b = Array::from_ndarray(right.clone(), chunks.clone()).unwrap();
            near(&x.matmul(&x.solve(&b)), &b, tolerance);
            let (lower, upper) = (x.tril(0), x.triu(0));
            // The other triangle is not read.
            near(&lower.matmul(&x.solve_triangular(&b, true)), &b, tolerance);
            near(&upper.matmul(&x.solve_triangular(&b, false)), &b, tolerance);
            let column = Array::from_ndarray(right.column(0).to_owned(), 4).unwrap();
            let solved = x.solve(&column);
            assert_eq!(solved.shape(), [7]);
            near(&x.matmul(&solved), &column, tolerance);
        }
        let positive = x.matmul(&conjugate_transpose(&x)).rechunk(cut);
        let root = positive.cholesky();
        assert!(computed(&root).indexed_iter().all(|(i, &l)| i[0] >= i[1] || l == T::default()));
        near(&root.matmul(&conjugate_transpose(&root)), &positive, tolerance * 100.0);
        let b = Array::from_ndarray(right.clone(), 3).unwrap();
        near(&positive.matmul(&positive.solve_positive(&b)), &b, tolerance * 100.0);
        near(&positive.tril(0).solve_positive(&b), &positive.solve_positive(&b), 0.0);
    }
}

#[test]
fn square_matrices_are_solved_and_inverted_in_any_blocks() {
    square::<f64>(1e-12);
    square::<f32>(1e-5);
    square::<Complex64>(1e-12);
    square::<Complex32>(1e-5);
    let none = Array::<f64>::zeros([0, 0], 1).unwrap();
    check(&none.det(), ndarray::arr0(1.0));
    check(&none.inv(), Array2::zeros((0, 0)));
    check(&none.cholesky(), Array2::zeros((0, 0)));
    check(&none.lu().1, Array2::zeros((0, 0)));
    check(&none.solve(&Array::zeros([0, 2], 1).unwrap()), Array2::zeros((0, 2)));
    check(&none.solve(&Array::zeros([0], 1).unwrap()), ndarray::Array1::zeros(0));
}

#[test]
fn one_block_exchanges_rows_wherever_they_are() {
    // By hand: the greatest of a column first.
    let x = Array::<f64>::from_ndarray(array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 9.0]], 3).unwrap();
    let (p, l, u) = x.lu();
    check(&p, array![[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
    check(&l, array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 1.0]]);
    check(&u, array![[6.0, 7.0, 9.0], [0.0, 1.0, 2.0], [0.0, 0.0, -0.5]]);
    check(&x.det(), ndarray::arr0(-3.0));
    // In blocks of one row there is nothing to exchange it for.
    let error = evaluate(&x.rechunk(1).solve(&Array::ones(3, 1).unwrap())).unwrap_err().to_string();
    assert!(error.contains("solve: what is left of block (0, 0) is singular") && error.contains("rechunk to larger blocks"), "{error}");
    for (data, wanted) in [
        (array![[1.0, 2.0], [3.0, 4.0]], -2.0f64),
        (array![[0.0, 1.0], [1.0, 0.0]], -1.0),
        (array![[1.0, 2.0], [2.0, 4.0]], 0.0),
        (array![[-3.0]], -3.0),
    ] {
        let x = Array::from_ndarray(data, 2).unwrap();
        assert!((computed(&x.det())[[]] - wanted).abs() < 1e-14);
    }
    let x = Array::from_ndarray(matrix::<f64>(5, 5), 5).unwrap();
    near(&x.rechunk(2).det(), &x.det(), 1e-9);
    near(&x.rechunk(1).det(), &x.det(), 1e-9);
}

#[test]
fn factors_are_shared_and_the_other_half_left_out() {
    let n = 5;
    let positive =
        Array::from_ndarray(Array2::from_shape_fn((10, 10), |(i, j)| if i == j { 20.0 } else { ((i * j) % 3) as f64 }), 2).unwrap();
    let tasks = |array: &Array<f64>| {
        let plan = arras_core::Plan::new(&array.graph().unwrap(), &array.keys()).unwrap();
        plan.len()
    };
    // Diagonals, blocks below them, updates of the lower half, the blocks of the result, those of the input.
    let updates: usize = (0..n).map(|k| (n - k - 1) * (n - k) / 2).sum();
    let read = n * (n + 1) / 2;
    let cholesky = tasks(&positive.cholesky());
    assert!(cholesky <= n + n * (n - 1) / 2 + updates + n * n + read, "{cholesky}");
    let (p, l, u) = positive.lu();
    let both = concatenate(&[&p, &l, &u, &positive.inv()], 0);
    let graph = both.graph().unwrap();
    let diagonals = graph.layers().filter(|layer| layer.name().as_str().contains("lu-factors-diagonal")).count();
    assert_eq!(diagonals, n);
    computed(&both);
}

#[test]
fn a_matrix_wider_than_high_is_factorised_by_its_first_columns() {
    let data: Array2<f64> = matrix(4, 19);
    for columns in [1, 3, 5, 19] {
        let x = Array::from_ndarray(data.clone(), [4, columns]).unwrap();
        let (q, r) = x.qr();
        assert_eq!((q.shape(), r.shape()), (vec![4, 4], vec![4, 19]));
        near(&q.matmul(&r), &x, 1e-12);
        near(&q.t().matmul(&q), &identity(4), 1e-12);
        assert!(computed(&r).indexed_iter().all(|(index, &x)| index[0] <= index[1] || x == 0.0));
        if columns < 19 {
            // The other columns keep their chunks.
            assert!(r.chunks()[1].len() > 1 && r.chunks()[1].iter().skip(1).all(|&n| n <= columns));
        }
    }
}

/// faer works on large blocks otherwise than on small ones.
#[test]
fn large_blocks_are_factorised_too() {
    let x = Rng::seed(3).uniform(-1.0, 1.0, [170, 130], [170, 130]).unwrap();
    for x in [x.clone(), x.t(), x.rechunk([90, 130]), x.slice(arras_array::s![..100, ..]).rechunk([100, 70])] {
        let k = x.shape()[0].min(x.shape()[1]);
        let (q, r) = x.qr();
        near(&q.matmul(&r), &x, 1e-12);
        near(&q.t().matmul(&q), &identity(k), 1e-12);
        let (u, s, vh) = x.svd();
        near(&(u * s).matmul(&vh), &x, 1e-12);
    }
    let square = x.t().matmul(&x).add(Array::eye(130, 130, 0, 130).unwrap());
    let b = Rng::seed(4).uniform(-1.0, 1.0, [130, 40], [130, 25]).unwrap();
    for chunks in [130, 70] {
        let square = square.rechunk(chunks);
        let (p, l, u) = square.lu();
        near(&p.matmul(&l).matmul(&u), &square, 1e-11);
        let l = square.cholesky();
        near(&l.matmul(&l.t()), &square, 1e-11);
        for x in [square.solve(&b), square.solve_positive(&b), square.inv().matmul(&b)] {
            near(&square.matmul(&x), &b, 1e-10);
        }
    }
}

#[test]
fn norms_of_matrices_are_numpys() {
    // NumPy 2.4.6: np.linalg.norm([[1, -2, 3], [0, 5, -1]], ord).
    let data = array![[1.0, -2.0, 3.0], [0.0, 5.0, -1.0]];
    let answers = [
        (MatrixNorm::Frobenius, 6.324555320336759),
        (MatrixNorm::Nuclear, 8.24187357871606),
        (MatrixNorm::Two, 5.858141434215834),
        (MatrixNorm::NegativeTwo, 2.3837321445002257),
        (MatrixNorm::One, 7.0),
        (MatrixNorm::NegativeOne, 1.0),
        (MatrixNorm::Infinity, 6.0),
        (MatrixNorm::NegativeInfinity, 6.0),
    ];
    for chunks in [Chunks::one(), 2.into(), 1.into()] {
        let x = Array::from_ndarray(data.clone(), chunks).unwrap();
        for (norm, wanted) in answers {
            let found: ndarray::ArrayD<f64> = computed(&x.norm_matrix(norm, [0, 1], false));
            assert!(found.ndim() == 0 && (found[[]] - wanted).abs() < 1e-12, "{norm:?}: {found}");
            let kept: ndarray::ArrayD<f64> = computed(&x.norm_matrix(norm, [-2, -1], true));
            assert!(kept.shape() == [1, 1] && (kept[[0, 0]] - wanted).abs() < 1e-12);
        }
        // Rows and columns exchanged.
        check(&x.norm_matrix(MatrixNorm::One, [1, 0], false), ndarray::arr0(6.0));
        let stacked = x.expand_dims([1]);
        check(&stacked.norm_matrix(MatrixNorm::Infinity, [0, 2], false), array![6.0]);
        check(&stacked.norm_matrix(MatrixNorm::One, [2, 0], false), array![6.0]);
    }
    let x = Array::<f64>::ones([2, 2, 2], 1).unwrap();
    let why = |norm, axes| x.norm_matrix(norm, axes, false).check().unwrap_err().to_string();
    assert!(why(MatrixNorm::Two, [0, 1]).contains("Two takes singular values, which are known of two axes; the shape is [2, 2, 2]"));
    assert_eq!(why(MatrixNorm::One, [0, 0]), "norm_matrix: axis 0 is named twice in [0, 0]");
    assert!(why(MatrixNorm::One, [0, 3]).contains("axis 3 is out of range"));
    // NumPy 2.4.6: the greatest of nothing is 0, of the least there is none.
    use MatrixNorm::{Frobenius, Infinity, NegativeInfinity, NegativeOne, NegativeTwo, Nuclear, One, Two};
    for (shape, without) in [([0, 2], [NegativeTwo, NegativeInfinity]), ([2, 0], [NegativeTwo, NegativeOne])] {
        let none = Array::<f64>::ones(shape, 1).unwrap();
        for norm in [Frobenius, Nuclear, Two, NegativeTwo, One, NegativeOne, Infinity, NegativeInfinity] {
            let found = none.norm_matrix(norm, [0, 1], false);
            if without.contains(&norm) {
                assert!(matches!(found.check(), Err(Error::EmptyReduction { .. })), "{norm:?}");
            } else {
                check(&found, ndarray::arr0(0.0));
            }
        }
    }
}

#[test]
fn traces_are_sums_along_diagonals() {
    let data = ndarray::Array3::from_shape_fn((3, 4, 2), |(i, j, k)| (i * 10 + j * 3 + k) as i32);
    for chunks in [Chunks::one(), 2.into(), 1.into()] {
        let x = Array::from_ndarray(data.clone(), chunks).unwrap();
        check(&x.trace(0, 0, 1), array![39i64, 42]);
        check(&x.trace(-1, 0, 1), array![33i64, 35]);
        check(&x.trace(9, 0, 1), array![0i64, 0]);
        assert_eq!(x.trace(0, -1, 0).shape(), [4]);
    }
}

#[test]
fn empty_matrices_have_empty_factors() {
    for (m, n) in [(0, 3), (3, 0), (0, 0)] {
        let x = Array::<f64>::zeros([m, n], 2).unwrap();
        let (q, r) = x.qr();
        check(&q, Array2::zeros((m, 0)));
        check(&r, Array2::zeros((0, n)));
        let (u, s, vh) = x.svd();
        assert_eq!((computed(&u).shape(), computed(&s).len(), computed(&vh).shape()), (&[m, 0][..], 0, &[0, n][..]));
    }
}

#[test]
fn both_factors_share_one_factorisation() {
    let x = Array::from_ndarray(matrix::<f64>(40, 3), [2, 3]).unwrap();
    let (q, r) = x.qr();
    let both = concatenate(&[&q, &r], 0);
    let graph = both.graph().unwrap();
    let factors = graph.layers().filter(|layer| layer.name().as_str().contains("factors")).count();
    // 20 blocks, 3 stacks, 1.
    assert_eq!(factors, 3);
    let alone: usize = r.graph().unwrap().layers().filter(|layer| layer.name().as_str().contains("factors")).count();
    assert_eq!(alone, 3);
    assert_eq!(computed(&both).shape(), [43, 3]);
}

#[test]
fn least_squares_are_numpys() {
    // NumPy 2.4: np.linalg.lstsq([[0, 1], [1, 1], [2, 1], [3, 1]], [-1, 0.2, 0.9, 2.1]) is (1, -0.95), [0.05], 2, (4.10003045, 1.09075677).
    let a = array![[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [3.0, 1.0]];
    for chunks in [Chunks::one(), 2.into(), 1.into()] {
        let a = Array::from_ndarray(a.clone(), chunks).unwrap();
        let b = Array::from_ndarray(array![-1.0, 0.2, 0.9, 2.1], 3).unwrap();
        let found = a.lstsq(&b, None);
        near(&found.x, &Array::from_ndarray(array![1.0, -0.95], 2).unwrap(), 1e-12);
        near(&found.residuals, &Array::full((), 0.05, 1).unwrap(), 1e-12);
        near(&found.singular_values, &Array::from_ndarray(array![4.10003045, 1.09075677], 2).unwrap(), 1e-8);
        check(&found.rank, ndarray::arr0(2));
        let several = a.lstsq(&Array::from_ndarray(array![[-1.0, 0.0], [0.2, 1.0], [0.9, 2.0], [2.1, 3.0]], 2).unwrap(), None);
        near(&several.x, &Array::from_ndarray(array![[1.0, 1.0], [-0.95, 0.0]], 2).unwrap(), 1e-12);
        near(&several.residuals, &Array::from_ndarray(array![0.05, 0.0], 2).unwrap(), 1e-12);
        // Columns that are alike: the solution of the least norm.
        let alike = Array::<f64>::ones([4, 2], 2).unwrap().lstsq(&Array::full(4, 4.0, 2).unwrap(), None);
        near(&alike.x, &Array::from_ndarray(array![2.0, 2.0], 2).unwrap(), 1e-12);
        check(&alike.rank, ndarray::arr0(1));
    }
}

#[test]
fn a_sample_finds_the_largest_singular_values() {
    let rng = Rng::seed(7);
    let (left, right) = (rng.uniform(-1.0, 1.0, [60, 3], [20, 3]).unwrap(), rng.uniform(-1.0, 1.0, [3, 50], [3, 25]).unwrap());
    let x = left.matmul(&right);
    let (u, s, vh) = x.svd_compressed(3, 1, &Rng::seed(8));
    assert_eq!((u.shape(), s.shape(), vh.shape()), (vec![60, 3], vec![3], vec![3, 50]));
    let exact = x.svd().1.slice(arras_array::s![..3]);
    near(&s, &exact, 1e-10);
    near(&(u * s).matmul(&vh), &x, 1e-10);
    assert!(x.svd_compressed(0, 1, &rng).1.check().is_err());
    // What was sampled is enough to project onto.
    let rows = x.compression_matrix(3, 1, &Rng::seed(8));
    assert_eq!(rows.shape(), [13, 60]);
    near(&rows.matmul(&rows.t()), &identity(13), 1e-10);
    near(&rows.t().matmul(&rows.matmul(&x)), &x, 1e-10);
    assert_eq!(
        x.compression_matrix(0, 1, &rng).check().unwrap_err().to_string(),
        "compression_matrix: k is 0: there are no singular values to find"
    );
}

#[test]
fn what_cannot_be_factorised_is_named() {
    let x = Array::<f64>::ones([4, 4], 2).unwrap();
    let why = |array: Array<f64>, part: &str| match array.check() {
        Err(error @ Error::Argument { .. }) => assert!(error.to_string().contains(part), "{error}"),
        other => panic!("{other:?} where {part}"),
    };
    let one = x.rechunk(4);
    why(Array::ones([4, 3], 4).unwrap().inv(), "inv: shape [4, 3] is not square");
    why(Array::<f64>::ones(4, 4).unwrap().qr().0, "qr: shape [4] is no matrix's");
    why(Array::<f64>::ones([2, 2, 2], 4).unwrap().svd().1, "svd: shape [2, 2, 2]");
    why(one.solve(&Array::ones(3, 3).unwrap()), "solve: b has shape [3], the matrix 4 rows");
    why(one.lstsq(&Array::ones(3, 3).unwrap(), None).x, "lstsq: b has shape [3]");
    let runs = |array: &Array<f64>, part: &str| {
        let error = evaluate(array).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    runs(&one.inv(), "inv: the matrix is singular");
    runs(&one.solve(&Array::ones(4, 4).unwrap()), "solve: the matrix is singular");
    runs(&x.inv(), "singular");
    let mut far = array![[2.0, 0.0], [0.0, 1.0]];
    far[[1, 1]] = -1.0;
    runs(&Array::from_ndarray(far, 1).unwrap().cholesky(), "cholesky: the matrix is not positive definite");
    runs(
        &Array::from_ndarray(array![[1.0, 0.0], [5.0, 0.0]], 1).unwrap().solve_triangular(&Array::ones(2, 1).unwrap(), true),
        "solve_triangular: the matrix is singular",
    );
    runs(&Array::<f64>::full([1, 1], -1.0, 1).unwrap().cholesky(), "not positive definite");
    runs(&Array::<f64>::full([2, 2], f64::NAN, 2).unwrap().svd().1, "no convergence");
}

/// NumPy 2.4.6 raises `LinAlgError` for `cholesky` and `svd` of NaN, and answers NaN in the others.
#[test]
fn nan_is_not_lost() {
    let mut data = Array2::from_shape_fn((5, 5), |(i, j)| if i == j { 6.0 } else { 1.0 / (1 + i + j) as f64 });
    data[[1, 1]] = f64::NAN;
    for chunks in [1, 2, 3, 5] {
        let x = Array::from_ndarray(data.clone(), chunks).unwrap();
        let b = Array::<f64>::ones([5], 2).unwrap();
        for (what, found) in [
            ("solve", x.solve(&b)),
            ("inv", x.inv()),
            ("det", x.det()),
            ("solve_triangular", x.solve_triangular(&b, true)),
            ("lu", x.lu().2),
            ("qr", x.rechunk([chunks, 5]).qr().1),
        ] {
            let found = evaluate(&found).unwrap();
            assert!(found.iter().any(|x| x.is_nan()), "{what} in chunks of {chunks}: {found}");
        }
        let error = evaluate(&x.cholesky()).unwrap_err().to_string();
        assert!(error.contains("cholesky: the matrix is not positive definite"), "{error}");
        let error = evaluate(&x.rechunk([chunks, 5]).svd().1).unwrap_err().to_string();
        assert!(error.contains("no convergence"), "{error}");
    }
}

/// Uneven, single and whole blocks, rows cut otherwise than columns: each is what one block makes of it, and the residual is small.
#[test]
fn random_matrices_in_random_blocks() {
    let mut state = 1u64;
    let mut random = move |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for round in 0..15 {
        let n = 1 + random(9) as usize;
        let mut cut = || {
            let mut chunks = Vec::new();
            while chunks.iter().sum::<usize>() < n {
                chunks.push((1 + random(4) as usize).min(n - chunks.iter().sum::<usize>()));
            }
            chunks
        };
        let chunks = Chunks::explicit([cut(), cut()]);
        let width = 1 + round % 3;
        let data = Array2::from_shape_fn((n, n), |(i, j)| random(1000) as f64 / 500.0 - 1.0 + if i == j { 4.0 * n as f64 } else { 0.0 });
        let right = Array2::from_shape_fn((n, width), |_| random(1000) as f64 / 500.0 - 1.0);
        let (x, one) = (Array::from_ndarray(data.clone(), chunks).unwrap(), Array::from_ndarray(data.clone(), n).unwrap());
        let b = Array::from_ndarray(right.clone(), [1 + round % 4, 1]).unwrap();
        near(&x.matmul(&x.solve(&b)), &b, 1e-12);
        near(&x.inv(), &one.inv(), 1e-12);
        near(&x.det().log(), &one.det().log(), 1e-12);
        let (p, l, u) = x.lu();
        near(&p.matmul(&l).matmul(&u), &one, 1e-12);
        let symmetric = &x.matmul(&x.transpose([1, 0])) + 1.0;
        let c = symmetric.cholesky();
        near(&c.matmul(&c.transpose([1, 0])), &symmetric, 1e-12);
        near(&x.tril(0).matmul(&x.tril(0).solve_triangular(&b, true)), &b, 1e-12);
        near(&x.triu(0).matmul(&x.triu(0).solve_triangular(&b, false)), &b, 1e-12);
    }
}
