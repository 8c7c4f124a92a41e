//! faer's kernels, on the thread that calls them: its own solvers follow a setting of the whole process.

use arras_core::BoxError;
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch, apply_block_householder_sequence_on_the_left_in_place_with_conj,
};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::linalg::qr::no_pivoting::factor::{qr_in_place, qr_in_place_scratch, recommended_block_size};
use faer::linalg::svd::{ComputeSvdVectors, svd_scratch};
use faer::linalg::triangular_solve::{
    solve_lower_triangular_in_place, solve_unit_lower_triangular_in_place, solve_upper_triangular_in_place,
};
use faer::traits::ComplexField;
use faer::{Accum, Conj, Mat, MatMut, MatRef, Par};
use ndarray::{ArrayD, CowArray, IxDyn};

use crate::engine::block::Block;
use crate::engine::dtype::Element;

/// Where the elements of a block lie in rows.
pub(crate) type Rows<'a, T> = CowArray<'a, T, IxDyn>;

/// A block's elements in rows: its own, or a copy.
pub(crate) fn rows<T: Element>(block: &Block) -> Result<Rows<'_, T>, BoxError> {
    let array = T::of_block(block).ok_or_else(|| format!("a block of {} where {} is read", block.dtype(), T::DTYPE))?;
    Ok(array.as_standard_layout())
}

/// The number of rows and of columns; a block of one axis is a column.
fn size(shape: &[usize]) -> (usize, usize) {
    (shape[0], shape.get(1).copied().unwrap_or(1))
}

/// A matrix over a block's elements.
pub(crate) fn matrix<'a, T: ComplexField>(rows: &'a Rows<'_, T>) -> MatRef<'a, T> {
    let (m, n) = size(rows.shape());
    MatRef::from_row_major_slice(rows.as_slice().expect("of standard layout"), m, n)
}

/// A copy of a block, to be changed.
pub(crate) fn copied<T: Element>(block: &Block) -> Result<ArrayD<T>, BoxError> {
    let rows = rows::<T>(block)?;
    Ok(ArrayD::from_shape_vec(rows.raw_dim(), rows.iter().copied().collect())?)
}

/// A matrix over the elements of an array in rows.
pub(crate) fn matrix_mut<T: ComplexField>(array: &mut ArrayD<T>) -> MatMut<'_, T> {
    let (m, n) = size(array.shape());
    MatMut::from_row_major_slice_mut(array.as_slice_mut().expect("of standard layout"), m, n)
}

/// A block of a matrix' elements.
pub(crate) fn block_of<T: Element + ComplexField>(matrix: MatRef<'_, T>) -> Result<Block, BoxError> {
    let (m, n) = (matrix.nrows(), matrix.ncols());
    let mut elements = Vec::with_capacity(m * n);
    (0..m).for_each(|i| elements.extend((0..n).map(|j| matrix[(i, j)])));
    Ok(T::into_block(ArrayD::from_shape_vec(IxDyn(&[m, n]), elements)?.into_shared()))
}

/// Room for a kernel to work in.
macro_rules! room {
    ($scratch:expr) => {
        MemStack::new(&mut MemBuffer::new($scratch))
    };
}

/// `Q` of orthonormal columns `(m, k)` and a triangular `R` `(k, n)`.
pub(crate) fn qr<T: Element + ComplexField>(matrix: MatRef<'_, T>) -> (Mat<T>, Mat<T>) {
    let (m, n) = matrix.shape();
    let k = m.min(n);
    let width = recommended_block_size::<T>(m, n);
    let (mut both, mut coefficients) = (matrix.to_owned(), Mat::zeros(width, k));
    let scratch = qr_in_place_scratch::<T>(m, n, width, Par::Seq, Default::default());
    qr_in_place(both.as_mut(), coefficients.as_mut(), Par::Seq, room!(scratch), Default::default());
    let mut q = Mat::identity(m, k);
    // The vectors stand below the diagonal, R on it and above.
    let basis = both.get(.., ..k);
    let scratch = apply_block_householder_sequence_on_the_left_in_place_scratch::<T>(m, width, k);
    apply_block_householder_sequence_on_the_left_in_place_with_conj(
        basis,
        coefficients.as_ref(),
        Conj::No,
        q.as_mut(),
        Par::Seq,
        room!(scratch),
    );
    let zero = <T as Default>::default();
    (q, Mat::from_fn(k, n, |i, j| if i <= j { both[(i, j)] } else { zero }))
}

