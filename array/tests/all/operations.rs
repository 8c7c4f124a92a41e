//! Every elementwise operation, over its types and several chunkings, against NumPy's own answers (`fixtures/elementwise.py` recorded them).

use std::collections::{BTreeSet, HashMap};

use arras_array::{Array, Bits, Chunks, Complex32, Complex64, Element, Float, Inexact, Integer, Number, Ordered, Promote, Real};
use ndarray::{Array1, ArrayD};

use super::oracle::computed;

/// An element as the fixtures write it.
trait Recorded: Element {
    fn parse(text: &str) -> Self;
    /// Whether the element is the one recorded, but for so many units in the last place.
    fn is(self, recorded: Self, ulps: u32) -> bool;
}

macro_rules! integers {
    ($($t:ident $bits:ident)*) => { $(
        impl Recorded for $t {
            fn parse(text: &str) -> $t {
                $bits::from_str_radix(text, 16).unwrap() as $t
            }
            fn is(self, recorded: $t, _: u32) -> bool {
                self == recorded
            }
        }
    )* };
}
integers!(i8 u8 i16 u16 i32 u32 i64 u64 u8 u8 u16 u16 u32 u32 u64 u64);

impl Recorded for bool {
    fn parse(text: &str) -> bool {
        text == "1"
    }
    fn is(self, recorded: bool, _: u32) -> bool {
        self == recorded
    }
}

macro_rules! floats {
    ($($t:ident $bits:ident $complex:ident)*) => { $(
        impl Recorded for $t {
            fn parse(text: &str) -> $t {
                $t::from_bits($bits::from_str_radix(text, 16).unwrap())
            }
            fn is(self, recorded: $t, ulps: u32) -> bool {
                if self.is_nan() || recorded.is_nan() {
                    return self.is_nan() && recorded.is_nan();
                }
                let same_sign = self.is_sign_negative() == recorded.is_sign_negative();
                same_sign && self.to_bits().abs_diff(recorded.to_bits()) <= $bits::from(ulps)
            }
        }
        impl Recorded for $complex {
            fn parse(text: &str) -> $complex {
                let (re, im) = text.split_once(',').unwrap();
                $complex::new($t::parse(re), $t::parse(im))
            }
            /// Both parts are; a part that is less than the other one's error may be off by that.
            fn is(self, recorded: $complex, ulps: u32) -> bool {
                let error = $t::EPSILON * ulps as $t * recorded.re.hypot(recorded.im);
                let is = |mine: $t, recorded: $t| {
                    let near = error.is_finite() && mine.is_finite() && (mine - recorded).abs() <= error && (recorded != 0.0 || mine != 0.0);
                    mine.is(recorded, ulps) || near
                };
                is(self.re, recorded.re) && is(self.im, recorded.im)
            }
        }
    )* };
}
floats!(f32 u32 Complex32 f64 u64 Complex64);

/// A fixture, and what of it was compared.
struct Sweep {
    lines: HashMap<(&'static str, &'static str), (&'static str, Vec<&'static str>)>,
    compared: BTreeSet<(&'static str, &'static str)>,
    wrong: Vec<String>,
}

fn type_of<T: Element>() -> &'static str {
    match T::DTYPE.name() {
        "Complex32" => "c32",
        "Complex64" => "c64",
        name => name,
    }
}

