//! Chunks: how the axes of an array are cut.
//!
//! ```text
//!     shape (7, 4), chunks ((3, 3, 1), (2, 2)):      grid (3, 2), six blocks
//!
//!         ┌──┬──┐
//!         │  │  │ 3         block (0, 1) holds rows 0..3, columns 2..4
//!         ├──┼──┤
//!         │  │  │ 3
//!         ├──┼──┤
//!         │  │  │ 1
//!         └──┴──┘
//!          2  2
//! ```

use std::fmt;
use std::sync::{Arc, OnceLock};

use arras_core::{Token, Tokenizer};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use crate::engine::dtype::DType;
use crate::error::{Error, Result};

/// How to cut an array: one size for all axes, a size an axis, or every chunk of every axis.
///
/// ```
/// use arras_array::{Array, Chunks};
/// let data = || ndarray::Array2::<f64>::zeros((7, 4));
/// assert_eq!(Array::from_ndarray(data(), 3)?.chunks(), [vec![3, 3, 1], vec![3, 1]]);
/// assert_eq!(Array::from_ndarray(data(), [4, 2])?.chunks(), [vec![4, 3], vec![2, 2]]);
/// assert_eq!(Array::from_ndarray(data(), Chunks::explicit([vec![5, 2], vec![4]]))?.chunks(), [vec![5, 2], vec![4]]);
/// assert!(Array::from_ndarray(data(), Chunks::explicit([vec![5, 3], vec![4]])).is_err());
/// # Ok::<(), arras_array::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunks(Spec);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Spec {
    Size(usize),
    PerAxis(Vec<usize>),
    Explicit(Vec<Vec<usize>>),
    Bytes(usize),
}

impl Chunks {
    /// Every chunk of every axis.
    pub fn explicit(axes: impl IntoIterator<Item = Vec<usize>>) -> Chunks {
        Chunks(Spec::Explicit(axes.into_iter().collect()))
    }

    /// One block, whatever the shape.
    pub fn one() -> Chunks {
        Chunks(Spec::Size(usize::MAX))
    }

    /// Blocks of about 128 MiB, cut evenly along all axes. [`Array::rechunk`](crate::Array::rechunk) makes them of whole blocks of the array, where those are smaller.
    pub fn auto() -> Chunks {
        Chunks::bytes(AUTO_NBYTES)
    }

    /// Blocks of at most so many bytes, or one element, cut evenly along all axes: as [`auto`](Chunks::auto) with a size of your own.
    ///
    /// ```
    /// use arras_array::{Array, Chunks};
    /// let x = Array::<f64>::zeros([10_000, 10_000], Chunks::auto())?;
    /// assert_eq!(x.chunks(), [vec![3334, 3333, 3333], vec![3334, 3333, 3333]]);
    /// assert_eq!(x.rechunk(Chunks::bytes(1 << 20)).numblocks(), [28, 28]);
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    pub fn bytes(nbytes: usize) -> Chunks {
        Chunks(Spec::Bytes(nbytes))
    }

    /// The cuts of a shape, for elements of eight bytes.
    pub(crate) fn of_shape(&self, shape: &[usize]) -> Result<Chunking> {
        self.of_dtype(shape, DType::F64, None)
    }

    /// The cuts of a shape. Those by size are made of whole chunks of `stored`, where there are such.
    pub(crate) fn of_dtype(&self, shape: &[usize], dtype: DType, stored: Option<&Chunking>) -> Result<Chunking> {
        let rank_error = |chunks| Error::ChunkRank { chunks, shape: shape.to_vec() };
        let sizes: Vec<usize> = match &self.0 {
            Spec::Size(size) => vec![*size; shape.len()],
            Spec::PerAxis(sizes) if sizes.len() != shape.len() => return Err(rank_error(sizes.len())),
            Spec::PerAxis(sizes) => sizes.clone(),
            Spec::Explicit(axes) => return of_chunks(axes, shape),
            Spec::Bytes(nbytes) => return of_nbytes(nbytes / dtype.size(), shape, stored),
        };
        if let Some(axis) = sizes.iter().position(|&size| size == 0) {
            return Err(Error::ChunkZero { axis });
        }
        // Counted before the chunks are listed: there may be more than memory holds.
        let counts = shape.iter().zip(&sizes).map(|(&length, &size)| length.div_ceil(size).max(1));
        let blocks = counts.fold(1usize, usize::saturating_mul);
        if blocks >= MAX_BLOCKS {
            return Err(Error::TooManyBlocks { blocks });
        }
        let cut = |(&length, &size): (&usize, &usize)| {
            let size = size.min(length.max(1));
            let mut chunks = vec![size; length / size];
            if length % size > 0 || length == 0 {
                chunks.push(length % size);
            }
            chunks
        };
        Chunking::new(shape.iter().zip(&sizes).map(cut).collect())
    }
}

