//! Masked arrays against `numpy.ma`.

use arras_array::{Array, Axes, Chunks, Complex64, DType, Element, Error, Masked, Number, Ordered, Real};
use arras_core::{Collection, evaluate};
use ndarray::{arr0, array};

use super::numpy::{Case, Recorded};
use super::oracle::{check, computed};

fn masked<T: Element>(case: &Case<'_>, chunks: &Chunks) -> Masked<T> {
    // The mask is cut otherwise than the data.
    Masked::new(&case.input::<T>(0, chunks.clone()), &case.input(1, 2))
}

fn both<T: Element>(case: &Case<'_>, found: &Masked<T>) {
    let tolerance = if matches!(T::DTYPE, DType::F32 | DType::C32) { 1e-5 } else { 1e-12 };
    let filled = found.filled_with(T::default());
    match T::DTYPE {
        // numpy.ma divides the sum of all by a 64-bit integer, which makes it float64.
        DType::F32 => case.check_values(0, &computed(&filled), tolerance),
        _ => case.check(0, &filled, tolerance),
    }
    case.check(1, found.mask(), 0.0);
}

fn any<T: Element>(case: &Case<'_>, chunks: &Chunks) -> bool {
    if case.n_inputs() < 2 {
        return false;
    }
    let (x, axes, ddof) = (masked::<T>(case, chunks), case.axes(), case.int("ddof"));
    match case.op() {
        "sum" => both(case, &x.sum_axis(axes)),
        "prod" => both(case, &x.prod_axis(axes)),
        "mean" => both(case, &x.mean_axis(axes)),
        "var" => both(case, &x.var_axis(axes, ddof)),
        "std" => both(case, &x.std_axis(axes, ddof)),
        "any" => both(case, &x.any_axis(axes)),
        "all" => both(case, &x.all_axis(axes)),
        "count" => case.check(0, &x.count(axes), 0.0),
        _ => return false,
    }
    true
}

fn ordered<T: Ordered>(case: &Case<'_>, chunks: &Chunks) -> bool {
    if case.n_inputs() < 2 {
        return false;
    }
    let (x, axes) = (masked::<T>(case, chunks), case.axes());
    match case.op() {
        "min" => both(case, &x.min_axis(axes)),
        "max" => both(case, &x.max_axis(axes)),
        "argmin" => case.check(0, &x.argmin_axis(axes), 0.0),
        "argmax" => case.check(0, &x.argmax_axis(axes), 0.0),
        _ => return false,
    }
    true
}

fn real<T: Real + Number<Mean = f64>>(case: &Case<'_>, chunks: &Chunks) -> bool {
    let mask = |found: Masked<T>| {
        case.check(0, found.mask(), 0.0);
        case.check(1, &found.filled(), 1e-14);
    };
    if case.op().starts_with("masked_") {
        let (x, value) = (case.input::<T>(0, chunks.clone()), T::cast_from(case.arg("value").as_f64().unwrap_or(0.0)));
        let three = T::cast_from(3u8);
        match case.op() {
            "masked_equal" => mask(x.masked_equal(value)),
            "masked_not_equal" => mask(x.masked_not_equal(value)),
            "masked_greater" => mask(x.masked_greater(value)),
            "masked_greater_equal" => mask(x.masked_greater_equal(value)),
            "masked_less" => mask(x.masked_less(value)),
            "masked_less_equal" => mask(x.masked_less_equal(value)),
            "masked_inside" => mask(x.masked_inside(three, value)),
            "masked_outside" => mask(x.masked_outside(three, value)),
            _ => return false,
        }
        return true;
    }
    match case.op() {
        "ptp" => both(case, &masked::<T>(case, chunks).ptp_axis(case.axes())),
        "average" => both(case, &masked::<T>(case, chunks).average_axis(case.axes(), &case.input(2, 3))),
        _ => return false,
    }
    true
}

#[test]
fn masks_and_reductions_are_numpys() {
    let recorded = Recorded::read(include_str!("../fixtures/masked.json"));
    let mut n = 0;
    for case in recorded.cases() {
        for chunks in [Chunks::one(), 2.into()] {
            let done = match case.dtype() {
                "float64" => any::<f64>(&case, &chunks) || ordered::<f64>(&case, &chunks) || real::<f64>(&case, &chunks),
                "float32" => {
                    any::<f32>(&case, &chunks) || ordered::<f32>(&case, &chunks) || {
                        both(&case, &masked::<f32>(&case, &chunks).ptp_axis(case.axes()));
                        case.op() == "ptp"
                    }
                }
                "int32" => any::<i32>(&case, &chunks) || ordered::<i32>(&case, &chunks) || real::<i32>(&case, &chunks),
                "uint8" => any::<u8>(&case, &chunks) || ordered::<u8>(&case, &chunks) || real::<u8>(&case, &chunks),
                "bool" => any::<bool>(&case, &chunks) || ordered::<bool>(&case, &chunks),
                "complex128" => any::<Complex64>(&case, &chunks),
                other => panic!("{other}"),
            };
            let floats = match case.op() {
                "masked_invalid" => Some(case.input::<f64>(0, chunks).masked_invalid()),
                "masked_values" => Some(case.input::<f64>(0, chunks).masked_values(0.5, 0.5, 1e-8)),
                _ => None,
            };
            if let Some(found) = &floats {
                case.check(0, found.mask(), 0.0);
                case.check(1, &found.filled(), 1e-14);
            }
            assert!(done || floats.is_some(), "{} is not tested", case.op());
            n += 1;
        }
    }
    assert!(n > 1000);
}

