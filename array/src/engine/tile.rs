//! Running a program over a block, tile by tile.

use arras_core::{BoxError, Value};
use std::cell::Cell;
use std::ops::Range;

use ndarray::iter::LanesIter;
use ndarray::{ArrayView1, ArrayViewD, Axis, Ix2, IxDyn, Slice};
use prefetch_index::prefetch_index;
use pulp::Arch;
use smallvec::SmallVec;

use crate::creation::iota::Counting;
use crate::creation::random::Drawing;
use crate::elementwise::functions::{Bitwise, Divided, Floating, Shifted, Signed, Transcendental};
use crate::elementwise::map::Function;
use crate::elementwise::operations::{Operation, operations};
use crate::engine::block::Block;
use crate::engine::dtype::{
    Complex32, Complex64, ComplexNumber, DType, Element, Float, Integer, Number, Real, for_each_dtype, with_bits, with_complex, with_dtype,
    with_float, with_inexact, with_integer, with_number, with_ordered, with_real,
};
use crate::engine::program::{Action, Program, Source, Step, Way};

/// Elements of a tile: a few registers of eight-byte elements, the tiles of inputs and the next ones on their way fit the first cache.
pub(crate) const TILE: usize = 512;

/// Bytes that memory hands over at once.
const LINE: usize = 64;

macro_rules! registers {
    ($($t:ident $v:ident $bank:ident),*) => {
        /// The tiles that a program works on, by type.
        #[derive(Default)]
        #[allow(missing_docs)]
        pub struct Registers { $(pub(crate) $bank: Vec<Vec<$t>>,)* }
    };
}
registers!(bool Bool bools, i8 I8 i8s, i16 I16 i16s, i32 I32 i32s, i64 I64 i64s, u8 U8 u8s, u16 U16 u16s, u32 U32 u32s, u64 U64 u64s, f32 F32 f32s, f64 F64 f64s, Complex32 C32 c32s, Complex64 C64 c64s);

/// An input's elements, tile by tile, in row-major order of the block that is computed.
#[allow(missing_docs)]
pub enum Tiles<'a, T> {
    /// They lie there in that order.
    Contiguous(&'a [T]),
    /// They are gathered row by row: the block is a view, or is repeated along some axes.
    Rows { rows: LanesIter<'a, T, IxDyn>, row: ArrayView1<'a, T>, at: usize, tile: Vec<T> },
    /// They are gathered a few rows at a time: along the axis before the last they lie together, as in a transposed block.
    Panels { view: ArrayViewD<'a, T>, panel: Vec<T>, rows: Range<usize>, row: usize, at: usize, tile: Vec<T> },
    /// There is one, repeated everywhere.
    Repeated(T),
}

/// Rows that are gathered together: as many eight-byte elements as memory hands over at once.
const PANEL: usize = 8;

impl<'a, T: Element> Tiles<'a, T> {
    fn new(block: &'a ArrayViewD<'a, T>, shape: &[usize]) -> Tiles<'a, T> {
        if let (true, Some(&value)) = (block.len() == 1, block.first()) {
            return Tiles::Repeated(value);
        }
        if let (true, Some(elements)) = (block.shape() == shape, block.as_slice()) {
            return Tiles::Contiguous(elements);
        }
        let last = block.ndim() - 1;
        if last > 0 && block.stride_of(Axis(last)) != 1 && block.stride_of(Axis(last - 1)) == 1 && block.len_of(Axis(last)) > 1 {
            return Tiles::Panels { view: block.view(), panel: Vec::new(), rows: 0..0, row: 0, at: 0, tile: Vec::with_capacity(TILE) };
        }
        let mut rows = block.lanes(Axis(last)).into_iter();
        let row = rows.next().unwrap_or_else(|| ArrayView1::from(&[]));
        Tiles::Rows { rows, row, at: 0, tile: Vec::with_capacity(TILE) }
    }

    /// Gets the next `n` elements ready.
    fn advance(&mut self, n: usize) {
        if let Tiles::Panels { view, panel, rows, row, at, tile } = self {
            tile.clear();
            let length = view.len_of(Axis(view.ndim() - 1));
            while tile.len() < n {
                if *at == length {
                    (*row, *at) = (*row + 1, 0);
                }
                if !rows.contains(row) {
                    *rows = fill_panel(view, *row, panel);
                }
                let start = (*row - rows.start) * length;
                let end = length.min(*at + n - tile.len());
                tile.extend_from_slice(&panel[start + *at..start + end]);
                *at = end;
            }
        }
        let Tiles::Rows { rows, row, at, tile } = self else { return };
        tile.clear();
        while tile.len() < n {
            if *at == row.len() {
                let Some(next) = rows.next() else { return };
                (*row, *at) = (next, 0);
            }
            let end = row.len().min(*at + n - tile.len());
            let part = row.slice_axis(Axis(0), Slice::from(*at..end));
            match part.to_slice() {
                Some(part) => tile.extend_from_slice(part),
                None => tile.extend(part.iter().copied()),
            }
            *at = end;
        }
    }

    /// Has the processor fetch a part of `parts` of the elements from `start` on, a tile of them, while it computes.
    fn prefetch(&self, start: usize, part: usize, parts: usize) {
        let Tiles::Contiguous(elements) = self else { return };
        let line = (LINE / size_of::<T>()).max(1);
        let lines = TILE / line;
        for i in lines * part / parts..lines * (part + 1) / parts {
            prefetch_index(elements, start + i * line);
        }
    }

    fn tile(&self, start: usize, n: usize) -> Elements<'_, T> {
        match self {
            Tiles::Contiguous(elements) => Elements::Slice(&elements[start..start + n]),
            Tiles::Rows { tile, .. } | Tiles::Panels { tile, .. } => Elements::Slice(tile),
            Tiles::Repeated(value) => Elements::Scalar(*value),
        }
    }
}

