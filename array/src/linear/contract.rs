//! Products that sum over axes: matrix products, tensor products, Einstein's notation.
//!
//! ```text
//!     einsum("ij,jk->ik")       a: axes i, j          products of pairs of operands, those first that leave little
//!                               b: axes j, k
//!
//!     pair:   axes of both and the result        B  ┐
//!             axes of the left                   M  ├─►  (B, M, K) @ (B, K, N) ──► (B, M, N)
//!             axes of both that are summed       K  │
//!             axes of the right                  N  ┘
//!
//!     block (b, m, n):   groups of blocks along K, each one task ──► added in a tree
//! ```
//! What needs no `M` and no `N`, such as the product of two vectors, is multiplied element by element and summed in one fused pass; what has no `K` is only multiplied.

use std::sync::Arc;

use arras_core::{BoxError, Func, Inputs, Kernel, Layer, Value};
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayD, ArrayView2, ArrayViewD, Axis, CowArray, Ix2, IxDyn, LinalgScalar};
use serde::{Deserialize, Serialize};

use crate::array::{Array, Operand};
use crate::elementwise::operations::Operation;
use crate::engine::block::filled;
use crate::engine::blockwise::{BlockOp, block, layer, node, stage, value};
use crate::engine::chunks::{Chunking, refine};
use crate::engine::dtype::{DType, Element, Integer, Number, with_inexact, with_integer};
use crate::engine::expr::{Expr, elementwise};
use crate::engine::lower::{SPLIT_EVERY, dot, each_block, rounds, sizes_of};
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::reductions::reduce::{Axes, ReduceOp, axis_of, cast, reduce};
use crate::shape::view::Item;

/// An axis by name.
type Label = usize;

/// The bytes of input that one task of a matrix product reads, if its blocks are not larger.
const GROUP_NBYTES: usize = 128 << 20;

/// The most blocks along the summed axes that one task reads from each side.
const GROUP: usize = 16;

impl<T: Number> Array<T> {
    /// The matrix product, NumPy's `@`: `(.., m, k)` and `(.., k, n)` to `(.., m, n)`. A vector on the left is a row, on the right a column, and loses that axis again. The axes before the last
    /// two broadcast. Integers wrap. Lazy; `m k n` multiplications, of which each block of the result is as many tasks as `k` has groups of blocks.
    ///
    /// Where the chunks of `k` differ, both sides are cut at every place where one of them is. The chunks of `m` and `n` are those of the sides: a block of the result is as large as they are.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0]]), 1)?;
    /// assert_eq!(x.matmul(&x).compute()?, ndarray::arr2(&[[7.0, 10.0], [15.0, 22.0]]).into_dyn());
    /// let v = Array::from_ndarray(ndarray::array![1.0, 1.0], 1)?;
    /// assert_eq!(x.matmul(&v).compute()?, ndarray::array![3.0, 7.0].into_dyn());
    /// assert!(x.matmul(&Array::ones([3, 2], 2)?).check().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for a scalar or lengths of `k` that differ, and with an [`Error::Broadcast`].
    pub fn matmul(&self, other: &Array<T>) -> Array<T> {
        Array::of(|| {
            let (a, b) = (self.expr()?, other.expr()?);
            let (left, right) = (a.shape(), b.shape());
            if left.is_empty() || right.is_empty() {
                let why = format!("shapes {:?} and {:?}: a scalar has no rows and columns, multiply it", left.as_slice(), right.as_slice());
                return Err(Error::argument("matmul", why));
            }
            check_length("matmul", &left, left.len() - 1, &right, right.len().saturating_sub(2))?;
            const M: Label = 0;
            const K: Label = 1;
            const N: Label = 2;
            // The leading axes from the last one on.
            let n_leading = |ndim: usize| ndim.saturating_sub(2);
            let leading = |ndim: usize| (3..3 + n_leading(ndim)).rev();
            let of_left: Vec<Label> = leading(left.len()).chain(if left.len() > 1 { vec![M, K] } else { vec![K] }).collect();
            let of_right: Vec<Label> = leading(right.len()).chain(if right.len() > 1 { vec![K, N] } else { vec![K] }).collect();
            for back in 0..n_leading(left.len()).min(n_leading(right.len())) {
                let (l, r) = (left[left.len() - 3 - back], right[right.len() - 3 - back]);
                if l != r && l != 1 && r != 1 {
                    return Err(Error::Broadcast { operation: "matmul", left: left.to_vec(), right: right.to_vec() });
                }
            }
            let mut result: Vec<Label> = leading(left.len().max(right.len())).collect();
            result.extend(of_left.contains(&M).then_some(M));
            result.extend(of_right.contains(&N).then_some(N));
            contract("matmul", vec![(a, of_left), (b, of_right)], &result)
        })
    }

