//! Reading.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use arras_core::{BoxError, Token};
use ndarray::{ArrayD, IxDyn, SliceInfoElem};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use zarrs::array::{Array as Stored, ArrayBytes, ArrayMetadata, ArrayShardedExt, ArraySubset, ChunkShape, CodecOptions};
use zarrs::storage::ReadableWritableStorageTraits;

use super::metadata::dtype_of;
use super::place::Place;
use crate::array::Array;
use crate::blocks::location::BlockLocation;
use crate::engine::block::Block;
use crate::engine::chunks::{Chunking, Chunks, even};
use crate::engine::dtype::{DType, Element, with_dtype};
use crate::error::{Error, Result};
use crate::storage::source::{self, Source};

/// A Zarr array as it is stored, of version 2 or 3: its description, now, and its elements, later.
///
/// ```
/// use arras_array::{Array, Chunks, Zarr, ZarrSink};
/// use arras_scheduler::Compute;
/// let path = std::env::temp_dir().join(format!("arras-doc-open-{}.zarr", std::process::id()));
/// let x = Array::arange(0.0, 10.0, 1.0, 4)?;
/// x.store(ZarrSink::at(&path)?.attribute("units", "K")).compute()?;
///
/// let stored = Zarr::open(&path)?;
/// assert_eq!((stored.shape(), stored.chunks()), (&[10usize][..], vec![vec![4, 4, 2]]));
/// assert_eq!(stored.attributes()["units"], "K");
/// assert_eq!(stored.read::<f64>(Chunks::auto())?.sum().item().compute()?, 45.0);
/// # std::fs::remove_dir_all(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Zarr {
    pub(super) place: Place,
    pub(super) description: Description,
    pub(super) dtype: DType,
    shape: Vec<usize>,
    /// The lengths of what is stored under one key each, and of what is compressed on its own, if that is less.
    pub(super) stored: Chunking,
    inner: Option<Vec<usize>>,
    attributes: Map<String, serde_json::Value>,
}

/// The text of `zarr.json` or `.zarray`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Description(pub(super) String);

pub(super) type Opened = Stored<dyn ReadableWritableStorageTraits>;

/// The array that a description describes, once in each process.
#[derive(Default)]
pub(super) struct Once(OnceLock<Result<Opened, String>>);

impl Once {
    pub(super) fn get(&self, open: impl FnOnce() -> Result<Opened, String>) -> Result<&Opened, String> {
        self.0.get_or_init(open).as_ref().map_err(String::clone)
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "opened" } else { "not opened" })
    }
}

impl Description {
    /// The array that is described.
    pub(super) fn open(&self, place: &Place) -> Result<Opened, String> {
        let metadata: ArrayMetadata = serde_json::from_str(&self.0).map_err(|error| format!("its description is broken: {error}"))?;
        let storage = place.storage().map_err(|error| error.to_string())?;
        Stored::new_with_metadata(storage, "/", metadata).map_err(|error| error.to_string())
    }
}

/// Tasks start no threads.
pub(super) fn options() -> CodecOptions {
    CodecOptions::default().with_concurrent_target(1)
}

fn lengths(shape: &[u64]) -> Result<Vec<usize>, String> {
    shape.iter().map(|&n| usize::try_from(n)).collect::<Result<_, _>>().map_err(|_| format!("its shape {shape:?} is too large"))
}

impl Zarr {
    /// Opens an array: a folder, or a URL with the feature `cloud`. An array in a group is named by the group's path and its own behind it.
    ///
    /// # Errors
    /// [`Error::File`] if there is no array, or none that can be read here.
    pub fn open(location: impl AsRef<Path>) -> Result<Zarr> {
        let location = location.as_ref();
        let wrong = |why: String| Error::File { operation: "from_zarr", path: location.to_owned(), why };
        let place = Place::of(location).map_err(&wrong)?;
        Zarr::at(place).map_err(wrong)
    }

