//! Factorisations of matrices and solutions of linear equations, by faer, on one thread a task. In `f64` or [`Complex64`]; results of `f32` and [`Complex32`](crate::Complex32) are rounded at the end.
//!
//! ```text
//!     tall and skinny, chunked by rows (TSQR):
//!
//!         A₀ ──► Q₀, R₀ ┐                              Q₀ ┐
//!         A₁ ──► Q₁, R₁ ├─ up to 8 stacked ──► .. R    Q₁ ├─ each times its part of the stack's Q ──► Q
//!         A₂ ──► Q₂, R₂ ┘                              Q₂ ┘
//!
//!     short and fat, chunked by columns (SFQR):    A₀ = Q R₀,  Rᵢ = Qᴴ Aᵢ
//!     svd, lstsq:   A = Q R,  R = U S Vᴴ,  so A = (Q U) S Vᴴ
//!     others:       see [`blocked`](crate::linear::blocked)
//! ```
//! A factorisation is a layer of its own, named after the matrix alone: all that is made of it, `Q` as well as `R`, shares it.

use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Name, Sizes, Tokenizer, Value};
use faer::Mat;
use faer::traits::ComplexField;
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::array::{Array, Operand};
use crate::creation::random::Rng;
use crate::elementwise::operations::Operation;
use crate::engine::block::Block;
use crate::engine::blockwise::{BlockOp, layer, node};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{Complex64, DType, Element, Float, Inexact, Number};
use crate::engine::expr::{Expr, elementwise};
use crate::engine::lower::dot;
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::linear::blocked::{Part, check_square, factor, solution};
use crate::linear::kernels;
use crate::reductions::reduce::cast;
use crate::shape::view::Item;

/// How many triangles one task of a TSQR stacks.
const STACK: usize = 8;

/// What [`Array::lstsq`] finds.
#[derive(Debug, Clone)]
pub struct LeastSquares<T: Inexact> {
    /// The solution, of the shape `(n)` or `(n, k)`; that of the least norm if there are several.
    pub x: Array<T>,
    /// The sums of the squared distances that are left, of the shape `()` or `(k)`. NumPy gives them only where the rank is `n` and there are more equations than unknowns.
    pub residuals: Array<T::Part>,
    /// The number of singular values that count as more than 0, 0-d.
    pub rank: Array<i64>,
    /// The singular values, the largest first.
    pub singular_values: Array<T::Part>,
}

impl<T: Inexact> Array<T> {
    /// The reduced QR factorisation of a matrix: `(m, n)` to `Q` of orthonormal columns `(m, k)` and an upper triangular `R` `(k, n)`, with `k` the lesser of `m` and `n`, and `Q R` the matrix.
    /// Lazy; work `m n²`.
    ///
    /// The columns are put into one chunk, the chunks of rows stay: each is factorised by itself, and what is left of 8 together (TSQR, Benson, Gleich and Demmel 2013). Both results share that
    /// work. Best for chunks of rows higher than wide; others are correct, but gather triangles as wide as the matrix. Of a matrix wider than high in one chunk of rows the first columns alone
    /// are factorised, as many as it has rows, and the chunks of the others stay: `R` has them (SFQR). The signs of `R`'s diagonal are not fixed.
    ///
    /// ```
    /// use arras_array::{Array, Rng};
    /// use arras_scheduler::Compute;
    /// let x = Rng::seed(1).uniform(-1.0, 1.0, [100, 3], [20, 3])?;
    /// let (q, r) = x.qr();
    /// assert_eq!((q.shape(), r.shape()), (vec![100, 3], vec![3, 3]));
    /// assert!((q.matmul(&r) - &x).abs().max().item().compute()? < 1e-12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The results fail with an [`Error::Argument`] for other than two axes.
    pub fn qr(&self) -> (Array<T>, Array<T>) {
        let both =
            self.wide_matrix("qr").and_then(|matrix| if is_short(&matrix) { sfqr(&matrix) } else { tsqr(&matrix) }).map(|(q, r)| [q, r]);
        let part = |i: usize| Array::of(|| both.as_ref().map_err(Error::clone).and_then(|both| cast(Arc::clone(&both[i]), T::DTYPE)));
        (part(0), part(1))
    }