    /// NumPy's dot: the sum of products over the last axis of the left and the second to last of the right, or its only one; `(m.., k)` and `(n.., k, n)` to `(m.., n.., n)`. With a scalar, the
    /// product. As [`matmul`](Array::matmul), which is the same for matrices and vectors.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(0, 4, 1, 2)?;
    /// assert_eq!(x.dot(&x).item().compute()?, 14);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for lengths that differ.
    pub fn dot(&self, other: &Array<T>) -> Array<T> {
        Array::of(|| {
            let (a, b) = (self.expr()?, other.expr()?);
            let (left, right) = (a.shape(), b.shape());
            if left.is_empty() || right.is_empty() {
                return multiply(a, b);
            }
            let (last, second) = (left.len() - 1, right.len().saturating_sub(2));
            check_length("dot", &left, last, &right, second)?;
            paired("dot", a, b, &[last], &[second])
        })
    }

    /// The sum of the products of all elements, those of the left conjugated: of arrays of any shapes with as many elements, in row-major order. 0-d. Lazy, one pass.
    ///
    /// ```
    /// use arras_array::{Array, Complex64};
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![Complex64::new(1.0, 2.0), Complex64::new(3.0, 0.0)], 1)?;
    /// assert_eq!(x.vdot(&x).item().compute()?, Complex64::new(14.0, 0.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for different numbers of elements.
    pub fn vdot(&self, other: &Array<T>) -> Array<T> {
        Array::of(|| {
            self.check()?;
            other.check()?;
            if self.size() != other.size() {
                let why = format!("shapes {:?} and {:?} have {} and {} elements", self.shape(), other.shape(), self.size(), other.size());
                return Err(Error::argument("vdot", why));
            }
            let mut a = self.ravel().expr()?;
            if matches!(T::DTYPE, DType::C32 | DType::C64) {
                a = elementwise(Operation::Conjugate, vec![Operand::Expr(a)])?;
            }
            contract("vdot", vec![(a, vec![0]), (other.ravel().expr()?, vec![0])], &[])
        })
    }

    /// The products of each element of the left with each of the right: of `m` and `n` elements, in row-major order, an `(m, n)`. Lazy; part of the kernel that uses it.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(1, 3, 1, 2)?;
    /// assert_eq!(x.outer(&x).compute()?, ndarray::arr2(&[[1, 2], [2, 4]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn outer(&self, other: &Array<T>) -> Array<T> {
        Array::of(|| contract("outer", vec![(self.ravel().expr()?, vec![0]), (other.ravel().expr()?, vec![1])], &[0, 1]))
    }

    /// The sums of products over pairs of axes, the first of `axes` with the first of `other_axes` and so on; the axes that are left come in their order, those of the left first. Negative axes
    /// count from the end. Lazy, as [`matmul`](Array::matmul). NumPy's `axes=n` is `[-n, .., -1]` with `[0, .., n-1]`.
    ///
    /// ```
    /// use arras_array::Array;
    /// let (x, y) = (Array::<f64>::ones([2, 3, 4], 2)?, Array::<f64>::ones([4, 3, 5], 2)?);
    /// assert_eq!(x.tensordot(&y, [1, 2], [1, 0]).shape(), [2, 5]);
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`] or [`Error::AxisTwice`], and with an [`Error::Argument`] for lengths, or numbers of axes, that differ.
    pub fn tensordot(&self, other: &Array<T>, axes: impl AsRef<[isize]>, other_axes: impl AsRef<[isize]>) -> Array<T> {
        Array::of(|| {
            let (a, b) = (self.expr()?, other.expr()?);
            let (left, right) = (a.shape(), b.shape());
            let (axes, other_axes) = (axes.as_ref(), other_axes.as_ref());
            if axes.len() != other_axes.len() {
                return Err(Error::argument("tensordot", format!("axes {axes:?} and {other_axes:?}: there is one of each side in a pair")));
            }
            let positions = |axes: &[isize], shape: &[usize]| -> Result<Vec<usize>> {
                let mut positions = Vec::new();
                for &axis in axes {
                    let position = axis_of("tensordot", axis, shape)?;
                    if positions.contains(&position) {
                        return Err(Error::AxisTwice { operation: "tensordot", axis: position, axes: axes.to_vec() });
                    }
                    positions.push(position);
                }
                Ok(positions)
            };
            let (axes, other_axes) = (positions(axes, &left)?, positions(other_axes, &right)?);
            for (&l, &r) in axes.iter().zip(&other_axes) {
                check_length("tensordot", &left, l, &right, r)?;
            }
            paired("tensordot", a, b, &axes, &other_axes)
        })
    }
}

/// Sums of products in Einstein's notation: a letter for each axis of each array, and after `->` those of the result; letters that are not there are summed over. Without `->` the result has those
/// that occur once, in alphabetical order. `...` stands for axes without letters, which broadcast. A letter twice in one array is its diagonal.
///
/// Axes of one letter have one length, or 1, which broadcasts. The arrays are multiplied in pairs, those first that leave the fewest elements. Lazy, as [`Array::matmul`].
///
/// ```
/// use arras_array::{Array, einsum};
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::arr2(&[[1, 2], [3, 4]]), 1)?;
/// assert_eq!(einsum("ij,jk->ki", &[&x, &x]).compute()?, ndarray::arr2(&[[7, 15], [10, 22]]).into_dyn());
/// assert_eq!(einsum("ii", &[&x]).item().compute()?, 5);
/// assert_eq!(einsum("ij,ij->i", &[&x, &x]).compute()?, ndarray::array![5, 25].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The result fails with an [`Error::Argument`] for a notation that does not fit the arrays.
pub fn einsum<T: Number>(subscripts: &str, arrays: &[&Array<T>]) -> Array<T> {
    Array::of(|| {
        let exprs = arrays.iter().map(|array| array.expr()).collect::<Result<Vec<_>>>()?;
        let shapes: Vec<Vec<usize>> = exprs.iter().map(|expr| expr.shape().to_vec()).collect();
        let (labels, result) = notation(subscripts, &shapes)?;
        let mut operands = Vec::new();
        for (expr, mut labels) in exprs.into_iter().zip(labels) {
            let mut array: Array<T> = Array::of(|| Ok(expr));
            while let Some((first, second)) = twice(&labels) {
                let shape = array.shape();
                if shape[first] != shape[second] {
                    let why = format!("{subscripts:?}: axes {first} and {second} of shape {shape:?} have one letter, but not one length");
                    return Err(Error::argument("einsum", why));
                }
                array = array.diagonal(0, first as isize, second as isize);
                labels.remove(second);
                let label = labels.remove(first);
                labels.push(label);
            }
            operands.push((array.expr()?, labels));
        }
        contract("einsum", operands, &result)
    })
}