    pub(super) fn at(place: Place) -> Result<Zarr, String> {
        let get = |key: &str| place.get(key).map_err(|error| error.to_string());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| "its description is no text".to_owned());
        let parse =
            |text: &str| serde_json::from_str::<serde_json::Value>(text).map_err(|error| format!("its description is broken: {error}"));
        let (description, json, attributes) = if let Some(bytes) = get("zarr.json")? {
            let text = text(bytes)?;
            let json = parse(&text)?;
            if json["node_type"] != "array" {
                return Err(format!(
                    "it is a {}, not an array: name an array in it",
                    json["node_type"].as_str().unwrap_or("thing of no type")
                ));
            }
            let attributes = json["attributes"].as_object().cloned().unwrap_or_default();
            (text, json, attributes)
        } else if let Some(bytes) = get(".zarray")? {
            let text = text(bytes)?;
            let attributes = match get(".zattrs")? {
                Some(bytes) => parse(&self::utf8(bytes)?)?.as_object().cloned().unwrap_or_default(),
                None => Map::new(),
            };
            let json = parse(&text)?;
            (text, json, attributes)
        } else if get(".zgroup")?.is_some() {
            return Err("it is a group, not an array: name an array in it".to_owned());
        } else {
            return Err("there is no Zarr array".to_owned());
        };
        let dtype = dtype_of(&json)?;
        let description = Description(description);
        let opened = description.open(&place)?;
        let shape = lengths(opened.shape())?;
        let stored = stored_chunks(&opened, &shape)?;
        let inner = match opened.is_sharded().then(|| opened.effective_subchunk_shape()).flatten() {
            Some(inner) => Some(chunk_lengths(&inner)?),
            None => None,
        };
        Ok(Zarr { place, description, dtype, shape, stored, inner, attributes })
    }

    /// The number of elements along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The lengths along each axis of what is stored under one key each: chunks, or shards of them.
    pub fn chunks(&self) -> Vec<Vec<usize>> {
        self.stored.axes().to_vec()
    }

    /// The shape of the chunks in each shard, if there are shards.
    pub fn inner_chunks(&self) -> Option<&[usize]> {
        self.inner.as_deref()
    }

    /// The attributes.
    pub fn attributes(&self) -> &Map<String, serde_json::Value> {
        &self.attributes
    }

    /// The names of the axes, if they have some: those of version 3, or what xarray writes in version 2.
    pub fn dimension_names(&self) -> Option<Vec<Option<String>>> {
        let metadata: serde_json::Value = serde_json::from_str(&self.description.0).ok()?;
        let names = metadata.get("dimension_names").or_else(|| self.attributes.get("_ARRAY_DIMENSIONS"))?;
        Some(names.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect())
    }

    /// The elements, as an array. Lazy: each block is read by its task, from exactly the stored chunks that it touches. Where chunks are cut by size ([`Chunks::auto`],
    /// [`Chunks::bytes`]) a block is made of whole stored chunks, if those are smaller.
    ///
    /// A stored chunk is decompressed once for each block that it lies in: blocks of whole chunks are read fastest.
    ///
    /// Each call makes an array of its own, which is read on its own. Where an array that does not fit into memory is used twice, and the first use must end before the second begins, as
    /// in `(&x - x.mean_axis(0)) / x.std_axis(0, 0)`, take another for the second: `(again - x.mean_axis(0)) / x.std_axis(0, 0)` reads every block twice and holds few of them, where
    /// the first form keeps them all in between.
    ///
    /// A run fails if a chunk cannot be read or is broken; one that is missing is full of the fill value.
    ///
    /// # Errors
    /// [`Error::File`] if the elements are of another type; what is wrong with the chunks.
    pub fn read<T: Element>(&self, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        if self.dtype != T::DTYPE {
            let why = format!("it holds {}, not {}: read it as that, and cast", self.dtype, T::DTYPE);
            return Err(Error::File { operation: "from_zarr", path: self.place.path(), why });
        }
        // Shards are read in parts, so that those too large for a block need not be cut by chance.
        let inner = self.inner.as_ref().map(|inner| Chunking::new(self.shape.iter().zip(inner).map(|(&n, &size)| even(n, size)).collect()));
        let chunks = chunks.into();
        let by_shard = chunks.of_dtype(&self.shape, T::DTYPE, Some(&self.stored))?;
        let chunks = match inner.transpose()? {
            Some(inner) if !aligned(&by_shard, &self.stored) => chunks.of_dtype(&self.shape, T::DTYPE, Some(&inner))?,
            _ => by_shard,
        };
        // Chunks can change without a sign in the description, so two arrays of one place need not be the same.
        let stored = Read { place: self.place.clone(), description: self.description.clone(), token: Token::unique().bits() };
        Ok(source::read(stored, chunks))
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|_| "its attributes are no text".to_owned())
}

