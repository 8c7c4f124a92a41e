//! NumPy's own answers, recorded in `tests/fixtures`.

use arras_array::{Array, Axes, Chunks, Complex64, DType, Element};
use ndarray::{ArrayD, IxDyn};
use serde_json::Value;

use super::oracle::computed;

/// The cases of a file, and the inputs that they name.
pub(super) struct Recorded {
    file: Value,
}

/// An operation on inputs, and NumPy's answer.
pub(super) struct Case<'a> {
    recorded: &'a Recorded,
    case: &'a Value,
}

impl Recorded {
    pub(super) fn read(text: &str) -> Recorded {
        let file: Value = serde_json::from_str(text).unwrap();
        assert!(file["versions"]["numpy"].as_str().unwrap().starts_with("2."));
        Recorded { file }
    }

    pub(super) fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        self.file["cases"].as_array().unwrap().iter().map(|case| Case { recorded: self, case })
    }
}

fn number(value: &Value) -> Complex64 {
    match value {
        Value::String(text) => Complex64::new(text.parse().unwrap(), 0.0),
        Value::Array(parts) => Complex64::new(number(&parts[0]).re, number(&parts[1]).re),
        // Numbers beyond 2⁵³ are compared as the nearest float.
        _ => Complex64::new(value.as_f64().unwrap(), 0.0),
    }
}

fn elements<T: Element>(array: &Value) -> ArrayD<T> {
    let shape: Vec<usize> = array["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
    let element = |value: &Value| match (value.as_i64(), value.as_u64()) {
        (Some(x), _) => T::cast_from(x),
        (_, Some(x)) => T::cast_from(x),
        _ => T::cast_from(number(value)),
    };
    ArrayD::from_shape_vec(IxDyn(&shape), array["data"].as_array().unwrap().iter().map(element).collect()).unwrap()
}

impl Case<'_> {
    pub(super) fn op(&self) -> &str {
        self.case["op"].as_str().unwrap()
    }
    fn described(&self, i: usize) -> &Value {
        &self.recorded.file["inputs"][self.case["inputs"][i].as_str().unwrap()]
    }
    /// NumPy's name of an input's type.
    pub(super) fn dtype(&self) -> &str {
        self.described(0)["dtype"].as_str().unwrap()
    }
    pub(super) fn data<T: Element>(&self, i: usize) -> ArrayD<T> {
        elements(self.described(i))
    }
    pub(super) fn input<T: Element>(&self, i: usize, chunks: impl Into<Chunks>) -> Array<T> {
        Array::from_ndarray(self.data(i), chunks).unwrap()
    }
    pub(super) fn axes(&self) -> Axes {
        match &self.case["axis"] {
            Value::Null => Axes::all(),
            Value::Array(axes) => axes.iter().map(|axis| axis.as_i64().unwrap() as isize).collect::<Vec<_>>().into(),
            axis => Axes::from(axis.as_i64().unwrap() as isize),
        }
    }
    pub(super) fn axis(&self) -> Option<isize> {
        self.case["axis"].as_i64().map(|axis| axis as isize)
    }
    /// The axes, of which there are several.
    pub(super) fn axis_list(&self) -> Vec<isize> {
        self.case["axis"].as_array().unwrap().iter().map(|axis| axis.as_i64().unwrap() as isize).collect()
    }
    pub(super) fn n_inputs(&self) -> usize {
        self.case["inputs"].as_array().unwrap().len()
    }
    pub(super) fn arg(&self, name: &str) -> &Value {
        &self.case["args"][name]
    }
    pub(super) fn int(&self, name: &str) -> usize {
        self.arg(name).as_u64().unwrap_or(0) as usize
    }

    /// Checks an array against answer `i`, within a relative distance; no less than that which serde_json loses when it reads floats.
    pub(super) fn check<T: Element>(&self, i: usize, array: &Array<T>, tolerance: f64) {
        let answer = &self.case["answer"][i];
        array.check().unwrap_or_else(|error| panic!("{}: {error}", self.case));
        let found = computed(array);
        self.check_values(i, &found, tolerance);
        let dtype = match answer["dtype"].as_str().unwrap() {
            "bool" => DType::Bool,
            "int32" => DType::I32,
            "int64" => DType::I64,
            "uint8" => DType::U8,
            "uint64" => DType::U64,
            "float32" => DType::F32,
            "float64" => DType::F64,
            "complex64" => DType::C32,
            "complex128" => DType::C64,
            other => panic!("{other}"),
        };
        assert_eq!(array.dtype(), dtype, "{}", self.case);
    }

    pub(super) fn check_values<T: Element>(&self, i: usize, found: &ArrayD<T>, tolerance: f64) {
        let wanted: ArrayD<Complex64> = elements(&self.case["answer"][i]);
        assert_eq!(found.shape(), wanted.shape(), "{}", self.case);
        let wide = |x: T| Complex64::new(x.to_f64(), x.imaginary());
        let near = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance.max(1e-14) * b.abs().max(1.0);
        let same = |x: Complex64, y: Complex64| (x.is_nan() && y.is_nan()) || (near(x.re, y.re) && near(x.im, y.im));
        assert!(found.iter().zip(&wanted).all(|(&x, &y)| same(wide(x), y)), "{}: {found} instead of {wanted}", self.case);
    }
}

/// Runs `body` with `T` as the type of a case's input.
macro_rules! with_input {
    ($case:expr, [$($name:literal $ty:ident),*], $t:ident => $body:expr) => {
        match $case.dtype() {
            $($name => { type $t = $ty; $body })*
            _ => false,
        }
    };
}

