//! Folding tiles into the elements of a reduction, in an order that nothing changes.
//!
//! ```text
//!     block, row-major:    ├──────── tile ────────┼──────── tile ────────┼── …
//!     reduced last axis:   ├ run ┼ run ┼ run ┼ r ┼ un ┼ …     each run folds into one element, in 8 lanes
//!     kept last axis:      ├ run ┼ run ┼ …                    each run is added to as many elements, one by one
//! ```
//! Tiles are cut the same whatever is fused, lanes are eight on every processor, and blocks meet in a fixed tree: the bits of a sum depend on shape and chunks alone.

use std::any::Any;
use std::marker::PhantomData;

use arras_core::{BoxError, Inputs, Kernel, Measure, Value};
use ndarray::{ArrayD, IxDyn};
use pulp::Arch;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::engine::block::Block;
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{
    Complex64, DType, Element, Float, Number, Ordered, with_dtype, with_float, with_inexact, with_number, with_ordered,
};
use crate::engine::moments::{MomentFolder, Moments, Statistic, merge_states, parts_of};
use crate::engine::position::{Keyed, PositionFolder, merge_positions, positions};
use crate::engine::program::Program;
use crate::engine::tile::{count, execute};
use crate::reductions::reduce::ReduceOp;

pub(crate) const LANES: usize = 8;

/// A way to fold elements, chosen by the compiler: an associative function and what it leaves as it is.
pub(crate) trait Fold<A>: Copy {
    fn identity() -> A;
    fn fold(a: A, x: A) -> A;
    /// Of two results of folding.
    #[inline(always)]
    fn merge(a: A, b: A) -> A {
        Self::fold(a, b)
    }
}

macro_rules! folds {
    ($($name:ident $bound:ident $identity:expr, |$a:ident, $x:ident| $body:expr $(, |$b:ident, $y:ident| $merge:expr)?;)*) => { $(
        #[derive(Debug, Clone, Copy)]
        pub(crate) struct $name;
        impl<A: $bound> Fold<A> for $name {
            #[inline(always)]
            fn identity() -> A {
                $identity
            }
            #[inline(always)]
            fn fold($a: A, $x: A) -> A {
                $body
            }
            $(
                #[inline(always)]
                fn merge($b: A, $y: A) -> A {
                    $merge
                }
            )?
        }
    )* };
}
folds! {
    Sum Number A::default(), |a, x| a.plus(x);
    Min Ordered A::LARGEST, |a, x| if x < a || x.is_nan() { x } else { a };
    Max Ordered A::SMALLEST, |a, x| if x > a || x.is_nan() { x } else { a };
    Product Number A::cast_from(1u8), |a, x| a.times(x);
    // What is not a number in a result, as infinities met, stays.
    NanSum Number A::default(), |a, x| if x.is_nan() { a } else { a.plus(x) }, |a, b| a.plus(b);
    NanProduct Number A::cast_from(1u8), |a, x| if x.is_nan() { a } else { a.times(x) }, |a, b| a.times(b);
    NanMin Float A::nan(), |a, x| if x < a || Element::is_nan(a) { x } else { a };
    NanMax Float A::nan(), |a, x| if x > a || Element::is_nan(a) { x } else { a };
}

/// Folds a run into one value.
#[inline(always)]
fn fold_run<T: Element, A: Element, F: Fold<A>>(run: &[T]) -> A {
    let mut lanes = [F::identity(); LANES];
    let chunks = run.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = F::fold(*lane, A::cast_from(x));
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = F::fold(*lane, A::cast_from(x));
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    F::merge(F::merge(F::merge(a, b), F::merge(c, d)), F::merge(F::merge(e, f), F::merge(g, h)))
}

/// How many are true.
#[inline(always)]
fn count_run(run: &[bool]) -> i64 {
    // Bytes are added as bytes, a hundred at a time, which no byte overflows.
    run.chunks(128).map(|part| i64::from(part.iter().map(|&x| u8::from(x)).sum::<u8>())).sum()
}

/// The way through a block in row-major order, in runs: the parts of tiles that lie in one row and are folded into one element, or into as many side by side.
pub(crate) struct Runs {
    /// Lengths of the axes, neighbours of one kind made one, and how far a step goes among the kept elements: 0 for reduced axes.
    axes: SmallVec<[(usize, usize); 4]>,
    /// The number of kept elements.
    pub(crate) kept: usize,
    at: usize,
}

