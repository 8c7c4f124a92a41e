//! NetCDF and HDF5 files, read block by block. Pure Rust, by netcdf-reader and hdf5-reader: no C library is needed.
//!
//! ```text
//!     file.nc ─┬─ air_temperature (time 240, latitude 37, longitude 49)     Dataset: shape, type, names of axes, attributes
//!              ├─ latitude (latitude 37)                                      │ read
//!              └─ longitude (longitude 49)                                    ▼
//!                                                                           Array: each block is one hyperslab
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arras_core::{BoxError, Tokenizer};
use hdf5_reader::{Datatype, FileStorage, Hdf5File, SliceInfo, SliceInfoElem};
use ndarray::{ArrayD, IxDyn};
use netcdf_reader::{NcAttrValue, NcFile, NcOpenOptions, NcSliceInfo, NcSliceInfoElem, NcType};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::array::Array;
use crate::blocks::location::BlockLocation;
use crate::elementwise::choose::where_;
use crate::engine::block::Block;
use crate::engine::chunks::{Chunking, Chunks, even};
use crate::engine::dtype::{DType, Element, with_real};
use crate::error::{Error, Result};
use crate::storage::npy::absolute;
use crate::storage::source::{self, Source};

/// Decompressed chunks that an open file keeps, for blocks that share some.
const CACHE_NBYTES: usize = 16 << 20;

/// A variable of a NetCDF file, or a dataset of an HDF5 file: its description, now, and its elements, later.
///
/// NetCDF's classic formats (CDF-1, -2 and -5) and NetCDF-4 are read, and HDF5 with the filters deflate, shuffle, fletcher32, lz4, nbit, scaleoffset and szip.
///
/// ```no_run
/// use arras_array::{Chunks, Dataset};
/// use arras_scheduler::Compute;
/// let temperature = Dataset::open_netcdf("A1B_north_america.nc", "air_temperature")?;
/// assert_eq!(temperature.shape(), [240, 37, 49]);
/// assert_eq!(temperature.attributes()["units"], "K");
/// let mean = temperature.read::<f32>(Chunks::auto())?.mean().item().compute()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dataset {
    variable: Variable,
    operation: &'static str,
    dtype: DType,
    shape: Vec<usize>,
    stored: Option<Chunking>,
    dimension_names: Vec<Option<String>>,
    attributes: Map<String, serde_json::Value>,
}

/// Which dataset of which file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Variable {
    path: PathBuf,
    name: String,
    netcdf: bool,
}

enum Opened {
    NetCdf(NcFile),
    Hdf5(hdf5_reader::Dataset),
}

impl Variable {
    fn storage(&self) -> Result<Arc<FileStorage>, String> {
        // A mapped file that becomes shorter would end the process.
        FileStorage::open(&self.path).map(Arc::new).map_err(|error| error.to_string())
    }

    fn hdf5(&self) -> Result<hdf5_reader::Dataset, String> {
        let options = hdf5_reader::OpenOptions::default().with_chunk_cache_bytes(CACHE_NBYTES);
        let file = Hdf5File::from_storage_with_options(self.storage()?, options).map_err(|error| error.to_string())?;
        file.dataset(&self.name).map_err(|error| format!("{:?}: {error}", self.name))
    }

    fn netcdf(&self) -> Result<NcFile, String> {
        let options = NcOpenOptions { chunk_cache_bytes: CACHE_NBYTES, ..NcOpenOptions::default() };
        NcFile::from_storage_with_options(self.storage()?, options).map_err(|error| error.to_string())
    }

    fn open(&self) -> Result<Opened, String> {
        Ok(if self.netcdf { Opened::NetCdf(self.netcdf()?) } else { Opened::Hdf5(self.hdf5()?) })
    }
}

fn lengths(shape: &[u64]) -> Result<Vec<usize>, String> {
    shape.iter().map(|&n| usize::try_from(n)).collect::<Result<_, _>>().map_err(|_| format!("its shape {shape:?} is too large"))
}

