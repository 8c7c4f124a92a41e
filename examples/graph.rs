//! A task graph built by hand: a keyed map from name to task, as Dask's dict. `cargo run --example graph [picture.svg]`

use std::time::Instant;

use arras::prelude::*;

fn main() -> Result<(), arras::Error> {
    let mut graph = Graph::new();
    graph.insert("a", value(2i64));
    graph.insert("b", value(2i64));
    graph.insert("sum", task(|a: &i64, b: &i64| a + b, ("a", "b")));
    graph.insert("product", task(|a: &i64, b: &i64| a * b, ("a", "b")));
    graph.insert("result", task(|sum: &i64, product: &i64| sum + product, ("sum", "product")));
    for (key, task) in graph.iter() {
        println!("{key:12} {:8} reads {:?}", task.label(), task.dependencies().collect::<Vec<_>>());
    }

    let result: Delayed<i64> = Delayed::from_graph(graph, "result");
    if let Some(path) = std::env::args().nth(1) {
        result.visualize(&path)?;
        println!("drawn to {path}");
    }
    let scheduler = arras::current_scheduler()?;
    let started = Instant::now();
    let answer = result.compute_with(&scheduler)?;
    println!("result = {answer} in {:.1?} on {} × {}", started.elapsed(), scheduler.n_workers(), scheduler.name());
    Ok(())
}
