//! Functions of blocks of several arrays, which letters for their axes bring together: `blockwise`, `map_blocks`.
//!
//! ```text
//!     "ij,jk->ik"       x  i│j         y  j│k                  result  i│k
//!                       ┌────┬────┐    ┌────┬────┬────┐       ┌────┬────┬────┐
//!                       │░░░░│░░░░│    │    │░░░░│    │       │    │ ░░ │    │    one call a block of the result: with the block of
//!                       ├────┼────┤    ├────┼────┼────┤  ──►  ├────┼────┼────┤    each array at its place, all blocks along letters
//!                       │    │    │    │    │░░░░│    │       │    │    │    │    that the result has not put together
//!                       └────┴────┘    └────┴────┴────┘       └────┴────┴────┘
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arras_core::{BoxError, Func, Inputs, Layer, Value};
use ndarray::ArrayD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::array::{Array, Operand};
use crate::blocks::location::BlockLocation;
use crate::blocks::several::{Arrays, Elements};
use crate::elementwise::map::Function;
use crate::engine::block::Block;
use crate::engine::blockwise::{BlockOp, node, node_layer, value};
use crate::engine::chunks::{Chunking, Chunks, refine};
use crate::engine::dtype::{DType, Element};
use crate::engine::expr::Expr;
use crate::engine::simplify;
use crate::engine::user::{Caller, Calls};
use crate::error::{Error, Result};
use crate::shape::axes::axes_of;

/// What stands for an axis: a letter's code point, or a number.
pub(crate) type Label = usize;

/// The axes of what [`blockwise`] makes that are not those of its arrays. `()` is none.
///
/// ```
/// use arras_array::BlockAxes;
/// let axes = BlockAxes::default().new_axis('k', [5, 5]).chunks('i', [1, 1, 1]);
/// assert_ne!(axes, ().into());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockAxes {
    new: BTreeMap<char, Vec<usize>>,
    chunks: BTreeMap<char, Vec<usize>>,
}

impl BlockAxes {
    /// An axis of the result that no array has, and the lengths of its chunks: for each the function is called.
    #[must_use]
    pub fn new_axis(mut self, letter: char, chunks: impl Into<Vec<usize>>) -> BlockAxes {
        self.new.insert(letter, chunks.into());
        self
    }

    /// Other lengths for the chunks of an axis of the result than the arrays have, as many as those.
    #[must_use]
    pub fn chunks(mut self, letter: char, chunks: impl Into<Vec<usize>>) -> BlockAxes {
        self.chunks.insert(letter, chunks.into());
        self
    }
}

impl From<()> for BlockAxes {
    fn from((): ()) -> BlockAxes {
        BlockAxes::default()
    }
}

/// A function of blocks of several arrays: letters say which axes of theirs belong together, and which the result has. Lazy; work: one call for each block of the result.
///
/// `"ij,jk->ik"` names the axes of two arrays and of the result. For each block of the result the function gets of each array the block at the same place along the axes that
/// the result has, and all blocks along the others, put together. Axes of one letter have one length, or 1, for which the one block serves everywhere; where their chunks
/// differ, both are cut at every place where one of them is. The function gets the block's [`BlockLocation`] in the result too, and returns a block of its shape.
///
/// It runs in another process only if it captures nothing. A block of another shape ends the run with an error that names both shapes.
///
/// ```
/// use arras_array::{Array, blockwise};
/// use arras_scheduler::Compute;
/// use ndarray::{ArrayViewD, Ix2};
/// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0]]), 1)?;
/// let y = Array::from_ndarray(ndarray::arr2(&[[1, 0], [0, 2]]), 1)?;
/// let product = blockwise("ij,jk->ik", (&x, &y), (), |(a, b): (ArrayViewD<f64>, ArrayViewD<i64>), _| {
///     let (a, b) = (a.into_dimensionality::<Ix2>().unwrap(), b.mapv(|b| b as f64).into_dimensionality::<Ix2>().unwrap());
///     a.dot(&b).into_dyn()
/// });
/// assert_eq!(product.compute()?, ndarray::arr2(&[[1.0, 4.0], [3.0, 8.0]]).into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The result fails with an [`Error::Argument`] for letters that do not fit the arrays, and for lengths of one letter that differ.
pub fn blockwise<A: Arrays, R: Element, F>(letters: &str, arrays: A, axes: impl Into<BlockAxes>, function: F) -> Array<R>
where
    F: for<'a> Fn(<A::Elements as Elements>::Views<'a>, &BlockLocation) -> ArrayD<R> + Send + Sync + 'static,
{
    Array::of(|| {
        let func = of_views::<F, A::Elements, (), R>((), move |(), blocks, at| function(blocks, at));
        Blockwise::of_letters("blockwise", letters, &arrays, &axes.into())?.node(false, func, R::DTYPE)
    })
}

