//! Folding tiles into the elements of a reduction, in an order that nothing changes.
//!
//! ```text
//!     block, row-major:    ├──────── tile ────────┼──────── tile ────────┼── …
//!     reduced last axis:   ├ run ┼ run ┼ run ┼ r ┼ un ┼ …     each run folds into one element, in 8 lanes
//!     kept last axis:      ├ run ┼ run ┼ …                    each run is added to as many elements, one by one
//! ```
//! Tiles are cut the same whatever is fused, lanes are eight on every processor, and blocks meet in a fixed tree: the bits of a sum depend on shape and chunks alone.

use std::marker::PhantomData;

use arras_core::{BoxError, Inputs, Kernel, Value};
use ndarray::{ArrayD, IxDyn};
use pulp::Arch;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::engine::block::Block;
use crate::engine::chunks::Chunking;
use crate::engine::dtype::{Complex64, DType, Element, Float, Number, Ordered, with_float, with_inexact, with_number, with_ordered};
use crate::engine::moments::{MomentFolder, Moments, Statistic, merge_states, parts_of};
use crate::engine::position::{PositionFolder, merge_positions, positions};
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

/// Folds blocks of partial results, element by element, in the order of the inputs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CombineKernel {
    pub(crate) op: ReduceOp,
    pub(crate) dtype: DType,
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
        let block =
            |i| A::of_block(inputs.get::<Block>(i)?).ok_or_else(|| BoxError::from(format!("a block that is not of {}", self.dtype)));
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

/// Folds a block's tiles, of type `dtype`, as `program` makes them.
pub(crate) fn reduce_block(
    op: ReduceOp,
    program: &Program,
    inputs: &[&Block],
    chunks: &Chunking,
    index: &[usize],
    start: &[usize],
    finish: &Finish,
) -> Result<Block, BoxError> {
    let (shape, masked) = (&*chunks.block_shape(index), program.mask.is_some());
    if (program.dtype, op) == (DType::Bool, ReduceOp::Sum) {
        if let (Some(comparison), true) = (program.last_comparison(), finish.reduced.iter().all(|&reduced| reduced)) {
            let total = count(program, comparison, inputs, shape, start)?;
            return finish.block(op, vec![total], shape);
        }
        let mut folder = Folder::<i64, Sum>::new(shape, &finish.reduced, masked);
        execute::<bool>(program, inputs, shape, start, |tile| folder.consume_bools(tile))?;
        return finish.block(op, folder.finish(), shape);
    }
    let from = (program, inputs, shape, start);
    type From<'a> = (&'a Program, &'a [&'a Block], &'a [usize], &'a [usize]);
    fn run<T: Element, A: Element, F: Fold<A>>(
        op: ReduceOp,
        (program, inputs, shape, start): From<'_>,
        finish: &Finish,
    ) -> Result<Block, BoxError> {
        let mut folder = Folder::<A, F>::new(shape, &finish.reduced, program.mask.is_some());
        execute::<T>(program, inputs, shape, start, |tile| folder.consume(tile))?;
        finish.block(op, folder.finish(), shape)
    }
    let other = || Err(format!("no {} of {}", op.name(), program.dtype).into());
    match op {
        ReduceOp::Sum => with_number!(program.dtype, T => run::<T, <T as Element>::Sum, Sum>(op, from, finish), other()),
        ReduceOp::Min => with_ordered!(program.dtype, T => run::<T, T, Min>(op, from, finish), other()),
        ReduceOp::Max => with_ordered!(program.dtype, T => run::<T, T, Max>(op, from, finish), other()),
        // Products are of the type of the result, as the elements are cast before.
        ReduceOp::Product => match program.dtype {
            DType::I64 => run::<i64, i64, Product>(op, from, finish),
            DType::U64 => run::<u64, u64, Product>(op, from, finish),
            dtype => with_inexact!(dtype, T => run::<T, T, Product>(op, from, finish), other()),
        },
        ReduceOp::Any | ReduceOp::All if program.dtype != DType::Bool => other(),
        ReduceOp::Any => run::<bool, bool, Max>(op, from, finish),
        ReduceOp::All => run::<bool, bool, Min>(op, from, finish),
        ReduceOp::NanSum => with_inexact!(program.dtype, T => run::<T, T, NanSum>(op, from, finish), other()),
        ReduceOp::NanProduct => with_inexact!(program.dtype, T => run::<T, T, NanProduct>(op, from, finish), other()),
        ReduceOp::NanMin => with_float!(program.dtype, T => run::<T, T, NanMin>(op, from, finish), other()),
        ReduceOp::NanMax => with_float!(program.dtype, T => run::<T, T, NanMax>(op, from, finish), other()),
        ReduceOp::Position { greatest, skip_nan } => {
            let mut folder = PositionFolder::new(greatest, skip_nan, shape, &finish.reduced);
            match program.dtype {
                DType::I64 => execute::<i64>(program, inputs, shape, start, |tile| folder.consume(tile))?,
                DType::U64 => execute::<u64>(program, inputs, shape, start, |tile| folder.consume(tile))?,
                DType::F64 => execute::<f64>(program, inputs, shape, start, |tile| folder.consume(tile))?,
                _ => return other(),
            }
            finish.block(op, folder.finish(shape, start, &chunks.shape(), &finish.reduced), shape)
        }
        ReduceOp::Moments(moments) => {
            let mut folder = MomentFolder::new(&moments, shape, &finish.reduced, masked);
            let mut imaginary = None;
            match program.dtype {
                DType::F64 => execute::<f64>(program, inputs, shape, start, |tile| folder.consume(tile))?,
                DType::C64 => {
                    let other = imaginary.insert(MomentFolder::new(&moments, shape, &finish.reduced, masked));
                    execute::<Complex64>(program, inputs, shape, start, |tile| {
                        let (real, imaginary) = parts_of(tile, moments.skip_nan);
                        folder.consume(&real);
                        other.consume(&imaginary);
                    })?;
                }
                _ => return other(),
            }
            finish.block(op, folder.finish(imaginary), shape)
        }
    }
}
