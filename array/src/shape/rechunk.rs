//! New chunks: blocks put together from parts of others, in stages where each would read too many.
//!
//! ```text
//!     200 row blocks ──► 200 column blocks             at once, each block reads all 200 others, of which it needs a 200th
//!
//!     ┬┬┬┬        ├─┼─┤         ─────                  by way of 15 × 15 squares, each reads 14 or 15
//!     ││││  ──►   ├─┼─┤   ──►   ─────
//!     ┴┴┴┴        └─┴─┘         ─────
//! ```
//! Dask plans so too, where its graph would get too large (`dask.array.rechunk.plan_rechunk`); here the measure is how many blocks a task reads in vain.

use arras_core::{BoxError, Inputs, Kernel, Value};
use ndarray::Slice;
use serde::{Deserialize, Serialize};

use crate::engine::block::{Block, filled};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Element, with_dtype};

/// A part of an axis: the old chunk, the first element in it, the first element in the new one, how many.
pub(crate) type Part = (usize, usize, usize, usize);

/// The parts of old chunks that make up each new chunk of an axis.
pub(crate) fn parts(old: &[usize], new: &[usize]) -> Vec<Vec<Part>> {
    let mut chunk = 0;
    let mut used = 0;
    new.iter()
        .map(|&wanted| {
            let mut parts = Vec::new();
            let mut filled = 0;
            while filled < wanted {
                if used == old[chunk] {
                    (chunk, used) = (chunk + 1, 0);
                    continue;
                }
                let n = (old[chunk] - used).min(wanted - filled);
                parts.push((chunk, used, filled, n));
                (used, filled) = (used + n, filled + n);
            }
            if wanted == 0 {
                parts.push((0, 0, 0, 0));
            }
            parts
        })
        .collect()
}

/// How many blocks a task may read, of which each is read by as many others, before it is worth a stage more: a stage copies everything once more, while reading a part of a block
/// that is at hand costs nothing.
const MAX_FAN: f64 = 100.0;

/// The chunks on the way from some to others; none where each new block reads few blocks, or each block is read by few.
pub(crate) fn stages(old: &Chunking, new: &Chunking) -> Vec<Chunking> {
    // The most old chunks in a new one, and the most new ones in an old one, over all axes.
    let most = |from: &Chunking, to: &Chunking| -> f64 {
        let pieces = |(from, to)| parts(from, to).iter().map(Vec::len).max().unwrap_or(1) as f64;
        from.axes().iter().zip(to.axes()).map(|(from, to)| pieces((from.as_slice(), to.as_slice()))).product()
    };
    let fan = most(old, new).min(most(new, old));
    if fan <= MAX_FAN {
        return Vec::new();
    }
    let n = ((fan.ln() / MAX_FAN.ln()).ceil() as usize).clamp(2, 4);
    let axis = |old: &Vec<usize>, new: &Vec<usize>, way: f64| {
        // Axes whose chunks grow are cut at some of the old places, those whose chunks shrink at some of the new.
        let ratio = old.len() as f64 / new.len() as f64;
        if ratio >= 1.0 { merged(old, ratio.powf(way).round() as usize) } else { merged(new, ratio.powf(way - 1.0).round() as usize) }
    };
    let stage = |i: usize| {
        let axes = old.axes().iter().zip(new.axes()).map(|(old, new)| axis(old, new, i as f64 / n as f64));
        Chunking::new(axes.collect())
    };
    let largest = |chunks: &Chunking| -> usize { chunks.axes().iter().map(|axis| axis.iter().copied().max().unwrap_or(0)).product() };
    let most = 2 * largest(old).max(largest(new));
    // Between very uneven chunks a stage could have larger blocks than both.
    let stages: Vec<Chunking> = (1..n).filter_map(|i| stage(i).ok()).filter(|chunks| largest(chunks) <= most).collect();
    stages.into_iter().filter(|chunks| chunks != old && chunks != new).collect()
}

/// Chunks of `n` others each.
fn merged(chunks: &[usize], n: usize) -> Vec<usize> {
    chunks.chunks(n.max(1)).map(|group| group.iter().sum()).collect()
}