    /// The reduced singular value decomposition of a matrix: `(m, n)` to `U` `(m, k)`, the singular values `(k)`, the largest first, and `Vᴴ` `(k, n)`, with `k` the lesser of `m` and `n`. Lazy;
    /// by [`qr`](Array::qr) of the matrix, or of its transpose if it is wider than high, and the decomposition of the triangle in one task.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::<f64>::from_ndarray(ndarray::arr2(&[[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]), 2)?;
    /// let (u, s, vh) = x.svd();
    /// let s: ndarray::ArrayD<f64> = s.compute()?;
    /// assert!((s[0] - 4.0).abs() < 1e-12 && (s[1] - 3.0).abs() < 1e-12);
    /// assert_eq!((u.shape(), vh.shape()), (vec![3, 2], vec![2, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The results fail as those of [`qr`](Array::qr), and at run time if the decomposition does not converge: for NaN and infinities.
    pub fn svd(&self) -> (Array<T>, Array<T::Part>, Array<T>) {
        let all = self.wide_matrix("svd").and_then(|matrix| decomposed(&matrix));
        let part = |i: usize, to: DType| all.as_ref().map_err(Error::clone).and_then(|all| cast(Arc::clone(&all[i]), to));
        (Array::of(|| part(0, T::DTYPE)), Array::of(|| part(1, <T::Part as Element>::DTYPE)), Array::of(|| part(2, T::DTYPE)))
    }

    /// The `k` largest singular values and their vectors, about, as [`svd`](Array::svd), from a random sample of the matrix' range (Halko, Martinsson and Tropp 2011): for large matrices of fast
    /// falling singular values. Each of the `power_iterations` passes over the matrix twice and makes it more exact; 2 do for most. Samples `k + 10` columns. Lazy; work `m n k`.
    ///
    /// The results fail with an [`Error::Argument`] for other than two axes or a `k` of 0.
    pub fn svd_compressed(&self, k: usize, power_iterations: usize, rng: &Rng) -> (Array<T>, Array<T::Part>, Array<T>) {
        let all = self.wide_matrix("svd_compressed").and_then(|matrix| compressed(&matrix, k, power_iterations, rng));
        let part = |i: usize, to: DType| all.as_ref().map_err(Error::clone).and_then(|all| cast(Arc::clone(&all[i]), to));
        (Array::of(|| part(0, T::DTYPE)), Array::of(|| part(1, <T::Part as Element>::DTYPE)), Array::of(|| part(2, T::DTYPE)))
    }

    /// A matrix of orthonormal rows, `(k + 10, m)`, onto which the columns of this one, `(m, n)`, can be projected with little loss: what [`svd_compressed`](Array::svd_compressed) samples. Of
    /// fewer rows where the matrix has less than `k + 10` rows or columns. Lazy; work `m n k`.
    ///
    /// ```
    /// use arras_array::{Array, Rng};
    /// use arras_scheduler::Compute;
    /// let x = Rng::seed(1).uniform(-1.0, 1.0, [30, 1], 10)?.matmul(&Rng::seed(2).uniform(-1.0, 1.0, [1, 20], 10)?);
    /// let rows = x.compression_matrix(2, 0, &Rng::seed(3));
    /// assert_eq!(rows.shape(), [12, 30]);
    /// assert!((rows.t().matmul(&rows.matmul(&x)) - &x).abs().max().item().compute()? < 1e-12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails as those of [`svd_compressed`](Array::svd_compressed).
    pub fn compression_matrix(&self, k: usize, power_iterations: usize, rng: &Rng) -> Array<T> {
        Array::of(|| {
            let matrix = self.wide_matrix("compression_matrix")?;
            cast(conjugate_transpose(&sampled("compression_matrix", &matrix, k, power_iterations, rng)?)?, T::DTYPE)
        })
    }

