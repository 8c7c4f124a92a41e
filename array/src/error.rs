//! What can go wrong with arrays: shapes, chunks, axes, all found when an expression is built.

use crate::engine::dtype::DType;

/// The result of building an array.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong when an array is built. Operators cannot fail where they stand: what they return carries the error to the first `?`, before anything runs.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Chunk sizes that do not add up to an axis.
    #[error("chunks {chunks:?} add up to {total}, but axis {axis} has length {length}")]
    ChunkSum {
        /// The axis.
        axis: usize,
        /// Its chunks.
        chunks: Vec<usize>,
        /// Their sum.
        total: usize,
        /// The axis' length.
        length: usize,
    },
    /// A chunk of no elements.
    #[error("axis {axis} is to be cut into chunks of size 0: a chunk has at least one element")]
    ChunkZero {
        /// The axis.
        axis: usize,
    },
    /// Chunks for another number of axes.
    #[error("chunks for {chunks} axes, but the shape {shape:?} has {}", shape.len())]
    ChunkRank {
        /// The number of axes that chunks were given for.
        chunks: usize,
        /// The array's shape.
        shape: Vec<usize>,
    },
    /// More blocks than a layer can number.
    #[error("{blocks} blocks are too many, the limit is {}: use larger chunks", u32::MAX)]
    TooManyBlocks {
        /// The number of blocks.
        blocks: usize,
    },
    /// More elements than can be counted in bytes.
    #[error("an array of shape {shape:?} has more elements than can be addressed")]
    TooLarge {
        /// The array's shape.
        shape: Vec<usize>,
    },
    /// Shapes that do not broadcast.
    #[error("{operation}: shapes {left:?} and {right:?} do not broadcast: axes, counted from the last, must be equal or 1")]
    Broadcast {
        /// The operation.
        operation: &'static str,
        /// The shape of the left operand.
        left: Vec<usize>,
        /// The shape of the right operand.
        right: Vec<usize>,
    },
    /// An axis that the array does not have.
    #[error("{operation}: axis {axis} is out of range for shape {shape:?}")]
    Axis {
        /// The operation.
        operation: &'static str,
        /// The axis as it was given.
        axis: isize,
        /// The array's shape.
        shape: Vec<usize>,
    },
    /// An axis named twice.
    #[error("{operation}: axis {axis} is named twice in {axes:?}")]
    AxisTwice {
        /// The operation.
        operation: &'static str,
        /// The axis.
        axis: usize,
        /// The axes as they were given.
        axes: Vec<isize>,
    },
    /// A transpose that does not name every axis.
    #[error("transpose: {axes:?} does not name every axis of shape {shape:?} once")]
    TransposeAxes {
        /// The axes as they were given.
        axes: Vec<isize>,
        /// The array's shape.
        shape: Vec<usize>,
    },
    /// An index beyond an axis.
    #[error("slice: index {index} is out of range for axis {axis} of length {length}")]
    Index {
        /// The index as it was given.
        index: isize,
        /// The axis.
        axis: usize,
        /// Its length.
        length: usize,
    },
    /// More indices than axes.
    #[error("slice: {indices} indices for shape {shape:?}")]
    TooManyIndices {
        /// The number of indices that use up an axis.
        indices: usize,
        /// The array's shape.
        shape: Vec<usize>,
    },
    /// A step of zero.
    #[error("slice: the step on axis {axis} is 0")]
    StepZero {
        /// The axis.
        axis: usize,
    },
    /// A minimum or maximum of nothing.
    #[error("{operation} of no elements: shape {shape:?} has length 0 where it is reduced, and {operation} has no identity")]
    EmptyReduction {
        /// The operation.
        operation: &'static str,
        /// The array's shape.
        shape: Vec<usize>,
    },
    /// One element was asked of an array that has not exactly one.
    #[error("item: shape {shape:?} has {size} elements, not one")]
    NotOneElement {
        /// The array's shape.
        shape: Vec<usize>,
        /// The number of its elements.
        size: usize,
    },
    /// An integer to a negative power.
    #[error("powi: {dtype} to the power of {exponent} is no integer: cast to f64 first")]
    NegativePower {
        /// The elements' type.
        dtype: DType,
        /// The exponent.
        exponent: i32,
    },
    /// A parameter that the operation cannot work with, where no other variant says it better.
    #[error("{operation}: {why}")]
    Argument {
        /// The operation.
        operation: &'static str,
        /// Which parameter, its value, and what it should be.
        why: String,
    },
    /// A file that cannot be read as what it should be.
    #[error("{operation}: {}: {why}", path.display())]
    File {
        /// The operation.
        operation: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Limits that are no interval.
    #[error("uniform: the limits {low} and {high} are no finite interval with low below high")]
    Interval {
        /// The lower limit.
        low: String,
        /// The upper limit.
        high: String,
    },
}

impl Error {
    /// An [`Error::Argument`].
    pub(crate) fn argument(operation: &'static str, why: impl Into<String>) -> Error {
        Error::Argument { operation, why: why.into() }
    }
}