/// Chunks of at most so many elements, at least one, as equal as they can be along all axes that are long enough.
fn of_nbytes(elements: usize, shape: &[usize], stored: Option<&Chunking>) -> Result<Chunking> {
    let mut sizes = vec![1usize; shape.len()];
    // The shortest axes first: what they leave over goes to the longer ones.
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_by_key(|&axis| shape[axis]);
    let mut room = elements.max(1);
    for (done, &axis) in order.iter().enumerate() {
        let edge = root(room, (shape.len() - done) as u32);
        sizes[axis] = edge.clamp(1, shape[axis].max(1));
        room = (room / sizes[axis]).max(1);
    }
    let counts = shape.iter().zip(&sizes).map(|(&length, &size)| length.div_ceil(size).max(1));
    let blocks = counts.fold(1usize, usize::saturating_mul);
    if blocks >= MAX_BLOCKS {
        return Err(Error::TooManyBlocks { blocks });
    }
    let cut = |axis: usize| {
        let (length, size) = (shape[axis], sizes[axis]);
        let whole = stored.map(|stored| &stored.axes()[axis]).filter(|chunks| chunks.iter().all(|&n| n <= size) && size < length);
        if let Some(chunks) = whole {
            // As many chunks one after another as there is room for.
            let mut merged: Vec<usize> = Vec::new();
            for &n in chunks {
                match merged.last_mut() {
                    Some(last) if *last + n <= size => *last += n,
                    _ => merged.push(n),
                }
            }
            return merged;
        }
        // As many chunks as the size asks for, the first ones an element longer than the last.
        let n = length.div_ceil(size).max(1);
        (0..n).map(|i| length / n + usize::from(i < length % n)).collect()
    };
    Chunking::new((0..shape.len()).map(cut).collect())
}

/// The largest number whose power `n` is at most `x`.
fn root(x: usize, n: u32) -> usize {
    let mut root = (x as f64).powf(1.0 / f64::from(n)) as usize + 1;
    while root > 1 && root.checked_pow(n).is_none_or(|power| power > x) {
        root -= 1;
    }
    root
}

/// Chunks that were given one by one.
fn of_chunks(axes: &[Vec<usize>], shape: &[usize]) -> Result<Chunking> {
    if axes.len() != shape.len() {
        return Err(Error::ChunkRank { chunks: axes.len(), shape: shape.to_vec() });
    }
    for (axis, (chunks, &length)) in axes.iter().zip(shape).enumerate() {
        let total = chunks.iter().try_fold(0usize, |sum, &n| sum.checked_add(n)).unwrap_or(usize::MAX);
        if total != length {
            return Err(Error::ChunkSum { axis, chunks: chunks.clone(), total, length });
        }
        if chunks.contains(&0) && chunks != &[0] {
            return Err(Error::ChunkZero { axis });
        }
    }
    Chunking::new(axes.iter().map(|chunks| if chunks.is_empty() { vec![0] } else { chunks.clone() }).collect())
}

impl From<usize> for Chunks {
    fn from(size: usize) -> Chunks {
        Chunks(Spec::Size(size))
    }
}

impl From<Vec<usize>> for Chunks {
    fn from(sizes: Vec<usize>) -> Chunks {
        Chunks(Spec::PerAxis(sizes))
    }
}

impl From<&[usize]> for Chunks {
    fn from(sizes: &[usize]) -> Chunks {
        Chunks(Spec::PerAxis(sizes.to_vec()))
    }
}

impl<const N: usize> From<[usize; N]> for Chunks {
    fn from(sizes: [usize; N]) -> Chunks {
        Chunks(Spec::PerAxis(sizes.to_vec()))
    }
}

impl From<(usize, usize)> for Chunks {
    fn from((a, b): (usize, usize)) -> Chunks {
        Chunks(Spec::PerAxis(vec![a, b]))
    }
}

