//! The elementwise operations: one row each. Enum, method, documentation and inner loop come from the row. What is composed of them stands in
//! [`crate::elementwise`].

use serde::{Deserialize, Serialize};

use crate::array::{Array, Operand};
use crate::elementwise::map::Function;
use crate::engine::dtype::{Bits, DType, Element, Float, Inexact, Integer, Number, Ordered, Real, Scalar};
use crate::engine::expr::{self, IntoOperand};
use crate::error::{Error, Result};

/// The table. `$rows!` gets, for each operation: variant, NumPy's name, method (`_` for one written by hand), class, way, documentation, body.
///
/// Classes: `any`, `ordered` (all but complex numbers), `bits` (`bool` and integers), `number` (all but `bool`), `real` (integers and floats), `integer`, `inexact`
/// (floats and complex numbers), `float`, `complex`, `truth` (`bool`).
///
/// Ways: the body of a `loop` is compiled into vectorised loops for each level of processor; that of a `call` takes longer than a call does, and is called for each element.
macro_rules! operations {
    ($rows:ident) => {
        $rows! {
            binary {
                Add "add" add number loop "The sum; integers wrap." |x, y| x.plus(y);
                Subtract "subtract" subtract number loop "The difference; integers wrap." |x, y| x.minus(y);
                Multiply "multiply" multiply number loop "The product; integers wrap." |x, y| x.times(y);
                Divide "true_divide" divide inexact loop "The quotient." |x, y| x.quotient(y);
                Minimum "minimum" minimum ordered loop "The lesser of the two; NaN if either is." |x, y| if x < y || x.is_nan() { x } else { y };
                Maximum "maximum" maximum ordered loop "The greater of the two; NaN if either is." |x, y| if x > y || x.is_nan() { x } else { y };
                FMin "fmin" fmin ordered loop "The lesser of the two; the other one if either is NaN." |x, y| if x < y || y.is_nan() { x } else { y };
                FMax "fmax" fmax ordered loop "The greater of the two; the other one if either is NaN." |x, y| if x > y || y.is_nan() { x } else { y };
                FloorDivide "floor_divide" floor_divide real call "The quotient rounded down; by integer 0 it is 0." |x, y| x.floor_quotient(y);
                Remainder "remainder" remainder real call "What [`floor_divide`](Array::floor_divide) leaves: it has the sign of the divisor; by integer 0 it is 0." |x, y| x.modulo(y);
                FMod "fmod" fmod real call "What division rounded towards zero leaves, as C's and Rust's `%`; by integer 0 it is 0." |x, y| x.leftover(y);
                Raise "power" _ number call "" |x, y| x.raised(y);
                Hypotenuse "hypot" hypot float call "`√(x² + y²)`, without overflow on the way." |x, y| num_traits::Float::hypot(x, y);
                ArcTangent2 "arctan2" arctan2 float call "The angle of the point `(other, self)` to the positive first axis, in radians." |x, y| num_traits::Float::atan2(x, y);
                CopySign "copysign" copysign float loop "The value with the sign of the other." |x, y| num_traits::Float::copysign(x, y);
                NextAfter "nextafter" nextafter float call "The next value that the type can hold, in the direction of the other." |x, y| x.next_towards(y);
                LogAddExp "logaddexp" logaddexp float call "`ln(eˣ + eʸ)`, without overflow on the way." |x, y| x.log_add_exp(y);
                LogAddExp2 "logaddexp2" logaddexp2 float call "`log₂(2ˣ + 2ʸ)`, without overflow on the way." |x, y| x.log_add_exp_2(y);
                BitwiseAnd "bitwise_and" bitwise_and bits loop "The bits that both have." |x, y| x.both(y);
                BitwiseOr "bitwise_or" bitwise_or bits loop "The bits that either has." |x, y| x.either(y);
                BitwiseXor "bitwise_xor" bitwise_xor bits loop "The bits that one of them has." |x, y| x.one(y);
                LeftShift "left_shift" left_shift integer loop "The bits moved up; 0 when all are moved out." |x, y| x.shifted_left(y);
                RightShift "right_shift" right_shift integer loop "The bits moved down, with copies of the sign; 0 or -1 when all are moved out." |x, y| x.shifted_right(y);
            }
            comparison {
                Equal "equal" eq any loop "Whether both are equal; NaN is not, even to itself." |x, y| x == y;
                NotEqual "not_equal" ne any loop "Whether both differ." |x, y| x != y;
                Less "less" lt ordered loop "Whether the left is less." |x, y| x < y;
                LessEqual "less_equal" le ordered loop "Whether the left is less or equal." |x, y| x <= y;
                Greater "greater" gt ordered loop "Whether the left is greater." |x, y| x > y;
                GreaterEqual "greater_equal" ge ordered loop "Whether the left is greater or equal." |x, y| x >= y;
            }
            unary {
                Negative "negative" negative number loop "The value with its sign changed; the least integer keeps it, and unsigned ones wrap." |x| x.negative();
                Absolute "absolute" _ real loop "" |x| x.absolute();
                Sign "sign" sign number loop "-1, 0 or 1; NaN for NaN; for complex numbers the one of length 1 in the same direction." |x| x.sign();
                Square "square" square number loop "The value times itself; integers wrap." |x| x.times(x);
                SquareRoot "sqrt" sqrt inexact loop "The square root; NaN for negative floats." |x| x.root();
                CubeRoot "cbrt" cbrt float call "The cube root." |x| num_traits::Float::cbrt(x);
                Reciprocal "reciprocal" reciprocal inexact loop "One over the value." |x| x.inverse();
                Exp "exp" exp inexact call "e to the power of the value." |x| x.exponential();
                Exp2 "exp2" exp2 inexact call "2 to the power of the value." |x| x.exponential_2();
                ExpM1 "expm1" expm1 inexact call "`eˣ - 1`, to full precision near 0." |x| x.exponential_minus_1();
                Log "log" log inexact call "The natural logarithm; NaN for negative floats." |x| x.logarithm();
                Log2 "log2" log2 inexact call "The logarithm to base 2." |x| x.logarithm_2();
                Log10 "log10" log10 inexact call "The logarithm to base 10." |x| x.logarithm_10();
                Log1P "log1p" log1p inexact call "`ln(1 + x)`, to full precision near 0." |x| x.logarithm_1_plus();
                Sine "sin" sin inexact call "The sine of an angle in radians." |x| x.sine();
                Cosine "cos" cos inexact call "The cosine of an angle in radians." |x| x.cosine();
                Tangent "tan" tan inexact call "The tangent of an angle in radians." |x| x.tangent();
                ArcSine "arcsin" arcsin inexact call "The inverse sine, in radians." |x| x.arcsine();
                ArcCosine "arccos" arccos inexact call "The inverse cosine, in radians." |x| x.arccosine();
                ArcTangent "arctan" arctan inexact call "The inverse tangent, in radians." |x| x.arctangent();
                HyperbolicSine "sinh" sinh inexact call "The hyperbolic sine." |x| x.hyperbolic_sine();
                HyperbolicCosine "cosh" cosh inexact call "The hyperbolic cosine." |x| x.hyperbolic_cosine();
                HyperbolicTangent "tanh" tanh inexact call "The hyperbolic tangent." |x| x.hyperbolic_tangent();
                HyperbolicArcSine "arcsinh" arcsinh inexact call "The inverse hyperbolic sine." |x| x.hyperbolic_arcsine();
                HyperbolicArcCosine "arccosh" arccosh inexact call "The inverse hyperbolic cosine." |x| x.hyperbolic_arccosine();
                HyperbolicArcTangent "arctanh" arctanh inexact call "The inverse hyperbolic tangent." |x| x.hyperbolic_arctangent();
                Floor "floor" floor float loop "The greatest whole number that is not greater." |x| num_traits::Float::floor(x);
                Ceil "ceil" ceil float loop "The least whole number that is not less." |x| num_traits::Float::ceil(x);
                Truncate "trunc" trunc float loop "The whole number that is next towards zero." |x| num_traits::Float::trunc(x);
                Rint "rint" rint inexact loop "The nearest whole number; of two, the even one. Of complex numbers, that of each part." |x| x.nearest();
                Sinc "sinc" sinc inexact call "`sin(πx) / πx`; 1 at 0." |x| x.cardinal_sine();
                BesselI0 "i0" i0 float call "The modified Bessel function of the first kind of order 0." |x| x.bessel_i0();
                Spacing "spacing" spacing float loop "The distance to the next value that the type can hold, away from zero." |x| x.distance_to_next();
                Fraction "modf" _ float loop "" |x| x.fraction();
                Mantissa "frexp" _ float call "" |x| x.mantissa();
                Invert "invert" invert bits loop "The value with all its bits changed." |x| x.inverted();
                Conjugate "conjugate" _ complex loop "" |x| x.conjugate();
                LogicalNot "logical_not" _ truth loop "" |x| !x;
            }
            test {
                IsNan "isnan" _ inexact loop "" |x| x.is_nan();
                IsInfinite "isinf" _ inexact loop "" |x| x.any_infinite();
                IsFinite "isfinite" _ inexact loop "" |x| x.all_finite();
                SignBit "signbit" signbit real loop "Whether the value has a minus sign; -0 and some NaN have." |x| x.sign_bit();
            }
            part {
                Magnitude "absolute" _ complex call "" |x| x.magnitude();
                RealPart "real" _ complex loop "" |x| x.real_part();
                ImaginaryPart "imag" _ complex loop "" |x| x.imaginary_part();
            }
        }
    };
}
pub(crate) use operations;

