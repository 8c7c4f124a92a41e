//! Writing.

use std::borrow::Cow;
use std::path::Path;

use arras_core::{BoxError, Delayed};
use ndarray::{ArrayD, IxDyn, Slice};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use zarrs::array::ArrayBytes;

use super::metadata::{Compressor, New, zero};
use super::place::{Place, Staged, says_group};
use super::read::{Description, Once, Opened, Zarr, aligned, common, elements, options, touched};
use crate::array::Array;
use crate::blocks::location::BlockLocation;
use crate::engine::block::Block;
use crate::engine::chunks::{Chunking, Chunks, even};
use crate::engine::dtype::{Element, Scalar, with_dtype};
use crate::error::{Error, Result};
use crate::storage::sink::{ChunkSink, SinkArray};

impl<T: Element> Array<T> {
    /// Writes the array to a Zarr store when it is computed, of version 3, compressed by Zstandard, a stored chunk for each block: a folder, or a URL with the feature `cloud`. Lazy.
    /// [`ZarrSink`] says how else: `array.store(ZarrSink::at(path)?.version(2))`.
    ///
    /// The array gets its name when it is whole (see [`store`](Array::store) for failed runs).
    ///
    /// A run fails if there is something already, or it cannot be written.
    pub fn to_zarr(&self, location: impl AsRef<Path>) -> Delayed<()> {
        match ZarrSink::at(location) {
            Ok(sink) => self.store(sink),
            Err(error) => Delayed::failed(arras_core::Error::collection(error)),
        }
    }

    /// Writes the array into a part of a Zarr array that is there, from `start` on, when it is computed. Lazy. See [`ZarrSink::region`].
    pub fn to_zarr_region(&self, location: impl AsRef<Path>, start: impl AsRef<[usize]>) -> Delayed<()> {
        match ZarrSink::at(location) {
            Ok(sink) => self.store(sink.region(start)),
            Err(error) => Delayed::failed(arras_core::Error::collection(error)),
        }
    }
}

/// Where and how an array is written as Zarr: what [`Array::store`] takes.
///
/// Blocks are written as they are computed, each stored chunk by one task. Where blocks do not hold whole stored chunks the array is cut into others first; irregular blocks are, as Zarr's
/// chunks are regular. A chunk of nothing but the fill value is not stored.
///
/// ```
/// use arras_array::{Array, Compressor, Zarr, ZarrSink};
/// use arras_scheduler::Compute;
/// let path = std::env::temp_dir().join(format!("arras-doc-sink-{}.zarr", std::process::id()));
/// let x = Array::<f32>::ones([100, 100], 50)?;
/// let sink = ZarrSink::at(&path)?.path("model/temperature").chunks([10, 10]).shards([50, 50]).compressor(Compressor::blosc("lz4", 5)).fill_value(f32::NAN);
/// x.store(sink).compute()?;
/// let stored = Zarr::open(path.join("model/temperature"))?;
/// assert_eq!(stored.inner_chunks(), Some(&[10, 10][..]));
/// # std::fs::remove_dir_all(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct ZarrSink {
    root: Place,
    path: String,
    version: u8,
    chunks: Option<Vec<usize>>,
    shards: Option<Vec<usize>>,
    compressor: Compressor,
    fill: Option<Scalar>,
    dimension_names: Option<Vec<String>>,
    /// JSON, as text: not every format that sinks travel in has maps of anything.
    attributes: String,
    overwrite: bool,
    region: Option<Vec<usize>>,
    #[serde(skip)]
    opened: Once,
}

impl ZarrSink {
    /// An array of version 3 at this place: a folder, or a URL with the feature `cloud`.
    ///
    /// # Errors
    /// [`Error::File`] for a URL that cannot be used.
    pub fn at(location: impl AsRef<Path>) -> Result<ZarrSink> {
        let location = location.as_ref();
        let root = Place::of(location).map_err(|why| Error::File { operation: "to_zarr", path: location.to_owned(), why })?;
        Ok(ZarrSink {
            root,
            path: String::new(),
            version: 3,
            chunks: None,
            shards: None,
            compressor: Compressor::default(),
            fill: None,
            dimension_names: None,
            attributes: "{}".to_owned(),
            overwrite: false,
            region: None,
            opened: Once::default(),
        })
    }

    /// The array's path in the group that is at the place: `"model/temperature"`. Groups that are not there are made.
    #[must_use]
    pub fn path(mut self, path: &str) -> ZarrSink {
        self.path = path.split('/').filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/");
        self
    }

    /// The version of the format: 3, or 2 for readers that know no better.
    #[must_use]
    pub fn version(mut self, version: u8) -> ZarrSink {
        self.version = version;
        self
    }

