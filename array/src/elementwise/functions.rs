//! What the rows of [`crate::operations`] call, where Rust's numbers lack it or have it otherwise than NumPy. Definitions are NumPy's, with its NaN, infinities and
//! signed zeros.

use num_complex::{Complex32, Complex64};
use num_traits::AsPrimitive;

use crate::elementwise::complex;

/// What any number has.
#[doc(hidden)]
pub trait Signed: Copy {
    fn sign(self) -> Self;
    /// To the power of another number. Integers wrap; a negative exponent of an integer is refused before.
    fn raised(self, exponent: Self) -> Self;
}

/// How integers and floats are divided.
#[doc(hidden)]
pub trait Divided: Copy {
    /// The quotient, rounded down.
    fn floor_quotient(self, other: Self) -> Self;
    /// What that leaves: it has the divisor's sign.
    fn modulo(self, other: Self) -> Self;
    /// What the quotient rounded towards zero leaves, as C's `%`.
    fn leftover(self, other: Self) -> Self;
    fn sign_bit(self) -> bool;
}

/// What integers and `bool` have.
#[doc(hidden)]
pub trait Bitwise: Copy {
    fn both(self, other: Self) -> Self;
    fn either(self, other: Self) -> Self;
    fn one(self, other: Self) -> Self;
    fn inverted(self) -> Self;
}

/// What integers have.
#[doc(hidden)]
pub trait Shifted: Copy {
    fn shifted_left(self, places: Self) -> Self;
    fn shifted_right(self, places: Self) -> Self;
}

/// What floats and complex numbers have.
#[doc(hidden)]
pub trait Transcendental: Copy {
    fn quotient(self, other: Self) -> Self;
    fn inverse(self) -> Self;
    fn root(self) -> Self;
    fn exponential(self) -> Self;
    fn exponential_2(self) -> Self;
    fn exponential_minus_1(self) -> Self;
    fn logarithm(self) -> Self;
    fn logarithm_2(self) -> Self;
    fn logarithm_10(self) -> Self;
    fn logarithm_1_plus(self) -> Self;
    fn sine(self) -> Self;
    fn cosine(self) -> Self;
    fn tangent(self) -> Self;
    fn arcsine(self) -> Self;
    fn arccosine(self) -> Self;
    fn arctangent(self) -> Self;
    fn hyperbolic_sine(self) -> Self;
    fn hyperbolic_cosine(self) -> Self;
    fn hyperbolic_tangent(self) -> Self;
    fn hyperbolic_arcsine(self) -> Self;
    fn hyperbolic_arccosine(self) -> Self;
    fn hyperbolic_arctangent(self) -> Self;
    fn nearest(self) -> Self;
    /// Rounded to a multiple of one `factor`th, or of `factor`.
    fn rounded(self, factor: f64, to_fractions: bool) -> Self;
    fn cardinal_sine(self) -> Self;
    fn any_infinite(self) -> bool;
    fn all_finite(self) -> bool;
}

/// What floats have.
#[doc(hidden)]
pub trait Floating: Copy {
    fn distance_to_next(self) -> Self;
    fn next_towards(self, other: Self) -> Self;
    fn bessel_i0(self) -> Self;
    fn log_add_exp(self, other: Self) -> Self;
    fn log_add_exp_2(self, other: Self) -> Self;
    fn fraction(self) -> Self;
    fn mantissa(self) -> Self;
    fn binary_exponent(self) -> i32;
    fn times_power_of_2(self, exponent: i32) -> Self;
}

macro_rules! integers {
    ($($t:ident $signed:literal)*) => { $(
        impl Signed for $t {
            #[inline(always)]
            fn sign(self) -> Self {
                #[allow(unused_comparisons)]
                let negative = self < 0;
                $t::from(self > 0).wrapping_sub($t::from(negative))
            }
            fn raised(self, mut exponent: Self) -> Self {
                let (mut result, mut square): ($t, $t) = (1, self);
                while exponent > 0 {
                    if exponent & 1 == 1 {
                        result = result.wrapping_mul(square);
                    }
                    square = square.wrapping_mul(square);
                    exponent >>= 1;
                }
                result
            }
        }
        impl Divided for $t {
            fn floor_quotient(self, other: Self) -> Self {
                if other == 0 {
                    return 0;
                }
                let quotient = self.wrapping_div(other);
                #[allow(unused_comparisons)]
                let signs_differ = (self < 0) != (other < 0);
                if signs_differ && self.wrapping_rem(other) != 0 { quotient - 1 } else { quotient }
            }
            fn modulo(self, other: Self) -> Self {
                let left = self.leftover(other);
                #[allow(unused_comparisons)]
                let signs_differ = (left < 0) != (other < 0);
                if signs_differ && left != 0 { left + other } else { left }
            }
            fn leftover(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_rem(other) }
            }
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn sign_bit(self) -> bool {
                self < 0
            }
        }
        impl Shifted for $t {
            #[inline(always)]
            fn shifted_left(self, places: Self) -> Self {
                if places as u64 >= u64::from($t::BITS) { 0 } else { self << (places as u32 & ($t::BITS - 1)) }
            }
            #[inline(always)]
            fn shifted_right(self, places: Self) -> Self {
                // All places but one leave the sign.
                let all = $t::BITS - 1;
                if places as u64 <= u64::from(all) {
                    self >> (places as u32 & all)
                } else if $signed {
                    self >> all
                } else {
                    0
                }
            }
        }
    )* };
}
integers!(i8 true i16 true i32 true i64 true u8 false u16 false u32 false u64 false);

