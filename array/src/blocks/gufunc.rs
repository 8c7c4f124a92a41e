//! Functions of the last axes of arrays, over all others: NumPy's generalized universal functions.
//!
//! ```text
//!     "(n),(n,m)->(m)"      x (7, 4, n)      over the shape (7, 4), which arrays broadcast to: loop axes, cut into chunks
//!                           y    (4, n, m)   core axes, n and m, are in one chunk each
//!                           result (7, 4, m)
//! ```

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use arras_core::{BoxError, Func, Inputs, Kernel, Layer, Measure, Name, Tokenizer, Value};
use ndarray::{ArcArray, Axis, IxDyn};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::array::Operand;
use crate::blocks::blockwise::exprs;
use crate::blocks::several::{Arrays, Elements, Outputs};
use crate::elementwise::map::Function;
use crate::engine::block::{Block, View};
use crate::engine::blockwise::{BlockOp, layer, node};
use crate::engine::chunks::{Chunking, Shape};
use crate::engine::dtype::{DType, Element};
use crate::engine::expr::{Expr, broadcast};
use crate::engine::lower::{broadcast_strides, dot, sizes_of};
use crate::engine::simplify;
use crate::engine::user::{Caller, Calls};
use crate::error::{Error, Result};
use crate::shape::axes::moveaxis;
use crate::shape::view::Item;

/// How [`apply_gufunc`] calls its function. `()` is one call a block, on arrays whose core axes are in one chunk.
///
/// ```
/// use arras_array::Gufunc;
/// let how = Gufunc::default().output_size("k", 3).vectorize();
/// assert_ne!(how, ().into());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gufunc {
    sizes: BTreeMap<String, usize>,
    allow_rechunk: bool,
    vectorize: bool,
    axes: Option<Vec<Vec<isize>>>,
    axis: Option<isize>,
    keepdims: bool,
}

impl Gufunc {
    /// The length of a core axis that only results have.
    #[must_use]
    pub fn output_size(mut self, name: impl Into<String>, length: usize) -> Gufunc {
        self.sizes.insert(name.into(), length);
        self
    }

    /// Core axes in several chunks are put into one, in place of an error: that may need much memory.
    #[must_use]
    pub fn allow_rechunk(mut self) -> Gufunc {
        self.allow_rechunk = true;
        self
    }

    /// The function knows core axes alone, and is called for each place on the others.
    #[must_use]
    pub fn vectorize(mut self) -> Gufunc {
        self.vectorize = true;
        self
    }

