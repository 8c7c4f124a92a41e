//! Operators and elementwise functions of masked arrays against `numpy.ma`.

use arras_array::{Array, Bits, Chunks, DType, Element, Error, Float, IntoMasked, Masked, Ordered, Real};
use arras_core::evaluate;
use ndarray::array;

use super::numpy::{Case, Recorded};
use super::oracle::{check, computed};

fn both<T: Element>(case: &Case<'_>, found: &Masked<T>) {
    found.check().unwrap();
    case.check(0, &found.filled_with(T::default()), if matches!(T::DTYPE, DType::F32) { 1e-5 } else { 1e-12 });
    case.check(1, found.mask(), 0.0);
}

fn compared<T: Ordered>(case: &Case<'_>, x: &Masked<T>, y: impl IntoMasked<T>) -> bool {
    match case.op() {
        "eq" => both(case, &x.eq(y)),
        "ne" => both(case, &x.ne(y)),
        "lt" => both(case, &x.lt(y)),
        "le" => both(case, &x.le(y)),
        "gt" => both(case, &x.gt(y)),
        "ge" => both(case, &x.ge(y)),
        _ => return false,
    }
    true
}

fn calculated<T: Real>(case: &Case<'_>, x: &Masked<T>, y: impl IntoMasked<T>) -> bool {
    match case.op() {
        "add" => both(case, &(x + y)),
        "sub" => both(case, &(x - y)),
        "mul" => both(case, &(x * y)),
        "div" => both(case, &(x / y)),
        "rem" => both(case, &(x % y)),
        "floor_divide" => both(case, &x.floor_divide(y)),
        "fmod" => both(case, &x.fmod(y)),
        "minimum" => both(case, &x.minimum(y)),
        "maximum" => both(case, &x.maximum(y)),
        _ => return compared(case, x, y),
    }
    true
}

fn array_left<T: Real>(case: &Case<'_>, x: &Array<T>, y: Masked<T>) {
    match case.op() {
        "add" => both(case, &(x + y)),
        "sub" => both(case, &(x - y)),
        "mul" => both(case, &(x * &y)),
        "div" => both(case, &(x / &y)),
        other => panic!("{other}"),
    }
}

fn floats<T: Float>(case: &Case<'_>, x: &Masked<T>, y: impl IntoMasked<T>) -> bool {
    match case.op() {
        "power" => both(case, &x.power(y)),
        "hypot" => both(case, &x.hypot(y)),
        "arctan2" => both(case, &x.arctan2(y)),
        "negative" => both(case, &-x),
        "abs" => both(case, &x.abs()),
        "exp" => both(case, &x.exp()),
        "sin" => both(case, &x.sin()),
        "cos" => both(case, &x.cos()),
        "arctan" => both(case, &x.arctan()),
        "sinh" => both(case, &x.sinh()),
        "cosh" => both(case, &x.cosh()),
        "tanh" => both(case, &x.tanh()),
        "arcsinh" => both(case, &x.arcsinh()),
        "floor" => both(case, &x.floor()),
        "ceil" => both(case, &x.ceil()),
        "sqrt" => both(case, &x.sqrt()),
        "log" => both(case, &x.log()),
        "log2" => both(case, &x.log2()),
        "log10" => both(case, &x.log10()),
        "arcsin" => both(case, &x.arcsin()),
        "arccos" => both(case, &x.arccos()),
        "arccosh" => both(case, &x.arccosh()),
        "arctanh" => both(case, &x.arctanh()),
        "tan" => both(case, &x.tan()),
        _ => return calculated(case, x, y),
    }
    true
}

fn bits<T: Bits>(case: &Case<'_>, x: &Masked<T>, y: impl IntoMasked<T>) -> bool {
    match case.op() {
        "and" => both(case, &(x & y)),
        "or" => both(case, &(x | y)),
        "xor" => both(case, &(x ^ y)),
        _ => return compared(case, x, y),
    }
    true
}

