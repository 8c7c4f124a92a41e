//! Blocks put together from elements that stand elsewhere, one map an axis.
//!
//! ```text
//!     result[i, j] = input[rows(i), columns(j)]          a map is a list of runs:
//!
//!     roll by 2      3..7, 0..3                          positions from a start on, some steps apart, each once or more
//!     pad, reflect   2, 1, 0..7, 5, 4
//!     repeat by 2    0 0 1 1 2 2 …
//!     pad, constant  nothing, 0..7, nothing              or no positions: the fill value
//! ```
//! A block of the result reads the blocks that its positions lie in, and no others. Where all of it lies in one, in even steps, it is a view.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arras_core::{BoxError, Func, GridBuilder, Inputs, Kernel, Layer, Name, Sizes, Token, Tokenizer, Value};
use ndarray::{ArrayViewD, ArrayViewMutD, Axis, Slice};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::engine::block::{Block, filled};
use crate::engine::blockwise::{BlockOp, node};
use crate::engine::chunks::{Chunking, Shape, even, starts};
use crate::engine::dtype::{DType, Element, Scalar, with_dtype};
use crate::engine::expr::Expr;
use crate::engine::lower::{each_block, sizes};
use crate::error::Result;

/// Positions along an axis, or places that have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// `count` positions from `start` on, `step` apart, each `each` times.
    Take { start: usize, step: isize, count: usize, each: usize },
    /// So many places of the fill value.
    Fill(usize),
}

impl Run {
    /// Positions that follow each other.
    pub(crate) fn range(positions: std::ops::Range<usize>) -> Run {
        Run::Take { start: positions.start, step: 1, count: positions.len(), each: 1 }
    }

    /// One position, so many times.
    pub(crate) fn repeated(position: usize, each: usize) -> Run {
        Run::Take { start: position, step: 1, count: 1, each }
    }

    /// Positions that follow each other, backwards.
    pub(crate) fn backwards(positions: std::ops::Range<usize>) -> Run {
        let start = positions.end.saturating_sub(1);
        Run::Take { start, step: -1, count: positions.len(), each: 1 }
    }

    pub(crate) fn len(&self) -> usize {
        match *self {
            Run::Take { count, each, .. } => count.saturating_mul(each),
            Run::Fill(n) => n,
        }
    }
}

/// Positions one by one as runs: those that follow each other are one.
pub(crate) fn runs_of(positions: impl IntoIterator<Item = usize>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for position in positions {
        match runs.last_mut() {
            Some(Run::Take { start, count, .. }) if *start + *count == position => *count += 1,
            _ => runs.push(Run::range(position..position + 1)),
        }
    }
    runs
}

/// Elements of an input at the positions that the maps say, one map for each axis.
pub(crate) fn gather(
    operation: &'static str,
    input: &Arc<Expr>,
    maps: Vec<Vec<Run>>,
    chunks: Vec<Vec<usize>>,
    fill: Scalar,
) -> Result<Arc<Expr>> {
    let chunks = Chunking::new(chunks)?;
    let mut tokenizer = Tokenizer::new();
    for map in &maps {
        tokenizer.number(map.len() as u64);
        for run in map {
            match *run {
                Run::Take { start, step, count, each } => {
                    tokenizer.number(start as u64).number(step as u64).number(count as u64).number(each as u64)
                }
                Run::Fill(n) => tokenizer.number(u64::MAX).number(n as u64),
            };
        }
    }
    let op = Gather { operation, token: tokenizer.finish(), maps, fill };
    Ok(node(operation, input.dtype, chunks, op, std::slice::from_ref(input)))
}

/// Elements of an input along one axis, the other axes as they are. `fill` is the type's default.
pub(crate) fn gather_axis(
    operation: &'static str,
    input: &Arc<Expr>,
    axis: usize,
    runs: Vec<Run>,
    chunks: Vec<usize>,
) -> Result<Arc<Expr>> {
    let mut maps: Vec<Vec<Run>> = input.shape().iter().map(|&length| whole(length)).collect();
    let mut axes = input.chunks.axes().to_vec();
    maps[axis] = runs;
    axes[axis] = chunks;
    gather(operation, input, maps, axes, zero(input.dtype))
}