macro_rules! enums {
    (
        binary { $($b:ident $bname:literal $bmethod:tt $bclass:ident $bway:tt $bdoc:literal |$bx:ident, $by:ident| $bbody:expr;)* }
        comparison { $($c:ident $cname:literal $cmethod:tt $cclass:ident $cway:tt $cdoc:literal |$cx:ident, $cy:ident| $cbody:expr;)* }
        unary { $($u:ident $uname:literal $umethod:tt $uclass:ident $uway:tt $udoc:literal |$ux:ident| $ubody:expr;)* }
        test { $($t:ident $tname:literal $tmethod:tt $tclass:ident $tway:tt $tdoc:literal |$tx:ident| $tbody:expr;)* }
        part { $($p:ident $pname:literal $pmethod:tt $pclass:ident $pway:tt $pdoc:literal |$px:ident| $pbody:expr;)* }
    ) => {
        /// An elementwise operation.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub(crate) enum Operation {
            $($b,)* $($c,)* $($u,)* $($t,)* $($p,)*
            /// To a whole power.
            Power(i32),
            /// To so many decimals, or to a power of ten if negative.
            Round(i32),
            /// The first operand, repeated to the shape that it has with the second.
            Broadcast,
            /// To another type.
            Cast(DType),
            /// The second where the first, a `bool`, is true, else the third.
            Where,
            /// The power of 2 that a float is divided by to get its mantissa, an `i32`.
            Exponent,
            /// A float times 2 to the power of an `i32`.
            TimesPowerOf2,
            /// An `i64` as it is, if it is an index below this.
            Index(u64),
            /// A function of the user's.
            Call(Function),
        }

        impl Operation {
            /// NumPy's name.
            pub(crate) fn name(&self) -> &'static str {
                match self {
                    $(Operation::$b => $bname,)* $(Operation::$c => $cname,)* $(Operation::$u => $uname,)* $(Operation::$t => $tname,)* $(Operation::$p => $pname,)*
                    Operation::Power(_) => "power",
                    Operation::Round(_) => "round",
                    Operation::Broadcast => "broadcast_to",
                    Operation::Cast(_) => "astype",
                    Operation::Where => "where",
                    Operation::Exponent => "frexp",
                    Operation::TimesPowerOf2 => "ldexp",
                    Operation::Index(_) => "index",
                    Operation::Call(function) => function.operation(),
                }
            }

            /// Whether it compares.
            pub(crate) fn is_comparison(&self) -> bool {
                matches!(self, $(Operation::$c)|*)
            }

            /// How long it takes for an element in the cache, in quarters of a nanosecond: measured for loops, about what C's functions take for calls.
            pub(crate) fn quarters(&self) -> u64 {
                match self {
                    $(Operation::$b => enums!(@ $bway),)* $(Operation::$c => enums!(@ $cway),)* $(Operation::$u => enums!(@ $uway),)* $(Operation::$t => enums!(@ $tway),)* $(Operation::$p => enums!(@ $pway),)*
                    Operation::Exponent | Operation::TimesPowerOf2 => enums!(@ call),
                    _ => enums!(@ loop),
                }
            }

            /// The type of the result for operands of these types.
            pub(crate) fn result(&self, operands: &[DType]) -> DType {
                match self {
                    $(Operation::$c => DType::Bool,)*
                    $(Operation::$t => DType::Bool,)*
                    $(Operation::$p => match operands[0] {
                        DType::C32 => DType::F32,
                        DType::C64 => DType::F64,
                        real => real,
                    },)*
                    Operation::Cast(dtype) => *dtype,
                    Operation::Where => operands[1],
                    Operation::Exponent => DType::I32,
                    Operation::Call(function) => function.result(),
                    _ => operands[0],
                }
            }
        }

        $(methods!(binary $bclass $bmethod $b $bdoc);)*
        $(methods!(comparison $cclass $cmethod $c $cdoc);)*
        $(methods!(unary $uclass $umethod $u $udoc);)*
        $(methods!(test $tclass $tmethod $t $tdoc);)*
        $(methods!(part $pclass $pmethod $p $pdoc);)*
    };
    (@ loop) => { 1 };
    (@ call) => { 40 };
}

