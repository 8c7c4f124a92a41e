//! Where arrays are read from, block by block.
//!
//! ```text
//!     open ──┬── read block 0        once in each process, when the first block is read there
//!            ├── read block 1
//!            └── read block 2
//! ```
//! One mechanism for all kinds of storage, as [`sink`](crate::storage::sink) is for writing.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use arras_core::{BoxError, Inputs, Kernel, Layer, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::blocks::location::BlockLocation;
use crate::engine::block::Block;
use crate::engine::blockwise::{BlockOp, node, node_layer};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{DType, Element};
use crate::engine::expr::Expr;

/// Stored elements. What it prints as [`Debug`] tells it from others.
pub(crate) trait Source: Debug + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What stays open from block to block.
    type Opened: Send + Sync + 'static;

    /// The operation, as it appears in errors and drawings.
    fn operation(&self) -> &str;

    /// Makes ready for reading. What goes wrong names the file.
    fn open(&self) -> Result<Self::Opened, String>;

    /// Reads one block, of this type, of an array of these chunks. What goes wrong names the file.
    fn read(&self, opened: &Self::Opened, dtype: DType, chunks: &Chunking, at: &BlockLocation) -> Result<Block, BoxError>;
}

/// The array of a source's elements.
pub(crate) fn read<T: Element>(source: impl Source, chunks: Chunking) -> Array<T> {
    let operation = source.operation().to_owned();
    Array::of(|| Ok(node(&operation, T::DTYPE, chunks, Reading(source), &[])))
}

#[derive(Debug)]
struct Reading<S>(S);

impl<S: Source> BlockOp for Reading<S> {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let kernel = ReadKernel { source: self.0.clone(), dtype: expr.dtype, chunks: expr.chunks.clone(), opened: OnceLock::new() };
        vec![node_layer(expr, inputs, kernel, |_, _| {})]
    }
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "S: Source")]
struct ReadKernel<S: Source> {
    source: S,
    dtype: DType,
    chunks: Chunking,
    #[serde(skip)]
    opened: OnceLock<Result<S::Opened, String>>,
}

impl<S: Source> Kernel for ReadKernel<S> {
    fn name(&self) -> Cow<'static, str> {
        self.source.operation().to_owned().into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let opened = self.opened.get_or_init(|| self.source.open()).as_ref().map_err(String::clone)?;
        let at = BlockLocation::of(&self.chunks, inputs.block());
        Ok(Value::measured(self.source.read(opened, self.dtype, &self.chunks, &at)?))
    }
}
