//! Lowering: from expressions to layers of tasks.
//!
//! ```text
//!     expression                                   layers
//!
//!     sum ── less ── add ── square ── x            x            values
//!                     └──── square ── y      ⇒     y            values
//!                                                  sum-partial  one kernel a block: square, square, add, less, and the fold
//!                                                  sum-combine  a tree over the partial results, 16 at a time
//!                                                  sum          its last round
//! ```
//! Each maximal region of elementwise operations, with the reduction that consumes it and the draws and constants that feed it, is one kernel. A layer has one function; what
//! differs from block to block follows from the block's number.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arras_core::pages::huge;
use arras_core::{BoxError, Func, Graph, GridBuilder, Inputs, Kernel, Layer, Name, Sizes, Tokenizer, Value};
use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};
use smallvec::{SmallVec, smallvec};

use crate::elementwise::map::Function;
use crate::engine::block::Block;
use crate::engine::blockwise::stage;
use crate::engine::chunks::{Chunking, Shape};
use crate::engine::dtype::{DType, Element, with_dtype};
use crate::engine::expr::{Expr, Kind};
use crate::engine::fold::{CombineKernel, Finish, Partials, reduce_block};
use crate::engine::program::{Action, Fusion, Program, Step, compile};
use crate::engine::tile::execute;
use crate::reductions::reduce::ReduceOp;
use crate::shape::rechunk::{RechunkKernel, parts, stages};
use crate::shape::view::{AxisPart, Item, SliceKernel, TransposeKernel, cut};

/// Partial results that one task combines, unless the user says otherwise.
pub(crate) const SPLIT_EVERY: usize = 16;

/// The tasks of an expression, those of its inputs first. With `fuse` off every operation is a layer of its own.
pub(crate) fn lower(root: &Arc<Expr>, fuse: bool) -> Graph {
    let mut graph = Graph::new();
    let survey = if fuse { Survey::of(root) } else { Survey::default() };
    enum Visit {
        Expr(Arc<Expr>),
        Insert(Vec<Layer>),
    }
    let mut stack = vec![Visit::Expr(Arc::clone(root))];
    while let Some(visit) = stack.pop() {
        match visit {
            Visit::Insert(layers) => {
                for layer in layers {
                    // Partial results of several reductions come with each of them.
                    if graph.layer(layer.name()).is_none() {
                        graph.insert_layer(layer);
                    }
                }
            }
            Visit::Expr(expr) if graph.layer(&expr.name).is_some() => {}
            Visit::Expr(expr) => {
                let (layers, inputs) = layers_of(&expr, &survey, fuse);
                stack.push(Visit::Insert(layers));
                stack.extend(inputs.into_iter().rev().map(Visit::Expr));
            }
        }
    }
    graph
}

/// What has to be known of a whole expression before its nodes become layers.
#[derive(Default)]
struct Survey {
    /// Draws that are turned around, for which they have tasks of their own: all read those, as drawing takes longer. What else is made of draws may need all of them long before
    /// they are read again, and draws them anew rather than keep them.
    stored: HashSet<Name>,
    /// Reductions of the same elements over the same axes: each with all of its kind, itself among them. One pass over the elements makes the partial results of all.
    together: HashMap<Name, Arc<[Arc<Expr>]>>,
}

