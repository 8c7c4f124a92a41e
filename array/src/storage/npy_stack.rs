//! Dask's npy stacks: a folder with one `.npy` file a block.
//!
//! ```text
//!     folder/info      a pickle: {'chunks': ((3, 3, 1), (4,)), 'dtype': '<f8', 'axis': 0}
//!     folder/0.npy     rows 0..3
//!     folder/1.npy     rows 3..6
//!     folder/2.npy     row 6
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arras_core::{BoxError, Delayed, Token};
use serde::{Deserialize, Serialize};
use serde_pickle::{DeOptions, HashableValue, SerOptions};

use crate::array::Array;
use crate::blocks::location::BlockLocation;
use crate::engine::block::Block;
use crate::engine::chunks::{Chunking, Chunks};
use crate::engine::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::reductions::reduce::axis_of;
use crate::storage::folder;
use crate::storage::npy::{self, absolute, at_path};
use crate::storage::sink::{ChunkSink, SinkArray};
use crate::storage::source::{self, Source};

impl<T: Element> Array<T> {
    /// The array in a stack of `.npy` files, as [`to_npy_stack`](Array::to_npy_stack) and Dask's function of that name write it: a folder with one file a block, cut along one axis.
    /// Lazy: now only the description and the first header are read; each file is read by the task of its block.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let folder = std::env::temp_dir().join(format!("arras-doc-stack-{}", std::process::id()));
    /// Array::arange(0i64, 10, 1, 4)?.to_npy_stack(&folder, 0).compute()?;
    /// let x = Array::<i64>::from_npy_stack(&folder)?;
    /// assert_eq!(x.chunks(), [vec![4, 4, 2]]);
    /// assert_eq!(x.sum().item().compute()?, 45);
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A run fails if a file is missing, or is not what the description says.
    ///
    /// # Errors
    /// [`Error::File`] if the folder holds no stack, or one of another type.
    pub fn from_npy_stack(folder: impl AsRef<Path>) -> Result<Array<T>> {
        let folder = absolute(folder.as_ref());
        let info = folder.join("info");
        let wrong = |path: &Path, why: String| Error::File { operation: "from_npy_stack", path: path.to_owned(), why };
        let bytes = fs::read(&info).map_err(|error| wrong(&info, error.to_string()))?;
        let (axis, chunks) = read_info(&bytes).map_err(|why| wrong(&info, why))?;
        let chunks =
            Chunks::explicit(chunks.clone()).of_dtype(&chunks.iter().map(|axis| axis.iter().sum()).collect::<Vec<_>>(), T::DTYPE, None)?;
        let first = folder.join("0.npy");
        let header = File::open(&first).map_err(|error| error.to_string()).and_then(|mut file| npy::Header::read(&mut file));
        let found = header.map_err(|why| wrong(&first, why))?.dtype;
        if found != T::DTYPE {
            return Err(wrong(&first, format!("it holds {found}, not {}: read it as that, and cast", T::DTYPE)));
        }
        // Files can change without a sign in the folder, so that two stacks of one name need not be the same.
        Ok(source::read(NpyStack { folder, axis, token: Token::unique().bits() }, chunks))
    }

    /// Writes the array as a stack of `.npy` files when it is computed: a folder with one file for each block along `axis` and a file `info`, which Dask's `from_npy_stack` reads. The
    /// array is cut along no other axis first. Lazy.
    ///
    /// The folder gets its name when it is whole; it replaces a stack of that name (see [`store`](Array::store) for failed runs).
    ///
    /// A run fails if the folder cannot be written, or something else has its name. Computing it is an [`Error::Axis`] if the array has no such axis.
    pub fn to_npy_stack(&self, folder: impl AsRef<Path>, axis: isize) -> Delayed<()> {
        match axis_of("to_npy_stack", axis, &self.shape()) {
            _ if self.check().is_err() => self.store(NpyStackSink { folder: PathBuf::new(), axis: 0 }),
            Ok(axis) => self.store(NpyStackSink { folder: absolute(folder.as_ref()), axis }),
            Err(error) => Delayed::failed(arras_core::Error::collection(error)),
        }
    }
}

