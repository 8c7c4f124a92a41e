//! Element types: which there are, what they can do, and scalars of them.

use std::borrow::Cow;
use std::fmt;

use ndarray::{ArcArray, IxDyn};
pub use num_complex::{Complex32, Complex64};
use serde::{Deserialize, Serialize};

use crate::elementwise::functions::{Bitwise, Divided, Floating, Shifted, Signed, Transcendental};
use crate::engine::block::Block;
use crate::engine::tile::{AnyTiles, Registers, Tiles};

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
    /// [`Complex32`]: two `f32`, NumPy's complex64.
    C32,
    /// [`Complex64`]: two `f64`, NumPy's complex128.
    C64,
}

impl DType {
    /// The size of an element in bytes.
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::I8 | DType::U8 => 1,
            DType::I16 | DType::U16 => 2,
            DType::I32 | DType::U32 | DType::F32 => 4,
            DType::I64 | DType::U64 | DType::F64 | DType::C32 => 8,
            DType::C64 => 16,
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
            DType::C32 => "Complex32",
            DType::C64 => "Complex64",
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
        $macro! { $($head)* bool Bool, i8 I8, i16 I16, i32 I32, i64 I64, u8 U8, u16 U16, u32 U32, u64 U64, f32 F32, f64 F64, Complex32 C32, Complex64 C64 }
    };
}
pub(crate) use for_each_dtype;

/// Runs `$body` with `$t` as the element type of a [`DType`] that is among those listed, else `$otherwise`.
macro_rules! match_dtype {
    ([$($ty:ident $v:ident),*] $dtype:expr, $t:ident => $body:expr $(, $otherwise:expr)?) => {
        match $dtype {
            $($crate::DType::$v => {
                #[allow(dead_code)]
                type $t = $crate::engine::dtype::types::$ty;
                $body
            })*
            $(_ => $otherwise,)?
        }
    };
}
pub(crate) use match_dtype;

/// The element types under the names that macros know them by.
pub(crate) mod types {
    pub(crate) use std::primitive::{bool, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64};

    pub(crate) use num_complex::{Complex32, Complex64};
}

