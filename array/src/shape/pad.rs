//! Arrays with a margin.

use crate::array::Array;
use crate::concatenate;
use crate::elementwise::operations::Operation;
use crate::engine::chunks::even;
use crate::engine::dtype::{DType, Element, Real};
use crate::engine::gather::{Run, gather, zero};
use crate::error::{Error, Result};
use crate::reductions::reduce::Axes;

/// What stands in the margin that [`Array::pad`] puts around an array.
///
/// ```text
///     Constant(0)   0 0 │ 1 2 3 4 │ 0 0          Wrap        3 4 │ 1 2 3 4 │ 1 2
///     Edge          1 1 │ 1 2 3 4 │ 4 4          Reflect     3 2 │ 1 2 3 4 │ 3 2
///                                                Symmetric   2 1 │ 1 2 3 4 │ 4 3
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pad<T> {
    /// One value.
    Constant(T),
    /// The element at the edge.
    Edge,
    /// The elements in reverse, the one at the edge not again.
    Reflect,
    /// The elements in reverse, the one at the edge again.
    Symmetric,
    /// The elements at the other end.
    Wrap,
    /// Nothing in particular: zeros, as they are there at no cost.
    Empty,
}

/// What stands in the margin that [`Array::pad_with`] puts around an array of numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PadStatistic {
    /// A straight line from the element at the edge to this value at the margin's end.
    LinearRamp(f64),
    /// The greatest of the elements along the axis.
    Maximum,
    /// The mean of the elements along the axis; rounded to even for integers.
    Mean,
    /// The median of the elements along the axis, which is put into one chunk for it; rounded to even for integers.
    Median,
    /// The least of the elements along the axis.
    Minimum,
}

impl<T: Element> Array<T> {
    /// The array with a margin: `(before, after)` elements along each axis; one pair is for all axes. Lazy.
    ///
    /// `(.., n, ..)` in, `(.., before + n + after, ..)` out. A margin joins the chunk that it touches if it is at most half as long.
    ///
    /// ```
    /// use arras_array::{Array, Pad};
    /// use arras_scheduler::Compute;
    /// let x = Array::arange(1, 5, 1, 2)?;
    /// assert_eq!(x.pad([(2, 1)], Pad::Constant(0)).compute()?, ndarray::array![0, 0, 1, 2, 3, 4, 0].into_dyn());
    /// assert_eq!(x.pad([(2, 1)], Pad::Reflect).compute()?, ndarray::array![3, 2, 1, 2, 3, 4, 3].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for another number of pairs, and for a margin of what an empty axis holds.
    pub fn pad(&self, widths: impl AsRef<[(usize, usize)]>, mode: Pad<T>) -> Array<T> {
        Array::of(|| {
            let expr = self.expr()?;
            let shape = expr.shape();
            let widths = widths_of(widths.as_ref(), &shape)?;
            if widths.iter().all(|&width| width == (0, 0)) {
                return Ok(expr);
            }
            let (mut maps, mut chunks) = (Vec::new(), Vec::new());
            for (axis, (&length, &(before, after))) in shape.iter().zip(&widths).enumerate() {
                let margin = |n, at| if n > 0 { margin(mode, length, n, at) } else { Vec::new() };
                if length == 0 && (before, after) != (0, 0) && !matches!(mode, Pad::Constant(_) | Pad::Empty) {
                    return Err(Error::argument("pad", format!("axis {axis} has no elements to make a margin of")));
                }
                let mut runs = margin(before, Side::Before);
                runs.push(Run::range(0..length));
                runs.extend(margin(after, Side::After));
                maps.push(runs);
                chunks.push(padded(&expr.chunks.axes()[axis], before, after));
            }
            let fill = match mode {
                Pad::Constant(value) => value.into_scalar(),
                _ => zero(T::DTYPE),
            };
            gather("pad", &expr, maps, chunks, fill)
        })
    }
}