#[test]
fn operations_are_numpys() {
    let recorded = Recorded::read(include_str!("../fixtures/masked_operations.json"));
    let mut n = 0;
    for case in recorded.cases() {
        for chunks in [Chunks::one(), [3, 2].into()] {
            macro_rules! sides {
                ($t:ident $function:ident, $left:expr) => {{
                    // The masks are cut otherwise than the data.
                    let (plain, other) = (case.input::<$t>(0, chunks.clone()), case.input::<$t>(1, 3));
                    let (x, y) = (Masked::new(&plain, &case.input(2, 2)), Masked::new(&other, &case.input(3, 4)));
                    let scalar = <$t>::cast_from(case.arg("scalar").as_f64().unwrap_or(1.0));
                    let left: fn(&Case<'_>, &Array<$t>, Masked<$t>, $t, &Masked<$t>) = $left;
                    match case.arg("side").as_str().unwrap() {
                        "masked" => assert!($function(&case, &x, y), "{} is not tested", case.op()),
                        "array" => assert!($function(&case, &x, &other)),
                        "scalar" | "none" => assert!($function(&case, &x, scalar), "{} is not tested", case.op()),
                        _ => left(&case, &plain, y, scalar, &x),
                    }
                }};
            }
            macro_rules! real {
                ($t:ident $function:ident) => {
                    sides!($t $function, |case, plain, y, scalar, x| match (case.arg("side").as_str().unwrap(), case.op()) {
                        ("array left", _) => array_left(case, plain, y),
                        (_, "add") => both(case, &(scalar + x)),
                        (_, "sub") => both(case, &(scalar - x)),
                        (_, "mul") => both(case, &(scalar * x.clone())),
                        (_, "div") => both(case, &(scalar / x)),
                        (_, other) => panic!("{other}"),
                    })
                };
            }
            match case.dtype() {
                "float64" => real!(f64 floats),
                "float32" => real!(f32 floats),
                "int32" => real!(i32 calculated),
                "uint8" => real!(u8 calculated),
                "bool" => sides!(bool bits, |case, _, _, _, _| panic!("{}", case.op())),
                other => panic!("{other}"),
            }
            n += 1;
        }
    }
    assert!(n > 590);
}

#[test]
fn masks_broadcast_with_their_elements_and_fill_values_stay() {
    let column = Array::from_ndarray(array![[1.0], [2.0]], 1).unwrap().masked_equal(2.0);
    let row = Array::from_ndarray(array![10.0f64, 20.0, 0.0], 2).unwrap().masked();
    let sum = &column + &row;
    assert_eq!(sum.shape(), [2, 3]);
    check(&sum.filled(), array![[11.0, 21.0, 1.0], [2.0, 2.0, 2.0]]);
    check((&row + &column).mask(), array![[false, false, false], [true, true, true]]);
    check(&(1.0 / row).filled_with(-1.0), array![0.1, 0.05, -1.0]);
    assert_eq!(sum.fill_value(), 2.0);
    assert_eq!((column.lt(3.0).fill_value(), column.cast::<i64>().fill_value(), (-&column).fill_value()), (true, 2, 2.0));
    let flags = column.gt(0.0).logical_and(column.lt(1.5)).logical_or(false);
    assert_eq!(
        (computed(flags.mask()).into_raw_vec_and_offset().0, evaluate(&flags.logical_not().any().item()).unwrap()),
        (vec![false, true], Some(false))
    );
}

#[test]
fn shapes_that_do_not_meet_are_an_error() {
    let x = Array::<f64>::ones([2, 3], 2).unwrap().masked();
    let y = Array::<f64>::ones([4], 2).unwrap();
    assert!(matches!((&x + &y).check(), Err(Error::Broadcast { operation: "add", .. })));
    assert!(matches!((&x / &y).check(), Err(Error::Broadcast { .. })));
    assert!(matches!(x.power(&y).sum().data().check(), Err(Error::Broadcast { .. })));
    assert!(x.lt(&y).check().is_err());
}
