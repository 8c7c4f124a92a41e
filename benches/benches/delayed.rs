//! Delayed calls: made, named and put into a graph, computed. `cargo bench -p arras-benches --bench delayed`

use arras_core::{Collection, Delayed, delayed};
use arras_scheduler::{Compute, Threads};
use divan::Bencher;
use divan::counter::ItemsCount;

const N: u32 = 10_000;

fn main() {
    divan::main();
}

/// The square roots of `N` numbers, and their sum.
fn roots() -> Delayed<f64> {
    let roots: Vec<_> = (0..N).map(|i| delayed(f64::sqrt, (f64::from(i),))).collect();
    delayed(|roots: &Vec<f64>| roots.iter().sum::<f64>(), (roots,))
}

/// One call after another.
fn row() -> Delayed<f64> {
    (0..N).fold(delayed(|| 0.0, ()), |x, _| x + 1.0)
}

#[divan::bench]
fn call(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(N)).bench(roots);
}

#[divan::bench]
fn chain_of_calls(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(N)).bench(row);
}

#[divan::bench]
fn graph(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(N)).with_inputs(roots).bench_refs(|sum| sum.graph().expect("a sound graph"));
}

#[divan::bench]
fn compute(bencher: Bencher<'_, '_>) {
    let threads = Threads::default();
    bencher.counter(ItemsCount::new(N)).with_inputs(roots).bench_local_refs(|sum| sum.compute_with(&threads).expect("no task fails"));
}
