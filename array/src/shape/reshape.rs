//! Other shapes for the same elements in row-major order.
//!
//! ```text
//!     (6, 4, 5) ──► (24, 5)          axes fall into groups of equal numbers of elements: (6, 4) and (24), (5) and (5)
//!
//!     a group of one axis each       stays as it is, and so do its chunks
//!     several to one, one to several each block is one row of elements: cut along one axis, whole along those after it,
//!                                    single along those before it; then a block of the result is a block of the array
//!     several to several             several to one to several
//! ```
//! Chunks that are cut so already stay. Others are cut anew, into blocks that are no larger than those there are.

use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Value};
use ndarray::{ArcArray, IxDyn, Order};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::creation::iota::{Iota, iota};
use crate::engine::block::{Block, View};
use crate::engine::blockwise::{BlockOp, node, node_layer};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::Element;
use crate::engine::expr::{Expr, Kind};
use crate::engine::gather::zero;
use crate::engine::lower::dot;
use crate::engine::simplify;
use crate::error::{Error, Result};

impl<T: Element> Array<T> {
    /// The elements, in row-major order, in another shape; one length may be -1: what is left over for it. Lazy.
    ///
    /// Blocks are passed on where each holds one row of elements; else the array is cut anew first, into blocks no larger than its own. The chunks of axes that stay, stay.
    ///
    /// ```
    /// use arras_array::Array;
    /// let x = Array::<f64>::zeros([6, 4, 5], [2, 4, 3])?;
    /// let y = x.reshape([-1, 5]);
    /// assert_eq!((y.shape(), y.chunks()), (vec![24, 5], vec![vec![8, 8, 8], vec![3, 2]]));
    /// assert!(x.reshape([7, -1]).check().is_err());
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] if the shape has another number of elements, or more than one length is negative.
    pub fn reshape(&self, shape: impl AsRef<[isize]>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = shape_of(shape.as_ref(), &expr.shape())?;
            reshape(&expr, &shape)
        })
    }

    /// The elements in row-major order along one axis. Lazy, as [`reshape`](Array::reshape).
    pub fn ravel(&self) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let length = expr.shape().iter().product();
            reshape(&expr, &[length])
        })
    }

    /// [`ravel`](Array::ravel), by NumPy's name for the one that copies; here nothing is changed in place, so both are one.
    pub fn flatten(&self) -> Array<T> {
        self.ravel()
    }
}

/// A shape without -1, of as many elements.
fn shape_of(given: &[isize], own: &[usize]) -> Result<Vec<usize>> {
    let wrong = |why: &str| Error::argument("reshape", format!("shape {own:?} to {given:?}: {why}"));
    let size: usize = own.iter().product();
    let known = given.iter().filter(|&&n| n != -1).try_fold(1usize, |size, &n| size.checked_mul(usize::try_from(n).ok()?));
    let Some(known) = known else { return Err(wrong("lengths are not negative, but one may be -1")) };
    let rest = match given.iter().filter(|&&n| n == -1).count() {
        0 if known == size => 0,
        0 => return Err(wrong(&format!("{size} elements are not {known}"))),
        1 if known > 0 && size.is_multiple_of(known) => size / known,
        1 => return Err(wrong(&format!("{size} elements are no multiple of {known}"))),
        _ => return Err(wrong("only one length may be -1")),
    };
    Ok(given.iter().map(|&n| if n == -1 { rest } else { n as usize }).collect())
}

/// A shape of as many elements.
pub(crate) fn reshape(input: &Arc<Expr>, shape: &[usize]) -> Result<Arc<Expr>> {
    let own = input.shape();
    if own.as_slice() == shape {
        return Ok(Arc::clone(input));
    }
    if own.contains(&0) {
        let chunks = Chunking::new(shape.iter().map(|&n| vec![n]).collect())?;
        return Ok(simplify::full(zero(input.dtype), chunks));
    }
    let mut step = Step::default();
    let mut several = Vec::new();
    for (from, to) in groups(&own, shape) {
        let chunks = &input.chunks.axes()[from.clone()];
        let (old, new) = (&own[from], &shape[to]);
        if old == new {
            step.push(old, chunks.to_vec(), old, chunks.to_vec());
            several.extend_from_slice(new);
        } else if new.len() <= 1 {
            let (before, after) = together(old, chunks);
            step.push(old, before, new, if new.is_empty() { Vec::new() } else { vec![after] });
            several.extend_from_slice(new);
        } else if old.len() <= 1 {
            let (before, after) = apart(new, chunks.first().map_or(&[1], Vec::as_slice));
            step.push(old, if old.is_empty() { Vec::new() } else { vec![before] }, new, after);
            several.extend_from_slice(new);
        } else {
            // Via one axis.
            let (before, after) = together(old, chunks);
            let length = old.iter().product();
            step.push(old, before, &[length], vec![after]);
            several.push(length);
        }
    }
    let done = step.apply(input)?;
    if several.as_slice() == shape { Ok(done) } else { reshape(&done, shape) }
}

