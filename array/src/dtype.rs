//! Element types: which there are, what they can do, and scalars of them.

use std::borrow::Cow;
use std::fmt;

use ndarray::{ArcArray, IxDyn};
use serde::{Deserialize, Serialize};

use crate::block::Block;
use crate::tile::{AnyTiles, Registers, Tiles};

/// The type of an array's elements, at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DType {
    /// `bool`
    Bool,
    /// `i8`
    I8,
    /// `i16`
    I16,
    /// `i32`
    I32,
    /// `i64`
    I64,
    /// `u8`
    U8,
    /// `u16`
    U16,
    /// `u32`
    U32,
    /// `u64`
    U64,
    /// `f32`
    F32,
    /// `f64`
    F64,
}

impl DType {
    /// The size of an element in bytes.
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::I8 | DType::U8 => 1,
            DType::I16 | DType::U16 => 2,
            DType::I32 | DType::U32 | DType::F32 => 4,
            DType::I64 | DType::U64 | DType::F64 => 8,
        }
    }

    /// The name of the Rust type.
    pub fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::U8 => "u8",
            DType::U16 => "u16",
            DType::U32 => "u32",
            DType::U64 => "u64",
            DType::F32 => "f32",
            DType::F64 => "f64",
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Calls `$macro!` with each element type and its variant of [`DType`], [`Scalar`] and [`Block`](crate::Block), after any leading arguments.
macro_rules! for_each_dtype {
    ($macro:ident $($head:tt)*) => {
        $macro! { $($head)* bool Bool, i8 I8, i16 I16, i32 I32, i64 I64, u8 U8, u16 U16, u32 U32, u64 U64, f32 F32, f64 F64 }
    };
}
pub(crate) use for_each_dtype;

/// Runs `$body` with `$t` as the element type of a [`DType`].
macro_rules! with_dtype {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool => {
                type $t = bool;
                $body
            }
            $crate::DType::I8 => {
                type $t = i8;
                $body
            }
            $crate::DType::I16 => {
                type $t = i16;
                $body
            }
            $crate::DType::I32 => {
                type $t = i32;
                $body
            }
            $crate::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::DType::U8 => {
                type $t = u8;
                $body
            }
            $crate::DType::U16 => {
                type $t = u16;
                $body
            }
            $crate::DType::U32 => {
                type $t = u32;
                $body
            }
            $crate::DType::U64 => {
                type $t = u64;
                $body
            }
            $crate::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::DType::F64 => {
                type $t = f64;
                $body
            }
        }
    };
}
pub(crate) use with_dtype;

/// As [`with_dtype`], for the types that are numbers; `$otherwise` for `bool`.
macro_rules! with_number {
    ($dtype:expr, $t:ident => $body:expr, $otherwise:expr) => {
        match $dtype {
            $crate::DType::Bool => $otherwise,
            $crate::DType::I8 => {
                type $t = i8;
                $body
            }
            $crate::DType::I16 => {
                type $t = i16;
                $body
            }
            $crate::DType::I32 => {
                type $t = i32;
                $body
            }
            $crate::DType::I64 => {
                type $t = i64;
                $body
            }
            $crate::DType::U8 => {
                type $t = u8;
                $body
            }
            $crate::DType::U16 => {
                type $t = u16;
                $body
            }
            $crate::DType::U32 => {
                type $t = u32;
                $body
            }
            $crate::DType::U64 => {
                type $t = u64;
                $body
            }
            $crate::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::DType::F64 => {
                type $t = f64;
                $body
            }
        }
    };
}
pub(crate) use with_number;

/// An element that needs no type parameter.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Scalar {
    Bool(bool),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    F32(f32),
    F64(f64),
}