/// `U` `(m, k)`, the singular values, and `V` `(n, k)`; nothing if there is no convergence.
pub(crate) fn svd<T: ComplexField>(matrix: MatRef<'_, T>) -> Option<(Mat<T>, Diag<T>, Mat<T>)> {
    let (m, n) = matrix.shape();
    let k = m.min(n);
    let (mut u, mut s, mut v) = (Mat::zeros(m, k), Diag::zeros(k), Mat::zeros(n, k));
    let scratch = svd_scratch::<T>(m, n, ComputeSvdVectors::Thin, ComputeSvdVectors::Thin, Par::Seq, Default::default());
    let (left, right) = (Some(u.as_mut()), Some(v.as_mut()));
    faer::linalg::svd::svd(matrix, s.as_mut(), left, right, Par::Seq, room!(scratch), Default::default()).ok()?;
    Some((u, s, v))
}

/// The lower triangular `L` of `L Lᴴ`, given the lower triangle; nothing if the matrix is not positive definite.
pub(crate) fn cholesky<T: Element + ComplexField>(matrix: MatRef<'_, T>) -> Option<Mat<T>> {
    let n = matrix.nrows();
    let zero = <T as Default>::default();
    let mut l = Mat::from_fn(n, n, |i, j| if i >= j { matrix[(i, j)] } else { zero });
    let scratch = cholesky_in_place_scratch::<T>(n, Par::Seq, Default::default());
    cholesky_in_place(l.as_mut(), Default::default(), Par::Seq, room!(scratch), Default::default()).ok()?;
    // What the kernel leaves above the diagonal is nothing's.
    Some(Mat::from_fn(n, n, |i, j| if i >= j { l[(i, j)] } else { zero }))
}

/// `L` below the diagonal, `U` on it and above, and which row of the matrix each row of `L U` is.
pub(crate) fn lu<T: Element + ComplexField>(matrix: MatRef<'_, T>) -> (Mat<T>, Vec<usize>) {
    let (m, n) = matrix.shape();
    let mut both = matrix.to_owned();
    let (mut rows, mut back) = (vec![0usize; m], vec![0usize; m]);
    let scratch = lu_in_place_scratch::<usize, T>(m, n, Par::Seq, Default::default());
    lu_in_place(both.as_mut(), &mut rows, &mut back, Par::Seq, room!(scratch), Default::default());
    (both, rows)
}

/// `L⁻¹ B` in the place of `B`; `L` has ones on its diagonal if `unit`.
pub(crate) fn solve_lower<T: ComplexField>(l: MatRef<'_, T>, unit: bool, b: MatMut<'_, T>) {
    if unit { solve_unit_lower_triangular_in_place(l, b, Par::Seq) } else { solve_lower_triangular_in_place(l, b, Par::Seq) }
}

/// `U⁻¹ B` in the place of `B`.
pub(crate) fn solve_upper<T: ComplexField>(u: MatRef<'_, T>, b: MatMut<'_, T>) {
    solve_upper_triangular_in_place(u, b, Par::Seq);
}

/// `B U⁻¹` in the place of `B`.
pub(crate) fn solve_upper_right<T: ComplexField>(u: MatRef<'_, T>, b: MatMut<'_, T>) {
    solve_lower_triangular_in_place(u.transpose(), b.transpose_mut(), Par::Seq);
}

/// `B L⁻ᴴ` in the place of `B`.
pub(crate) fn solve_adjoint_right<T: ComplexField>(l: MatRef<'_, T>, b: MatMut<'_, T>) {
    solve_lower_triangular_in_place(l.conjugate(), b.transpose_mut(), Par::Seq);
}

/// `C - A B` in the place of `C`, or `C - A Bᴴ`.
pub(crate) fn subtract_product<T: Element + ComplexField>(c: MatMut<'_, T>, a: MatRef<'_, T>, b: MatRef<'_, T>, adjoint: bool) {
    let minus = <T as Element>::cast_from(-1i8);
    if adjoint {
        matmul(c, Accum::Add, a, b.adjoint(), minus, Par::Seq);
    } else {
        matmul(c, Accum::Add, a, b, minus, Par::Seq);
    }
}

/// `A B`.
pub(crate) fn product<T: Element + ComplexField>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Result<Block, BoxError> {
    let mut c = ArrayD::from_elem(IxDyn(&[a.nrows(), b.ncols()]), <T as Default>::default());
    matmul(matrix_mut(&mut c), Accum::Replace, a, b, <T as Element>::cast_from(1u8), Par::Seq);
    Ok(T::into_block(c.into_shared()))
}