impl Survey {
    fn of(root: &Arc<Expr>) -> Survey {
        let mut survey = Survey::default();
        /// The elements, the mask, the axes.
        type Over<'a> = (Name, Option<Name>, &'a [bool]);
        let mut reductions: HashMap<Over<'_>, Vec<Arc<Expr>>> = HashMap::new();
        let mut seen: HashSet<&Name> = HashSet::new();
        let mut stack = vec![root];
        while let Some(expr) = stack.pop() {
            if !seen.insert(&expr.name) {
                continue;
            }
            let inputs = expr.inputs();
            if let Kind::Reduce { axes, mask, input, .. } = &expr.kind {
                let mask = mask.as_ref().map(|mask| mask.name.clone());
                reductions.entry((input.name.clone(), mask, axes)).or_default().push(Arc::clone(expr));
            } else if matches!(expr.kind, Kind::Transpose { .. }) {
                survey.stored.extend(inputs.iter().filter(|input| matches!(input.kind, Kind::Draws(_))).map(|input| input.name.clone()));
            }
            // The first input is visited first, so that the order is that of the expression.
            stack.extend(inputs.into_iter().rev());
        }
        for mut group in reductions.into_values().filter(|group| group.len() > 1) {
            // The order must not depend on which of them another expression has besides.
            group.sort_by(|a, b| a.name.as_str().cmp(b.name.as_str()));
            let group: Arc<[Arc<Expr>]> = group.into();
            survey.together.extend(group.iter().map(|expr| (expr.name.clone(), Arc::clone(&group))));
        }
        survey
    }
}

/// The layers of one node, and the nodes that they read.
fn layers_of(expr: &Arc<Expr>, survey: &Survey, fuse: bool) -> (Vec<Layer>, Vec<Arc<Expr>>) {
    let is_stored = |expr: &Expr| survey.stored.contains(&expr.name);
    match &expr.kind {
        Kind::Values(values) => (vec![Layer::values(expr.name.clone(), &expr.chunks.grid(), values.to_vec())], Vec::new()),
        Kind::Full(_) | Kind::Iota(_) | Kind::Draws(_) | Kind::Elementwise { .. } => {
            let (program, inputs) = compile(expr, None, if fuse { Fusion::Region } else { Fusion::Root }, is_stored);
            let kernel = RegionKernel::new(program, expr.chunks.clone(), SmallVec::new());
            (vec![region_layer(expr.name.clone(), &expr.chunks.grid(), &expr.chunks, &inputs, kernel, sizes(expr))], inputs)
        }
        Kind::Reduce { op, axes, keepdims, split_every, mask, input } => {
            let (program, inputs) = compile(input, mask.as_ref(), if fuse { Fusion::Region } else { Fusion::None }, is_stored);
            let reduction = Reduction { op: *op, axes, keepdims: *keepdims, split_every: *split_every };
            (reduction.layers(expr, input, program, &inputs, survey.together.get(&expr.name).map(|group| &**group)), inputs)
        }
        Kind::Slice { items, input } => (vec![slice_layer(expr, items, input)], vec![Arc::clone(input)]),
        Kind::Transpose { axes, input } => {
            let strides = input.chunks.strides();
            let along: SmallVec<[u32; 4]> = axes.iter().map(|&axis| strides[axis]).collect();
            let func = Func::kernel(TransposeKernel { axes: axes.clone() });
            let mut layer = GridBuilder::new(expr.name.clone(), &expr.chunks.grid());
            let (func, from) = (layer.func(func), layer.depends_on(input.name.clone()));
            each_block(&expr.chunks, |index| layer.call(func, [(from, dot(index, &along))]));
            layer.sizes(sizes(expr));
            (vec![layer.build()], vec![Arc::clone(input)])
        }
        Kind::Rechunk { input } => (rechunk_layers(expr, input), vec![Arc::clone(input)]),
        Kind::Blocks { op, inputs } => (op.layers(expr, inputs), inputs.to_vec()),
    }
}

/// Calls `body` with the index of each block, in row-major order.
pub(crate) fn each_block(chunks: &Chunking, mut body: impl FnMut(&[u32])) {
    let grid = chunks.grid();
    let mut index: SmallVec<[u32; 4]> = SmallVec::from_elem(0, grid.len());
    for _ in 0..chunks.n_blocks() {
        body(&index);
        for axis in (0..grid.len()).rev() {
            index[axis] += 1;
            if index[axis] < grid[axis] {
                break;
            }
            index[axis] = 0;
        }
    }
}

pub(crate) fn dot(index: &[u32], strides: &[u32]) -> u32 {
    index.iter().zip(strides).map(|(i, stride)| i * stride).sum()
}