impl Scalar {
    pub(crate) fn dtype(&self) -> DType {
        macro_rules! dtype {
            ($($t:ident $v:ident),*) => { match self { $(Scalar::$v(_) => DType::$v,)* } };
        }
        for_each_dtype!(dtype)
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        macro_rules! show {
            ($($t:ident $v:ident),*) => { match self { $(Scalar::$v(x) => write!(f, "{x:?}"),)* } };
        }
        for_each_dtype!(show)
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A type that arrays can hold: `bool`, the integers of 8 to 64 bits, `f32` and `f64`.
pub trait Element:
    sealed::Sealed
    + Copy
    + PartialEq
    + PartialOrd
    + Default
    + fmt::Debug
    + fmt::Display
    + Send
    + Sync
    + Serialize
    + serde::de::DeserializeOwned
    + 'static
{
    /// The type, at run time.
    const DTYPE: DType;
    /// What adding up elements gives: `i64` for `bool` and signed integers, `u64` for unsigned ones, the type itself for floats.
    type Sum: Number;
    /// What the mean of elements is: `f32` for `f32`, else `f64`.
    type Mean: Float;
    #[doc(hidden)]
    const LARGEST: Self;
    #[doc(hidden)]
    const SMALLEST: Self;
    #[doc(hidden)]
    fn into_block(array: ArcArray<Self, IxDyn>) -> Block;
    #[doc(hidden)]
    fn of_block(block: &Block) -> Option<&ArcArray<Self, IxDyn>>;
    #[doc(hidden)]
    fn bank(registers: &mut Registers) -> &mut Vec<Vec<Self>>;
    #[doc(hidden)]
    fn bank_of(registers: &Registers) -> &Vec<Vec<Self>>;
    #[doc(hidden)]
    fn tiles_of<'t, 'a>(tiles: &'t AnyTiles<'a>) -> &'t Tiles<'a, Self>;
    #[doc(hidden)]
    fn into_scalar(self) -> Scalar;
    #[doc(hidden)]
    fn of_scalar(scalar: Scalar) -> Self;
    #[doc(hidden)]
    fn is_nan(self) -> bool;
    #[doc(hidden)]
    fn to_f64(self) -> f64;
    #[doc(hidden)]
    fn to_i64(self) -> i64;
    #[doc(hidden)]
    fn to_u64(self) -> u64;
    /// As NumPy casts: integers keep their low bits, floats are cut off (and saturate, where C leaves the result open), `bool` is whether it is not 0.
    #[doc(hidden)]
    fn cast_from<U: Element>(value: U) -> Self;
    /// The elements' bytes, each little-endian: on most machines those that they are.
    #[doc(hidden)]
    fn little_endian(elements: &[Self]) -> Cow<'_, [u8]>;
    /// The elements of these bytes, each little-endian. Bytes that do not make a whole element are left out.
    #[doc(hidden)]
    fn of_little_endian(bytes: &[u8]) -> Vec<Self>;
}

/// An element type to calculate with. Integers wrap, as NumPy's do.
pub trait Number: Element {
    #[doc(hidden)]
    fn plus(self, other: Self) -> Self;
    #[doc(hidden)]
    fn minus(self, other: Self) -> Self;
    #[doc(hidden)]
    fn times(self, other: Self) -> Self;
    #[doc(hidden)]
    fn negative(self) -> Self;
    #[doc(hidden)]
    fn absolute(self) -> Self;
    #[doc(hidden)]
    fn power(self, exponent: i32) -> Self;
}

/// `f32` or `f64`.
pub trait Float: Number {
    #[doc(hidden)]
    fn over(self, other: Self) -> Self;
    #[doc(hidden)]
    fn square_root(self) -> Self;
}

/// What all element types do alike.
macro_rules! common {
    ($t:ident $v:ident $bank:ident) => {
        fn into_block(array: ArcArray<Self, IxDyn>) -> Block {
            Block::$v(array)
        }
        fn of_block(block: &Block) -> Option<&ArcArray<Self, IxDyn>> {
            match block {
                Block::$v(array) => Some(array),
                _ => None,
            }
        }
        fn bank(registers: &mut Registers) -> &mut Vec<Vec<Self>> {
            &mut registers.$bank
        }
        fn bank_of(registers: &Registers) -> &Vec<Vec<Self>> {
            &registers.$bank
        }
        fn tiles_of<'t, 'a>(tiles: &'t AnyTiles<'a>) -> &'t Tiles<'a, Self> {
            match tiles {
                AnyTiles::$v(tiles) => tiles,
                _ => unreachable!("the types of a program's inputs are checked before its first tile"),
            }
        }
        fn into_scalar(self) -> Scalar {
            Scalar::$v(self)
        }
        fn of_scalar(scalar: Scalar) -> Self {
            match scalar {
                Scalar::$v(x) => x,
                other => unreachable!("a program of {} was given the scalar {other}", DType::$v),
            }
        }
    };
}

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: DType = DType::Bool;
    type Sum = i64;
    type Mean = f64;
    const LARGEST: Self = true;
    const SMALLEST: Self = false;
    common!(bool Bool bools);
    #[inline(always)]
    fn is_nan(self) -> bool {
        false
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(u8::from(self))
    }
    #[inline(always)]
    fn to_i64(self) -> i64 {
        i64::from(self)
    }
    #[inline(always)]
    fn to_u64(self) -> u64 {
        u64::from(self)
    }
    #[inline(always)]
    fn cast_from<U: Element>(value: U) -> Self {
        value != U::default()
    }
    fn little_endian(elements: &[Self]) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytemuck::cast_slice(elements))
    }
    fn of_little_endian(bytes: &[u8]) -> Vec<Self> {
        bytes.iter().map(|&byte| byte != 0).collect()
    }
}