/// The map that leaves an axis as it is.
pub(crate) fn whole(length: usize) -> Vec<Run> {
    vec![Run::range(0..length)]
}

/// A type's zero.
pub(crate) fn zero(dtype: DType) -> Scalar {
    with_dtype!(dtype, T => T::default().into_scalar())
}

/// Chunks for the places of a map: those that come from one chunk stay together, unless that makes many small ones of an axis without order.
pub(crate) fn natural_chunks(runs: &[Run], chunks: &[usize]) -> Vec<usize> {
    let total: usize = runs.iter().map(Run::len).sum();
    if total == 0 {
        return vec![0];
    }
    let largest = chunks.iter().copied().max().unwrap_or(1).max(1);
    let most = 2 * total.div_ceil(largest) + 2 * chunks.len();
    let starts = starts(chunks);
    let mut cut: Vec<usize> = Vec::new();
    // Which chunk the last piece is from.
    let mut last = None;
    for run in runs {
        let mut push = |chunk: Option<usize>, n: usize| {
            if chunk == last && cut.last().is_some_and(|last: &usize| last + n <= largest) {
                *cut.last_mut().expect("there is a piece") += n;
            } else {
                cut.extend(std::iter::repeat_n(largest, n / largest));
                cut.extend(Some(n % largest).filter(|&rest| rest > 0));
            }
            last = chunk;
            cut.len() <= most
        };
        let fine = match *run {
            Run::Fill(0) => true,
            Run::Fill(n) => push(None, n),
            Run::Take { start, step, count, each } => {
                let (mut position, mut left, mut fine) = (start, count, true);
                while left > 0 && each > 0 && fine {
                    let chunk = starts.partition_point(|&first| first <= position) - 1;
                    let n = fit(position, step, starts[chunk], chunks[chunk]).min(left);
                    fine = push(Some(chunk), n * each);
                    left -= n;
                    position = position.wrapping_add_signed(step * n as isize);
                }
                fine
            }
        };
        if !fine {
            return even(total, largest);
        }
    }
    cut
}

/// How many positions from one on stay in a chunk.
fn fit(position: usize, step: isize, chunk_start: usize, chunk_length: usize) -> usize {
    let local = position - chunk_start;
    if step > 0 { (chunk_length - local).div_ceil(step as usize) } else { local / step.unsigned_abs() + 1 }
}

struct Gather {
    operation: &'static str,
    maps: Vec<Vec<Run>>,
    /// Stands for the maps.
    token: Token,
    fill: Scalar,
}

impl fmt::Debug for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gather({:032x}, {:?})", self.token.bits(), self.fill)
    }
}

impl BlockOp for Gather {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let plan = Plan { operation: self.operation, maps: &self.maps, chunks: expr.chunks.axes(), fill: self.fill };
        vec![gather_layer(expr.name.clone(), &inputs[0], &plan, &expr.chunks.grid(), sizes(expr), &Func::kernel)]
    }
}

/// What a layer of gathered blocks is made from.
pub(crate) struct Plan<'a> {
    pub(crate) operation: &'static str,
    pub(crate) maps: &'a [Vec<Run>],
    /// The lengths of the gathered blocks.
    pub(crate) chunks: &'a [Vec<usize>],
    pub(crate) fill: Scalar,
}

