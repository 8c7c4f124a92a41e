//! Bags at work: words and numbers counted, chains of closures, pairs sorted, grouped and joined, against rayon, polars, dask.bag and PySpark.
//!
//! The word counts need a corpus: a folder of text files, named in `ARRAS_CORPUS`. PySpark needs Java and an environment of its own: an interpreter that has it, named in `ARRAS_SPARK_PYTHON`. Without them there is
//! nothing to say about those rows.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use arras_bag::Bag;
use arras_scheduler::{Compute, Threads};
use hashbrown::HashMap;
use rayon::prelude::*;
use rustc_hash::FxBuildHasher;
use serde_json::{Value, json};

use super::{Bar, Contest, Error, Result, Rival, Row, Setting, Timed, bar};
use crate::memory;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::new("words/rayon", Rival::Native("rayon + hash map"), |setting| {
            let Some(corpus) = corpus(setting)? else { return Ok(None) };
            let peer = words_by_rayon(corpus.clone(), setting.threads)?;
            word_count(corpus, Some(peer), setting, Bar::AtMost(1.3)).map(Some)
        })
        .rounds(3),
        word_count_row("words/polars", "polars", "word_count_polars", Bar::TimesAsFast(1.5)),
        word_count_row("words/dask", "dask.bag", "word_count_dask", Bar::TimesAsFast(20.0)),
        word_count_row("words/spark", "PySpark", "word_count", Bar::TimesAsFast(3.0)),
        Row::new("frequencies/dask", Rival::Python("dask.bag"), |setting| frequencies(setting).map(Some)).rounds(1),
        Row::new("map-filter-sum/rayon", Rival::Native("rayon chain"), |setting| map_filter_sum(setting).map(Some)),
    ];
    for (name, limited, case) in [
        ("sort/spark", "sort/limited", Case::Sort),
        ("group/spark", "group/limited", Case::Group),
        ("join/spark", "join/limited", Case::Join),
    ] {
        rows.push(Row::new(name, Rival::Python("PySpark"), move |setting| pairs_by_spark(setting, case)).rounds(1));
        rows.push(Row::new(limited, Rival::Nobody, move |setting| pairs_under_limit(setting, case).map(Some)).rounds(1));
    }
    rows
}

fn run_error(error: arras_bag::Error) -> arras_core::Error {
    arras_core::Error::collection(error)
}

fn verdict(asked: Bar, says: impl Into<String>) -> super::Detail {
    let says = says.into();
    Box::new(move |ours_s, peer_s| {
        Ok(match peer_s {
            Some(peer_s) => format!("{}; {says}", asked.verdict(ours_s, peer_s)),
            None => says,
        })
    })
}

/// A case of `peers/spark.py`, by the interpreter that has PySpark.
fn spark(setting: &Setting, case: &'static str, parameters: Value, scale: f64) -> Result<Option<Timed>> {
    let (Some(interpreter), Some(python)) = (std::env::var_os("ARRAS_SPARK_PYTHON"), &setting.python) else { return Ok(None) };
    let mut peer = python.start_with(PathBuf::from(interpreter), "spark.py", setting.threads)?;
    Ok(Some(Box::new(move || Ok(peer.run(case, &parameters)? * scale))))
}

// ------------------------------------------------------------------------------------------------------------ words of a corpus

/// So many bytes of the corpus are read at most: its first files that fit.
const CORPUS_NBYTES: u64 = 150_000_000;

#[derive(Clone)]
struct Corpus {
    files: Vec<PathBuf>,
    nbytes: u64,
}

fn corpus(setting: &Setting) -> Result<Option<Corpus>> {
    let Some(folder) = std::env::var_os("ARRAS_CORPUS").map(PathBuf::from) else { return Ok(None) };
    let read = |source| Error::File { path: folder.clone(), source };
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).map_err(read)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<_>>().map_err(read)?;
    files.sort();
    let mut corpus = Corpus { files: Vec::new(), nbytes: 0 };
    let most = if setting.quick { CORPUS_NBYTES / 5 } else { CORPUS_NBYTES };
    for file in files {
        let nbytes = fs::metadata(&file).map_err(read)?.len();
        if corpus.nbytes + nbytes <= most {
            corpus.nbytes += nbytes;
            corpus.files.push(file);
        }
    }
    Ok(Some(corpus))
}