/// As [`blockwise`], for a function of `&environment`, blocks and their location: captures that are spelled out, so that it runs in other processes too.
///
/// ```
/// use arras_array::{Array, blockwise_with};
/// use arras_scheduler::Compute;
/// use ndarray::ArrayViewD;
/// let x = Array::from_ndarray(ndarray::array![1.0, 2.0], 1)?;
/// let y = blockwise_with("i,i->i", (&x, &x), (), 0.5, |half: &f64, (a, b): (ArrayViewD<f64>, ArrayViewD<f64>), _| (&a + &b) * *half);
/// assert_eq!(y.compute()?, x.compute()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn blockwise_with<A: Arrays, E, R: Element, F>(
    letters: &str,
    arrays: A,
    axes: impl Into<BlockAxes>,
    environment: E,
    function: F,
) -> Array<R>
where
    E: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: for<'a> Fn(&E, <A::Elements as Elements>::Views<'a>, &BlockLocation) -> ArrayD<R> + Send + Sync + 'static,
{
    Array::of(|| {
        let func = of_views::<F, A::Elements, E, R>(environment, function);
        Blockwise::of_letters("blockwise", letters, &arrays, &axes.into())?.node(false, func, R::DTYPE)
    })
}

/// As [`blockwise`], but blocks along axes that the result has not are not put together: the function gets a vector of blocks of each array, in row-major order.
///
/// ```
/// use arras_array::{Array, blockwise_lists};
/// use arras_scheduler::Compute;
/// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]]), [2, 1])?;
/// let n = blockwise_lists("ij->i", &x, (), |blocks, location| ndarray::ArrayD::from_elem(location.shape.clone(), blocks.len() as i64));
/// assert_eq!(n.compute()?, ndarray::array![3, 3].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn blockwise_lists<A: Arrays, R: Element, F>(letters: &str, arrays: A, axes: impl Into<BlockAxes>, function: F) -> Array<R>
where
    F: for<'a> Fn(<A::Elements as Elements>::Lists<'a>, &BlockLocation) -> ArrayD<R> + Send + Sync + 'static,
{
    Array::of(|| {
        let func = of_lists::<F, A::Elements, (), R>((), move |(), blocks, at| function(blocks, at));
        Blockwise::of_letters("blockwise", letters, &arrays, &axes.into())?.node(true, func, R::DTYPE)
    })
}

/// As [`blockwise_lists`], for a function of `&environment`, lists of blocks and their location: captures that are spelled out, so that it runs in other processes too.
pub fn blockwise_lists_with<A: Arrays, E, R: Element, F>(
    letters: &str,
    arrays: A,
    axes: impl Into<BlockAxes>,
    environment: E,
    function: F,
) -> Array<R>
where
    E: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: for<'a> Fn(&E, <A::Elements as Elements>::Lists<'a>, &BlockLocation) -> ArrayD<R> + Send + Sync + 'static,
{
    Array::of(|| {
        let func = of_lists::<F, A::Elements, E, R>(environment, function);
        Blockwise::of_letters("blockwise", letters, &arrays, &axes.into())?.node(true, func, R::DTYPE)
    })
}

/// How the blocks that a function of [`map_blocks`] returns differ in their axes from those that it gets. `()` is not at all.
///
/// ```
/// use arras_array::OutputAxes;
/// let axes = OutputAxes::default().drop_axis([1]).new_axis([0]).chunks([vec![2], vec![5, 5]]);
/// assert_ne!(axes, ().into());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputAxes {
    drop: Vec<isize>,
    new: Vec<isize>,
    chunks: Option<Vec<Vec<usize>>>,
}

impl OutputAxes {
    /// Axes that the returned blocks have not. The function gets all blocks along them put together.
    #[must_use]
    pub fn drop_axis(mut self, axes: impl Into<Vec<isize>>) -> OutputAxes {
        self.drop = axes.into();
        self
    }

