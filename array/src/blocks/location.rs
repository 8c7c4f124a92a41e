//! Where a block is.

use serde::{Deserialize, Serialize};

use crate::engine::chunks::Chunking;

/// Which block a function is called for: of the array whose blocks it gets; of the array that it makes, where it gets blocks of none or of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BlockLocation {
    /// The block's position in the grid of blocks.
    pub index: Vec<usize>,
    /// The position of its first element in the array.
    pub start: Vec<usize>,
    /// The shape of the block that the function is to return.
    pub shape: Vec<usize>,
}

impl BlockLocation {
    /// Where the block at a flat position lies.
    pub(crate) fn of(chunks: &Chunking, flat: u32) -> BlockLocation {
        let index = chunks.index_of(flat);
        BlockLocation { start: chunks.block_start(&index).to_vec(), shape: chunks.block_shape(&index).to_vec(), index: index.to_vec() }
    }
}