impl Sweep {
    fn new(fixture: &'static str) -> Sweep {
        let line = |line: &'static str| {
            let (head, values) = line.split_once(" = ").unwrap();
            let mut words = head.split(' ');
            let mut word = || words.next().unwrap();
            ((word(), word()), (word(), values.split(' ').collect()))
        };
        assert!(fixture.starts_with("# NumPy 2."));
        Sweep { lines: fixture.lines().skip(1).map(line).collect(), compared: BTreeSet::new(), wrong: Vec::new() }
    }

    fn recorded<R: Recorded>(&mut self, name: &'static str, operand: &'static str) -> Array1<R> {
        let (result, values) = self.lines.get(&(name, operand)).unwrap_or_else(|| panic!("no {name} of {operand} was recorded"));
        assert_eq!(*result, type_of::<R>(), "the type of {name} of {operand}");
        self.compared.insert((name, operand));
        values.iter().map(|text| R::parse(text)).collect()
    }

    /// Notes the elements that are not what was recorded, with the operands that they were computed from.
    fn compare<R: Recorded>(&mut self, name: &str, operands: &[String], ours: &ArrayD<R>, ulps: u32, recorded: &Array1<R>) {
        assert_eq!(ours.len(), recorded.len(), "{name} of {operands:?}");
        for ((&mine, &theirs), operands) in ours.iter().zip(recorded).zip(operands) {
            if !mine.is(theirs, ulps) {
                self.wrong.push(format!("{name} of {operands}: {mine:?} where NumPy has {theirs:?}"));
            }
        }
    }

    fn unary<T: Recorded, R: Recorded>(&mut self, name: &'static str, ulps: u32, ours: impl Fn(&Array<T>) -> Array<R>) {
        self.one_operand(name, ulps, &ours);
    }

    /// Compiled once for two types, not for each operation.
    fn one_operand<T: Recorded, R: Recorded>(&mut self, name: &'static str, ulps: u32, ours: &dyn Fn(&Array<T>) -> Array<R>) {
        let operand = type_of::<T>();
        let (x, recorded) = (self.recorded::<T>("x", operand), self.recorded::<R>(name, operand));
        let operands: Vec<String> = x.iter().map(|x| format!("{operand} {x:?}")).collect();
        for chunks in [Chunks::one(), 7.into(), 1.into()] {
            let many = chunks != 1.into();
            let result = ours(&Array::from_ndarray(x.clone(), chunks).unwrap());
            let result = if many { computed(&result) } else { arras_core::evaluate(&result).unwrap() };
            self.compare(name, &operands, &result, ulps, &recorded);
        }
    }

    fn binary<T: Recorded, R: Recorded>(&mut self, name: &'static str, ulps: u32, ours: impl Fn(&Array<T>, &Array<T>) -> Array<R>) {
        self.two_operands(name, ulps, &ours);
    }

    #[allow(clippy::type_complexity)]
    fn two_operands<T: Recorded, R: Recorded>(&mut self, name: &'static str, ulps: u32, ours: &dyn Fn(&Array<T>, &Array<T>) -> Array<R>) {
        let operand = type_of::<T>();
        let (a, b, recorded) = (self.recorded::<T>("a", operand), self.recorded::<T>("b", operand), self.recorded::<R>(name, operand));
        let operands: Vec<String> = a.iter().zip(&b).map(|(a, b)| format!("{operand} {a:?}, {b:?}")).collect();
        let n = a.len().isqrt();
        let (a, b) = (a.into_shape_with_order((n, n)).unwrap(), b.into_shape_with_order((n, n)).unwrap());
        for chunks in [Chunks::one(), [4, 100].into()] {
            let array = |x: &ndarray::Array2<T>| Array::from_ndarray(x.clone(), chunks.clone()).unwrap();
            let result = computed(&ours(&array(&a), &array(&b)));
            self.compare(name, &operands, &result, ulps, &recorded);
        }
        // As a column and a row, which are repeated.
        let column = Array::from_ndarray(a.slice(ndarray::s![.., ..1]).to_owned(), 3).unwrap();
        let row = Array::from_ndarray(b.row(0).to_owned(), 4).unwrap();
        let result = arras_core::evaluate(&ours(&column, &row)).unwrap();
        self.compare(name, &operands, &result, ulps, &recorded);
    }

    fn finish(self) {
        let all: BTreeSet<_> = self.lines.keys().copied().collect();
        assert_eq!(all.difference(&self.compared).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new(), "recorded, but not compared");
        assert!(self.wrong.is_empty(), "{} differ:\n{}", self.wrong.len(), self.wrong.join("\n"));
    }
}