    /// The shape of the stored chunks, which are compressed one by one. The shape of the largest block, unless it is said.
    #[must_use]
    pub fn chunks(mut self, chunks: impl AsRef<[usize]>) -> ZarrSink {
        self.chunks = Some(chunks.as_ref().to_vec());
        self
    }

    /// Many chunks in one file: the shape of those shards, which hold whole [`chunks`](ZarrSink::chunks). Version 3 only. A shard is written at once, by one task.
    #[must_use]
    pub fn shards(mut self, shards: impl AsRef<[usize]>) -> ZarrSink {
        self.shards = Some(shards.as_ref().to_vec());
        self
    }

    /// How chunks are compressed: by Zstandard of level 3, unless it is said.
    #[must_use]
    pub fn compressor(mut self, compressor: Compressor) -> ZarrSink {
        self.compressor = compressor;
        self
    }

    /// What elements are that are not stored: 0, unless it is said. Of the array's type.
    #[must_use]
    pub fn fill_value<T: Element>(mut self, fill: T) -> ZarrSink {
        self.fill = Some(fill.into_scalar());
        self
    }

    /// The names of the axes, which xarray needs.
    #[must_use]
    pub fn dimension_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> ZarrSink {
        self.dimension_names = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// An attribute: text, a number, a list, anything that is JSON.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: impl Into<Value>) -> ZarrSink {
        let mut attributes = self.attributes_map();
        attributes.insert(name.to_owned(), value.into());
        self.attributes = json!(attributes).to_string();
        self
    }

    /// Whether an array that is there already is replaced, once the new one is whole. On object stores, which cannot rename, the old one is gone from the start of the run.
    #[must_use]
    pub fn overwrite(mut self, overwrite: bool) -> ZarrSink {
        self.overwrite = overwrite;
        self
    }

    /// Writes into an array that is there, from this index on, instead of making one: into whole stored chunks, so the index and the end are multiples of their lengths, or the end of
    /// the array. Each chunk is replaced at once; a failed run leaves some of them as they were.
    #[must_use]
    pub fn region(mut self, start: impl AsRef<[usize]>) -> ZarrSink {
        self.region = Some(start.as_ref().to_vec());
        self
    }

    fn attributes_map(&self) -> Map<String, Value> {
        serde_json::from_str(&self.attributes).expect("written as a map")
    }

    fn place(&self) -> Place {
        self.root.below(&self.path)
    }

    /// Where chunks are written until the array is whole.
    fn staged(&self, array: &SinkArray) -> Staged {
        if self.region.is_some() { Staged::Region(self.place()) } else { Staged::of(self.place(), array) }
    }

    fn error(&self, why: impl Into<String>) -> Error {
        Error::File { operation: "to_zarr", path: self.place().path(), why: why.into() }
    }

    /// The shape of the stored chunks of a new array. The array is cut into whole ones, the first of which are not smaller than others.
    fn stored(&self, array: &SinkArray) -> Vec<usize> {
        let largest = |chunks: &Vec<usize>| chunks.iter().copied().max().unwrap_or(0).max(1);
        self.chunks.clone().or_else(|| self.shards.clone()).unwrap_or_else(|| array.chunks().iter().map(largest).collect())
    }

    /// What is said of a new array: of itself, and in version 2 its attributes.
    fn description(&self, array: &SinkArray) -> (String, Option<String>) {
        let attributes = self.attributes_map();
        let new = New {
            version: self.version,
            dtype: array.dtype(),
            shape: &array.shape(),
            chunks: &self.stored(array),
            shards: self.shards.as_deref(),
            compressor: &self.compressor,
            fill: self.fill.unwrap_or_else(|| zero(array.dtype())),
            dimension_names: self.dimension_names.as_deref(),
            attributes: &attributes,
        };
        let pretty = |json: Value| serde_json::to_string_pretty(&json).expect("JSON is JSON");
        let attributes = (self.version == 2).then(|| pretty(json!(new.attributes_2())));
        (pretty(new.json()), attributes.filter(|attributes| attributes != "{}"))
    }