    /// Where the core axes are, of each array and then of each result, in place of the last ones. Those of results may be left out, if they have none.
    ///
    /// ```
    /// use arras_array::{Array, Gufunc, apply_gufunc};
    /// use arras_scheduler::Compute;
    /// use ndarray::{ArrayViewD, Axis};
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 2.0], [3.0, 5.0]]), [2, 1])?;
    /// let last = |x: ArrayViewD<f64>| x.sum_axis(Axis(x.ndim() - 1));
    /// let sum: Array<f64> = apply_gufunc("(n)->()", &x, Gufunc::default().axes([vec![0]]), last);
    /// assert_eq!(sum.compute()?, ndarray::array![4.0, 7.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn axes(mut self, axes: impl IntoIterator<Item = Vec<isize>>) -> Gufunc {
        self.axes = Some(axes.into_iter().collect());
        self
    }

    /// The one core axis, for a function of one that all arrays share: [`axes`](Gufunc::axes) in short.
    #[must_use]
    pub fn axis(mut self, axis: isize) -> Gufunc {
        self.axis = Some(axis);
        self
    }

    /// Core axes stay in results, with length 1: for functions whose arrays have as many core axes as each other, and whose results have none.
    #[must_use]
    pub fn keepdims(mut self) -> Gufunc {
        self.keepdims = true;
        self
    }

    /// Where the core axes of arrays and of results are.
    fn places(&self, signature: &Signature, wrong: &dyn Fn(String) -> Error) -> Result<(Places, Places)> {
        let (inputs, outputs) = (&signature.inputs, &signature.outputs);
        let last = |n: usize| (-(n as isize)..0).collect::<Vec<isize>>();
        // How many axes each result has after those that its arrays broadcast to.
        let kept = if self.keepdims { inputs.first().map_or(0, Vec::len) } else { 0 };
        if self.keepdims && (inputs.iter().any(|core| core.len() != kept) || outputs.iter().any(|core| !core.is_empty())) {
            return Err(wrong("keepdims is for arrays of as many core axes as each other, and results of none".into()));
        }
        let counts = inputs.iter().map(Vec::len).chain(outputs.iter().map(|core| core.len() + kept));
        let mut axes = match (&self.axes, self.axis) {
            (Some(_), Some(_)) => return Err(wrong("axis and axes are given, which say the same".into())),
            (Some(axes), None) => axes.clone(),
            (None, Some(axis)) => {
                let shared = inputs.iter().all(|core| core.len() == 1 && core == &inputs[0]);
                if !shared || outputs.iter().any(|core| !core.is_empty() && core != &inputs[0]) {
                    return Err(wrong("axis is for one core axis, which all arrays share: give axes".into()));
                }
                counts.clone().map(|n| vec![axis; n]).collect()
            }
            (None, None) => counts.clone().map(last).collect(),
        };
        if axes.len() == inputs.len() && outputs.iter().all(Vec::is_empty) {
            let kept = if self.keepdims { axes[0].clone() } else { Vec::new() };
            axes.extend(outputs.iter().map(|_| kept.clone()));
        }
        if axes.len() != inputs.len() + outputs.len() {
            let (found, arrays, results) = (axes.len(), inputs.len(), outputs.len());
            return Err(wrong(format!("axes of {found} arrays and results, but there are {arrays} and {results}")));
        }
        if let Some((i, (given, n))) = axes.iter().zip(counts).enumerate().find(|(_, (given, n))| given.len() != *n) {
            return Err(wrong(format!("axes {given:?} at place {i}, where there are {n} core axes")));
        }
        let results = axes.split_off(inputs.len());
        Ok((axes, results))
    }
}

/// Axes of each of several arrays.
type Places = Vec<Vec<isize>>;

impl From<()> for Gufunc {
    fn from((): ()) -> Gufunc {
        Gufunc::default()
    }
}

/// A function of the last axes of arrays, its core axes, over all axes before them, which broadcast. Lazy; work: one call a block, or a place.
///
/// The signature names the core axes of each array and each result: `"(n),(n)->()"` takes two vectors to a number, `"(m,n),(n,p)->(m,p)"` matrices to their product,
/// `"(n)->(),()"` a vector to two numbers. The function gets a block of each array, all axes before the core axes included, and returns an `ArrayD`, or a tuple of them for
/// several results, with the axes before the core axes that blocks broadcast to. Core axes are in one chunk. It runs in another process only if it captures nothing.
///
/// ```
/// use arras_array::{Array, Gufunc, apply_gufunc};
/// use arras_scheduler::Compute;
/// use ndarray::{ArrayD, ArrayViewD, Axis, arr0};
/// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 2.0], [3.0, 5.0]]), [1, 2])?;
/// let (least, greatest) = apply_gufunc("(n)->(),()", &x, Gufunc::default().vectorize(), |row: ArrayViewD<f64>| {
///     (arr0(row.iter().copied().fold(f64::INFINITY, f64::min)).into_dyn(), arr0(row.iter().copied().fold(-f64::INFINITY, f64::max)).into_dyn())
/// });
/// assert_eq!((least.compute()?, greatest.compute()?), (ndarray::array![1.0, 3.0].into_dyn(), ndarray::array![2.0, 5.0].into_dyn()));
/// let dot: Array<f64> = apply_gufunc("(n),(n)->()", (&x, &x), (), |(x, y): (ArrayViewD<f64>, ArrayViewD<f64>)| (&x * &y).sum_axis(Axis(x.ndim() - 1)));
/// assert_eq!(dot.compute()?, ndarray::array![5.0, 34.0].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Results fail with an [`Error::Argument`] for a signature that does not fit the arrays or the function, lengths of one name that differ, core axes in several chunks, and core
/// axes of results whose length nobody said; with an [`Error::Broadcast`]. The run fails if the function returns another shape.
pub fn apply_gufunc<A: Arrays, O: Outputs, F>(signature: &str, arrays: A, how: impl Into<Gufunc>, function: F) -> O::Arrays
where
    F: for<'a> Fn(<A::Elements as Elements>::Views<'a>) -> O + Send + Sync + 'static,
{
    let how = how.into();
    let func = of::<F, A::Elements, (), O>(how.vectorize, (), move |(), blocks| function(blocks));
    results::<O>(signature, &arrays, &how, func)
}

