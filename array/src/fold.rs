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

use crate::block::Block;
use crate::dtype::{DType, Element, Number, Ordered, with_number, with_ordered};
use crate::program::Program;
use crate::reduce::ReduceOp;
use crate::tile::{count, execute};

const LANES: usize = 8;

/// A way to fold elements, chosen by the compiler: an associative function and what it leaves as it is.
pub(crate) trait Fold<A>: Copy {
    fn identity() -> A;
    fn fold(a: A, x: A) -> A;
}

macro_rules! folds {
    ($($name:ident $bound:ident $identity:expr, |$a:ident, $x:ident| $body:expr;)*) => { $(
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
        }
    )* };
}
folds! {
    Sum Number A::default(), |a, x| a.plus(x);
    Min Ordered A::LARGEST, |a, x| if x < a || x.is_nan() { x } else { a };
    Max Ordered A::SMALLEST, |a, x| if x > a || x.is_nan() { x } else { a };
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
    F::fold(F::fold(F::fold(a, b), F::fold(c, d)), F::fold(F::fold(e, f), F::fold(g, h)))
}

/// How many are true.
#[inline(always)]
fn count_run(run: &[bool]) -> i64 {
    // Bytes are added as bytes, a hundred at a time, which no byte overflows.
    run.chunks(128).map(|part| i64::from(part.iter().map(|&x| u8::from(x)).sum::<u8>())).sum()
}

/// Folds the tiles of a block into the elements that the reduction keeps.
pub(crate) struct Folder<A, F> {
    marker: PhantomData<F>,
    /// Lengths of the axes, neighbours of one kind made one, and how far a step goes among the kept elements: 0 for reduced axes.
    axes: SmallVec<[(usize, usize); 4]>,
    elements: Vec<A>,
    at: usize,
    arch: Arch,
}

impl<A: Element, F: Fold<A>> Folder<A, F> {
    pub(crate) fn new(shape: &[usize], reduced: &[bool]) -> Folder<A, F> {
        let mut axes: SmallVec<[(usize, usize); 4]> = SmallVec::new();
        let mut kept = 1;
        let mut last = None;
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
        Folder { marker: PhantomData, axes, elements: vec![F::identity(); kept], at: 0, arch: Arch::new() }
    }

    pub(crate) fn consume<T: Element>(&mut self, mut tile: &[T]) {
        let &(row_length, step) = self.axes.last().expect("there is one axis at least");
        let arch = self.arch;
        while !tile.is_empty() {
            let column = self.at % row_length;
            let (run, rest) = tile.split_at((row_length - column).min(tile.len()));
            let row = self.row_place(self.at / row_length);
            if step == 0 {
                let folded = arch.dispatch(
                    #[inline(always)]
                    || fold_run::<T, A, F>(run),
                );
                self.elements[row] = F::fold(self.elements[row], folded);
            } else {
                let elements = &mut self.elements[row + column..row + column + run.len()];
                arch.dispatch(
                    #[inline(always)]
                    || elements.iter_mut().zip(run).for_each(|(a, &x)| *a = F::fold(*a, A::cast_from(x))),
                );
            }
            self.at += run.len();
            tile = rest;
        }
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

    pub(crate) fn finish(self) -> Vec<A> {
        self.elements
    }
}

impl<F: Fold<i64>> Folder<i64, F> {
    /// As [`consume`](Folder::consume), for counting.
    pub(crate) fn consume_bools(&mut self, tile: &[bool]) {
        if self.axes.len() == 1 && self.axes[0].1 == 0 {
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
            ReduceOp::Sum => with_number!(self.dtype, A => self.combine::<A, Sum>(inputs), other()),
            ReduceOp::Min => with_ordered!(self.dtype, A => self.combine::<A, Min>(inputs), other()),
            ReduceOp::Max => with_ordered!(self.dtype, A => self.combine::<A, Max>(inputs), other()),
        }
    }
}

impl CombineKernel {
    fn combine<A: Element, F: Fold<A>>(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let block =
            |i| A::of_block(inputs.get::<Block>(i)?).ok_or_else(|| BoxError::from(format!("a block that is not of {}", self.dtype)));
        let first = block(0)?;
        let mut elements: Vec<A> = first.iter().copied().collect();
        for i in 1..inputs.len() {
            let next = block(i)?;
            if next.shape() != first.shape() {
                return Err(format!("partial results of shapes {:?} and {:?}", first.shape(), next.shape()).into());
            }
            elements.iter_mut().zip(next.iter()).for_each(|(a, &x)| *a = F::fold(*a, x));
        }
        let shape = self.finish.as_ref().map_or_else(|| first.shape().into(), |finish| finish.shape(first.shape()));
        let array = ArrayD::from_shape_vec(IxDyn(&shape), elements)?;
        Ok(Value::measured(A::into_block(array.into_shared())))
    }
}

/// Folds a block's tiles, of type `dtype`, as `program` makes them.
pub(crate) fn reduce_block(
    op: ReduceOp,
    program: &Program,
    inputs: &[&Block],
    shape: &[usize],
    start: &[usize],
    finish: &Finish,
) -> Result<Block, BoxError> {
    fn finished<A: Element, F: Fold<A>>(folder: Folder<A, F>, shape: &[usize], finish: &Finish) -> Result<Block, BoxError> {
        Ok(A::into_block(ArrayD::from_shape_vec(IxDyn(&finish.shape(shape)), folder.finish())?.into_shared()))
    }
    if (program.dtype, op) == (DType::Bool, ReduceOp::Sum) {
        if let (Some(comparison), true) = (program.last_comparison(), finish.reduced.iter().all(|&reduced| reduced)) {
            let total = count(program, comparison, inputs, shape, start)?;
            return Ok(i64::into_block(ArrayD::from_elem(IxDyn(&finish.shape(shape)), total).into_shared()));
        }
        let mut folder = Folder::<i64, Sum>::new(shape, &finish.reduced);
        execute::<bool>(program, inputs, shape, start, |tile| folder.consume_bools(tile))?;
        return finished(folder, shape, finish);
    }
    fn run<T: Element, A: Element, F: Fold<A>>(
        program: &Program,
        inputs: &[&Block],
        shape: &[usize],
        start: &[usize],
        finish: &Finish,
    ) -> Result<Block, BoxError> {
        let mut folder = Folder::<A, F>::new(shape, &finish.reduced);
        execute::<T>(program, inputs, shape, start, |tile| folder.consume(tile))?;
        finished(folder, shape, finish)
    }
    let other = || Err(format!("no {} of {}", op.name(), program.dtype).into());
    match op {
        ReduceOp::Sum => {
            with_number!(program.dtype, T => run::<T, <T as Element>::Sum, Sum>(program, inputs, shape, start, finish), other())
        }
        ReduceOp::Min => with_ordered!(program.dtype, T => run::<T, T, Min>(program, inputs, shape, start, finish), other()),
        ReduceOp::Max => with_ordered!(program.dtype, T => run::<T, T, Max>(program, inputs, shape, start, finish), other()),
    }
}
