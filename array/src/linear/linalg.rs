//! Factorisations of matrices and solutions of linear equations, by faer, on one thread a task. In `f64` or [`Complex64`]; results of `f32` and [`Complex32`](crate::Complex32) are rounded at the end.
//!
//! ```text
//!     tall and skinny, chunked by rows (TSQR):
//!
//!         A₀ ──► Q₀, R₀ ┐                              Q₀ ┐
//!         A₁ ──► Q₁, R₁ ├─ up to 8 stacked ──► .. R    Q₁ ├─ each times its part of the stack's Q ──► Q
//!         A₂ ──► Q₂, R₂ ┘                              Q₂ ┘
//!
//!     svd, lstsq:   A = Q R,  R = U S Vᴴ,  so A = (Q U) S Vᴴ
//!     others:       one block
//! ```
//! A factorisation is a layer of its own, named after the matrix alone: all that is made of it, `Q` as well as `R`, shares it.

use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Name, Sizes, Tokenizer, Value};
use faer::linalg::solvers::{DenseSolveCore, Solve};
use faer::traits::ComplexField;
use faer::{Mat, Side};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::array::{Array, Operand};
use crate::creation::random::Rng;
use crate::elementwise::operations::Operation;
use crate::engine::block::Block;
use crate::engine::blockwise::{BlockOp, block, layer, node, node_layer};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{Complex64, DType, Element, Float, Inexact, Number};
use crate::engine::expr::{Expr, elementwise};
use crate::engine::lower::dot;
use crate::engine::simplify;
use crate::error::{Error, Result};
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
    /// work. Best for chunks of rows higher than wide; others are correct, but gather triangles as wide as the matrix. The signs of `R`'s diagonal are not fixed.
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
        let both = self.wide_matrix("qr").and_then(|matrix| tsqr(&matrix)).map(|(q, r)| [q, r]);
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

    /// The lower triangular `L` of a positive definite, Hermitian matrix, `L Lᴴ`. Only the matrix' lower triangle is read. One task; work `n³/3`.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[4.0, 2.0], [2.0, 10.0]]), 2)?;
    /// assert_eq!(x.cholesky().compute()?, ndarray::arr2(&[[2.0, 0.0], [1.0, 3.0]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for a matrix that is not square, or in several blocks: [`rechunk`](Array::rechunk) it to one. At run time if it is not positive definite.
    pub fn cholesky(&self) -> Array<T> {
        self.of_square("cholesky", Step::Cholesky, |n| vec![vec![n], vec![n]])
    }

    /// The inverse of a square matrix. One task; work `n³`. [`solve`](Array::solve) is faster and more exact where the inverse is multiplied.
    ///
    /// The result fails as [`cholesky`](Array::cholesky)'s, and at run time if the matrix is singular.
    pub fn inv(&self) -> Array<T> {
        self.of_square("inv", Step::Inverse, |n| vec![vec![n], vec![n]])
    }

    /// The determinant of a square matrix, 0-d. One task; work `n³/3`.
    ///
    /// The result fails with an [`Error::Argument`] as [`cholesky`](Array::cholesky)'s.
    pub fn det(&self) -> Array<T> {
        self.of_square("det", Step::Determinant, |_| Vec::new())
    }

    fn of_square(&self, operation: &'static str, step: Step, chunks: impl Fn(usize) -> Vec<Vec<usize>>) -> Array<T> {
        Array::of(|| {
            let matrix = self.one_square(operation)?;
            let kernel = DenseKernel { operation: operation.into(), step, dtype: matrix.dtype };
            let result = node(operation, matrix.dtype, Chunking::new(chunks(matrix.shape()[0]))?, Dense(kernel), &[matrix]);
            cast(result, T::DTYPE)
        })
    }

    /// The LU factorisation of a square matrix with rows exchanged: a permutation matrix `P`, a lower triangular `L` with ones on its diagonal, and an upper triangular `U`; `P L U` is the matrix.
    /// SciPy's `lu`. One task, which all results share; work `2n³/3`.
    ///
    /// The results fail with an [`Error::Argument`] as [`cholesky`](Array::cholesky)'s.
    pub fn lu(&self) -> (Array<T>, Array<T>, Array<T>) {
        let part = |i: usize| {
            Array::of(|| {
                let matrix = self.one_square("lu")?;
                let n = matrix.shape()[0];
                cast(picked("lu", Step::Lu, i, matrix.dtype, Chunking::new(vec![vec![n], vec![n]])?, &matrix), T::DTYPE)
            })
        };
        (part(0), part(1), part(2))
    }

    /// The `x` of `A x = b` for a square matrix, and `b` of the shape `(n)` or `(n, k)`. By an LU factorisation with rows exchanged, in a task for each chunk of `b`'s columns; its rows are put into
    /// one chunk.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let a = Array::from_ndarray(ndarray::arr2(&[[2.0, 0.0], [0.0, 4.0]]), 2)?;
    /// let b = Array::from_ndarray(ndarray::array![2.0, 2.0], 1)?;
    /// assert_eq!(a.solve(&b).compute()?, ndarray::array![1.0, 0.5].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] as [`cholesky`](Array::cholesky)'s, or for a `b` of another length, and at run time if the matrix is singular.
    pub fn solve(&self, b: &Array<T>) -> Array<T> {
        self.solved("solve", Step::Solve, b)
    }

    /// The `x` of `A x = b` for a triangular matrix, the other triangle of which is not read: the lower one if `lower`, else the upper one. As [`solve`](Array::solve); work `n²` a column.
    pub fn solve_triangular(&self, b: &Array<T>, lower: bool) -> Array<T> {
        self.solved("solve_triangular", Step::Triangular { lower }, b)
    }

    fn solved(&self, operation: &'static str, step: Step, b: &Array<T>) -> Array<T> {
        Array::of(|| {
            let (matrix, b) = (self.one_square(operation)?, cast(b.expr()?, wide(T::DTYPE))?);
            let (n, shape) = (matrix.shape()[0], b.shape());
            if shape.is_empty() || shape.len() > 2 || shape[0] != n {
                return Err(Error::argument(operation, format!("b has shape {:?}, the matrix {n} rows", shape.as_slice())));
            }
            let mut axes = b.chunks.axes().to_vec();
            axes[0] = vec![n];
            let chunks = Chunking::new(axes)?;
            let b = simplify::rechunk(&b, chunks.clone())?;
            let kernel = DenseKernel { operation: operation.into(), step, dtype: matrix.dtype };
            cast(node(operation, matrix.dtype, chunks, Dense(kernel), &[matrix, b]), T::DTYPE)
        })
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

    /// As [`wide_matrix`](Array::wide_matrix), if it is square and one block.
    fn one_square(&self, operation: &'static str) -> Result<Arc<Expr>> {
        let matrix = self.wide_matrix(operation)?;
        let shape = matrix.shape();
        if shape[0] != shape[1] {
            return Err(Error::argument(operation, format!("shape {:?} is not square", shape.as_slice())));
        }
        if matrix.chunks.n_blocks() > 1 {
            let grid = matrix.chunks.grid();
            let why = format!("the matrix is cut into {} by {} blocks, where it takes one: rechunk it to Chunks::one()", grid[0], grid[1]);
            return Err(Error::argument(operation, why));
        }
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

fn compressed(matrix: &Arc<Expr>, k: usize, power_iterations: usize, rng: &Rng) -> Result<[Arc<Expr>; 3]> {
    let shape = matrix.shape();
    let most = shape[0].min(shape[1]);
    if k == 0 {
        return Err(Error::argument("svd_compressed", "k is 0: there are no singular values to find"));
    }
    let (k, sampled) = (k.min(most), k.saturating_add(10).min(most));
    let sample = rng.uniform(-1.0, 1.0, [shape[1], sampled], crate::Chunks::explicit([matrix.chunks.axes()[1].clone(), vec![sampled]]))?;
    let sample = cast(sample.expr()?, matrix.dtype)?;
    let turned = conjugate_transpose(matrix)?;
    let (mut q, _) = tsqr(&product(matrix, &sample)?)?;
    for _ in 0..power_iterations {
        let (back, _) = tsqr(&product(&turned, &q)?)?;
        q = tsqr(&product(matrix, &back)?)?.0;
    }
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
            let own = T::of_block(&inputs.get::<Factors>(0)?.0[0]).ok_or("factors of another type")?;
            let (own, rest) = (dense(&own.view()), dense(&block::<T>(inputs, 1)?.view()));
            let product = &own * &rest;
            Ok(Value::measured(undense(&[own.nrows(), rest.ncols()], |i, j| product[(i, j)])?))
        }
        if self.dtype == DType::C64 { apply::<Complex64>(inputs) } else { apply::<f64>(inputs) }
    }
}

