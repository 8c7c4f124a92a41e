//! NumPy's own files: `.npy`, read and written block by block.
//!
//! ```text
//!     \x93NUMPY 1 0 │ header: {'descr': '<f8', 'fortran_order': False, 'shape': (4, 6), } │ elements
//!                                                                      ─► a block reads its rows: ░░▓▓░░ ░░▓▓░░
//! ```
//! The header is read and checked when the array is built; elements are read by the task of each block, and only those of the block: one read for each run of them that lies
//! together. Writing places blocks the same way in a file under another name, which gets its own when the last has been written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use arras_core::{BoxError, Delayed, Tokenizer};
use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use serde::{Deserialize, Serialize};

use crate::array::Array;
use crate::blocks::location::BlockLocation;
use crate::engine::block::Block;
use crate::engine::chunks::{Chunking, Chunks};
use crate::engine::dtype::{DType, Element, with_dtype};
use crate::engine::simplify;
use crate::error::{Error, Result};
use crate::storage::sink::{ChunkSink, SinkArray};
use crate::storage::source::{self, Source};

/// More than any header of an array without fields has.
const LONGEST_HEADER: usize = 1 << 16;

impl<T: Element> Array<T> {
    /// The array in an `.npy` file, versions 1 to 3, in C or Fortran order and either byte order. Lazy: now only the header is read; each block is read by its task.
    ///
    /// A block reads its own bytes and no others, one read for each run of elements that lie together: chunks that hold whole rows are read fastest.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let path = std::env::temp_dir().join(format!("arras-doc-{}.npy", std::process::id()));
    /// Array::arange(0i64, 10, 1, 4)?.to_npy(&path).compute()?;
    /// assert_eq!(Array::<i64>::from_npy(&path, 3)?.sum().item().compute()?, 45);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A run fails if the file is gone or has become shorter by then.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, is no `.npy` file, ends before its elements do, or holds elements of another type; what is wrong with the chunks.
    pub fn from_npy(path: impl AsRef<Path>, chunks: impl Into<Chunks>) -> Result<Array<T>> {
        let path = absolute(path.as_ref());
        let wrong = |why: String| Error::File { operation: "from_npy", path: path.clone(), why };
        let mut file = File::open(&path).map_err(|error| wrong(error.to_string()))?;
        let header = Header::read(&mut file).map_err(&wrong)?;
        if header.dtype != T::DTYPE {
            return Err(wrong(format!("it holds {}, not {}: read it as that, and cast", header.dtype, T::DTYPE)));
        }
        let nbytes = header.shape.iter().try_fold(T::DTYPE.size(), |product, &n| product.checked_mul(n));
        let end = nbytes.and_then(|nbytes| header.offset.checked_add(nbytes as u64));
        let metadata = file.metadata().map_err(|error| wrong(error.to_string()))?;
        if end.is_none_or(|end| end > metadata.len()) {
            return Err(wrong(format!("it ends before the elements of shape {:?} do", header.shape)));
        }
        let chunks = chunks.into().of_dtype(&header.shape, T::DTYPE, None)?;
        // What Fortran orders is what C does, transposed.
        let axes: Vec<usize> = (0..chunks.ndim()).rev().collect();
        let stored = if header.fortran { Chunking::new(chunks.axes().iter().rev().cloned().collect())? } else { chunks };
        let mut token = Tokenizer::new();
        token.text(&path.to_string_lossy()).number(metadata.len()).text(&format!("{:?}", metadata.modified().ok()));
        let file = Npy { path: path.clone(), offset: header.offset, swapped: header.swapped, token: token.finish().bits() };
        let array = source::read(file, stored);
        Ok(if header.fortran { Array::of(|| simplify::transpose(&array.expr()?, &axes)) } else { array })
    }

    /// Writes the array into an `.npy` file, in C order, when it is computed: block by block, none of which need wait for the others. Lazy.
    ///
    /// The file gets its name when it is whole: a run that fails leaves nothing there, nor touches what was there before (see [`store`](Array::store)).
    ///
    /// A run fails if the file cannot be written.
    pub fn to_npy(&self, path: impl AsRef<Path>) -> Delayed<()> {
        self.store(NpySink { path: absolute(path.as_ref()) })
    }
}