    /// The lower triangular `L` of a positive definite, Hermitian matrix, `L Lᴴ`. Only the matrix' lower triangle is read. Lazy; work `n³/3`, in as many blocks as the matrix has: columns are cut
    /// as the rows are.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[4.0, 2.0], [2.0, 10.0]]), 1)?;
    /// assert_eq!(x.cholesky().compute()?, ndarray::arr2(&[[2.0, 0.0], [1.0, 3.0]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for a matrix that is not square. At run time if it is not positive definite.
    pub fn cholesky(&self) -> Array<T> {
        self.factor("cholesky", Part::Cholesky)
    }

    /// The inverse of a square matrix. Lazy; work `2n³`, in blocks as [`lu`](Array::lu). [`solve`](Array::solve) is faster and more exact where the inverse is multiplied.
    ///
    /// The result fails as [`lu`](Array::lu)'s, and at run time if the matrix is singular.
    pub fn inv(&self) -> Array<T> {
        Array::of(|| {
            let matrix = self.square_matrix("inv")?;
            let cuts = matrix.chunks.axes()[0].clone();
            let one = Array::<f64>::eye(matrix.shape()[0], matrix.shape()[0], 0, crate::Chunks::explicit([cuts.clone(), cuts]))?;
            cast(solution("inv", None, &matrix, &cast(one.expr()?, matrix.dtype)?)?, T::DTYPE)
        })
    }

    /// The determinant of a square matrix, 0-d. Lazy; work `2n³/3`, in blocks as [`lu`](Array::lu).
    ///
    /// The result fails as [`lu`](Array::lu)'s.
    pub fn det(&self) -> Array<T> {
        self.factor("det", Part::Determinant)
    }

    fn factor(&self, operation: &'static str, part: Part) -> Array<T> {
        Array::of(|| cast(factor(operation, part, &self.square_matrix(operation)?)?, T::DTYPE))
    }

    /// The LU factorisation of a square matrix with rows exchanged: a permutation matrix `P`, a lower triangular `L` with ones on its diagonal, and an upper triangular `U`; `P L U` is the matrix.
    /// SciPy's `lu` of a matrix in one block. Lazy; work `2n³/3`, which all results share, in as many blocks as the matrix has: columns are cut as the rows are.
    ///
    /// Rows are exchanged within blocks alone, as dask.array's are: in several blocks a matrix must have leading parts that are well enough conditioned, else larger blocks are needed.
    ///
    /// ```
    /// use arras_array::{Array, Rng};
    /// use arras_scheduler::Compute;
    /// let x = Rng::seed(1).uniform(-1.0, 1.0, [30, 30], 10)?;
    /// let (p, l, u) = x.lu();
    /// assert!((p.matmul(&l).matmul(&u) - &x).abs().max().item().compute()? < 1e-10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The results fail with an [`Error::Argument`] for a matrix that is not square. At run time if what is left of a block on the diagonal is singular, but for the last.
    pub fn lu(&self) -> (Array<T>, Array<T>, Array<T>) {
        (self.factor("lu", Part::P), self.factor("lu", Part::L), self.factor("lu", Part::U))
    }

    /// The `x` of `A x = b` for a square matrix, and `b` of the shape `(n)` or `(n, k)`. Lazy; by [`lu`](Array::lu), block by block: the rows of `b` are cut as those of the matrix, its columns stay.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let a = Array::from_ndarray(ndarray::arr2(&[[2.0, 0.0], [0.0, 4.0]]), 1)?;
    /// let b = Array::from_ndarray(ndarray::array![2.0, 2.0], 2)?;
    /// assert_eq!(a.solve(&b).compute()?, ndarray::array![1.0, 0.5].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails as [`lu`](Array::lu)'s, with an [`Error::Argument`] for a `b` of another length, and at run time if the matrix is singular.
    pub fn solve(&self, b: &Array<T>) -> Array<T> {
        Array::of(|| self.solved("solve", b, |matrix, b| solution("solve", None, matrix, b)))
    }

