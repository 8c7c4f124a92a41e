//! Elements picked along an axis: `take`, `delete`, `shuffle`, `roll`, `repeat`, `tile`, and whole blocks.

use ndarray::SliceInfoElem;

use crate::array::Array;
use crate::engine::chunks::even;
use crate::engine::dtype::Element;
use crate::engine::gather::{Run, gather, gather_axis, natural_chunks, runs_of, whole, zero};
use crate::error::{Error, Result};
use crate::reductions::reduce::axis_of;
use crate::shape::view;

/// An index that may count from the end.
pub(crate) fn position_of(operation: &'static str, index: isize, axis: usize, length: usize) -> Result<usize> {
    let position = if index < 0 { index.checked_add_unsigned(length) } else { Some(index) };
    let position = position.and_then(|position| usize::try_from(position).ok()).filter(|&position| position < length);
    position.ok_or_else(|| Error::argument(operation, format!("index {index} is out of range for axis {axis} of length {length}")))
}

impl<T: Element> Array<T> {
    /// The elements at these indices along an axis, in their order; negative ones count from the end. `(.., n, ..)` in, `(.., indices.len(), ..)` out. Lazy.
    ///
    /// A block of the result reads the blocks that hold its elements and no others. Sorted indices keep the array's chunks, as far as they take from each; others are cut
    /// into chunks as long as the array's longest.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![10, 11, 12, 13], 2)?;
    /// assert_eq!(x.take([3, 0, 0, -2], 0).compute()?, ndarray::array![13, 10, 10, 12].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`], and with an [`Error::Argument`] for an index beyond the axis.
    pub fn take(&self, indices: impl AsRef<[isize]>, axis: isize) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let axis = axis_of("take", axis, &shape)?;
            let positions =
                indices.as_ref().iter().map(|&index| position_of("take", index, axis, shape[axis])).collect::<Result<Vec<usize>>>()?;
            let runs = runs_of(positions);
            let chunks = natural_chunks(&runs, &expr.chunks.axes()[axis]);
            gather_axis("take", &expr, axis, runs, chunks)
        })
    }

    /// The array without the elements at these indices along an axis; negative ones count from the end, and one may be named twice. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![10, 11, 12, 13], 2)?;
    /// assert_eq!(x.delete([1, -1], 0).compute()?, ndarray::array![10, 12].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails as [`take`](Array::take) does.
    pub fn delete(&self, indices: impl AsRef<[isize]>, axis: isize) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let axis = axis_of("delete", axis, &shape)?;
            let length = shape[axis];
            let mut gone =
                indices.as_ref().iter().map(|&index| position_of("delete", index, axis, length)).collect::<Result<Vec<usize>>>()?;
            gone.sort_unstable();
            gone.dedup();
            let starts = std::iter::once(0).chain(gone.iter().map(|&position| position + 1));
            let ends = gone.iter().copied().chain([length]);
            let runs: Vec<Run> = starts.zip(ends).filter(|(start, end)| start < end).map(|(start, end)| Run::range(start..end)).collect();
            let chunks = natural_chunks(&runs, &expr.chunks.axes()[axis]);
            gather_axis("delete", &expr, axis, runs, chunks)
        })
    }

    /// The elements along an axis in the order of these groups, each group in one chunk; groups are joined in a chunk while they fit into the array's longest. Lazy.
    ///
    /// Negative indices count from the end. Work: as [`take`](Array::take).
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![10, 11, 12, 13], 2)?;
    /// let y = x.shuffle([vec![0, 2, 3], vec![1]], 0);
    /// assert_eq!(y.chunks(), [vec![3, 1]]);
    /// assert_eq!(y.compute()?, ndarray::array![10, 12, 13, 11].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails as [`take`](Array::take) does.
    pub fn shuffle(&self, groups: impl AsRef<[Vec<isize>]>, axis: isize) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let axis = axis_of("shuffle", axis, &shape)?;
            let most = expr.chunks.axes()[axis].iter().copied().max().unwrap_or(1);
            let mut chunks: Vec<usize> = Vec::new();
            for group in groups.as_ref().iter().filter(|group| !group.is_empty()) {
                match chunks.last_mut() {
                    Some(last) if *last + group.len() <= most => *last += group.len(),
                    _ => chunks.push(group.len()),
                }
            }
            if chunks.is_empty() {
                chunks.push(0);
            }
            let positions = groups.as_ref().iter().flatten().map(|&index| position_of("shuffle", index, axis, shape[axis]));
            let runs = runs_of(positions.collect::<Result<Vec<usize>>>()?);
            gather_axis("shuffle", &expr, axis, runs, chunks)
        })
    }

    /// The elements moved `shift` places along an axis, those that leave it at one end coming back at the other. Lazy; blocks are views where chunks allow.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(0, 5, 1, 2)?;
    /// assert_eq!(x.roll(2, 0).compute()?, ndarray::array![3, 4, 0, 1, 2].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn roll(&self, shift: isize, axis: isize) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let axis = axis_of("roll", axis, &shape)?;
            let length = shape[axis];
            if length == 0 {
                return Ok(expr);
            }
            let first = (length as isize - shift.rem_euclid(length as isize)) as usize % length;
            if first == 0 {
                return Ok(expr);
            }
            let runs = vec![Run::range(first..length), Run::range(0..first)];
            let chunks = natural_chunks(&runs, &expr.chunks.axes()[axis]);
            gather_axis("roll", &expr, axis, runs, chunks)
        })
    }

    /// [`roll`](Array::roll) of all elements in row-major order, in the array's shape: the last ones move to the next row. Lazy.
    pub fn roll_flat(&self, shift: isize) -> Array<T> {
        self.ravel().roll(shift, 0).reshape(self.shape().iter().map(|&n| n as isize).collect::<Vec<_>>())
    }

    /// Each element so many times along an axis: `(.., n, ..)` in, `(.., n · times, ..)` out. Lazy; no block is larger than those of the array.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// assert_eq!(Array::arange(0, 3, 1, 2)?.repeat(2, 0).compute()?, ndarray::array![0, 0, 1, 1, 2, 2].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repeat(&self, times: usize, axis: isize) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let axis = axis_of("repeat", axis, &shape)?;
            if times == 1 {
                return Ok(expr);
            }
            let old = &expr.chunks.axes()[axis];
            let total = longer("repeat", shape[axis], times)?;
            let chunks = if total == 0 { vec![0] } else { old.iter().flat_map(|&n| std::iter::repeat_n(n, times)).collect() };
            let run = Run::Take { start: 0, step: 1, count: shape[axis], each: times };
            gather_axis("repeat", &expr, axis, if total == 0 { Vec::new() } else { vec![run] }, chunks)
        })
    }

    /// The array so many times along each axis, one after another. Axes correspond from the last on; where there are more numbers than axes, new ones come on the left. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(0, 2, 1, 2)?;
    /// assert_eq!(x.tile([2, 2]).compute()?, ndarray::arr2(&[[0, 1, 0, 1], [0, 1, 0, 1]]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn tile(&self, times: impl AsRef<[usize]>) -> Array<T> {
        let times = times.as_ref();
        let new: Vec<isize> = (0..times.len().saturating_sub(self.ndim()) as isize).collect();
        let input = if new.is_empty() { self.clone() } else { self.expand_dims(new) };
        Array::of(|| {
            let expr = input.expr()?;
            let shape = expr.shape();
            let missing = shape.len() - times.len();
            let (mut maps, mut chunks) = (Vec::new(), Vec::new());
            for (axis, &length) in shape.iter().enumerate() {
                let n = if axis < missing { 1 } else { times[axis - missing] };
                let own = &expr.chunks.axes()[axis];
                if longer("tile", length, n)? == 0 {
                    maps.push(Vec::new());
                    chunks.push(vec![0]);
                } else if length == 1 {
                    // One element many times is one run, however many.
                    maps.push(vec![Run::repeated(0, n)]);
                    chunks.push(even(n, n.min(1 << 16)));
                } else {
                    maps.push(vec![Run::range(0..length); n]);
                    chunks.push(std::iter::repeat_n(own, n).flatten().copied().collect());
                }
            }
            if chunks == expr.chunks.axes() {
                return Ok(expr);
            }
            gather("tile", &expr, maps, chunks, zero(T::DTYPE))
        })
    }

    /// The blocks at these indices of the grid of blocks, as an array: ranges, steps and single indices as for [`slice`](Array::slice), but an axis stays when it is given a
    /// single index. Lazy; the blocks are the array's own.
    ///
    /// ```
    /// use arras_array::{Array, s};
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(0, 7, 1, 3)?;
    /// assert_eq!(x.blocks(s![1..]).compute()?, ndarray::array![3, 4, 5, 6].into_dyn());
    /// assert_eq!(x.blocks(s![0]).compute()?, ndarray::array![0, 1, 2].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails as [`slice`](Array::slice) does; new axes are an [`Error::Argument`].
    pub fn blocks(&self, info: impl AsRef<[SliceInfoElem]>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            if info.as_ref().iter().any(|elem| matches!(elem, SliceInfoElem::NewAxis)) {
                return Err(Error::argument("blocks", "a grid of blocks has no new axes"));
            }
            let grid: Vec<usize> = expr.chunks.axes().iter().map(Vec::len).collect();
            let items = view::items(info.as_ref(), &grid)?;
            let (mut maps, mut axes) = (Vec::new(), Vec::new());
            for ((item, chunks), starts) in items.iter().zip(expr.chunks.axes()).zip(expr.chunks.starts()) {
                let (start, step, n) = match *item {
                    view::Item::Range { start, step, length } => (start, step, length),
                    view::Item::Index(i) => (i, 1, 1),
                    view::Item::NewAxis => unreachable!("refused above"),
                };
                let chosen: Vec<usize> = (0..n).map(|i| start.wrapping_add_signed(step * i as isize)).collect();
                maps.push(chosen.iter().map(|&i| Run::range(starts[i]..starts[i] + chunks[i])).collect::<Vec<Run>>());
                axes.push(if n == 0 { vec![0] } else { chosen.iter().map(|&i| chunks[i]).collect() });
            }
            if axes == expr.chunks.axes() && maps.iter().zip(&expr.shape()).all(|(map, &n)| merged(map) == whole(n)) {
                return Ok(expr);
            }
            gather("blocks", &expr, maps, axes, zero(T::DTYPE))
        })
    }

    /// Each block as an array of its own, in row-major order of the grid. Lazy.
    pub fn partitions(&self) -> Vec<Array<T>> {
        let Ok(expr) = self.expr() else { return vec![self.clone()] };
        let index = |flat| expr.chunks.index_of(flat).iter().map(|&i| SliceInfoElem::Index(i as isize)).collect::<Vec<_>>();
        (0..expr.chunks.n_blocks() as u32).map(|flat| self.blocks(index(flat))).collect()
    }
}

/// A length so many times.
fn longer(operation: &'static str, length: usize, times: usize) -> Result<usize> {
    length
        .checked_mul(times)
        .ok_or_else(|| Error::argument(operation, format!("{length} elements {times} times are more than can be addressed")))
}

/// Runs with those made one that follow each other.
fn merged(runs: &[Run]) -> Vec<Run> {
    let mut merged: Vec<Run> = Vec::new();
    for run in runs {
        match (merged.last_mut(), *run) {
            (Some(Run::Take { start, step: 1, count, each: 1 }), Run::Take { start: next, step: 1, count: n, each: 1 })
                if *start + *count == next =>
            {
                *count += n
            }
            _ => merged.push(*run),
        }
    }
    merged
}
