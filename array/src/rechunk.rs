//! New chunks: blocks put together from parts of others.

use arras_core::{BoxError, Inputs, Kernel, Value};
use ndarray::{ArrayD, Slice};
use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::chunks::Chunking;
use crate::dtype::{DType, Element, with_dtype};

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
        let mut result = (inputs.len() > 1).then(|| ArrayD::from_elem(shape.as_slice(), T::default()));
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
    use super::parts;

    #[test]
    fn every_element_has_one_place() {
        assert_eq!(parts(&[3, 3, 1], &[2, 5]), [vec![(0, 0, 0, 2)], vec![(0, 2, 0, 1), (1, 0, 1, 3), (2, 0, 4, 1)]]);
        assert_eq!(parts(&[7], &[7]), [vec![(0, 0, 0, 7)]]);
        assert_eq!(parts(&[0], &[0]), [vec![(0, 0, 0, 0)]]);
    }
}