/// The stored chunks of an HDF5 dataset, if it has some.
fn stored_chunks(dataset: &hdf5_reader::Dataset, shape: &[usize]) -> Option<Chunking> {
    let chunks = dataset.chunks().filter(|chunks| chunks.len() == shape.len() && !chunks.contains(&0))?;
    Chunking::new(shape.iter().zip(chunks).map(|(&length, size)| even(length, size as usize)).collect()).ok()
}

impl Dataset {
    /// Opens a variable of a NetCDF file. One in a group is named by the group's path and its own: `"forecast/temperature"`.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, is no NetCDF file, or has no such variable of numbers.
    pub fn open_netcdf(path: impl AsRef<Path>, variable: &str) -> Result<Dataset> {
        let source = Variable { path: absolute(path.as_ref()), name: variable.to_owned(), netcdf: true };
        Dataset::describe_netcdf(source.clone()).map_err(|why| Error::File { operation: "from_netcdf", path: source.path, why })
    }

    /// Opens a dataset of an HDF5 file, by its path in it: `"/run/temperature"`.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, is no HDF5 file, or has no such dataset of numbers.
    pub fn open_hdf5(path: impl AsRef<Path>, dataset: &str) -> Result<Dataset> {
        let source = Variable { path: absolute(path.as_ref()), name: dataset.to_owned(), netcdf: false };
        Dataset::describe_hdf5(source.clone()).map_err(|why| Error::File { operation: "from_hdf5", path: source.path, why })
    }

    fn describe_netcdf(source: Variable) -> Result<Dataset, String> {
        let file = source.netcdf()?;
        let variable = file.variable(&source.name).map_err(|error| format!("{:?}: {error}", source.name))?;
        let dtype = match variable.dtype() {
            NcType::Byte => DType::I8,
            NcType::Short => DType::I16,
            NcType::Int => DType::I32,
            NcType::Int64 => DType::I64,
            NcType::UByte => DType::U8,
            NcType::UShort => DType::U16,
            NcType::UInt => DType::U32,
            NcType::UInt64 => DType::U64,
            NcType::Float => DType::F32,
            NcType::Double => DType::F64,
            other => return Err(format!("{:?} holds {other:?}, which no array here has", source.name)),
        };
        let shape = lengths(&variable.shape())?;
        // NetCDF-4 files are HDF5 files, which know of chunks.
        let stored = source.hdf5().ok().and_then(|dataset| stored_chunks(&dataset, &shape));
        let mut attributes = Map::new();
        for attribute in variable.attributes() {
            if let Some(value) = netcdf_json(&attribute.value) {
                attributes.insert(attribute.name.clone(), value);
            }
        }
        let dimension_names = variable.dimensions().iter().map(|dimension| Some(dimension.name.clone())).collect();
        Ok(Dataset { variable: source, operation: "from_netcdf", dtype, shape, stored, dimension_names, attributes })
    }

    fn describe_hdf5(source: Variable) -> Result<Dataset, String> {
        let dataset = source.hdf5()?;
        let dtype = match dataset.dtype() {
            Datatype::FixedPoint { size: 1, signed: true, .. } => DType::I8,
            Datatype::FixedPoint { size: 2, signed: true, .. } => DType::I16,
            Datatype::FixedPoint { size: 4, signed: true, .. } => DType::I32,
            Datatype::FixedPoint { size: 8, signed: true, .. } => DType::I64,
            Datatype::FixedPoint { size: 1, .. } => DType::U8,
            Datatype::FixedPoint { size: 2, .. } => DType::U16,
            Datatype::FixedPoint { size: 4, .. } => DType::U32,
            Datatype::FixedPoint { size: 8, .. } => DType::U64,
            Datatype::FloatingPoint { size: 4, .. } => DType::F32,
            Datatype::FloatingPoint { size: 8, .. } => DType::F64,
            other => return Err(format!("{:?} holds {other:?}, which no array here has", source.name)),
        };
        let shape = lengths(dataset.shape())?;
        let stored = stored_chunks(&dataset, &shape);
        let mut attributes = Map::new();
        for attribute in dataset.attributes() {
            if let Some(value) = hdf5_json(&attribute) {
                attributes.insert(attribute.name.clone(), value);
            }
        }
        let dimension_names = vec![None; shape.len()];
        Ok(Dataset { variable: source, operation: "from_hdf5", dtype, shape, stored, dimension_names, attributes })
    }

