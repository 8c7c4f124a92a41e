//! Arrays of several element types at once, as functions of blocks take and make them.

use std::marker::PhantomData;

use arras_core::BoxError;
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::array::{Array, Operand};
use crate::engine::block::Block;
use crate::engine::dtype::{DType, Element};
use crate::error::Result;

/// Arrays that a function takes blocks of: one `&Array`, a tuple of up to six whose element types may differ, or a slice of any number of one type.
pub trait Arrays {
    /// The types of their elements.
    type Elements: Elements;
    #[doc(hidden)]
    fn operands(&self) -> Result<Vec<Operand>>;
}

/// The element types of [`Arrays`], and what a function gets of them.
pub trait Elements: 'static {
    /// A view of a block of each array: an `ArrayViewD`, a tuple of such, or a vector.
    type Views<'a>;
    /// As [`Views`](Elements::Views), with several blocks of each array.
    type Lists<'a>;
    #[doc(hidden)]
    fn views<'a>(blocks: &[&'a Block]) -> Option<Self::Views<'a>>;
    #[doc(hidden)]
    fn lists<'a>(blocks: &[&[&'a Block]]) -> Option<Self::Lists<'a>>;
}

fn operand<T: Element>(array: &Array<T>) -> Result<Operand> {
    array.expr().map(Operand::Expr)
}

fn view<'a, T: Element>(block: &'a Block) -> Option<ArrayViewD<'a, T>> {
    T::of_block(block).map(|array| array.view())
}

fn list<'a, T: Element>(blocks: &[&'a Block]) -> Option<Vec<ArrayViewD<'a, T>>> {
    blocks.iter().map(|block| view(block)).collect()
}

/// One array.
#[doc(hidden)]
#[derive(Debug)]
pub struct One<T>(PhantomData<T>);

impl<T: Element> Arrays for &Array<T> {
    type Elements = One<T>;
    fn operands(&self) -> Result<Vec<Operand>> {
        Ok(vec![operand(self)?])
    }
}

impl<T: Element> Elements for One<T> {
    type Views<'a> = ArrayViewD<'a, T>;
    type Lists<'a> = Vec<ArrayViewD<'a, T>>;
    fn views<'a>(blocks: &[&'a Block]) -> Option<ArrayViewD<'a, T>> {
        view(blocks.first()?)
    }
    fn lists<'a>(blocks: &[&[&'a Block]]) -> Option<Vec<ArrayViewD<'a, T>>> {
        list(blocks.first()?)
    }
}

/// Any number of arrays of one type.
#[doc(hidden)]
#[derive(Debug)]
pub struct Many<T>(PhantomData<T>);

impl<T: Element> Arrays for &[&Array<T>] {
    type Elements = Many<T>;
    fn operands(&self) -> Result<Vec<Operand>> {
        self.iter().map(|array| operand(array)).collect()
    }
}

impl<T: Element> Elements for Many<T> {
    type Views<'a> = Vec<ArrayViewD<'a, T>>;
    type Lists<'a> = Vec<Vec<ArrayViewD<'a, T>>>;
    fn views<'a>(blocks: &[&'a Block]) -> Option<Vec<ArrayViewD<'a, T>>> {
        list(blocks)
    }
    fn lists<'a>(blocks: &[&[&'a Block]]) -> Option<Vec<Vec<ArrayViewD<'a, T>>>> {
        blocks.iter().map(|blocks| list(blocks)).collect()
    }
}

