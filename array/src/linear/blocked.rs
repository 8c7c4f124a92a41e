//! Factorisations of square matrices in many blocks, and solutions by them.
//!
//! ```text
//!     step k:   D │ R  R        D = P L U of the block on the diagonal, rows exchanged within it       (Cholesky: D = L Lᴴ)
//!               ──┼──────       R = L⁻¹ Pᵀ A   to its right                                            (none)
//!               C │ A' A'       C = A U⁻¹      below it                                                (C = A L⁻ᴴ)
//!               C │ A' A'       A' = A - C R   the rest, which the next step starts with               (A' = A - C Cᴴ)
//! ```
//! dask.array's algorithms, but that products are subtracted as they come, step by step, so that no more than one copy of the rest is there. What nobody reads, as the upper half in
//! Cholesky's, is not computed. A solution substitutes forwards and backwards, block by block.

use std::borrow::Cow;
use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Name, Tokenizer, Value};
use faer::traits::ComplexField;
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::engine::block::Block;
use crate::engine::blockwise::{BlockOp, layer, node};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{Complex64, DType, Element};
use crate::engine::expr::Expr;
use crate::engine::lower::sizes_of;
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::linear::kernels::{
    block_of, cholesky, copied, lu, matrix, matrix_mut, rows, solve_adjoint_right, solve_lower, solve_upper, solve_upper_right,
    subtract_product,
};

/// What is made of a factorisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Part {
    /// Cholesky's `L`.
    Cholesky,
    /// The permutation of an LU factorisation.
    P,
    /// Its lower triangle.
    L,
    /// Its upper triangle.
    U,
    Determinant,
}

/// The matrix with columns cut as its rows are.
pub(crate) fn squarely(matrix: &Arc<Expr>) -> Result<Arc<Expr>> {
    let rows = matrix.chunks.axes()[0].clone();
    simplify::rechunk(matrix, Chunking::new(vec![rows.clone(), rows])?)
}

/// A node of a factorisation of a square matrix in `f64` or [`Complex64`].
pub(crate) fn factor(operation: &'static str, part: Part, matrix: &Arc<Expr>) -> Result<Arc<Expr>> {
    let matrix = squarely(matrix)?;
    let chunks = if part == Part::Determinant { Chunking::new(Vec::new())? } else { matrix.chunks.clone() };
    Ok(node(operation, matrix.dtype, chunks, FactorOp { operation, part }, &[matrix]))
}

/// A node of the `X` of `A X = B`, where `B` has two axes: by an LU factorisation, or of a triangular matrix if `triangular` says which triangle.
pub(crate) fn solution(operation: &'static str, triangular: Option<bool>, matrix: &Arc<Expr>, b: &Arc<Expr>) -> Result<Arc<Expr>> {
    let matrix = squarely(matrix)?;
    let chunks = Chunking::new(vec![matrix.chunks.axes()[0].clone(), b.chunks.axes()[1].clone()])?;
    let b = simplify::rechunk(b, chunks.clone())?;
    Ok(node(operation, matrix.dtype, chunks, SolveOp { operation, triangular }, &[matrix, b]))
}

/// A square matrix, if it is one.
pub(crate) fn check_square(operation: &'static str, shape: &[usize]) -> Result<()> {
    if shape[0] == shape[1] { Ok(()) } else { Err(Error::argument(operation, format!("shape {shape:?} is not square"))) }
}

/// What a task reads: layers and positions in them.
type Reads = Vec<(Name, u32)>;

/// A layer whose blocks, in row-major order, read these.
fn table(name: Name, chunks: Vec<Vec<usize>>, kernel: BlockedKernel, reads: Vec<Reads>) -> Layer {
    let mut names: Vec<Name> = Vec::new();
    let mut number = |name: &Name| {
        names.iter().position(|other| other == name).unwrap_or_else(|| {
            names.push(name.clone());
            names.len() - 1
        })
    };
    let reads: Vec<Vec<(usize, u32)>> =
        reads.iter().map(|reads| reads.iter().map(|(name, flat)| (number(name), *flat)).collect()).collect();
    let chunks = Chunking::new(chunks).expect("no more blocks than the matrix has");
    let sizes = sizes_of(&chunks, kernel.dtype.size());
    let mut reads = reads.into_iter();
    layer(name, &chunks, &names, kernel, sizes, |_, read| read.extend(reads.next().expect("as many as blocks")))
}