fn any_reduction<T: Element>(case: &Case<'_>, chunks: &Chunks) -> bool {
    let (x, axes, ddof) = (case.input::<T>(0, chunks.clone()), case.axes(), case.int("ddof"));
    let tolerance = if matches!(T::DTYPE, DType::F32 | DType::C32) { 1e-5 } else { 1e-12 };
    match case.op() {
        "sum" => case.check(0, &x.sum_axis(axes), tolerance),
        "prod" => case.check(0, &x.prod_axis(axes), tolerance),
        "mean" => case.check(0, &x.mean_axis(axes), tolerance),
        "any" => case.check(0, &x.any_axis(axes), 0.0),
        "all" => case.check(0, &x.all_axis(axes), 0.0),
        "count_nonzero" => case.check(0, &x.count_nonzero_axis(axes), 0.0),
        // NumPy loses digits itself where the mean is large.
        "var" => case.check(0, &x.var_axis(axes, ddof), if T::DTYPE == DType::F64 { 1e-9 } else { tolerance }),
        "std" => case.check(0, &x.std_axis(axes, ddof), if T::DTYPE == DType::F64 { 1e-9 } else { tolerance }),
        _ => return false,
    }
    true
}

fn ordered_reduction<T: arras_array::Ordered>(case: &Case<'_>, chunks: &Chunks) -> bool {
    let (x, axes) = (case.input::<T>(0, chunks.clone()), case.axes());
    match case.op() {
        "min" => case.check(0, &x.min_axis(axes), 0.0),
        "max" => case.check(0, &x.max_axis(axes), 0.0),
        "argmin" => case.check(0, &x.argmin_axis(axes), 0.0),
        "argmax" => case.check(0, &x.argmax_axis(axes), 0.0),
        _ => return false,
    }
    true
}

fn real_reduction<T: arras_array::Real>(case: &Case<'_>, chunks: &Chunks) -> bool {
    let (x, axes) = (case.input::<T>(0, chunks.clone()), case.axes());
    match case.op() {
        "ptp" => case.check(0, &x.ptp_axis(axes), 0.0),
        _ => return false,
    }
    true
}

fn nan_reduction<T: arras_array::Inexact>(case: &Case<'_>, chunks: &Chunks) -> bool {
    let (x, axes, ddof) = (case.input::<T>(0, chunks.clone()), case.axes(), case.int("ddof"));
    let tolerance = if matches!(T::DTYPE, DType::F32 | DType::C32) { 1e-5 } else { 1e-12 };
    match case.op() {
        "nansum" => case.check(0, &x.nansum_axis(axes), tolerance),
        "nanprod" => case.check(0, &x.nanprod_axis(axes), tolerance),
        "nanvar" => case.check(0, &x.nanvar_axis(axes, ddof), if T::DTYPE == DType::F64 { 1e-9 } else { tolerance }),
        "nanstd" => case.check(0, &x.nanstd_axis(axes, ddof), if T::DTYPE == DType::F64 { 1e-9 } else { tolerance }),
        _ => return false,
    }
    true
}

fn nan_float_reduction<T: arras_array::Float>(case: &Case<'_>, chunks: &Chunks) -> bool {
    let (x, axes) = (case.input::<T>(0, chunks.clone()), case.axes());
    match case.op() {
        "nanmean" => case.check(0, &x.nanmean_axis(axes), if T::DTYPE == DType::F32 { 1e-5 } else { 1e-12 }),
        "nanmin" => case.check(0, &x.nanmin_axis(axes), 0.0),
        "nanmax" => case.check(0, &x.nanmax_axis(axes), 0.0),
        "nanargmin" => case.check(0, &x.nanargmin_axis(axes), 0.0),
        "nanargmax" => case.check(0, &x.nanargmax_axis(axes), 0.0),
        _ => return false,
    }
    true
}

#[test]
fn reductions_are_numpys() {
    let recorded = Recorded::read(include_str!("../fixtures/reductions.json"));
    let mut n = 0;
    for case in recorded.cases() {
        for chunks in [Chunks::one(), 2.into(), 1.into()] {
            // Many blocks of one element only where they are few.
            let chunks = if case.data::<f64>(0).len() > 100 && chunks != Chunks::one() { Chunks::from(70) } else { chunks };
            let all = with_input!(case, ["float64" f64, "float32" f32, "int32" i32, "int64" i64, "uint8" u8, "uint64" u64, "bool" bool, "complex128" Complex64],
                T => any_reduction::<T>(&case, &chunks));
            let ordered = with_input!(case, ["float64" f64, "float32" f32, "int32" i32, "int64" i64, "uint8" u8, "uint64" u64, "bool" bool],
                T => ordered_reduction::<T>(&case, &chunks));
            let real = with_input!(case, ["float64" f64, "float32" f32, "int32" i32, "int64" i64, "uint8" u8, "uint64" u64], T => real_reduction::<T>(&case, &chunks));
            let nan = with_input!(case, ["float64" f64, "float32" f32, "complex128" Complex64], T => nan_reduction::<T>(&case, &chunks));
            let floats = with_input!(case, ["float64" f64, "float32" f32], T => nan_float_reduction::<T>(&case, &chunks));
            assert!(all || ordered || real || nan || floats, "{} is not tested", case.op());
        }
        n += 1;
    }
    assert!(n > 400);
}
