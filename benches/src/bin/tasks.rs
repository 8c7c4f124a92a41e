//! What a task costs, phase by phase, on any number of threads. `cargo run --release -p arras-benches --bin tasks [threads]`

use arras_benches::graphs::Shape;
use arras_benches::{memory, phases};
use arras_scheduler::{Threads, cpu_count};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

fn main() -> arras_core::Result<()> {
    let threads = Threads::new(std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or_else(cpu_count));
    let cases = [
        ("independent", Shape::Independent(1_000_000)),
        ("tree", Shape::Tree(19)),
        ("chain", Shape::Chain(1_000_000)),
        ("stencil", Shape::Stencil(1000, 1000)),
        ("hand-built tree", Shape::HandBuiltTree(19)),
    ];
    println!("{threads:?}: ns a task, best of 5; bytes a task at the peak");
    println!("{:>16} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}", "", "build", "cull", "freeze", "run", "sum", "drop", "bytes");
    for (name, shape) in cases {
        let mut best = phases::measure(shape, &threads)?;
        for _ in 1..5 {
            best = best.min(phases::measure(shape, &threads)?);
        }
        let tasks = f64::from(shape.n_tasks());
        print!("{name:>16}");
        for seconds in [best.build, best.cull, best.freeze, best.run, best.total(), best.drop] {
            print!(" {:8.1}", seconds * 1e9 / tasks);
        }
        println!(" {:8.1}", phases::peak_nbytes(shape, &threads)? as f64 / tasks);
    }
    Ok(())
}
