//! Elementwise operations that are composed of rows of [`crate::operations`], or return more than one array. Composed ones fuse into one pass as any others do.

use crate::array::{Array, Operand};
use crate::elementwise::operations::Operation;
use crate::elementwise::promote::Promote;
use crate::engine::dtype::{DType, Element, Float, Inexact, Number, Ordered, Real};
use crate::engine::expr::{self, IntoOperand};
use crate::engine::simplify;

fn is_complex(dtype: DType) -> bool {
    matches!(dtype, DType::C32 | DType::C64)
}

fn is_inexact(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F64 | DType::C32 | DType::C64)
}

impl<T: Element> Array<T> {
    /// The same value everywhere, in the array's shape and chunks.
    fn everywhere<R: Element>(&self, value: R) -> Array<R> {
        Array::of(|| Ok(simplify::full(value.into_scalar(), self.expr()?.chunks.clone())))
    }

    /// The array as one of another type parameter that is the same type.
    fn same<R: Element>(&self) -> Array<R> {
        Array::of(|| self.expr())
    }

    /// Whether an element is NaN, or one of its parts is; `false` for `bool` and integers. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1.0, f64::NAN], 1)?;
    /// assert_eq!(x.isnan().compute()?, ndarray::array![false, true].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn isnan(&self) -> Array<bool> {
        if is_inexact(T::DTYPE) { self.apply(Operation::IsNan) } else { self.everywhere(false) }
    }

    /// Whether an element is infinite, or one of its parts is; `false` for `bool` and integers. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1.0, -f64::INFINITY], 1)?;
    /// assert_eq!(x.isinf().compute()?, ndarray::array![false, true].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn isinf(&self) -> Array<bool> {
        if is_inexact(T::DTYPE) { self.apply(Operation::IsInfinite) } else { self.everywhere(false) }
    }

    /// Whether an element, with all its parts, is neither infinite nor NaN; `true` for `bool` and integers. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1.0, f64::NAN, f64::INFINITY], 1)?;
    /// assert_eq!(x.isfinite().compute()?, ndarray::array![true, false, false].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn isfinite(&self) -> Array<bool> {
        if is_inexact(T::DTYPE) { self.apply(Operation::IsFinite) } else { self.everywhere(true) }
    }

    /// Whether an element is 0 or `false`. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![0, 7], 1)?;
    /// assert_eq!(x.logical_not().compute()?, ndarray::array![true, false].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn logical_not(&self) -> Array<bool> {
        if T::DTYPE == DType::Bool { self.apply(Operation::LogicalNot) } else { self.combine(Operation::Equal, T::default()) }
    }

    /// Whether both elements are true: neither 0 nor `false`. Shapes broadcast; the types may differ. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![0, 1, 2], 2)?;
    /// let y = Array::from_ndarray(ndarray::array![1.0, 0.0, f64::NAN], 2)?;
    /// assert_eq!(x.logical_and(&y).compute()?, ndarray::array![false, false, true].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn logical_and<U: Element>(&self, other: &Array<U>) -> Array<bool> {
        self.cast::<bool>().bitwise_and(other.cast::<bool>())
    }

    /// Whether one of the elements is true: neither 0 nor `false`. Shapes broadcast; the types may differ. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// let x = Array::<i64>::ones([2, 3], 2)?;
    /// assert_eq!(x.logical_or(&x).shape(), [2, 3]);
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    pub fn logical_or<U: Element>(&self, other: &Array<U>) -> Array<bool> {
        self.cast::<bool>().bitwise_or(other.cast::<bool>())
    }

    /// Whether just one of the elements is true: neither 0 nor `false`. Shapes broadcast; the types may differ. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// let x = Array::<i64>::ones([2, 3], 2)?;
    /// assert_eq!(x.logical_xor(&x).shape(), [2, 3]);
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    pub fn logical_xor<U: Element>(&self, other: &Array<U>) -> Array<bool> {
        self.cast::<bool>().bitwise_xor(other.cast::<bool>())
    }

    /// Whether elements are near each other: `|x - y| ≤ atol + rtol · |y|`, in `f64` for `bool` and integers. Equal infinities are; NaN is near NaN if `equal_nan`.
    ///
    /// NumPy's defaults are `rtol = 1e-5`, `atol = 1e-8`, `equal_nan = false`. Shapes broadcast. Lazy; work: about seven steps an element in one pass.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![1.0, 100.0, f64::NAN], 2)?;
    /// let near = x.isclose(&x + 1e-6, 1e-5, 1e-8, false);
    /// assert_eq!(near.compute()?, ndarray::array![true, true, false].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn isclose(&self, other: impl IntoOperand<T>, rtol: f64, atol: f64, equal_nan: bool) -> Array<bool> {
        let x = self.cast::<T::Mean>();
        let y: Array<T::Mean> = match other.into_operand() {
            Ok(Operand::Expr(expr)) => Array::<T>::of(|| Ok(expr)).cast(),
            Ok(Operand::Scalar(scalar)) => self.everywhere(T::Mean::cast_from(T::of_scalar(scalar))),
            Err(error) => Array::of(|| Err(error)),
        };
        let part = |value: f64| <T::Mean as Number>::Magnitude::cast_from(value);
        let tolerance = y.abs().multiply(part(rtol)).add(part(atol));
        let near = x.subtract(&y).abs().le(tolerance).bitwise_and(y.isfinite()).bitwise_or(x.eq(&y));
        if equal_nan { near.bitwise_or(x.isnan().bitwise_and(y.isnan())) } else { near }
    }
}

