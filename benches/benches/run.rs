//! Running a plan of 100,000 tasks that do nothing, on one thread and on all. `cargo bench -p arras-benches --bench run`

use std::sync::Arc;

use arras_benches::graphs::Shape;
use arras_core::Plan;
use arras_scheduler::{RunOptions, Scheduler, Synchronous, Threads};
use divan::Bencher;
use divan::counter::ItemsCount;

const SHAPES: [Shape; 4] = [Shape::Independent(100_000), Shape::Tree(16), Shape::Chain(100_000), Shape::Stencil(316, 316)];

fn main() {
    divan::main();
}

#[divan::bench(args = SHAPES)]
fn synchronous(bencher: Bencher<'_, '_>, shape: Shape) {
    run(bencher, shape, &Synchronous);
}

#[divan::bench(args = SHAPES)]
fn threads(bencher: Bencher<'_, '_>, shape: Shape) {
    run(bencher, shape, &Threads::default());
}

fn run(bencher: Bencher<'_, '_>, shape: Shape, scheduler: &impl Scheduler) {
    let (graph, keys) = shape.build();
    let plan = Arc::new(Plan::new(&graph, &keys).expect("a sound graph"));
    bencher.counter(ItemsCount::new(shape.n_tasks())).bench_local(|| scheduler.run(&plan, &RunOptions::default()).expect("no task fails"));
}
