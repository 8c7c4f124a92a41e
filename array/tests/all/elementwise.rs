//! Every elementwise operation, swept over types and chunkings, against ndarray.

use arras_array::{Array, Chunks, DType, Element, Ordered};
use ndarray::{Array2, ArrayD, IxDyn};
use proptest::prelude::*;

use super::oracle::{check, computed};

/// Values that try a type's edges.
fn edges<T: Ordered>() -> Vec<T> {
    let from = |x: f64| <T as Element>::cast_from(x);
    let mut values: Vec<T> = [0.0, 1.0, -1.0, 2.0, 3.0, 7.0, -7.0, 100.0, -100.0, 1e9].into_iter().map(from).collect();
    values.extend([T::LARGEST, T::SMALLEST]);
    if matches!(T::DTYPE, DType::F32 | DType::F64) {
        values.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.5, -2.5, 1e-300].into_iter().map(from));
    }
    values
}

/// All pairs of edge values as two arrays of shape (n, n).
fn pairs<T: Ordered>() -> (Array2<T>, Array2<T>) {
    let values = edges::<T>();
    let n = values.len();
    (Array2::from_shape_fn((n, n), |(i, _)| values[i]), Array2::from_shape_fn((n, n), |(_, j)| values[j]))
}

fn chunkings() -> [Chunks; 3] {
    [Chunks::one(), 5.into(), [3, 100].into()]
}

fn binary<T: Ordered, R: Element>(ours: impl Fn(&Array<T>, &Array<T>) -> Array<R>, theirs: impl Fn(T, T) -> R) {
    let (x, y) = pairs::<T>();
    let expected = ndarray::Zip::from(&x).and(&y).map_collect(|&x, &y| theirs(x, y));
    for chunks in chunkings() {
        let (x, y) = (Array::from_ndarray(x.clone(), chunks.clone()).unwrap(), Array::from_ndarray(y.clone(), chunks).unwrap());
        check(&ours(&x, &y), expected.clone());
    }
}

fn unary<T: Ordered, R: Element>(ours: impl Fn(&Array<T>) -> Array<R>, theirs: impl Fn(T) -> R) {
    let (x, _) = pairs::<T>();
    for chunks in chunkings() {
        check(&ours(&Array::from_ndarray(x.clone(), chunks).unwrap()), x.mapv(&theirs));
    }
}

macro_rules! integers {
    ($($t:ident)*) => { $({
        binary(|x: &Array<$t>, y| x + y, <$t>::wrapping_add);
        binary(|x: &Array<$t>, y| x - y, <$t>::wrapping_sub);
        binary(|x: &Array<$t>, y| x * y, <$t>::wrapping_mul);
        binary(|x: &Array<$t>, y| x / y, |x, y| x as f64 / y as f64);
        binary(|x: &Array<$t>, y| x.minimum(y), |x, y| x.min(y));
        binary(|x: &Array<$t>, y| x.maximum(y), |x, y| x.max(y));
        unary(|x: &Array<$t>| -x, <$t>::wrapping_neg);
        unary(|x: &Array<$t>| x.abs(), |x| if x < 0 as $t { x.wrapping_neg() } else { x });
        unary(|x: &Array<$t>| x.square(), |x| x.wrapping_mul(x));
        unary(|x: &Array<$t>| x.powi(3), |x| x.wrapping_pow(3));
        unary(|x: &Array<$t>| 2.5 * x, |x| 2.5 * x as f64);
        unary(|x: &Array<$t>| x + 1 as $t, |x| x.wrapping_add(1));
        comparisons::<$t>();
    })* };
}

macro_rules! floats {
    ($($t:ident)*) => { $({
        binary(|x: &Array<$t>, y| x + y, |x, y| x + y);
        binary(|x: &Array<$t>, y| x - y, |x, y| x - y);
        binary(|x: &Array<$t>, y| x * y, |x, y| x * y);
        binary(|x: &Array<$t>, y| x / y, |x, y| x / y);
        let nan = |x: $t, y: $t| x.is_nan() || y.is_nan();
        binary(|x: &Array<$t>, y| x.minimum(y), move |x, y| if nan(x, y) { <$t>::NAN } else { x.min(y) });
        binary(|x: &Array<$t>, y| x.maximum(y), move |x, y| if nan(x, y) { <$t>::NAN } else { x.max(y) });
        unary(|x: &Array<$t>| -x, |x| -x);
        unary(|x: &Array<$t>| x.abs(), <$t>::abs);
        unary(|x: &Array<$t>| x.sqrt(), <$t>::sqrt);
        unary(|x: &Array<$t>| x.square(), |x| x * x);
        unary(|x: &Array<$t>| x.powi(-3), |x| x.powi(-3));
        unary(|x: &Array<$t>| 1.0 / x - 2.0, |x| 1.0 / x - 2.0);
        comparisons::<$t>();
    })* };
}