/// What all types have.
fn all<T: Recorded>(sweep: &mut Sweep) {
    sweep.unary::<T, bool>("logical_not", 0, Array::logical_not);
    sweep.unary::<T, bool>("isnan", 0, Array::isnan);
    sweep.unary::<T, bool>("isinf", 0, Array::isinf);
    sweep.unary::<T, bool>("isfinite", 0, Array::isfinite);
    sweep.binary::<T, bool>("logical_and", 0, |x, y| x.logical_and(y));
    sweep.binary::<T, bool>("logical_or", 0, |x, y| x.logical_or(y));
    sweep.binary::<T, bool>("logical_xor", 0, |x, y| x.logical_xor(y));
    sweep.binary::<T, bool>("equal", 0, |x, y| x.eq(y));
    sweep.binary::<T, bool>("isclose", 0, |x, y| x.isclose(y, 0.5, 1e-8, false));
    sweep.binary::<T, bool>("isclose_nan", 0, |x, y| x.isclose(y, 1e-5, 1e-8, true));
}

fn ordered<T: Recorded + Ordered>(sweep: &mut Sweep) {
    sweep.binary::<T, T>("minimum", 0, |x, y| x.minimum(y));
    sweep.binary::<T, T>("maximum", 0, |x, y| x.maximum(y));
    sweep.binary::<T, T>("fmin", 0, |x, y| x.fmin(y));
    sweep.binary::<T, T>("fmax", 0, |x, y| x.fmax(y));
    sweep.binary::<T, bool>("less_equal", 0, |x, y| x.le(y));
}

fn bits<T: Recorded + Bits>(sweep: &mut Sweep) {
    sweep.unary::<T, T>("invert", 0, |x| !x);
    sweep.binary::<T, T>("bitwise_and", 0, |x, y| x & y);
    sweep.binary::<T, T>("bitwise_or", 0, |x, y| x | y);
    sweep.binary::<T, T>("bitwise_xor", 0, |x, y| x ^ y);
}

fn numbers<T: Recorded + Number>(sweep: &mut Sweep, ulps: u32)
where
    T::Magnitude: Recorded,
{
    sweep.unary::<T, T>("negative", 0, |x| -x);
    sweep.unary::<T, T::Magnitude>("absolute", ulps, Array::abs);
    sweep.unary::<T, T>("sign", ulps, Array::sign);
    sweep.unary::<T, T>("square", ulps, Array::square);
    sweep.binary::<T, T>("add", 0, |x, y| x + y);
    sweep.binary::<T, T>("subtract", 0, |x, y| x - y);
    sweep.binary::<T, T>("multiply", ulps, |x, y| x * y);
}

fn reals<T: Recorded + Real>(sweep: &mut Sweep) {
    sweep.unary::<T, bool>("signbit", 0, Array::signbit);
    sweep.binary::<T, T>("floor_divide", 0, |x, y| x.divmod(y).0);
    sweep.binary::<T, T>("remainder", 0, |x, y| x % y);
    sweep.binary::<T, T>("fmod", 0, |x, y| x.fmod(y));
}

fn float_power<T, P>(sweep: &mut Sweep)
where
    T: Recorded + Number + Promote<f64, Output = P>,
    P: Recorded + Number,
{
    sweep.binary::<T, P>("float_power", 4, |x, y| x.float_power(y.cast::<P>()));
}

fn integers<T: Recorded + Integer<Magnitude = T> + Promote<f64, Output = f64>>(sweep: &mut Sweep) {
    all::<T>(sweep);
    ordered::<T>(sweep);
    bits::<T>(sweep);
    numbers::<T>(sweep, 0);
    reals::<T>(sweep);
    float_power::<T, f64>(sweep);
    let below = |n: u8| move |x: &Array<T>| x.abs() & T::cast_from(n);
    sweep.unary::<T, T>("clip", 0, |x| x.clip(T::cast_from(2u8), T::cast_from(50u8)));
    sweep.binary::<T, T>("power", 0, |x, y| x.power(below(63)(y)));
    sweep.binary::<T, T>("left_shift", 0, |x, y| x << below(127)(y));
    sweep.binary::<T, T>("right_shift", 0, |x, y| x >> below(127)(y));
    sweep.binary::<T, f64>("true_divide", 0, |x, y| x.cast::<f64>() / y.cast::<f64>());
}