fn twice(labels: &[Label]) -> Option<(usize, usize)> {
    let second = (1..labels.len()).find(|&axis| labels[..axis].contains(&labels[axis]))?;
    Some((labels.iter().position(|label| *label == labels[second])?, second))
}

/// The labels of each array's axes, and of the result's. Letters are their code points; axes without letters are numbered from the last one on, above all letters.
fn notation(subscripts: &str, shapes: &[Vec<usize>]) -> Result<(Vec<Vec<Label>>, Vec<Label>)> {
    const UNNAMED: Label = 0x11_0000;
    let wrong = |why: String| Error::argument("einsum", format!("{subscripts:?}: {why}"));
    let text: String = subscripts.chars().filter(|c| !c.is_whitespace()).collect();
    let (inputs, result) = match text.split_once("->") {
        Some((inputs, result)) => (inputs, Some(result)),
        None => (text.as_str(), None),
    };
    let inputs: Vec<&str> = inputs.split(',').collect();
    if inputs.len() != shapes.len() {
        return Err(wrong(format!("letters for {} arrays, but there are {}", inputs.len(), shapes.len())));
    }
    let letters = |text: &str| -> Result<Vec<Label>> {
        match text.chars().find(|c| !c.is_ascii_alphabetic()) {
            Some(c) => Err(wrong(format!("{c:?} is no letter"))),
            None => Ok(text.chars().map(|c| c as Label).collect()),
        }
    };
    let split = |text: &str, n_unnamed: &dyn Fn(usize) -> Result<usize>| -> Result<Vec<Label>> {
        let Some((before, after)) = text.split_once("...") else {
            let labels = letters(text)?;
            n_unnamed(labels.len())?;
            return Ok(labels);
        };
        let (mut labels, after) = (letters(before)?, letters(after)?);
        let n = n_unnamed(labels.len() + after.len())?;
        labels.extend((UNNAMED..UNNAMED + n).rev());
        labels.extend(after);
        Ok(labels)
    };
    let mut labels = Vec::new();
    for (i, (input, shape)) in inputs.iter().zip(shapes).enumerate() {
        let fits = |named: usize| match shape.len().checked_sub(named) {
            Some(n) if n == 0 || input.contains("...") => Ok(n),
            _ => Err(wrong(format!("{named} letters for array {i}, whose shape is {shape:?}"))),
        };
        labels.push(split(input, &fits)?);
    }
    let most = labels.iter().flatten().filter(|&&label| label >= UNNAMED).max().map_or(0, |label| label + 1 - UNNAMED);
    let result = match result {
        Some(result) => {
            let has = result.contains("...");
            if most > 0 && !has {
                return Err(wrong("the axes that ... stands for are not in the result".into()));
            }
            split(result, &|_| Ok(most))?
        }
        None => {
            let all: Vec<Label> = labels.iter().flatten().copied().collect();
            let mut once: Vec<Label> =
                all.iter().copied().filter(|&label| label < UNNAMED && all.iter().filter(|&&other| other == label).count() == 1).collect();
            once.sort_unstable();
            (UNNAMED..UNNAMED + most).rev().chain(once).collect()
        }
    };
    let name = |label: Label| char::from_u32(label as u32).unwrap_or('.');
    if let Some((first, _)) = twice(&result) {
        return Err(wrong(format!("{:?} is twice in the result", name(result[first]))));
    }
    if let Some(&label) = result.iter().find(|label| !labels.iter().any(|labels| labels.contains(label))) {
        return Err(wrong(format!("{:?} is in the result, but in no array", name(label))));
    }
    Ok((labels, result))
}