/// As [`apply_gufunc`], for a function of `&environment` and blocks: captures that are spelled out, so that it runs in other processes too.
///
/// ```
/// use arras_array::{Array, apply_gufunc_with};
/// use arras_scheduler::Compute;
/// use ndarray::{ArrayViewD, Axis};
/// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 2.0], [3.0, 5.0]]), [1, 2])?;
/// let scaled: Array<f64> = apply_gufunc_with("(n)->()", &x, (), 10.0, |scale: &f64, x: ArrayViewD<f64>| x.sum_axis(Axis(x.ndim() - 1)) * *scale);
/// assert_eq!(scaled.compute()?, ndarray::array![30.0, 80.0].into_dyn());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn apply_gufunc_with<A: Arrays, E, O: Outputs, F>(
    signature: &str,
    arrays: A,
    how: impl Into<Gufunc>,
    environment: E,
    function: F,
) -> O::Arrays
where
    E: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: for<'a> Fn(&E, <A::Elements as Elements>::Views<'a>) -> O + Send + Sync + 'static,
{
    let how = how.into();
    let func = of::<F, A::Elements, E, O>(how.vectorize, environment, function);
    results::<O>(signature, &arrays, &how, func)
}

fn results<O: Outputs>(signature: &str, arrays: &impl Arrays, how: &Gufunc, func: Func) -> O::Arrays {
    let dtypes = O::dtypes();
    let built = exprs(arrays).and_then(|inputs| build("apply_gufunc", signature, inputs, how, func, &dtypes));
    let part = |i: usize| built.as_ref().map(|nodes| Operand::Expr(Arc::clone(&nodes[i]))).map_err(Error::clone);
    O::arrays(&(0..dtypes.len()).map(part).collect::<Vec<_>>())
}

/// The core axes of inputs and outputs: `(m,n),(n)->(m)`.
struct Signature {
    inputs: Vec<Vec<String>>,
    outputs: Vec<Vec<String>>,
}

impl Signature {
    fn parse(operation: &'static str, text: &str) -> Result<Signature> {
        let wrong = |why: &str| Error::argument(operation, format!("signature {text:?}: {why}"));
        let side = |text: &str| -> Result<Vec<Vec<String>>> {
            let mut groups = Vec::new();
            let mut rest = text;
            loop {
                let inner = rest.strip_prefix('(').ok_or_else(|| wrong("axes stand in parentheses, as in (m,n),(n)->(m)"))?;
                let (names, after) = inner.split_once(')').ok_or_else(|| wrong("a parenthesis is not closed"))?;
                let names: Vec<String> = if names.is_empty() { Vec::new() } else { names.split(',').map(str::to_owned).collect() };
                let is_name = |name: &String| {
                    let mut letters = name.chars();
                    letters.next().is_some_and(|c| c.is_alphabetic() || c == '_') && letters.all(|c| c.is_alphanumeric() || c == '_')
                };
                if let Some(name) = names.iter().find(|name| !is_name(name)) {
                    return Err(wrong(&format!("{name:?} is no name of an axis")));
                }
                if let Some(i) = (1..names.len()).find(|&i| names[..i].contains(&names[i])) {
                    return Err(wrong(&format!("{:?} is twice in one array", names[i])));
                }
                groups.push(names);
                match after.strip_prefix(',') {
                    Some(after) => rest = after,
                    None if after.is_empty() => return Ok(groups),
                    None => return Err(wrong("a comma stands between arrays")),
                }
            }
        };
        let bare: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (inputs, outputs) = bare.split_once("->").ok_or_else(|| wrong("-> stands before the axes of results"))?;
        Ok(Signature { inputs: side(inputs)?, outputs: side(outputs)? })
    }
}