/// How far a step along each axis of a result goes among the blocks of an input that broadcasts to it.
pub(crate) fn broadcast_strides(input: &Chunking, result: &Chunking) -> SmallVec<[u32; 4]> {
    let offset = result.ndim() - input.ndim();
    let own = input.strides();
    (0..result.ndim()).map(|axis| if axis < offset || input.axes()[axis - offset].len() == 1 { 0 } else { own[axis - offset] }).collect()
}

/// A layer of one kernel for blocks of these chunks, under a grid of as many blocks.
fn region_layer(name: Name, grid: &[u32], chunks: &Chunking, inputs: &[Arc<Expr>], kernel: RegionKernel, sizes: Sizes) -> Layer {
    let mut layer = GridBuilder::new(name, grid);
    let func = layer.func(Func::kernel(kernel));
    let from: SmallVec<[(u32, SmallVec<[u32; 4]>); 4]> =
        inputs.iter().map(|input| (layer.depends_on(input.name.clone()), broadcast_strides(&input.chunks, chunks))).collect();
    layer.reserve_inputs(from.len() * chunks.n_blocks());
    each_block(chunks, |index| layer.call(func, from.iter().map(|(dependency, strides)| (*dependency, dot(index, strides)))));
    layer.sizes(sizes);
    layer.build()
}

/// The sizes of a node's blocks.
pub(crate) fn sizes(expr: &Expr) -> Sizes {
    sizes_of(&expr.chunks, expr.dtype.size())
}

pub(crate) fn sizes_of(chunks: &Chunking, element: usize) -> Sizes {
    let nbytes = |index: &[usize]| (chunks.block_shape(index).iter().product::<usize>() * element) as u64;
    if chunks.is_uniform() {
        let first: Shape = SmallVec::from_elem(0, chunks.ndim());
        return Sizes::Uniform(nbytes(&first));
    }
    Sizes::Each((0..chunks.n_blocks() as u32).map(|flat| nbytes(&chunks.index_of(flat))).collect())
}

fn slice_layer(expr: &Expr, items: &[Item], input: &Expr) -> Layer {
    let strides = input.chunks.strides();
    let mut axes = input.chunks.axes().iter().zip(&strides);
    let mut parts = Vec::new();
    // For each axis of the result, where each of its blocks comes from, in flat positions; and what the removed axes add.
    let mut places: Vec<Vec<u32>> = Vec::new();
    let mut fixed = 0;
    for item in items {
        if matches!(item, Item::NewAxis) {
            parts.push(AxisPart::NewAxis);
            places.push(vec![0]);
            continue;
        }
        let (chunks, &stride) = axes.next().expect("an item for each axis");
        match *item {
            Item::Range { start, step, length } => {
                let pieces = cut(chunks, start, step, length);
                places.push(pieces.iter().map(|&(chunk, _, _)| chunk as u32 * stride).collect());
                parts.push(AxisPart::Range { step, parts: pieces.into_iter().map(|(_, first, n)| (first, n)).collect() });
            }
            Item::Index(i) => {
                let (chunk, local, _) = cut(chunks, i, 1, 1)[0];
                fixed += chunk as u32 * stride;
                parts.push(AxisPart::Index(local));
            }
            Item::NewAxis => unreachable!("handled above"),
        }
    }
    let mut layer = GridBuilder::new(expr.name.clone(), &expr.chunks.grid());
    let func = layer.func(Func::kernel(SliceKernel { chunks: expr.chunks.clone(), axes: parts }));
    let from = layer.depends_on(input.name.clone());
    each_block(&expr.chunks, |index| {
        let place: u32 = index.iter().zip(&places).map(|(&i, places)| places[i as usize]).sum();
        layer.call(func, [(from, fixed + place)]);
    });
    layer.sizes(sizes(expr));
    layer.build()
}