/// The layers of a factorisation, named after the matrix alone, so that all that is made of it shares them.
struct Factorisation<'a> {
    operation: &'static str,
    matrix: &'a Expr,
    cuts: &'a [usize],
    symmetric: bool,
}

impl<'a> Factorisation<'a> {
    fn new(operation: &'static str, matrix: &'a Expr, symmetric: bool) -> Factorisation<'a> {
        Factorisation { operation, matrix, cuts: &matrix.chunks.axes()[0], symmetric }
    }

    fn name(&self, stage: &str, k: usize) -> Name {
        let token = Tokenizer::new().text(self.matrix.name.as_str()).finish();
        let family = if self.symmetric { "cholesky" } else { "lu" };
        Name::from_token(&format!("{family}-factors-{stage}-{k}"), token)
    }

    /// The factors of the block on the diagonal.
    fn diagonal(&self, k: usize) -> (Name, u32) {
        (self.name("diagonal", k), 0)
    }

    /// The block of the lower triangle at `(i, k)`.
    fn below(&self, i: usize, k: usize) -> (Name, u32) {
        (self.name("below", k), (i - k - 1) as u32)
    }

    /// The block of the upper triangle at `(k, j)`.
    fn right(&self, k: usize, j: usize) -> (Name, u32) {
        (self.name("right", k), (j - k - 1) as u32)
    }

    /// The block at `(i, j)` of what is left before step `k`.
    fn rest(&self, k: usize, i: usize, j: usize) -> (Name, u32) {
        let n = self.cuts.len();
        if k == 0 { (self.matrix.name.clone(), (i * n + j) as u32) } else { (self.name("rest", k - 1), ((i - k) * (n - k) + j - k) as u32) }
    }

    fn kernel(&self, task: Task) -> BlockedKernel {
        BlockedKernel { operation: self.operation.into(), task, dtype: self.matrix.dtype }
    }

    fn layers(&self) -> Vec<Layer> {
        let (n, cuts, symmetric) = (self.cuts.len(), self.cuts, self.symmetric);
        let mut layers = Vec::new();
        for k in 0..n {
            let own = vec![cuts[k]];
            let after = cuts[k + 1..].to_vec();
            let task = if symmetric { Task::Cholesky } else { Task::Lu };
            layers.push(table(self.name("diagonal", k), vec![own.clone(), own.clone()], self.kernel(task), vec![vec![self.rest(k, k, k)]]));
            if after.is_empty() {
                break;
            }
            let below = (k + 1..n).map(|i| vec![self.diagonal(k), self.rest(k, i, k)]).collect();
            let task = if symmetric { Task::BelowAdjoint } else { Task::Below { step: k } };
            layers.push(table(self.name("below", k), vec![after.clone(), own.clone()], self.kernel(task), below));
            if !symmetric {
                let right = (k + 1..n).map(|j| vec![self.diagonal(k), self.rest(k, k, j)]).collect();
                layers.push(table(self.name("right", k), vec![own, after.clone()], self.kernel(Task::Forwards), right));
            }
            let places = (k + 1..n).flat_map(|i| (k + 1..n).map(move |j| (i, j)));
            let rest = places.map(|(i, j)| {
                let other = if symmetric { self.below(j, k) } else { self.right(k, j) };
                vec![self.rest(k, i, j), self.below(i, k), other]
            });
            let rest = rest.collect();
            layers.push(table(self.name("rest", k), vec![after.clone(), after], self.kernel(Task::Subtract { adjoint: symmetric }), rest));
        }
        layers
    }
}

#[derive(Debug)]
struct FactorOp {
    operation: &'static str,
    part: Part,
}