macro_rules! methods {
    ($kind:ident $class:ident _ $v:ident $doc:literal) => {};
    ($kind:ident any $($row:tt)*) => { methods!(@$kind Element "f64" $($row)*); };
    ($kind:ident ordered $($row:tt)*) => { methods!(@$kind Ordered "f64" $($row)*); };
    ($kind:ident bits $($row:tt)*) => { methods!(@$kind Bits "i64" $($row)*); };
    ($kind:ident number $($row:tt)*) => { methods!(@$kind Number "f64" $($row)*); };
    ($kind:ident real $($row:tt)*) => { methods!(@$kind Real "f64" $($row)*); };
    ($kind:ident integer $($row:tt)*) => { methods!(@$kind Integer "i64" $($row)*); };
    ($kind:ident inexact $($row:tt)*) => { methods!(@$kind Inexact "f64" $($row)*); };
    ($kind:ident float $($row:tt)*) => { methods!(@$kind Float "f64" $($row)*); };
    (@binary $bound:ident $example:literal $method:ident $v:ident $doc:literal) => {
        impl<T: $bound> Array<T> {
            #[doc = $doc]
            ///
            /// The other operand is an array or a scalar; shapes broadcast: `(.., n)` and `(.., n)` or 1 in, the larger out. The type stays. Lazy; work: one step an element.
            ///
            /// ```
            #[doc = concat!("let x = arras_array::Array::<", $example, ">::ones([2, 3], 2)?;")]
            #[doc = concat!("assert_eq!(x.", stringify!($method), "(&x).shape(), [2, 3]);")]
            /// # Ok::<(), arras_array::Error>(())
            /// ```
            pub fn $method(&self, other: impl IntoOperand<T>) -> Array<T> {
                self.combine(Operation::$v, other)
            }
        }
    };
    (@comparison $bound:ident $example:literal $method:ident $v:ident $doc:literal) => {
        impl<T: $bound> Array<T> {
            #[doc = $doc]
            ///
            /// The other operand is an array or a scalar; shapes broadcast. Lazy; work: one step an element.
            ///
            /// ```
            #[doc = concat!("let x = arras_array::Array::<", $example, ">::ones([2, 3], 2)?;")]
            #[doc = concat!("let truth: arras_array::Array<bool> = x.", stringify!($method), "(&x);")]
            /// assert_eq!(truth.shape(), [2, 3]);
            /// # Ok::<(), arras_array::Error>(())
            /// ```
            #[allow(clippy::should_implement_trait)]
            pub fn $method(&self, other: impl IntoOperand<T>) -> Array<bool> {
                self.combine(Operation::$v, other)
            }
        }
    };
    (@unary $($row:tt)*) => { methods!(@one T $($row)*); };
    (@test $($row:tt)*) => { methods!(@one bool $($row)*); };
    (@one $result:ident $bound:ident $example:literal $method:ident $v:ident $doc:literal) => {
        impl<T: $bound> Array<T> {
            #[doc = $doc]
            ///
            /// The shape stays. Lazy; work: one step an element.
            ///
            /// ```
            #[doc = concat!("let x = arras_array::Array::<", $example, ">::ones([2, 3], 2)?;")]
            #[doc = concat!("assert_eq!(x.", stringify!($method), "().shape(), [2, 3]);")]
            /// # Ok::<(), arras_array::Error>(())
            /// ```
            pub fn $method(&self) -> Array<$result> {
                self.apply(Operation::$v)
            }
        }
    };
}

