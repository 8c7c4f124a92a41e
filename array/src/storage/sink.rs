//! Where arrays are written to, block by block.
//!
//! ```text
//!     create ──┬── write block 0 ──┬── finish: what is there gets its name
//!              ├── write block 1 ──┤
//!              └── write block 2 ──┘          no finish: abort takes away what was written
//! ```
//! One mechanism for all kinds of storage: a sink says how to do each of the four, [`Array::store`] makes tasks of them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arras_core::{BoxError, Delayed, Inputs, Kernel, Key, Name, Sizes, Token, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::blocks::location::BlockLocation;
use crate::engine::block::Block;
use crate::engine::blockwise::layer;
use crate::engine::chunks::{Chunking, Chunks};
use crate::engine::dtype::{DType, Element};
use crate::engine::lower::lower;
use crate::error::Result;

/// What a sink is told of the array that is written into it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SinkArray {
    dtype: DType,
    chunks: Chunking,
    token: u128,
}

impl SinkArray {
    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The number of elements along each axis.
    pub fn shape(&self) -> Vec<usize> {
        self.chunks.shape().to_vec()
    }

    /// The lengths of the chunks along each axis: those that [`ChunkSink::chunks`] asked for.
    pub fn chunks(&self) -> &[Vec<usize>] {
        self.chunks.axes()
    }

    pub(crate) fn chunking(&self) -> &Chunking {
        &self.chunks
    }

    /// A number that no other call of [`Array::store`] has: for names of what is not yet whole.
    pub fn token(&self) -> u128 {
        self.token
    }

    /// A hidden name beside `path`, for what will be there when it is whole.
    pub fn temporary(&self, path: &Path) -> PathBuf {
        path.with_file_name(format!(".arras-{:032x}.tmp", self.token))
    }
}

/// Somewhere to write an array to, block by block: what [`Array::store`] takes.
///
/// A run calls [`create`](ChunkSink::create) once, then [`write`](ChunkSink::write) for every block, several at a time and in any order, then [`finish`](ChunkSink::finish). If
/// something fails before the end of that, in the sink or anywhere else in the run, [`abort`](ChunkSink::abort) is called after it. Nothing should be under its final name before
/// `finish`: then a failed run leaves what was there before.
///
/// A sink travels to other processes as what serde writes of it, and is read there; where a worker is lost, `create` and `write` may be called again with the same arguments.
///
/// ```
/// use arras_array::{Array, Block, BlockLocation, ChunkSink, SinkArray};
/// use arras_core::BoxError;
/// use arras_scheduler::Compute;
///
/// /// One text file a block.
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Texts(std::path::PathBuf);
///
/// impl ChunkSink for Texts {
///     fn name(&self) -> &'static str {
///         "to_texts"
///     }
///     fn create(&self, array: &SinkArray) -> Result<(), BoxError> {
///         Ok(std::fs::create_dir_all(array.temporary(&self.0))?)
///     }
///     fn write(&self, array: &SinkArray, at: &BlockLocation, block: &Block) -> Result<(), BoxError> {
///         let text = block.get::<i64>().ok_or("not of i64")?.to_string();
///         Ok(std::fs::write(array.temporary(&self.0).join(format!("{:?}.txt", at.index)), text)?)
///     }
///     fn finish(&self, array: &SinkArray) -> Result<(), BoxError> {
///         Ok(std::fs::rename(array.temporary(&self.0), &self.0)?)
///     }
///     fn abort(&self, array: &SinkArray) {
///         let _ = std::fs::remove_dir_all(array.temporary(&self.0));
///     }
/// }
///
/// let folder = std::env::temp_dir().join(format!("arras-doc-texts-{}", std::process::id()));
/// Array::arange(0i64, 5, 1, 3)?.store(Texts(folder.clone())).compute()?;
/// assert_eq!(std::fs::read_to_string(folder.join("[1].txt"))?, "[3, 4]");
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ChunkSink: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The operation, as it appears in errors and drawings.
    fn name(&self) -> &'static str;

    /// The blocks that it wants of an array of this type and these chunks, if others: the array is cut into them first. Called when the tasks are built.
    ///
    /// # Errors
    /// What makes the array impossible to store there.
    fn chunks(&self, array: &SinkArray) -> Result<Option<Chunks>> {
        let _ = array;
        Ok(None)
    }

    /// Makes ready for blocks.
    ///
    /// # Errors
    /// Whatever goes wrong: it ends the run, and should name the file.
    fn create(&self, array: &SinkArray) -> Result<(), BoxError>;

    /// Writes one block, at its place in the array.
    ///
    /// # Errors
    /// Whatever goes wrong: it ends the run, and should name the file.
    fn write(&self, array: &SinkArray, at: &BlockLocation, block: &Block) -> Result<(), BoxError>;

    /// Gives what is written its name: all blocks are there.
    ///
    /// # Errors
    /// Whatever goes wrong: it ends the run, and should name the file.
    fn finish(&self, array: &SinkArray) -> Result<(), BoxError>;

    /// Takes away what is written: the run has failed. Tells nobody what goes wrong here, as the run's error is the one to tell.
    ///
    /// Called in the process that started the run. There may be nothing to take away, if the run failed before `create`; and where tasks ran in other processes the array may be
    /// whole already, and stays.
    fn abort(&self, array: &SinkArray);
}

