//! Three programs in one: an array, a bag, a graph by hand. `cargo run --release --example quickstart`

use std::time::Instant;

use arras::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scheduler = arras::current_scheduler()?;
    println!("scheduler: {} × {}\n", scheduler.n_workers(), scheduler.name());

    // An array: 100 million points, drawn, tested and counted a block at a time. Never more than a few bytes of results are held.
    let n = 100_000_000;
    let rng = Rng::seed(42);
    let x = rng.uniform(-1.0, 1.0, n, 1_000_000)?;
    let y = rng.uniform(-1.0, 1.0, n, 1_000_000)?;
    let hit_test = (x.powi(2) + y.powi(2)).lt(1.0);
    let pi = 4.0 * hit_test.sum() / n as f64;
    let started = Instant::now();
    let (estimate, report) = pi.item().compute_with_report(&scheduler)?;
    println!("π ≈ {estimate} from {n} points in {:.2?}\n    {report}\n", started.elapsed());

    // A bag: the words of a novel.
    let text = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/moby-dick.txt");
    let started = Instant::now();
    let mut counts = Bag::read_text(text)?
        .flat_map(|line: &String| {
            let words = line.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
            words.map(str::to_lowercase).collect::<Vec<_>>()
        })
        .foldby(|word: &String| word.clone(), 0u64, |total, _| total + 1, |a, b| a + b)
        .compute_with(&scheduler)?;
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let top: Vec<String> = counts.iter().take(8).map(|(word, count)| format!("{word} {count}")).collect();
    let whales = counts.iter().find(|(word, _)| word == "whale").map_or(0, |(_, count)| *count);
    println!("{} distinct words in Moby-Dick in {:.2?}: {} … and whale {whales}\n", counts.len(), started.elapsed(), top.join(", "));

    // A graph by hand.
    let mut graph = Graph::new();
    graph.insert("a", value(2i64));
    graph.insert("b", value(2i64));
    graph.insert("result", task(|x: &i64, y: &i64| x + y, ("a", "b")));
    let started = Instant::now();
    let result = Delayed::<i64>::from_graph(graph, "result").compute_with(&scheduler)?;
    println!("2 + 2 = {result} in {:.2?}", started.elapsed());
    Ok(())
}