operations!(enums);

impl<T: Element> Array<T> {
    /// `operation` of the array and another operand.
    pub(crate) fn combine<R: Element>(&self, operation: Operation, other: impl IntoOperand<T>) -> Array<R> {
        Array::of(|| expr::elementwise(operation, vec![Operand::Expr(self.expr()?), other.into_operand()?]))
    }

    /// `operation` of the array.
    pub(crate) fn apply<R: Element>(&self, operation: Operation) -> Array<R> {
        Array::of(|| expr::elementwise(operation, vec![Operand::Expr(self.expr()?)]))
    }

    /// The elements as another type, as NumPy's `astype`: integers keep their low bits, floats are cut off towards zero (and saturate, NaN to 0), anything but 0 is `true`.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![-1.5, 0.0, 2.9], 2)?;
    /// assert_eq!(x.cast::<i64>().compute()?, ndarray::array![-1, 0, 2].into_dyn());
    /// assert_eq!(x.cast::<bool>().compute()?, ndarray::array![true, false, true].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cast<U: Element>(&self) -> Array<U> {
        self.apply(Operation::Cast(U::DTYPE))
    }
}

impl<T: Number> Array<T> {
    /// The elements to a whole power; integers wrap. `powi(2)` is a multiplication.
    ///
    /// A negative power of integers is an [`Error::NegativePower`] when the result is used.
    pub fn powi(&self, exponent: i32) -> Array<T> {
        let is_integer = !matches!(T::DTYPE, DType::F32 | DType::F64 | DType::C32 | DType::C64);
        match exponent {
            2 => self.apply(Operation::Square),
            _ if exponent < 0 && is_integer => Array::of(|| -> Result<_> { Err(Error::NegativePower { dtype: T::DTYPE, exponent }) }),
            _ => self.apply(Operation::Power(exponent)),
        }
    }