/// A path that means the same under another working directory, where tasks may run.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What an `.npy` file says of its elements.
#[derive(Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) dtype: DType,
    /// Whether the bytes of numbers are big-endian.
    swapped: bool,
    fortran: bool,
    shape: Vec<usize>,
    /// Where the elements begin.
    offset: u64,
}

impl Header {
    pub(crate) fn read(file: &mut impl Read) -> Result<Header, String> {
        let cut = |_| "it ends within its header".to_owned();
        let mut start = [0; 8];
        file.read_exact(&mut start).map_err(|_| "it is no npy file: it is too short for one".to_owned())?;
        if start[..6] != *b"\x93NUMPY" {
            return Err("it is no npy file: it does not begin as one".into());
        }
        let (length, fixed) = match start[6] {
            1 => {
                let mut length = [0; 2];
                file.read_exact(&mut length).map_err(cut)?;
                (usize::from(u16::from_le_bytes(length)), 10)
            }
            2 | 3 => {
                let mut length = [0; 4];
                file.read_exact(&mut length).map_err(cut)?;
                (u32::from_le_bytes(length) as usize, 12)
            }
            version => return Err(format!("version {version} of npy is none of 1 to 3")),
        };
        if length > LONGEST_HEADER {
            return Err(format!("a header of {length} bytes is no header of an array"));
        }
        let mut text = vec![0; length];
        file.read_exact(&mut text).map_err(cut)?;
        let text = std::str::from_utf8(&text).map_err(|_| "its header is no text".to_owned())?;
        Header::parse(text, (fixed + length) as u64).map_err(|why| format!("{why} in its header {:?}", text.trim()))
    }

    /// Reads the Python dictionary of a header.
    fn parse(text: &str, offset: u64) -> Result<Header, String> {
        let mut rest = Literal(text);
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        rest.expect('{')?;
        while !rest.accept('}') {
            let key = rest.text()?;
            rest.expect(':')?;
            match key {
                "descr" if descr.is_none() => descr = Some(rest.text().map_err(|_| "elements with fields".to_owned())?),
                "fortran_order" if fortran.is_none() => fortran = Some(rest.boolean()?),
                "shape" if shape.is_none() => shape = Some(rest.lengths()?),
                key => return Err(format!("an unknown or second key {key:?}")),
            }
            if !rest.accept(',') {
                rest.expect('}')?;
                break;
            }
        }
        if !rest.0.trim().is_empty() {
            return Err(format!("{:?} after the end", rest.0.trim()));
        }
        let (Some(descr), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
            return Err("one of descr, fortran_order and shape is missing".into());
        };
        let (order, kind) = descr.split_at_checked(1).ok_or_else(|| format!("descr {descr:?}"))?;
        let dtype = match kind {
            "b1" => DType::Bool,
            "i1" => DType::I8,
            "i2" => DType::I16,
            "i4" => DType::I32,
            "i8" => DType::I64,
            "u1" => DType::U8,
            "u2" => DType::U16,
            "u4" => DType::U32,
            "u8" => DType::U64,
            "f4" => DType::F32,
            "f8" => DType::F64,
            "c8" => DType::C32,
            "c16" => DType::C64,
            _ => return Err(format!("elements of type {descr:?}, which no array here has,")),
        };
        let swapped = match order {
            "<" => false,
            "|" if dtype.size() == 1 => false,
            ">" => true,
            _ => return Err(format!("the byte order of {descr:?}")),
        };
        Ok(Header { dtype, swapped, fortran, shape, offset })
    }
}

/// What is left to read of a Python literal.
struct Literal<'a>(&'a str);

impl<'a> Literal<'a> {
    fn accept(&mut self, wanted: char) -> bool {
        self.0 = self.0.trim_start();
        match self.0.strip_prefix(wanted) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.accept(wanted) { Ok(()) } else { Err(format!("no {wanted:?} where one should be")) }
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let quote = if self.accept('\'') { '\'' } else { self.expect('"').map(|()| '"')? };
        let (text, rest) = self.0.split_once(quote).ok_or("a text without an end")?;
        self.0 = rest;
        Ok(text)
    }