/// What is done to one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
    Qr,
    Svd,
    Lu,
    Cholesky,
    Inverse,
    Determinant,
    Solve,
    Triangular { lower: bool },
}

#[derive(Debug)]
struct Dense(DenseKernel);

impl BlockOp for Dense {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let n_inputs = inputs.len();
        vec![node_layer(expr, inputs, self.0.clone(), |index, read| {
            read.push((0, 0));
            // The columns of a right side, one chunk a task.
            read.extend((n_inputs > 1).then(|| (1, *index.get(1).unwrap_or(&0))));
        })]
    }
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

/// A block as a matrix; one of one axis is a column.
fn dense<T: Element>(view: &ndarray::ArrayViewD<'_, T>) -> Mat<T> {
    let columns = if view.ndim() == 2 { view.shape()[1] } else { 1 };
    if view.ndim() == 2 {
        Mat::from_fn(view.shape()[0], columns, |i, j| view[[i, j]])
    } else {
        Mat::from_fn(view.shape()[0], columns, |i, _| view[[i]])
    }
}

/// A block of a matrix' elements: of two axes, or one where it is a column.
fn undense<T: Element>(shape: &[usize], element: impl Fn(usize, usize) -> T) -> Result<Block, BoxError> {
    let columns = shape.get(1).copied().unwrap_or(1);
    let elements = (0..shape[0]).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect();
    Ok(T::into_block(ArrayD::from_shape_vec(IxDyn(shape), elements)?.into_shared()))
}

