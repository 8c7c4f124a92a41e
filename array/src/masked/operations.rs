//! Operators and elementwise functions of masked arrays, with `numpy.ma`'s rules: a result is masked where one of its operands is, and where the function has no value there. `%` is
//! NumPy's own, which masks by the divisor alone: NaN that comes of NaN stays.
//!
//! ```text
//!     data    8  2  1  4          data    4  0  0  2          data    2  ·  ·  2
//!     mask    ·  x  ·  ·    /     mask    ·  ·  ·  ·    =     mask    ·  x  x  ·         1 / 0 is masked, too
//! ```

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Rem, Sub};

use crate::array::{Array, Operand};
use crate::elementwise::operations::Operation;
use crate::engine::dtype::{Bits, Complex32, Complex64, Element, Float, Inexact, Number, Ordered, Real};
use crate::engine::expr::elementwise;
use crate::masked::masked_array::Masked;

/// What an operation of a masked array takes beside it: a masked array, an array, of which no element is masked, or a scalar, of the same type.
pub trait IntoMasked<T: Element> {
    #[doc(hidden)]
    fn into_masked(self) -> MaskedOperand<T>;
}

/// One side of an operation.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub enum MaskedOperand<T: Element> {
    Masked(Masked<T>),
    Array(Array<T>),
    Scalar(T),
}

impl<T: Element> IntoMasked<T> for T {
    fn into_masked(self) -> MaskedOperand<T> {
        MaskedOperand::Scalar(self)
    }
}

impl<T: Element> IntoMasked<T> for &Masked<T> {
    fn into_masked(self) -> MaskedOperand<T> {
        MaskedOperand::Masked(self.clone())
    }
}

impl<T: Element> IntoMasked<T> for Masked<T> {
    fn into_masked(self) -> MaskedOperand<T> {
        MaskedOperand::Masked(self)
    }
}

impl<T: Element> IntoMasked<T> for &Array<T> {
    fn into_masked(self) -> MaskedOperand<T> {
        MaskedOperand::Array(self.clone())
    }
}

impl<T: Element> IntoMasked<T> for Array<T> {
    fn into_masked(self) -> MaskedOperand<T> {
        MaskedOperand::Array(self)
    }
}

impl<T: Element> MaskedOperand<T> {
    fn cast<U: Element>(&self) -> MaskedOperand<U> {
        match self {
            MaskedOperand::Masked(Masked { data, mask, fill }) => {
                MaskedOperand::Masked(Masked { data: data.cast(), mask: mask.clone(), fill: U::cast_from(*fill) })
            }
            MaskedOperand::Array(array) => MaskedOperand::Array(array.cast()),
            MaskedOperand::Scalar(scalar) => MaskedOperand::Scalar(U::cast_from(*scalar)),
        }
    }

    fn mask(&self) -> Option<&Array<bool>> {
        match self {
            MaskedOperand::Masked(masked) => Some(&masked.mask),
            MaskedOperand::Array(_) | MaskedOperand::Scalar(_) => None,
        }
    }

    /// The elements, a scalar as the one of a 0-d array.
    fn array(&self) -> Array<T> {
        match self {
            MaskedOperand::Masked(masked) => masked.data.clone(),
            MaskedOperand::Array(array) => array.clone(),
            MaskedOperand::Scalar(scalar) => Array::of(|| Array::full((), *scalar, 1)?.expr()),
        }
    }

    fn operand(&self) -> crate::error::Result<Operand> {
        match self {
            MaskedOperand::Masked(masked) => Ok(Operand::Expr(masked.data.expr()?)),
            MaskedOperand::Array(array) => Ok(Operand::Expr(array.expr()?)),
            MaskedOperand::Scalar(scalar) => Ok(Operand::Scalar(scalar.into_scalar())),
        }
    }
}