/// The rows of a full panel.
fn rows_of<T>(panel: &mut [T], length: usize) -> Option<[&[Cell<T>]; PANEL]> {
    let cells = Cell::from_mut(panel).as_slice_of_cells();
    cells.chunks_exact(length).collect::<Vec<_>>().try_into().ok()
}

/// Gathers the rows of a view from `row` on, as many as lie together in memory, and says which.
fn fill_panel<T: Element>(view: &ArrayViewD<'_, T>, row: usize, panel: &mut Vec<T>) -> Range<usize> {
    let mut matrix = view.view();
    let along = view.len_of(Axis(view.ndim() - 2));
    let mut outer = row / along;
    for axis in (0..view.ndim() - 2).rev() {
        let length = view.len_of(Axis(axis));
        matrix.index_axis_inplace(Axis(axis), outer % length);
        outer /= length;
    }
    let first = row % along;
    let n = PANEL.min(along - first);
    matrix.slice_axis_inplace(Axis(0), Slice::from(first..first + n));
    let matrix = matrix.into_dimensionality::<Ix2>().expect("two axes are left");
    let length = matrix.ncols();
    panel.resize(n * length, T::default());
    if let Some(rows) = rows_of(panel, length) {
        for (at, column) in matrix.columns().into_iter().enumerate() {
            let column: &[T; PANEL] = column.to_slice().and_then(|column| column.try_into().ok()).expect("elements that lie together");
            for (row, &x) in rows.iter().zip(column) {
                row[at].set(x);
            }
        }
    } else {
        panel.chunks_exact_mut(length).zip(matrix.rows()).for_each(|(to, from)| to.iter_mut().zip(from).for_each(|(to, from)| *to = *from));
    }
    row..row + n
}

/// An operand of a step: as many elements as the tile has, or one for all.
#[derive(Clone, Copy)]
enum Elements<'a, T> {
    Slice(&'a [T]),
    Scalar(T),
}

