//! π by throwing points at a square: draws, test and sum are one kernel a block. `cargo run --release --example pi [points] [picture.svg]`

use std::time::Instant;

use arras::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let n: usize = std::env::args().nth(1).map_or(Ok(100_000_000), |n| n.replace('_', "").parse())?;
    let rng = Rng::seed(42);
    let x = rng.uniform(-1.0, 1.0, n, 1_000_000)?;
    let y = rng.uniform(-1.0, 1.0, n, 1_000_000)?;
    let hit_test = (x.powi(2) + y.powi(2)).lt(1.0);
    let pi = 4.0 * hit_test.sum() / n as f64;
    println!("{x}\n\n{}", pi.explain()?);
    if let Some(path) = std::env::args().nth(2) {
        pi.visualize(&path)?;
        println!("drawn to {path}");
    }

    let scheduler = arras::current_scheduler()?;
    let started = Instant::now();
    let estimate = pi.item().compute_with(&scheduler)?;
    println!("π ≈ {estimate} in {:.1?} on {} × {}", started.elapsed(), scheduler.n_workers(), scheduler.name());
    Ok(())
}