    /// As [`solve`](Array::solve), of a positive definite, Hermitian matrix, by [`cholesky`](Array::cholesky): half the work, and stable whatever the blocks. Only the matrix' lower triangle is
    /// read. At run time it fails if the matrix is not positive definite.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let a = Array::from_ndarray(ndarray::arr2(&[[4.0, 2.0], [2.0, 10.0]]), 1)?;
    /// let b = Array::from_ndarray(ndarray::array![8.0, 22.0], 1)?;
    /// assert_eq!(a.solve_positive(&b).compute()?, ndarray::array![1.0, 2.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn solve_positive(&self, b: &Array<T>) -> Array<T> {
        Array::of(|| {
            self.solved("solve_positive", b, |matrix, b| {
                let l = factor("solve_positive", Part::Cholesky, matrix)?;
                let y = solution("solve_positive", Some(true), &l, b)?;
                solution("solve_positive", Some(false), &conjugate_transpose(&l)?, &y)
            })
        })
    }

    /// The `x` of `A x = b` for a triangular matrix, the other triangle of which is not read: the lower one if `lower`, else the upper one. As [`solve`](Array::solve); work `n²` a column.
    pub fn solve_triangular(&self, b: &Array<T>, lower: bool) -> Array<T> {
        Array::of(|| self.solved("solve_triangular", b, |matrix, b| solution("solve_triangular", Some(lower), matrix, b)))
    }

    /// What `solve` makes of the matrix and of `b` as a matrix, in the shape of `b`.
    fn solved(
        &self,
        operation: &'static str,
        b: &Array<T>,
        solve: impl FnOnce(&Arc<Expr>, &Arc<Expr>) -> Result<Arc<Expr>>,
    ) -> Result<Arc<Expr>> {
        let (matrix, b) = (self.square_matrix(operation)?, cast(b.expr()?, wide(T::DTYPE))?);
        let (n, shape) = (matrix.shape()[0], b.shape());
        if shape.is_empty() || shape.len() > 2 || shape[0] != n {
            return Err(Error::argument(operation, format!("b has shape {:?}, the matrix {n} rows", shape.as_slice())));
        }
        let x = match shape.len() {
            1 => {
                let column = simplify::slice(&b, vec![Item::whole(n), Item::NewAxis])?;
                simplify::slice(&solve(&matrix, &column)?, vec![Item::whole(n), Item::Index(0)])?
            }
            _ => solve(&matrix, &b)?,
        };
        cast(x, T::DTYPE)
    }

    /// The `x` for which `A x` is nearest to `b`, by [`svd`](Array::svd): `(m, n)` and `(m)` or `(m, k)` to `(n)` or `(n, k)`. Singular values below `rcond` times the largest count as 0; NumPy's
    /// own choice, that of `None`, is the type's precision times the greater of `m` and `n`.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let a = Array::<f64>::from_ndarray(ndarray::arr2(&[[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]), 2)?;
    /// let b = Array::from_ndarray(ndarray::array![1.0, 3.0, 5.0], 2)?;
    /// let x: ndarray::ArrayD<f64> = a.lstsq(&b, None).x.compute()?;
    /// assert!((x[0] - 2.0).abs() < 1e-12 && (x[1] - 1.0).abs() < 1e-12);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The results fail with an [`Error::Argument`] for a matrix that is none, or a `b` of another length.
    pub fn lstsq(&self, b: &Array<T>, rcond: impl Into<Option<f64>>) -> LeastSquares<T> {
        let shape = self.shape();
        let rows = b.shape();
        let checked: Array<T> = Array::of(|| {
            let matrix = self.expr()?;
            b.check()?;
            if shape.len() == 2 && (rows.is_empty() || rows.len() > 2 || rows[0] != shape[0]) {
                return Err(Error::argument("lstsq", format!("b has shape {rows:?}, the matrix {} rows", shape[0])));
            }
            matrix_of("lstsq", &matrix)?;
            Ok(matrix)
        });
        let (u, s, vh) = checked.svd();
        let precision = if matches!(T::DTYPE, DType::F32 | DType::C32) { f64::from(f32::EPSILON) } else { f64::EPSILON };
        let rcond = rcond.into().unwrap_or(precision * shape.iter().copied().max().unwrap_or(0) as f64);
        // Without singular values nothing is larger than their largest, which is not there.
        let largest = if s.size() == 0 { Array::of(|| Array::<T::Part>::full((), Default::default(), 1)?.expr()) } else { s.max() };
        let counts = s.gt(&(largest * <T::Part as Element>::cast_from(rcond)));
        let one = || Array::<T>::full((), T::cast_from(1u8), 1).and_then(|one| one.expr());
        let inverse: Array<T> = Array::of(|| {
            let zero = Array::<T>::full((), T::default(), 1)?.expr()?;
            let s = cast(s.expr()?, T::DTYPE)?;
            let divided = elementwise(Operation::Divide, vec![Operand::Expr(one()?), Operand::Expr(s)])?;
            crate::elementwise::choose::choose_by(counts.expr()?, divided, zero)
        });
        let inverse = if rows.len() == 2 { inverse.expand_dims([1]) } else { inverse };
        let projected = adjoint(&u).matmul(b);
        let x = adjoint(&vh).matmul(&Array::of(|| {
            elementwise(Operation::Multiply, vec![Operand::Expr(projected.expr()?), Operand::Expr(inverse.expr()?)])
        }));
        let rest =
            Array::<T>::of(|| elementwise(Operation::Subtract, vec![Operand::Expr(b.expr()?), Operand::Expr(checked.matmul(&x).expr()?)]));
        let distances = rest.abs().cast::<T::Part>();
        LeastSquares { x, residuals: distances.powi(2).sum_of_parts(), rank: counts.cast::<i64>().sum(), singular_values: s }
    }

    /// The matrix in the type that it is worked on in.
    fn wide_matrix(&self, operation: &'static str) -> Result<Arc<Expr>> {
        let matrix = self.expr()?;
        matrix_of(operation, &matrix)?;
        cast(matrix, wide(T::DTYPE))
    }

    /// As [`wide_matrix`](Array::wide_matrix), if it is square.
    fn square_matrix(&self, operation: &'static str) -> Result<Arc<Expr>> {
        let matrix = self.wide_matrix(operation)?;
        check_square(operation, &matrix.shape())?;
        Ok(matrix)
    }
}