/// A layer for each stage on the way to the new chunks.
fn rechunk_layers(expr: &Expr, input: &Expr) -> Vec<Layer> {
    let stages = stages(&input.chunks, &expr.chunks);
    let mut layers = Vec::with_capacity(stages.len() + 1);
    let mut from = (input.name.clone(), input.chunks.clone());
    for (i, chunks) in stages.into_iter().enumerate() {
        let name = stage(expr, &format!("stage-{i}"));
        layers.push(rechunk_layer(name.clone(), &chunks, (&from.0, &from.1), expr.dtype));
        from = (name, chunks);
    }
    layers.push(rechunk_layer(expr.name.clone(), &expr.chunks, (&from.0, &from.1), expr.dtype));
    layers
}

fn rechunk_layer(name: Name, chunks: &Chunking, (input, old): (&Name, &Chunking), dtype: DType) -> Layer {
    let strides = old.strides();
    let parts: Vec<_> = old.axes().iter().zip(chunks.axes()).map(|(old, new)| parts(old, new)).collect();
    let kernel = RechunkKernel { dtype, chunks: chunks.clone(), parts: parts.clone() };
    let mut layer = GridBuilder::new(name, &chunks.grid());
    let func = layer.func(Func::kernel(kernel));
    let from = layer.depends_on(input.clone());
    let mut flats: Vec<u32> = Vec::new();
    each_block(chunks, |index| {
        flats.clear();
        flats.push(0);
        for (axis, &i) in index.iter().enumerate() {
            let pieces = &parts[axis][i as usize];
            let stride = strides[axis];
            flats = flats.iter().flat_map(|flat| pieces.iter().map(move |piece| flat + piece.0 as u32 * stride)).collect();
        }
        layer.call(func, flats.iter().map(|&flat| (from, flat)));
    });
    layer.sizes(sizes_of(chunks, dtype.size()));
    layer.build()
}

struct Reduction<'a> {
    op: ReduceOp,
    axes: &'a [bool],
    keepdims: bool,
    split_every: usize,
}

impl Reduction<'_> {
    /// Partial results of each block, then rounds that combine them, `split_every` at a time, along the reduced axes in row-major order. The partial results of reductions that
    /// go together are one layer, which each of them brings.
    fn layers(&self, expr: &Expr, input: &Expr, program: Program, inputs: &[Arc<Expr>], together: Option<&[Arc<Expr>]>) -> Vec<Layer> {
        let &Reduction { op, axes, keepdims, split_every } = self;
        let partial = op.partial(input.dtype);
        let chunks = &input.chunks;
        let finish = |keep, last| Finish { reduced: SmallVec::from_slice(axes), keep, last };
        if together.is_none() && n_partials(chunks, axes) == 1 {
            // Each block is a result of its own. The grids differ in axes of length 1 at most, so flat positions agree.
            let kernel = RegionKernel::new(program, chunks.clone(), smallvec![(op, finish(keepdims, true))]);
            let layer = region_layer(expr.name.clone(), &expr.chunks.grid(), chunks, inputs, kernel, sizes(expr));
            return vec![layer];
        }
        let ops: SmallVec<[ReduceOp; 1]> =
            together.map_or_else(|| smallvec![op], |group| group.iter().map(|expr| reduce_op(expr)).collect());
        let (partial_name, which) = match together {
            None => (stage(expr, "partial"), 0),
            Some(group) => {
                let mut token = Tokenizer::new();
                group.iter().for_each(|expr| {
                    token.text(expr.name.as_str());
                });
                let operation = ops.iter().map(|op| op.name()).collect::<Vec<_>>().join("+") + "-partial";
                let which = group.iter().position(|other| other.name == expr.name).expect("a reduction is among its own");
                (Name::from_token(&operation, token.finish()), which)
            }
        };
        let kernel = RegionKernel::new(program, chunks.clone(), ops.iter().map(|&op| (op, finish(true, false))).collect());
        let size = ops.iter().map(|op| op.partial(input.dtype).size()).sum();
        let partial_sizes = sizes_of(&partial_chunks(chunks, axes), size);
        let mut layers = vec![region_layer(partial_name.clone(), &chunks.grid(), chunks, inputs, kernel, partial_sizes)];
        let kernel = |is_last: bool| {
            let finish = is_last.then(|| finish(keepdims, true));
            Func::kernel(CombineKernel { op, dtype: partial.dtype, which: which as u32, finish })
        };
        layers.extend(rounds(expr, partial_name, chunks, axes, split_every, Some(partial.size()), kernel));
        layers
    }
}