/// A layer whose tasks gather a block each; `func` says what they do with it. The layer's grid may have further axes, of one block.
pub(crate) fn gather_layer(
    name: Name,
    input: &Expr,
    plan: &Plan<'_>,
    layer_grid: &[u32],
    sizes: Sizes,
    func: &dyn Fn(GatherKernel) -> Func,
) -> Layer {
    let axes: Vec<Vec<AxisBlock>> =
        plan.maps.iter().zip(plan.chunks).zip(input.chunks.axes()).map(|((map, new), old)| axis_blocks(map, new, old)).collect();
    // Long lists of positions go to the tasks that need them, a function for each chunk along their axis.
    let has_list = |blocks: &Vec<AxisBlock>| blocks.iter().any(|block| block.sources.iter().any(|(_, source)| !source.list.is_empty()));
    let by = axes.iter().position(has_list);
    let grid: SmallVec<[u32; 4]> = axes.iter().map(|blocks| blocks.len() as u32).collect();
    let chunks: Vec<Vec<Vec<u32>>> = axes
        .iter()
        .map(|blocks| blocks.iter().map(|block| block.sources.iter().map(|(chunk, _)| *chunk as u32).collect()).collect())
        .collect();
    let mut layer = GridBuilder::new(name, layer_grid);
    let kernel = |axes: Vec<Arc<Vec<AxisBlock>>>| GatherKernel {
        operation: plan.operation.into(),
        dtype: input.dtype,
        fill: plan.fill,
        grid: grid.clone(),
        by,
        axes,
    };
    let mut axes: Vec<Arc<Vec<AxisBlock>>> = axes.into_iter().map(Arc::new).collect();
    let funcs: Vec<u32> = match by {
        None => vec![layer.func(func(kernel(axes)))],
        Some(by) => {
            let own = std::mem::take(&mut axes[by]);
            let own = Arc::into_inner(own).expect("not shared yet");
            let one = |block| {
                let mut axes = axes.clone();
                axes[by] = Arc::new(vec![block]);
                func(kernel(axes))
            };
            own.into_iter().map(one).map(|func| layer.func(func)).collect()
        }
    };
    let from = layer.depends_on(input.name.clone());
    let strides = input.chunks.strides();
    let mut flats: Vec<u32> = Vec::new();
    let places = Chunking::new(chunks.iter().map(|blocks| vec![1; blocks.len()]).collect()).expect("as many blocks as the node has");
    each_block(&places, |index| {
        flats.clear();
        flats.push(0);
        for (axis, &i) in index.iter().enumerate() {
            let (touched, stride) = (&chunks[axis][i as usize], strides[axis]);
            flats = flats.iter().flat_map(|flat| touched.iter().map(move |chunk| flat + chunk * stride)).collect();
        }
        layer.call(by.map_or(funcs[0], |by| funcs[index[by] as usize]), flats.iter().map(|&flat| (from, flat)));
    });
    layer.sizes(sizes);
    layer.build()
}

/// What a block takes along an axis.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AxisBlock {
    /// Its length.
    length: usize,
    /// For each input chunk that it touches, in their order, the elements that it takes.
    sources: Vec<(usize, Source)>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Source {
    pieces: Vec<Piece>,
    /// Single elements: to, from.
    list: Vec<(u32, u32)>,
}

/// Place `to + i`, for `i` below `n`, is element `from + step · ((i + phase) / each)` of the chunk.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Piece {
    to: usize,
    from: usize,
    step: isize,
    n: usize,
    each: usize,
    phase: usize,
}

/// More single elements of one chunk than this are a list.
const FEW: usize = 4;