fn check_length(operation: &'static str, left: &[usize], l: usize, right: &[usize], r: usize) -> Result<()> {
    if left[l] == right[r] {
        return Ok(());
    }
    let why = format!("shapes {left:?} and {right:?}: axis {l} of the left has length {}, axis {r} of the right {}", left[l], right[r]);
    Err(Error::argument(operation, why))
}

/// The sums over pairs of axes; the others in their order.
fn paired(operation: &'static str, a: Arc<Expr>, b: Arc<Expr>, axes: &[usize], other_axes: &[usize]) -> Result<Arc<Expr>> {
    let (n, m) = (a.chunks.ndim(), b.chunks.ndim());
    let left: Vec<Label> = (0..n).collect();
    let right: Vec<Label> = (0..m).map(|axis| other_axes.iter().position(|&other| other == axis).map_or(n + axis, |i| axes[i])).collect();
    let result: Vec<Label> =
        left.iter().filter(|label| !axes.contains(label)).chain(right.iter().filter(|&&label| label >= n)).copied().collect();
    contract(operation, vec![(a, left), (b, right)], &result)
}

fn multiply(a: Arc<Expr>, b: Arc<Expr>) -> Result<Arc<Expr>> {
    elementwise(Operation::Multiply, vec![Operand::Expr(a), Operand::Expr(b)])
}

type Labelled = (Arc<Expr>, Vec<Label>);