impl BlockOp for FactorOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let factors = Factorisation::new(self.operation, &inputs[0], self.part == Part::Cholesky);
        let n = factors.cuts.len();
        let mut layers = factors.layers();
        let read = |i: usize, j: usize| -> Reads {
            match self.part {
                Part::Cholesky | Part::L | Part::P | Part::U if i == j => vec![factors.diagonal(i)],
                Part::Cholesky if i > j => vec![factors.below(i, j)],
                // Rows below a diagonal block are exchanged as those of the block in their own row.
                Part::L if i > j => vec![factors.below(i, j), factors.diagonal(i)],
                Part::U if i < j => vec![factors.right(i, j)],
                _ => Vec::new(),
            }
        };
        let task = Task::Part { part: self.part, chunks: expr.chunks.clone() };
        let reads = match self.part {
            Part::Determinant => vec![(0..n).map(|k| factors.diagonal(k)).collect()],
            _ => (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| read(i, j)).collect(),
        };
        layers.push(table(expr.name.clone(), expr.chunks.axes().to_vec(), factors.kernel(task), reads));
        layers
    }
}

#[derive(Debug)]
struct SolveOp {
    operation: &'static str,
    triangular: Option<bool>,
}

impl BlockOp for SolveOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let (matrix, b) = (&inputs[0], &inputs[1]);
        let n = matrix.chunks.axes()[0].len();
        let substitution = |stage, order| Substitution { operation: self.operation, expr, stage, order };
        let (forwards, backwards) = ((0..n).collect::<Vec<_>>(), (0..n).rev().collect::<Vec<_>>());
        let width = expr.chunks.axes()[1].len();
        let start: Vec<(Name, u32)> = (0..n).map(|i| (b.name.clone(), (i * width) as u32)).collect();
        let (mut layers, found) = match self.triangular {
            Some(lower) => {
                let at = |i: usize, k: usize| (matrix.name.clone(), (i * n + k) as u32);
                let order = if lower { forwards } else { backwards };
                substitution("x", order).layers(start, Task::Triangle { lower }, &|k| at(k, k), &at)
            }
            None => {
                let factors = Factorisation::new(self.operation, matrix, false);
                let mut layers = factors.layers();
                let (more, start) =
                    substitution("y", forwards).layers(start, Task::Forwards, &|k| factors.diagonal(k), &|i, k| factors.below(i, k));
                layers.extend(more);
                let (more, found) =
                    substitution("x", backwards).layers(start, Task::Backwards, &|k| factors.diagonal(k), &|i, k| factors.right(i, k));
                layers.extend(more);
                (layers, found)
            }
        };
        let reads = found.iter().flat_map(|(name, start)| (0..width as u32).map(move |j| vec![(name.clone(), start + j)])).collect();
        let kernel = BlockedKernel { operation: self.operation.into(), task: Task::Pass, dtype: expr.dtype };
        layers.push(table(expr.name.clone(), expr.chunks.axes().to_vec(), kernel, reads));
        layers
    }
}

/// A triangle's rows solved one after another, each with what the rows before it leave of the right side.
struct Substitution<'a> {
    operation: &'static str,
    expr: &'a Expr,
    stage: &'static str,
    order: Vec<usize>,
}

impl Substitution<'_> {
    /// The layers, and where the first block of each row of the result is; `rest` is where it is in the right side.
    fn layers(
        &self,
        mut rest: Vec<(Name, u32)>,
        task: Task,
        diagonal: &dyn Fn(usize) -> (Name, u32),
        beside: &dyn Fn(usize, usize) -> (Name, u32),
    ) -> (Vec<Layer>, Vec<(Name, u32)>) {
        let (rows, columns) = (&self.expr.chunks.axes()[0], &self.expr.chunks.axes()[1]);
        let kernel = |task| BlockedKernel { operation: self.operation.into(), task, dtype: self.expr.dtype };
        let along = |(name, start): &(Name, u32), j: usize| (name.clone(), start + j as u32);
        let (mut layers, mut found) = (Vec::new(), rest.clone());
        for (step, &k) in self.order.iter().enumerate() {
            let name = crate::engine::blockwise::stage(self.expr, &format!("{}-{k}", self.stage));
            let reads = (0..columns.len()).map(|j| vec![diagonal(k), along(&rest[k], j)]).collect();
            layers.push(table(name.clone(), vec![vec![rows[k]], columns.clone()], kernel(task.clone()), reads));
            found[k] = (name, 0);
            let after = &self.order[step + 1..];
            if after.is_empty() {
                break;
            }
            let name = crate::engine::blockwise::stage(self.expr, &format!("{}-rest-{k}", self.stage));
            let places = after.iter().flat_map(|&i| (0..columns.len()).map(move |j| (i, j)));
            let reads = places.map(|(i, j)| vec![along(&rest[i], j), beside(i, k), along(&found[k], j)]).collect();
            let chunks = vec![after.iter().map(|&i| rows[i]).collect(), columns.clone()];
            layers.push(table(name.clone(), chunks, kernel(Task::Subtract { adjoint: false }), reads));
            after.iter().enumerate().for_each(|(place, &i)| rest[i] = (name.clone(), (place * columns.len()) as u32));
        }
        (layers, found)
    }
}

