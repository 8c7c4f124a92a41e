//! Reductions of the user's own: three functions and a tree.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use arras_core::{BoxError, Data, Func, Inputs, Kernel, Layer, Sizes, Token, Tokenizer, Value};
use ndarray::{ArcArray, ArrayD, ArrayViewD, IxDyn};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::array::Array;
use crate::engine::block::{Block, View};
use crate::engine::blockwise::{BlockOp, block, layer, node, stage};
use crate::engine::chunks::Chunking;
use crate::engine::dtype::Element;
use crate::engine::expr::Expr;
use crate::engine::lower::{dot, partial_chunks, rounds};
use crate::engine::user::{Caller, Calls, wire};
use crate::reductions::reduce::Axes;

impl<T: Element> Array<T> {
    /// A reduction over some axes by functions of your own: `chunk` makes of a block and the axes to reduce a partial result, of any type that serde can write; `combine` makes one of
    /// several, which come in row-major order of their blocks; `aggregate` makes of the last of them the elements that are kept, an array of as many as the block keeps, in row-major
    /// order of the axes that are kept. `combine` and `aggregate` may see a partial result alone. Lazy; one pass.
    ///
    /// Functions that capture nothing can travel to other processes.
    ///
    /// ```
    /// use arras_array::{Array, Axes};
    /// use arras_scheduler::Compute;
    /// use ndarray::{ArrayD, ArrayViewD, Axis};
    /// // The range of each column: the least and the greatest of each block, and of those the differences.
    /// let chunk = |block: &ArrayViewD<'_, f64>, axes: &[usize]| -> Vec<(f64, f64)> {
    ///     let range = |x: (f64, f64), &y: &f64| (x.0.min(y), x.1.max(y));
    ///     block.lanes(Axis(axes[0])).into_iter().map(|lane| lane.iter().fold((f64::MAX, f64::MIN), range)).collect()
    /// };
    /// let combine = |parts: &[&Vec<(f64, f64)>]| -> Vec<(f64, f64)> {
    ///     (0..parts[0].len()).map(|i| parts.iter().map(|part| part[i]).fold((f64::MAX, f64::MIN), |x, y| (x.0.min(y.0), x.1.max(y.1)))).collect()
    /// };
    /// let aggregate = |part: &Vec<(f64, f64)>| ArrayD::from_shape_fn(vec![part.len()], |i| part[i[0]].1 - part[i[0]].0);
    /// let x = Array::from_ndarray(ndarray::arr2(&[[1.0, 5.0], [4.0, 3.0], [2.0, 2.0]]), 2)?;
    /// assert_eq!(x.reduction(0, chunk, combine, aggregate).compute()?, ndarray::arr1(&[3.0, 3.0]).into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The result fails with an [`Error::Axis`](crate::Error::Axis) if there is no such axis; the run fails if `aggregate` makes another number of elements.
    pub fn reduction<P, R, C, M, A>(&self, axes: impl Into<Axes>, chunk: C, combine: M, aggregate: A) -> Array<R>
    where
        P: Data,
        R: Element,
        C: Fn(&ArrayViewD<'_, T>, &[usize]) -> P + Send + Sync + 'static,
        M: Fn(&[&P]) -> P + Send + Sync + 'static,
        A: Fn(&P) -> ArrayD<R> + Send + Sync + 'static,
    {
        let chunk = Func::erased::<C, _>(move |inputs: &Inputs<'_>| {
            Ok(Value::new(chunk(&block::<T>(inputs, 0)?.view(), inputs.get::<Vec<usize>>(1)?)))
        });
        let combine = Func::erased::<M, _>(move |inputs: &Inputs<'_>| {
            let parts = inputs.values().iter().map(|value| value.get::<P>()).collect::<arras_core::Result<Vec<&P>>>()?;
            Ok(Value::new(combine(&parts)))
        });
        let aggregate = Func::erased::<A, _>(move |inputs: &Inputs<'_>| {
            let result = aggregate(inputs.get::<P>(0)?);
            Ok(Value::measured(R::into_block(result.into_shared())))
        });
        let axes = axes.into();
        Array::of(|| {
            let input = self.expr()?;
            let reduced = axes.of_shape("reduction", &input.shape())?;
            let split_every = axes.checked_split_every("reduction")?;
            let kept = input.chunks.axes().iter().zip(&reduced).filter(|(_, reduced)| axes.keepdims || !**reduced);
            let kept = kept.map(|(chunks, &reduced)| if reduced { vec![1] } else { chunks.clone() }).collect();
            let tokens = [&chunk, &combine, &aggregate].map(|func| func.token().unwrap_or_else(Token::unique));
            let token = tokens.into_iter().fold(Tokenizer::new(), |mut tokenizer, token| {
                tokenizer.token(token);
                tokenizer
            });
            let op = CustomOp { chunk, combine, aggregate, reduced, keepdims: axes.keepdims, split_every, token: token.finish() };
            Ok(node("reduction", R::DTYPE, Chunking::new(kept)?, op, &[input]))
        })
    }
}