/// A part of a tile.
pub(crate) struct Run {
    /// The first kept element that it concerns.
    pub(crate) place: usize,
    /// The position of its first element in the block.
    pub(crate) at: usize,
    pub(crate) length: usize,
    /// Whether all of it is folded into one element.
    pub(crate) folds: bool,
}

impl Runs {
    /// With a mask all axes are reduced, and each tile, of however many elements were picked, is a run.
    pub(crate) fn new(shape: &[usize], reduced: &[bool], masked: bool) -> Runs {
        let mut axes: SmallVec<[(usize, usize); 4]> = SmallVec::new();
        let mut kept = 1;
        let mut last = None;
        if masked {
            return Runs { axes: SmallVec::from_slice(&[(usize::MAX, 0)]), kept, at: 0 };
        }
        for (&length, &is_reduced) in shape.iter().zip(reduced).rev().filter(|(length, _)| **length != 1) {
            match axes.last_mut() {
                Some((merged, _)) if last == Some(is_reduced) => *merged *= length,
                _ => axes.push((length, if is_reduced { 0 } else { kept })),
            }
            if !is_reduced {
                kept *= length;
            }
            last = Some(is_reduced);
        }
        if axes.is_empty() {
            axes.push((1, 0));
        }
        axes.reverse();
        Runs { axes, kept, at: 0 }
    }

    /// The next run, of the `n` elements, at least one, that are there.
    pub(crate) fn next(&mut self, n: usize) -> Run {
        let &(row_length, step) = self.axes.last().expect("there is one axis at least");
        let column = self.at % row_length;
        let (row, length) = (self.row_place(self.at / row_length), (row_length - column).min(n));
        let run = Run { place: if step == 0 { row } else { row + column }, at: self.at, length, folds: step == 0 };
        self.at += length;
        run
    }

    /// Where the elements of a row start.
    fn row_place(&self, mut row: usize) -> usize {
        let mut place = 0;
        for &(length, step) in self.axes[..self.axes.len() - 1].iter().rev() {
            place += step * (row % length);
            row /= length;
        }
        place
    }
}

/// Folds the tiles of a block into the elements that the reduction keeps.
pub(crate) struct Folder<A, F> {
    marker: PhantomData<F>,
    runs: Runs,
    elements: Vec<A>,
    arch: Arch,
}

impl<A: Element, F: Fold<A>> Folder<A, F> {
    pub(crate) fn new(shape: &[usize], reduced: &[bool], masked: bool) -> Folder<A, F> {
        let runs = Runs::new(shape, reduced, masked);
        let elements = vec![F::identity(); runs.kept];
        Folder { marker: PhantomData, runs, elements, arch: Arch::new() }
    }

    pub(crate) fn consume<T: Element>(&mut self, mut tile: &[T]) {
        let arch = self.arch;
        while !tile.is_empty() {
            let run = self.runs.next(tile.len());
            let (part, rest) = tile.split_at(run.length);
            if run.folds {
                let folded = arch.dispatch(
                    #[inline(always)]
                    || fold_run::<T, A, F>(part),
                );
                self.elements[run.place] = F::merge(self.elements[run.place], folded);
            } else {
                let elements = &mut self.elements[run.place..run.place + run.length];
                arch.dispatch(
                    #[inline(always)]
                    || elements.iter_mut().zip(part).for_each(|(a, &x)| *a = F::fold(*a, A::cast_from(x))),
                );
            }
            tile = rest;
        }
    }

    pub(crate) fn finish(self) -> Vec<A> {
        self.elements
    }
}

impl<F: Fold<i64>> Folder<i64, F> {
    /// As [`consume`](Folder::consume), for counting.
    pub(crate) fn consume_bools(&mut self, tile: &[bool]) {
        if self.runs.axes.len() == 1 && self.runs.axes[0].1 == 0 {
            self.elements[0] += self.arch.dispatch(
                #[inline(always)]
                || count_run(tile),
            );
        } else {
            self.consume(tile);
        }
    }
}

/// Which axes a reduction keeps in the shape of its result.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Finish {
    /// The axes that are reduced.
    pub(crate) reduced: SmallVec<[bool; 4]>,
    /// Whether they stay, with length 1.
    pub(crate) keep: bool,
    /// Whether this is the last round, which makes the result of the states.
    pub(crate) last: bool,
}

impl Finish {
    pub(crate) fn shape(&self, block: &[usize]) -> SmallVec<[usize; 4]> {
        block
            .iter()
            .zip(&self.reduced)
            .filter(|(_, reduced)| self.keep || !**reduced)
            .map(|(&length, &reduced)| if reduced { 1 } else { length })
            .collect()
    }
}