impl<T: Float> Array<T> {
    /// The sums along the first axis, of the type itself.
    fn sum_of_parts(&self) -> Array<T> {
        Array::of(|| crate::reductions::reduce::reduce(crate::reductions::reduce::ReduceOp::Sum, &self.expr()?, &0isize.into()))
    }
}

fn matrix_of(operation: &'static str, matrix: &Expr) -> Result<()> {
    let shape = matrix.shape();
    if shape.len() == 2 { Ok(()) } else { Err(Error::argument(operation, format!("shape {:?} is no matrix's", shape.as_slice()))) }
}

fn wide(dtype: DType) -> DType {
    if matches!(dtype, DType::C32 | DType::C64) { DType::C64 } else { DType::F64 }
}

fn conjugate_transpose(matrix: &Arc<Expr>) -> Result<Arc<Expr>> {
    let turned = simplify::transpose(matrix, &[1, 0])?;
    if matrix.dtype == DType::C64 || matrix.dtype == DType::C32 {
        return elementwise(Operation::Conjugate, vec![Operand::Expr(turned)]);
    }
    Ok(turned)
}

fn adjoint<T: Number>(matrix: &Array<T>) -> Array<T> {
    Array::of(|| conjugate_transpose(&matrix.expr()?))
}

/// The matrix product of expressions of the types that are worked on.
fn product(a: &Arc<Expr>, b: &Arc<Expr>) -> Result<Arc<Expr>> {
    fn of<T: Number>(a: &Arc<Expr>, b: &Arc<Expr>) -> Result<Arc<Expr>> {
        let array = |expr: &Arc<Expr>| Array::<T>::of(|| Ok(Arc::clone(expr)));
        array(a).matmul(&array(b)).expr()
    }
    if a.dtype == DType::C64 { of::<Complex64>(a, b) } else { of::<f64>(a, b) }
}