impl<T: Number> Array<T> {
    /// The value without its sign: the length of complex numbers, which is a float. The least integer keeps its sign. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::{Array, Complex64};
    /// use arras_scheduler::Compute;
    /// let z = Array::from_ndarray(ndarray::array![Complex64::new(3.0, -4.0)], 1)?;
    /// assert_eq!(z.abs().compute()?, ndarray::array![5.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abs(&self) -> Array<T::Magnitude> {
        self.apply(if is_complex(T::DTYPE) { Operation::Magnitude } else { Operation::Absolute })
    }

    /// The real part: the array itself, unless its elements are complex. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::{Array, Complex64};
    /// use arras_scheduler::Compute;
    /// let z = Array::from_ndarray(ndarray::array![Complex64::new(3.0, -4.0)], 1)?;
    /// assert_eq!(z.real().compute()?, ndarray::array![3.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn real(&self) -> Array<T::Magnitude> {
        if is_complex(T::DTYPE) { self.apply(Operation::RealPart) } else { self.same() }
    }

    /// The imaginary part: zeros, unless the elements are complex. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::{Array, Complex64};
    /// use arras_scheduler::Compute;
    /// let z = Array::from_ndarray(ndarray::array![Complex64::new(3.0, -4.0)], 1)?;
    /// assert_eq!(z.imag().compute()?, ndarray::array![-4.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imag(&self) -> Array<T::Magnitude> {
        if is_complex(T::DTYPE) { self.apply(Operation::ImaginaryPart) } else { self.everywhere(T::Magnitude::default()) }
    }

    /// Whether the imaginary part is not 0: of elements that are not complex, never. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::{Array, Complex64};
    /// use arras_scheduler::Compute;
    /// let z = Array::from_ndarray(ndarray::array![Complex64::new(3.0, -4.0), Complex64::new(1.0, 0.0)], 1)?;
    /// assert_eq!(z.iscomplex().compute()?, ndarray::array![true, false].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn iscomplex(&self) -> Array<bool> {
        self.imag().ne(T::Magnitude::default())
    }

    /// Whether the imaginary part is 0: of elements that are not complex, always. The shape stays. Lazy.
    pub fn isreal(&self) -> Array<bool> {
        self.imag().eq(T::Magnitude::default())
    }

    /// The complex conjugate: the array itself, unless its elements are complex. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::{Array, Complex64};
    /// use arras_scheduler::Compute;
    /// let z = Array::from_ndarray(ndarray::array![Complex64::new(3.0, -4.0)], 1)?;
    /// assert_eq!(z.conj().compute()?, ndarray::array![Complex64::new(3.0, 4.0)].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn conj(&self) -> Array<T> {
        if is_complex(T::DTYPE) { self.apply(Operation::Conjugate) } else { self.clone() }
    }

    /// The array itself: `+x`.
    ///
    /// ```
    /// let x = arras_array::Array::<f64>::ones([2, 3], 2)?;
    /// assert_eq!(x.positive().name(), x.name());
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    pub fn positive(&self) -> Array<T> {
        self.clone()
    }

    /// Rounded to so many places after the decimal point, or before it where negative; halves to even. The shape and the type stay. Lazy; work: one step an element.
    ///
    /// As NumPy does, it multiplies by a power of ten, rounds, and divides: what is far from a short decimal can end up next to the nearest one.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![0.125, 2.5, 1234.0], 2)?;
    /// assert_eq!(x.round(2).compute()?, ndarray::array![0.12, 2.5, 1234.0].into_dyn());
    /// assert_eq!(x.round(0).compute()?, ndarray::array![0.0, 2.0, 1234.0].into_dyn());
    /// assert_eq!(x.cast::<i32>().round(-2).compute()?, ndarray::array![0, 0, 1200].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn round(&self, decimals: i32) -> Array<T> {
        match decimals {
            0.. if !is_inexact(T::DTYPE) => self.clone(),
            0 => self.apply(Operation::Rint),
            _ if is_inexact(T::DTYPE) => self.apply(Operation::Round(decimals)),
            _ => self.cast::<f64>().apply::<f64>(Operation::Round(decimals)).cast(),
        }
    }

    /// The elements to the power of others, in `f64`, or [`Complex64`](crate::Complex64) for complex numbers: integers have negative powers too. Shapes broadcast. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![2i64, 4], 1)?;
    /// assert_eq!(x.float_power(-1.0).compute()?, ndarray::array![0.5, 0.25].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn float_power<P: Number>(&self, exponent: impl IntoOperand<P>) -> Array<P>
    where
        T: Promote<f64, Output = P>,
    {
        self.cast::<P>().power(exponent)
    }
}