    fn check(&self, array: &SinkArray) -> Result<()> {
        let argument = |why: String| Err(Error::argument("to_zarr", why));
        let shape = array.shape();
        if !matches!(self.version, 2 | 3) {
            return argument(format!("version {} of the format is neither 2 nor 3", self.version));
        }
        for (what, lengths) in [("chunks", &self.chunks), ("shards", &self.shards)] {
            let Some(lengths) = lengths else { continue };
            if lengths.len() != shape.len() {
                return argument(format!("{what} of shape {lengths:?} for an array of shape {shape:?}"));
            }
            if let Some(axis) = lengths.iter().position(|&n| n == 0) {
                return Err(Error::ChunkZero { axis });
            }
        }
        if let Some(shards) = &self.shards {
            if self.version == 2 {
                return argument("shards need version 3 of the format".to_owned());
            }
            let Some(chunks) = &self.chunks else { return argument("shards need the shape of the chunks in them".to_owned()) };
            if shards.iter().zip(chunks).any(|(shard, chunk)| shard % chunk != 0) {
                return argument(format!("shards of shape {shards:?} do not hold whole chunks of shape {chunks:?}"));
            }
        }
        if let Some(names) = &self.dimension_names
            && names.len() != shape.len()
        {
            return argument(format!("{} names for {} axes", names.len(), shape.len()));
        }
        if let Some(fill) = self.fill
            && fill.dtype() != array.dtype()
        {
            return argument(format!("the fill value {fill} is of {}, not of the array's {}", fill.dtype(), array.dtype()));
        }
        Ok(())
    }

    /// The existing array, if this one fits at the region's place. Its stored chunks, moved to where the region starts.
    fn region_of(&self, array: &SinkArray, start: &[usize]) -> Result<(Zarr, Chunking)> {
        let existing = Zarr::at(self.place()).map_err(|why| self.error(why))?;
        if existing.dtype != array.dtype() {
            return Err(self.error(format!("it holds {}, not {}: cast the array first", existing.dtype, array.dtype())));
        }
        let (shape, whole) = (array.shape(), existing.shape());
        if start.len() != whole.len() || shape.len() != whole.len() {
            return Err(self.error(format!("a region of shape {shape:?} from {start:?} on, in an array of shape {whole:?}")));
        }
        let mut axes = Vec::new();
        for axis in 0..whole.len() {
            let end = start[axis].checked_add(shape[axis]).filter(|&end| end <= whole[axis]);
            let Some(end) = end else {
                return Err(self.error(format!("a region of shape {shape:?} from {start:?} on goes beyond shape {whole:?}")));
            };
            let stored = &existing.stored.axes()[axis];
            let places: Vec<usize> = existing.stored.starts()[axis].iter().copied().chain([whole[axis]]).collect();
            for at in [start[axis], end] {
                if shape[axis] > 0 && places.binary_search(&at).is_err() {
                    let length = stored[0];
                    return Err(self.error(format!(
                        "the region cuts a stored chunk of axis {axis} at {at}: chunks are {length} long, and are written whole. Write from and to a multiple of that"
                    )));
                }
            }
            let inside = places.iter().zip(stored).filter(|&(&at, _)| at >= start[axis] && at < end).map(|(_, &n)| n).collect::<Vec<_>>();
            axes.push(if inside.is_empty() { vec![0] } else { inside });
        }
        Ok((existing, Chunking::new(axes)?))
    }

    fn opened(&self, array: &SinkArray) -> Result<&Opened, BoxError> {
        let open = || -> Result<Opened, String> {
            match &self.region {
                Some(start) => {
                    let (existing, _) = self.region_of(array, start).map_err(|error| error.to_string())?;
                    existing.description.open(&self.place())
                }
                None => Description(self.description(array).0).open(&self.staged(array).place()),
            }
        };
        Ok(self.opened.get(open)?)
    }
}

/// Chunks that hold whole stored ones, of about the lengths that they have now.
fn holding(chunks: &Chunking, stored: &Chunking) -> Chunks {
    let axis = |(own, stored): (&Vec<usize>, &Vec<usize>)| {
        let size = own.iter().copied().max().unwrap_or(0);
        let mut axis: Vec<usize> = Vec::new();
        for &n in stored {
            match axis.last_mut() {
                Some(last) if *last + n <= size => *last += n,
                _ => axis.push(n),
            }
        }
        axis
    };
    Chunks::explicit(chunks.axes().iter().zip(stored.axes()).map(axis))
}