impl From<(usize, usize, usize)> for Chunks {
    fn from((a, b, c): (usize, usize, usize)) -> Chunks {
        Chunks(Spec::PerAxis(vec![a, b, c]))
    }
}

impl<const N: usize> From<[Vec<usize>; N]> for Chunks {
    fn from(axes: [Vec<usize>; N]) -> Chunks {
        Chunks::explicit(axes)
    }
}

/// The size of blocks that are cut automatically, as Dask's.
pub(crate) const AUTO_NBYTES: usize = 128 << 20;

/// More blocks than a layer can number.
const MAX_BLOCKS: usize = u32::MAX as usize;

/// More elements than positions and sizes in bytes can count.
const MAX_SIZE: usize = isize::MAX as usize / 8;

/// A number of elements along each axis.
pub(crate) type Shape = SmallVec<[usize; 4]>;

/// Chunks that fit a shape: the lengths of the chunks of each axis. Shared by all that has them.
#[derive(Clone)]
pub(crate) struct Chunking(Arc<Cuts>);

struct Cuts {
    axes: Vec<Vec<usize>>,
    shape: Shape,
    /// Where each chunk starts: sums that are made once, for all blocks that ask.
    starts: OnceLock<Vec<Vec<usize>>>,
}

impl Chunking {
    pub(crate) fn new(axes: Vec<Vec<usize>>) -> Result<Chunking> {
        let lengths = axes.iter().map(|chunks| chunks.iter().try_fold(0usize, |sum, &n| sum.checked_add(n)));
        let shape: Shape = lengths.map(|length| length.unwrap_or(usize::MAX)).collect();
        let size = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n.max(1)));
        if size.is_none_or(|size| size > MAX_SIZE) {
            return Err(Error::TooLarge { shape: shape.to_vec() });
        }
        let blocks = axes.iter().try_fold(1usize, |product, chunks| product.checked_mul(chunks.len()));
        match blocks {
            Some(blocks) if blocks < MAX_BLOCKS => Ok(Chunking(Arc::new(Cuts { axes, shape, starts: OnceLock::new() }))),
            blocks => Err(Error::TooManyBlocks { blocks: blocks.unwrap_or(usize::MAX) }),
        }
    }

    pub(crate) fn axes(&self) -> &[Vec<usize>] {
        &self.0.axes
    }

    pub(crate) fn ndim(&self) -> usize {
        self.axes().len()
    }

    pub(crate) fn shape(&self) -> Shape {
        self.0.shape.clone()
    }

    /// Where the chunks of each axis start.
    pub(crate) fn starts(&self) -> &[Vec<usize>] {
        self.0.starts.get_or_init(|| self.axes().iter().map(|chunks| starts(chunks)).collect())
    }

    /// The position of a block's first element in the array.
    pub(crate) fn block_start(&self, index: &[usize]) -> Shape {
        self.starts().iter().zip(index).map(|(starts, &i)| starts[i]).collect()
    }

    /// The number of blocks along each axis.
    pub(crate) fn grid(&self) -> SmallVec<[u32; 4]> {
        self.axes().iter().map(|chunks| chunks.len() as u32).collect()
    }

    pub(crate) fn n_blocks(&self) -> usize {
        self.axes().iter().map(Vec::len).product()
    }

    /// The index of a block in the grid, from its flat position.
    pub(crate) fn index_of(&self, mut flat: u32) -> Shape {
        let mut index: Shape = SmallVec::from_elem(0, self.ndim());
        for (axis, chunks) in self.axes().iter().enumerate().rev() {
            index[axis] = flat as usize % chunks.len();
            flat /= chunks.len() as u32;
        }
        index
    }

    /// The shape of a block.
    pub(crate) fn block_shape(&self, index: &[usize]) -> Shape {
        self.axes().iter().zip(index).map(|(chunks, &i)| chunks[i]).collect()
    }

    /// A token of the cuts.
    pub(crate) fn token(&self) -> Token {
        let mut tokenizer = Tokenizer::new();
        for chunks in self.axes() {
            tokenizer.number(chunks.len() as u64);
            for &length in chunks {
                tokenizer.number(length as u64);
            }
        }
        tokenizer.finish()
    }

    /// How many blocks a step along each axis passes, in flat positions.
    pub(crate) fn strides(&self) -> SmallVec<[u32; 4]> {
        let mut strides: SmallVec<[u32; 4]> = SmallVec::from_elem(1, self.ndim());
        for axis in (1..self.ndim()).rev() {
            strides[axis - 1] = strides[axis] * self.axes()[axis].len() as u32;
        }
        strides
    }

    /// Whether all blocks have the same shape.
    pub(crate) fn is_uniform(&self) -> bool {
        self.axes().iter().all(|chunks| chunks.iter().all(|&n| n == chunks[0]))
    }
}