impl<T: Element> Array<T> {
    /// Writes the array into a sink when it is computed: each block by a task of its own, none of which need wait for the others. Lazy.
    ///
    /// [`to_npy`](Array::to_npy), [`to_npy_stack`](Array::to_npy_stack) and `to_zarr` are this with sinks that are here already.
    ///
    /// A run that fails leaves nothing under the final name, nor touches what was there before; what it wrote is taken away, unless the process that started it was killed: then a
    /// hidden file or folder stays behind, whose name begins with `.arras-`.
    ///
    /// A run fails if the sink does.
    pub fn store<S: ChunkSink>(&self, sink: S) -> Delayed<()> {
        match self.stored_in(sink) {
            Ok(delayed) => delayed,
            Err(error) => Delayed::failed(arras_core::Error::collection(error)),
        }
    }

    fn stored_in<S: ChunkSink>(&self, sink: S) -> Result<Delayed<()>> {
        let token = Token::unique();
        let described = |array: &Array<T>| -> Result<SinkArray> {
            Ok(SinkArray { dtype: T::DTYPE, chunks: array.expr()?.chunks.clone(), token: token.bits() })
        };
        let array = match sink.chunks(&described(self)?)? {
            Some(chunks) => self.rechunk(chunks),
            None => self.clone(),
        };
        let (expr, described) = (array.expr()?, Arc::new(described(&array)?));
        let (operation, sink) = (sink.name(), Arc::new(sink));
        let name = |stage: &str| Name::from_token(&format!("{operation}{stage}"), token);
        let (create, write, finish) = (name("-create"), name("-write"), name(""));
        let one = Chunking::new(Vec::new()).expect("one block of no axes");
        let settled = Arc::new(AtomicBool::new(false));
        let kernel = |step| SinkKernel { step, sink: Arc::clone(&sink), array: Arc::clone(&described), settled: Arc::clone(&settled) };
        let blocks = expr.chunks.n_blocks() as u32;
        let strides = expr.chunks.strides();
        let block_of = |index: &[u32]| index.iter().zip(&strides).map(|(i, stride)| i * stride).sum();
        let mut graph = lower(&expr, true);
        graph.insert_layer(layer(create.clone(), &one, &[], kernel(Step::Create), Sizes::Uniform(8), |_, _| {}));
        graph.insert_layer(layer(
            write.clone(),
            &expr.chunks,
            &[create.clone(), expr.name.clone()],
            kernel(Step::Write),
            Sizes::Uniform(8),
            |index, read| read.extend([(0, 0), (1, block_of(index))]),
        ));
        graph.insert_layer(layer(finish.clone(), &one, &[create, write], kernel(Step::Finish), Sizes::Uniform(8), |_, read| {
            read.push((0, 0));
            read.extend((0..blocks).map(|block| (1, block)));
        }));
        Ok(Delayed::from_graph(graph, Key::new(finish, Default::default())))
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Step {
    Create,
    Write,
    Finish,
}

/// A step of writing an array.
#[derive(Serialize, Deserialize)]
#[serde(bound = "S: ChunkSink")]
struct SinkKernel<S> {
    step: Step,
    sink: Arc<S>,
    array: Arc<SinkArray>,
    /// Whether the array is whole, as far as this process knows.
    #[serde(skip)]
    settled: Arc<AtomicBool>,
}

impl<S: ChunkSink> Kernel for SinkKernel<S> {
    fn name(&self) -> Cow<'static, str> {
        self.sink.name().into()
    }
    fn runs_user_code(&self) -> bool {
        // Disks and networks take their time.
        true
    }
    fn abandoned(&self) {
        if matches!(self.step, Step::Create) && !self.settled.load(Ordering::Acquire) {
            self.sink.abort(&self.array);
        }
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let (sink, array) = (&self.sink, &*self.array);
        match self.step {
            Step::Create => {
                self.settled.store(false, Ordering::Release);
                sink.create(array)?;
            }
            Step::Write => sink.write(array, &BlockLocation::of(&array.chunks, inputs.block()), inputs.get::<Block>(1)?)?,
            Step::Finish => {
                sink.finish(array)?;
                self.settled.store(true, Ordering::Release);
            }
        }
        Ok(Value::new(()))
    }
}