impl<T: Copy> Elements<'_, T> {
    #[inline(always)]
    fn at(&self, i: usize) -> T {
        match self {
            Elements::Slice(xs) => xs[i],
            Elements::Scalar(x) => *x,
        }
    }

    fn find(&self, wanted: impl Fn(&T) -> bool) -> Option<T> {
        match self {
            Elements::Slice(xs) => xs.iter().copied().find(wanted),
            Elements::Scalar(x) => Some(*x).filter(wanted),
        }
    }
}

macro_rules! inputs {
    ($($t:ident $v:ident),*) => {
        enum AnyView<'a> { $($v(ArrayViewD<'a, $t>),)* }
        /// An input's tiles, of any type.
        #[allow(missing_docs)]
        pub enum AnyTiles<'a> { $($v(Tiles<'a, $t>),)* }

        impl<'a> AnyView<'a> {
            /// The block as the result sees it: repeated along the axes that it lacks or has one element of.
            fn new(block: &'a Block, shape: &[usize]) -> Result<AnyView<'a>, BoxError> {
                match block { $(Block::$v(array) => {
                    let wrong = || format!("a block of shape {:?} where {shape:?} is computed", array.shape());
                    let view = if array.len() == 1 { array.view() } else { array.broadcast(IxDyn(shape)).ok_or_else(wrong)? };
                    Ok(AnyView::$v(view))
                })* }
            }
            fn tiles(&'a self, shape: &[usize]) -> AnyTiles<'a> {
                match self { $(AnyView::$v(view) => AnyTiles::$v(Tiles::new(view, shape)),)* }
            }
        }

        impl<'a> AnyTiles<'a> {
            fn advance(&mut self, n: usize) {
                match self { $(AnyTiles::$v(tiles) => tiles.advance(n),)* }
            }
            fn prefetch(&self, start: usize, part: usize, parts: usize) {
                match self { $(AnyTiles::$v(tiles) => tiles.prefetch(start, part, parts),)* }
            }
        }

    };
}
for_each_dtype!(inputs);

/// Runs a program over a block of this shape, which starts at this element of the array, and hands on the result tile by tile, in row-major order:
/// of a program with a mask only the elements that it picks.
pub(crate) fn execute<T: Element>(
    program: &Program,
    inputs: &[&Block],
    shape: &[usize],
    start: &[usize],
    mut consume: impl FnMut(&[T]),
) -> Result<(), BoxError> {
    // Compiled once for each type, not for each of its uses.
    execute_into(program, inputs, shape, start, &mut consume)
}

fn execute_into<T: Element>(
    program: &Program,
    inputs: &[&Block],
    shape: &[usize],
    start: &[usize],
    consume: &mut dyn FnMut(&[T]),
) -> Result<(), BoxError> {
    // For a result that is one scalar everywhere, and for the elements that a mask picks.
    let mut repeated: Vec<T> = Vec::new();
    if let Some(mask) = program.mask {
        return each_tile(program, inputs, shape, start, &program.steps, &mut |frame| {
            repeated.clear();
            match (frame.elements::<T>(program.result), frame.elements::<bool>(mask)) {
                (_, Elements::Scalar(false)) => {}
                (Elements::Slice(tile), Elements::Scalar(true)) => repeated.extend_from_slice(tile),
                (Elements::Slice(tile), Elements::Slice(mask)) => {
                    repeated.extend(tile.iter().zip(mask).filter(|(_, picked)| **picked).map(|(&x, _)| x));
                }
                (Elements::Scalar(value), Elements::Slice(mask)) => {
                    repeated.resize(mask.iter().filter(|&&picked| picked).count(), value);
                }
                (Elements::Scalar(value), Elements::Scalar(true)) => repeated.resize(frame.n, value),
            }
            consume(&repeated);
        });
    }
    each_tile(program, inputs, shape, start, &program.steps, &mut |frame| match frame.elements::<T>(program.result) {
        Elements::Slice(tile) => consume(tile),
        Elements::Scalar(value) => {
            repeated.resize(frame.n, value);
            consume(&repeated[..frame.n]);
        }
    })
}