fn axis_blocks(map: &[Run], new: &[usize], old: &[usize]) -> Vec<AxisBlock> {
    let starts = starts(old);
    let (mut run, mut used) = (0, 0);
    let mut block = |length: usize| {
        let mut pieces: Vec<(usize, Piece)> = Vec::new();
        let mut to = 0;
        while to < length {
            let rest = map[run].len() - used;
            if rest == 0 {
                (run, used) = (run + 1, 0);
                continue;
            }
            let mut n = rest.min(length - to);
            if let Run::Take { start, step, each, .. } = map[run] {
                let (k, phase) = (used / each, used % each);
                let position = start.wrapping_add_signed(step * k as isize);
                let chunk = starts.partition_point(|&first| first <= position) - 1;
                let fits = fit(position, step, starts[chunk], old[chunk]).saturating_mul(each) - phase;
                n = n.min(fits);
                pieces.push((chunk, Piece { to, from: position - starts[chunk], step, n, each, phase }));
            }
            (to, used) = (to + n, used + n);
        }
        pieces.sort_by_key(|(chunk, _)| *chunk);
        let mut sources: Vec<(usize, Source)> = Vec::new();
        for group in pieces.chunk_by(|a, b| a.0 == b.0) {
            let single = |piece: &Piece| piece.n == 1;
            let many = group.iter().filter(|(_, piece)| single(piece)).count() > FEW
                && length <= u32::MAX as usize
                && old[group[0].0] <= u32::MAX as usize;
            let mut source = Source::default();
            for (_, piece) in group {
                if many && single(piece) {
                    source.list.push((piece.to as u32, piece.from as u32));
                } else {
                    source.pieces.push(*piece);
                }
            }
            sources.push((group[0].0, source));
        }
        AxisBlock { length, sources }
    };
    new.iter().map(|&length| block(length)).collect()
}

/// Gathers a block from its inputs, which come in row-major order of the chunks touched along each axis.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GatherKernel {
    operation: Cow<'static, str>,
    dtype: DType,
    fill: Scalar,
    /// The blocks of the layer along each axis.
    grid: SmallVec<[u32; 4]>,
    /// The axis of which only one block is here.
    by: Option<usize>,
    axes: Vec<Arc<Vec<AxisBlock>>>,
}

impl Kernel for GatherKernel {
    fn name(&self) -> Cow<'static, str> {
        self.operation.clone()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        Ok(Value::measured(self.block(inputs)?))
    }
}

impl GatherKernel {
    /// The operation's name.
    pub(crate) fn operation(&self) -> Cow<'static, str> {
        self.operation.clone()
    }

    /// The index of a block in the grid.
    pub(crate) fn index_of(&self, mut flat: u32) -> Shape {
        let mut index: Shape = SmallVec::from_elem(0, self.grid.len());
        for (i, &n) in index.iter_mut().zip(&self.grid).rev() {
            *i = (flat % n) as usize;
            flat /= n;
        }
        index
    }

    /// The block of a task.
    pub(crate) fn block(&self, inputs: &Inputs<'_>) -> Result<Block, BoxError> {
        let index = self.index_of(inputs.block());
        let axes: Vec<&AxisBlock> = self
            .axes
            .iter()
            .zip(&index)
            .enumerate()
            .map(|(axis, (blocks, &i))| if self.by == Some(axis) { &blocks[0] } else { &blocks[i] })
            .collect();
        with_dtype!(self.dtype, T => Ok(T::into_block(gather_block::<T>(&axes, T::of_scalar(self.fill), inputs)?)))
    }
}

