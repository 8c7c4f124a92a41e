//! Fourier transforms.

use arras_array::{Array, Chunks, Complex32, Complex64, Error, FftNorm, Float, Spectral, Transform, fftfreq, rfftfreq};
use serde_json::Value;

use super::numpy::{Case, Recorded};

fn transform(case: &Case<'_>) -> Transform {
    let axes: Vec<isize> = match case.axis() {
        Some(axis) => vec![axis],
        None => case.axis_list(),
    };
    let mut transform = Transform::from(axes).norm(match case.arg("norm").as_str().unwrap() {
        "ortho" => FftNorm::Ortho,
        "forward" => FftNorm::Forward,
        _ => FftNorm::Backward,
    });
    if let Some(n) = case.arg("n").as_u64() {
        transform = transform.length(n as usize);
    }
    if let Value::Array(lengths) = case.arg("s") {
        transform = transform.lengths(lengths.iter().map(|n| n.as_u64().unwrap() as usize).collect::<Vec<_>>());
    }
    transform
}

fn any<T: Spectral>(case: &Case<'_>, chunks: &Chunks, tolerance: f64) -> bool
where
    T::Spectrum: Spectral,
{
    let x = case.input::<T>(0, chunks.clone());
    match case.op() {
        "fft" => case.check(0, &x.fft(transform(case)), tolerance),
        "ifft" => case.check(0, &x.ifft(transform(case)), tolerance),
        "irfft" => case.check(0, &x.irfft(transform(case)), tolerance),
        "hfft" => case.check(0, &x.hfft(transform(case)), tolerance),
        "fft2" => case.check(0, &x.fft2(transform(case)), tolerance),
        "ifft2" => case.check(0, &x.ifft2(transform(case)), tolerance),
        "irfft2" => case.check(0, &x.irfft2(transform(case)), tolerance),
        "fftn" => case.check(0, &x.fftn(transform(case)), tolerance),
        "ifftn" => case.check(0, &x.ifftn(transform(case)), tolerance),
        "irfftn" => case.check(0, &x.irfftn(transform(case)), tolerance),
        "fftshift" => case.check(0, &x.fftshift(case.axis_list()), 0.0),
        "ifftshift" => case.check(0, &x.ifftshift(case.axis_list()), 0.0),
        "fftfreq" => case.check(0, &fftfreq(case.int("n"), 0.3, chunks.clone()).unwrap(), 1e-14),
        "rfftfreq" => case.check(0, &rfftfreq(case.int("n"), 0.3, chunks.clone()).unwrap(), 1e-14),
        _ => return false,
    }
    true
}

fn real<T: Float + Spectral>(case: &Case<'_>, chunks: &Chunks, tolerance: f64) -> bool
where
    T::Spectrum: Spectral,
{
    let x = case.input::<T>(0, chunks.clone());
    match case.op() {
        "rfft" => case.check(0, &x.rfft(transform(case)), tolerance),
        "ihfft" => case.check(0, &x.ihfft(transform(case)), tolerance),
        "rfft2" => case.check(0, &x.rfft2(transform(case)), tolerance),
        "rfftn" => case.check(0, &x.rfftn(transform(case)), tolerance),
        _ => return any::<T>(case, chunks, tolerance),
    }
    true
}

#[test]
fn transforms_are_numpys() {
    let recorded = Recorded::read(include_str!("../fixtures/fft.json"));
    let mut n = 0;
    for case in recorded.cases() {
        for chunks in [Chunks::one(), 3.into(), 1.into()] {
            let tested = match case.dtype() {
                "float64" => real::<f64>(&case, &chunks, 1e-12),
                "float32" => real::<f32>(&case, &chunks, 1e-5),
                "complex128" => any::<Complex64>(&case, &chunks, 1e-12),
                other => panic!("{other}"),
            };
            assert!(tested, "{} is not tested", case.op());
        }
        n += 1;
    }
    assert!(n > 150, "{n}");
}

#[test]
fn without_axes_they_are_the_last_ones() {
    let x = Array::<f64>::ones([4, 6, 8], 2).unwrap();
    let one = Transform::default;
    assert_eq!(x.fft(one()).name(), x.fft(-1).name());
    assert_eq!(x.fft2(one()).name(), x.fft2([1, 2]).name());
    assert_eq!(x.fftn(one()).name(), x.fftn([0, 1, 2]).name());
    assert_eq!(x.fftn(one().lengths([3, 3])).shape(), [4, 3, 3]);
    assert_eq!(x.rfftn(one()).shape(), [4, 6, 5]);
    assert_eq!(x.rfftn(one()).irfftn(one()).shape(), [4, 6, 8]);
    assert_eq!(x.fft(0).chunks(), [vec![4], vec![2, 2, 2], vec![2, 2, 2, 2]]);
    let single: Array<Complex32> = x.cast::<f32>().fft(0);
    let back: Array<f32> = single.irfft(0);
    assert_eq!(back.shape(), [6, 6, 8]);
}

#[test]
fn transforms_that_cannot_be_are_named() {
    let x = Array::<f64>::ones([4, 6], 2).unwrap();
    assert!(matches!(x.fft(2).check(), Err(Error::Axis { operation: "fft", axis: 2, .. })));
    assert!(matches!(x.fftn([0, -2]).check(), Err(Error::AxisTwice { operation: "fftn", axis: 0, .. })));
    let why = |result: Result<(), Error>, part: &str| match result {
        Err(error @ Error::Argument { .. }) => assert!(error.to_string().contains(part), "{error}"),
        other => panic!("{other:?} where {part}"),
    };
    why(x.fft([0, 1]).check().map(drop), "fft: axes [0, 1]");
    why(x.rfft(Transform::from(0).length(0)).check().map(drop), "0 points");
    why(x.irfft(Transform::from([0]).lengths([2, 3])).check().map(drop), "irfft: lengths [2, 3]");
    why(Array::<f64>::ones([0], 1).unwrap().fft(0).check().map(drop), "0 points");
    why(Array::<f64>::ones([1], 1).unwrap().irfft(0).check().map(drop), "0 points");
    why(Array::<f64>::ones((), 1).unwrap().fftn(Transform::default()).check().map(drop), "no axes");
    why(fftfreq(0, 1.0, 1).map(drop), "0 points");
    assert!(matches!(x.fftshift([3]).check(), Err(Error::Axis { operation: "fftshift", axis: 3, .. })));
}