/// For how many elements of a block the comparison that ends a program holds.
pub(crate) fn count(program: &Program, comparison: &Step, inputs: &[&Block], shape: &[usize], start: &[usize]) -> Result<i64, BoxError> {
    let before = &program.steps[..program.steps.len() - 1];
    let mut total = 0;
    each_tile(program, inputs, shape, start, before, &mut |frame| total += frame.count(comparison))?;
    Ok(total)
}

/// Runs steps over a block and calls `body` after each tile.
fn each_tile(
    program: &Program,
    inputs: &[&Block],
    shape: &[usize],
    start: &[usize],
    steps: &[Step],
    body: &mut dyn FnMut(&Frame<'_>),
) -> Result<(), BoxError> {
    for (block, dtype) in inputs.iter().zip(&program.inputs) {
        if block.dtype() != *dtype {
            return Err(format!("a block of {} where {dtype} is read", block.dtype()).into());
        }
    }
    let total: usize = shape.iter().product();
    if total == 0 {
        return Ok(());
    }
    let views = inputs.iter().map(|block| AnyView::new(block, shape)).collect::<Result<Vec<_>, _>>()?;
    let drawing = |step: &Step| match &step.action {
        Action::Draw(draws) => Drawing::new(draws, shape, start).map(Some),
        Action::Apply(_) | Action::Count(_) | Action::Absorbed => Ok(None),
    };
    let counting = |step: &Step| match &step.action {
        Action::Count(iota) => Some(Counting::new(iota, shape, start)),
        _ => None,
    };
    let mut frame = Frame {
        registers: Registers::default(),
        inputs: views.iter().map(|view| view.tiles(shape)).collect(),
        drawings: steps.iter().map(drawing).collect::<Result<_, _>>()?,
        countings: steps.iter().map(counting).collect(),
        spread: Registers::default(),
        constants: Vec::with_capacity(steps.len() + 1),
        number: 0,
        start: 0,
        n: 0,
        arch: Arch::new(),
    };
    for &(dtype, count) in &program.registers {
        with_dtype!(dtype, R => *R::bank(&mut frame.registers) = vec![vec![R::default(); TILE.min(total)]; count as usize]);
    }
    program.steps.iter().for_each(|step| frame.spread(step, TILE.min(total)));
    // Where steps take less time than reading does, the processor's own foresight does better.
    let quarters: u64 = steps.iter().map(Step::quarters).sum();
    let nbytes: usize = program.inputs.iter().map(|dtype| dtype.size()).sum();
    let ahead = quarters >= nbytes as u64 / 2;
    while frame.start < total {
        frame.n = TILE.min(total - frame.start);
        frame.inputs.iter_mut().for_each(|input| input.advance(frame.n));
        for (i, step) in steps.iter().enumerate() {
            if ahead {
                frame.prefetch(i, steps.len());
            }
            frame.step(i, step)?;
        }
        frame.number = steps.len();
        body(&frame);
        frame.start += frame.n;
    }
    Ok(())
}

struct Frame<'a> {
    registers: Registers,
    inputs: Vec<AnyTiles<'a>>,
    /// The generators of the steps that draw.
    drawings: Vec<Option<Drawing>>,
    /// The positions of the steps that count.
    countings: Vec<Option<Counting>>,
    /// Tiles of one element each, by type.
    spread: Registers,
    /// For each step, where among those its scalar operands are.
    constants: Vec<SmallVec<[Option<u32>; 2]>>,
    /// The step that runs.
    number: usize,
    /// The tile: its first element, and how many.
    start: usize,
    n: usize,
    arch: Arch,
}