    /// Axes of the result, not of the arrays, of one chunk: of length 1, unless [`chunks`](OutputAxes::chunks) says otherwise.
    #[must_use]
    pub fn new_axis(mut self, axes: impl Into<Vec<isize>>) -> OutputAxes {
        self.new = axes.into();
        self
    }

    /// The lengths of the chunks along each axis of the result: as many as the arrays have there.
    #[must_use]
    pub fn chunks(mut self, chunks: impl IntoIterator<Item = Vec<usize>>) -> OutputAxes {
        self.chunks = Some(chunks.into_iter().collect());
        self
    }
}

impl From<()> for OutputAxes {
    fn from((): ()) -> OutputAxes {
        OutputAxes::default()
    }
}

/// `function` of the blocks of several arrays at one place and their [`BlockLocation`] in the result, which returns a block of any element type: [`Array::map_blocks`] for more
/// arrays than one. Lazy; work: one call a block.
///
/// Shapes broadcast, blocks as well: an axis of length 1 has one block, which serves everywhere. Where chunks differ, the arrays are cut at every place where one of them is.
///
/// ```
/// use arras_array::{Array, OutputAxes, map_blocks};
/// use arras_scheduler::Compute;
/// use ndarray::{ArrayViewD, Axis};
/// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0]]), 1)?;
/// let n = Array::from_ndarray(ndarray::array![2, 3], 1)?;
/// let powers = map_blocks((&x, &n), (), |(x, n): (ArrayViewD<f64>, ArrayViewD<i32>), _| ndarray::Zip::from(&x).and_broadcast(&n).map_collect(|x, n| x.powi(*n)));
/// assert_eq!(powers.compute()?, ndarray::arr2(&[[1.0, 8.0], [9.0, 64.0]]).into_dyn());
/// let sums = map_blocks(&x, OutputAxes::default().drop_axis([1]), |x: ArrayViewD<f64>, _| x.sum_axis(Axis(1)));
/// assert_eq!(sums.compute()?, ndarray::array![3.0, 7.0].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The result fails with an [`Error::Argument`] for shapes that do not broadcast and for chunks of another number, with an [`Error::Axis`] for axes that are not there.
pub fn map_blocks<A: Arrays, R: Element, F>(arrays: A, axes: impl Into<OutputAxes>, function: F) -> Array<R>
where
    F: for<'a> Fn(<A::Elements as Elements>::Views<'a>, &BlockLocation) -> ArrayD<R> + Send + Sync + 'static,
{
    let func = || of_views::<F, A::Elements, (), R>((), move |(), blocks, at| function(blocks, at));
    Array::of(|| mapped(&arrays, axes.into(), func(), R::DTYPE))
}

/// As [`map_blocks`], for a function of `&environment`, blocks and their location: captures that are spelled out, so that it runs in other processes too.
///
/// ```
/// use arras_array::{Array, map_blocks_with};
/// use arras_scheduler::Compute;
/// use ndarray::ArrayViewD;
/// let x = Array::from_ndarray(ndarray::array![1, 2, 3], 2)?;
/// let scale = 10;
/// let y = map_blocks_with((&x, &x), (), scale, |scale: &i64, (a, b): (ArrayViewD<i64>, ArrayViewD<i64>), _| &a * *scale + &b);
/// assert_eq!(y.compute()?, ndarray::array![11, 22, 33].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn map_blocks_with<A: Arrays, E, R: Element, F>(arrays: A, axes: impl Into<OutputAxes>, environment: E, function: F) -> Array<R>
where
    E: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: for<'a> Fn(&E, <A::Elements as Elements>::Views<'a>, &BlockLocation) -> ArrayD<R> + Send + Sync + 'static,
{
    Array::of(|| mapped(&arrays, axes.into(), of_views::<F, A::Elements, E, R>(environment, function), R::DTYPE))
}