impl PartialEq for Chunking {
    fn eq(&self, other: &Chunking) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.axes() == other.axes()
    }
}

impl Eq for Chunking {}

impl fmt::Debug for Chunking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunking").field("axes", &self.axes()).finish()
    }
}

impl Serialize for Chunking {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.axes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Chunking {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Chunking, D::Error> {
        Chunking::new(Vec::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Where each chunk of an axis starts.
pub(crate) fn starts(chunks: &[usize]) -> Vec<usize> {
    chunks
        .iter()
        .scan(0, |next, &length| {
            let start = *next;
            *next += length;
            Some(start)
        })
        .collect()
}

/// A length cut into chunks of one size, and the rest.
pub(crate) fn even(length: usize, size: usize) -> Vec<usize> {
    if length == 0 {
        return vec![0];
    }
    let mut chunks = vec![size; length / size];
    chunks.extend(Some(length % size).filter(|&rest| rest > 0));
    chunks
}

/// The coarsest chunks that both cut at every place where one of them cuts.
pub(crate) fn refine(a: &[usize], b: &[usize]) -> Vec<usize> {
    let mut refined = Vec::with_capacity(a.len().max(b.len()));
    let (mut a, mut b) = (a.iter().copied(), b.iter().copied());
    let (mut left, mut right) = (a.next(), b.next());
    while let (Some(l), Some(r)) = (left, right) {
        let n = l.min(r);
        refined.push(n);
        left = if l > n { Some(l - n) } else { a.next() };
        right = if r > n { Some(r - n) } else { b.next() };
    }
    refined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_cut_evenly_with_a_rest() {
        let cut = |chunks: Chunks, shape: &[usize]| chunks.of_shape(shape).map(|chunking| chunking.axes().to_vec());
        assert_eq!(cut(3.into(), &[7]).unwrap(), [vec![3, 3, 1]]);
        assert_eq!(cut(10.into(), &[7]).unwrap(), [vec![7]]);
        assert_eq!(cut(3.into(), &[0]).unwrap(), [vec![0]]);
        assert_eq!(cut(3.into(), &[]).unwrap(), Vec::<Vec<usize>>::new());
        assert_eq!(cut(0.into(), &[7]), Err(Error::ChunkZero { axis: 0 }));
        assert_eq!(cut([2, 2].into(), &[7]), Err(Error::ChunkRank { chunks: 2, shape: vec![7] }));
        assert_eq!(cut([vec![3, 0, 4]].into(), &[7]), Err(Error::ChunkZero { axis: 0 }));
        assert_eq!(cut([vec![3, 3]].into(), &[7]), Err(Error::ChunkSum { axis: 0, chunks: vec![3, 3], total: 6, length: 7 }));
        assert!(matches!(cut(1000.into(), &[1 << 40, 1 << 20]), Err(Error::TooManyBlocks { .. })));
    }

    #[test]
    fn starts_are_made_once_for_all_blocks_and_clones() {
        let chunks = Chunking::new(vec![vec![3, 3, 1], vec![0], vec![2, 0, 5]]).unwrap();
        let clone = chunks.clone();
        assert_eq!(chunks.starts(), [vec![0, 3, 6], vec![0], vec![0, 2, 2]]);
        assert!(std::ptr::eq(chunks.starts(), clone.starts()));
        assert_eq!(chunks.block_start(&[2, 0, 2]).as_slice(), [6, 0, 2]);
    }

    #[test]
    fn a_refinement_cuts_where_either_cuts() {
        assert_eq!(refine(&[3, 3, 1], &[2, 5]), [2, 1, 3, 1]);
        assert_eq!(refine(&[7], &[7]), [7]);
        assert_eq!(refine(&[0], &[0]), [0]);
    }
}