macro_rules! loops {
    (
        binary { $($b:ident $bname:literal $bmethod:tt $bclass:ident $bway:tt $bdoc:literal |$bx:ident, $by:ident| $bbody:expr;)* }
        comparison { $($c:ident $cname:literal $cmethod:tt $cclass:ident $cway:tt $cdoc:literal |$cx:ident, $cy:ident| $cbody:expr;)* }
        unary { $($u:ident $uname:literal $umethod:tt $uclass:ident $uway:tt $udoc:literal |$ux:ident| $ubody:expr;)* }
        test { $($t:ident $tname:literal $tmethod:tt $tclass:ident $tway:tt $tdoc:literal |$tx:ident| $tbody:expr;)* }
        part { $($p:ident $pname:literal $pmethod:tt $pclass:ident $pway:tt $pdoc:literal |$px:ident| $pbody:expr;)* }
    ) => {
        impl Frame<'_> {
            fn step(&mut self, number: usize, step: &Step) -> Result<(), BoxError> {
                self.number = number;
                let operation = match &step.action {
                    Action::Draw(_) => {
                        let drawing = self.drawings[number].as_mut().expect("a drawing step has its generator");
                        match step.result {
                            DType::I64 => drawing.fill(&mut self.registers.i64s[step.target as usize][..self.n]),
                            _ => drawing.fill(&mut self.registers.f64s[step.target as usize][..self.n]),
                        }
                        return Ok(());
                    }
                    Action::Count(_) => {
                        let mut target = std::mem::take(&mut self.registers.i64s[step.target as usize]);
                        self.countings[number].as_mut().expect("a counting step has its positions").fill(&mut target[..self.n]);
                        self.registers.i64s[step.target as usize] = target;
                        return Ok(());
                    }
                    Action::Absorbed => return Ok(()),
                    Action::Apply(operation) => operation,
                };
                let dtype = step.dtypes[0];
                if step.ways != [Way::Plain; 2] {
                    with_float!(dtype, T => self.prepared::<T>(step, operation), no_number());
                    return Ok(());
                }
                match operation {
                    Operation::Call(function) => return self.call(step, function),
                    Operation::Index(length) => self.check_indices(step, *length)?,
                    Operation::Raise => with_integer!(dtype, T => self.check_exponents::<T>(step)?, ()),
                    _ => {}
                }
                match operation {
                    $(Operation::$b => loops!(@$bclass dtype, T => loops!(@binary $bway self step [T, T] |$bx, $by| $bbody)),)*
                    $(Operation::$c => loops!(@$cclass dtype, T => loops!(@binary $cway self step [T, bool] |$cx, $cy| $cbody)),)*
                    $(Operation::$u => loops!(@$uclass dtype, T => loops!(@unary $uway self step [T, T] |$ux| $ubody)),)*
                    $(Operation::$t => loops!(@$tclass dtype, T => loops!(@unary $tway self step [T, bool] |$tx| $tbody)),)*
                    $(Operation::$p => loops!(@$pclass dtype, T => loops!(@unary $pway self step [T, <T as Number>::Magnitude] |$px| $pbody)),)*
                    Operation::Power(exponent) => with_number!(dtype, T => self.unary::<T, T>(step, |x| x.power(*exponent)), no_number()),
                    Operation::Round(decimals) => {
                        // Beyond it the power is infinite.
                        let (factor, to_fractions) = (10f64.powi(decimals.unsigned_abs().min(400) as i32), *decimals > 0);
                        with_inexact!(dtype, T => self.unary::<T, T>(step, |x| x.rounded(factor, to_fractions)), no_number());
                    }
                    Operation::Broadcast => with_dtype!(dtype, T => self.unary::<T, T>(step, |x| x)),
                    Operation::Cast(to) => with_dtype!(dtype, T => with_dtype!(*to, R => self.unary::<T, R>(step, |x| R::cast_from(x)))),
                    Operation::Where => with_dtype!(step.result, T => self.choose::<T>(step)),
                    Operation::Exponent => with_float!(dtype, T => self.call_unary::<T, i32>(step, |x| x.binary_exponent()), no_number()),
                    Operation::TimesPowerOf2 => with_float!(dtype, T => self.call_binary::<T, i32, T>(step, |x, n| x.times_power_of_2(n)), no_number()),
                    Operation::Index(_) => self.call_unary::<i64, i64>(step, |x| x),
                    Operation::Call(_) => {}
                }
                Ok(())
            }

            /// For how many elements of the tile a comparison holds.
            fn count(&self, step: &Step) -> i64 {
                match step.action {
                    $(Action::Apply(Operation::$c) => loops!(@$cclass step.dtypes[0], T => self.count_where::<T>(step, |$cx, $cy| $cbody)),)*
                    _ => unreachable!("only comparisons are counted"),
                }
            }
        }
    };
    (@binary loop $frame:ident $step:ident [$t:ty, $r:ty] $body:expr) => { $frame.binary::<$t, $r>($step, $body) };
    (@binary call $frame:ident $step:ident [$t:ty, $r:ty] $body:expr) => { $frame.call_binary::<$t, $t, $r>($step, $body) };
    (@unary loop $frame:ident $step:ident [$t:ty, $r:ty] $body:expr) => { $frame.unary::<$t, $r>($step, $body) };
    (@unary call $frame:ident $step:ident [$t:ty, $r:ty] $body:expr) => { $frame.call_unary::<$t, $r>($step, $body) };
    (@any $dtype:expr, $t:ident => $body:expr) => { with_dtype!($dtype, $t => $body) };
    (@ordered $dtype:expr, $t:ident => $body:expr) => { with_ordered!($dtype, $t => $body, no_number()) };
    (@bits $dtype:expr, $t:ident => $body:expr) => { with_bits!($dtype, $t => $body, no_number()) };
    (@number $dtype:expr, $t:ident => $body:expr) => { with_number!($dtype, $t => $body, no_number()) };
    (@real $dtype:expr, $t:ident => $body:expr) => { with_real!($dtype, $t => $body, no_number()) };
    (@integer $dtype:expr, $t:ident => $body:expr) => { with_integer!($dtype, $t => $body, no_number()) };
    (@inexact $dtype:expr, $t:ident => $body:expr) => { with_inexact!($dtype, $t => $body, no_number()) };
    (@float $dtype:expr, $t:ident => $body:expr) => { with_float!($dtype, $t => $body, no_number()) };
    (@complex $dtype:expr, $t:ident => $body:expr) => { with_complex!($dtype, $t => $body, no_number()) };
    (@truth $dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            DType::Bool => { type $t = bool; $body }
            _ => no_number(),
        }
    };
}
operations!(loops);

