//! Rust's operators on arrays and scalars, on both sides.
//!
//! Scalars are weak: they take the array's type. An `f64` scalar makes `f64` of an integer array, as Python's float does in NumPy 2, and a complex one makes complex numbers of
//! real ones. `/` is true division: integers become `f64`. `%` has the sign of the divisor, as NumPy's and other than Rust's; `&`, `|`, `^` and `!` are for `bool` and integers.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Shl, Shr, Sub};

use crate::array::{Array, Operand};
use crate::elementwise::operations::Operation;
use crate::engine::dtype::{Bits, Complex32, Complex64, Element, Integer, Number, Real};
use crate::engine::expr::elementwise;

/// `operation` of a scalar and an array.
fn reversed<T: Element>(operation: Operation, scalar: T, array: &Array<T>) -> Array<T> {
    Array::of(|| elementwise(operation, vec![Operand::Scalar(scalar.into_scalar()), Operand::Expr(array.expr()?)]))
}

macro_rules! operator {
    ($trait:ident $method:ident $v:ident $output:ty, $convert:expr) => {
        operator!([Number] $trait $method $v $output, $convert);
    };
    ([$class:ident] $trait:ident $method:ident $v:ident $output:ty, $convert:expr) => {
        impl<T: $class> $trait<&Array<T>> for &Array<T> {
            type Output = Array<$output>;
            fn $method(self, other: &Array<T>) -> Array<$output> {
                let convert: fn(&Array<T>) -> Array<$output> = $convert;
                convert(self).combine(Operation::$v, convert(other))
            }
        }
        impl<T: $class> $trait<Array<T>> for &Array<T> {
            type Output = Array<$output>;
            fn $method(self, other: Array<T>) -> Array<$output> {
                $trait::$method(self, &other)
            }
        }
        impl<T: $class> $trait<&Array<T>> for Array<T> {
            type Output = Array<$output>;
            fn $method(self, other: &Array<T>) -> Array<$output> {
                $trait::$method(&self, other)
            }
        }
        impl<T: $class> $trait<Array<T>> for Array<T> {
            type Output = Array<$output>;
            fn $method(self, other: Array<T>) -> Array<$output> {
                $trait::$method(&self, &other)
            }
        }
        impl<T: $class> $trait<T> for &Array<T> {
            type Output = Array<$output>;
            fn $method(self, other: T) -> Array<$output> {
                let convert: fn(&Array<T>) -> Array<$output> = $convert;
                convert(self).combine(Operation::$v, <$output>::cast_from(other))
            }
        }
        impl<T: $class> $trait<T> for Array<T> {
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
operator!([Real] Rem rem Remainder T, |array| array.clone());
operator!([Bits] BitAnd bitand BitwiseAnd T, |array| array.clone());
operator!([Bits] BitOr bitor BitwiseOr T, |array| array.clone());
operator!([Bits] BitXor bitxor BitwiseXor T, |array| array.clone());
operator!([Integer] Shl shl LeftShift T, |array| array.clone());
operator!([Integer] Shr shr RightShift T, |array| array.clone());

macro_rules! scalar_left {
    (numbers $($t:ident)*) => { $(
        scalar_left!(@ Add add Add $t $t);
        scalar_left!(@ Sub sub Subtract $t $t);
        scalar_left!(@ Mul mul Multiply $t $t);
        scalar_left!(@ Div div Divide $t <$t as Element>::Mean);
    )* };
    (reals $($t:ident)*) => { $(
        scalar_left!(@ Rem rem Remainder $t $t);
    )* };
    (bits $($t:ident)*) => { $(
        scalar_left!(@ BitAnd bitand BitwiseAnd $t $t);
        scalar_left!(@ BitOr bitor BitwiseOr $t $t);
        scalar_left!(@ BitXor bitxor BitwiseXor $t $t);
    )* };
    (integers $($t:ident)*) => { $(
        scalar_left!(@ Shl shl LeftShift $t $t);
        scalar_left!(@ Shr shr RightShift $t $t);
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
scalar_left!(numbers i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 Complex32 Complex64);
scalar_left!(reals i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
scalar_left!(bits bool i8 i16 i32 i64 u8 u16 u32 u64);
scalar_left!(integers i8 i16 i32 i64 u8 u16 u32 u64);

/// Arrays with a scalar of a wider kind: integers with an `f64`, real numbers with a complex one.
macro_rules! wider_scalar {
    ($scalar:ident: $($t:ident)*) => { $(
        wider_scalar!(@ Add add $t $scalar);
        wider_scalar!(@ Sub sub $t $scalar);
        wider_scalar!(@ Mul mul $t $scalar);
        wider_scalar!(@ Div div $t $scalar);
    )* };
    (remainder $scalar:ident: $($t:ident)*) => { $(wider_scalar!(@ Rem rem $t $scalar);)* };
    (@ $trait:ident $method:ident $t:ident $scalar:ident) => {
        impl $trait<$scalar> for &Array<$t> {
            type Output = Array<$scalar>;
            fn $method(self, other: $scalar) -> Array<$scalar> {
                $trait::$method(self.cast::<$scalar>(), other)
            }
        }
        impl $trait<$scalar> for Array<$t> {
            type Output = Array<$scalar>;
            fn $method(self, other: $scalar) -> Array<$scalar> {
                $trait::$method(&self, other)
            }
        }
        impl $trait<&Array<$t>> for $scalar {
            type Output = Array<$scalar>;
            fn $method(self, array: &Array<$t>) -> Array<$scalar> {
                $trait::$method(self, array.cast::<$scalar>())
            }
        }
        impl $trait<Array<$t>> for $scalar {
            type Output = Array<$scalar>;
            fn $method(self, array: Array<$t>) -> Array<$scalar> {
                $trait::$method(self, &array)
            }
        }
    };
}
wider_scalar!(f64: i8 i16 i32 i64 u8 u16 u32 u64);
wider_scalar!(remainder f64: i8 i16 i32 i64 u8 u16 u32 u64);
wider_scalar!(Complex64: i8 i16 i32 i64 u8 u16 u32 u64 f64);
wider_scalar!(Complex32: f32);

/// Complex arrays with a real scalar.
macro_rules! real_scalar {
    ($scalar:ident $t:ident) => {
        real_scalar!(@ Add add $t $scalar);
        real_scalar!(@ Sub sub $t $scalar);
        real_scalar!(@ Mul mul $t $scalar);
        real_scalar!(@ Div div $t $scalar);
    };
    (@ $trait:ident $method:ident $t:ident $scalar:ident) => {
        impl $trait<$scalar> for &Array<$t> {
            type Output = Array<$t>;
            fn $method(self, other: $scalar) -> Array<$t> {
                $trait::$method(self, $t::from(other))
            }
        }
        impl $trait<$scalar> for Array<$t> {
            type Output = Array<$t>;
            fn $method(self, other: $scalar) -> Array<$t> {
                $trait::$method(&self, other)
            }
        }
        impl $trait<&Array<$t>> for $scalar {
            type Output = Array<$t>;
            fn $method(self, array: &Array<$t>) -> Array<$t> {
                $trait::$method($t::from(self), array)
            }
        }
        impl $trait<Array<$t>> for $scalar {
            type Output = Array<$t>;
            fn $method(self, array: Array<$t>) -> Array<$t> {
                $trait::$method(self, &array)
            }
        }
    };
}
real_scalar!(f32 Complex32);
real_scalar!(f64 Complex64);

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

impl<T: Bits> Not for &Array<T> {
    type Output = Array<T>;
    fn not(self) -> Array<T> {
        self.invert()
    }
}

impl<T: Bits> Not for Array<T> {
    type Output = Array<T>;
    fn not(self) -> Array<T> {
        self.invert()
    }
}