/// The product of operands, summed over all axes that the result lacks. No operand has a label twice, and each label of the result is in an operand.
fn contract(operation: &'static str, mut operands: Vec<Labelled>, result: &[Label]) -> Result<Arc<Expr>> {
    // An axis of length 1 says nothing where another operand has the same one, longer.
    for i in 0..operands.len() {
        let shape = operands[i].0.shape();
        let length_of = |label: Label| {
            let lengths = operands.iter().filter_map(|(expr, labels)| Some(expr.shape()[labels.iter().position(|own| *own == label)?]));
            let mut lengths = lengths.filter(|&length| length != 1);
            let first = lengths.next().unwrap_or(1);
            match lengths.find(|&length| length != first) {
                None => Ok(first),
                Some(other) => {
                    let shapes: Vec<_> = operands.iter().map(|(expr, _)| expr.shape().to_vec()).collect();
                    Err(Error::argument(operation, format!("shapes {shapes:?}: lengths {first} and {other} meet in one axis")))
                }
            }
        };
        let lengths = operands[i].1.iter().map(|&label| length_of(label)).collect::<Result<Vec<_>>>()?;
        if lengths.as_slice() == shape.as_slice() {
            continue;
        }
        let items = shape.iter().zip(&lengths).map(|(&own, &all)| if own == all { Item::whole(own) } else { Item::Index(0) }).collect();
        let labels =
            operands[i].1.iter().zip(shape.iter().zip(&lengths)).filter(|(_, (own, all))| own == all).map(|(label, _)| *label).collect();
        operands[i] = (simplify::slice(&operands[i].0, items)?, labels);
    }
    loop {
        // Axes of one operand alone are summed before anything is multiplied.
        for i in 0..operands.len() {
            let elsewhere = |label: &Label| {
                result.contains(label) || operands.iter().enumerate().any(|(other, (_, labels))| other != i && labels.contains(label))
            };
            let (expr, labels) = &operands[i];
            let alone: Vec<isize> = (0..labels.len()).filter(|&axis| !elsewhere(&labels[axis])).map(|axis| axis as isize).collect();
            if !alone.is_empty() {
                let kept = labels.iter().copied().filter(|label| elsewhere(label)).collect();
                operands[i] = (cast(reduce(ReduceOp::Sum, expr, &Axes::from(alone))?, expr.dtype)?, kept);
            }
        }
        if operands.len() == 1 {
            let (expr, labels) = operands.remove(0);
            let axes: Vec<usize> =
                result.iter().map(|label| labels.iter().position(|own| own == label).expect("a label of an operand")).collect();
            return simplify::transpose(&expr, &axes);
        }
        let (i, j) = next(&operands, result);
        let b = operands.remove(j);
        let a = operands.remove(i);
        let kept = |label: &Label| result.contains(label) || operands.iter().any(|(_, labels)| labels.contains(label));
        let product = pair(operation, a, b, kept)?;
        operands.insert(i, product);
    }
}

/// The pair whose product adds the fewest elements to those that are there.
fn next(operands: &[Labelled], result: &[Label]) -> (usize, usize) {
    let mut best = (f64::INFINITY, (0, 1));
    if operands.len() == 2 {
        return best.1;
    }
    let size = |expr: &Expr| expr.shape().iter().map(|&n| n as f64).product::<f64>();
    for j in 1..operands.len() {
        for i in 0..j {
            let ((a, left), (b, right)) = (&operands[i], &operands[j]);
            let kept = |label: &Label| {
                result.contains(label) || operands.iter().enumerate().any(|(k, (_, labels))| k != i && k != j && labels.contains(label))
            };
            let of_left: f64 = left.iter().zip(&a.shape()).filter(|(label, _)| kept(label)).map(|(_, &n)| n as f64).product();
            let shape = b.shape();
            let rest = right.iter().zip(&shape).filter(|(label, _)| kept(label) && !left.contains(label));
            let cost = of_left * rest.map(|(_, &n)| n as f64).product::<f64>() - size(a) - size(b);
            if cost < best.0 {
                best = (cost, (i, j));
            }
        }
    }
    best.1
}