/// The axes of both shapes, which have as many elements, in groups that have as many. Axes of length 1 are groups with none, where they are not in the middle of others.
fn groups(old: &[usize], new: &[usize]) -> Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut groups = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let (first, second) = (i, j);
        match (old.get(i), new.get(j)) {
            (Some(a), Some(b)) if a == b => (i, j) = (i + 1, j + 1),
            (Some(1), _) => i += 1,
            (_, Some(1)) => j += 1,
            _ => {
                let (mut left, mut right) = (old[i], new[j]);
                (i, j) = (i + 1, j + 1);
                while left != right {
                    if left < right {
                        left *= old[i];
                        i += 1;
                    } else {
                        right *= new[j];
                        j += 1;
                    }
                }
            }
        }
        groups.push((first..i, second..j));
    }
    groups
}

/// The axis at which blocks of these chunks are cut: those before it have chunks of 1, those after it one chunk each. None if they are not rows of elements.
fn cut_at(chunks: &[Vec<usize>]) -> Option<usize> {
    let at = chunks.iter().position(|chunks| chunks.iter().any(|&n| n != 1)).unwrap_or(chunks.len().saturating_sub(1));
    chunks.get(at + 1..).unwrap_or(&[]).iter().all(|chunks| chunks.len() == 1).then_some(at)
}

/// Chunks of axes that become one, each block a row of elements, and the lengths of those rows.
fn together(shape: &[usize], chunks: &[Vec<usize>]) -> (Vec<Vec<usize>>, Vec<usize>) {
    let chunks = match cut_at(chunks) {
        Some(_) => chunks.to_vec(),
        None => {
            let most: usize = chunks.iter().map(|chunks| chunks.iter().copied().max().unwrap_or(1)).product();
            let (at, after) = place(shape, most);
            let size = (most / after).max(1);
            let mut cut: Vec<Vec<usize>> = shape.iter().map(|&n| vec![n]).collect();
            cut[..at].iter_mut().zip(shape).for_each(|(chunks, &n)| *chunks = vec![1; n]);
            cut[at] = chunks[at].iter().flat_map(|&n| pieces(n, size)).collect();
            cut
        }
    };
    let lengths =
        chunks.iter().fold(vec![1], |rows, chunks| rows.iter().flat_map(|row| chunks.iter().map(move |n| row * n)).collect::<Vec<usize>>());
    (chunks, lengths)
}

/// Chunks of one axis that becomes several, and those of the several: each block is a row of elements.
fn apart(shape: &[usize], chunks: &[usize]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let most = chunks.iter().copied().max().unwrap_or(1);
    let (at, after) = place(shape, most);
    let mut cut: Vec<Vec<usize>> = shape.iter().map(|&n| vec![n]).collect();
    cut[..at].iter_mut().zip(shape).for_each(|(chunks, &n)| *chunks = vec![1; n]);
    cut[at] = if at == 0 {
        // Where the axis is cut, as far as whole rows allow.
        let mut ends: Vec<usize> = chunks.iter().scan(0, |end, &n| (*end += n, Some(*end / after)).1).filter(|&end| end > 0).collect();
        ends.dedup();
        ends.iter()
            .scan(0, |start, &end| Some(end - std::mem::replace(start, end)))
            .flat_map(|n| pieces(n, (most / after).max(1)))
            .collect()
    } else {
        pieces(shape[at], (most / after).max(1))
    };
    let lengths =
        cut.iter().fold(vec![1], |rows, chunks| rows.iter().flat_map(|row| chunks.iter().map(move |n| row * n)).collect::<Vec<usize>>());
    (lengths, cut)
}

/// The first axis after which the others together have at most so many elements, and how many.
fn place(shape: &[usize], most: usize) -> (usize, usize) {
    let mut after = 1;
    let mut at = shape.len() - 1;
    while at > 0 && after * shape[at] <= most {
        after *= shape[at];
        at -= 1;
    }
    (at, after)
}

/// A length in as few pieces of at most a size as there can be, as equal as they can be.
fn pieces(length: usize, size: usize) -> Vec<usize> {
    let n = length.div_ceil(size).max(1);
    (0..n).map(|i| length / n + usize::from(i < length % n)).collect()
}

/// A change of shape in which each block of the result is one of the array.
#[derive(Default)]
struct Step {
    before: Vec<Vec<usize>>,
    after: Vec<Vec<usize>>,
}