    /// The number of elements along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The lengths of the stored chunks along each axis, if it is stored in chunks.
    pub fn chunks(&self) -> Option<Vec<Vec<usize>>> {
        self.stored.as_ref().map(|stored| stored.axes().to_vec())
    }

    /// The names of the axes: those of the dimensions in NetCDF, none in HDF5.
    pub fn dimension_names(&self) -> &[Option<String>] {
        &self.dimension_names
    }

    /// The attributes that are text, numbers, or lists of those.
    pub fn attributes(&self) -> &Map<String, serde_json::Value> {
        &self.attributes
    }

    /// The elements as they are stored, as an array. Lazy: each block is read by its task. Where chunks are cut by size ([`Chunks::auto`], [`Chunks::bytes`]) a block is made of whole
    /// stored chunks, if those are smaller.
    ///
    /// A run fails if the file is gone, has become shorter or is broken.
    ///
    /// # Errors
    /// [`Error::File`] if the elements are of another type; what is wrong with the chunks.
    pub fn read<T: Element>(&self, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        let wrong = |why: String| Error::File { operation: self.operation, path: self.variable.path.clone(), why };
        if self.dtype != T::DTYPE {
            return Err(wrong(format!("{:?} holds {}, not {}: read it as that, and cast", self.variable.name, self.dtype, T::DTYPE)));
        }
        let chunks = chunks.into().of_dtype(&self.shape, T::DTYPE, self.stored.as_ref())?;
        let metadata = std::fs::metadata(&self.variable.path).map_err(|error| wrong(error.to_string()))?;
        let mut token = Tokenizer::new();
        token.number(metadata.len()).text(&format!("{:?}", metadata.modified().ok()));
        let read = Read { variable: self.variable.clone(), operation: self.operation.to_owned(), token: token.finish().bits() };
        Ok(source::read(read, chunks))
    }

    /// The elements as the CF conventions mean them: NaN where they are `_FillValue` or `missing_value`, times `scale_factor`, plus `add_offset`. Lazy, as [`read`](Dataset::read).
    ///
    /// # Errors
    /// What is wrong with the chunks.
    pub fn decoded(&self, chunks: impl Into<Chunks>) -> Result<Array<f64>> {
        let chunks = chunks.into();
        let stored: Array<f64> = with_real!(self.dtype, T => self.read::<T>(chunks)?.cast(), unreachable!("only numbers are opened"));
        let attribute = |name: &str| self.attributes.get(name);
        let mut decoded = stored.clone();
        if let Some(scale) = attribute("scale_factor").and_then(serde_json::Value::as_f64) {
            decoded = decoded * scale;
        }
        if let Some(offset) = attribute("add_offset").and_then(serde_json::Value::as_f64) {
            decoded = decoded + offset;
        }
        for name in ["_FillValue", "missing_value"] {
            let Some(value) = attribute(name) else { continue };
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            for missing in values.iter().filter_map(serde_json::Value::as_f64) {
                decoded = where_(&stored.eq(missing), f64::NAN, &decoded);
            }
        }
        Ok(decoded)
    }
}

impl<T: Element> Array<T> {
    /// A variable of a NetCDF file. Lazy: now only the description is read; see [`Dataset`], which tells more.
    ///
    /// # Errors
    /// [`Error::File`] if there is no such variable, or one of another type; what is wrong with the chunks.
    pub fn from_netcdf(path: impl AsRef<Path>, variable: &str, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        Dataset::open_netcdf(path, variable)?.read(chunks)
    }

    /// A dataset of an HDF5 file. Lazy: now only the description is read; see [`Dataset`], which tells more.
    ///
    /// # Errors
    /// [`Error::File`] if there is no such dataset, or one of another type; what is wrong with the chunks.
    pub fn from_hdf5(path: impl AsRef<Path>, dataset: &str, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        Dataset::open_hdf5(path, dataset)?.read(chunks)
    }
}

/// One value for one, a list for several.
fn one_or_many<T: Clone + Into<serde_json::Value>>(values: &[T]) -> Option<serde_json::Value> {
    Some(match values {
        [] => return None,
        [one] => one.clone().into(),
        many => many.iter().cloned().map(Into::into).collect::<Vec<serde_json::Value>>().into(),
    })
}

