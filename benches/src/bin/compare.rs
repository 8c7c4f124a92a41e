//! Ours and the peers side by side: prints a table of ratios and writes `target/compare.json`.
//!
//! `cargo run --release -p arras-benches --bin compare -- [FILTER] [--quick] [--no-peers]`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use arras_benches::compare::{Python, Report, Result, Rival, Setting, rows};
use arras_benches::memory;
use arras_scheduler::cpu_count;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

const USAGE: &str = "usage: compare [FILTER] [--quick] [--no-peers]

  FILTER      only rows whose name contains it
  --quick     less work and fewer rounds, for a first look
  --no-peers  without the Python peers";

#[derive(Default)]
struct Arguments {
    filter: String,
    quick: bool,
    no_peers: bool,
}

fn main() -> ExitCode {
    arras_scheduler::init();
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match compare(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was asked for; `None` for help.
fn parse(words: impl Iterator<Item = String>) -> std::result::Result<Option<Arguments>, String> {
    let mut arguments = Arguments::default();
    for word in words {
        match word.as_str() {
            "--quick" => arguments.quick = true,
            "--no-peers" => arguments.no_peers = true,
            "--help" | "-h" => return Ok(None),
            _ if word.starts_with('-') => return Err(format!("unknown option {word}")),
            _ if !arguments.filter.is_empty() => return Err(format!("a second filter: {word}")),
            _ => arguments.filter = word,
        }
    }
    Ok(Some(arguments))
}

fn compare(arguments: &Arguments) -> Result<ExitCode> {
    let all = rows();
    let chosen: Vec<_> = all.iter().filter(|row| row.name.contains(&arguments.filter)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = all.iter().map(|row| row.name).collect();
        eprintln!("no row's name contains {:?}: have {}", arguments.filter, names.join(", "));
        return Ok(ExitCode::from(2));
    }
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned()));
    let target = here.parent().unwrap_or(Path::new(".")).join("target");
    let python = if !arguments.no_peers && chosen.iter().any(|row| matches!(row.rival, Rival::Python(_))) {
        let base = std::env::var("ARRAS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        // Without Python there is still something to say: the native rows.
        Python::prepare(&base, &target, &here.join("peers")).inspect_err(|error| eprintln!("without Python peers: {error}")).ok()
    } else {
        None
    };
    // The best of two or three is a matter of luck on a machine that does something else as well.
    let rounds = if arguments.quick { 5 } else { 9 };
    let setting = Setting { threads: cpu_count(), quick: arguments.quick, rounds, python };

    println!("{} threads each, the best of {rounds} in turn; ratio: the peer's time over ours", setting.threads);
    let mut report = Report::new(chosen.iter().copied());
    println!("{}", report.head());
    for row in chosen {
        if let Some(outcome) = row.run(&setting)? {
            println!("{}", report.line(outcome));
        }
    }
    let path = target.join("compare.json");
    report.write_json(&path)?;
    println!("written to {}", path.display());
    Ok(if report.has_failed_peer() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