struct CustomOp {
    chunk: Func,
    combine: Func,
    aggregate: Func,
    reduced: SmallVec<[bool; 4]>,
    keepdims: bool,
    split_every: usize,
    token: Token,
}

/// What tells it from others: functions by their tokens.
impl fmt::Debug for CustomOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {} {}", self.token, self.reduced, self.keepdims, self.split_every)
    }
}

impl BlockOp for CustomOp {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let chunks = &inputs[0].chunks;
        let (strides, name) = (chunks.strides(), stage(expr, "chunk"));
        let axes: Vec<usize> = (0..chunks.ndim()).filter(|&axis| self.reduced[axis]).collect();
        let kernel = Caller(ChunkKernel { func: self.chunk.clone(), axes });
        let partial = partial_chunks(chunks, &self.reduced);
        let first = layer(name.clone(), &partial, &[inputs[0].name.clone()], kernel, Sizes::Unknown, |index, read| {
            read.push((0, dot(index, &strides)));
        });
        let last = |is_last: bool| is_last.then(|| (self.aggregate.clone(), expr.chunks.clone()));
        let func = |is_last: bool| Func::kernel(CombineKernel { combine: self.combine.clone(), last: last(is_last) });
        let mut layers = vec![first];
        layers.extend(rounds(expr, name, chunks, &self.reduced, self.split_every, None, func));
        layers
    }
}

#[derive(Serialize, Deserialize)]
struct ChunkKernel {
    #[serde(with = "wire")]
    func: Func,
    axes: Vec<usize>,
}

impl Calls for ChunkKernel {
    fn func(&self) -> &Func {
        &self.func
    }
    fn label(&self) -> Cow<'static, str> {
        self.func.name()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        self.func.call(&Inputs::new(&[inputs.value(0), &Value::new(self.axes.clone())], inputs.block()))
    }
}

/// Combines partial results, and makes the last of them the block that is kept.
#[derive(Serialize, Deserialize)]
struct CombineKernel {
    #[serde(with = "wire")]
    combine: Func,
    #[serde(with = "last")]
    last: Option<(Func, Chunking)>,
}

impl Kernel for CombineKernel {
    fn name(&self) -> Cow<'static, str> {
        self.last.as_ref().map_or_else(|| self.combine.name(), |(func, _)| func.name())
    }
    fn portability(&self) -> Result<(), String> {
        self.combine.portability()?;
        self.last.as_ref().map_or(Ok(()), |(func, _)| func.portability())
    }
    fn runs_user_code(&self) -> bool {
        true
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let combined = self.combine.call(inputs)?;
        let Some((aggregate, chunks)) = &self.last else { return Ok(combined) };
        let result = aggregate.call(&Inputs::new(&[&combined], inputs.block()))?;
        let (block, wanted) = (result.get::<Block>()?, chunks.block_shape(&chunks.index_of(inputs.block())));
        if block.shape().iter().product::<usize>() != wanted.iter().product::<usize>() {
            return Err(format!("reduction: aggregate made shape {:?} where {:?} is kept", block.shape(), wanted.as_slice()).into());
        }
        Ok(Value::measured(block.map_view(&Shaped(wanted.to_vec()))))
    }
}

/// The same elements in another shape.
struct Shaped(Vec<usize>);

impl View for Shaped {
    fn apply<T: Element>(&self, array: ArcArray<T, IxDyn>) -> ArcArray<T, IxDyn> {
        let array = array.as_standard_layout().into_owned();
        array.into_shape_with_order(IxDyn(&self.0)).expect("as many elements, which was checked").into_shared()
    }
}

/// How a function that there may not be travels, with what belongs to it.
mod last {
    use arras_core::Func;
    use arras_core::portable::FuncWire;
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::engine::chunks::Chunking;

    pub(super) fn serialize<S: Serializer>(last: &Option<(Func, Chunking)>, serializer: S) -> Result<S::Ok, S::Error> {
        let wire = last.as_ref().map(|(func, chunks)| Ok::<_, S::Error>((func.to_wire().map_err(S::Error::custom)?, chunks)));
        wire.transpose()?.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<(Func, Chunking)>, D::Error> {
        let wire = Option::<(FuncWire, Chunking)>::deserialize(deserializer)?;
        wire.map(|(func, chunks)| Ok((Func::from_wire(&func).map_err(D::Error::custom)?, chunks))).transpose()
    }
}