    fn boolean(&mut self) -> Result<bool, String> {
        self.0 = self.0.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(word) {
                self.0 = rest;
                return Ok(value);
            }
        }
        Err("neither True nor False for fortran_order".into())
    }

    fn lengths(&mut self) -> Result<Vec<usize>, String> {
        let mut lengths = Vec::new();
        self.expect('(')?;
        while !self.accept(')') {
            self.0 = self.0.trim_start();
            let end = self.0.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.0.len());
            let (digits, rest) = self.0.split_at(end);
            lengths.push(digits.parse().map_err(|_| "a shape of something else than lengths".to_owned())?);
            // Python 2 wrote long integers so.
            self.0 = rest.strip_prefix('L').unwrap_or(rest);
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(lengths)
    }
}

/// NumPy's name of a type.
pub(crate) fn descr(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "|b1",
        DType::I8 => "|i1",
        DType::I16 => "<i2",
        DType::I32 => "<i4",
        DType::I64 => "<i8",
        DType::U8 => "|u1",
        DType::U16 => "<u2",
        DType::U32 => "<u4",
        DType::U64 => "<u8",
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::C32 => "<c8",
        DType::C64 => "<c16",
    }
}

/// The start of a file as NumPy writes it: version 1, elements from a multiple of 64 bytes on.
fn header_of(dtype: DType, shape: &[usize]) -> Vec<u8> {
    let descr = descr(dtype);
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {}, }}", crate::array::tuple(shape));
    // NumPy leaves room for the first length to grow to 21 digits.
    if let Some(length) = shape.first() {
        text.push_str(&" ".repeat(21 - length.to_string().len()));
    }
    let padding = 64 - (10 + text.len() + 1) % 64;
    text.push_str(&" ".repeat(padding));
    text.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((text.len() as u16).to_le_bytes());
    header.extend(text.into_bytes());
    header
}

/// Where the runs of a block's elements lie in an array of C order: length of all and position of each, in elements.
fn runs(chunks: &Chunking, at: &BlockLocation) -> (usize, Vec<usize>) {
    let (block, start, shape) = (&at.shape, &at.start, chunks.shape());
    // The first of the axes that a run goes over: behind it the block is as wide as the array.
    let mut first = shape.len();
    let mut run = 1;
    while first > 0 {
        first -= 1;
        run *= block[first];
        if block[first] != shape[first] {
            break;
        }
    }
    if block.iter().product::<usize>() == 0 {
        return (0, Vec::new());
    }
    let positions = ndarray::indices(&block[..first])
        .into_iter()
        .map(|row| (0..shape.len()).fold(0, |at, axis| at * shape[axis] + start[axis] + if axis < first { row[axis] } else { 0 }));
    (run, positions.collect())
}

pub(crate) fn at_path(path: &Path) -> impl Fn(io::Error) -> BoxError {
    move |error| format!("{}: {error}", path.display()).into()
}

#[cfg(unix)]
pub(crate) fn read_at(file: &mut File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(not(unix))]
pub(crate) fn read_at(file: &mut File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    io::Seek::seek(file, io::SeekFrom::Start(offset))?;
    file.read_exact(bytes)
}

#[cfg(unix)]
fn write_at(file: &mut File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(not(unix))]
fn write_at(file: &mut File, bytes: &[u8], offset: u64) -> io::Result<()> {
    io::Seek::seek(file, io::SeekFrom::Start(offset))?;
    io::Write::write_all(file, bytes)
}

/// All elements of a file, which is to be of this type and shape.
pub(crate) fn read_whole(file: &mut File, dtype: DType, shape: &[usize]) -> Result<Block, BoxError> {
    let header = Header::read(file)?;
    if (header.dtype, &*header.shape) != (dtype, shape) {
        return Err(format!("it holds {} of shape {:?} instead of {dtype} of shape {shape:?}", header.dtype, header.shape).into());
    }
    with_dtype!(dtype, T => {
        let elements = elements::<T>(shape.iter().product(), header.swapped, |bytes| read_at(file, bytes, header.offset))?;
        let order = IxDyn(shape).set_f(header.fortran);
        Ok(T::into_block(ArrayD::from_shape_vec(order, elements)?.into_shared()))
    })
}

