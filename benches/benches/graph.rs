//! The passes over a graph, 100,000 tasks each: built, culled, fused, frozen. `cargo bench -p arras-benches --bench graph`

use arras_benches::graphs::Shape;
use arras_core::{Plan, optimise};
use divan::Bencher;
use divan::counter::ItemsCount;

const SHAPES: [Shape; 5] =
    [Shape::Independent(100_000), Shape::Tree(16), Shape::Chain(100_000), Shape::Stencil(316, 316), Shape::HandBuiltTree(16)];

fn main() {
    divan::main();
}

#[divan::bench(args = SHAPES)]
fn build(bencher: Bencher<'_, '_>, shape: Shape) {
    bencher.counter(ItemsCount::new(shape.n_tasks())).bench(|| shape.build());
}

#[divan::bench(args = SHAPES)]
fn cull(bencher: Bencher<'_, '_>, shape: Shape) {
    let (graph, keys) = shape.build();
    bencher.counter(ItemsCount::new(shape.n_tasks())).bench(|| optimise::cull(&graph, &keys).expect("a sound graph"));
}

#[divan::bench(args = SHAPES)]
fn fuse(bencher: Bencher<'_, '_>, shape: Shape) {
    let (graph, keys) = shape.build();
    bencher.counter(ItemsCount::new(shape.n_tasks())).bench(|| optimise::fuse(&graph, &keys).expect("a sound graph"));
}

#[divan::bench(args = SHAPES)]
fn freeze(bencher: Bencher<'_, '_>, shape: Shape) {
    let (graph, keys) = shape.build();
    bencher.counter(ItemsCount::new(shape.n_tasks())).bench(|| Plan::new(&graph, &keys).expect("a sound graph"));
}