/// `L` and `U` of a block in one, and which of its rows each row of their product is.
#[derive(Debug, Serialize, Deserialize)]
struct Exchanged {
    both: Block,
    rows: Vec<usize>,
}

impl arras_core::Measure for Exchanged {
    fn nbytes(&self) -> usize {
        arras_core::Measure::nbytes(&self.both) + 8 * self.rows.len()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Task {
    /// A block's Cholesky factor.
    Cholesky,
    /// A block's LU factors.
    Lu,
    /// `A L⁻ᴴ`.
    BelowAdjoint,
    /// `A U⁻¹`.
    Below {
        step: usize,
    },
    /// `L⁻¹ Pᵀ B`.
    Forwards,
    /// `U⁻¹ B`.
    Backwards,
    /// `T⁻¹ B` of a triangular matrix that is given.
    Triangle {
        lower: bool,
    },
    /// `C - A B`, or `C - A Bᴴ`.
    Subtract {
        adjoint: bool,
    },
    /// A block of a result.
    Part {
        part: Part,
        chunks: Chunking,
    },
    Pass,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct BlockedKernel {
    operation: String,
    task: Task,
    dtype: DType,
}

impl Kernel for BlockedKernel {
    fn name(&self) -> Cow<'static, str> {
        self.operation.clone().into()
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        if self.dtype == DType::C64 { self.of::<Complex64>(inputs) } else { self.of::<f64>(inputs) }
    }
}

/// An array with its rows in another order: row `i` is row `rows[i]`.
fn exchanged<T: Element>(array: &ArrayD<T>, rows: &[usize]) -> ArrayD<T> {
    array.select(ndarray::Axis(0), rows)
}

impl BlockedKernel {
    fn of<T: Element + ComplexField>(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let block = |array: ArrayD<T>| Value::measured(T::into_block(array.into_shared()));
        let zero = <T as Default>::default();
        match &self.task {
            Task::Pass => Ok(inputs.value(0).clone()),
            Task::Cholesky => {
                let own = rows::<T>(inputs.get::<Block>(0)?)?;
                let l = cholesky(matrix(&own)).ok_or_else(|| format!("{}: the matrix is not positive definite", self.operation))?;
                Ok(Value::measured(block_of(l.as_ref())?))
            }
            Task::Lu => {
                let own = rows::<T>(inputs.get::<Block>(0)?)?;
                let (both, rows) = lu(matrix(&own));
                Ok(Value::measured(Exchanged { both: block_of(both.as_ref())?, rows }))
            }
            Task::BelowAdjoint => {
                let (l, mut below) = (rows::<T>(inputs.get::<Block>(0)?)?, copied::<T>(inputs.get::<Block>(1)?)?);
                solve_adjoint_right(matrix(&l), matrix_mut(&mut below));
                Ok(block(below))
            }
            Task::Below { step } => {
                let (u, mut below) = (rows::<T>(&inputs.get::<Exchanged>(0)?.both)?, copied::<T>(inputs.get::<Block>(1)?)?);
                if has_zero(&u) {
                    let why = format!(
                        "{}: what is left of block ({step}, {step}) is singular, and rows are exchanged within blocks alone: rechunk to larger blocks",
                        self.operation
                    );
                    return Err(why.into());
                }
                solve_upper_right(matrix(&u), matrix_mut(&mut below));
                Ok(block(below))
            }
            Task::Forwards => {
                let factors = inputs.get::<Exchanged>(0)?;
                let l = rows::<T>(&factors.both)?;
                let mut right = exchanged(&copied::<T>(inputs.get::<Block>(1)?)?, &factors.rows);
                solve_lower(matrix(&l), true, matrix_mut(&mut right));
                Ok(block(right))
            }
            Task::Backwards => {
                let (u, mut right) = (rows::<T>(&inputs.get::<Exchanged>(0)?.both)?, copied::<T>(inputs.get::<Block>(1)?)?);
                self.regular(&u)?;
                solve_upper(matrix(&u), matrix_mut(&mut right));
                Ok(block(right))
            }
            Task::Triangle { lower } => {
                let (triangle, mut right) = (rows::<T>(inputs.get::<Block>(0)?)?, copied::<T>(inputs.get::<Block>(1)?)?);
                self.regular(&triangle)?;
                match lower {
                    true => solve_lower(matrix(&triangle), false, matrix_mut(&mut right)),
                    false => solve_upper(matrix(&triangle), matrix_mut(&mut right)),
                }
                Ok(block(right))
            }
            Task::Subtract { adjoint } => {
                let mut rest = copied::<T>(inputs.get::<Block>(0)?)?;
                let (a, b) = (rows::<T>(inputs.get::<Block>(1)?)?, rows::<T>(inputs.get::<Block>(2)?)?);
                subtract_product(matrix_mut(&mut rest), matrix(&a), matrix(&b), *adjoint);
                Ok(block(rest))
            }
            Task::Part { part: Part::Determinant, .. } => {
                let mut determinant = <T as Element>::cast_from(1u8);
                for i in 0..inputs.len() {
                    let factors = inputs.get::<Exchanged>(i)?;
                    let both = rows::<T>(&factors.both)?;
                    determinant = (0..both.shape()[0]).fold(determinant, |product, i| product * both[[i, i]]);
                    if is_odd(&factors.rows) {
                        determinant = -determinant;
                    }
                }
                Ok(block(ndarray::arr0(determinant).into_dyn()))
            }
            Task::Part { part, chunks } => {
                let index = chunks.index_of(inputs.block());
                let shape = chunks.block_shape(&index);
                if inputs.is_empty() {
                    return Ok(block(ArrayD::from_elem(IxDyn(&shape), zero)));
                }
                if *part == Part::Cholesky || (*part == Part::U && index[0] < index[1]) {
                    return Ok(inputs.value(0).clone());
                }
                if index[0] > index[1] {
                    return Ok(block(exchanged(&copied::<T>(inputs.get::<Block>(0)?)?, &inputs.get::<Exchanged>(1)?.rows)));
                }
                let factors = inputs.get::<Exchanged>(0)?;
                let both = rows::<T>(&factors.both)?;
                let one = <T as Element>::cast_from(1u8);
                let element = |i: usize, j: usize| match part {
                    Part::P if factors.rows[j] == i => one,
                    Part::L if i == j => one,
                    Part::L if i > j => both[[i, j]],
                    Part::U if i <= j => both[[i, j]],
                    _ => zero,
                };
                Ok(block(ArrayD::from_shape_fn(IxDyn(&shape), |index| element(index[0], index[1]))))
            }
        }
    }

    /// Whether a triangle has an inverse.
    fn regular<T: Element>(&self, triangle: &crate::linear::kernels::Rows<'_, T>) -> Result<(), BoxError> {
        if has_zero(triangle) { Err(format!("{}: the matrix is singular", self.operation).into()) } else { Ok(()) }
    }
}

/// Whether there is a 0 on the diagonal.
fn has_zero<T: Element>(matrix: &crate::linear::kernels::Rows<'_, T>) -> bool {
    (0..matrix.shape()[0]).any(|i| matrix[[i, i]] == T::default())
}

/// Whether an order takes an odd number of exchanges.
fn is_odd(rows: &[usize]) -> bool {
    let mut seen = vec![false; rows.len()];
    let mut odd = false;
    for start in 0..rows.len() {
        let (mut at, mut length) = (start, 0);
        while !std::mem::replace(&mut seen[at], true) {
            (at, length) = (rows[at], length + 1);
        }
        // A cycle of n takes n - 1.
        odd ^= length > 0 && length % 2 == 0;
    }
    odd
}