/// `Q` and `R` of a matrix chunked by rows.
fn tsqr(matrix: &Arc<Expr>) -> Result<(Arc<Expr>, Arc<Expr>)> {
    let n = matrix.shape()[1];
    let rows = matrix.chunks.axes()[0].clone();
    let matrix = simplify::rechunk(matrix, Chunking::new(vec![rows.clone(), vec![n]])?)?;
    let heights: Vec<usize> = rows.iter().map(|&m| m.min(n)).collect();
    let triangles = |i: usize, chunks: Vec<Vec<usize>>| -> Result<Arc<Expr>> {
        Ok(picked("qr", Step::Qr, i, matrix.dtype, Chunking::new(chunks)?, &matrix))
    };
    if rows.len() == 1 {
        return Ok((triangles(0, vec![rows, heights.clone()])?, triangles(1, vec![heights, vec![n]])?));
    }
    if n == 0 {
        let zero = crate::engine::gather::zero(matrix.dtype);
        let q = simplify::full(zero, Chunking::new(vec![rows, vec![0]])?);
        return Ok((q, simplify::full(zero, Chunking::new(vec![vec![0], vec![0]])?)));
    }
    let stacked = triangles(1, vec![heights.clone(), vec![n]])?;
    let groups = heights.chunks(STACK).map(|group| group.iter().sum()).collect();
    let (q, r) = tsqr(&simplify::rechunk(&stacked, Chunking::new(vec![groups, vec![n]])?)?)?;
    let columns = q.shape()[1];
    let q = simplify::rechunk(&q, Chunking::new(vec![heights, vec![columns]])?)?;
    let whole = node("qr", matrix.dtype, Chunking::new(vec![rows, vec![columns]])?, Applied, &[matrix, q]);
    Ok((whole, r))
}

/// Whether a matrix is wider than high, in one chunk of rows and several of columns.
fn is_short(matrix: &Expr) -> bool {
    let shape = matrix.shape();
    let grid = matrix.chunks.grid();
    shape[0] < shape[1] && grid[0] == 1 && grid[1] > 1
}

/// `Q` and `R` of a matrix in one chunk of rows: of as many columns as make `Q`, and of the others by it.
fn sfqr(matrix: &Arc<Expr>) -> Result<(Arc<Expr>, Arc<Expr>)> {
    let shape = matrix.shape();
    let mut width = 0;
    for &n in &matrix.chunks.axes()[1] {
        if width >= shape[0] {
            break;
        }
        width += n;
    }
    let columns =
        |start: usize, length: usize| simplify::slice(matrix, vec![Item::whole(shape[0]), Item::Range { start, step: 1, length }]);
    let (q, first) = tsqr(&columns(0, width)?)?;
    if width == shape[1] {
        return Ok((q, first));
    }
    let others = product(&conjugate_transpose(&q)?, &columns(width, shape[1] - width)?)?;
    Ok((q, crate::shape::concatenate::join("qr", &[first, others], 1)?))
}

/// `U`, the singular values, and `Vᴴ`.
fn decomposed(matrix: &Arc<Expr>) -> Result<[Arc<Expr>; 3]> {
    let shape = matrix.shape();
    if shape[0] < shape[1] {
        let [u, s, vh] = decomposed(&conjugate_transpose(matrix)?)?;
        return Ok([conjugate_transpose(&vh)?, s, conjugate_transpose(&u)?]);
    }
    let n = shape[1];
    let part = |matrix: &Arc<Expr>, i: usize, chunks: Vec<Vec<usize>>| -> Result<Arc<Expr>> {
        let dtype = if i == 1 { DType::F64 } else { matrix.dtype };
        Ok(picked("svd", Step::Svd, i, dtype, Chunking::new(chunks)?, matrix))
    };
    let m = shape[0];
    let (q, core) = if matrix.chunks.n_blocks() == 1 { (None, Arc::clone(matrix)) } else { tsqr(matrix).map(|(q, r)| (Some(q), r))? };
    let height = if q.is_some() { core.shape()[0] } else { m };
    let (u, s, vh) =
        (part(&core, 0, vec![vec![height], vec![n]])?, part(&core, 1, vec![vec![n]])?, part(&core, 2, vec![vec![n], vec![n]])?);
    Ok([if let Some(q) = q { product(&q, &u)? } else { u }, s, vh])
}