macro_rules! tuple {
    ($($T:ident $i:tt),*) => {
        impl<$($T: Element),*> Arrays for ($(&Array<$T>,)*) {
            type Elements = ($($T,)*);
            fn operands(&self) -> Result<Vec<Operand>> {
                Ok(vec![$(operand(self.$i)?),*])
            }
        }

        impl<$($T: Element),*> Elements for ($($T,)*) {
            type Views<'a> = ($(ArrayViewD<'a, $T>,)*);
            type Lists<'a> = ($(Vec<ArrayViewD<'a, $T>>,)*);
            fn views<'a>(blocks: &[&'a Block]) -> Option<Self::Views<'a>> {
                Some(($(view::<$T>(blocks.get($i)?)?,)*))
            }
            fn lists<'a>(blocks: &[&[&'a Block]]) -> Option<Self::Lists<'a>> {
                Some(($(list::<$T>(blocks.get($i)?)?,)*))
            }
        }
    };
}
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);

/// What a function makes: one `ArrayD`, or a tuple of up to four.
pub trait Outputs: Sized {
    /// The lazy arrays of them.
    type Arrays;
    #[doc(hidden)]
    fn dtypes() -> Vec<DType>;
    #[doc(hidden)]
    fn into_blocks(self) -> Vec<Block>;
    /// Blocks of these shapes whose elements are those of the parts, each of its core shape, one after another.
    #[doc(hidden)]
    fn stacked(parts: Vec<Self>, cores: &[Vec<usize>], shapes: &[Vec<usize>]) -> Result<Vec<Block>, BoxError>;
    #[doc(hidden)]
    fn arrays(outputs: &[Result<Operand>]) -> Self::Arrays;
}

fn array_of<T: Element>(output: &Result<Operand>) -> Array<T> {
    Array::of(|| match output {
        Ok(Operand::Expr(expr)) => Ok(expr.clone()),
        Ok(Operand::Scalar(_)) => unreachable!("outputs are arrays"),
        Err(error) => Err(error.clone()),
    })
}

fn block_of<'p, T: Element>(parts: impl Iterator<Item = &'p ArrayD<T>>, core: &[usize], shape: &[usize]) -> Result<Block, BoxError> {
    let mut elements: Vec<T> = Vec::with_capacity(shape.iter().product());
    for part in parts {
        if part.shape() != core {
            return Err(format!("a result is to have shape {core:?}, but the function returned {:?}", part.shape()).into());
        }
        elements.extend(part.iter().copied());
    }
    Ok(T::into_block(ArrayD::from_shape_vec(IxDyn(shape), elements)?.into_shared()))
}

impl<T: Element> Outputs for ArrayD<T> {
    type Arrays = Array<T>;
    fn dtypes() -> Vec<DType> {
        vec![T::DTYPE]
    }
    fn into_blocks(self) -> Vec<Block> {
        vec![T::into_block(self.into_shared())]
    }
    fn stacked(parts: Vec<Self>, cores: &[Vec<usize>], shapes: &[Vec<usize>]) -> Result<Vec<Block>, BoxError> {
        Ok(vec![block_of(parts.iter(), &cores[0], &shapes[0])?])
    }
    fn arrays(outputs: &[Result<Operand>]) -> Array<T> {
        array_of(&outputs[0])
    }
}

macro_rules! outputs {
    ($($T:ident $i:tt),*) => {
        impl<$($T: Element),*> Outputs for ($(ArrayD<$T>,)*) {
            type Arrays = ($(Array<$T>,)*);
            fn dtypes() -> Vec<DType> {
                vec![$($T::DTYPE),*]
            }
            fn into_blocks(self) -> Vec<Block> {
                vec![$($T::into_block(self.$i.into_shared())),*]
            }
            fn stacked(parts: Vec<Self>, cores: &[Vec<usize>], shapes: &[Vec<usize>]) -> Result<Vec<Block>, BoxError> {
                Ok(vec![$(block_of(parts.iter().map(|part| &part.$i), &cores[$i], &shapes[$i])?),*])
            }
            fn arrays(outputs: &[Result<Operand>]) -> Self::Arrays {
                ($(array_of::<$T>(&outputs[$i]),)*)
            }
        }
    };
}
outputs!(A 0, B 1);
outputs!(A 0, B 1, C 2);
outputs!(A 0, B 1, C 2, D 3);