macro_rules! number {
    ($class:ident $t:ident $v:ident $bank:ident $sum:ident $mean:ident) => {
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$v;
            type Sum = $sum;
            type Mean = $mean;
            const LARGEST: Self = number!(@$class largest $t);
            const SMALLEST: Self = number!(@$class smallest $t);
            common!($t $v $bank);
            #[inline(always)]
            fn is_nan(self) -> bool {
                number!(@$class nan self)
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            fn to_u64(self) -> u64 {
                self as u64
            }
            #[inline(always)]
            fn cast_from<U: Element>(value: U) -> Self {
                match U::DTYPE {
                    DType::F32 | DType::F64 => value.to_f64() as $t,
                    DType::U64 => value.to_u64() as $t,
                    _ => value.to_i64() as $t,
                }
            }
            fn little_endian(elements: &[Self]) -> Cow<'_, [u8]> {
                if cfg!(target_endian = "little") {
                    Cow::Borrowed(bytemuck::cast_slice(elements))
                } else {
                    elements.iter().flat_map(|x| x.to_le_bytes()).collect()
                }
            }
            fn of_little_endian(bytes: &[u8]) -> Vec<Self> {
                let (elements, _) = bytes.as_chunks();
                elements.iter().map(|&bytes| $t::from_le_bytes(bytes)).collect()
            }
        }
        impl Number for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                number!(@$class self + other, wrapping_add)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                number!(@$class self - other, wrapping_sub)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                number!(@$class self * other, wrapping_mul)
            }
            #[inline(always)]
            fn negative(self) -> Self {
                number!(@$class negative self)
            }
            #[inline(always)]
            fn absolute(self) -> Self {
                number!(@$class absolute self)
            }
            #[inline(always)]
            fn power(self, exponent: i32) -> Self {
                number!(@$class power self exponent)
            }
        }
    };
    (@float largest $t:ident) => { $t::INFINITY };
    (@float smallest $t:ident) => { $t::NEG_INFINITY };
    (@float nan $x:ident) => { $x.is_nan() };
    (@float $x:ident + $y:ident, $f:ident) => { $x + $y };
    (@float $x:ident - $y:ident, $f:ident) => { $x - $y };
    (@float $x:ident * $y:ident, $f:ident) => { $x * $y };
    (@float negative $x:ident) => { -$x };
    (@float absolute $x:ident) => { $x.abs() };
    (@float power $x:ident $n:ident) => { $x.powi($n) };
    (@signed negative $x:ident) => { $x.wrapping_neg() };
    (@signed absolute $x:ident) => { $x.wrapping_abs() };
    (@unsigned negative $x:ident) => { $x.wrapping_neg() };
    (@unsigned absolute $x:ident) => { $x };
    // A negative power of an integer is refused when the expression is built.
    (@$class:ident power $x:ident $n:ident) => { $x.wrapping_pow($n.unsigned_abs()) };
    (@$class:ident largest $t:ident) => { $t::MAX };
    (@$class:ident smallest $t:ident) => { $t::MIN };
    (@$class:ident nan $x:ident) => { false };
    (@$class:ident $x:ident $op:tt $y:ident, $f:ident) => { $x.$f($y) };
}

number!(signed i8 I8 i8s i64 f64);
number!(signed i16 I16 i16s i64 f64);
number!(signed i32 I32 i32s i64 f64);
number!(signed i64 I64 i64s i64 f64);
number!(unsigned u8 U8 u8s u64 f64);
number!(unsigned u16 U16 u16s u64 f64);
number!(unsigned u32 U32 u32s u64 f64);
number!(unsigned u64 U64 u64s u64 f64);
number!(float f32 F32 f32s f32 f32);
number!(float f64 F64 f64s f64 f64);

macro_rules! float {
    ($($t:ident)*) => { $(
        impl Float for $t {
            #[inline(always)]
            fn over(self, other: Self) -> Self {
                self / other
            }
            #[inline(always)]
            fn square_root(self) -> Self {
                self.sqrt()
            }
        }
    )* };
}
float!(f32 f64);