#[test]
fn integers_and_truth_are_numpys() {
    let mut sweep = Sweep::new(include_str!("../fixtures/elementwise_integers.txt"));
    integers::<i8>(&mut sweep);
    integers::<i16>(&mut sweep);
    integers::<i32>(&mut sweep);
    integers::<i64>(&mut sweep);
    integers::<u8>(&mut sweep);
    integers::<u16>(&mut sweep);
    integers::<u32>(&mut sweep);
    integers::<u64>(&mut sweep);
    all::<bool>(&mut sweep);
    ordered::<bool>(&mut sweep);
    bits::<bool>(&mut sweep);
    sweep.finish();
}

/// What floats and complex numbers have.
fn inexact<T: Recorded + Inexact>(sweep: &mut Sweep, exact: u32)
where
    T::Magnitude: Recorded,
    T::Part: Recorded,
{
    all::<T>(sweep);
    numbers::<T>(sweep, exact);
    sweep.unary::<T, T>("sqrt", exact, Array::sqrt);
    sweep.unary::<T, T>("reciprocal", exact, Array::reciprocal);
    sweep.unary::<T, T>("exp", 4, Array::exp);
    sweep.unary::<T, T>("exp2", 4, Array::exp2);
    sweep.unary::<T, T>("expm1", 4, Array::expm1);
    sweep.unary::<T, T>("log", 4, Array::log);
    sweep.unary::<T, T>("log2", 4, Array::log2);
    sweep.unary::<T, T>("log10", 4, Array::log10);
    sweep.unary::<T, T>("log1p", 4, Array::log1p);
    sweep.unary::<T, T>("sin", 4, Array::sin);
    sweep.unary::<T, T>("cos", 4, Array::cos);
    sweep.unary::<T, T>("tan", 4, Array::tan);
    sweep.unary::<T, T>("arcsin", 4, Array::arcsin);
    sweep.unary::<T, T>("arccos", 4, Array::arccos);
    sweep.unary::<T, T>("arctan", 4, Array::arctan);
    sweep.unary::<T, T>("sinh", 4, Array::sinh);
    sweep.unary::<T, T>("cosh", 4, Array::cosh);
    sweep.unary::<T, T>("tanh", 4, Array::tanh);
    sweep.unary::<T, T>("arcsinh", 4, Array::arcsinh);
    sweep.unary::<T, T>("arccosh", 4, Array::arccosh);
    sweep.unary::<T, T>("arctanh", 4, Array::arctanh);
    sweep.unary::<T, T>("rint", 0, Array::rint);
    sweep.unary::<T, T::Part>("angle", 4, Array::angle);
    sweep.unary::<T, T::Magnitude>("real", 0, Array::real);
    sweep.unary::<T, T::Magnitude>("imag", 0, Array::imag);
    sweep.unary::<T, T>("conj", 0, Array::conj);
    sweep.unary::<T, T>("round_1", exact, |x| x.round(1));
    sweep.binary::<T, T>("true_divide", exact, |x, y| x.divide(y));
    sweep.binary::<T, T>("power", 4, |x, y| x.power(y));
    sweep.binary::<T, bool>("not_equal", 0, |x, y| x.ne(y));
}