fn gather_block<T: Element>(axes: &[&AxisBlock], fill: T, inputs: &Inputs<'_>) -> Result<ndarray::ArcArray<T, ndarray::IxDyn>, BoxError> {
    if let Some(pieces) = one_view(axes) {
        let mut block = crate::engine::blockwise::block::<T>(inputs, 0)?.clone();
        for (axis, piece) in pieces.into_iter().enumerate() {
            block.slice_axis_inplace(Axis(axis), slice_of(&piece));
        }
        return Ok(block);
    }
    let shape: Vec<usize> = axes.iter().map(|block| block.length).collect();
    let mut result = filled(&shape, fill);
    let counts: Vec<usize> = axes.iter().map(|block| block.sources.len()).collect();
    for (i, places) in ndarray::indices(counts).into_iter().enumerate() {
        let block = crate::engine::blockwise::block::<T>(inputs, i)?;
        let sources: Vec<Vec<Section<'_>>> = axes.iter().enumerate().map(|(axis, a)| sections(&a.sources[places[axis]].1)).collect();
        let counts: Vec<usize> = sources.iter().map(Vec::len).collect();
        for chosen in ndarray::indices(counts) {
            let (mut target, mut source) = (result.view_mut(), block.view());
            let mut lists: SmallVec<[Listed<'_>; 2]> = SmallVec::new();
            for (axis, sections) in sources.iter().enumerate() {
                match &sections[chosen[axis]] {
                    Section::Range(piece) => {
                        target.slice_axis_inplace(Axis(axis), Slice::from(piece.to..piece.to + piece.n));
                        source.slice_axis_inplace(Axis(axis), slice_of(piece));
                    }
                    Section::List(list) => lists.push((axis, list)),
                }
            }
            copy(target, source, &lists);
        }
    }
    Ok(result.into_shared())
}

/// The piece of each axis, if all of the block lies in one block of the input.
fn one_view(axes: &[&AxisBlock]) -> Option<Vec<Piece>> {
    axes.iter()
        .map(|block| match block.sources.as_slice() {
            [(_, Source { pieces, list })] if list.is_empty() => match pieces.as_slice() {
                [piece] if piece.n == block.length && (piece.each == 1 || piece.n == 1) => Some(*piece),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// The elements of a piece that takes each once.
fn slice_of(piece: &Piece) -> Slice {
    let (first, span) = (piece.from as isize, (piece.n as isize - 1) * piece.step);
    if piece.step > 0 {
        Slice::new(first, Some(first + span + 1), piece.step)
    } else {
        Slice::new(first + span, Some(first + 1), piece.step)
    }
}

enum Section<'a> {
    Range(&'a Piece),
    List(Cow<'a, [(u32, u32)]>),
}

fn sections(source: &Source) -> Vec<Section<'_>> {
    let mut sections = Vec::with_capacity(source.pieces.len() + 1);
    if !source.list.is_empty() {
        sections.push(Section::List(Cow::Borrowed(&source.list)));
    }
    for piece in &source.pieces {
        if piece.each == 1 || piece.n == 1 {
            sections.push(Section::Range(piece));
            continue;
        }
        let from = |i: usize| piece.from.wrapping_add_signed(piece.step * ((i + piece.phase) / piece.each) as isize) as u32;
        sections.push(Section::List((0..piece.n).map(|i| ((piece.to + i) as u32, from(i))).collect()));
    }
    sections
}

/// An axis, and its elements one by one: to, from.
type Listed<'a> = (usize, &'a [(u32, u32)]);

/// Copies elements: those of the listed axes one by one, the others as they stand.
fn copy<T: Copy>(mut target: ArrayViewMutD<'_, T>, source: ArrayViewD<'_, T>, lists: &[Listed<'_>]) {
    let Some((&(axis, list), rest)) = lists.split_first() else {
        target.assign(&source);
        return;
    };
    if rest.is_empty() && axis + 1 == target.ndim() {
        for (mut target, source) in target.lanes_mut(Axis(axis)).into_iter().zip(source.lanes(Axis(axis))) {
            list.iter().for_each(|&(to, from)| target[to as usize] = source[from as usize]);
        }
        return;
    }
    for &(to, from) in list {
        let one = |i: u32| Slice::from(i as usize..i as usize + 1);
        copy(target.slice_axis_mut(Axis(axis), one(to)), source.slice_axis(Axis(axis), one(from)), rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_that_follow_each_other_are_one_run() {
        assert_eq!(runs_of([3, 4, 5, 0, 1, 7]), [Run::range(3..6), Run::range(0..2), Run::range(7..8)]);
        assert_eq!(runs_of([]), []);
    }

    #[test]
    fn chunks_follow_those_of_the_input_while_they_can() {
        assert_eq!(natural_chunks(&[Run::range(3..7), Run::range(0..3)], &[3, 3, 1]), [3, 1, 3]);
        assert_eq!(natural_chunks(&[Run::Take { start: 0, step: 1, count: 4, each: 2 }], &[2, 2]), [2, 2, 2, 2]);
        // A shuffle would be cut to pieces.
        assert_eq!(natural_chunks(&runs_of((0..100).map(|i| i * 37 % 100)), &[50, 50]), [50, 50]);
        assert_eq!(natural_chunks(&[], &[3]), [0]);
    }
}