/// An operation of two sides, of which one is masked at least, and what of its result is masked besides. The fill value is that of the first masked side, if the type is the same.
fn binary<T: Element, R: Element>(
    operation: Operation,
    left: &MaskedOperand<T>,
    right: &MaskedOperand<T>,
    besides: Option<Array<bool>>,
) -> Masked<R> {
    let data: Array<R> = Array::of(|| elementwise(operation, vec![left.operand()?, right.operand()?]));
    let masks = [left.mask(), right.mask(), besides.as_ref()];
    let mask = masks.into_iter().flatten().cloned().reduce(|a, b| a.logical_or(&b));
    let result = match mask {
        Some(mask) => Masked::new(&data, &mask),
        None => data.masked(),
    };
    match (left, right) {
        (MaskedOperand::Masked(Masked { fill, .. }), _) | (_, MaskedOperand::Masked(Masked { fill, .. })) if T::DTYPE == R::DTYPE => {
            result.set_fill_value(R::of_scalar(fill.into_scalar()))
        }
        _ => result,
    }
}

/// Where division has no value to speak of: as numpy.ma, where the divisor is so small that the quotient would be beyond all `f64`.
fn undivided<T: Number>(left: &MaskedOperand<T>, right: &MaskedOperand<T>) -> Array<bool> {
    let size = |side: &MaskedOperand<T>| side.array().abs().cast::<f64>();
    size(left).multiply(f64::MIN_POSITIVE).ge(size(right))
}

/// A result, masked where it is not finite.
fn finite<T: Number>(result: Masked<T>) -> Masked<T> {
    let infinite = result.data.isfinite().logical_not();
    result.masked_where(&infinite)
}

/// The true quotient, masked where it is not finite.
fn quotient<T: Number>(left: &MaskedOperand<T>, right: &MaskedOperand<T>) -> Masked<T::Mean> {
    let (left, right) = (left.cast::<T::Mean>(), right.cast::<T::Mean>());
    let undivided = undivided(&left, &right);
    finite(binary(Operation::Divide, &left, &right, Some(undivided)))
}

/// A quotient that is whole, or what it leaves, masked where nothing can be divided.
fn whole_division<T: Real>(operation: Operation, left: &MaskedOperand<T>, right: &MaskedOperand<T>) -> Masked<T> {
    binary(operation, left, right, Some(undivided(left, right)))
}

macro_rules! operator {
    ([$class:ident] $trait:ident $method:ident $output:ty, $function:expr, [$($scalar:ident)*]) => {
        impl<T: $class, R: IntoMasked<T>> $trait<R> for &Masked<T> {
            type Output = Masked<$output>;
            fn $method(self, other: R) -> Masked<$output> {
                $function(&self.into_masked(), &other.into_masked())
            }
        }
        impl<T: $class, R: IntoMasked<T>> $trait<R> for Masked<T> {
            type Output = Masked<$output>;
            fn $method(self, other: R) -> Masked<$output> {
                $function(&self.into_masked(), &other.into_masked())
            }
        }
        impl<T: $class> $trait<&Masked<T>> for &Array<T> {
            type Output = Masked<$output>;
            fn $method(self, other: &Masked<T>) -> Masked<$output> {
                $function(&self.into_masked(), &other.into_masked())
            }
        }
        impl<T: $class> $trait<Masked<T>> for &Array<T> {
            type Output = Masked<$output>;
            fn $method(self, other: Masked<T>) -> Masked<$output> {
                $function(&self.into_masked(), &other.into_masked())
            }
        }
        $(
            impl $trait<&Masked<$scalar>> for $scalar {
                type Output = <Masked<$scalar> as $trait<$scalar>>::Output;
                fn $method(self, other: &Masked<$scalar>) -> Self::Output {
                    $function(&self.into_masked(), &other.into_masked())
                }
            }
            impl $trait<Masked<$scalar>> for $scalar {
                type Output = <Masked<$scalar> as $trait<$scalar>>::Output;
                fn $method(self, other: Masked<$scalar>) -> Self::Output {
                    $function(&self.into_masked(), &other.into_masked())
                }
            }
        )*
    };
}
operator!([Number] Add add T, |l, r| binary(Operation::Add, l, r, None), [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 Complex32 Complex64]);
operator!([Number] Sub sub T, |l, r| binary(Operation::Subtract, l, r, None), [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 Complex32 Complex64]);
operator!([Number] Mul mul T, |l, r| binary(Operation::Multiply, l, r, None), [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 Complex32 Complex64]);
operator!([Number] Div div T::Mean, quotient, [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 Complex32 Complex64]);
operator!([Real] Rem rem T, |l, r| whole_division(Operation::Remainder, l, r), [i8 i16 i32 i64 u8 u16 u32 u64 f32 f64]);
operator!([Bits] BitAnd bitand T, |l, r| binary(Operation::BitwiseAnd, l, r, None), [bool i8 i16 i32 i64 u8 u16 u32 u64]);
operator!([Bits] BitOr bitor T, |l, r| binary(Operation::BitwiseOr, l, r, None), [bool i8 i16 i32 i64 u8 u16 u32 u64]);
operator!([Bits] BitXor bitxor T, |l, r| binary(Operation::BitwiseXor, l, r, None), [bool i8 i16 i32 i64 u8 u16 u32 u64]);