/// How often each word between white space occurs: the number of different ones, and the most frequent.
fn word_count(corpus: Corpus, peer: Option<Timed>, setting: &Setting, asked: Bar) -> Result<Contest> {
    let threads = Threads::new(setting.threads);
    let says = format!("{} files of {:.0} MB", corpus.files.len(), corpus.nbytes as f64 / 1e6);
    let (distinct, most) = words_by_hand(&corpus, setting.threads)?;
    Ok(Contest {
        ours: Box::new(move || {
            let start = Instant::now();
            let counts = Bag::read_text(&corpus.files)
                .map_err(run_error)?
                .flat_map(|line: &String| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                .foldby(|word: &String| word.clone(), 0u64, |n, _| n + 1, |a, b| a + b)
                .compute_with(&threads)?;
            let seconds = start.elapsed().as_secs_f64();
            assert_eq!((counts.len(), counts.iter().map(|(_, n)| *n).max()), (distinct, Some(most)));
            Ok(seconds)
        }),
        peer,
        detail: verdict(asked, says),
    })
}

fn word_count_row(name: &'static str, rival: &'static str, case: &'static str, asked: Bar) -> Row {
    Row::new(name, Rival::Python(rival), move |setting| {
        let Some(corpus) = corpus(setting)? else { return Ok(None) };
        let (distinct, most) = words_by_hand(&corpus, setting.threads)?;
        let parameters = json!({ "files": corpus.files, "distinct": distinct, "most": most });
        let peer = match rival {
            "PySpark" => spark(setting, case, parameters, 1.0)?,
            _ => setting.python_peer("bags.py", case, parameters, 1.0)?,
        };
        let Some(peer) = peer else { return Ok(None) };
        word_count(corpus, Some(peer), setting, asked).map(Some)
    })
    .rounds(2)
}

/// What one writes by hand: a hash map a file, on all threads, put together in the end.
fn words_by_hand(corpus: &Corpus, n_threads: usize) -> Result<(usize, u64)> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build()?;
    let counts = pool.install(|| {
        let count = |path: &PathBuf| -> Result<HashMap<String, u64, FxBuildHasher>> {
            let text = fs::read_to_string(path).map_err(|source| Error::File { path: path.clone(), source })?;
            let mut counts: HashMap<String, u64, FxBuildHasher> = HashMap::default();
            for word in text.lines().flat_map(str::split_whitespace) {
                *counts.entry_ref(word).or_default() += 1;
            }
            Ok(counts)
        };
        let merge = |a: HashMap<String, u64, FxBuildHasher>, b: HashMap<String, u64, FxBuildHasher>| {
            let (mut large, small) = if a.len() >= b.len() { (a, b) } else { (b, a) };
            for (word, n) in small {
                *large.entry(word).or_default() += n;
            }
            large
        };
        corpus.files.par_iter().map(count).try_reduce(HashMap::default, |a, b| Ok(merge(a, b)))
    })?;
    let counts: Vec<(String, u64)> = counts.into_iter().collect();
    Ok((counts.len(), counts.iter().map(|(_, n)| *n).max().unwrap_or(0)))
}

fn words_by_rayon(corpus: Corpus, n_threads: usize) -> Result<Timed> {
    Ok(Box::new(move || {
        let start = Instant::now();
        words_by_hand(&corpus, n_threads)?;
        Ok(start.elapsed().as_secs_f64())
    }))
}

// --------------------------------------------------------------------------------------------------------- numbers, one by one

const N_PARTITIONS: usize = 64;

/// A number of 64 bits, the same in Python.
fn scatter(i: u64) -> u64 {
    i.wrapping_mul(2_654_435_761) % 4_294_967_291
}

/// How often each of a million different numbers occurs among a hundred million. The peer counts a tenth as many, as far from each other.
fn frequencies(setting: &Setting) -> Result<Contest> {
    let (n, distinct) = if setting.quick { (10_000_000, 100_000) } else { (100_000_000u64, 1_000_000) };
    let threads = Threads::new(setting.threads);
    let parameters = json!({ "n": n / 10, "distinct": distinct, "partitions": N_PARTITIONS });
    let peer = setting.python_peer("bags.py", "frequencies", parameters, 10.0)?;
    Ok(Contest {
        ours: Box::new(move || {
            let start = Instant::now();
            let counts = Bag::range(0..n, N_PARTITIONS).map(move |&i| scatter(i) % distinct).frequencies().compute_with(&threads)?;
            let seconds = start.elapsed().as_secs_f64();
            assert_eq!((counts.len() as u64, counts.iter().map(|(_, n)| n).sum::<u64>()), (distinct, n));
            Ok(seconds)
        }),
        peer,
        detail: verdict(Bar::TimesAsFast(20.0), "the peer counts a tenth, its time is scaled"),
    })
}