/// A function of the blocks of several arrays at one place.
fn mapped(arrays: &impl Arrays, axes: OutputAxes, func: Func, dtype: DType) -> Result<Arc<Expr>> {
    let inputs = exprs(arrays)?;
    let ndim = inputs.iter().map(|input| input.chunks.ndim()).max().unwrap_or(0);
    let shape = crate::engine::expr::broadcast("map_blocks", &inputs)?.iter().map(|chunks| chunks.iter().sum()).collect::<Vec<usize>>();
    let labels = inputs.iter().map(|input| (ndim - input.chunks.ndim()..ndim).collect()).collect();
    let dropped = axes_of("map_blocks", &axes.drop, &shape)?;
    let mut output: Vec<Label> = (0..ndim).filter(|axis| !dropped.contains(axis)).collect();
    // New axes are numbered in the result.
    let mut declared = BTreeMap::new();
    let result = vec![1; output.len() + axes.new.len()];
    let mut new = axes_of("map_blocks", &axes.new, &result)?;
    new.sort_unstable();
    for (i, &place) in new.iter().enumerate() {
        output.insert(place, ndim + i);
        declared.insert(ndim + i, vec![1]);
    }
    if let Some(chunks) = axes.chunks {
        if chunks.len() != output.len() {
            let why = format!("chunks of {} axes for a result of {}", chunks.len(), output.len());
            return Err(Error::argument("map_blocks", why));
        }
        declared.extend(output.iter().copied().zip(chunks));
    }
    let named = |label: Label| format!("axis {label}");
    Blockwise::new("map_blocks", inputs, labels, output, declared, &named)?.node(false, func, dtype)
}

/// Axes of arrays brought together.
pub(crate) struct Blockwise {
    operation: &'static str,
    inputs: Vec<Arc<Expr>>,
    labels: Vec<Vec<Label>>,
    output: Vec<Label>,
    chunks: Chunking,
}

/// The expressions of arrays, one at least.
pub(crate) fn exprs(arrays: &impl Arrays) -> Result<Vec<Arc<Expr>>> {
    let each = arrays.operands()?.into_iter().map(|operand| match operand {
        Operand::Expr(expr) => expr,
        Operand::Scalar(_) => unreachable!("arrays are no scalars"),
    });
    Ok(each.collect())
}

impl Blockwise {
    /// Arrays whose axes have these labels. `declared` are the chunks of axes that only the result has, or has otherwise.
    pub(crate) fn new(
        operation: &'static str,
        inputs: Vec<Arc<Expr>>,
        labels: Vec<Vec<Label>>,
        output: Vec<Label>,
        mut declared: BTreeMap<Label, Vec<usize>>,
        named: &dyn Fn(Label) -> String,
    ) -> Result<Blockwise> {
        let mut cuts: BTreeMap<Label, Vec<usize>> = BTreeMap::new();
        for (input, labels) in inputs.iter().zip(&labels) {
            for (chunks, &label) in input.chunks.axes().iter().zip(labels) {
                let cut = cuts.entry(label).or_insert_with(|| vec![1]);
                let (own, others): (usize, usize) = (chunks.iter().sum(), cut.iter().sum());
                match (own, others) {
                    _ if own == others => *cut = refine(cut, chunks),
                    (1, _) => {}
                    (_, 1) => cut.clone_from(chunks),
                    _ => {
                        let why = format!("{} has lengths {others} and {own}: lengths that meet are equal or 1", named(label));
                        return Err(Error::argument(operation, why));
                    }
                }
            }
        }
        let axis = |label: &Label| -> Result<Vec<usize>> {
            match (cuts.get(label), declared.remove(label)) {
                (Some(cut), None) => Ok(cut.clone()),
                (None, Some(chunks)) => Ok(chunks),
                (Some(cut), Some(chunks)) if cut.len() == chunks.len() => Ok(chunks),
                (Some(cut), Some(chunks)) => {
                    let why = format!("chunks {chunks:?} for {}, which is cut into {} blocks", named(*label), cut.len());
                    Err(Error::argument(operation, why))
                }
                (None, None) => {
                    Err(Error::argument(operation, format!("{} of the result is of no array, and not said to be new", named(*label))))
                }
            }
        };
        let axes = output.iter().map(axis).collect::<Result<Vec<_>>>()?;
        if let Some(label) = declared.keys().next() {
            return Err(Error::argument(operation, format!("{} is given chunks, but the result has it not", named(*label))));
        }
        let lengths = axes.iter().map(|chunks| chunks.iter().try_fold(0usize, |sum, &n| sum.checked_add(n)).unwrap_or(usize::MAX));
        let chunks = Chunks::explicit(axes.clone()).of_shape(&lengths.collect::<Vec<_>>())?;
        let fit = |(input, labels): (&Arc<Expr>, &Vec<Label>)| {
            let cut = |(own, label): (&Vec<usize>, &Label)| if own == &[1] { own.clone() } else { cuts[label].clone() };
            simplify::rechunk(input, Chunking::new(input.chunks.axes().iter().zip(labels).map(cut).collect())?)
        };
        let inputs = inputs.iter().zip(&labels).map(fit).collect::<Result<Vec<_>>>()?;
        Ok(Blockwise { operation, inputs, labels, output, chunks })
    }