fn floats<T: Recorded + Float + Promote<f64, Output = f64>>(sweep: &mut Sweep)
where
    T::Magnitude: Recorded,
    T::Part: Recorded,
{
    inexact::<T>(sweep, 0);
    ordered::<T>(sweep);
    reals::<T>(sweep);
    float_power::<T, f64>(sweep);
    sweep.unary::<T, T>("cbrt", 4, Array::cbrt);
    sweep.unary::<T, T>("floor", 0, Array::floor);
    sweep.unary::<T, T>("ceil", 0, Array::ceil);
    sweep.unary::<T, T>("trunc", 0, Array::trunc);
    sweep.unary::<T, T>("fix", 0, Array::fix);
    sweep.unary::<T, T>("spacing", 0, Array::spacing);
    sweep.unary::<T, T>("deg2rad", 0, Array::deg2rad);
    sweep.unary::<T, T>("rad2deg", 0, Array::rad2deg);
    sweep.unary::<T, T>("sinc", 4, Array::sinc);
    sweep.unary::<T, T>("i0", 4, Array::i0);
    sweep.unary::<T, T>("nan_to_num", 0, |x| x.nan_to_num(T::default(), None, None));
    let of = |x: f64| T::cast_from(x);
    sweep.unary::<T, T>("nan_to_num_of", 0, |x| x.nan_to_num(of(1.5), of(2.5), of(-3.5)));
    sweep.unary::<T, bool>("isneginf", 0, Array::isneginf);
    sweep.unary::<T, bool>("isposinf", 0, Array::isposinf);
    sweep.unary::<T, T>("round_0", 0, |x| x.round(0));
    sweep.unary::<T, T>("round_3", 0, |x| x.round(3));
    sweep.unary::<T, T>("round_-1", 0, |x| x.round(-1));
    sweep.unary::<T, T>("frexp_mantissa", 0, |x| x.frexp().0);
    sweep.unary::<T, i32>("frexp_exponent", 0, |x| x.frexp().1);
    sweep.unary::<T, T>("modf_fraction", 0, |x| x.modf().0);
    sweep.unary::<T, T>("modf_whole", 0, |x| x.modf().1);
    sweep.unary::<T, T>("ldexp", 0, |x| x.ldexp(5));
    sweep.unary::<T, T>("ldexp_down", 0, |x| x.ldexp(-140));
    sweep.unary::<T, T>("clip", 0, |x| x.clip(of(-0.5), of(2.0)));
    sweep.unary::<T, T>("power_2", 0, |x| x.power(of(2.0)));
    sweep.unary::<T, T>("power_half", 4, |x| x.power(of(0.5)));
    sweep.unary::<T, T>("powi_3", 4, |x| x.powi(3));
    sweep.binary::<T, T>("hypot", 4, |x, y| x.hypot(y));
    sweep.binary::<T, T>("arctan2", 4, |x, y| x.arctan2(y));
    sweep.binary::<T, T>("copysign", 0, |x, y| x.copysign(y));
    sweep.binary::<T, T>("nextafter", 0, |x, y| x.nextafter(y));
    sweep.binary::<T, T>("logaddexp", 4, |x, y| x.logaddexp(y));
    sweep.binary::<T, T>("logaddexp2", 4, |x, y| x.logaddexp2(y));
    sweep.binary::<T, bool>("less", 0, |x, y| x.lt(y));
    sweep.binary::<T, bool>("greater", 0, |x, y| x.gt(y));
    sweep.binary::<T, bool>("greater_equal", 0, |x, y| x.ge(y));
}

#[test]
fn floats_are_numpys() {
    let mut sweep = Sweep::new(include_str!("../fixtures/elementwise_floats.txt"));
    floats::<f32>(&mut sweep);
    floats::<f64>(&mut sweep);
    sweep.finish();
}

#[test]
fn complex_numbers_are_numpys() {
    let mut sweep = Sweep::new(include_str!("../fixtures/elementwise_complex.txt"));
    inexact::<Complex32>(&mut sweep, 4);
    inexact::<Complex64>(&mut sweep, 4);
    float_power::<Complex32, Complex64>(&mut sweep);
    float_power::<Complex64, Complex64>(&mut sweep);
    sweep.finish();
}