/// Puts a block together from parts of its inputs, which come in row-major order of the parts along each axis.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RechunkKernel {
    pub(crate) dtype: DType,
    pub(crate) chunks: Chunking,
    /// For each axis and new chunk, its parts.
    pub(crate) parts: Vec<Vec<Vec<Part>>>,
}

impl Kernel for RechunkKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        "rechunk".into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        with_dtype!(self.dtype, T => self.assemble::<T>(inputs))
    }
}

impl RechunkKernel {
    fn assemble<T: Element>(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let index = self.chunks.index_of(inputs.block());
        let shape = self.chunks.block_shape(&index);
        let axes: Vec<&[Part]> = self.parts.iter().zip(&index).map(|(parts, &i)| parts[i].as_slice()).collect();
        let grid: Vec<usize> = axes.iter().map(|parts| parts.len()).collect();
        let mut result = (inputs.len() > 1).then(|| filled(&shape, T::default()));
        for (i, places) in ndarray::indices(grid.as_slice()).into_iter().enumerate() {
            let block = T::of_block(inputs.get::<Block>(i)?).ok_or_else(|| format!("a block that is not of {}", self.dtype))?;
            let part = |axis: usize| axes[axis][places[axis]];
            let mut source = block.clone();
            for axis in 0..axes.len() {
                let (_, from, _, n) = part(axis);
                source.slice_axis_inplace(ndarray::Axis(axis), Slice::from(from..from + n));
            }
            let Some(result) = &mut result else {
                // All of the block is in one old block: a view will do.
                return Ok(Value::measured(T::into_block(source)));
            };
            let mut target = result.view_mut();
            for axis in 0..axes.len() {
                let (_, _, to, n) = part(axis);
                target.slice_axis_inplace(ndarray::Axis(axis), Slice::from(to..to + n));
            }
            target.assign(&source);
        }
        let result = result.expect("a block has parts");
        Ok(Value::measured(T::into_block(result.into_shared())))
    }
}

#[cfg(test)]
mod tests {
    use super::{parts, stages};
    use crate::engine::chunks::{Chunking, even};

    fn chunking(axes: [(usize, usize); 2]) -> Chunking {
        Chunking::new(axes.iter().map(|&(length, size)| even(length, size)).collect()).unwrap()
    }

    #[test]
    fn rows_become_columns_by_way_of_squares() {
        let (rows, columns) = (chunking([(20_000, 100), (20_000, 20_000)]), chunking([(20_000, 20_000), (20_000, 100)]));
        let stages = stages(&rows, &columns);
        assert_eq!(stages.len(), 1);
        assert_eq!(stages[0].axes().iter().map(Vec::len).collect::<Vec<_>>(), [15, 15]);
        assert!(stages[0].axes()[0].iter().all(|&n| n <= 1400));
        // More stages of what is larger.
        assert_eq!(super::stages(&chunking([(5000, 1), (5000, 5000)]), &chunking([(5000, 5000), (5000, 1)])).len(), 1);
    }

    #[test]
    fn what_is_cheap_goes_at_once() {
        assert!(stages(&chunking([(20_000, 100), (10, 10)]), &chunking([(20_000, 20_000), (10, 10)])).is_empty(), "joined");
        assert!(stages(&chunking([(20_000, 20_000), (10, 10)]), &chunking([(20_000, 100), (10, 10)])).is_empty(), "cut");
        assert!(stages(&chunking([(100, 10), (100, 100)]), &chunking([(100, 100), (100, 10)])).is_empty(), "few");
    }

    #[test]
    fn every_element_has_one_place() {
        assert_eq!(parts(&[3, 3, 1], &[2, 5]), [vec![(0, 0, 0, 2)], vec![(0, 2, 0, 1), (1, 0, 1, 3), (2, 0, 4, 1)]]);
        assert_eq!(parts(&[7], &[7]), [vec![(0, 0, 0, 7)]]);
        assert_eq!(parts(&[0], &[0]), [vec![(0, 0, 0, 0)]]);
    }
}
