//! How fast one thread counts words through a bag, next to loops written by hand over the same file.
//!
//! ```text
//!     cargo run --release -p arras-bag --example wordcount_kernel -- [MB] [FILE]
//! ```
//! Without a file it writes one of skewed made-up words to the temporary folder. The hand-written loops read lines with `BufRead` and count in a `HashMap`
//! with the same hash function: one makes a `String` of every word, as the keys of the bag are, one only of new words.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arras_bag::Bag;
use arras_core::evaluate;
use rustc_hash::FxBuildHasher;

type Counts = HashMap<String, u64, FxBuildHasher>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let megabytes: usize = arguments.next().map_or(Ok(50), |text| text.parse())?;
    let path = match arguments.next() {
        Some(path) => PathBuf::from(path),
        None => write_text(megabytes)?,
    };
    println!("{}: {} bytes", path.display(), std::fs::metadata(&path)?.len());

    let words = Bag::read_text(&path)?.flat_map(|line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let foldby = words.foldby(|word: &String| word.clone(), 0u64, |total, _| total + 1, |a, b| a + b);
    let frequencies = words.frequencies();
    let count = Bag::read_text(&path)?.count();

    let mut best = [Duration::MAX; 5];
    let mut timed = |i: usize, work: &mut dyn FnMut() -> u64| {
        let start = Instant::now();
        let check = work();
        best[i] = best[i].min(start.elapsed());
        check
    };
    let total = |counts: &[(String, u64)]| counts.iter().map(|(_, n)| n).sum::<u64>();
    for _ in 0..5 {
        let by_hand = timed(0, &mut || by_hand(&path, true).values().sum());
        assert_eq!(by_hand, timed(1, &mut || self::by_hand(&path, false).values().sum()));
        assert_eq!(by_hand, timed(2, &mut || total(&evaluate(&foldby).expect("the file is there"))));
        assert_eq!(by_hand, timed(3, &mut || total(&evaluate(&frequencies).expect("the file is there"))));
        timed(4, &mut || evaluate(&count).expect("the file is there"));
    }
    let names = ["by hand, String keys", "by hand, new words only", "bag foldby", "bag frequencies", "bag lines, count"];
    for (name, time) in names.iter().zip(best) {
        println!("{name:24} {:7.1} ms   {:.2} × by hand", time.as_secs_f64() * 1e3, time.as_secs_f64() / best[0].as_secs_f64());
    }
    Ok(())
}

fn by_hand(path: &Path, owned: bool) -> Counts {
    let mut counts = Counts::default();
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path).expect("the file is there"));
    let mut line = String::new();
    while reader.read_line(&mut line).expect("the file is text") > 0 {
        for word in line.split_whitespace() {
            if owned {
                *counts.entry(word.to_owned()).or_insert(0) += 1;
            } else if let Some(n) = counts.get_mut(word) {
                *n += 1;
            } else {
                counts.insert(word.to_owned(), 1);
            }
        }
        line.clear();
    }
    counts
}

/// Lines of about ten words, of which a few are very common and most are rare.
fn write_text(megabytes: usize) -> std::io::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("arras-words-{megabytes}.txt"));
    if path.exists() {
        return Ok(path);
    }
    let mut out = BufWriter::new(File::create(&path)?);
    let mut state = 1u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut written = 0;
    while written < megabytes * 1_000_000 {
        let bits = random();
        let rare = (bits >> 40) % 300_000;
        let word = if bits % 4 == 0 { rare } else { rare % (1 + rare % 2_000) };
        let text = format!("{:x}{}", word * 0x9e37, if random() % 10 == 0 { '\n' } else { ' ' });
        out.write_all(text.as_bytes())?;
        written += text.len();
    }
    out.flush()?;
    Ok(path)
}
