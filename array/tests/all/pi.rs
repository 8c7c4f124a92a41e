//! The program that everybody writes first.

use arras_array::{Array, Rng};
use arras_scheduler::{Compute, Synchronous, Threads};
use ndarray::Array1;

#[test]
fn the_pi_estimate_gives_the_same_bits_everywhere() -> Result<(), Box<dyn std::error::Error>> {
    let n = 10_000usize;
    let data = |stream: usize| Array1::from_shape_fn(n, |i| (((i * 2 + stream) * 7919) % 20011) as f64 / 10005.5 - 1.0);
    let (x_data, y_data) = (data(0), data(1));
    let hits = x_data.iter().zip(&y_data).filter(|(x, y)| *x * *x + *y * *y < 1.0).count();

    let x = Array::from_ndarray(x_data, 1_000)?;
    let y = Array::from_ndarray(y_data, 1_000)?;
    let hit_test = (x.powi(2) + y.powi(2)).lt(1.0);
    let pi = 4.0 * hit_test.sum() / n as f64;
    println!("{x}\n{}", pi.explain()?);
    let a = pi.compute()?;
    let b = pi.compute_with(&Synchronous)?;
    assert_eq!(a, b);
    assert_eq!(a.ndim(), 0);
    assert_eq!(a[[]], 4.0 * hits as f64 / n as f64);
    Ok(())
}

#[test]
fn the_region_and_its_reduction_are_one_kernel_a_block() {
    let rng = Rng::seed(7);
    let (x, y) = (rng.uniform(-1.0, 1.0, 10_000, 1_000).unwrap(), rng.uniform(-1.0, 1.0, 10_000, 1_000).unwrap());
    let pi = 4.0 * (x.powi(2) + y.powi(2)).lt(1.0).sum() / 10_000.0;
    let (_, report) = pi.compute_with_report(&Threads::new(2)).unwrap();
    // Ten blocks, draws included; one combination; one division.
    assert_eq!(report.tasks, 12);
    // No block is ever held: only partial counts of eight bytes.
    assert!(report.peak_live_nbytes <= 13 * 8, "{report}");
    let (_, unfused) = pi.unfused().compute_with_report(&Synchronous).unwrap();
    assert!(unfused.tasks > 70 && unfused.peak_live_nbytes > 8_000);
    let text = pi.explain().unwrap();
    assert!(text.contains("uniform+square+add+less+sum"), "{text}");
}