    /// As [`new`](Blockwise::new), by letters.
    fn of_letters(operation: &'static str, letters: &str, arrays: &impl Arrays, axes: &BlockAxes) -> Result<Blockwise> {
        let wrong = |why: String| Error::argument(operation, format!("{letters:?}: {why}"));
        let text: String = letters.chars().filter(|c| !c.is_whitespace()).collect();
        let (before, after) = text.split_once("->").ok_or_else(|| wrong("-> stands before the letters of the result".into()))?;
        let labels = |text: &str| -> Result<Vec<Label>> {
            match text.chars().find(|c| !c.is_alphabetic()) {
                Some(c) => Err(wrong(format!("{c:?} is no letter"))),
                None => Ok(text.chars().map(|c| c as Label).collect()),
            }
        };
        let inputs = exprs(arrays)?;
        let named: Vec<&str> = before.split(',').collect();
        if named.len() != inputs.len() {
            return Err(wrong(format!("letters for {} arrays, but there are {}", named.len(), inputs.len())));
        }
        let each = named.into_iter().map(labels).collect::<Result<Vec<_>>>()?;
        for (i, (input, labels)) in inputs.iter().zip(&each).enumerate() {
            let shape = input.shape();
            if labels.len() != shape.len() {
                return Err(wrong(format!("{} letters for array {i}, whose shape is {:?}", labels.len(), shape.as_slice())));
            }
        }
        let output = labels(after)?;
        let name = |label: Label| format!("axis {:?}", char::from_u32(label as u32).unwrap_or('?'));
        if let Some(twice) = (1..output.len()).find(|&i| output[..i].contains(&output[i])) {
            return Err(wrong(format!("{} is twice in the result", name(output[twice]))));
        }
        if let Some(c) = axes.new.keys().find(|&&c| each.iter().flatten().any(|&label| label == c as Label)) {
            return Err(wrong(format!("axis {c:?} is said to be new, but is an array's")));
        }
        let declared = axes.new.iter().chain(&axes.chunks).map(|(&c, chunks)| (c as Label, chunks.clone())).collect();
        Blockwise::new(operation, inputs, each, output, declared, &name)
    }

    /// The node of a function's blocks. With `lists` blocks along axes that the result has not are not put together.
    fn node(self, lists: bool, func: Func, dtype: DType) -> Result<Arc<Expr>> {
        let Blockwise { operation, mut inputs, labels, output, chunks } = self;
        if !lists {
            for (input, labels) in inputs.iter_mut().zip(&labels) {
                let whole = |(own, label): (&Vec<usize>, &Label)| if output.contains(label) { own.clone() } else { vec![own.iter().sum()] };
                *input = simplify::rechunk(input, Chunking::new(input.chunks.axes().iter().zip(labels).map(whole).collect())?)?;
            }
        }
        let op = BlockwiseOp { function: Function::new(operation, func, dtype), labels, output };
        Ok(node(operation, dtype, chunks, op, &inputs))
    }
}

/// A function of an environment, blocks and a location, under the name of `Named`.
pub(crate) fn of_views<Named: 'static, A: Elements, E, R: Element>(
    environment: E,
    function: impl for<'a> Fn(&E, A::Views<'a>, &BlockLocation) -> ArrayD<R> + Send + Sync + 'static,
) -> Func
where
    E: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    Func::erased_with::<Named, E, _>(environment, move |environment: &E, inputs: &Inputs<'_>| {
        let (blocks, location) = called_with(inputs)?;
        let views = A::views(&blocks).ok_or("a block of another type than the function's parameter")?;
        Ok(value(function(environment, views, location)))
    })
}