fn no_number<R>() -> R {
    unreachable!("the element types of operations are checked by the compiler")
}

impl Frame<'_> {
    /// The next tile is on its way from memory while this one is computed: a part of it with each step. Beyond the block nothing is fetched that anybody reads, which is harmless.
    fn prefetch(&self, part: usize, parts: usize) {
        self.inputs.iter().for_each(|input| input.prefetch(self.start + self.n, part, parts));
    }

    /// The elements of an operand of the step that runs, one for each of the tile's: of a scalar as many.
    fn tile<T: Element>(&self, step: &Step, operand: usize) -> &[T] {
        match self.elements::<T>(step.operands[operand]) {
            Elements::Slice(elements) => elements,
            Elements::Scalar(_) => {
                let constant = self.constants[self.number][operand].expect("scalar operands are spread over tiles beforehand");
                &T::bank_of(&self.spread)[constant as usize][..self.n]
            }
        }
    }

    /// Spreads the scalars among a step's operands over tiles: one loop does for all kinds of operands then.
    fn spread(&mut self, step: &Step, length: usize) {
        let mut places: SmallVec<[Option<u32>; 2]> = SmallVec::new();
        for (&source, &dtype) in step.operands.iter().zip(&step.dtypes) {
            places.push(with_dtype!(dtype, T => match self.elements::<T>(source) {
                Elements::Scalar(x) => {
                    let bank = T::bank(&mut self.spread);
                    bank.push(vec![x; length]);
                    Some(bank.len() as u32 - 1)
                }
                Elements::Slice(_) => None,
            }));
        }
        self.constants.push(places);
    }

    fn elements<T: Element>(&self, source: Source) -> Elements<'_, T> {
        match source {
            Source::Register(r) => Elements::Slice(&T::bank_of(&self.registers)[r as usize][..self.n]),
            Source::Input(i) => T::tiles_of(&self.inputs[i as usize]).tile(self.start, self.n),
            Source::Scalar(scalar) => Elements::Scalar(T::of_scalar(scalar)),
        }
    }

    /// Runs `body` for each element, in loops that the compiler vectorises for the processor at hand.
    fn unary<T: Element, R: Element>(&mut self, step: &Step, body: impl Fn(T) -> R + Copy) {
        // Taken out while it is written: a step never writes what it reads.
        let mut target = std::mem::take(&mut R::bank(&mut self.registers)[step.target as usize]);
        let out = &mut target[..self.n];
        match self.elements::<T>(step.operands[0]) {
            Elements::Scalar(x) => out.fill(body(x)),
            Elements::Slice(xs) => self.arch.dispatch(
                #[inline(always)]
                || out.iter_mut().zip(xs).for_each(|(out, &x)| *out = body(x)),
            ),
        }
        R::bank(&mut self.registers)[step.target as usize] = target;
    }

    /// As `unary`, for bodies that take longer than a call does: one loop for all operations of two types.
    fn call_unary<T: Element, R: Element>(&mut self, step: &Step, body: fn(T) -> R) {
        let mut target = std::mem::take(&mut R::bank(&mut self.registers)[step.target as usize]);
        let out = &mut target[..self.n];
        match self.elements::<T>(step.operands[0]) {
            Elements::Scalar(x) => out.fill(body(x)),
            Elements::Slice(xs) => out.iter_mut().zip(xs).for_each(|(out, &x)| *out = body(x)),
        }
        R::bank(&mut self.registers)[step.target as usize] = target;
    }

    /// As `binary`, for bodies that take longer than a call does.
    fn call_binary<T: Element, U: Element, R: Element>(&mut self, step: &Step, body: fn(T, U) -> R) {
        let mut target = std::mem::take(&mut R::bank(&mut self.registers)[step.target as usize]);
        let out = &mut target[..self.n];
        let (xs, ys) = (self.elements::<T>(step.operands[0]), self.elements::<U>(step.operands[1]));
        out.iter_mut().enumerate().for_each(|(i, out)| *out = body(xs.at(i), ys.at(i)));
        R::bank(&mut self.registers)[step.target as usize] = target;
    }

    /// The second operand where the first is true, else the third.
    fn choose<T: Element>(&mut self, step: &Step) {
        let mut target = std::mem::take(&mut T::bank(&mut self.registers)[step.target as usize]);
        let out = &mut target[..self.n];
        let (xs, ys) = (self.tile::<T>(step, 1), self.tile::<T>(step, 2));
        match self.elements::<bool>(step.operands[0]) {
            Elements::Scalar(first) => out.copy_from_slice(if first { xs } else { ys }),
            Elements::Slice(first) => self.arch.dispatch(
                #[inline(always)]
                || {
                    let sources = first.iter().zip(xs.iter().zip(ys));
                    out.iter_mut().zip(sources).for_each(|(out, (&first, (&x, &y)))| *out = if first { x } else { y });
                },
            ),
        }
        T::bank(&mut self.registers)[step.target as usize] = target;
    }

    /// Calls a function of the user's with the tiles of the operands.
    fn call(&mut self, step: &Step, function: &Function) -> Result<(), BoxError> {
        let tile = |(&source, &dtype): (&Source, &DType)| {
            with_dtype!(dtype, T => Value::new(match self.elements::<T>(source) {
                Elements::Slice(xs) => xs.to_vec(),
                Elements::Scalar(x) => vec![x; self.n],
            }))
        };
        let tiles: SmallVec<[Value; 2]> = step.operands.iter().zip(&step.dtypes).map(tile).collect();
        let result = function.call(&tiles.iter().collect::<SmallVec<[&Value; 2]>>())?;
        with_dtype!(step.result, R => {
            let result = result.get::<Vec<R>>()?;
            R::bank(&mut self.registers)[step.target as usize][..self.n].copy_from_slice(result);
        });
        Ok(())
    }

    /// Refuses integers that are no index below `length`.
    fn check_indices(&self, step: &Step, length: u64) -> Result<(), BoxError> {
        let wrong = |&i: &i64| u64::try_from(i).map_or(true, |i| i >= length);
        match self.elements::<i64>(step.operands[0]).find(wrong) {
            Some(index) => Err(format!("index {index} is out of range: there are {length}").into()),
            None => Ok(()),
        }
    }

    /// Refuses negative exponents of integers.
    fn check_exponents<T: Integer>(&self, step: &Step) -> Result<(), BoxError> {
        match self.elements::<T>(step.operands[1]).find(|&x| x < T::default()) {
            Some(exponent) => Err(format!("power: {} to the power of {exponent} is no integer: cast to f64 first", T::DTYPE).into()),
            None => Ok(()),
        }
    }

    /// Arithmetic whose operands are prepared on their way in.
    fn prepared<T: Float>(&mut self, step: &Step, operation: &Operation) {
        match operation {
            Operation::Add if step.ways.contains(&Way::Squared) => self.squares::<T>(step, |x, y| x + y),
            Operation::Subtract if step.ways.contains(&Way::Squared) => self.squares::<T>(step, |x, y| x - y),
            Operation::Add => self.linear::<T>(step, |x, y| x + y),
            Operation::Subtract => self.linear::<T>(step, |x, y| x - y),
            Operation::Multiply => self.linear::<T>(step, |x, y| x * y),
            Operation::Divide => self.linear::<T>(step, |x, y| x / y),
            _ => no_number(),
        }
    }

    fn squares<T: Float>(&mut self, step: &Step, body: impl Fn(T, T) -> T + Copy) {
        let square = |x: T| x.times(x);
        match step.ways.map(|way| way == Way::Squared) {
            [true, true] => self.binary::<T, T>(step, |x, y| body(square(x), square(y))),
            [true, false] => self.binary::<T, T>(step, |x, y| body(square(x), y)),
            [false, _] => self.binary::<T, T>(step, |x, y| body(x, square(y))),
        }
    }

    fn linear<T: Float>(&mut self, step: &Step, body: impl Fn(T, T) -> T + Copy) {
        let of = |way| match way {
            Way::Linear(linear) => Some([linear.first, linear.plus, linear.then].map(T::cast_from)),
            Way::Plain | Way::Squared => None,
        };
        let line = |x: T, [first, plus, then]: [T; 3]| (x * first + plus) * then;
        match step.ways.map(of) {
            [Some(left), Some(right)] => self.binary::<T, T>(step, |x, y| body(line(x, left), line(y, right))),
            [Some(left), None] => self.binary::<T, T>(step, |x, y| body(line(x, left), y)),
            [None, Some(right)] => self.binary::<T, T>(step, |x, y| body(x, line(y, right))),
            [None, None] => no_number(),
        }
    }

    fn count_where<T: Element>(&self, step: &Step, body: impl Fn(T, T) -> bool + Copy) -> i64 {
        let (xs, ys) = (self.tile::<T>(step, 0), self.tile::<T>(step, 1));
        self.arch.dispatch(
            #[inline(always)]
            || xs.iter().zip(ys).map(|(&x, &y)| i64::from(body(x, y))).sum(),
        )
    }

    fn binary<T: Element, R: Element>(&mut self, step: &Step, body: impl Fn(T, T) -> R + Copy) {
        let mut target = std::mem::take(&mut R::bank(&mut self.registers)[step.target as usize]);
        let out = &mut target[..self.n];
        let (xs, ys) = (self.tile::<T>(step, 0), self.tile::<T>(step, 1));
        self.arch.dispatch(
            #[inline(always)]
            || out.iter_mut().zip(xs.iter().zip(ys)).for_each(|(out, (&x, &y))| *out = body(x, y)),
        );
        R::bank(&mut self.registers)[step.target as usize] = target;
    }
}