impl<T: Number> Neg for &Masked<T> {
    type Output = Masked<T>;
    fn neg(self) -> Masked<T> {
        self.kept(Array::negative)
    }
}

impl<T: Number> Neg for Masked<T> {
    type Output = Masked<T>;
    fn neg(self) -> Masked<T> {
        -&self
    }
}

impl<T: Bits> Not for &Masked<T> {
    type Output = Masked<T>;
    fn not(self) -> Masked<T> {
        self.kept(Array::invert)
    }
}

impl<T: Bits> Not for Masked<T> {
    type Output = Masked<T>;
    fn not(self) -> Masked<T> {
        !&self
    }
}

impl<T: Element> Masked<T> {
    /// A function that keeps the type: the fill value stays, too.
    fn kept(&self, function: impl FnOnce(&Array<T>) -> Array<T>) -> Masked<T> {
        self.map(function).set_fill_value(self.fill)
    }

    /// The elements as another type, as [`Array::cast`]; the fill value too.
    pub fn cast<U: Element>(&self) -> Masked<U> {
        self.map(Array::cast).set_fill_value(U::cast_from(self.fill))
    }
}

macro_rules! binaries {
    ($([$class:ident] $method:ident $operation:ident $result:ty, $doc:literal;)*) => { $(
        impl<T: $class> Masked<T> {
            #[doc = $doc]
            ///
            /// Of another masked array, an array or a scalar; masked where one of both is. Shapes broadcast. Lazy.
            pub fn $method(&self, other: impl IntoMasked<T>) -> Masked<$result> {
                binary(Operation::$operation, &self.into_masked(), &other.into_masked(), None)
            }
        }
    )* };
}
binaries! {
    [Element] eq Equal bool, "Whether both are equal; NaN is not, even to itself.";
    [Element] ne NotEqual bool, "Whether both differ.";
    [Ordered] lt Less bool, "Whether the left is less.";
    [Ordered] le LessEqual bool, "Whether the left is less or equal.";
    [Ordered] gt Greater bool, "Whether the left is greater.";
    [Ordered] ge GreaterEqual bool, "Whether the left is greater or equal.";
    [Ordered] minimum Minimum T, "The lesser of the two.";
    [Ordered] maximum Maximum T, "The greater of the two.";
    [Float] hypot Hypotenuse T, "`√(x² + y²)`, without overflow on the way.";
    [Float] arctan2 ArcTangent2 T, "The angle of the point `(other, self)` to the positive first axis, in radians.";
}

