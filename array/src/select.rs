//! Elements of one array or of another, block by block, as a mask has it.

use std::sync::Arc;

use arras_core::{BoxError, Inputs, Kernel, Layer, Value};
use ndarray::{ArrayD, IxDyn, Zip};
use serde::{Deserialize, Serialize};

use crate::blockwise::{BlockOp, block, node, node_layer, value};
use crate::chunks::Chunking;
use crate::dtype::{DType, Element, with_dtype};
use crate::error::Result;
use crate::expr::{Expr, broadcast, fit};
use crate::lower::{broadcast_strides, dot};

/// The elements of `yes` where the mask is true, those of `no` elsewhere. All three broadcast.
pub(crate) fn select(operation: &'static str, mask: Arc<Expr>, yes: Arc<Expr>, no: Arc<Expr>) -> Result<Arc<Expr>> {
    let inputs = [mask, yes, no];
    let axes = broadcast(operation, &inputs)?;
    let inputs = inputs.iter().map(|input| fit(input, &axes)).collect::<Result<Vec<_>>>()?;
    Ok(node(operation, inputs[1].dtype, Chunking::new(axes)?, Select { operation }, &inputs))
}

#[derive(Debug)]
struct Select {
    operation: &'static str,
}

impl BlockOp for Select {
    fn layers(&self, expr: &Expr, inputs: &[Arc<Expr>]) -> Vec<Layer> {
        let strides: Vec<_> = inputs.iter().map(|input| broadcast_strides(&input.chunks, &expr.chunks)).collect();
        let kernel = SelectKernel { operation: self.operation.to_owned(), dtype: expr.dtype, chunks: expr.chunks.clone() };
        vec![node_layer(expr, inputs, kernel, |index, read| {
            read.extend(strides.iter().enumerate().map(|(i, strides)| (i, dot(index, strides))));
        })]
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct SelectKernel {
    operation: String,
    dtype: DType,
    chunks: Chunking,
}

impl Kernel for SelectKernel {
    fn name(&self) -> std::borrow::Cow<'static, str> {
        self.operation.clone().into()
    }
    fn run(&self, inputs: &Inputs<'_>) -> Result<Value, BoxError> {
        let shape = self.chunks.block_shape(&self.chunks.index_of(inputs.block()));
        with_dtype!(self.dtype, T => Ok(value(select_block::<T>(inputs, &shape)?)))
    }
}

fn select_block<T: Element>(inputs: &Inputs<'_>, shape: &[usize]) -> Result<ArrayD<T>, BoxError> {
    let wrong = || format!("blocks that do not broadcast to {shape:?}");
    let (mask, yes, no) = (block::<bool>(inputs, 0)?, block::<T>(inputs, 1)?, block::<T>(inputs, 2)?);
    let mut result = no.broadcast(IxDyn(shape)).ok_or_else(wrong)?.to_owned();
    let (mask, yes) = (mask.broadcast(IxDyn(shape)).ok_or_else(wrong)?, yes.broadcast(IxDyn(shape)).ok_or_else(wrong)?);
    Zip::from(&mut result).and(&mask).and(&yes).for_each(|result, &mask, &yes| {
        if mask {
            *result = yes;
        }
    });
    Ok(result)
}