/// So many elements, of bytes that are read to where they will be, if they can be: 128 MiB take 135 to 270 ms so, 270 to 310 copied from a mapped file, 470 to 520 copied from a buffer.
fn elements<T: Element>(n: usize, swapped: bool, read: impl FnOnce(&mut [u8]) -> io::Result<()>) -> io::Result<Vec<T>> {
    let mut elements = vec![T::default(); n];
    match T::little_endian_mut(&mut elements) {
        Some(bytes) => {
            read(bytes)?;
            swap(bytes, swapped, T::DTYPE);
        }
        None => {
            let mut bytes = vec![0; n * T::DTYPE.size()];
            read(&mut bytes)?;
            swap(&mut bytes, swapped, T::DTYPE);
            elements = T::of_little_endian(&bytes);
        }
    }
    Ok(elements)
}

/// A file of all elements of a block.
pub(crate) fn write_whole(file: &mut File, block: &Block) -> io::Result<()> {
    use io::Write;
    file.write_all(&header_of(block.dtype(), block.shape()))?;
    with_dtype!(block.dtype(), T => {
        let array = T::of_block(block).expect("the dtype is the block's own").as_standard_layout();
        file.write_all(&T::little_endian(array.as_slice().expect("of standard layout")))
    })
}

/// Turns numbers round that are written the other way.
fn swap(bytes: &mut [u8], swapped: bool, dtype: DType) {
    if swapped {
        let number = if matches!(dtype, DType::C32 | DType::C64) { dtype.size() / 2 } else { dtype.size() };
        bytes.chunks_exact_mut(number).for_each(<[u8]>::reverse);
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Npy {
    path: PathBuf,
    offset: u64,
    swapped: bool,
    /// Stands for path, length and time of change.
    token: u128,
}

impl Source for Npy {
    type Opened = ();
    fn operation(&self) -> &str {
        "from_npy"
    }
    fn open(&self) -> Result<(), String> {
        Ok(())
    }
    fn read(&self, (): &(), dtype: DType, chunks: &Chunking, at: &BlockLocation) -> Result<Block, BoxError> {
        let size = dtype.size();
        let (run, positions) = runs(chunks, at);
        let mut file = File::open(&self.path).map_err(at_path(&self.path))?;
        let n = positions.len() * run;
        let mut read = |bytes: &mut [u8]| {
            for (part, position) in bytes.chunks_exact_mut((run * size).max(1)).zip(&positions) {
                read_at(&mut file, part, self.offset + (position * size) as u64)?;
            }
            Ok(())
        };
        with_dtype!(dtype, T => {
            let elements = elements::<T>(n, self.swapped, &mut read).map_err(at_path(&self.path))?;
            Ok(T::into_block(ArrayD::from_shape_vec(IxDyn(&at.shape), elements)?.into_shared()))
        })
    }
}

/// An `.npy` file that blocks are written into.
#[derive(Debug, Serialize, Deserialize)]
struct NpySink {
    path: PathBuf,
}

impl ChunkSink for NpySink {
    fn name(&self) -> &'static str {
        "to_npy"
    }
    fn create(&self, array: &SinkArray) -> Result<(), BoxError> {
        // Where a worker is lost, this may happen twice: what is written stays.
        let create = || {
            let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(array.temporary(&self.path))?;
            write_at(&mut file, &header_of(array.dtype(), &array.shape()), 0)
        };
        create().map_err(at_path(&self.path))
    }
    fn write(&self, array: &SinkArray, at: &BlockLocation, block: &Block) -> Result<(), BoxError> {
        let start = header_of(array.dtype(), &array.shape()).len();
        let write = || {
            let mut file = OpenOptions::new().write(true).open(array.temporary(&self.path))?;
            let size = block.dtype().size();
            let (run, positions) = runs(array.chunking(), at);
            with_dtype!(block.dtype(), T => {
                let array = T::of_block(block).expect("the dtype is the block's own").as_standard_layout();
                let bytes = T::little_endian(array.as_slice().expect("of standard layout"));
                for (part, position) in bytes.chunks_exact((run * size).max(1)).zip(positions) {
                    write_at(&mut file, part, (start + position * size) as u64)?;
                }
                Ok(())
            })
        };
        write().map_err(at_path(&self.path))
    }
    fn finish(&self, array: &SinkArray) -> Result<(), BoxError> {
        let temporary = array.temporary(&self.path);
        let finish = || {
            File::open(&temporary)?.sync_all()?;
            fs::rename(&temporary, &self.path)
        };
        finish().map_err(at_path(&self.path))
    }
    fn abort(&self, array: &SinkArray) {
        let _ = fs::remove_file(array.temporary(&self.path));
    }
}