impl DenseKernel {
    fn step<T: Element + ComplexField + Number>(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let view = block::<T>(inputs, 0)?.view();
        let matrix = dense(&view);
        let (m, n) = (matrix.nrows(), matrix.ncols());
        let k = m.min(n);
        let square = |mat: &dyn Fn(usize, usize) -> T| undense(&[n, n], mat);
        let zero = <T as Default>::default();
        let one = <T as Element>::cast_from(1u8);
        if k == 0 {
            let nothing = |shape: &[usize]| undense(shape, |_, _| zero);
            return Ok(match self.step {
                Step::Qr => Value::new(Factors(vec![nothing(&[m, 0])?, nothing(&[0, n])?])),
                Step::Svd => Value::new(Factors(vec![nothing(&[m, n])?, undense(&[0], |_, _| 0.0f64)?, nothing(&[n, n])?])),
                Step::Lu => Value::new(Factors(vec![nothing(&[0, 0])?; 3])),
                Step::Determinant => Value::measured(T::into_block(ndarray::arr0(one).into_dyn().into_shared())),
                Step::Cholesky | Step::Inverse => Value::measured(nothing(&[0, 0])?),
                Step::Solve | Step::Triangular { .. } => inputs.value(1).clone(),
            });
        }
        Ok(match self.step {
            Step::Qr => {
                let qr = matrix.qr();
                let (q, r) = (qr.compute_thin_Q(), qr.thin_R());
                let r = undense(&[k, n], |i, j| if i <= j { r[(i, j)] } else { zero })?;
                Value::new(Factors(vec![undense(&[m, k], |i, j| q[(i, j)])?, r]))
            }
            Step::Svd => {
                let svd = matrix.thin_svd().map_err(|_| "svd: no convergence, as for NaN and infinities")?;
                let (u, s, v) = (svd.U(), svd.S().column_vector(), svd.V());
                let values = undense(&[k], |i, _| s[i].real_part().to_f64())?;
                Value::new(Factors(vec![
                    undense(&[m, k], |i, j| u[(i, j)])?,
                    values,
                    undense(&[k, n], |i, j| ComplexField::conj_impl(&v[(j, i)]))?,
                ]))
            }
            Step::Lu => {
                let lu = matrix.partial_piv_lu();
                let (l, u) = (lu.L(), lu.U());
                let (rows, _) = lu.P().arrays();
                Value::new(Factors(vec![
                    square(&|i, j| if rows[j] == i { one } else { zero })?,
                    square(&|i, j| {
                        if i > j {
                            l[(i, j)]
                        } else if i == j {
                            one
                        } else {
                            zero
                        }
                    })?,
                    square(&|i, j| if i <= j { u[(i, j)] } else { zero })?,
                ]))
            }
            Step::Cholesky => {
                let llt = matrix.llt(Side::Lower).map_err(|_| "cholesky: the matrix is not positive definite")?;
                let l = llt.L();
                Value::measured(square(&|i, j| if i >= j { l[(i, j)] } else { zero })?)
            }
            Step::Inverse => {
                let inverse = self.regular(&matrix)?.inverse();
                Value::measured(square(&|i, j| inverse[(i, j)])?)
            }
            Step::Determinant => Value::measured(T::into_block(ndarray::arr0(matrix.determinant()).into_dyn().into_shared())),
            Step::Solve => {
                let right = block::<T>(inputs, 1)?.view();
                let x = self.regular(&matrix)?.solve(dense(&right));
                Value::measured(undense(right.shape(), |i, j| x[(i, j)])?)
            }
            Step::Triangular { lower } => {
                if (0..n).any(|i| matrix[(i, i)] == zero) {
                    return Err(format!("{}: the matrix is singular", self.operation).into());
                }
                let right = block::<T>(inputs, 1)?.view();
                let mut x = dense(&right);
                if lower {
                    matrix.solve_lower_triangular_in_place(&mut x)
                } else {
                    matrix.solve_upper_triangular_in_place(&mut x)
                }
                Value::measured(undense(right.shape(), |i, j| x[(i, j)])?)
            }
        })
    }

    /// The LU factorisation of a matrix that has an inverse.
    fn regular<T: Element + ComplexField>(&self, matrix: &Mat<T>) -> Result<faer::linalg::solvers::PartialPivLu<T>, BoxError> {
        let lu = matrix.partial_piv_lu();
        let zero = <T as Default>::default();
        if (0..matrix.nrows()).any(|i| lu.U()[(i, i)] == zero) {
            return Err(format!("{}: the matrix is singular", self.operation).into());
        }
        Ok(lu)
    }
}