fn reduce_op(expr: &Expr) -> ReduceOp {
    match expr.kind {
        Kind::Reduce { op, .. } => op,
        _ => unreachable!("only reductions go together"),
    }
}

/// How many blocks meet in one of a reduction over these axes.
pub(crate) fn n_partials(chunks: &Chunking, axes: &[bool]) -> usize {
    chunks.grid().iter().zip(axes).filter(|(_, reduced)| **reduced).map(|(&n, _)| n as usize).product()
}

/// The chunks of partial results, one for each block: the reduced axes have length 1 in each.
pub(crate) fn partial_chunks(chunks: &Chunking, axes: &[bool]) -> Chunking {
    let partial = chunks.axes().iter().zip(axes).map(|(chunks, &reduced)| if reduced { vec![1; chunks.len()] } else { chunks.clone() });
    Chunking::new(partial.collect()).expect("as many blocks as the input has")
}

/// The rounds of a tree over partial results: `split_every` are combined at a time along the reduced axes in row-major order, until one is left. At least one round is made.
/// `from` is a layer over the grid of `chunks`; `size` is the bytes of an element of a partial result, `func` the function of the last round and of those before.
pub(crate) fn rounds(
    expr: &Expr,
    mut from: Name,
    chunks: &Chunking,
    axes: &[bool],
    split_every: usize,
    size: Option<usize>,
    func: impl Fn(bool) -> Func,
) -> Vec<Layer> {
    let grid = chunks.grid();
    // Where the partial results of a kept block are: along the reduced axes in row-major order.
    let strides = chunks.strides();
    let masked =
        |keep: bool| -> SmallVec<[u32; 4]> { strides.iter().zip(axes).map(|(&s, &reduced)| if reduced == keep { 0 } else { s }).collect() };
    let (kept_strides, reduced_strides) = (masked(true), masked(false));
    let ones = |reduced: bool| -> Chunking {
        let grid = grid.iter().zip(axes).map(|(&n, &r)| vec![1usize; if r == reduced { n as usize } else { 1 }]);
        Chunking::new(grid.collect()).expect("no more blocks than the input has")
    };
    let mut reduced_flats = Vec::new();
    each_block(&ones(true), |index| reduced_flats.push(dot(index, &reduced_strides)));
    let mut kept_flats = Vec::new();
    each_block(&ones(false), |index| kept_flats.push(dot(index, &kept_strides)));

    let (mut n, mut round) = (reduced_flats.len(), 0);
    let mut layers = Vec::new();
    loop {
        let groups = n.div_ceil(split_every);
        let is_last = groups == 1;
        let name = if is_last { expr.name.clone() } else { stage(expr, &format!("combine-{round}")) };
        let mut layer = if is_last {
            GridBuilder::new(name.clone(), &expr.chunks.grid())
        } else {
            GridBuilder::new(name.clone(), &[kept_flats.len() as u32, groups as u32])
        };
        let func = layer.func(func(is_last));
        let dependency = layer.depends_on(from);
        layer.reserve_inputs(kept_flats.len() * n);
        for (kept, &kept_flat) in kept_flats.iter().enumerate() {
            for group in 0..groups {
                let members = group * split_every..n.min((group + 1) * split_every);
                let flat = |member: usize| if round == 0 { kept_flat + reduced_flats[member] } else { (kept * n + member) as u32 };
                layer.call(func, members.map(|member| (dependency, flat(member))));
            }
        }
        if is_last {
            layer.sizes(sizes(expr));
            layers.push(layer.build());
            return layers;
        }
        if let Some(size) = size {
            let elements = |kept: u32| {
                chunks
                    .block_shape(&chunks.index_of(kept))
                    .iter()
                    .zip(axes)
                    .filter(|(_, reduced)| !**reduced)
                    .map(|(n, _)| n)
                    .product::<usize>()
            };
            let each = kept_flats.iter().flat_map(|&kept| std::iter::repeat_n((elements(kept) * size) as u64, groups));
            layer.sizes(if chunks.is_uniform() { Sizes::Uniform((elements(0) * size) as u64) } else { Sizes::Each(each.collect()) });
        }
        layers.push(layer.build());
        (from, n, round) = (name, groups, round + 1);
    }
}