/// Orthonormal columns, `k` and some more, that span about what the largest of the matrix' singular vectors span.
fn sampled(operation: &'static str, matrix: &Arc<Expr>, k: usize, power_iterations: usize, rng: &Rng) -> Result<Arc<Expr>> {
    let shape = matrix.shape();
    if k == 0 {
        return Err(Error::argument(operation, "k is 0: there are no singular values to find"));
    }
    let sampled = k.saturating_add(10).min(shape[0].min(shape[1]));
    let sample = rng.uniform(-1.0, 1.0, [shape[1], sampled], crate::Chunks::explicit([matrix.chunks.axes()[1].clone(), vec![sampled]]))?;
    let sample = cast(sample.expr()?, matrix.dtype)?;
    let turned = conjugate_transpose(matrix)?;
    let (mut q, _) = tsqr(&product(matrix, &sample)?)?;
    for _ in 0..power_iterations {
        let (back, _) = tsqr(&product(&turned, &q)?)?;
        q = tsqr(&product(matrix, &back)?)?.0;
    }
    Ok(q)
}

fn compressed(matrix: &Arc<Expr>, k: usize, power_iterations: usize, rng: &Rng) -> Result<[Arc<Expr>; 3]> {
    let q = sampled("svd_compressed", matrix, k, power_iterations, rng)?;
    let [u, s, vh] = decomposed(&product(&conjugate_transpose(&q)?, matrix)?)?;
    let u = product(&q, &u)?;
    let first = |expr: &Arc<Expr>, axis: usize| {
        let items = expr.shape().iter().enumerate().map(|(i, &n)| Item::whole(if i == axis { n.min(k) } else { n })).collect();
        simplify::slice(expr, items)
    };
    Ok([first(&u, 1)?, first(&s, 0)?, first(&vh, 0)?])
}

/// The name of the layer of factorisations of a matrix: the same for all that is made of them.
fn factors_name(operation: &str, matrix: &Expr) -> Name {
    Name::from_token(&format!("{operation}-factors"), Tokenizer::new().text(matrix.name.as_str()).finish())
}

/// The layer of factorisations of a matrix' blocks.
fn factors_layer(operation: &'static str, step: Step, matrix: &Expr) -> Layer {
    let strides = matrix.chunks.strides();
    let kernel = DenseKernel { operation: operation.into(), step, dtype: matrix.dtype };
    let largest: usize = matrix.chunks.axes().iter().map(|axis| axis.iter().copied().max().unwrap_or(0)).product();
    let sizes = Sizes::Uniform((2 * largest * matrix.dtype.size()) as u64);
    layer(factors_name(operation, matrix), &matrix.chunks, std::slice::from_ref(&matrix.name), kernel, sizes, |index, read| {
        read.push((0, dot(index, &strides)));
    })
}

/// A node of one of the factors.
fn picked(operation: &'static str, step: Step, part: usize, dtype: DType, chunks: Chunking, matrix: &Arc<Expr>) -> Arc<Expr> {
    node(operation, dtype, chunks, Picked { operation, step, part }, std::slice::from_ref(matrix))
}

#[derive(Debug)]
struct Picked {
    operation: &'static str,
    step: Step,
    part: usize,
}

impl BlockOp for Picked {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let factors = factors_layer(self.operation, self.step, &inputs[0]);
        let kernel = PickKernel { operation: self.operation.into(), part: self.part };
        let sizes = crate::engine::lower::sizes_of(&expr.chunks, expr.dtype.size());
        // Factors are as many as blocks of rows, in one column.
        let read = |index: &[u32], read: &mut Vec<(usize, u32)>| read.push((0, index[0]));
        let picked = layer(expr.name.clone(), &expr.chunks, &[factors_name(self.operation, &inputs[0])], kernel, sizes, read);
        vec![factors, picked]
    }
}