/// The partial results of several reductions of one block.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Partials(pub(crate) Vec<Block>);

impl Measure for Partials {
    fn nbytes(&self) -> usize {
        self.0.iter().map(Measure::nbytes).sum()
    }
}

/// Folds blocks of partial results, element by element, in the order of the inputs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CombineKernel {
    pub(crate) op: ReduceOp,
    pub(crate) dtype: DType,
    /// Which of each input's blocks, where those are [`Partials`] of several reductions.
    pub(crate) which: u32,
    /// For the last round: the shape to leave, from that of the inputs, whose reduced axes have length 1.
    pub(crate) finish: Option<Finish>,
}

impl Kernel for CombineKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        self.op.name().into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let other = || Err(format!("no {} of {}", self.op.name(), self.dtype).into());
        match self.op {
            ReduceOp::Sum => with_number!(self.dtype, A => self.combine::<A>(inputs, each::<A, Sum>), other()),
            ReduceOp::Product => with_number!(self.dtype, A => self.combine::<A>(inputs, each::<A, Product>), other()),
            ReduceOp::Min | ReduceOp::All => with_ordered!(self.dtype, A => self.combine::<A>(inputs, each::<A, Min>), other()),
            ReduceOp::Max | ReduceOp::Any => with_ordered!(self.dtype, A => self.combine::<A>(inputs, each::<A, Max>), other()),
            ReduceOp::NanSum => with_inexact!(self.dtype, A => self.combine::<A>(inputs, each::<A, NanSum>), other()),
            ReduceOp::NanProduct => with_inexact!(self.dtype, A => self.combine::<A>(inputs, each::<A, NanProduct>), other()),
            ReduceOp::NanMin => with_float!(self.dtype, A => self.combine::<A>(inputs, each::<A, NanMin>), other()),
            ReduceOp::NanMax => with_float!(self.dtype, A => self.combine::<A>(inputs, each::<A, NanMax>), other()),
            ReduceOp::Position { .. } => self.combine::<i64>(inputs, merge_positions),
            ReduceOp::Moments(moments) => {
                let width = usize::from(moments.order) + 2;
                self.combine::<f64>(inputs, |states, others| merge_states(states, others, width))
            }
        }
    }
}

/// Folds elements with others, one by one.
fn each<A: Element, F: Fold<A>>(elements: &mut [A], others: &[A]) {
    elements.iter_mut().zip(others).for_each(|(a, &x)| *a = F::merge(*a, x));
}

impl CombineKernel {
    fn combine<A: Element>(&self, inputs: &Inputs<'_>, fold: impl Fn(&mut [A], &[A])) -> Result<Value, BoxError> {
        let block = |i| {
            let block = match inputs.get::<Partials>(i) {
                Ok(Partials(blocks)) => blocks.get(self.which as usize).ok_or_else(|| BoxError::from("too few partial results"))?,
                Err(_) => inputs.get::<Block>(i)?,
            };
            A::of_block(block).ok_or_else(|| BoxError::from(format!("a block that is not of {}", self.dtype)))
        };
        let first = block(0)?;
        let mut elements: Vec<A> = first.iter().copied().collect();
        for i in 1..inputs.len() {
            let next = block(i)?;
            if next.shape() != first.shape() {
                return Err(format!("partial results of shapes {:?} and {:?}", first.shape(), next.shape()).into());
            }
            let next = next.as_standard_layout();
            fold(&mut elements, next.as_slice().expect("of standard layout"));
        }
        let shape = match self.op.is_stateful() {
            true => &first.shape()[..first.ndim() - 1],
            false => first.shape(),
        };
        match &self.finish {
            Some(finish) => finish.block(self.op, elements, shape),
            None => Ok(A::into_block(ArrayD::from_shape_vec(first.raw_dim(), elements)?.into_shared())),
        }
        .map(Value::measured)
    }
}