macro_rules! bits {
    ($($t:ident)*) => { $(
        impl Bitwise for $t {
            #[inline(always)]
            fn both(self, other: Self) -> Self {
                self & other
            }
            #[inline(always)]
            fn either(self, other: Self) -> Self {
                self | other
            }
            #[inline(always)]
            fn one(self, other: Self) -> Self {
                self ^ other
            }
            #[inline(always)]
            fn inverted(self) -> Self {
                !self
            }
        }
    )* };
}
bits!(bool i8 i16 i32 i64 u8 u16 u32 u64);

macro_rules! floats {
    ($t:ident $frexp:ident $ldexp:ident) => {
        impl Signed for $t {
            #[inline(always)]
            fn sign(self) -> Self {
                // NaN stays, and -0 becomes 0.
                if self > 0.0 { 1.0 } else if self < 0.0 { -1.0 } else if self == 0.0 { 0.0 } else { self }
            }
            fn raised(self, exponent: Self) -> Self {
                self.powf(exponent)
            }
        }
        impl Divided for $t {
            fn floor_quotient(self, other: Self) -> Self {
                if other == 0.0 {
                    return self / other;
                }
                let left = self % other;
                let mut quotient = (self - left) / other;
                if left != 0.0 && (other < 0.0) != (left < 0.0) {
                    quotient -= 1.0;
                }
                if quotient == 0.0 {
                    return (0.0 as $t).copysign(self / other);
                }
                let floor = quotient.floor();
                if quotient - floor > 0.5 { floor + 1.0 } else { floor }
            }
            fn modulo(self, other: Self) -> Self {
                let left = self % other;
                if other == 0.0 {
                    left
                } else if left == 0.0 {
                    (0.0 as $t).copysign(other)
                } else if (other < 0.0) != (left < 0.0) {
                    left + other
                } else {
                    left
                }
            }
            fn leftover(self, other: Self) -> Self {
                self % other
            }
            #[inline(always)]
            fn sign_bit(self) -> bool {
                self.is_sign_negative()
            }
        }
        impl Transcendental for $t {
            #[inline(always)]
            fn quotient(self, other: Self) -> Self {
                self / other
            }
            #[inline(always)]
            fn inverse(self) -> Self {
                1.0 / self
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            floats!(@
                exponential exp, exponential_2 exp2, exponential_minus_1 exp_m1,
                logarithm ln, logarithm_2 log2, logarithm_10 log10, logarithm_1_plus ln_1p,
                sine sin, cosine cos, tangent tan, arcsine asin, arccosine acos, arctangent atan,
                hyperbolic_sine sinh, hyperbolic_cosine cosh, hyperbolic_tangent tanh
            );
            // The standard library's own lose digits that the C library's keep.
            fn hyperbolic_arcsine(self) -> Self {
                libm::asinh(f64::from(self)) as $t
            }
            fn hyperbolic_arccosine(self) -> Self {
                libm::acosh(f64::from(self)) as $t
            }
            fn hyperbolic_arctangent(self) -> Self {
                libm::atanh(f64::from(self)) as $t
            }
            #[inline(always)]
            fn nearest(self) -> Self {
                self.round_ties_even()
            }
            #[inline(always)]
            fn rounded(self, factor: f64, to_fractions: bool) -> Self {
                let factor = factor as $t;
                if to_fractions { (self * factor).round_ties_even() / factor } else { (self / factor).round_ties_even() * factor }
            }
            fn cardinal_sine(self) -> Self {
                let x = std::f64::consts::PI as $t * self;
                let x = if x == 0.0 { $t::EPSILON } else { x };
                x.sin() / x
            }
            #[inline(always)]
            fn any_infinite(self) -> bool {
                self.is_infinite()
            }
            #[inline(always)]
            fn all_finite(self) -> bool {
                self.is_finite()
            }
        }
        impl Floating for $t {
            #[inline(always)]
            fn distance_to_next(self) -> Self {
                if self.is_infinite() || self.is_nan() {
                    return $t::NAN;
                }
                // Away from zero, whose sign does not count.
                let bits = if self == 0.0 { 0 } else { self.to_bits() };
                $t::from_bits(bits + 1) - self
            }
            #[inline(always)]
            fn next_towards(self, other: Self) -> Self {
                if self.is_nan() || other.is_nan() {
                    self + other
                } else if self == other {
                    other
                } else if self < other {
                    self.next_up()
                } else {
                    self.next_down()
                }
            }
            fn bessel_i0(self) -> Self {
                bessel_i0(f64::from(self)) as $t
            }
            fn log_add_exp(self, other: Self) -> Self {
                // Equal infinities too, whose difference is NaN.
                if self == other {
                    return self + std::f64::consts::LN_2 as $t;
                }
                let difference = self - other;
                if difference > 0.0 {
                    self + (-difference).exp().ln_1p()
                } else if difference <= 0.0 {
                    other + difference.exp().ln_1p()
                } else {
                    difference
                }
            }
            fn log_add_exp_2(self, other: Self) -> Self {
                if self == other {
                    return self + 1.0;
                }
                let difference = self - other;
                let log2_1p = |x: $t| std::f64::consts::LOG2_E as $t * x.ln_1p();
                if difference > 0.0 {
                    self + log2_1p((-difference).exp2())
                } else if difference <= 0.0 {
                    other + log2_1p(difference.exp2())
                } else {
                    difference
                }
            }
            #[inline(always)]
            fn fraction(self) -> Self {
                let fraction = if self.is_infinite() { 0.0 } else { self - self.trunc() };
                fraction.copysign(self)
            }
            fn mantissa(self) -> Self {
                if self.is_finite() { libm::$frexp(self).0 } else { self }
            }
            fn binary_exponent(self) -> i32 {
                if self.is_finite() { libm::$frexp(self).1 } else { 0 }
            }
            fn times_power_of_2(self, exponent: i32) -> Self {
                libm::$ldexp(self, exponent)
            }
        }
    };
    (@ $($name:ident $std:ident),*) => { $(
        fn $name(self) -> Self {
            self.$std()
        }
    )* };
}
floats!(f32 frexpf ldexpf);
floats!(f64 frexp ldexp);

macro_rules! complex_numbers {
    ($t:ident $part:ident) => {
        impl Signed for $t {
            fn sign(self) -> Self {
                narrow(complex::sign(widen(self)))
            }
            fn raised(self, exponent: Self) -> Self {
                narrow(complex::power(widen(self), widen(exponent)))
            }
        }
        impl Transcendental for $t {
            /// Smith's algorithm, as NumPy: no overflow on the way to a quotient that fits.
            #[inline(always)]
            fn quotient(self, other: Self) -> Self {
                let (x, y) = (self, other);
                if y.re.abs() >= y.im.abs() {
                    if y.re == 0.0 && y.im == 0.0 {
                        return $t::new(x.re / y.re.abs(), x.im / y.im.abs());
                    }
                    let ratio = y.im / y.re;
                    let scale = 1.0 / (y.re + y.im * ratio);
                    $t::new((x.re + x.im * ratio) * scale, (x.im - x.re * ratio) * scale)
                } else {
                    let ratio = y.re / y.im;
                    let scale = 1.0 / (y.im + y.re * ratio);
                    $t::new((x.re * ratio + x.im) * scale, (x.im * ratio - x.re) * scale)
                }
            }
            #[inline(always)]
            fn inverse(self) -> Self {
                if self.re.abs() >= self.im.abs() {
                    let ratio = self.im / self.re;
                    let sum = self.re + self.im * ratio;
                    $t::new(1.0 / sum, -ratio / sum)
                } else {
                    let ratio = self.re / self.im;
                    let sum = self.re * ratio + self.im;
                    $t::new(ratio / sum, -1.0 / sum)
                }
            }
            complex_numbers!(@
                root sqrt, exponential exp, exponential_2 exp2, exponential_minus_1 expm1,
                logarithm log, logarithm_2 log2, logarithm_10 log10, logarithm_1_plus log1p,
                sine sin, cosine cos, tangent tan, arcsine arcsin, arccosine arccos, arctangent arctan,
                hyperbolic_sine sinh, hyperbolic_cosine cosh, hyperbolic_tangent tanh,
                hyperbolic_arcsine arcsinh, hyperbolic_arccosine arccosh, hyperbolic_arctangent arctanh
            );
            fn nearest(self) -> Self {
                $t::new(self.re.round_ties_even(), self.im.round_ties_even())
            }
            #[inline(always)]
            fn rounded(self, factor: f64, to_fractions: bool) -> Self {
                $t::new(self.re.rounded(factor, to_fractions), self.im.rounded(factor, to_fractions))
            }
            fn cardinal_sine(self) -> Self {
                let x = self * std::f64::consts::PI as $part;
                let x = if x.re == 0.0 && x.im == 0.0 { $t::new(1e-20, 0.0) } else { x };
                x.sine().quotient(x)
            }
            #[inline(always)]
            fn any_infinite(self) -> bool {
                self.re.is_infinite() || self.im.is_infinite()
            }
            #[inline(always)]
            fn all_finite(self) -> bool {
                self.re.is_finite() && self.im.is_finite()
            }
        }
    };
    (@ $($name:ident $function:ident),*) => { $(
        fn $name(self) -> Self {
            narrow(complex::$function(widen(self)))
        }
    )* };
}
complex_numbers!(Complex32 f32);
complex_numbers!(Complex64 f64);

/// A complex number in double precision, in which all functions of them are computed.
fn widen<P: Into<f64>>(z: num_complex::Complex<P>) -> Complex64 {
    Complex64::new(z.re.into(), z.im.into())
}

fn narrow<P: num_traits::Float + 'static>(z: Complex64) -> num_complex::Complex<P>
where
    f64: num_traits::AsPrimitive<P>,
{
    num_complex::Complex::new(z.re.as_(), z.im.as_())
}

/// The modified Bessel function of the first kind of order 0: Clenshaw's Chebyshev series, as NumPy has it from Cephes.
fn bessel_i0(x: f64) -> f64 {
    let x = x.abs();
    if x <= 8.0 { x.exp() * chebyshev(x / 2.0 - 2.0, &I0_SMALL) } else { x.exp() * chebyshev(32.0 / x - 2.0, &I0_LARGE) / x.sqrt() }
}

fn chebyshev(x: f64, coefficients: &[f64]) -> f64 {
    let (mut b0, mut b1, mut b2) = (coefficients[0], 0.0, 0.0);
    for &coefficient in &coefficients[1..] {
        (b1, b2) = (b0, b1);
        b0 = x * b1 - b2 + coefficient;
    }
    0.5 * (b0 - b2)
}

const I0_SMALL: [f64; 30] = [
    -4.4153416464793395e-18,
    3.3307945188222384e-17,
    -2.431279846547955e-16,
    1.715391285555133e-15,
    -1.1685332877993451e-14,
    7.676185498604936e-14,
    -4.856446783111929e-13,
    2.95505266312964e-12,
    -1.726826291441556e-11,
    9.675809035373237e-11,
    -5.189795601635263e-10,
    2.6598237246823866e-09,
    -1.300025009986248e-08,
    6.046995022541919e-08,
    -2.670793853940612e-07,
    1.1173875391201037e-06,
    -4.4167383584587505e-06,
    1.6448448070728896e-05,
    -5.754195010082104e-05,
    0.00018850288509584165,
    -0.0005763755745385824,
    0.0016394756169413357,
    -0.004324309995050576,
    0.010546460394594998,
    -0.02373741480589947,
    0.04930528423967071,
    -0.09490109704804764,
    0.17162090152220877,
    -0.3046826723431984,
    0.6767952744094761,
];
const I0_LARGE: [f64; 25] = [
    -7.233180487874754e-18,
    -4.830504485944182e-18,
    4.46562142029676e-17,
    3.461222867697461e-17,
    -2.8276239805165836e-16,
    -3.425485619677219e-16,
    1.7725601330565263e-15,
    3.8116806693526224e-15,
    -9.554846698828307e-15,
    -4.150569347287222e-14,
    1.54008621752141e-14,
    3.8527783827421426e-13,
    7.180124451383666e-13,
    -1.7941785315068062e-12,
    -1.3215811840447713e-11,
    -3.1499165279632416e-11,
    1.1889147107846439e-11,
    4.94060238822497e-10,
    3.3962320257083865e-09,
    2.266668990498178e-08,
    2.0489185894690638e-07,
    2.8913705208347567e-06,
    6.889758346916825e-05,
    0.0033691164782556943,
    0.8044904110141088,
];