/// The nodes of all results.
pub(crate) fn build(
    operation: &'static str,
    signature: &str,
    inputs: Vec<Arc<Expr>>,
    how: &Gufunc,
    func: Func,
    dtypes: &[DType],
) -> Result<Vec<Arc<Expr>>> {
    let parsed = Signature::parse(operation, signature)?;
    let wrong = |why: String| Error::argument(operation, format!("signature {signature:?}: {why}"));
    if parsed.inputs.len() != inputs.len() {
        return Err(wrong(format!("axes of {} arrays, but there are {}", parsed.inputs.len(), inputs.len())));
    }
    if parsed.outputs.len() != dtypes.len() {
        return Err(wrong(format!("{} results, but the function returns {}", parsed.outputs.len(), dtypes.len())));
    }
    let (places, result_places) = how.places(&parsed, &wrong)?;
    let moved =
        |(input, places): (&Arc<Expr>, &Vec<isize>)| moveaxis(operation, input, places, &(-(places.len() as isize)..0).collect::<Vec<_>>());
    if let Some(i) = (0..inputs.len()).find(|&i| inputs[i].chunks.ndim() < places[i].len()) {
        let (n, shape) = (places[i].len(), inputs[i].shape());
        return Err(wrong(format!("{n} core axes for array {i}, whose shape is {:?}", shape.as_slice())));
    }
    let inputs = inputs.iter().zip(&places).map(moved).collect::<Result<Vec<_>>>()?;
    let mut lengths: BTreeMap<&str, usize> = BTreeMap::new();
    let mut own = Vec::with_capacity(inputs.len());
    for (i, (input, core)) in inputs.iter().zip(&parsed.inputs).enumerate() {
        let shape = input.shape();
        let n_loop = shape.len() - core.len();
        for (axis, name) in (n_loop..).zip(core) {
            let known = *lengths.entry(name).or_insert(shape[axis]);
            if known != shape[axis] {
                return Err(wrong(format!("core axis {name:?} has length {known}, but {} in array {i}", shape[axis])));
            }
            let n = input.chunks.axes()[axis].len();
            if n > 1 && !how.allow_rechunk {
                return Err(wrong(format!("core axis {name:?} of array {i} is cut into {n} chunks: rechunk it to one, or allow_rechunk")));
            }
        }
        let mut axes = input.chunks.axes().to_vec();
        axes[n_loop..].iter_mut().for_each(|chunks| *chunks = vec![chunks.iter().sum()]);
        own.push((simplify::rechunk(input, Chunking::new(axes)?)?, n_loop));
    }
    for (name, &length) in &how.sizes {
        match lengths.insert(name, length) {
            Some(known) if known != length => return Err(wrong(format!("core axis {name:?} has length {known}, not {length}"))),
            _ => {}
        }
    }
    let cores = parsed.outputs.iter().map(|core| {
        let length = |name: &String| {
            let known = lengths.get(name.as_str()).copied();
            known.ok_or_else(|| wrong(format!("no array has core axis {name:?}: its length is an output_size")))
        };
        core.iter().map(length).collect::<Result<Vec<usize>>>()
    });
    let cores = cores.collect::<Result<Vec<_>>>()?;
    // Loop axes broadcast, and are cut alike. A core axis more or less does not change how those before it meet, so they are looked at alone.
    let first = |expr: &Arc<Expr>, n: usize| -> Result<Arc<Expr>> {
        Ok(simplify::full(crate::engine::gather::zero(DType::Bool), Chunking::new(expr.chunks.axes()[..n].to_vec())?))
    };
    let fronts = own.iter().map(|(expr, n)| first(expr, *n)).collect::<Result<Vec<_>>>()?;
    let loops = broadcast(operation, &fronts)?;
    let fit = |(expr, n): &(Arc<Expr>, usize)| {
        let cut = |(own, wanted): (&Vec<usize>, &Vec<usize>)| if own == &[1] { own.clone() } else { wanted.clone() };
        let mut axes: Vec<Vec<usize>> = expr.chunks.axes()[..*n].iter().zip(&loops[loops.len() - n..]).map(cut).collect();
        axes.extend_from_slice(&expr.chunks.axes()[*n..]);
        simplify::rechunk(expr, Chunking::new(axes)?)
    };
    let inputs = own.iter().map(fit).collect::<Result<Vec<_>>>()?;
    let call = Call {
        function: Function::new(operation, func, dtypes[0]),
        loops: Chunking::new(loops.clone())?,
        n_loops: own.iter().map(|(_, n)| *n).collect(),
        cores: cores.clone(),
        nbytes: cores.iter().zip(dtypes).map(|(core, dtype)| core.iter().product::<usize>() * dtype.size()).sum(),
    };
    let result = |(i, (core, &dtype)): (usize, (&Vec<usize>, &DType))| {
        let axes = loops.iter().cloned().chain(core.iter().map(|&n| vec![n])).collect();
        let result = node(operation, dtype, Chunking::new(axes)?, GufuncOp { call: call.clone(), output: i, operation }, &inputs);
        let places = &result_places[i];
        // Core axes that are kept come back with length 1.
        let new = places.len() - core.len();
        let items = result.shape().iter().map(|&n| Item::whole(n)).chain(std::iter::repeat_n(Item::NewAxis, new)).collect();
        moveaxis(operation, &simplify::slice(&result, items)?, &(-(places.len() as isize)..0).collect::<Vec<_>>(), places)
    };
    cores.iter().zip(dtypes).enumerate().map(result).collect()
}