/// The product of two operands, summed over the axes of both that are not kept.
fn pair(operation: &'static str, (a, left): Labelled, (b, right): Labelled, kept: impl Fn(&Label) -> bool) -> Result<Labelled> {
    let pick =
        |labels: &[Label], keep: &dyn Fn(&Label) -> bool| -> Vec<Label> { labels.iter().copied().filter(|label| keep(label)).collect() };
    let batch = pick(&left, &|label| right.contains(label) && kept(label));
    let summed = pick(&left, &|label| right.contains(label) && !kept(label));
    let rows = pick(&left, &|label| !right.contains(label));
    let columns = pick(&right, &|label| !left.contains(label));
    let arranged = |expr: &Arc<Expr>, labels: &[Label], order: &[&[Label]]| {
        let axes: Vec<usize> =
            order.concat().iter().map(|label| labels.iter().position(|own| own == label).expect("a label of the operand")).collect();
        simplify::transpose(expr, &axes)
    };
    if summed.is_empty() || (rows.is_empty() && columns.is_empty()) {
        // Element by element, with the axes that a side lacks as new ones.
        let all = [batch.as_slice(), &rows, &summed, &columns].concat();
        let raised = |expr: &Arc<Expr>, labels: &[Label]| {
            let own: Vec<Label> = all.iter().copied().filter(|label| labels.contains(label)).collect();
            let expr = arranged(expr, labels, &[&own])?;
            let mut shape = expr.shape().into_iter();
            let item = |label: &Label| {
                if labels.contains(label) { Item::whole(shape.next().expect("an axis for each label")) } else { Item::NewAxis }
            };
            simplify::slice(&expr, all.iter().map(item).collect())
        };
        let product = multiply(raised(&a, &left)?, raised(&b, &right)?)?;
        if summed.is_empty() {
            return Ok((product, all));
        }
        let axes: Vec<isize> = (0..all.len()).filter(|&axis| summed.contains(&all[axis])).map(|axis| axis as isize).collect();
        return Ok((cast(reduce(ReduceOp::Sum, &product, &Axes::from(axes))?, a.dtype)?, batch));
    }
    let a = arranged(&a, &left, &[&batch, &rows, &summed])?;
    let b = arranged(&b, &right, &[&batch, &summed, &columns])?;
    let (n_batch, n_rows, n_summed) = (batch.len(), rows.len(), summed.len());
    // The axes of both are cut alike.
    let (mut of_a, mut of_b) = (a.chunks.axes().to_vec(), b.chunks.axes().to_vec());
    let shared = (0..n_batch).map(|axis| (axis, axis)).chain((0..n_summed).map(|axis| (n_batch + n_rows + axis, n_batch + axis)));
    for (i, j) in shared {
        of_a[i] = refine(&of_a[i], &of_b[j]);
        of_b[j].clone_from(&of_a[i]);
    }
    let chunks = Chunking::new([&of_a[..n_batch + n_rows], &of_b[n_batch + n_summed..]].concat())?;
    let (a, b) = (simplify::rechunk(&a, Chunking::new(of_a)?)?, simplify::rechunk(&b, Chunking::new(of_b)?)?);
    let op = Product { operation, n_batch, n_rows, n_summed };
    Ok((node(operation, a.dtype, chunks, op, &[a, b]), [batch, rows, columns].concat()))
}

/// `(B, M, K)` times `(B, K, N)`, each letter for so many axes.
#[derive(Debug)]
struct Product {
    operation: &'static str,
    n_batch: usize,
    n_rows: usize,
    n_summed: usize,
}

impl BlockOp for Product {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let &Product { operation, n_batch, n_rows, n_summed } = self;
        let (a, b) = (&inputs[0].chunks, &inputs[1].chunks);
        let (of_a, of_b) = (a.strides(), b.strides());
        let summed = Chunking::new(a.axes()[n_batch + n_rows..].to_vec()).expect("no more blocks than the left has");
        // The flat positions of the blocks along the summed axes, from the first one's on.
        let mut steps: Vec<(u32, u32)> = Vec::new();
        each_block(&summed, |index| steps.push((dot(index, &of_a[n_batch + n_rows..]), dot(index, &of_b[n_batch..n_batch + n_summed]))));
        let largest =
            |chunks: &Chunking| chunks.axes().iter().map(|axis| axis.iter().copied().max().unwrap_or(0).max(1)).product::<usize>();
        let group = (GROUP_NBYTES / ((largest(a) + largest(b)) * expr.dtype.size())).clamp(1, GROUP);
        let groups = steps.len().div_ceil(group);