/// The axis and the chunks that a description names. It is a pickle; the type, which is a Python object there, is in each file anyway.
fn read_info(bytes: &[u8]) -> Result<(usize, Vec<Vec<usize>>), String> {
    let broken = |error: serde_pickle::Error| format!("it is no description of a stack: {error}");
    let info = serde_pickle::value_from_slice(bytes, DeOptions::new().replace_unresolved_globals()).map_err(broken)?;
    let serde_pickle::Value::Dict(mut info) = info else { return Err("it is no description of a stack: no dictionary".into()) };
    let mut take = |key: &str| {
        let value = info.remove(&HashableValue::String(key.to_owned())).ok_or_else(|| format!("it names no {key}"))?;
        Ok::<_, String>((key.to_owned(), value))
    };
    let (axis, chunks) = (take("axis")?, take("chunks")?);
    let axis: usize = serde_pickle::from_value(axis.1).map_err(|_| format!("its {} is no axis", axis.0))?;
    let chunks: Vec<Vec<usize>> = serde_pickle::from_value(chunks.1).map_err(|_| format!("its {} are none", chunks.0))?;
    let cut = |(i, chunks): (usize, &Vec<usize>)| i != axis && chunks.len() != 1;
    if axis >= chunks.len() || chunks.iter().enumerate().any(cut) {
        return Err(format!("its chunks {chunks:?} are not cut along axis {axis} alone"));
    }
    Ok((axis, chunks))
}

fn write_info(array: &SinkArray, axis: usize) -> Result<Vec<u8>, serde_pickle::Error> {
    use serde_pickle::Value;
    let chunks = array.chunks().iter().map(|chunks| Value::Tuple(chunks.iter().map(|&n| Value::I64(n as i64)).collect()));
    let entries = [
        ("chunks", Value::Tuple(chunks.collect())),
        ("dtype", Value::String(npy::descr(array.dtype()).to_owned())),
        ("axis", Value::I64(axis as i64)),
    ];
    let info = entries.into_iter().map(|(key, value)| (HashableValue::String(key.to_owned()), value)).collect();
    serde_pickle::value_to_vec(&Value::Dict(info), SerOptions::new())
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct NpyStack {
    folder: PathBuf,
    axis: usize,
    token: u128,
}

impl Source for NpyStack {
    type Opened = ();
    fn operation(&self) -> &str {
        "from_npy_stack"
    }
    fn open(&self) -> Result<(), String> {
        Ok(())
    }
    fn read(&self, (): &(), dtype: DType, _: &Chunking, at: &BlockLocation) -> Result<Block, BoxError> {
        let path = self.folder.join(format!("{}.npy", at.index[self.axis]));
        let mut file = File::open(&path).map_err(at_path(&path))?;
        let read = npy::read_whole(&mut file, dtype, &at.shape);
        Ok(read.map_err(|why| format!("{}: {why}", path.display()))?)
    }
}

/// A folder of `.npy` files that blocks are written into.
#[derive(Debug, Serialize, Deserialize)]
struct NpyStackSink {
    folder: PathBuf,
    axis: usize,
}

impl ChunkSink for NpyStackSink {
    fn name(&self) -> &'static str {
        "to_npy_stack"
    }
    fn chunks(&self, array: &SinkArray) -> Result<Option<Chunks>> {
        let whole = |(axis, chunks): (usize, &Vec<usize>)| if axis == self.axis { chunks.clone() } else { vec![chunks.iter().sum()] };
        Ok(Some(Chunks::explicit(array.chunks().iter().enumerate().map(whole))))
    }
    fn create(&self, array: &SinkArray) -> Result<(), BoxError> {
        folder::replaceable(&self.folder, |folder| folder.join("info").is_file(), "no stack of npy files")?;
        folder::create(&array.temporary(&self.folder)).map_err(at_path(&self.folder))
    }
    fn write(&self, array: &SinkArray, at: &BlockLocation, block: &Block) -> Result<(), BoxError> {
        let path = array.temporary(&self.folder).join(format!("{}.npy", at.index[self.axis]));
        File::create(path).and_then(|mut file| npy::write_whole(&mut file, block)).map_err(at_path(&self.folder))
    }
    fn finish(&self, array: &SinkArray) -> Result<(), BoxError> {
        let temporary = array.temporary(&self.folder);
        fs::write(temporary.join("info"), write_info(array, self.axis)?).map_err(at_path(&self.folder))?;
        folder::replace(&temporary, &self.folder).map_err(at_path(&self.folder))
    }
    fn abort(&self, array: &SinkArray) {
        folder::abandon(&array.temporary(&self.folder));
    }
}