fn netcdf_json(value: &NcAttrValue) -> Option<serde_json::Value> {
    match value {
        NcAttrValue::Bytes(values) => one_or_many(values),
        NcAttrValue::Chars(text) => Some(json!(text.trim_end_matches('\0'))),
        NcAttrValue::Shorts(values) => one_or_many(values),
        NcAttrValue::Ints(values) => one_or_many(values),
        NcAttrValue::Floats(values) => one_or_many(values),
        NcAttrValue::Doubles(values) => one_or_many(values),
        NcAttrValue::UBytes(values) => one_or_many(values),
        NcAttrValue::UShorts(values) => one_or_many(values),
        NcAttrValue::UInts(values) => one_or_many(values),
        NcAttrValue::Int64s(values) => one_or_many(values),
        NcAttrValue::UInt64s(values) => one_or_many(values),
        NcAttrValue::Strings(values) => one_or_many(values),
        NcAttrValue::UserDefined { .. } => None,
    }
}

fn hdf5_json(attribute: &hdf5_reader::Attribute) -> Option<serde_json::Value> {
    fn numbers<T: hdf5_reader::H5Type + Clone + Into<serde_json::Value>>(attribute: &hdf5_reader::Attribute) -> Option<serde_json::Value> {
        one_or_many(&attribute.read_1d::<T>().ok()?)
    }
    match attribute.datatype {
        Datatype::FixedPoint { signed: true, .. } => numbers::<i64>(attribute),
        Datatype::FixedPoint { .. } => numbers::<u64>(attribute),
        Datatype::FloatingPoint { size: 4, .. } => numbers::<f32>(attribute),
        Datatype::FloatingPoint { .. } => numbers::<f64>(attribute),
        Datatype::String { .. } | Datatype::VarLen { .. } => match attribute.read_strings() {
            Ok(texts) => one_or_many(&texts),
            Err(_) => attribute.read_string().ok().map(Into::into),
        },
        _ => None,
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Read {
    variable: Variable,
    operation: String,
    /// Stands for length and time of change.
    token: u128,
}

impl Read {
    fn wrong(&self, why: &str) -> String {
        format!("{}: {why}", self.variable.path.display())
    }
}

impl Source for Read {
    type Opened = Opened;
    fn operation(&self) -> &str {
        &self.operation
    }
    fn open(&self) -> Result<Opened, String> {
        self.variable.open().map_err(|why| self.wrong(&why))
    }
    fn read(&self, opened: &Opened, dtype: DType, _: &Chunking, at: &BlockLocation) -> Result<Block, BoxError> {
        let name = &self.variable.name;
        with_real!(dtype, T => {
            let block = if at.shape.contains(&0) {
                ArrayD::<T>::default(IxDyn(&at.shape))
            } else {
                read_block::<T>(opened, name, at).map_err(|why| self.wrong(&why))?
            };
            if block.shape() != at.shape {
                return Err(self.wrong(&format!("{name:?} is not of the shape any more that it was")).into());
            }
            Ok(T::into_block(block.into_shared()))
        }, Err(self.wrong(&format!("{dtype} is read from no file")).into()))
    }
}

fn read_block<T: Element + netcdf_reader::NcReadable>(opened: &Opened, name: &str, at: &BlockLocation) -> Result<ArrayD<T>, String> {
    let ranges = at.start.iter().zip(&at.shape).map(|(&start, &n)| (start as u64, (start + n) as u64));
    match opened {
        Opened::NetCdf(file) => {
            let selections = ranges.map(|(start, end)| NcSliceInfoElem::Slice { start, end, step: 1 }).collect();
            file.read_variable_slice(name, &NcSliceInfo { selections }).map_err(|error| format!("{name:?}: {error}"))
        }
        Opened::Hdf5(dataset) => {
            let selections = ranges.map(|(start, end)| SliceInfoElem::Slice { start, end, step: 1 }).collect();
            dataset.read_slice(&SliceInfo { selections }).map_err(|error| format!("{name:?}: {error}"))
        }
    }
}