fn of_lists<Named: 'static, A: Elements, E, R: Element>(
    environment: E,
    function: impl for<'a> Fn(&E, A::Lists<'a>, &BlockLocation) -> ArrayD<R> + Send + Sync + 'static,
) -> Func
where
    E: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    Func::erased_with::<Named, E, _>(environment, move |environment: &E, inputs: &Inputs<'_>| {
        let (blocks, location) = called_with(inputs)?;
        let (mut rest, mut lists) = (blocks.as_slice(), Vec::new());
        for &n in inputs.get::<Vec<usize>>(blocks.len())? {
            let (list, others) = rest.split_at_checked(n).ok_or("fewer blocks than are read together")?;
            lists.push(list);
            rest = others;
        }
        let lists = A::lists(&lists).ok_or("a block of another type than the function's parameter")?;
        Ok(value(function(environment, lists, location)))
    })
}

/// The blocks that a function was called with; after them stand how many belong to each array, and the location.
fn called_with<'a>(inputs: &Inputs<'a>) -> Result<(Vec<&'a Block>, &'a BlockLocation), BoxError> {
    let n = inputs.len().checked_sub(2).ok_or("a function of blocks that was given no location")?;
    Ok(((0..n).map(|i| inputs.get::<Block>(i)).collect::<arras_core::Result<_>>()?, inputs.get::<BlockLocation>(n + 1)?))
}

#[derive(Debug)]
struct BlockwiseOp {
    function: Function,
    labels: Vec<Vec<Label>>,
    output: Vec<Label>,
}

impl BlockOp for BlockwiseOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        // For each axis of each input, how far a step passes and the axis of the result it goes with, or how many blocks are read.
        enum Step {
            With(usize, u32),
            All(u32, u32),
        }
        let steps = |(input, labels): (&Arc<Expr>, &Vec<Label>)| -> Vec<Step> {
            let (strides, grid) = (input.chunks.strides(), input.chunks.grid());
            let step = |(axis, label)| match self.output.iter().position(|other| other == label) {
                Some(place) => Step::With(place, if grid[axis] == 1 { 0 } else { strides[axis] }),
                None => Step::All(grid[axis], strides[axis]),
            };
            labels.iter().enumerate().map(step).collect()
        };
        let steps: Vec<Vec<Step>> = inputs.iter().zip(&self.labels).map(steps).collect();
        let count = |step: &Step| if let Step::All(n, _) = step { *n as usize } else { 1 };
        let counts = steps.iter().map(|steps| steps.iter().map(count).product()).collect();
        let kernel = BlockwiseKernel { function: self.function.clone(), counts, place: expr.chunks.clone(), chunks: expr.chunks.clone() };
        vec![node_layer(expr, inputs, Caller(kernel), |index, read| {
            for (input, steps) in steps.iter().enumerate() {
                let mut flats = vec![0];
                for step in steps {
                    match *step {
                        Step::With(place, stride) => flats.iter_mut().for_each(|flat| *flat += index[place] * stride),
                        Step::All(n, stride) => flats = flats.iter().flat_map(|flat| (0..n).map(move |i| flat + i * stride)).collect(),
                    }
                }
                read.extend(flats.into_iter().map(|flat| (input, flat)));
            }
        })]
    }
}

/// Calls a function of blocks and a location.
#[derive(Serialize, Deserialize)]
pub(crate) struct BlockwiseKernel {
    pub(crate) function: Function,
    /// How many blocks of each array are read at once.
    pub(crate) counts: Vec<usize>,
    /// The chunks of the array that the function is told its place in.
    pub(crate) place: Chunking,
    /// The result's, as many.
    pub(crate) chunks: Chunking,
}

impl Calls for BlockwiseKernel {
    fn func(&self) -> &Func {
        self.function.func()
    }

    fn label(&self) -> Cow<'static, str> {
        self.function.label().to_owned().into()
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let shape = self.chunks.block_shape(&self.chunks.index_of(inputs.block())).to_vec();
        let location = BlockLocation { shape, ..BlockLocation::of(&self.place, inputs.block()) };
        let (counts, location) = (Value::new(self.counts.clone()), Value::new(location));
        let mut values = inputs.values().to_vec();
        values.extend([&counts, &location]);
        let result = self.function.call(&values)?;
        let (found, BlockLocation { index, shape, .. }) = (result.get::<Block>()?.shape(), location.get()?);
        if found != shape.as_slice() {
            let label = self.function.label();
            let why = format!("block {index:?} is to have shape {shape:?}, but the function returned one of shape {found:?}");
            return Err(format!("{}: {why}", label.split('(').next().unwrap_or(label)).into());
        }
        Ok(result)
    }
}
