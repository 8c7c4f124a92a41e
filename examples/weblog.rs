//! Who visits a web site, and when: the visits of each visitor and of each day in a log, by `reduce_by_key` and `sort_by_key`.
//! `cargo run --release --example weblog [LINES] [FOLDER]` writes the log first, 10 million lines unless told otherwise, and checks what it finds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use arras::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let n_lines: u64 = arguments.next().map_or(Ok(10_000_000), |n| n.replace('_', "").parse())?;
    let temporary = tempfile::tempdir()?;
    let folder = arguments.next().map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    write_log(&folder, n_lines)?;

    // A line is "2026-03-07 visitor-42 /page/7".
    let log = Bag::read_text(folder.join("*.log"))?;
    let visits_by_day = log.map(|line: &String| (field(line, 0), 1u64)).reduce_by_key(|a, b| a + b);
    let visits_by_visitor = log.map(|line: &String| (field(line, 1), 1u64)).reduce_by_key(|a, b| a + b);
    let by_day = visits_by_day.sort_by_key();
    let by_visitor = visits_by_visitor.map(|(visitor, n)| (*n, visitor.clone())).sort_by_key_descending();

    let scheduler = arras::current_scheduler()?;
    let started = Instant::now();
    let (by_day, by_visitor) = (by_day, by_visitor).compute_with(&scheduler)?;
    let elapsed = started.elapsed();

    println!("the first days:");
    by_day.iter().take(5).for_each(|(day, n)| println!("{n:>9}  {day}"));
    println!("who came most often, of {}:", by_visitor.len());
    by_visitor.iter().take(5).for_each(|(n, visitor)| println!("{n:>9}  {visitor}"));
    println!("{n_lines} lines in {elapsed:.1?} on {} × {}", scheduler.n_workers(), scheduler.name());

    let (mut days, mut visitors) = (BTreeMap::new(), BTreeMap::new());
    for visit in (0..n_lines).map(visit) {
        *days.entry(visit.day).or_insert(0u64) += 1;
        *visitors.entry(visit.visitor).or_insert(0u64) += 1;
    }
    assert!(by_day.iter().map(|(day, n)| (day.clone(), *n)).eq(days.into_iter().map(|(day, n)| (date(day), n))), "each day is counted");
    assert!(by_visitor.is_sorted_by(|a, b| a.0 >= b.0) && by_visitor.len() == visitors.len(), "the most frequent come first");
    assert!(by_visitor.iter().all(|(n, name)| name.strip_prefix("visitor-").and_then(|id| visitors.get(&id.parse().ok()?)) == Some(n)));
    Ok(())
}

fn field(line: &str, number: usize) -> String {
    line.split(' ').nth(number).unwrap_or_default().to_owned()
}

struct Visit {
    day: u64,
    visitor: u64,
    page: u64,
}

/// Line `i` of the log: few visitors come often, and many once.
fn visit(i: u64) -> Visit {
    let bits = (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 31)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let (a, b) = (bits >> 44, (bits >> 24) & 0xf_ffff);
    Visit { day: (bits >> 8) % 365, visitor: (a * b) >> 20, page: bits % 100 }
}

fn date(day: u64) -> String {
    let mut left = day;
    for (month, days) in (1..).zip([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if left < days {
            return format!("2026-{month:02}-{:02}", left + 1);
        }
        left -= days;
    }
    unreachable!("a year has 365 days")
}

/// Writes the log as sixteen files.
fn write_log(folder: &Path, n_lines: u64) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for part in 0..16 {
        let mut file = BufWriter::new(File::create(folder.join(format!("{part:02}.log")))?);
        for i in part * n_lines / 16..(part + 1) * n_lines / 16 {
            let Visit { day, visitor, page } = visit(i);
            writeln!(file, "{} visitor-{visitor} /page/{page}", date(day))?;
        }
        file.flush()?;
    }
    Ok(())
}