impl Finish {
    /// A block of folded elements or states, given the shape of the block that was folded, or that of partial results without their states' axis.
    fn block<A: Element>(&self, op: ReduceOp, elements: Vec<A>, shape: &[usize]) -> Result<Block, BoxError> {
        let mut shape = self.shape(shape);
        let block = |shape: &[usize], elements| -> Result<Block, BoxError> {
            Ok(A::into_block(ArrayD::from_shape_vec(IxDyn(shape), elements)?.into_shared()))
        };
        if !op.is_stateful() {
            return block(&shape, elements);
        }
        let kept: usize = shape.iter().product();
        let keep = !self.last || matches!(op, ReduceOp::Moments(Moments { statistic: Statistic::State, .. }));
        let result = shape.clone();
        let width = || if let ReduceOp::Moments(moments) = op { moments.width(DType::F64) } else { 2 };
        shape.push(elements.len().checked_div(kept).unwrap_or_else(width));
        let states = block(&shape, elements)?;
        if keep {
            return Ok(states);
        }
        match (op, &states) {
            (ReduceOp::Position { skip_nan, .. }, Block::I64(states)) => {
                let states = states.as_slice().expect("just made, in row-major order");
                Ok(i64::into_block(ArrayD::from_shape_vec(IxDyn(&result), positions(op.name(), states, skip_nan)?)?.into_shared()))
            }
            (ReduceOp::Moments(moments), Block::F64(states)) => moments.finish(&states.to_owned(), &result),
            _ => Err(format!("states of {} for {}", states.dtype(), op.name()).into()),
        }
    }
}

/// A reduction in the making: tiles in, a block out.
trait Folding<T> {
    fn consume(&mut self, tile: &[T]);
    fn finish(self: Box<Self>, at: &Place<'_>) -> Result<Block, BoxError>;
}

/// Which block it is that is folded.
struct Place<'a> {
    shape: &'a [usize],
    /// The index of its first element in the array.
    start: &'a [usize],
    /// The array's.
    chunks: &'a Chunking,
}

/// A folder, and what becomes of its elements.
struct Into<F> {
    op: ReduceOp,
    finish: Finish,
    folder: F,
}

impl<T: Element, A: Element, F: Fold<A>> Folding<T> for Into<Folder<A, F>> {
    fn consume(&mut self, tile: &[T]) {
        self.folder.consume(tile);
    }
    fn finish(self: Box<Self>, at: &Place<'_>) -> Result<Block, BoxError> {
        self.finish.block(self.op, self.folder.finish(), at.shape)
    }
}

/// How many are true.
struct Trues(Folder<i64, Sum>);

impl Folding<bool> for Into<Trues> {
    fn consume(&mut self, tile: &[bool]) {
        self.folder.0.consume_bools(tile);
    }
    fn finish(self: Box<Self>, at: &Place<'_>) -> Result<Block, BoxError> {
        self.finish.block(self.op, self.folder.0.finish(), at.shape)
    }
}

impl<T: Keyed> Folding<T> for Into<PositionFolder> {
    fn consume(&mut self, tile: &[T]) {
        self.folder.consume(tile);
    }
    fn finish(self: Box<Self>, at: &Place<'_>) -> Result<Block, BoxError> {
        let elements = self.folder.finish(at.shape, at.start, &at.chunks.shape(), &self.finish.reduced);
        self.finish.block(self.op, elements, at.shape)
    }
}

impl Folding<f64> for Into<MomentFolder> {
    fn consume(&mut self, tile: &[f64]) {
        self.folder.consume(tile);
    }
    fn finish(self: Box<Self>, at: &Place<'_>) -> Result<Block, BoxError> {
        self.finish.block(self.op, self.folder.finish(None), at.shape)
    }
}

/// Of the parts of complex numbers.
struct BothMoments {
    real: MomentFolder,
    imaginary: MomentFolder,
    skip_nan: bool,
}

impl Folding<Complex64> for Into<BothMoments> {
    fn consume(&mut self, tile: &[Complex64]) {
        let (real, imaginary) = parts_of(tile, self.folder.skip_nan);
        self.folder.real.consume(&real);
        self.folder.imaginary.consume(&imaginary);
    }
    fn finish(self: Box<Self>, at: &Place<'_>) -> Result<Block, BoxError> {
        self.finish.block(self.op, self.folder.real.finish(Some(self.folder.imaginary)), at.shape)
    }
}