fn map_filter_sum(setting: &Setting) -> Result<Contest> {
    let n = if setting.quick { 10_000_000 } else { 100_000_000u64 };
    let threads = Threads::new(setting.threads);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(setting.threads).build()?;
    let sums: Rc<Cell<Option<u64>>> = Rc::default();
    let expected = Rc::clone(&sums);
    let agree = move |sum: u64| assert_eq!(expected.replace(Some(sum)).unwrap_or(sum), sum);
    let by_rayon = agree.clone();
    Ok(Contest {
        ours: Box::new(move || {
            let start = Instant::now();
            let chain = Bag::range(0..n, N_PARTITIONS).map(|i| i * 3 + 1).filter(|x| x % 4 != 0).map(|x| x ^ (x >> 7));
            let sum = chain.sum().compute_with(&threads)?;
            let seconds = start.elapsed().as_secs_f64();
            agree(sum);
            Ok(seconds)
        }),
        peer: Some(Box::new(move || {
            let start = Instant::now();
            let chain = || (0..n).into_par_iter().map(|i| i * 3 + 1).filter(|x| x % 4 != 0).map(|x| x ^ (x >> 7));
            let sum = pool.install(|| chain().sum::<u64>());
            let seconds = start.elapsed().as_secs_f64();
            by_rayon(sum);
            Ok(seconds)
        })),
        detail: verdict(Bar::AtMost(1.5), format!("{n} integers that a range makes")),
    })
}

// ------------------------------------------------------------------------------------------- pairs that have to find each other

#[derive(Debug, Clone, Copy)]
enum Case {
    Sort,
    Group,
    Join,
}

impl Case {
    /// How many pairs: of a join, on either side.
    fn n(self, setting: &Setting) -> u64 {
        let n = if matches!(self, Case::Join) { 10_000_000 } else { 50_000_000 };
        if setting.quick { n / 10 } else { n }
    }

    fn name(self) -> &'static str {
        match self {
            Case::Sort => "sort",
            Case::Group => "group",
            Case::Join => "join",
        }
    }

    /// Runs it and says how long it took. A result is not gathered, but checked where it is made.
    fn run(self, n: u64, threads: &Threads) -> Result<f64> {
        let start = Instant::now();
        match self {
            Case::Sort => {
                let sorted = Bag::range(0..n, N_PARTITIONS).map(|&i| (scatter(i), i)).sort_by_key();
                let ascending = sorted.map_partitions(|pairs: &[(u64, u64)]| {
                    let ascends = pairs.is_sorted_by_key(|(key, _)| *key);
                    [(pairs.len() as u64, ascends, pairs.first().map(|pair| pair.0), pairs.last().map(|pair| pair.0))]
                });
                let ranges = ascending.compute_with(threads)?;
                let bounds: Vec<u64> = ranges.iter().flat_map(|(_, _, first, last)| [*first, *last]).flatten().collect();
                assert_eq!(ranges.iter().map(|range| range.0).sum::<u64>(), n);
                assert!(bounds.is_sorted() && ranges.iter().all(|range| range.1));
            }
            Case::Group => {
                let groups = Bag::range(0..n, N_PARTITIONS).map(move |&i| (scatter(i) % (n / 50), i)).group_by_key();
                let (keys, values) = groups
                    .map(|(_, values)| values.len() as u64)
                    .fold((0u64, 0u64), |(k, v), n| (k + 1, v + n), |a, b| (a.0 + b.0, a.1 + b.1))
                    .compute_with(threads)?;
                assert_eq!((keys, values), (n / 50, n));
            }
            Case::Join => {
                let left = Bag::range(0..n, N_PARTITIONS).map(|&i| (scatter(i), i));
                let right = Bag::range(0..n, N_PARTITIONS).map(|&i| (scatter(i + 1), i));
                let met = left.join(&right).filter(|(_, (i, j))| *i == *j + 1).count().compute_with(threads)?;
                assert_eq!(met, n - 1);
            }
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

fn pairs_by_spark(setting: &Setting, case: Case) -> Result<Option<Contest>> {
    let n = case.n(setting);
    let parameters = json!({ "n": n / 10, "partitions": setting.threads * 4 });
    let Some(peer) = spark(setting, case.name(), parameters, 10.0)? else { return Ok(None) };
    let threads = Threads::new(setting.threads);
    Ok(Some(Contest {
        ours: Box::new(move || case.run(n, &threads)),
        peer: Some(peer),
        detail: verdict(Bar::TimesAsFast(3.0), format!("{n} pairs; the peer has a tenth, its time is scaled")),
    }))
}

fn pairs_under_limit(setting: &Setting, case: Case) -> Result<Contest> {
    const LIMIT: u64 = 1 << 30;
    let n = case.n(setting);
    let threads = Threads::new(setting.threads).memory_limit(LIMIT);
    let peak_gib: Rc<Cell<f64>> = Rc::default();
    let seen = Rc::clone(&peak_gib);
    Ok(Contest {
        ours: Box::new(move || {
            memory::forget_peak_resident();
            let seconds = case.run(n, &threads)?;
            seen.set(memory::peak_resident_nbytes().map_or(f64::NAN, |nbytes| nbytes as f64 / (1u64 << 30) as f64));
            Ok(seconds)
        }),
        peer: None,
        detail: Box::new(move |_, _| {
            Ok(format!("{}: {n} pairs under a limit of 1 GiB", bar(peak_gib.get(), " GiB resident at most", ..=1.3)))
        }),
    })
}