fn chunk_lengths(shape: &ChunkShape) -> Result<Vec<usize>, String> {
    lengths(&shape.iter().map(|n| n.get()).collect::<Vec<_>>())
}

/// Whether chunks are cut only where others are.
pub(super) fn aligned(chunks: &Chunking, stored: &Chunking) -> bool {
    chunks.starts().iter().zip(stored.starts()).all(|(own, stored)| own.iter().all(|start| stored.binary_search(start).is_ok()))
}

/// The stored chunks along each axis.
fn stored_chunks(opened: &Opened, shape: &[usize]) -> Result<Chunking, String> {
    let grid = opened.chunk_grid_shape();
    let mut axes = Vec::with_capacity(shape.len());
    for (axis, &length) in shape.iter().enumerate() {
        let mut index = vec![0; shape.len()];
        let mut at = |i: u64| -> Result<usize, String> {
            index[axis] = i;
            let chunk = opened.chunk_shape(&index).map_err(|error| error.to_string())?;
            Ok(chunk_lengths(&chunk)?[axis])
        };
        if length == 0 || grid.contains(&0) {
            axes.push(vec![length]);
            continue;
        }
        // All chunks of a regular grid have one size; the last may reach beyond the array.
        let (first, n) = (at(0)?, grid[axis]);
        let regular = length.div_ceil(first) as u64 == n && at(n - 1)? == first;
        axes.push(if regular { even(length, first) } else { (0..n).map(at).collect::<Result<_, _>>()? });
        let total: usize = axes[axis].iter().sum();
        if total > length {
            *axes[axis].last_mut().expect("some chunk") -= total - length;
        }
    }
    Chunking::new(axes).map_err(|error| error.to_string())
}