/// What a function is given besides its blocks.
#[derive(Debug, Serialize, Deserialize)]
struct Shapes {
    /// The block's shape along loop axes.
    loops: Shape,
    n_loops: Vec<usize>,
    /// The lengths of each result's core axes.
    cores: Vec<Vec<usize>>,
}

impl Shapes {
    fn outputs(&self) -> Vec<Vec<usize>> {
        self.cores.iter().map(|core| self.loops.iter().chain(core).copied().collect()).collect()
    }
}

/// The results of one call.
#[derive(Debug, Serialize, Deserialize)]
struct Results(Vec<Block>);

impl Measure for Results {
    fn nbytes(&self) -> usize {
        self.0.iter().map(Measure::nbytes).sum()
    }
}

/// A function of whole blocks, or one that is called for each place along the loop axes; under the name of `Named`.
fn of<Named: 'static, A: Elements, E, O: Outputs>(
    vectorize: bool,
    environment: E,
    function: impl for<'a> Fn(&E, A::Views<'a>) -> O + Send + Sync + 'static,
) -> Func
where
    E: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    Func::erased_with::<Named, _, _>((vectorize, environment), move |(vectorize, environment): &(bool, E), inputs: &Inputs<'_>| {
        if !vectorize {
            let blocks = blocks_of(inputs)?;
            let views = A::views(&blocks).ok_or("a block of another type than the function's parameter")?;
            return Ok(Value::measured(Results(function(environment, views).into_blocks())));
        }
        let (blocks, shapes) = (blocks_of(inputs)?, inputs.get::<Shapes>(inputs.len() - 1)?);
        let mut parts = Vec::with_capacity(shapes.loops.iter().product());
        for index in ndarray::indices(shapes.loops.as_slice()) {
            let index = ndarray::Dimension::slice(&index);
            let at = |(block, &n): (&&Block, &usize)| block.map_view(&At { index: &index[index.len() - n..] });
            let places: Vec<Block> = blocks.iter().zip(&shapes.n_loops).map(at).collect();
            let places: Vec<&Block> = places.iter().collect();
            parts.push(function(environment, A::views(&places).ok_or("a block of another type than the function's parameter")?));
        }
        Ok(Value::measured(Results(O::stacked(parts, &shapes.cores, &shapes.outputs())?)))
    })
}