    /// The elements to the power of others, of the same type; integers wrap.
    ///
    /// The exponent is an array or a scalar; shapes broadcast. Lazy; work: one call of the C library's `pow` an element, but a multiplication for the scalar 2 and a root
    /// for the scalar 0.5.
    ///
    /// A negative scalar as exponent of integers is an [`Error::NegativePower`] when the result is used, as [`powi`](Array::powi); one in an array ends the run with an
    /// error that names it.
    ///
    /// ```
    /// use arras_array::Array;
    /// use arras_scheduler::Compute;
    /// let x = Array::from_ndarray(ndarray::array![4.0, 9.0], 1)?;
    /// assert_eq!(x.power(0.5).compute()?, ndarray::array![2.0, 3.0].into_dyn());
    /// assert_eq!(x.cast::<i64>().power(3).compute()?, ndarray::array![64, 729].into_dyn());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn power(&self, exponent: impl IntoOperand<T>) -> Array<T> {
        Array::of(|| {
            let base = Operand::Expr(self.expr()?);
            let exponent = exponent.into_operand()?;
            let Operand::Scalar(scalar) = &exponent else { return expr::elementwise(Operation::Raise, vec![base, exponent]) };
            match *scalar {
                Scalar::F32(2.0) | Scalar::F64(2.0) => expr::elementwise(Operation::Square, vec![base]),
                Scalar::F32(0.5) | Scalar::F64(0.5) => expr::elementwise(Operation::SquareRoot, vec![base]),
                Scalar::I8(_) | Scalar::I16(_) | Scalar::I32(_) | Scalar::I64(_) if T::of_scalar(*scalar).to_i64() < 0 => {
                    let exponent = T::of_scalar(*scalar).to_i64();
                    Err(Error::NegativePower { dtype: T::DTYPE, exponent: exponent.max(i32::MIN.into()) as i32 })
                }
                _ => expr::elementwise(Operation::Raise, vec![base, exponent]),
            }
        })
    }
}
