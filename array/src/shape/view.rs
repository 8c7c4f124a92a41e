//! Slices and transposes: other arrangements of the same elements.

use arras_core::{BoxError, Inputs, Kernel, Value};
use ndarray::{ArcArray, IxDyn, SliceInfo, SliceInfoElem};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::array::Array;
use crate::engine::block::{Block, View};
use crate::engine::chunks::{Chunking, starts};
use crate::engine::dtype::Element;
use crate::engine::simplify;
use crate::error::{Error, Result};

/// What becomes of an axis in a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Item {
    /// `length` elements from `start` on, `step` apart.
    Range { start: usize, step: isize, length: usize },
    /// One element; the axis goes.
    Index(usize),
    /// A new axis of length 1.
    NewAxis,
}

impl Item {
    pub(crate) fn whole(length: usize) -> Item {
        Item::Range { start: 0, step: 1, length }
    }
    pub(crate) fn is_whole(&self, axis_length: usize) -> bool {
        matches!(self, Item::Range { start: 0, step: 1, length } if *length == axis_length)
    }
}

impl<T: Element> Array<T> {
    /// A part of the array, given as ndarray's [`s!`](crate::s): ranges (clipped to the axis, as in NumPy), steps, single indices (which remove their axis) and new axes.
    /// Negative positions count from the end, axes that are not named stay whole. As in ndarray, `a..b;-1` is `a..b` backwards.
    ///
    /// Lazy; work: the number of blocks that are touched. A block that lies in one block of the array is a view of it, not a copy.
    ///
    /// ```
    /// use arras_array::{Array, s};
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::arr2(&[[0, 1, 2], [3, 4, 5], [6, 7, 8]]), 2)?;
    /// assert_eq!(x.slice(s![1.., ..;2]).compute()?, ndarray::arr2(&[[3, 5], [6, 8]]).into_dyn());
    /// assert_eq!(x.slice(s![-1, ..;-1]).compute()?, ndarray::arr1(&[8, 7, 6]).into_dyn());
    /// assert!(x.slice(s![3, ..]).check().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slice(&self, info: impl AsRef<[SliceInfoElem]>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            simplify::slice(&expr, items(info.as_ref(), &expr.shape())?)
        })
    }

    /// The array with its axes reversed: `(n0, .., nk)` in, `(nk, .., n0)` out. Lazy.
    pub fn t(&self) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let axes: Vec<usize> = (0..expr.chunks.ndim()).rev().collect();
            simplify::transpose(&expr, &axes)
        })
    }

    /// The array with its axes in this order: axis `i` of the result is axis `axes[i]` of the array; negative axes count from the end. Lazy.
    pub fn transpose(&self, axes: impl AsRef<[isize]>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let (given, n) = (axes.as_ref(), expr.chunks.ndim() as isize);
            let axes: Vec<usize> = given.iter().filter(|&&axis| (-n..n).contains(&axis)).map(|&axis| axis.rem_euclid(n) as usize).collect();
            let mut sorted = axes.clone();
            sorted.sort_unstable();
            if given.len() != n as usize || sorted != (0..n as usize).collect::<Vec<_>>() {
                return Err(Error::TransposeAxes { axes: given.to_vec(), shape: expr.shape().to_vec() });
            }
            simplify::transpose(&expr, &axes)
        })
    }

    /// The array cut into other chunks. Lazy; each new block reads the blocks that it overlaps.
    pub fn rechunk(&self, chunks: impl Into<crate::Chunks>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let chunks = chunks.into().of_dtype(&expr.shape(), T::DTYPE, Some(&expr.chunks))?;
            simplify::rechunk(&expr, chunks)
        })
    }
}

/// A slice in the terms of this module: all axes named, positions from the start, ranges clipped.
pub(crate) fn items(info: &[SliceInfoElem], shape: &[usize]) -> Result<Vec<Item>> {
    let indices = info.iter().filter(|elem| !matches!(elem, SliceInfoElem::NewAxis)).count();
    if indices > shape.len() {
        return Err(Error::TooManyIndices { indices, shape: shape.to_vec() });
    }
    let mut axis = 0;
    let mut items = Vec::with_capacity(info.len());
    for elem in info {
        let length = shape.get(axis).copied().unwrap_or(0);
        match *elem {
            SliceInfoElem::NewAxis => {
                items.push(Item::NewAxis);
                continue;
            }
            SliceInfoElem::Index(index) => {
                let position = if index < 0 { index + length as isize } else { index };
                if position < 0 || position >= length as isize {
                    return Err(Error::Index { index, axis, length });
                }
                items.push(Item::Index(position as usize));
            }
            SliceInfoElem::Slice { start, end, step } => {
                if step == 0 {
                    return Err(Error::StepZero { axis });
                }
                let clip = |position: isize| {
                    let position = if position < 0 { position.saturating_add(length as isize) } else { position };
                    position.clamp(0, length as isize) as usize
                };
                let (start, end) = (clip(start), end.map_or(length, clip));
                let n = end.saturating_sub(start).div_ceil(step.unsigned_abs());
                let start = if n == 0 {
                    0
                } else if step > 0 {
                    start
                } else {
                    end - 1
                };
                items.push(Item::Range { start, step: if n == 0 { 1 } else { step }, length: n });
            }
        }
        axis += 1;
    }
    items.extend(shape[axis..].iter().map(|&length| Item::whole(length)));
    Ok(items)
}