impl ChunkSink for ZarrSink {
    fn name(&self) -> &'static str {
        "to_zarr"
    }

    fn chunks(&self, array: &SinkArray) -> Result<Option<Chunks>> {
        self.check(array)?;
        let stored = match &self.region {
            Some(start) => self.region_of(array, start)?.1,
            None => {
                let sizes = self.shards.clone().unwrap_or_else(|| self.stored(array));
                Chunking::new(array.shape().iter().zip(sizes).map(|(&length, size)| even(length, size)).collect())?
            }
        };
        // What zarrs cannot write is an error now.
        if self.region.is_none() {
            Description(self.description(array).0).open(&self.place()).map_err(|why| self.error(why))?;
        }
        Ok((!aligned(array.chunking(), &stored)).then(|| holding(array.chunking(), &stored)))
    }

    fn create(&self, array: &SinkArray) -> Result<(), BoxError> {
        match &self.region {
            Some(start) => self.region_of(array, start).map(|_| ())?,
            None => {
                for group in self.parents() {
                    let array = group.get("zarr.json")?.is_some_and(|text| !says_group(&text)) || group.get(".zarray")?.is_some();
                    if array {
                        return Err(format!("{group}: it is an array, which holds no others").into());
                    }
                }
                self.staged(array).create(self.overwrite)?;
            }
        }
        Ok(())
    }

    fn write(&self, array: &SinkArray, at: &BlockLocation, block: &Block) -> Result<(), BoxError> {
        let opened = self.opened(array)?;
        let mut at = at.clone();
        if let Some(start) = &self.region {
            at.start.iter_mut().zip(start).for_each(|(at, start)| *at += start);
        }
        let place = self.place();
        with_dtype!(block.dtype(), T => write_block::<T>(opened, &at, block, &place))
    }

    fn finish(&self, array: &SinkArray) -> Result<(), BoxError> {
        if self.region.is_some() {
            return Ok(());
        }
        let (description, attributes) = self.description(array);
        let files = match self.version {
            2 => [Some((".zarray", description)), attributes.map(|attributes| (".zattrs", attributes))],
            _ => [Some(("zarr.json", description)), None],
        };
        self.staged(array).finish(files.into_iter().flatten())?;
        self.groups()
    }

    fn abort(&self, array: &SinkArray) {
        if self.region.is_none() {
            self.staged(array).abort();
        }
    }
}

impl ZarrSink {
    /// The groups on the way to the array.
    fn parents(&self) -> Vec<Place> {
        let names: Vec<&str> = self.path.split('/').filter(|name| !name.is_empty()).collect();
        (0..names.len()).map(|depth| self.root.below(&names[..depth].join("/"))).collect()
    }

    /// Makes them, where there are none.
    fn groups(&self) -> Result<(), BoxError> {
        for group in self.parents() {
            let there = |key: &str| group.get(key).map(|bytes| bytes.is_some());
            if there("zarr.json")? || there(".zgroup")? {
                continue;
            }
            match self.version {
                2 => group.set(".zgroup", br#"{"zarr_format": 2}"#.to_vec())?,
                _ => group.set("zarr.json", br#"{"zarr_format": 3, "node_type": "group", "attributes": {}}"#.to_vec())?,
            }
        }
        Ok(())
    }
}

fn write_block<T: Element>(opened: &Opened, at: &BlockLocation, block: &Block, place: &Place) -> Result<(), BoxError> {
    let block = block.get::<T>().expect("the dtype is the block's own");
    for index in touched(opened, at)? {
        let wrong = |why: String| -> BoxError { format!("{place}/{}: {why}", opened.chunk_key(&index)).into() };
        let chunk = opened.chunk_subset(&index).map_err(|error| wrong(error.to_string()))?;
        let Some((part, slices)) = common(&chunk, at) else { continue };
        let view = block.slice(slices.as_slice());
        let stored = chunk.shape_usize();
        let whole;
        let view = if view.shape() == stored {
            view.as_standard_layout()
        } else {
            // The last chunk of an axis goes beyond the array.
            let fill = elements::<T>(Cow::Borrowed(opened.fill_value().as_ne_bytes()))[0];
            let mut padded = ArrayD::from_elem(IxDyn(&stored), fill);
            let ranges = part.to_ranges();
            padded
                .slice_each_axis_mut(|axis| Slice::from(ranges[axis.axis.index()].start as isize..ranges[axis.axis.index()].end as isize))
                .assign(&view);
            whole = padded;
            whole.view().into()
        };
        let bytes = native(T::little_endian(view.as_slice().expect("of standard layout")), T::DTYPE);
        opened.store_chunk_opt(&index, ArrayBytes::new_flen(bytes), &options()).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(())
}

/// Bytes as the machine has them, of little-endian ones.
fn native(bytes: Cow<'_, [u8]>, dtype: crate::engine::dtype::DType) -> Cow<'_, [u8]> {
    use crate::engine::dtype::DType;
    if cfg!(target_endian = "little") {
        return bytes;
    }
    let number = if matches!(dtype, DType::C32 | DType::C64) { dtype.size() / 2 } else { dtype.size() };
    let mut bytes = bytes.into_owned();
    bytes.chunks_exact_mut(number).for_each(<[u8]>::reverse);
    Cow::Owned(bytes)
}