impl Step {
    fn push(&mut self, old: &[usize], before: Vec<Vec<usize>>, new: &[usize], after: Vec<Vec<usize>>) {
        debug_assert!(old.len() == before.len() && new.len() == after.len(), "chunks for each axis");
        self.before.extend(before);
        self.after.extend(after);
    }

    fn apply(self, input: &Arc<Expr>) -> Result<Arc<Expr>> {
        let chunks = Chunking::new(self.after)?;
        match &input.kind {
            Kind::Full(scalar) => return Ok(simplify::full(*scalar, chunks)),
            Kind::Iota(positions) => {
                if let Some(positions) = unfolded(positions, &input.shape(), &chunks.shape()) {
                    return Ok(iota(positions, chunks));
                }
            }
            _ => {}
        }
        let cut = simplify::rechunk(input, Chunking::new(self.before)?)?;
        Ok(node("reshape", input.dtype, chunks, Reshape, &[cut]))
    }
}

/// Positions in another shape, if each step from an element to the next is the same.
fn unfolded(positions: &Iota, old: &[usize], new: &[usize]) -> Option<Iota> {
    let (mut stride, mut expected) = (None, 0i64);
    for (&n, &own) in old.iter().zip(&positions.strides).rev().filter(|(n, _)| **n > 1) {
        if stride.is_some() && own != expected {
            return None;
        }
        stride = stride.or(Some(own));
        expected = own.wrapping_mul(n as i64);
    }
    let mut next = stride.unwrap_or(0);
    let mut strides = smallvec::SmallVec::from_elem(0, new.len());
    for (axis, &n) in new.iter().enumerate().rev() {
        strides[axis] = next;
        next = next.wrapping_mul(n as i64);
    }
    Some(Iota { start: positions.start, strides })
}

#[derive(Debug)]
struct Reshape;

impl BlockOp for Reshape {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        // Blocks are rows of elements in both, one after another, so they have the same numbers.
        let strides = expr.chunks.strides();
        vec![node_layer(expr, inputs, ReshapeKernel { chunks: expr.chunks.clone() }, |index, read| read.push((0, dot(index, &strides))))]
    }
}

/// Shows a block in another shape; copies it if its elements do not lie in order.
#[derive(Debug, Serialize, Deserialize)]
struct ReshapeKernel {
    chunks: Chunking,
}

impl Kernel for ReshapeKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "reshape".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let block = inputs.get::<Block>(0)?;
        let shape = self.chunks.block_shape(&self.chunks.index_of(inputs.block()));
        if shape.iter().product::<usize>() != block.shape().iter().product::<usize>() {
            return Err(
                format!("a block of shape {:?} where one of as many elements as {:?} is read", block.shape(), shape.as_slice()).into()
            );
        }
        Ok(Value::measured(block.map_view(&Shaped(&shape))))
    }
}

struct Shaped<'a>(&'a [usize]);

impl View for Shaped<'_> {
    fn apply<T: Element>(&self, array: ArcArray<T, IxDyn>) -> ArcArray<T, IxDyn> {
        let shape = (IxDyn(self.0), Order::RowMajor);
        let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned().into_shared() };
        array.into_shape_with_order(shape).expect("as many elements, in row-major order")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_fall_into_groups_of_as_many_elements() {
        assert_eq!(groups(&[6, 4, 5], &[24, 5]), [(0..2, 0..1), (2..3, 1..2)]);
        assert_eq!(groups(&[6, 4], &[8, 3]), [(0..2, 0..2)]);
        assert_eq!(groups(&[1, 6, 1], &[2, 3]), [(0..1, 0..0), (1..2, 0..2), (2..3, 2..2)]);
        assert_eq!(groups(&[], &[1, 1]), [(0..0, 0..1), (0..0, 1..2)]);
    }

    #[test]
    fn blocks_are_rows_of_elements_no_larger_than_they_were() {
        assert_eq!(together(&[6, 4], &[vec![2, 4], vec![4]]), (vec![vec![2, 4], vec![4]], vec![8, 16]));
        assert_eq!(together(&[4, 4], &[vec![2, 2], vec![2, 2]]), (vec![vec![1; 4], vec![4]], vec![4; 4]));
        assert_eq!(together(&[2, 9], &[vec![1, 1], vec![3; 3]]).1, [3; 6]);
        assert_eq!(apart(&[4, 4], &[10, 6]), (vec![8, 8], vec![vec![2, 2], vec![4]]));
        assert_eq!(apart(&[2, 9], &[6, 6, 6]).1, [vec![1, 1], vec![5, 4]]);
    }
}