        let elements = |shape: &[usize]| shape.iter().map(|&n| n as f64).product::<f64>();
        let work = elements(&expr.shape()) * elements(&summed.shape()) / (expr.chunks.n_blocks() * groups) as f64;
        let kernel = ProductKernel { operation: operation.into(), dtype: expr.dtype, n_batch, n_rows, n_summed, work: work as u64 };
        let n = expr.chunks.ndim();
        let mut read = |index: &[u32], read: &mut Vec<(usize, u32)>| {
            let (kept, member) = index.split_at(n);
            let first = *member.first().unwrap_or(&0) as usize * group;
            let left = dot(&kept[..n_batch + n_rows], &of_a[..n_batch + n_rows]);
            let right = dot(&kept[..n_batch], &of_b[..n_batch]) + dot(&kept[n_batch + n_rows..], &of_b[n_batch + n_summed..]);
            let steps = &steps[first..(first + group).min(steps.len())];
            read.extend(steps.iter().flat_map(|(a, b)| [(0, left + a), (1, right + b)]));
        };
        let names = [inputs[0].name.clone(), inputs[1].name.clone()];
        if groups == 1 {
            let sizes = sizes_of(&expr.chunks, expr.dtype.size());
            return vec![layer(expr.name.clone(), &expr.chunks, &names, kernel, sizes, read)];
        }
        let mut axes = expr.chunks.axes().to_vec();
        axes.push(vec![1; groups]);
        let partial = Chunking::new(axes).expect("no more blocks than both sides have together");
        let name = stage(expr, "partial");
        let sizes = sizes_of(&partial, expr.dtype.size());
        let first = layer(name.clone(), &partial, &names, kernel, sizes, &mut read);
        let reduced: Vec<bool> = (0..=n).map(|axis| axis == n).collect();
        let add = |_| Func::kernel(AddKernel { operation: operation.into(), dtype: expr.dtype });
        let mut layers = vec![first];
        layers.extend(rounds(expr, name, &partial, &reduced, SPLIT_EVERY, Some(expr.dtype.size()), add));
        layers
    }
}

/// Multiplies pairs of blocks and adds up the products, one after another.
#[derive(Debug, Serialize, Deserialize)]
struct ProductKernel {
    operation: String,
    dtype: DType,
    n_batch: usize,
    n_rows: usize,
    n_summed: usize,
    /// About how many multiplications a task makes.
    work: u64,
}

impl Kernel for ProductKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        self.operation.clone().into()
    }
    fn nanoseconds(&self, _: u32) -> Option<u64> {
        Some(self.work / if matches!(self.dtype, DType::F32 | DType::F64) { 8 } else { 1 })
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        with_inexact!(self.dtype, T => self.product::<T>(inputs, add_product::<T>), with_integer!(self.dtype, T => self.product::<T>(inputs, add_integers::<T>), {
            Err(format!("no {} of {}", self.operation, self.dtype).into())
        }))
    }
}

impl ProductKernel {
    fn product<T: Element>(
        &self,
        inputs: &Inputs<'_>,
        add: impl Fn(&ArrayView2<'_, T>, &ArrayView2<'_, T>, &mut Array2<T>),
    ) -> Result<Value, BoxError> {
        let of_batch = |view: &ArrayViewD<'_, T>| view.shape()[..self.n_batch].to_vec();
        let (first, second) = (block::<T>(inputs, 0)?, block::<T>(inputs, 1)?);
        let batch = of_batch(&first.view());
        let rows = &first.shape()[self.n_batch..self.n_batch + self.n_rows];
        let columns = &second.shape()[self.n_batch + self.n_summed..];
        let (m, n) = (rows.iter().product(), columns.iter().product());
        let n_batches = batch.iter().product();
        let mut results: Vec<Array2<T>> =
            (0..n_batches).map(|_| filled(&[m, n], T::default()).into_dimensionality::<Ix2>().expect("two axes")).collect();
        for i in (0..inputs.len()).step_by(2) {
            let (a, b) = (block::<T>(inputs, i)?, block::<T>(inputs, i + 1)?);
            for (index, result) in ndarray::indices(batch.as_slice()).into_iter().zip(&mut results) {
                let (mut a, mut b) = (a.view(), b.view());
                for axis in 0..self.n_batch {
                    (a, b) = (a.index_axis_move(Axis(0), index[axis]), b.index_axis_move(Axis(0), index[axis]));
                }
                let (a, b) = (matrix(a, self.n_rows)?, matrix(b, self.n_summed)?);
                add(&a.view(), &b.view(), result);
            }
        }
        let shape = [batch.as_slice(), rows, columns].concat();
        if results.len() == 1 {
            let (elements, _) = results.remove(0).into_raw_vec_and_offset();
            return Ok(value(ArrayD::from_shape_vec(IxDyn(&shape), elements)?));
        }
        let elements = results.into_iter().flatten().collect();
        Ok(value(ArrayD::from_shape_vec(IxDyn(&shape), elements)?))
    }
}