/// Folds a block's tiles as `program` makes them: once, for each of these reductions over the same axes.
pub(crate) fn reduce_block(
    reductions: &[(ReduceOp, Finish)],
    program: &Program,
    inputs: &[&Block],
    chunks: &Chunking,
    index: &[usize],
    start: &[usize],
) -> Result<Vec<Block>, BoxError> {
    let shape = &*chunks.block_shape(index);
    if let [(op @ ReduceOp::Sum, finish)] = reductions
        && let Some(comparison) = program.last_comparison()
        && finish.reduced.iter().all(|&reduced| reduced)
    {
        let total = count(program, comparison, inputs, shape, start)?;
        return Ok(vec![finish.block(*op, vec![total], shape)?]);
    }
    let masked = program.mask.is_some();
    let foldings = reductions.iter().map(|(op, finish)| folding(*op, program.dtype, finish, shape, masked));
    let foldings = foldings.collect::<Result<Vec<_>, _>>()?;
    let at = Place { shape, start, chunks };
    with_dtype!(program.dtype, T => {
        let own = |folding: Box<dyn Any>| *folding.downcast::<Box<dyn Folding<T>>>().expect("made for the program's type");
        let mut foldings: Vec<Box<dyn Folding<T>>> = foldings.into_iter().map(own).collect();
        execute::<T>(program, inputs, shape, start, |tile| foldings.iter_mut().for_each(|folding| folding.consume(tile)))?;
        foldings.into_iter().map(|folding| folding.finish(&at)).collect()
    })
}

/// A `Box<dyn Folding<T>>` for tiles of type `dtype`, which is `T`.
fn folding(op: ReduceOp, dtype: DType, finish: &Finish, shape: &[usize], masked: bool) -> Result<Box<dyn Any>, BoxError> {
    let of = (op, finish, shape, masked);
    type Of<'a> = (ReduceOp, &'a Finish, &'a [usize], bool);
    fn boxed<T: 'static>(folding: impl Folding<T> + 'static) -> Result<Box<dyn Any>, BoxError> {
        let folding: Box<dyn Folding<T>> = Box::new(folding);
        Ok(Box::new(folding))
    }
    fn each<T: Element, A: Element, F: Fold<A> + 'static>((op, finish, shape, masked): Of<'_>) -> Result<Box<dyn Any>, BoxError> {
        boxed::<T>(Into { op, finish: finish.clone(), folder: Folder::<A, F>::new(shape, &finish.reduced, masked) })
    }
    let other = || Err(format!("no {} of {dtype}", op.name()).into());
    match op {
        ReduceOp::Sum if dtype == DType::Bool => {
            let trues = Trues(Folder::new(shape, &finish.reduced, masked));
            boxed::<bool>(Into { op, finish: finish.clone(), folder: trues })
        }
        ReduceOp::Sum => with_number!(dtype, T => each::<T, <T as Element>::Sum, Sum>(of), other()),
        ReduceOp::Min => with_ordered!(dtype, T => each::<T, T, Min>(of), other()),
        ReduceOp::Max => with_ordered!(dtype, T => each::<T, T, Max>(of), other()),
        // Products are of the type of the result, as the elements are cast before.
        ReduceOp::Product => match dtype {
            DType::I64 => each::<i64, i64, Product>(of),
            DType::U64 => each::<u64, u64, Product>(of),
            dtype => with_inexact!(dtype, T => each::<T, T, Product>(of), other()),
        },
        ReduceOp::Any | ReduceOp::All if dtype != DType::Bool => other(),
        ReduceOp::Any => each::<bool, bool, Max>(of),
        ReduceOp::All => each::<bool, bool, Min>(of),
        ReduceOp::NanSum => with_inexact!(dtype, T => each::<T, T, NanSum>(of), other()),
        ReduceOp::NanProduct => with_inexact!(dtype, T => each::<T, T, NanProduct>(of), other()),
        ReduceOp::NanMin => with_float!(dtype, T => each::<T, T, NanMin>(of), other()),
        ReduceOp::NanMax => with_float!(dtype, T => each::<T, T, NanMax>(of), other()),
        ReduceOp::Position { greatest, skip_nan } => {
            let into = Into { op, finish: finish.clone(), folder: PositionFolder::new(greatest, skip_nan, shape, &finish.reduced) };
            match dtype {
                DType::I64 => boxed::<i64>(into),
                DType::U64 => boxed::<u64>(into),
                DType::F64 => boxed::<f64>(into),
                _ => other(),
            }
        }
        ReduceOp::Moments(moments) => {
            let folder = || MomentFolder::new(&moments, shape, &finish.reduced, masked);
            match dtype {
                DType::F64 => boxed::<f64>(Into { op, finish: finish.clone(), folder: folder() }),
                DType::C64 => {
                    let both = BothMoments { real: folder(), imaginary: folder(), skip_nan: moments.skip_nan };
                    boxed::<Complex64>(Into { op, finish: finish.clone(), folder: both })
                }
                _ => other(),
            }
        }
    }
}