/// Factors of a block.
#[derive(Debug, Serialize, Deserialize)]
struct Factors(Vec<Block>);

#[derive(Debug, Serialize, Deserialize)]
struct PickKernel {
    operation: String,
    part: usize,
}

impl Kernel for PickKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        self.operation.clone().into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let factors = inputs.get::<Factors>(0)?;
        Ok(Value::measured(factors.0.get(self.part).ok_or("a factorisation of fewer parts")?.clone()))
    }
}

/// The `Q` of each block of rows times its part of the `Q` of the stacked triangles.
#[derive(Debug)]
struct Applied;

impl BlockOp for Applied {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let names = [factors_name("qr", &inputs[0]), inputs[1].name.clone()];
        let sizes = crate::engine::lower::sizes_of(&expr.chunks, expr.dtype.size());
        let kernel = ApplyKernel { dtype: expr.dtype };
        let read = |index: &[u32], read: &mut Vec<(usize, u32)>| read.extend([(0, index[0]), (1, index[0])]);
        vec![factors_layer("qr", Step::Qr, &inputs[0]), layer(expr.name.clone(), &expr.chunks, &names, kernel, sizes, read)]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct ApplyKernel {
    dtype: DType,
}

impl Kernel for ApplyKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "qr".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        fn apply<T: Element + ComplexField>(inputs: &Inputs<'_>) -> Result<Value, BoxError> {
            let own = kernels::rows::<T>(&inputs.get::<Factors>(0)?.0[0])?;
            let rest = kernels::rows::<T>(inputs.get::<Block>(1)?)?;
            Ok(Value::measured(kernels::product(kernels::matrix(&own), kernels::matrix(&rest))?))
        }
        if self.dtype == DType::C64 { apply::<Complex64>(inputs) } else { apply::<f64>(inputs) }
    }
}

/// What is done to one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Qr,
    Svd,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct DenseKernel {
    operation: String,
    step: Step,
    dtype: DType,
}

impl Kernel for DenseKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        self.operation.clone().into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        if self.dtype == DType::C64 { self.step::<Complex64>(inputs) } else { self.step::<f64>(inputs) }
    }
}

impl DenseKernel {
    fn step<T: Element + ComplexField + Number>(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let own = kernels::rows::<T>(inputs.get::<Block>(0)?)?;
        let matrix = kernels::matrix(&own);
        let (m, n) = matrix.shape();
        let k = m.min(n);
        let of = |matrix: &Mat<T>| kernels::block_of(matrix.as_ref());
        Ok(match self.step {
            // Without elements there is nothing to factorise.
            Step::Qr if k == 0 => Value::new(Factors(vec![of(&Mat::zeros(m, 0))?, of(&Mat::zeros(0, n))?])),
            Step::Svd if k == 0 => Value::new(Factors(vec![of(&Mat::zeros(m, n))?, singular(0, |_| 0.0)?, of(&Mat::zeros(n, n))?])),
            Step::Qr => {
                let (q, r) = kernels::qr(matrix);
                Value::new(Factors(vec![of(&q)?, of(&r)?]))
            }
            Step::Svd => {
                let (u, s, v) = kernels::svd(matrix).ok_or("svd: no convergence, as for NaN and infinities")?;
                let s = s.column_vector();
                let adjoint = Mat::from_fn(k, n, |i, j| ComplexField::conj_impl(&v[(j, i)]));
                Value::new(Factors(vec![of(&u)?, singular(k, |i| s[i].real_part().to_f64())?, of(&adjoint)?]))
            }
        })
    }
}

/// A block of singular values.
fn singular(k: usize, value: impl Fn(usize) -> f64) -> Result<Block, BoxError> {
    Ok(f64::into_block(ArrayD::from_shape_vec(IxDyn(&[k]), (0..k).map(value).collect())?.into_shared()))
}