macro_rules! classes {
    ($d:tt $($(#[$doc:meta])* $name:ident [$($list:tt)*];)*) => { $(
        $(#[$doc])*
        #[allow(unused_macros)]
        macro_rules! $name {
            ($d($d arguments:tt)*) => { $crate::engine::dtype::match_dtype!([$($list)*] $d($d arguments)*) };
        }
        #[allow(unused_imports)]
        pub(crate) use $name;
    )* };
}
classes! { $
    /// `with_dtype!(dtype, T => body)`: all types.
    with_dtype [bool Bool, i8 I8, i16 I16, i32 I32, i64 I64, u8 U8, u16 U16, u32 U32, u64 U64, f32 F32, f64 F64, Complex32 C32, Complex64 C64];
    /// `with_number!(dtype, T => body, otherwise)`: all but `bool`.
    with_number [i8 I8, i16 I16, i32 I32, i64 I64, u8 U8, u16 U16, u32 U32, u64 U64, f32 F32, f64 F64, Complex32 C32, Complex64 C64];
    /// `with_ordered!(dtype, T => body, otherwise)`: all but complex numbers.
    with_ordered [bool Bool, i8 I8, i16 I16, i32 I32, i64 I64, u8 U8, u16 U16, u32 U32, u64 U64, f32 F32, f64 F64];
    /// `with_real!(dtype, T => body, otherwise)`: integers and floats.
    with_real [i8 I8, i16 I16, i32 I32, i64 I64, u8 U8, u16 U16, u32 U32, u64 U64, f32 F32, f64 F64];
    /// `with_integer!(dtype, T => body, otherwise)`
    with_integer [i8 I8, i16 I16, i32 I32, i64 I64, u8 U8, u16 U16, u32 U32, u64 U64];
    /// `with_bits!(dtype, T => body, otherwise)`: `bool` and integers.
    with_bits [bool Bool, i8 I8, i16 I16, i32 I32, i64 I64, u8 U8, u16 U16, u32 U32, u64 U64];
    /// `with_inexact!(dtype, T => body, otherwise)`: floats and complex numbers.
    with_inexact [f32 F32, f64 F64, Complex32 C32, Complex64 C64];
    /// `with_float!(dtype, T => body, otherwise)`
    with_float [f32 F32, f64 F64];
    /// `with_complex!(dtype, T => body, otherwise)`
    with_complex [Complex32 C32, Complex64 C64];
}

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
    C32(Complex32),
    C64(Complex64),
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

/// A type that arrays can hold: `bool`, the integers of 8 to 64 bits, `f32`, `f64`, [`Complex32`] and [`Complex64`].
pub trait Element:
    sealed::Sealed + Copy + PartialEq + Default + fmt::Debug + fmt::Display + Send + Sync + Serialize + serde::de::DeserializeOwned + 'static
{
    /// The type, at run time.
    const DTYPE: DType;
    /// What adding up elements gives: `i64` for `bool` and signed integers, `u64` for unsigned ones, the type itself for the others.
    type Sum: Number;
    /// What the mean of elements is: `f64` for `bool` and integers, the type itself for floats and complex numbers.
    type Mean: Inexact;
    /// What the spread of elements is: `f64` for `bool` and integers, the type itself for floats, that of the two parts for complex numbers.
    type Spread: Float;
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
    fn imaginary(self) -> f64 {
        0.0
    }
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
    /// The memory of elements, if any little-endian bytes may be put there: not for `bool`, nor where numbers lie the other way round.
    #[doc(hidden)]
    fn little_endian_mut(elements: &mut [Self]) -> Option<&mut [u8]> {
        let _ = elements;
        None
    }
}

/// An element type with an order: all but complex numbers.
pub trait Ordered: Element + PartialOrd {
    #[doc(hidden)]
    const LARGEST: Self;
    #[doc(hidden)]
    const SMALLEST: Self;
}

/// `bool` or an integer: what has bits to combine.
pub trait Bits: Ordered + Eq + Ord + std::hash::Hash + Bitwise {}

/// An element type to calculate with: all but `bool`. Integers wrap, as NumPy's do.
pub trait Number: Element + Signed {
    /// The type of the absolute value: that of the parts for complex numbers, else the type itself.
    type Magnitude: Real;
    #[doc(hidden)]
    fn magnitude(self) -> Self::Magnitude;
    #[doc(hidden)]
    fn real_part(self) -> Self::Magnitude;
    #[doc(hidden)]
    fn imaginary_part(self) -> Self::Magnitude;
    #[doc(hidden)]
    fn plus(self, other: Self) -> Self;
    #[doc(hidden)]
    fn minus(self, other: Self) -> Self;
    #[doc(hidden)]
    fn times(self, other: Self) -> Self;
    #[doc(hidden)]
    fn negative(self) -> Self;
    #[doc(hidden)]
    fn power(self, exponent: i32) -> Self;
}

/// An integer or a float.
pub trait Real: Number<Magnitude = Self> + Ordered + Divided {
    #[doc(hidden)]
    fn absolute(self) -> Self;
}

/// An integer.
pub trait Integer: Real + Bits + Shifted {}

/// A float or a complex number.
pub trait Inexact: Number + Transcendental {
    /// The type of the parts of a complex number; a float is its own.
    type Part: Float;
    #[doc(hidden)]
    fn over(self, other: Self) -> Self {
        self.quotient(other)
    }
    #[doc(hidden)]
    fn square_root(self) -> Self {
        self.root()
    }
}

/// `f32` or `f64`.
pub trait Float: Real + Inexact + Floating + num_traits::Float + num_traits::FloatConst {}

/// [`Complex32`] or [`Complex64`].
pub trait ComplexNumber: Inexact {
    #[doc(hidden)]
    fn conjugate(self) -> Self;
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
    type Spread = f64;
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

impl Ordered for bool {
    const LARGEST: Self = true;
    const SMALLEST: Self = false;
}

macro_rules! number {
    ($class:ident $t:ident $v:ident $bank:ident $sum:ident $mean:ident) => {
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$v;
            type Sum = $sum;
            type Mean = $mean;
            type Spread = $mean;
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
                    DType::F32 | DType::F64 | DType::C32 | DType::C64 => value.to_f64() as $t,
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
            fn little_endian_mut(elements: &mut [Self]) -> Option<&mut [u8]> {
                cfg!(target_endian = "little").then(|| bytemuck::cast_slice_mut(elements))
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
            fn power(self, exponent: i32) -> Self {
                number!(@$class power self exponent)
            }
            type Magnitude = Self;
            #[inline(always)]
            fn magnitude(self) -> Self {
                self.absolute()
            }
            #[inline(always)]
            fn real_part(self) -> Self {
                self
            }
            #[inline(always)]
            fn imaginary_part(self) -> Self {
                Self::default()
            }
        }
        impl Ordered for $t {
            const LARGEST: Self = number!(@$class largest $t);
            const SMALLEST: Self = number!(@$class smallest $t);
        }
        impl Real for $t {
            #[inline(always)]
            fn absolute(self) -> Self {
                number!(@$class absolute self)
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

macro_rules! integer {
    ($($t:ident)*) => { $(
        impl Bits for $t {}
        impl Integer for $t {}
    )* };
}
impl Bits for bool {}
integer!(i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! inexact {
    ($($t:ident $part:ident)*) => { $(
        impl Inexact for $t {
            type Part = $part;
        }
    )* };
}
inexact!(f32 f32 f64 f64 Complex32 f32 Complex64 f64);
impl Float for f32 {}
impl Float for f64 {}

macro_rules! complex {
    ($t:ident $v:ident $bank:ident $part:ident) => {
        impl sealed::Sealed for $t {}
        impl Element for $t {
            const DTYPE: DType = DType::$v;
            type Sum = $t;
            type Mean = $t;
            type Spread = $part;
            common!($t $v $bank);
            #[inline(always)]
            fn is_nan(self) -> bool {
                self.re.is_nan() || self.im.is_nan()
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self.re)
            }
            #[inline(always)]
            fn imaginary(self) -> f64 {
                f64::from(self.im)
            }
            #[inline(always)]
            fn to_i64(self) -> i64 {
                self.re as i64
            }
            #[inline(always)]
            fn to_u64(self) -> u64 {
                self.re as u64
            }
            #[inline(always)]
            fn cast_from<U: Element>(value: U) -> Self {
                $t::new(value.to_f64() as $part, value.imaginary() as $part)
            }
            fn little_endian(elements: &[Self]) -> Cow<'_, [u8]> {
                if cfg!(target_endian = "little") {
                    Cow::Borrowed(bytemuck::cast_slice(elements))
                } else {
                    elements.iter().flat_map(|x| [x.re.to_le_bytes(), x.im.to_le_bytes()].concat()).collect()
                }
            }
            fn of_little_endian(bytes: &[u8]) -> Vec<Self> {
                let parts = $part::of_little_endian(bytes);
                let (elements, _) = parts.as_chunks();
                elements.iter().map(|&[re, im]| $t::new(re, im)).collect()
            }
            fn little_endian_mut(elements: &mut [Self]) -> Option<&mut [u8]> {
                cfg!(target_endian = "little").then(|| bytemuck::cast_slice_mut(elements))
            }
        }
        impl Number for $t {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn negative(self) -> Self {
                -self
            }
            #[inline(always)]
            fn power(self, exponent: i32) -> Self {
                self.powi(exponent)
            }
            type Magnitude = $part;
            #[inline(always)]
            fn magnitude(self) -> $part {
                self.re.hypot(self.im)
            }
            #[inline(always)]
            fn real_part(self) -> $part {
                self.re
            }
            #[inline(always)]
            fn imaginary_part(self) -> $part {
                self.im
            }
        }
        impl ComplexNumber for $t {
            #[inline(always)]
            fn conjugate(self) -> Self {
                $t::new(self.re, -self.im)
            }
        }
    };
}
complex!(Complex32 C32 c32s f32);
complex!(Complex64 C64 c64s f64);