impl<T: Inexact> Array<T> {
    /// The angle of complex numbers to the positive real axis, in radians: 0 or π for floats. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::{Array, Complex64};
    /// use arras_scheduler::Compute;
    /// let z = Array::from_ndarray(ndarray::array![Complex64::new(0.0, 2.0)], 1)?;
    /// assert_eq!(z.angle().compute()?, ndarray::array![std::f64::consts::FRAC_PI_2].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn angle(&self) -> Array<T::Part> {
        let (re, im): (Array<T::Part>, Array<T::Part>) = (self.real().same(), self.imag().same());
        im.arctan2(re)
    }
}

impl<T: Ordered> Array<T> {
    /// The elements, those below `low` or above `high` replaced by that limit; NaN stays. Limits are arrays or scalars; shapes broadcast. Lazy; work: two steps an element.
    ///
    /// Where `low` exceeds `high` the result is `high`.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![-3i64, 4, 20], 2)?;
    /// assert_eq!(x.clip(0, 9).compute()?, ndarray::array![0, 4, 9].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clip(&self, low: impl IntoOperand<T>, high: impl IntoOperand<T>) -> Array<T> {
        self.maximum(low).minimum(high)
    }
}

impl<T: Real> Array<T> {
    /// The quotient rounded down, and what it leaves: [`floor_divide`](Array::floor_divide) and [`remainder`](Array::remainder). Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let (quotient, left) = Array::from_ndarray(ndarray::array![-7i64, 7], 1)?.divmod(3);
    /// assert_eq!(quotient.compute()?, ndarray::array![-3, 2].into_dyn());
    /// assert_eq!(left.compute()?, ndarray::array![2, 1].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn divmod(&self, other: impl IntoOperand<T>) -> (Array<T>, Array<T>) {
        match other.into_operand() {
            Ok(other) => {
                let divide = |operation| Array::of(|| expr::elementwise(operation, vec![Operand::Expr(self.expr()?), other.clone()]));
                (divide(Operation::FloorDivide), divide(Operation::Remainder))
            }
            Err(error) => (Array::of(|| Err(error.clone())), Array::of(|| Err(error.clone()))),
        }
    }
}

impl<T: Float> Array<T> {
    /// Whether an element is negative infinity. The shape stays. Lazy.
    ///
    /// ```
    /// let x = arras_array::Array::<f64>::ones([2, 3], 2)?;
    /// assert_eq!(x.isneginf().shape(), [2, 3]);
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    pub fn isneginf(&self) -> Array<bool> {
        self.eq(<T as num_traits::Float>::neg_infinity())
    }

