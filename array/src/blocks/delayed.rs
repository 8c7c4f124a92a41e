//! Blocks as delayed values.

use arras_core::{Collection, Delayed};
use ndarray::{ArrayD, IxDyn};

use crate::array::Array;
use crate::engine::block::Block;
use crate::engine::dtype::Element;

impl<T: Element> Array<T> {
    /// Each block as a delayed value, in an array as the grid of blocks. The way back is [`from_delayed`](Array::from_delayed), and [`block`](crate::block) or
    /// [`concatenate`](crate::concatenate).
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_core::evaluate;
    /// let x = Array::<f64>::ones([5, 2], [2, 2])?;
    /// let blocks = x.to_delayed()?;
    /// assert_eq!(blocks.shape(), [3, 1]);
    /// assert_eq!(evaluate(&blocks[[2, 0]])?.shape(), [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What was wrong when the array was built.
    pub fn to_delayed(&self) -> arras_core::Result<ArrayD<Delayed<Block>>> {
        let graph = self.graph()?;
        let blocks = self.keys().into_iter().map(|key| Delayed::from_graph(graph.clone(), key)).collect();
        Ok(ArrayD::from_shape_vec(IxDyn(&self.numblocks()), blocks).expect("a key for each block"))
    }
}