/// A block as a matrix: its first `n` axes are the rows. Copied only where axes must be put together that do not follow each other in memory.
fn matrix<T: Element>(view: ArrayViewD<'_, T>, n: usize) -> Result<CowArray<'_, T, Ix2>, BoxError> {
    let view = if n == 0 { view.insert_axis(Axis(0)) } else { view };
    let n = n.max(1);
    let view = if view.ndim() == n { view.insert_axis(Axis(n)) } else { view };
    if view.ndim() == 2 {
        return Ok(view.into_dimensionality::<Ix2>()?.into());
    }
    let (rows, columns) = view.shape().split_at(n);
    let (rows, columns) = (rows.iter().product(), columns.iter().product());
    if view.is_standard_layout() {
        return Ok(view.into_shape_with_order((rows, columns))?.into());
    }
    let elements: Vec<T> = view.iter().copied().collect();
    Ok(Array2::from_shape_vec((rows, columns), elements)?.into())
}

/// `c += a b` by blocked matrix products, whose order of additions depends on the shapes only.
fn add_product<T: Element + LinalgScalar>(a: &ArrayView2<'_, T>, b: &ArrayView2<'_, T>, c: &mut Array2<T>) {
    if a.ncols() == 0 {
        return;
    }
    if c.ncols() == 1 {
        // Rows times a column, both without gaps, so that the order does not depend on the layout.
        let (a, b) = (a.as_standard_layout(), b.as_standard_layout());
        for (row, c) in a.rows().into_iter().zip(c.iter_mut()) {
            *c = *c + row.dot(&b.column(0));
        }
    } else if c.nrows() == 1 {
        let mut c = c.row_mut(0);
        for (row, &factor) in b.rows().into_iter().zip(a.iter()) {
            c.zip_mut_with(&row, |c, &x| *c = *c + factor * x);
        }
    } else {
        general_mat_mul(T::one(), a, b, T::one(), c);
    }
}

/// `c += a b` of integers, which wrap.
fn add_integers<T: Integer>(a: &ArrayView2<'_, T>, b: &ArrayView2<'_, T>, c: &mut Array2<T>) {
    if c.ncols() == 1 {
        for (row, c) in a.rows().into_iter().zip(c.iter_mut()) {
            *c = row.iter().zip(b.iter()).fold(*c, |sum, (&x, &y)| sum.plus(x.times(y)));
        }
        return;
    }
    for (row, mut c) in a.rows().into_iter().zip(c.rows_mut()) {
        for (&factor, row) in row.iter().zip(b.rows()) {
            c.zip_mut_with(&row, |c, &x| *c = c.plus(factor.times(x)));
        }
    }
}

/// Adds partial results in their order.
#[derive(Debug, Serialize, Deserialize)]
struct AddKernel {
    operation: String,
    dtype: DType,
}

impl Kernel for AddKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        self.operation.clone().into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        fn add<T: Number>(inputs: &Inputs<'_>) -> Result<Value, BoxError> {
            let mut sum = block::<T>(inputs, 0)?.to_owned();
            for i in 1..inputs.len() {
                sum.zip_mut_with(block::<T>(inputs, i)?, |sum, &x| *sum = sum.plus(x));
            }
            Ok(value(sum))
        }
        crate::engine::dtype::with_number!(self.dtype, T => add::<T>(inputs), Err(format!("no sums of {}", self.dtype).into()))
    }
}
