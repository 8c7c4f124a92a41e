//! The elementwise operations: one row each. Enum, method, documentation and inner loop come from the row.

use serde::{Deserialize, Serialize};

use crate::array::{Array, Operand};
use crate::dtype::{DType, Element, Inexact, Number, Ordered, Real};
use crate::error::{Error, Result};
use crate::expr::{self, IntoOperand};

/// The table. `$rows!` gets, for each operation: variant, NumPy's name, method, class, documentation, body.
///
/// Classes: `any`, `ordered` (all but complex numbers), `number` (all but `bool`), `real` (integers and floats), `inexact` (floats and complex numbers), `truth` (`bool`).
macro_rules! operations {
    ($rows:ident) => {
        $rows! {
            binary {
                Add "add" add number "The sum; integers wrap." |x, y| x.plus(y);
                Subtract "subtract" subtract number "The difference; integers wrap." |x, y| x.minus(y);
                Multiply "multiply" multiply number "The product; integers wrap." |x, y| x.times(y);
                Divide "true_divide" divide inexact "The quotient." |x, y| x.over(y);
                Minimum "minimum" minimum real "The lesser of the two; NaN if either is." |x, y| if x < y || x.is_nan() { x } else { y };
                Maximum "maximum" maximum real "The greater of the two; NaN if either is." |x, y| if x > y || x.is_nan() { x } else { y };
            }
            comparison {
                Equal "equal" eq any "Whether both are equal; NaN is not, even to itself." |x, y| x == y;
                NotEqual "not_equal" ne any "Whether both differ." |x, y| x != y;
                Less "less" lt ordered "Whether the left is less." |x, y| x < y;
                LessEqual "less_equal" le ordered "Whether the left is less or equal." |x, y| x <= y;
                Greater "greater" gt ordered "Whether the left is greater." |x, y| x > y;
                GreaterEqual "greater_equal" ge ordered "Whether the left is greater or equal." |x, y| x >= y;
            }
            unary {
                Negative "negative" negative number "The value with its sign changed; the least integer keeps it, and unsigned ones wrap." |x| x.negative();
                Absolute "absolute" abs real "The value without its sign; the least integer keeps it." |x| x.absolute();
                Square "square" square number "The value times itself; integers wrap." |x| x.times(x);
                SquareRoot "sqrt" sqrt inexact "The square root; NaN for negative floats." |x| x.square_root();
                LogicalNot "logical_not" logical_not truth "Whether the value is false." |x| !x;
            }
        }
    };
}
pub(crate) use operations;

macro_rules! enums {
    (
        binary { $($b:ident $bname:literal $bmethod:ident $bclass:ident $bdoc:literal |$bx:ident, $by:ident| $bbody:expr;)* }
        comparison { $($c:ident $cname:literal $cmethod:ident $cclass:ident $cdoc:literal |$cx:ident, $cy:ident| $cbody:expr;)* }
        unary { $($u:ident $uname:literal $umethod:ident $uclass:ident $udoc:literal |$ux:ident| $ubody:expr;)* }
    ) => {
        /// An elementwise operation.
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        pub(crate) enum Operation {
            $($b,)* $($c,)* $($u,)*
            /// To a whole power.
            Power(i32),
            /// The first operand, repeated to the shape that it has with the second.
            Broadcast,
            /// To another type.
            Cast(DType),
        }

        impl Operation {
            /// NumPy's name.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Operation::$b => $bname,)* $(Operation::$c => $cname,)* $(Operation::$u => $uname,)*
                    Operation::Power(_) => "power",
                    Operation::Broadcast => "broadcast_to",
                    Operation::Cast(_) => "astype",
                }
            }

            /// Whether it compares.
            pub(crate) fn is_comparison(self) -> bool {
                matches!(self, $(Operation::$c)|*)
            }

            /// The type of the result for operands of a type.
            pub(crate) fn result(self, dtype: DType) -> DType {
                match self {
                    $(Operation::$c => DType::Bool,)*
                    Operation::Cast(dtype) => dtype,
                    _ => dtype,
                }
            }
        }

        $(two_operands!($bclass $b $bmethod $bdoc);)*
        $(comparison!($cclass $c $cmethod $cdoc);)*
        $(one_operand!($uclass $u $umethod $udoc);)*
    };
}

macro_rules! two_operands {
    (number $v:ident $method:ident $doc:literal) => { two_operands!(@Number $v $method $doc); };
    (real $v:ident $method:ident $doc:literal) => { two_operands!(@Real $v $method $doc); };
    (inexact $v:ident $method:ident $doc:literal) => { two_operands!(@Inexact $v $method $doc); };
    (@$bound:ident $v:ident $method:ident $doc:literal) => {
        impl<T: $bound> Array<T> {
            #[doc = $doc]
            ///
            /// The other operand is an array or a scalar; shapes broadcast: `(.., n)` and `(.., n)` or 1 in, the larger out. Lazy.
            pub fn $method(&self, other: impl IntoOperand<T>) -> Array<T> {
                self.combine(Operation::$v, other)
            }
        }
    };
}

macro_rules! comparison {
    (any $v:ident $method:ident $doc:literal) => { comparison!(@Element $v $method $doc); };
    (ordered $v:ident $method:ident $doc:literal) => { comparison!(@Ordered $v $method $doc); };
    (@$bound:ident $v:ident $method:ident $doc:literal) => {
        impl<T: $bound> Array<T> {
            #[doc = $doc]
            ///
            /// The other operand is an array or a scalar; shapes broadcast. Lazy.
            #[allow(clippy::should_implement_trait)]
            pub fn $method(&self, other: impl IntoOperand<T>) -> Array<bool> {
                self.combine(Operation::$v, other)
            }
        }
    };
}

macro_rules! one_operand {
    (number $v:ident $method:ident $doc:literal) => { one_operand!(@[T: Number] T $v $method $doc); };
    (real $v:ident $method:ident $doc:literal) => { one_operand!(@[T: Real] T $v $method $doc); };
    (inexact $v:ident $method:ident $doc:literal) => { one_operand!(@[T: Inexact] T $v $method $doc); };
    (truth $v:ident $method:ident $doc:literal) => { one_operand!(@[] bool $v $method $doc); };
    (@[$($generics:tt)*] $t:ty, $v:ident $method:ident $doc:literal) => {};
    (@[$($generics:tt)*] $t:ident $v:ident $method:ident $doc:literal) => {
        impl<$($generics)*> Array<$t> {
            #[doc = $doc]
            ///
            /// Shape and type stay. Lazy.
            pub fn $method(&self) -> Array<$t> {
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
        let is_float = matches!(T::DTYPE, DType::F32 | DType::F64);
        match exponent {
            2 => self.apply(Operation::Square),
            _ if exponent < 0 && !is_float => Array::of(|| -> Result<_> { Err(Error::NegativePower { dtype: T::DTYPE, exponent }) }),
            _ => self.apply(Operation::Power(exponent)),
        }
    }
}