impl<T: Element> Array<T> {
    /// The array in a Zarr store, of version 2 or 3: a folder, or a URL with the feature `cloud`. Lazy: now only the description is read; see [`Zarr::read`].
    ///
    /// ```
    /// use arras_array::{Array, Chunks};
    /// use arras_scheduler::Compute;
    /// let path = std::env::temp_dir().join(format!("arras-doc-from-{}.zarr", std::process::id()));
    /// Array::arange(0i64, 10, 1, 4)?.to_zarr(&path).compute()?;
    /// let x = Array::<i64>::from_zarr(&path, Chunks::auto())?;
    /// assert_eq!((x + 1).sum().item().compute()?, 55);
    /// # std::fs::remove_dir_all(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::File`] if there is no array, or one of another type; what is wrong with the chunks.
    pub fn from_zarr(location: impl AsRef<Path>, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        Zarr::open(location)?.read(chunks)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Read {
    place: Place,
    description: Description,
    /// Tells it from other reads.
    token: u128,
}

impl Source for Read {
    type Opened = Opened;
    fn operation(&self) -> &str {
        "from_zarr"
    }
    fn open(&self) -> Result<Opened, String> {
        self.description.open(&self.place).map_err(|why| format!("{}: {why}", self.place))
    }
    fn read(&self, opened: &Opened, dtype: DType, _: &Chunking, at: &BlockLocation) -> Result<Block, BoxError> {
        with_dtype!(dtype, T => Ok(T::into_block(read_block::<T>(opened, at, &self.place)?.into_shared())))
    }
}

/// What a stored chunk and a block have in common: the part of the array, and how to index both.
pub(super) fn common(chunk: &ArraySubset, block: &BlockLocation) -> Option<(ArraySubset, Vec<SliceInfoElem>)> {
    let mut ranges = Vec::new();
    let mut slices = Vec::new();
    for (axis, stored) in chunk.to_ranges().into_iter().enumerate() {
        let (start, end) = (block.start[axis] as u64, (block.start[axis] + block.shape[axis]) as u64);
        let range = stored.start.max(start)..stored.end.min(end);
        if range.is_empty() {
            return None;
        }
        slices.push(SliceInfoElem::from((range.start - start) as isize..(range.end - start) as isize));
        ranges.push(range.start - stored.start..range.end - stored.start);
    }
    Some((ArraySubset::new_with_ranges(&ranges), slices))
}

/// The chunks that a block touches, by their index in the grid, in order.
pub(super) fn touched(opened: &Opened, at: &BlockLocation) -> Result<Vec<Vec<u64>>, String> {
    if at.shape.contains(&0) {
        return Ok(Vec::new());
    }
    let ranges: Vec<_> = at.start.iter().zip(&at.shape).map(|(&start, &n)| start as u64..(start + n) as u64).collect();
    let chunks = opened.chunks_in_array_subset(&ArraySubset::new_with_ranges(&ranges)).map_err(|error| error.to_string())?;
    let chunks = chunks.ok_or("a block beyond the stored chunks")?;
    Ok(chunks.indices().iter().map(|index| index.to_vec()).collect())
}

/// Elements as the machine has them in memory.
pub(super) fn elements<T: Element>(bytes: Cow<'_, [u8]>) -> Vec<T> {
    if cfg!(target_endian = "big") {
        let number = if matches!(T::DTYPE, DType::C32 | DType::C64) { T::DTYPE.size() / 2 } else { T::DTYPE.size() };
        let mut bytes = bytes.into_owned();
        bytes.chunks_exact_mut(number).for_each(<[u8]>::reverse);
        return T::of_little_endian(&bytes);
    }
    T::of_little_endian(&bytes)
}

fn read_block<T: Element>(opened: &Opened, at: &BlockLocation, place: &Place) -> Result<ArrayD<T>, BoxError> {
    let touched = touched(opened, at).map_err(|why| format!("{place}: {why}"))?;
    let mut block: Option<ArrayD<T>> = None;
    let alone = touched.len() == 1;
    for index in touched {
        let wrong = |why: String| -> BoxError {
            // The store says which file.
            if why.contains(&place.to_string()) { why.into() } else { format!("{place}/{}: {why}", opened.chunk_key(&index)).into() }
        };
        let chunk = opened.chunk_subset(&index).map_err(|error| wrong(error.to_string()))?;
        let Some((part, slices)) = common(&chunk, at) else { continue };
        let bytes: ArrayBytes<'static> =
            opened.retrieve_chunk_subset_opt(&index, &part, &options()).map_err(|error| wrong(error.to_string()))?;
        let bytes = bytes.into_fixed().map_err(|error| wrong(error.to_string()))?;
        let elements =
            ArrayD::from_shape_vec(IxDyn(&part.shape_usize()), elements::<T>(bytes)).map_err(|error| wrong(error.to_string()))?;
        if alone && elements.shape() == at.shape {
            return Ok(elements);
        }
        let block = block.get_or_insert_with(|| ArrayD::from_elem(IxDyn(&at.shape), T::default()));
        block.slice_mut(slices.as_slice()).assign(&elements);
    }
    Ok(block.unwrap_or_else(|| ArrayD::from_elem(IxDyn(&at.shape), T::default())))
}