fn comparisons<T: Ordered>() {
    binary(|x: &Array<T>, y| x.eq(y), |x, y| x == y);
    binary(|x: &Array<T>, y| x.ne(y), |x, y| x != y);
    binary(|x: &Array<T>, y| x.lt(y), |x, y| x < y);
    binary(|x: &Array<T>, y| x.le(y), |x, y| x <= y);
    binary(|x: &Array<T>, y| x.gt(y), |x, y| x > y);
    binary(|x: &Array<T>, y| x.ge(y), |x, y| x >= y);
}

#[test]
fn integers_wrap_as_numpys_do() {
    integers!(i8 i16 i32 i64 u8 u16 u32 u64);
}

#[test]
fn floats_are_ieee_754() {
    floats!(f32 f64);
}

#[test]
fn truth_is_negated_and_compared() {
    unary(|x: &Array<bool>| x.logical_not(), |x| !x);
    binary(|x: &Array<bool>, y| x.eq(y), |x, y| x == y);
    binary(|x: &Array<bool>, y| x.lt(y), |x, y| !x & y);
}

macro_rules! casts {
    ($from:ident: $($to:ident)*) => { $(unary(|x: &Array<$from>| x.cast::<$to>(), |x| x as $to);)* };
}

#[test]
fn casts_are_rusts() {
    casts!(f64: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
    casts!(f32: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
    casts!(i64: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
    casts!(u64: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
    casts!(i8: i8 i16 i32 i64 u8 u16 u32 u64 f32 f64);
    casts!(bool: i8 i16 i32 i64 u8 u16 u32 u64);
    unary(|x: &Array<f64>| x.cast::<bool>(), |x| x != 0.0);
    unary(|x: &Array<i16>| x.cast::<bool>(), |x| x != 0);
}

#[test]
fn scalars_on_both_sides_take_the_arrays_type() {
    let x = Array::from_ndarray(ndarray::array![1.0f32, 2.0, 4.0], 2).unwrap();
    check(&(1.0 - &x), ndarray::array![0.0f32, -1.0, -3.0]);
    check(&(&x / 2.0), ndarray::array![0.5f32, 1.0, 2.0]);
    check(&(8.0 / x.clone() + 1.0), ndarray::array![9.0f32, 5.0, 3.0]);
    let n = Array::from_ndarray(ndarray::array![1i64, 2, 4], 2).unwrap();
    check(&(10 - &n), ndarray::array![9i64, 8, 6]);
    check(&(8 / &n), ndarray::array![8.0, 4.0, 2.0]);
    check(&(0.5 * n), ndarray::array![0.5, 1.0, 2.0]);
}

#[test]
fn no_elements_and_no_axes() {
    let empty = Array::from_ndarray(ndarray::Array2::<f64>::zeros((0, 3)), 2).unwrap();
    check(&(&empty + 1.0).sqrt(), ndarray::Array2::zeros((0, 3)));
    let scalar = Array::from_ndarray(ndarray::arr0(3.0f64), 1).unwrap();
    check(&(2.0 * scalar).lt(7.0), ndarray::arr0(true));
}

#[test]
fn what_two_operations_share_is_computed_once_and_long_rows_of_operations_do_not_overflow() {
    let x = Array::from_ndarray(ndarray::Array1::from_elem(5, 1.0), 2).unwrap();
    let mut y = x.clone();
    for _ in 0..2_000 {
        y = (&y + &y) * 0.5;
    }
    check(&y, ndarray::Array1::from_elem(5, 1.0));
    let mut z = x;
    for _ in 0..70_000 {
        z = z + 1.0;
    }
    assert_eq!(arras_core::evaluate(&z).unwrap(), ndarray::Array1::from_elem(5, 70_001.0).into_dyn());
    // Neither do slices, transposes and new chunks, which go down to where the elements come from, nor visit what is shared over and over.
    for deep in [y, z] {
        let last = computed_alone(&deep.rechunk(3).t().slice(arras_array::s![-2..]));
        assert_eq!(last.len(), 2);
        assert_eq!(last, computed_alone(&deep).slice(ndarray::s![-2..]).to_owned().into_dyn());
    }
}

fn computed_alone(array: &Array<f64>) -> ArrayD<f64> {
    arras_core::evaluate(array).unwrap()
}

/// Steps with scalars are taken into the arithmetic that they feed, as long as every rounding and every sign of zero stays.
macro_rules! scalars_around_arithmetic {
    ($t:ty) => {{
        type Step = (fn(Array<$t>, $t) -> Array<$t>, fn($t, $t) -> $t);
        type Arithmetic = (fn(&Array<$t>, &Array<$t>) -> Array<$t>, fn($t, $t) -> $t);
        let steps: [Step; 5] = [
            (|x, c| x + c, |x, c| x + c),
            (|x, c| x - c, |x, c| x - c),
            (|x, c| x * c, |x, c| x * c),
            (|x, c| x.multiply(Array::full([], c, 1).unwrap()), |x, c| c * x),
            (|x, c| x.divide(c), |x, c| x / c),
        ];
        let arithmetic: [Arithmetic; 5] = [
            (|x, y| x.add(y), |x, y| x + y),
            (|x, y| x.subtract(y), |x, y| x - y),
            (|x, y| x.multiply(y), |x, y| x * y),
            (|x, y| x.divide(y), |x, y| x / y),
            (|x, y| x.maximum(y), |x, y| if x > y || x != x { x } else { y }),
        ];
        let constants = [0.1, -0.0, 0.0, 3.0, 1e300, f64::INFINITY, f64::NAN].map(<$t as Element>::cast_from);
        let values: Vec<$t> = edges::<$t>().into_iter().filter(|x| x == x).collect();
        let x = Array::from_ndarray(ndarray::Array1::from(values.clone()), 7).unwrap();
        let y = x.flip([0]);
        let random = std::cell::Cell::new(7u64);
        let next = |n: usize| {
            random.set(random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
            (random.get() >> 33) as usize % n
        };
        for _ in 0..400 {
            let chain = |x: &Array<$t>, values: Vec<$t>| {
                (0..next(6)).fold((x.clone(), values), |(x, values), _| {
                    let ((lazy, plain), c) = (steps[next(steps.len())], constants[next(constants.len())]);
                    (lazy(x, c), values.into_iter().map(|x| plain(x, c)).collect::<Vec<$t>>())
                })
            };
            let (left, xs) = chain(&x, values.clone());
            let (right, ys) = chain(&y, values.iter().rev().copied().collect());
            let (lazy, plain) = arithmetic[next(arithmetic.len())];
            let (result, values) = chain(&lazy(&left, &right), xs.into_iter().zip(ys).map(|(x, y)| plain(x, y)).collect());
            let computed = computed(&result);
            let same = computed.iter().zip(&values).all(|(a, b)| a.to_bits() == b.to_bits() || a != a && b != b);
            assert!(same, "{computed} instead of {values:?}");
        }
    }};
}

#[test]
#[allow(clippy::eq_op)]
fn scalars_around_arithmetic_change_no_bit() {
    scalars_around_arithmetic!(f64);
    scalars_around_arithmetic!(f32);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_chunks_give_the_bits_of_one_chunk(
        rows in 0usize..40, columns in 0usize..3000, a in 1usize..50, b in 1usize..3100, seed in any::<u32>(),
    ) {
        let data = ArrayD::from_shape_fn(IxDyn(&[rows, columns]), |i| f64::from((i[0] as u32 * 31 + i[1] as u32).wrapping_mul(seed) % 1000) / 7.0 - 70.0);
        let expression = |chunks: Chunks| {
            let x = Array::from_ndarray(data.clone(), chunks).unwrap();
            (x.abs().sqrt() - 2.0 * &x).minimum(x.square()) / 3.0
        };
        prop_assert_eq!(computed(&expression([a, b].into())), computed(&expression(Chunks::one())));
    }
}
