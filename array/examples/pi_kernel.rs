//! What the kernel of the pi estimate costs an element on one thread, against a loop by hand. `cargo run --release -p arras-array --example pi_kernel`

use std::hint::black_box;
use std::time::Instant;

use arras_array::Array;
use arras_scheduler::{Compute, Synchronous};
use ndarray::Array1;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n = 20_000_000;
    let data = |stream: usize| {
        Array1::from_shape_fn(n, |i| ((i * 2 + stream).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
    };
    let (x_data, y_data) = (data(0), data(1));
    let x = Array::from_ndarray(x_data.clone(), 1_000_000)?;
    let y = Array::from_ndarray(y_data.clone(), 1_000_000)?;
    let cases: [(&str, Array<i64>); 4] = [
        ("(x² + y² < 1).sum()", (x.powi(2) + y.powi(2)).lt(1.0).sum()),
        ("(x < 1).sum()", x.lt(1.0).sum()),
        ("(x + y < 1).sum()", (&x + &y).lt(1.0).sum()),
        ("(x² < 1).sum()", x.powi(2).lt(1.0).sum()),
    ];
    for (name, array) in &cases {
        let best = (0..9).map(|_| {
            let started = Instant::now();
            black_box(array.compute_with(&Synchronous).unwrap());
            started.elapsed()
        });
        println!("{name:20} {:.3} ns an element", best.min().unwrap().as_nanos() as f64 / n as f64);
    }
    let best = (0..9).map(|_| {
        let started = Instant::now();
        let hits = x_data.iter().zip(&y_data).filter(|(x, y)| *x * *x + *y * *y < 1.0).count();
        black_box(hits);
        started.elapsed()
    });
    println!("{:20} {:.3} ns an element", "by hand", best.min().unwrap().as_nanos() as f64 / n as f64);
    Ok(())
}