/// Runs a program over a block, and folds what it makes if a reduction consumes it.
#[derive(Debug, Serialize, Deserialize)]
struct RegionKernel {
    program: Program,
    chunks: Chunking,
    /// The reductions that consume it, over the same axes.
    reduce: SmallVec<[(ReduceOp, Finish); 1]>,
}

impl RegionKernel {
    fn new(program: Program, chunks: Chunking, reduce: SmallVec<[(ReduceOp, Finish); 1]>) -> RegionKernel {
        RegionKernel { program, chunks, reduce }
    }
}

impl Kernel for RegionKernel {
    /// `square+add+less+sum`
    fn name(&self) -> Cow<'static, str> {
        let mut names: Vec<&str> = Vec::new();
        for step in &self.program.steps {
            let name = match &step.action {
                Action::Apply(operation) => step.function().map_or(operation.name(), |function| function.label()),
                Action::Draw(draws) => draws.law.name(),
                Action::Count(_) => "iota",
                Action::Absorbed => continue,
            };
            step.ways.iter().flat_map(|way| way.names()).for_each(|name| names.push(name));
            names.dedup();
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        names.extend(self.reduce.iter().map(|(op, _)| op.name()));
        match names.len() {
            0 => "full".into(),
            1..=8 => names.join("+").into(),
            n => format!("{}+…+{}", names[..3].join("+"), names[n - 2..].join("+")).into(),
        }
    }

    fn portability(&self) -> Result<(), String> {
        self.program.steps.iter().filter_map(Step::function).try_for_each(Function::portability)
    }

    fn runs_user_code(&self) -> bool {
        self.program.steps.iter().any(|step| step.function().is_some())
    }

    /// By its elements and steps: what it draws is not read, and what it reduces is not written.
    fn nanoseconds(&self, block: u32) -> Option<u64> {
        let elements: usize = self.chunks.block_shape(&self.chunks.index_of(block)).iter().product();
        let steps: u64 = self.program.steps.iter().map(Step::quarters).sum();
        // Besides, each element is read, reduced or written.
        Some((elements as u64).saturating_mul(steps + 4 * self.reduce.len().max(1) as u64) / 4)
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let index = self.chunks.index_of(inputs.block());
        let shape = self.chunks.block_shape(&index);
        let start = self.chunks.block_start(&index);
        let blocks = (0..inputs.len()).map(|i| inputs.get::<Block>(i)).collect::<arras_core::Result<SmallVec<[&Block; 4]>>>()?;
        if !self.reduce.is_empty() {
            let mut reduced = reduce_block(&self.reduce, &self.program, &blocks, &self.chunks, &index, &start)?;
            return Ok(if reduced.len() == 1 { Value::measured(reduced.remove(0)) } else { Value::measured(Partials(reduced)) });
        }
        with_dtype!(self.program.dtype, T => {
            let mut elements: Vec<T> = huge(Vec::with_capacity(shape.iter().product()));
            execute::<T>(&self.program, &blocks, &shape, &start, |tile| elements.extend_from_slice(tile))?;
            let array = ArrayD::from_shape_vec(IxDyn(&shape), elements)?;
            Ok(Value::measured(T::into_block(array.into_shared())))
        })
    }
}