/// What a range takes of each chunk, in the order of the result: the chunk, the first element in it, how many.
pub(crate) fn cut(chunks: &[usize], start: usize, step: isize, length: usize) -> Vec<(usize, usize, usize)> {
    if length == 0 {
        return vec![(0, 0, 0)];
    }
    let mut pieces = Vec::new();
    let starts = starts(chunks);
    let mut chunk = starts.partition_point(|&first| first <= start) - 1;
    let (mut position, mut left) = (start, length);
    while left > 0 {
        let (first, n) = (starts[chunk], chunks[chunk]);
        let local = position - first;
        // How many steps stay in the chunk.
        let fit = if step > 0 { (n - local).div_ceil(step as usize) } else { local / step.unsigned_abs() + 1 };
        let count = fit.min(left);
        pieces.push((chunk, local, count));
        left -= count;
        if left > 0 {
            position = position.checked_add_signed(step * count as isize).expect("a range stays on its axis");
            chunk = starts.partition_point(|&first| first <= position) - 1;
        }
    }
    pieces
}

pub(crate) fn sliced_chunks(chunks: &Chunking, items: &[Item]) -> Result<Chunking> {
    let mut axes = chunks.axes().iter();
    let mut sliced = Vec::new();
    for item in items {
        match *item {
            Item::NewAxis => sliced.push(vec![1]),
            Item::Index(_) => drop(axes.next()),
            Item::Range { start, step, length } => {
                let axis = axes.next().expect("an item for each axis");
                sliced.push(cut(axis, start, step, length).into_iter().map(|(_, _, n)| n).collect());
            }
        }
    }
    Chunking::new(sliced)
}

/// Shows a part of its input.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SliceKernel {
    /// The blocks of the result.
    pub(crate) chunks: Chunking,
    /// What becomes of each axis in each of its blocks.
    pub(crate) axes: Vec<AxisPart>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum AxisPart {
    /// The first element and the number of elements, for each block along the axis.
    Range {
        step: isize,
        parts: Vec<(usize, usize)>,
    },
    Index(usize),
    NewAxis,
}

impl Kernel for SliceKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "getitem".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let index = self.chunks.index_of(inputs.block());
        let mut kept = index.iter();
        let elems = self.axes.iter().map(|part| match part {
            AxisPart::NewAxis => {
                kept.next();
                SliceInfoElem::NewAxis
            }
            AxisPart::Index(i) => SliceInfoElem::Index(*i as isize),
            AxisPart::Range { step, parts } => {
                let (first, n) = parts[*kept.next().expect("a block index for each kept axis")];
                let (first, span) = (first as isize, (n.max(1) as isize - 1) * step);
                match n {
                    0 => SliceInfoElem::Slice { start: 0, end: Some(0), step: 1 },
                    _ if *step > 0 => SliceInfoElem::Slice { start: first, end: Some(first + span + 1), step: *step },
                    _ => SliceInfoElem::Slice { start: first + span, end: Some(first + 1), step: *step },
                }
            }
        });
        let view = SliceView(elems.collect());
        Ok(Value::measured(inputs.get::<Block>(0)?.map_view(&view)))
    }
}

struct SliceView(Vec<SliceInfoElem>);

impl View for SliceView {
    fn apply<T: Element>(&self, array: ArcArray<T, IxDyn>) -> ArcArray<T, IxDyn> {
        let info: SliceInfo<_, IxDyn, IxDyn> = SliceInfo::try_from(self.0.as_slice()).expect("a slice of any rank");
        array.slice_move(info)
    }
}

/// Shows its input with its axes in another order.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TransposeKernel {
    pub(crate) axes: SmallVec<[usize; 4]>,
}

impl Kernel for TransposeKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "transpose".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(Value::measured(inputs.get::<Block>(0)?.map_view(self)))
    }
}

impl View for TransposeKernel {
    fn apply<T: Element>(&self, array: ArcArray<T, IxDyn>) -> ArcArray<T, IxDyn> {
        array.permuted_axes(IxDyn(&self.axes))
    }
}
