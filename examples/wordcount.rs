//! The most frequent words of text files. `cargo run --release --example wordcount PATH…` (files, folders, globs; `.gz` too; `ARRAS_SCHEDULER=synchronous` or `threads`)

use std::path::Path;
use std::time::Instant;

use arras::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let in_folder = |path: String| if Path::new(&path).is_dir() { format!("{path}/*") } else { path };
    let paths: Vec<String> = std::env::args().skip(1).map(in_folder).collect();
    if paths.is_empty() {
        return Err("usage: wordcount PATH…, for example: wordcount examples/data/moby-dick.txt".into());
    }
    let scheduler = arras::current_scheduler()?;
    let started = Instant::now();
    let mut counts = Bag::read_text(paths)?
        .flat_map(|line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .foldby(|word: &String| word.clone(), 0u64, |total, _| total + 1, |a, b| a + b)
        .compute_with(&scheduler)?;
    let elapsed = started.elapsed();
    // Most frequent first, equals in order of the alphabet.
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    for (word, count) in counts.iter().take(10) {
        println!("{count:>9}  {word}");
    }
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    println!("{total} words, {} distinct, in {elapsed:.1?} on {} × {}", counts.len(), scheduler.n_workers(), scheduler.name());
    Ok(())
}
