//! Rust's operators on arrays and scalars, on both sides.
//!
//! Scalars are weak: they take the array's type. An `f64` scalar makes `f64` of an integer array, as Python's float does in NumPy 2. `/` is true division: integers
//! become `f64`.

use std::ops::{Add, Div, Mul, Neg, Sub};

use crate::array::{Array, Operand};
use crate::dtype::{Element, Number};
use crate::expr::elementwise;
use crate::operations::Operation;

/// `operation` of a scalar and an array.
fn reversed<T: Number>(operation: Operation, scalar: T, array: &Array<T>) -> Array<T> {
    Array::of(|| elementwise(operation, vec![Operand::Scalar(scalar.into_scalar()), Operand::Expr(array.expr()?)]))
}

macro_rules! operator {
    ($trait:ident $method:ident $v:ident $output:ty, $convert:expr) => {
        impl<T: Number> $trait<&Array<T>> for &Array<T> {
            type Output = Array<$output>;
            fn $method(self, other: &Array<T>) -> Array<$output> {
                let convert: fn(&Array<T>) -> Array<$output> = $convert;
                convert(self).combine(Operation::$v, convert(other))
            }
        }
        impl<T: Number> $trait<Array<T>> for &Array<T> {
            type Output = Array<$output>;
            fn $method(self, other: Array<T>) -> Array<$output> {
                $trait::$method(self, &other)
            }
        }
        impl<T: Number> $trait<&Array<T>> for Array<T> {
            type Output = Array<$output>;
            fn $method(self, other: &Array<T>) -> Array<$output> {
                $trait::$method(&self, other)
            }
        }
        impl<T: Number> $trait<Array<T>> for Array<T> {
            type Output = Array<$output>;
            fn $method(self, other: Array<T>) -> Array<$output> {
                $trait::$method(&self, &other)
            }
        }
        impl<T: Number> $trait<T> for &Array<T> {
            type Output = Array<$output>;
            fn $method(self, other: T) -> Array<$output> {
                let convert: fn(&Array<T>) -> Array<$output> = $convert;
                convert(self).combine(Operation::$v, <$output>::cast_from(other))
            }
        }
        impl<T: Number> $trait<T> for Array<T> {
            type Output = Array<$output>;
            fn $method(self, other: T) -> Array<$output> {
                $trait::$method(&self, other)
            }
        }
    };
}
operator!(Add add Add T, |array| array.clone());
operator!(Sub sub Subtract T, |array| array.clone());
operator!(Mul mul Multiply T, |array| array.clone());
operator!(Div div Divide T::Mean, |array| array.cast());

macro_rules! scalar_left {
    ($($t:ident)*) => { $(
        scalar_left!(@ Add add Add $t $t);
        scalar_left!(@ Sub sub Subtract $t $t);
        scalar_left!(@ Mul mul Multiply $t $t);
        scalar_left!(@ Div div Divide $t <$t as Element>::Mean);
    )* };
    (@ $trait:ident $method:ident $v:ident $t:ident $output:ty) => {
        impl $trait<&Array<$t>> for $t {
            type Output = Array<$output>;
            fn $method(self, array: &Array<$t>) -> Array<$output> {
                reversed(Operation::$v, <$output>::cast_from(self), &array.cast())
            }
        }
        impl $trait<Array<$t>> for $t {
            type Output = Array<$output>;
            fn $method(self, array: Array<$t>) -> Array<$output> {
                $trait::$method(self, &array)
            }
        }
    };
}
scalar_left!(i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);

/// Integers with an `f64` scalar.
macro_rules! float_scalar {
    ($($t:ident)*) => { $(
        float_scalar!(@ Add add $t);
        float_scalar!(@ Sub sub $t);
        float_scalar!(@ Mul mul $t);
        float_scalar!(@ Div div $t);
    )* };
    (@ $trait:ident $method:ident $t:ident) => {
        impl $trait<f64> for &Array<$t> {
            type Output = Array<f64>;
            fn $method(self, other: f64) -> Array<f64> {
                $trait::$method(self.cast::<f64>(), other)
            }
        }
        impl $trait<f64> for Array<$t> {
            type Output = Array<f64>;
            fn $method(self, other: f64) -> Array<f64> {
                $trait::$method(&self, other)
            }
        }
        impl $trait<&Array<$t>> for f64 {
            type Output = Array<f64>;
            fn $method(self, array: &Array<$t>) -> Array<f64> {
                $trait::$method(self, array.cast::<f64>())
            }
        }
        impl $trait<Array<$t>> for f64 {
            type Output = Array<f64>;
            fn $method(self, array: Array<$t>) -> Array<f64> {
                $trait::$method(self, &array)
            }
        }
    };
}
float_scalar!(i8 i16 i32 i64 u8 u16 u32 u64);

impl<T: Number> Neg for &Array<T> {
    type Output = Array<T>;
    fn neg(self) -> Array<T> {
        self.negative()
    }
}

impl<T: Number> Neg for Array<T> {
    type Output = Array<T>;
    fn neg(self) -> Array<T> {
        self.negative()
    }
}