#[test]
fn one_element_is_there_or_not() {
    let x = Array::from_ndarray(array![1i64, 2, 3], 2).unwrap();
    assert_eq!(evaluate(&x.masked_equal(2).sum().item()).unwrap(), Some(4));
    assert_eq!(evaluate(&x.masked_less(9).sum().item()).unwrap(), None);
    assert_eq!(evaluate(&x.masked().max().item()).unwrap(), Some(3));
    check(&x.masked_equal(2).count(0), arr0(2));
    assert_eq!(evaluate(&x.masked_equal(2).compressed()).unwrap(), array![1, 3].into_dyn());
    let none = Array::<f64>::zeros([0], 1).unwrap().masked();
    assert_eq!(evaluate(&none.sum().item()).unwrap(), None);
    let zero = Array::full((), 2.5, 1).unwrap().masked_greater(3.0);
    assert_eq!(evaluate(&zero.mean().item()).unwrap(), Some(2.5));
}

#[test]
fn fill_values_are_numpys_or_those_that_were_set() {
    let mask = Array::full([2], true, 1).unwrap();
    fn filled<T: Element>(mask: &Array<bool>) -> T {
        let x = Array::<T>::zeros([2], 1).unwrap().masked_where(mask);
        let found = computed(&x.filled())[[1]];
        assert_eq!(found, x.fill_value());
        assert_eq!(computed(&x.set_fill_value(T::cast_from(1u8)).filled())[[0]], T::cast_from(1u8));
        found
    }
    // NumPy 2.4.6: np.ma.masked_array(np.zeros(1, dtype), True).filled()
    assert_eq!((filled::<f64>(&mask), filled::<f32>(&mask), filled::<i64>(&mask), filled::<u8>(&mask)), (1e20, 1e20, 999_999, 63));
    assert_eq!((filled::<bool>(&mask), filled::<i16>(&mask), filled::<Complex64>(&mask)), (true, 16959, Complex64::new(1e20, 0.0)));
    let x = Array::from_ndarray(array![1.0, f64::NAN, f64::INFINITY], 2).unwrap();
    check(x.fix_invalid().data(), array![1.0, 1e20, 1e20]);
    assert!(format!("{:?}", x.masked()).starts_with("Masked(Array<f64>"));
}

#[test]
fn masks_go_with_their_elements() {
    let data = array![[1, 2, 3], [4, 5, 6]];
    for chunks in [Chunks::one(), 2.into(), 1.into()] {
        let x = Array::from_ndarray(data.clone(), chunks).unwrap();
        let even = x.masked_where(&x.remainder(2).eq(0));
        assert_eq!(even.shape(), [2, 3]);
        check(&even.transpose([1, 0]).filled_with(0), array![[1, 0], [0, 5], [3, 0]]);
        check(&even.slice(arras_array::s![1.., ..;-1]).filled_with(0), array![[0, 5, 0]]);
        check(&even.reshape([-1]).rechunk(4).filled_with(-1), array![1, -1, 3, -1, 5, -1]);
        check(&even.masked_where(&x.gt(4)).filled_with(0), array![[1, 0, 3], [0, 0, 0]]);
        check(&even.map(|x| x.cast::<f64>() / 2.0).filled_with(9.0), array![[0.5, 9.0, 1.5], [9.0, 2.5, 9.0]]);
        let row = Array::from_ndarray(array![true, false, false], 2).unwrap();
        let sum = even.zip(&x.masked_where(&row), |a, b| a + b);
        check(&sum.filled_with(0), array![[0, 0, 6], [0, 10, 0]]);
        check(&even.sum_axis(Axes::from(1).keepdims()).filled(), array![[4i64], [5]]);
    }
}

#[test]
fn a_mask_of_another_shape_is_an_error() {
    let x = Array::<f64>::ones([2, 3], 2).unwrap();
    let wrong = x.masked_where(&Array::full([4], true, 2).unwrap());
    assert!(matches!(wrong.check(), Err(Error::Broadcast { operation: "masked_array", .. })));
    assert!(matches!(wrong.sum().data().check(), Err(Error::Broadcast { .. })));
    // A mask does not make an array larger.
    assert!(x.masked_where(&Array::full([4, 2, 3], true, 2).unwrap()).check().is_err());
    assert!(x.masked().map(|x| x.sum_axis(0)).check().is_err());
    assert!(matches!(x.masked().sum_axis(2).check(), Err(Error::Axis { .. })));
    assert!(x.masked().sum().item().graph().is_ok());
    assert!(x.masked().item().graph().is_err());
}