impl<T: Real> Masked<T> {
    /// The quotient rounded down, masked where the divisor is 0 too, as numpy.ma: `/` is true division, `%` what this leaves. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![7, 8, 9], 2)?;
    /// let y = Array::from_ndarray(ndarray::array![2, 0, 3], 2)?;
    /// assert_eq!(x.masked_equal(9).floor_divide(&y).filled_with(-1).compute()?, ndarray::array![3, -1, -1].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn floor_divide(&self, other: impl IntoMasked<T>) -> Masked<T> {
        finite(whole_division(Operation::FloorDivide, &self.into_masked(), &other.into_masked()))
    }

    /// What division rounded towards zero leaves, masked where the divisor is 0 too. Lazy.
    pub fn fmod(&self, other: impl IntoMasked<T>) -> Masked<T> {
        finite(whole_division(Operation::FMod, &self.into_masked(), &other.into_masked()))
    }
}

impl<T: Inexact> Masked<T> {
    /// To the power of another masked array, an array or a scalar: masked where one of both is, and where the result is not finite. Lazy.
    pub fn power(&self, exponent: impl IntoMasked<T>) -> Masked<T> {
        finite(binary(Operation::Raise, &self.into_masked(), &exponent.into_masked(), None))
    }
}

impl<T: Number> Masked<T> {
    /// The value without its sign, as [`Array::abs`]. Lazy.
    pub fn abs(&self) -> Masked<T::Magnitude> {
        self.map(Array::abs)
    }
}

impl Masked<bool> {
    /// Whether both are true; masked where one of both is. Lazy.
    pub fn logical_and(&self, other: impl IntoMasked<bool>) -> Masked<bool> {
        self & other
    }

    /// Whether one is true; masked where one of both is. Lazy.
    pub fn logical_or(&self, other: impl IntoMasked<bool>) -> Masked<bool> {
        self | other
    }

    /// Whether it is not true. Lazy.
    pub fn logical_not(&self) -> Masked<bool> {
        !self
    }
}

macro_rules! unaries {
    ($([$class:ident] $($method:ident)*;)*) => { $( $(
        impl<T: $class> Masked<T> {
            #[doc = concat!("As [`Array::", stringify!($method), "`], masked where the array is. Lazy.")]
            pub fn $method(&self) -> Masked<T> {
                self.kept(Array::$method)
            }
        }
    )* )* };
}
unaries! {
    [Number] negative sign square;
    [Inexact] exp sin cos arctan sinh cosh tanh arcsinh rint;
    [Float] floor ceil trunc cbrt exp2 expm1;
}

/// Functions that are not of all numbers: masked where they have no value, or none that is finite.
macro_rules! partials {
    ($($method:ident $doc:literal, $example:literal;)*) => { $(
        impl<T: Float> Masked<T> {
            #[doc = concat!("As [`Array::", stringify!($method), "`], masked where the array is, and ", $doc, ". Lazy.")]
            ///
            /// ```
            /// use arras_scheduler::Compute;
            #[doc = concat!("let x = arras_array::Array::from_ndarray(ndarray::array![0.5, ", $example, "], 1)?.masked();")]
            #[doc = concat!("assert_eq!(x.", stringify!($method), "().mask().compute()?, ndarray::array![false, true].into_dyn());")]
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn $method(&self) -> Masked<T> {
                finite(self.kept(Array::$method))
            }
        }
    )* };
}
partials! {
    sqrt "below 0", "-1.0";
    log "at and below 0", "0.0";
    log2 "at and below 0", "0.0";
    log10 "at and below 0", "0.0";
    arcsin "beyond -1 and 1", "1.5";
    arccos "beyond -1 and 1", "1.5";
    tan "where it is not finite", "f64::INFINITY";
}

impl<T: Float> Masked<T> {
    /// As [`Array::arccosh`], masked where the array is, and below 1. Lazy.
    pub fn arccosh(&self) -> Masked<T> {
        finite(self.kept(Array::arccosh))
    }

    /// As [`Array::arctanh`], masked where the array is, and at and beyond -1 and 1, to within 1e-15 as numpy.ma has it. Lazy.
    pub fn arctanh(&self) -> Masked<T> {
        let beyond = self.data.cast::<f64>().abs().gt(1.0 - 1e-15);
        finite(self.kept(Array::arctanh)).masked_where(&beyond)
    }
}