fn blocks_of<'a>(inputs: &Inputs<'a>) -> Result<Vec<&'a Block>, BoxError> {
    Ok((0..inputs.len() - 1).map(|i| inputs.get::<Block>(i)).collect::<arras_core::Result<_>>()?)
}

/// The elements at an index along the first axes, at 0 where those have length 1.
struct At<'a> {
    index: &'a [usize],
}

impl View for At<'_> {
    fn apply<T: Element>(&self, mut array: ArcArray<T, IxDyn>) -> ArcArray<T, IxDyn> {
        for &i in self.index {
            let i = if array.shape()[0] == 1 { 0 } else { i };
            array = array.index_axis_move(Axis(0), i);
        }
        array
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Call {
    function: Function,
    loops: Chunking,
    n_loops: Vec<usize>,
    cores: Vec<Vec<usize>>,
    /// The bytes of all results for one place on the loop axes.
    nbytes: usize,
}

#[derive(Debug)]
struct GufuncOp {
    call: Call,
    output: usize,
    operation: &'static str,
}

impl BlockOp for GufuncOp {
    /// All results of a call are one layer, which those of one function and the same arrays share; each picks its own.
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let loops = &self.call.loops;
        let mut tokenizer = Tokenizer::new();
        tokenizer.text(&format!("{:?}", self.call));
        inputs.iter().for_each(|input| _ = tokenizer.text(input.name.as_str()));
        let all = Name::from_token(&format!("{}-all", self.operation), tokenizer.finish());
        let names: Vec<Name> = inputs.iter().map(|input| input.name.clone()).collect();
        // Core axes have one block each, so that flat positions are those of the loop axes.
        let strides: Vec<_> = inputs
            .iter()
            .zip(&self.call.n_loops)
            .map(|(input, &n)| {
                let front = Chunking::new(input.chunks.axes()[..n].to_vec()).expect("fewer axes than the input has");
                broadcast_strides(&front, loops)
            })
            .collect();
        let called =
            layer(all.clone(), loops, &names, Caller(CallKernel(self.call.clone())), sizes_of(loops, self.call.nbytes), |index, read| {
                read.extend(strides.iter().enumerate().map(|(i, strides)| (i, dot(index, strides))));
            });
        let pick = PickKernel { operation: self.operation.into(), output: self.output };
        let own = expr.chunks.strides();
        let picked = layer(expr.name.clone(), &expr.chunks, &[all], pick, sizes_of(&expr.chunks, expr.dtype.size()), |index, read| {
            read.push((0, dot(index, &own)));
        });
        vec![called, picked]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct CallKernel(Call);

impl Calls for CallKernel {
    fn func(&self) -> &Func {
        self.0.function.func()
    }

    fn label(&self) -> Cow<'static, str> {
        self.0.function.label().to_owned().into()
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let Call { function, loops, n_loops, cores, .. } = &self.0;
        let index = loops.index_of(inputs.block());
        let shapes = Shapes { loops: loops.block_shape(&index), n_loops: n_loops.clone(), cores: cores.clone() };
        let wanted = shapes.outputs();
        let mut values = inputs.values().to_vec();
        let shapes = Value::new(shapes);
        values.push(&shapes);
        let results = function.call(&values)?;
        for (i, (block, shape)) in results.get::<Results>()?.0.iter().zip(&wanted).enumerate() {
            if block.shape() != shape.as_slice() {
                let why = format!(
                    "result {i} of block {:?} is to have shape {shape:?}, but the function returned {:?}",
                    index.as_slice(),
                    block.shape()
                );
                return Err(Error::argument("apply_gufunc", why).into());
            }
        }
        Ok(results)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct PickKernel {
    operation: String,
    output: usize,
}

impl Kernel for PickKernel {
    fn name(&self) -> Cow<'static, str> {
        self.operation.clone().into()
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let results = inputs.get::<Results>(0)?;
        Ok(Value::measured(results.0.get(self.output).ok_or("fewer results than were promised")?.clone()))
    }
}