/// A pair of widths for each axis.
fn widths_of(widths: &[(usize, usize)], shape: &[usize]) -> Result<Vec<(usize, usize)>> {
    let widths = match widths {
        [all] => vec![*all; shape.len()],
        widths if widths.len() == shape.len() => widths.to_vec(),
        widths => {
            return Err(Error::argument(
                "pad",
                format!("{} pairs of widths for shape {shape:?}: one for all axes, or one for each", widths.len()),
            ));
        }
    };
    match shape
        .iter()
        .zip(&widths)
        .position(|(&length, &(before, after))| length.checked_add(before).and_then(|n| n.checked_add(after)).is_none())
    {
        Some(axis) => Err(Error::argument("pad", format!("axis {axis} would have more elements than can be addressed"))),
        None => Ok(widths),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Before,
    After,
}

/// Where the elements of a margin, at least one long, stand.
fn margin<T>(mode: Pad<T>, length: usize, n: usize, side: Side) -> Vec<Run> {
    // From the edge outwards; those before the array are turned around below.
    let outwards: Vec<Run> = match mode {
        Pad::Constant(_) | Pad::Empty => return vec![Run::Fill(n)],
        Pad::Edge => return vec![Run::repeated(if side == Side::Before { 0 } else { length - 1 }, n)],
        Pad::Wrap => periods(n, &[if side == Side::Before { Run::backwards(0..length) } else { Run::range(0..length) }]),
        Pad::Symmetric => {
            let (up, down) = (Run::range(0..length), Run::backwards(0..length));
            periods(n, &if side == Side::Before { [up, down] } else { [down, up] })
        }
        Pad::Reflect if length == 1 => return vec![Run::repeated(0, n)],
        Pad::Reflect => {
            let (up, down) = (Run::range(1..length), Run::backwards(0..length - 1));
            periods(n, &if side == Side::Before { [up, down] } else { [down, up] })
        }
    };
    if side == Side::After { outwards } else { outwards.iter().rev().map(|run| reversed(*run)).collect() }
}

/// The first `n` places of runs that are repeated.
fn periods(n: usize, runs: &[Run]) -> Vec<Run> {
    let mut left = n;
    let mut taken = Vec::new();
    for run in runs.iter().cycle() {
        if left == 0 {
            break;
        }
        let Run::Take { start, step, count, .. } = *run else { continue };
        let count = count.min(left);
        taken.push(Run::Take { start, step, count, each: 1 });
        left -= count;
    }
    taken
}

fn reversed(run: Run) -> Run {
    match run {
        Run::Take { start, step, count, each } => {
            Run::Take { start: start.wrapping_add_signed(step * (count as isize - 1)), step: -step, count, each }
        }
        fill => fill,
    }
}

/// Chunks with margins.
fn padded(chunks: &[usize], before: usize, after: usize) -> Vec<usize> {
    if chunks == [0] {
        return even(before + after, (before + after).max(1));
    }
    let largest = chunks.iter().copied().max().unwrap_or(1).max(1);
    let mut padded = chunks.to_vec();
    for (n, first) in [(before, true), (after, false)] {
        let at = if first { 0 } else { padded.len() - 1 };
        if n <= padded[at] / 2 {
            padded[at] += n;
        } else if first {
            padded.splice(0..0, even(n, largest));
        } else {
            padded.extend(even(n, largest));
        }
    }
    padded
}

impl<T: Real> Array<T> {
    /// The array with a margin that is calculated: as [`pad`](Array::pad), along one axis after another. Lazy.
    ///
    /// ```
    /// use arras_array::{Array, PadStatistic};
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![2.0, 4.0, 9.0], 2)?;
    /// assert_eq!(x.pad_with([(2, 1)], PadStatistic::Mean).compute()?, ndarray::array![5.0, 5.0, 2.0, 4.0, 9.0, 5.0].into_dyn());
    /// assert_eq!(x.pad_with([(2, 0)], PadStatistic::LinearRamp(0.0)).compute()?, ndarray::array![0.0, 1.0, 2.0, 4.0, 9.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Argument`] for another number of pairs, and for a margin of what an empty axis holds.
    pub fn pad_with(&self, widths: impl AsRef<[(usize, usize)]>, mode: PadStatistic) -> Array<T> {
        Array::of(|| {
            let shape = self.expr()?.shape();
            let widths = widths_of(widths.as_ref(), &shape)?;
            let mut padded = self.clone();
            for (axis, &(before, after)) in widths.iter().enumerate().filter(|(_, width)| **width != (0, 0)) {
                if shape.contains(&0) {
                    return Err(Error::argument("pad_with", format!("axis {axis} has no elements to make a margin of")));
                }
                let margin = |n: usize, side| (n > 0).then(|| padded.margin(axis, n, mode, side));
                let parts = [margin(before, Side::Before), Some(padded.clone()), margin(after, Side::After)];
                let parts: Vec<Array<T>> = parts.into_iter().flatten().collect();
                padded = concatenate(&parts.iter().collect::<Vec<_>>(), axis as isize);
            }
            padded.expr()
        })
    }

    /// What stands on one side of an axis.
    fn margin(&self, axis: usize, n: usize, mode: PadStatistic, side: Side) -> Array<T> {
        let is_float = matches!(T::DTYPE, DType::F32 | DType::F64);
        let along = || Axes::from(axis as isize).keepdims();
        let mut shape = self.shape();
        shape[axis] = n;
        let edge = match mode {
            PadStatistic::Maximum => self.max_axis(along()),
            PadStatistic::Minimum => self.min_axis(along()),
            PadStatistic::Mean if is_float => self.mean_axis(along()).cast(),
            PadStatistic::Mean => self.cast::<f64>().mean_axis(along()).rint().cast(),
            PadStatistic::Median if is_float => self.cast::<f64>().median_axis(along()).cast(),
            PadStatistic::Median => self.cast::<f64>().median_axis(along()).rint().cast(),
            PadStatistic::LinearRamp(end) => {
                let at = if side == Side::Before { 0 } else { self.shape()[axis] - 1 };
                let edge = self.take([at as isize], axis as isize).cast::<f64>();
                let ndim = shape.len();
                let positions = Array::<i64>::of(|| {
                    let mut axes = vec![vec![1]; ndim];
                    axes[axis] = vec![n];
                    let mut iota = crate::creation::iota::Iota::along(axis, ndim);
                    if side == Side::After {
                        iota.start = n as i64 - 1;
                        iota.strides[axis] = -1;
                    }
                    Ok(crate::creation::iota::iota(iota, crate::engine::chunks::Chunking::new(axes)?))
                });
                let ramp = positions.cast::<f64>() * ((edge - end) / n as f64) + end;
                if is_float {
                    return ramp.cast();
                }
                let whole = ramp.cast::<i64>();
                return (&whole - whole.cast::<f64>().combine::<bool>(Operation::Greater, &ramp).cast::<i64>()).cast();
            }
        };
        Array::of(|| {
            // The chunks of a margin are those of the array, but along its axis one.
            let mut axes = self.expr()?.chunks.axes().to_vec();
            axes[axis] = vec![n];
            crate::shape::broadcast::to_chunks(&edge.expr()?, &crate::engine::chunks::Chunking::new(axes)?)
        })
    }
}