    /// Whether an element is positive infinity. The shape stays. Lazy.
    ///
    /// ```
    /// let x = arras_array::Array::<f64>::ones([2, 3], 2)?;
    /// assert_eq!(x.isposinf().shape(), [2, 3]);
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    pub fn isposinf(&self) -> Array<bool> {
        self.eq(<T as num_traits::Float>::infinity())
    }

    /// Angles in degrees as radians. The shape stays. Lazy; work: one multiplication an element.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![180.0], 1)?;
    /// assert_eq!(x.deg2rad().compute()?, ndarray::array![std::f64::consts::PI].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn deg2rad(&self) -> Array<T> {
        self.multiply(T::PI() / T::cast_from(180u8))
    }

    /// Angles in radians as degrees. The shape stays. Lazy; work: one multiplication an element.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![std::f64::consts::PI], 1)?;
    /// assert_eq!(x.rad2deg().compute()?, ndarray::array![180.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn rad2deg(&self) -> Array<T> {
        self.multiply(T::cast_from(180u8) / T::PI())
    }

    /// The whole number that is next towards zero: NumPy's other name of [`trunc`](Array::trunc).
    ///
    /// ```
    /// let x = arras_array::Array::<f64>::ones([2, 3], 2)?;
    /// assert_eq!(x.fix().name(), x.trunc().name());
    /// # Ok::<(), arras_array::Error>(())
    /// ```
    pub fn fix(&self) -> Array<T> {
        self.trunc()
    }

    /// The elements with NaN replaced by `nan`, and the infinities by `posinf` and `neginf`, or the greatest and least floats. The shape stays. Lazy; work: six steps an element
    /// in one pass.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![f64::NAN, f64::INFINITY, 1.0], 2)?;
    /// assert_eq!(x.nan_to_num(0.0, None, None).compute()?, ndarray::array![0.0, f64::MAX, 1.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nan_to_num(&self, nan: T, posinf: impl Into<Option<T>>, neginf: impl Into<Option<T>>) -> Array<T> {
        let posinf = posinf.into().unwrap_or_else(<T as num_traits::Float>::max_value);
        let neginf = neginf.into().unwrap_or_else(<T as num_traits::Float>::min_value);
        let replaced = crate::where_(&self.isnan(), nan, self);
        let replaced = crate::where_(&self.isposinf(), posinf, replaced);
        crate::where_(&self.isneginf(), neginf, replaced)
    }

    /// The part after the point and the whole part, both with the sign of the value; an infinity has a fraction of 0. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let (fraction, whole) = Array::from_ndarray(ndarray::array![-2.5], 1)?.modf();
    /// assert_eq!((fraction.compute()?[0], whole.compute()?[0]), (-0.5, -2.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn modf(&self) -> (Array<T>, Array<T>) {
        (self.apply(Operation::Fraction), self.trunc())
    }

    /// A mantissa `m`, `½ ≤ |m| < 1`, and an exponent `n` with `x = m · 2ⁿ`; 0, infinities and NaN are their own mantissa with exponent 0. The shape stays. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![10.0], 1)?;
    /// let (mantissa, exponent) = x.frexp();
    /// assert_eq!((mantissa.compute()?[0], exponent.compute()?[0]), (0.625, 4));
    /// assert_eq!(mantissa.ldexp(&exponent).compute()?, x.compute()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn frexp(&self) -> (Array<T>, Array<i32>) {
        (self.apply(Operation::Mantissa), self.apply(Operation::Exponent))
    }

    /// The elements times 2 to the power of others: the inverse of [`frexp`](Array::frexp). The exponents are an array or a scalar; shapes broadcast. Lazy.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![0.625], 1)?;
    /// assert_eq!(x.ldexp(4).compute()?, ndarray::array![10.0].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ldexp(&self, exponent: impl IntoOperand<i32>) -> Array<T> {
        Array::of(|| expr::elementwise(Operation::TimesPowerOf2, vec![Operand::Expr(self.expr()?), exponent.into_operand()?]))
    }
}
